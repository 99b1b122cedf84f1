"""Planners and learners: `import rlkit.agents`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if __name__ == "agents":
    raise ImportError("import rlkit.agents, not agents")

if TYPE_CHECKING:
    from rlkit.agents.control.differential_sarsa import DifferentialSarsa
    from rlkit.agents.control.double_q_learning import DoubleQLearning
    from rlkit.agents.control.expected_sarsa import ExpectedSarsa
    from rlkit.agents.control.lspi import LSPI
    from rlkit.agents.control.monte_carlo import MonteCarloControl
    from rlkit.agents.control.n_step_sarsa import NStepSarsa
    from rlkit.agents.control.q_learning import QLearning
    from rlkit.agents.control.sarsa import Sarsa
    from rlkit.agents.control.sarsa_lambda import SarsaLambda
    from rlkit.agents.control.watkins_q import WatkinsQ
    from rlkit.agents.deep.ddpg import DDPG
    from rlkit.agents.deep.dqn import DQN
    from rlkit.agents.deep.neural_td import NeuralTD
    from rlkit.agents.deep.td3 import TD3
    from rlkit.agents.planners import PolicyIteration, TruncatedPolicyIteration, ValueIteration
    from rlkit.agents.prediction.emphatic import EmphaticTD
    from rlkit.agents.prediction.forward_view import GradientMonteCarlo, OfflineLambdaReturn
    from rlkit.agents.prediction.gradient_td import GTD2, TDC
    from rlkit.agents.prediction.lstd import LSTD
    from rlkit.agents.prediction.n_step import NStepTD
    from rlkit.agents.prediction.td import LinearTD, TDLambda
    from rlkit.agents.presets import preset

_HOME = {
    "DDPG": "rlkit.agents.deep.ddpg",
    "DQN": "rlkit.agents.deep.dqn",
    "DifferentialSarsa": "rlkit.agents.control.differential_sarsa",
    "DoubleQLearning": "rlkit.agents.control.double_q_learning",
    "EmphaticTD": "rlkit.agents.prediction.emphatic",
    "ExpectedSarsa": "rlkit.agents.control.expected_sarsa",
    "GTD2": "rlkit.agents.prediction.gradient_td",
    "GradientMonteCarlo": "rlkit.agents.prediction.forward_view",
    "LSPI": "rlkit.agents.control.lspi",
    "LSTD": "rlkit.agents.prediction.lstd",
    "LinearTD": "rlkit.agents.prediction.td",
    "MonteCarloControl": "rlkit.agents.control.monte_carlo",
    "NStepSarsa": "rlkit.agents.control.n_step_sarsa",
    "NStepTD": "rlkit.agents.prediction.n_step",
    "NeuralTD": "rlkit.agents.deep.neural_td",
    "OfflineLambdaReturn": "rlkit.agents.prediction.forward_view",
    "PolicyIteration": "rlkit.agents.planners",
    "QLearning": "rlkit.agents.control.q_learning",
    "Sarsa": "rlkit.agents.control.sarsa",
    "SarsaLambda": "rlkit.agents.control.sarsa_lambda",
    "TD3": "rlkit.agents.deep.td3",
    "TDC": "rlkit.agents.prediction.gradient_td",
    "TDLambda": "rlkit.agents.prediction.td",
    "TruncatedPolicyIteration": "rlkit.agents.planners",
    "ValueIteration": "rlkit.agents.planners",
    "WatkinsQ": "rlkit.agents.control.watkins_q",
}

__all__ = [
    "DDPG",
    "DQN",
    "GTD2",
    "LSPI",
    "LSTD",
    "TD3",
    "TDC",
    "DifferentialSarsa",
    "DoubleQLearning",
    "EmphaticTD",
    "ExpectedSarsa",
    "GradientMonteCarlo",
    "LinearTD",
    "MonteCarloControl",
    "NStepSarsa",
    "NStepTD",
    "NeuralTD",
    "OfflineLambdaReturn",
    "PolicyIteration",
    "QLearning",
    "Sarsa",
    "SarsaLambda",
    "TDLambda",
    "TruncatedPolicyIteration",
    "ValueIteration",
    "WatkinsQ",
    "catalogue",
    "preset",
    "promises",
]


def catalogue() -> dict[str, type]:
    """Return every planner and learner by name; the first line of its docstring is its promise."""
    return {name: getattr(importlib.import_module(home), name) for name, home in sorted(_HOME.items())}


def promises() -> dict[str, str]:
    """Return the first line of every planner's and learner's docstring by name, without importing any of them."""
    import ast
    from pathlib import Path

    found: dict[str, str] = {}
    for home in sorted(set(_HOME.values())):
        file = Path(__file__).parent.joinpath(*home.split(".")[2:]).with_suffix(".py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and _HOME.get(node.name) == home:
                found[node.name] = (ast.get_docstring(node) or "").split("\n", 1)[0]
    return {name: found[name] for name in sorted(_HOME)}


def __getattr__(name: str) -> Any:
    if name == "preset":
        from rlkit.agents.presets import preset

        return preset
    if name not in _HOME:
        raise AttributeError(f"module 'rlkit.agents' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
