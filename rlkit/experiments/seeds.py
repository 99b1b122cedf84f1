"""One experiment with many seeds: each is a run of its own, in a process and a folder of its own."""

from __future__ import annotations

import csv
import json
import math
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import gymnasium
from gymnasium.wrappers import TimeLimit

from rlkit.callbacks import Callback
from rlkit.config import check_count
from rlkit.errors import CheckpointError, ConfigError
from rlkit.experiments.pool import OnProgress, Outcome, Pool, Tell
from rlkit.files import FolderLock, write_whole
from rlkit.layers import wrappers
from rlkit.run import RunFolder

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.callbacks import Watcher
    from rlkit.trainer import Trainer
    from rlkit.training import Training

RESULT, ERROR = "result.json", "error.txt"  # in a run's folder
TOLD = 100  # times that a run tells how far it is, at the least
SECONDS_BETWEEN_WORDS = 1.0  # at the most, as far as rows of the log allow
LAST_WORDS = 60.0  # seconds that a run whose pool was killed has to end
EPISODES = 20  # of an agent that has learnt
LONGEST = 1000  # steps of an evaluation's episode where the environment sets no limit


class SeedRun(NamedTuple):
    """What came of one seed.

    Attributes:
        seed: which.
        folder: the run's.
        steps: that it has made; of one that failed, as far as its log and its checkpoints tell.
        seconds: that they took, those of its last start alone if it was resumed.
        returns: of episodes in the end, acting as best it can; none if it failed.
        truth: the latest of each `truth/...` in its log, by what follows the slash.
        error: one sentence that names what happened if it failed; None otherwise. More is in the folder's `error.txt`
            if it was an exception.
    """

    seed: int
    folder: Path
    steps: int
    seconds: float
    returns: tuple[float, ...]
    truth: Mapping[str, float]
    error: str | None


@dataclass(frozen=True, kw_only=True)
class SeedPlan:
    """What all seeds of an experiment have in common; called with one of them, it does or finishes that run.

    The arguments are those of `run_seeds`.
    """

    make: Callable[[int], tuple[Agent, Any]]
    steps: int
    directory: Path
    evaluate_in: Callable[[], gymnasium.Env[Any, Any]] | None = None
    episodes: int = EPISODES
    callbacks: Callable[[], Iterable[Watcher]] = tuple
    checkpoint_every: int | None = None
    log_every: int | None = None

    def folder_of(self, seed: int) -> Path:
        """Return the folder of a seed's run."""
        return self.directory / f"seed_{seed}"

    def __call__(self, seed: int, tell: Tell) -> SeedRun:
        """Train until the run has its steps, from its newest checkpoint if there is one, and evaluate."""
        folder = self.folder_of(seed)
        try:
            return self._done(seed, folder, tell)
        except Exception:
            write_error(folder)
            raise

    def result_of(self, seed: int) -> SeedRun | None:
        """Return what came of a seed's run if it has all of its steps and was evaluated, None otherwise."""
        file = self.folder_of(seed) / RESULT
        with suppress(OSError, ValueError, OverflowError, RecursionError, TypeError, KeyError, AttributeError):
            said = json.loads(file.read_text(encoding="utf-8"))
            found = SeedRun(
                seed,
                file.parent,
                int(said["steps"]),
                float(said["seconds"]),
                tuple(map(float, said["returns"])),
                {str(name): float(value) for name, value in said["truth"].items()},
                None,
            )
            return found if found.steps >= self.steps else None
        return None

    def failed(self, seed: int, error: str) -> SeedRun:
        """Return what there is of a run that failed."""
        folder = self.folder_of(seed)
        saved = [path.stem.removeprefix("step_") for path in RunFolder(folder).saved()]
        newest = next((int(name) for name in saved if name.isdecimal()), 0)
        return SeedRun(seed, folder, max(newest, _logged_in(folder)), 0.0, (), {}, error)

    def _done(self, seed: int, folder: Path, tell: Tell) -> SeedRun:
        trainer = self._trainer(seed, folder, tell)
        began = time.perf_counter()
        trainer.run(max(self.steps - trainer.step, 0))
        seconds = time.perf_counter() - began
        if trainer.step < self.steps:  # told to stop
            return SeedRun(seed, folder, trainer.step, seconds, (), truth_in(folder), None)
        run = SeedRun(seed, folder, trainer.step, seconds, self._returns(trainer), truth_in(folder), None)
        said = {name: value for name, value in run._asdict().items() if name not in ("folder", "error")}
        write_whole(folder / RESULT, lambda stream: stream.write(json.dumps(said, indent=1).encode()))
        (folder / ERROR).unlink(missing_ok=True)
        return run

    def _trainer(self, seed: int, folder: Path, tell: Tell) -> Training:
        """Return the run's trainer, brought to its newest checkpoint."""
        from rlkit.trainer import Trainer
        from rlkit.vector_trainer import VectorTrainer

        made: Any = self.make(seed)
        if not (isinstance(made, tuple) and [hasattr(thing, "unwrapped") for thing in made] == [False, True]):
            raise ConfigError(f"run_seeds: make({seed}) returned {made!r}, expected a pair (agent, environment)")
        agent, env = made
        kind = VectorTrainer if isinstance(env, gymnasium.vector.VectorEnv) else Trainer
        trainer = kind(
            agent,
            env,
            callbacks=[*self.callbacks(), _Reporter(tell, self.steps)],
            directory=folder,
            checkpoint_every=self.checkpoint_every,
            log_every=self.log_every,
            progress=False,
        )
        wait_for(folder)
        trainer.resume(or_begin=True)
        return trainer

    def _returns(self, trainer: Training) -> tuple[float, ...]:
        """Return what the agent gets in whole episodes, in the end."""
        from rlkit.evaluation import evaluate, evaluation_seed

        if self.evaluate_in is None and isinstance(trainer.env, gymnasium.vector.VectorEnv):
            return ()
        env = trainer.env if self.evaluate_in is None else self.evaluate_in()
        longest = LONGEST if limit_of(env) is None else 10**9
        first = evaluation_seed(trainer.agent.seed, final=True)
        found = evaluate(trainer.agent, env, episodes=self.episodes, seed=first, max_steps=longest)
        return tuple(episode.reward for episode in found)


class _Reporter(Callback):
    """Tells how far a run is, and ends it if that is what comes back."""

    def __init__(self, tell: Tell, steps: int) -> None:
        self.tell, self.steps = tell, steps
        self.every = max(1, steps // TOLD)
        self._told_at = 0.0

    def on_start(self, trainer: Trainer) -> None:
        """Note in `config.json` how long the run is to be, for who resumes it."""
        if trainer.folder is not None:
            trainer.folder.write_config({**trainer.folder.read_config(), "steps": self.steps})
        self.on_every(trainer)

    def on_every(self, trainer: Trainer) -> None:
        """Tell."""
        self._told_at = time.monotonic()
        report: dict[str, float] = {"step": trainer.step, "steps": self.steps}
        if trainer.episodes.count:
            report["return"] = trainer.episodes.means()["rollout/ep_rew_mean"]
        if not self.tell(report):
            trainer.stop()

    def on_log(self, trainer: Trainer, *, final: bool) -> None:
        """Tell, if it takes long until the next time."""
        if not final and time.monotonic() > self._told_at + SECONDS_BETWEEN_WORDS:
            self.on_every(trainer)


def run_seeds(
    make: Callable[[int], tuple[Agent, Any]],
    seeds: Iterable[int],
    *,
    steps: int,
    directory: str | Path,
    workers: int | None = None,
    pool: Pool | None = None,
    evaluate_in: Callable[[], gymnasium.Env[Any, Any]] | None = None,
    episodes: int = EPISODES,
    callbacks: Callable[[], Iterable[Watcher]] = tuple,
    checkpoint_every: int | None = None,
    log_every: int | None = None,
    resume: bool = True,
    progress: bool | None = None,
) -> list[SeedRun]:
    """Train one agent for each seed, in parallel processes; each run is what `train` would make of it, to the bit.

    Ctrl-C and SIGTERM end the runs with a checkpoint each; the same call again goes on with what is not finished. A run
    that fails, crashes or hangs has a `SeedRun` with an error, and the others go on.

    Args:
        make: makes an agent and an environment, or a vector of them, from a seed; called in the run's process. The
            environment's first reset takes the agent's seed. Where runs are finished already, it is called here for one
            of them, to see that it still has the hyperparameters that they had.
        seeds: one for each run, such as `range(10)`.
        steps: of each run.
        directory: gets a folder for each run, `seed_0` and so on, with what `Trainer` writes, and in the end
            `result.json`.
        workers: how many runs at once; None: as many as the cores that this process may use.
        pool: what they run on, such as `RayPool()`; None: processes on this machine (`ProcessPool(workers)`).
        evaluate_in: makes the environment that the agent is evaluated in when it has learnt; None: the one that it was
            trained in, or none if that is a vector.
        episodes: of that evaluation; they follow from the seed, and each seed has others.
        callbacks: makes what else watches a run, for each of them.
        checkpoint_every, log_every: as for `Trainer`.
        resume: whether to go on with runs that `directory` holds; those that are finished are left alone.
        progress: show how far the runs are. None: if the standard error is a terminal.

    Raises:
        ConfigError: a number that is not a whole one of at least 1, seeds that are none or not distinct, or both
            `workers` and `pool`.
        CheckpointError: without `resume`, a seed's folder holds a run; a finished run had other hyperparameters than
            `make` has now; or another process writes to the experiment.
        KeyboardInterrupt, SystemExit: SIGINT or SIGTERM came.
    """
    plan = SeedPlan(
        make=make,
        steps=check_count("steps", steps, at_least=0),
        directory=Path(directory).resolve(),
        evaluate_in=evaluate_in,
        episodes=check_count("episodes", episodes),
        callbacks=callbacks,
        checkpoint_every=checkpoint_every,
        log_every=log_every,
    )
    chosen = _checked_seeds(seeds)
    if workers is not None and pool is not None:
        raise ConfigError("run_seeds: a pool has its own workers, so say one of workers and pool")
    if not resume:
        _refuse_taken(plan, chosen)
    pool = pool or _processes(workers)
    found = {seed: run for seed in chosen if (run := plan.result_of(seed)) is not None}
    _refuse_others(plan, found)
    if remaining := [seed for seed in chosen if seed not in found]:
        with held(plan.directory):
            found |= _do(plan, remaining, pool, progress)
    return [found[seed]._replace(folder=Path(directory) / plan.folder_of(seed).name) for seed in chosen]


def _processes(workers: int | None) -> Pool:
    from rlkit.experiments.processes import ProcessPool

    return ProcessPool(workers)


def _do(plan: SeedPlan, seeds: Sequence[int], pool: Pool, progress: bool | None) -> dict[int, SeedRun]:
    """Do the runs of some seeds; return what comes of them."""
    from rlkit.experiments.progress import shown

    found: dict[int, SeedRun] = {}
    with terminable(), shown(seeds, plan.steps, progress) as display:
        for outcome in _outcomes(pool, plan, seeds, display.report):
            display.over(outcome.index, failed=outcome.error is not None)
            found[outcome.config] = outcome.value or plan.failed(outcome.config, outcome.error or "")
    return found


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Have the folder of an experiment for oneself.

    Raises:
        CheckpointError: another process writes to it; the message names that.
    """
    lock = FolderLock(directory, "experiment")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _outcomes(
    pool: Pool, plan: SeedPlan, seeds: Sequence[int], on_progress: OnProgress
) -> Iterator[Outcome[int, SeedRun]]:
    """Yield what comes of each; whatever happens, the runs are over in the end."""
    outcomes = pool.map(plan, seeds, on_progress=on_progress)
    try:
        yield from outcomes
    finally:
        close = getattr(outcomes, "close", None)
        if close is not None:
            close()


def _checked_seeds(seeds: Iterable[int]) -> list[int]:
    if not isinstance(seeds, Iterable):
        raise ConfigError(f"run_seeds: seeds={seeds!r}, expected one for each run, such as range({seeds})")
    chosen = [check_count("a seed", seed, at_least=0) for seed in seeds]
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"run_seeds: seeds={chosen}, expected each but once")
    return chosen


def _refuse_taken(plan: SeedPlan, seeds: Iterable[int]) -> None:
    for seed in seeds:
        if (folder := plan.folder_of(seed)).exists():
            raise CheckpointError(f"{folder}: holds a run already; resume=True goes on with it")


def _refuse_others(plan: SeedPlan, finished: Iterable[int]) -> None:
    """Refuse to take finished runs for what `make` makes now, if their hyperparameters were others.

    One of them stands for all. What cannot be made, or read, is not compared.
    """
    for seed in list(finished)[:1]:
        folder = plan.folder_of(seed)
        now: dict[str, Any] = {}
        then: dict[str, Any] = {}
        with suppress(Exception):
            agent, env = plan.make(seed)
            env.close()
            now = json.loads(json.dumps(agent.config.to_dict(), default=str))
            then = dict(RunFolder(folder).read_config()["hyperparameters"])
        for name in (name for name in then if name in now and then[name] != now[name]):
            raise CheckpointError(
                f"{folder}: was finished with {name}={then[name]!r}, and make({seed}) has {name}={now[name]!r} now; "
                "choose another directory"
            )


def truth_in(folder: Path) -> dict[str, float]:
    """Return the latest of each `truth/...` in a run's log, by what follows the slash."""
    return {tag[6:]: value for tag, value in latest_in(folder).items() if tag.startswith("truth/")}


def latest_in(folder: Path, up_to: float = math.inf) -> dict[str, float]:
    """Return the latest number of each tag in a run's log, of the rows up to a step."""
    latest: dict[str, float] = {}
    log = folder / "progress.csv"
    if not log.is_file():  # a run of no steps
        return latest
    with log.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, restkey=""):
            step = row.get("step") or ""
            if step.isdecimal() and int(step) <= up_to:
                latest |= {tag: float(text) for tag, text in row.items() if tag not in ("", "step") and text}
    return latest


def _logged_in(folder: Path) -> int:
    """Return the last step in a run's log; 0 if there is none that can be read."""
    with suppress(OSError, ValueError), (folder / "progress.csv").open(newline="", encoding="utf-8") as stream:
        said = [row.get("step") or "" for row in csv.DictReader(stream, restkey="")]
        return max((int(step) for step in said if step.isdecimal()), default=0)
    return 0


def wait_for(folder: Path) -> None:
    """Let a run whose pool was killed notice that nobody listens to it any more, and end; not for ever."""
    lock, by = FolderLock(folder), time.monotonic() + LAST_WORDS
    while time.monotonic() < by:
        try:
            lock.acquire()
        except CheckpointError:
            time.sleep(0.1)
        else:
            lock.release()
            return


def write_error(folder: Path) -> None:
    """Write down the exception that is handled now; where that fails, it is still the one that counts."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ERROR).write_text(traceback.format_exc(), encoding="utf-8", errors="backslashreplace")


def limit_of(env: gymnasium.Env[Any, Any]) -> int | None:
    """Return after how many steps an environment cuts an episode short; None if it does not."""
    rules = getattr(getattr(env.unwrapped, "layout", None), "rules", None)  # of a grid world
    limits: list[int | None] = [layer._max_episode_steps for layer in wrappers(env) if isinstance(layer, TimeLimit)]
    limits += [None if env.spec is None else env.spec.max_episode_steps, getattr(rules, "max_steps", None)]
    return next((limit for limit in limits if limit is not None), None)


@contextmanager
def terminable() -> Iterator[None]:
    """Have SIGTERM raise `SystemExit(143)`, unless somebody handles it already or this is not the main thread."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 (what a handler is called with)
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
