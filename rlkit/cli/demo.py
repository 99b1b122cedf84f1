"""Run the main job on built-in defaults: exact solutions, and learners measured against them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from rlkit.config import check_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rlkit.bellman import Progress, Solution
    from rlkit.cli._learning import Learnt
    from rlkit.cli._steering import Steered

GAMMA = 0.9
MAP = "zhao-5x5"
PLANNERS = ("value_iteration", "policy_iteration", "truncated_policy_iteration")
EPISODE = 20  # steps, for the learners of the best policy: they begin anywhere
PREDICTION = f"The values of the uniformly random policy in Zhao's 5x5 grid world, gamma {GAMMA}"
CONTROL = "The best policy there, and its values v*"
STEERING = "A mass on a line that is to be brought to rest (a double integrator)"
HEADINGS = ("method", "work", "seconds", "RMSVE", "least", "TD fixed point", "optimal", "lost", "proven bound")
SHRINKING = {"learning_rate": 0.5, "learning_rate_power": 0.6}  # alpha_n = 0.5 / n^0.6


def run(*, steps: int = 2_000_000, out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None) -> None:
    """Solve Zhao's 5x5 grid world exactly, let learners find out by trial and error, and steer a mass by DDPG.

    The values of the uniformly random policy are learnt by linear TD with a table, polynomials and cosines, and by a
    neural network on 256 grids at once; the best policy by Q-learning and Sarsa; and DDPG learns to bring a mass to
    rest, against the optimum from Riccati's equation. Prints one table of exact errors, beside the least error that
    the features allow and that of the TD fixed point; leaves pictures and one TensorBoard run for each method. Takes
    about a minute.

    Args:
        steps: how long each learner learns, in steps of the environment; the neural one takes a fifth of them, and
            DDPG a hundredth.
        out: folder to write to; by default a new one under runs/.
    """
    from tqdm import tqdm

    from rlkit.cli._demo_pictures import draw
    from rlkit.cli._results import make_folder
    from rlkit.cli._steering import steer

    check_count("steps", steps)
    folder = make_folder(out, "demo")
    curves: dict[str, list[Progress]] = {}
    learnt: dict[str, Learnt] = {}
    rows = {PREDICTION: [_exact_row(folder)], CONTROL: [], STEERING: [_riccati_row()]}
    jobs = _predictors(steps, folder) | _controllers(steps, folder)
    with tqdm(total=len(PLANNERS) + len(jobs) + 2, disable=None, leave=False) as bar:
        for method in PLANNERS:
            bar.set_description(method)
            solution, curves[method], seconds = _plan(method, folder / method)
            rows[CONTROL].append(_planner_row(method, solution, seconds))
            bar.update()
        for name, job in jobs.items():
            bar.set_description(name)
            learnt[name] = job()
            kind = CONTROL if learnt[name].agent.target_policy is None else PREDICTION
            rows[kind].append((_control_row if kind == CONTROL else _prediction_row)(name, learnt[name]))
            bar.update()
        bar.set_description("DDPG")
        steered = steer(max(1, steps // 100), folder / "ddpg")
        rows[STEERING].append(_steering_row(steered))
        bar.update()
        bar.set_description("pictures")
        pictures = draw(folder, MAP, GAMMA, curves, learnt, steered)
        bar.update()
    print(_report(folder, rows, pictures, steered))


def _predictors(steps: int, folder: Path) -> dict[str, Callable[[], Learnt]]:
    """Who learns the values of the uniformly random policy, by name."""
    from rlkit.agents import LinearTD, NeuralTD
    from rlkit.cli._learning import PARALLEL, learn, learn_in_parallel
    from rlkit.envs import GridWorld
    from rlkit.features import Fourier, Polynomial

    env = GridWorld.load(MAP)
    kinds = {
        "TD, table": None,
        "TD, polynomial": Polynomial.for_env(env, degree=3),
        "TD, Fourier 3": Fourier.for_env(env, order=3),
        "TD, Fourier 5": Fourier.for_env(env, order=5),
    }

    def linear(name: str) -> Learnt:
        def make() -> tuple[Any, Any]:
            return LinearTD.for_env(env, features=kinds[name], gamma=GAMMA, seed=0, **SHRINKING), GridWorld.load(MAP)

        return learn(make, steps, folder / _file_name(name))

    def neural() -> Learnt:
        def make() -> NeuralTD:
            return NeuralTD.for_env(env, gamma=GAMMA, seed=0, learning_rate=1e-2, learning_rate_power=0.75)

        return learn_in_parallel(make, MAP, max(1, steps // (5 * PARALLEL)), folder / "neural-td")

    jobs: dict[str, Callable[[], Learnt]] = {name: lambda name=name: linear(name) for name in kinds}  # type: ignore[misc]
    return {**jobs, "neural TD": neural}


def _controllers(steps: int, folder: Path) -> dict[str, Callable[[], Learnt]]:
    """Who learns the best policy, by name."""
    from rlkit.agents import QLearning, Sarsa
    from rlkit.cli._learning import learn
    from rlkit.envs import GridWorld

    greedier = {"exploration_final_eps": 0.0, "exploration_fraction": 0.95, "learning_rate": 0.1}
    kinds: dict[str, tuple[Any, dict[str, float]]] = {
        "Q-learning": (QLearning, {"exploration_final_eps": 0.2, "learning_rate": 0.5}),
        "Sarsa": (Sarsa, greedier),
    }

    def control(name: str) -> Learnt:
        agent_class, settings = kinds[name]

        def make() -> tuple[Any, Any]:
            env = GridWorld.load(MAP, max_steps=EPISODE)
            return agent_class.for_env(env, gamma=GAMMA, seed=0, **settings), env

        return learn(make, steps, folder / _file_name(name))

    return {name: lambda name=name: control(name) for name in kinds}  # type: ignore[misc]


def _plan(method: Any, folder: Path) -> tuple[Solution, list[Progress], float]:
    """Solve by one method with its curves in a run of its own."""
    from rlkit.bellman import BellmanLogger, solve
    from rlkit.envs import GridWorld

    model = GridWorld.load(MAP).model()
    seen: list[Progress] = []
    with BellmanLogger(folder, model) as log:

        def callback(progress: Progress) -> None:
            log(progress)
            seen.append(progress)

        log.finish(solve(model, GAMMA, method=method, callback=callback))
    begun = time.perf_counter()  # of a second time: the first run may compile
    solution = solve(model, GAMMA, method=method)
    return solution, seen, time.perf_counter() - begun


def _exact_row(folder: Path) -> tuple[str, ...]:
    """The Bellman equation of the random policy, solved; against values that are proven to more digits."""
    import numpy as np

    from rlkit.bellman import policy_evaluation
    from rlkit.envs import GridWorld
    from rlkit.logger import Logger
    from rlkit.truth import Yardstick

    model = GridWorld.load(MAP).model()
    uniform = np.full((model.n_states, model.n_actions), 1 / model.n_actions)
    truth = Yardstick(model, GAMMA, policy=uniform)
    policy_evaluation(model, uniform, GAMMA, method="iterative")
    begun = time.perf_counter()
    solution = policy_evaluation(model, uniform, GAMMA, method="iterative")
    seconds = time.perf_counter() - begun
    error = truth.value_errors(solution.v)["rmsve"]
    with Logger(folder / "policy_evaluation") as log:
        log.scalar("truth/rmsve", error, solution.iterations)
    work = f"{solution.iterations} sweeps", f"{seconds:.3f}"
    return "Bellman equation", *work, _number(error), "0", "-", "-", "-", f"{solution.error_bound:.0e}"


def _prediction_row(name: str, run: Learnt) -> tuple[str, ...]:
    best, fixed = (_number(run.lines[line]) for line in ("best_rmsve", "td_rmsve"))
    mark = "" if hasattr(run.agent, "w") else " *"
    work = f"{run.steps:,} steps", f"{run.seconds:.2f}"
    return name + mark, *work, _number(run.errors["rmsve"]), best, fixed, "-", "-", "-"


def _planner_row(name: str, solution: Solution, seconds: float) -> tuple[str, ...]:
    from rlkit.envs import GridWorld
    from rlkit.truth import Yardstick

    q: NDArray[np.float64] = solution.q
    truth = Yardstick(GridWorld.load(MAP), GAMMA)
    errors = truth.value_errors(solution.v) | truth.policy_errors(q.argmax(axis=1))
    work = f"{solution.iterations} iterations", f"{seconds:.3f}"
    return name, *work, *_against_the_best(errors), f"{solution.error_bound:.0e}"


def _control_row(name: str, run: Learnt) -> tuple[str, ...]:
    return name, f"{run.steps:,} steps", f"{run.seconds:.2f}", *_against_the_best(run.errors), "-"


def _against_the_best(errors: dict[str, float]) -> tuple[str, ...]:
    from rlkit.envs import GridWorld
    from rlkit.truth import Yardstick

    truth = Yardstick(GridWorld.load(MAP), GAMMA)
    lost = errors["policy_regret"] / abs(float(truth.start @ truth.v))
    return _number(errors["rmsve"]), "-", "-", _percent(errors["optimal_actions"]), _percent(lost)


def _riccati_row() -> tuple[str, ...]:
    from rlkit.cli import _steering
    from rlkit.truth import optimality_gap

    env = _steering.mass()
    begun = time.perf_counter()
    K = env.optimum(_steering.GAMMA).K
    seconds = time.perf_counter() - begun
    lost = optimality_gap(K, env, _steering.GAMMA).gap
    return "Riccati equation", "1 solution", f"{seconds:.3f}", *"----", _percent(lost), "-"


def _steering_row(run: Steered) -> tuple[str, ...]:
    return "DDPG", f"{run.steps:,} steps", f"{run.seconds:.2f}", *"----", _percent(run.gap.gap), "-"


def _percent(share: float) -> str:
    return "0 %" if share < 1e-13 else f"{100 * share:.3g} %"


def _number(x: float) -> str:
    """Write an error: 0 for what is below rounding's reach."""
    if x < 1e-13:
        return "0"
    return f"{x:.4f}" if x >= 1e-3 else f"{x:.0e}"


def _file_name(name: str) -> str:
    return name.lower().replace(", ", "-").replace(" ", "-")


def _report(folder: Path, rows: dict[str, list[tuple[str, ...]]], pictures: list[Path], steered: Steered) -> str:
    from rlkit.cli._text import columns

    lines = columns([HEADINGS, *(row for of_one_problem in rows.values() for row in of_one_problem)]).splitlines()
    heading, body = lines[:2], iter(lines[2:])
    parts = [[f"  {problem}", *(f"  {next(body)}" for _ in found), ""] for problem, found in rows.items()]
    return "\n".join(
        [
            "All errors are against exact answers: the solved Bellman equation, and Riccati's.",
            "",
            *(f"  {line}" for line in heading),
            *(line for part in parts for line in part),
            "  RMSVE: root mean squared value error, states weighted by how often the policy is there; least: of any",
            "  weights of these features; TD fixed point: of the weights where expected TD ends up; optimal: share of",
            "  the states where the action is optimal; lost: of the optimal return (or of the cost, on top of it) by",
            "  acting so, from where episodes begin; proven bound: on the error of any value",
            f"  (DDPG's is simulated, with a standard error of {_percent(steered.gap.standard_error)})",
            "  * of linear TD with the network's last hidden layer, as it is in the end",
            "",
            f"pictures: {', '.join(str(path) for path in pictures)}",
            f"curves:   tensorboard --logdir {folder}",
        ]
    )
