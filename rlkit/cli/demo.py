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

GAMMA = 0.9
MAP = "zhao-5x5"
PLANNERS = ("value_iteration", "policy_iteration", "truncated_policy_iteration")
EPISODE = 20  # steps, for the learners of the best policy: they begin anywhere
SHRINKING = {"learning_rate": 0.5, "learning_rate_power": 0.6}  # alpha_n = 0.5 / n^0.6


def run(*, steps: int = 2_000_000, out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None) -> None:
    """Solve Zhao's 5x5 grid world exactly, let learners find out by trial and error, and compare.

    The values of the uniformly random policy are learnt by linear TD with a table, polynomials and cosines, and by a
    neural network on 256 grids at once; the best policy by Q-learning and Sarsa. Prints tables of exact errors, beside
    the least error that the features allow and that of the TD fixed point; leaves pictures and one TensorBoard run for
    each method. Takes about 10 seconds, and half a minute where everything has to be compiled first.

    Args:
        steps: how long each learner learns, in steps of the environment; the neural one takes a fifth of them.
        out: folder to write to; by default a new one under runs/.
    """
    from tqdm import tqdm

    from rlkit.cli._demo_pictures import draw
    from rlkit.cli._results import make_folder

    check_count("steps", steps)
    folder = make_folder(out, "demo")
    curves: dict[str, list[Progress]] = {}
    learnt: dict[str, Learnt] = {}
    rows = {"prediction": [_exact_row(folder)], "control": []}
    jobs = _predictors(steps, folder) | _controllers(steps, folder)
    with tqdm(total=len(PLANNERS) + len(jobs) + 1, disable=None, leave=False) as bar:
        for method in PLANNERS:
            bar.set_description(method)
            solution, curves[method], seconds = _plan(method, folder / method)
            rows["control"].append(_planner_row(method, solution, seconds))
            bar.update()
        for name, job in jobs.items():
            bar.set_description(name)
            learnt[name] = job()
            kind = "control" if learnt[name].agent.target_policy is None else "prediction"
            rows[kind].append((_control_row if kind == "control" else _prediction_row)(name, learnt[name]))
            bar.update()
        bar.set_description("pictures")
        pictures = draw(folder, MAP, GAMMA, curves, learnt)
        bar.update()
    print(_report(folder, rows, pictures))


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
    return "Bellman equation", f"{solution.iterations} sweeps", f"{seconds:.3f}", _number(error), "0", "-"


def _prediction_row(name: str, run: Learnt) -> tuple[str, ...]:
    best, fixed = (_number(run.lines[line]) for line in ("best_rmsve", "td_rmsve"))
    mark = "" if hasattr(run.agent, "w") else " *"
    return name + mark, f"{run.steps:,} steps", f"{run.seconds:.2f}", _number(run.errors["rmsve"]), best, fixed


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


def _against_the_best(errors: dict[str, float]) -> tuple[str, str, str]:
    share = f"{100 * errors['optimal_actions']:.0f} %"
    return _number(errors["rmsve"]), share, _number(errors["policy_regret"])


def _number(x: float) -> str:
    """Write an error: 0 for what is below rounding's reach."""
    if x < 1e-13:
        return "0"
    return f"{x:.4f}" if x >= 1e-3 else f"{x:.0e}"


def _file_name(name: str) -> str:
    return name.lower().replace(", ", "-").replace(" ", "-")


def _report(folder: Path, rows: dict[str, list[tuple[str, ...]]], pictures: list[Path]) -> str:
    from rlkit.cli._text import columns

    prediction = ("method", "work", "seconds", "RMSVE", "least possible", "TD fixed point")
    control = ("method", "work", "seconds", "RMSVE", "optimal actions", "regret", "proven bound")
    return "\n".join(
        [
            f"Zhao's 5x5 grid world, gamma {GAMMA}; all errors are exact, against the solved Bellman equation.",
            "",
            "The values of the uniformly random policy:",
            "",
            columns([prediction, *rows["prediction"]]),
            "",
            "  RMSVE: root mean squared value error, states weighted by how often the policy is there; least possible:",
            "  of any weights of these features; TD fixed point: of the weights where expected TD ends up",
            "  * of linear TD with the network's last hidden layer, as it is in the end",
            "",
            "The best policy, and its values v*:",
            "",
            columns([control, *rows["control"]]),
            "",
            f"pictures: {', '.join(str(path) for path in pictures)}",
            f"curves:   tensorboard --logdir {folder}",
        ]
    )
