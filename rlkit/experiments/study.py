"""Optuna's side of a sweep: where trials are kept, who proposes them, and who gives them up.

Akiba et al. (2019), "Optuna: A Next-generation Hyperparameter Optimization Framework".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from rlkit.errors import CheckpointError, ConfigError
from rlkit.experiments.search import Dimension, distribution_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

Sampler: TypeAlias = "Literal['tpe', 'random', 'grid'] | Callable[[int], BaseSampler]"
Pruner: TypeAlias = "Literal['median', 'hyperband', 'none'] | BasePruner"
Direction: TypeAlias = Literal["maximize", "minimize"]
JOURNAL = "study.journal"
NAME = "sweep"


def check_optuna() -> None:
    """Make sure that Optuna is there.

    Raises:
        ConfigError: it is not; says how to install it.
    """
    try:
        import optuna.storages.journal  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"a sweep needs Optuna, at least 4.0 (pip install rlkit[sweep]): {error}") from None


def open_study(directory: Path, direction: Direction, pruner: BasePruner | None) -> Study:
    """Open the study in a sweep's folder, or begin one; hold the folder's lock.

    It is one file of JSON lines, `study.journal`, of which a killed process leaves no more than half a line at the end,
    and a lock; both are removed. `optuna-dashboard DIR/study.journal` shows it.

    Raises:
        CheckpointError: the file is damaged.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    journal = directory / JOURNAL
    _mend(journal)
    try:
        with quiet():
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
            return optuna.create_study(
                storage=storage, study_name=NAME, direction=direction, pruner=pruner, load_if_exists=True
            )
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{journal}: is damaged ({type(error).__name__}: {error})") from error


def sampler_of(sampler: Sampler, seed: int, number: int) -> BaseSampler:
    """Return who proposes the trial of a number: drawn from nothing but its seed, so that it can be proposed again.

    Raises:
        ConfigError: there is no sampler of that name.
    """
    import optuna

    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if callable(sampler):
        return sampler(drawn)
    if sampler == "tpe":
        return optuna.samplers.TPESampler(seed=drawn)
    if sampler in ("random", "grid"):
        return optuna.samplers.RandomSampler(seed=drawn)
    raise ConfigError(f"sampler={sampler!r}, expected tpe, random or grid")


def pruner_of(pruner: Pruner, every: int, steps: int, seeds: int = 1) -> BasePruner:
    """Return who gives trials up, of which each is measured every so many of the steps that each of its seeds makes.

    The median rule (Golovin et al. 2017, section 3.2.2) begins after a third of the first seed, and five trials;
    Hyperband (Li et al. 2018) spends from one measurement up to all of a trial's steps.

    Raises:
        ConfigError: there is no pruner of that name.
    """
    import optuna

    if not isinstance(pruner, str):
        return pruner
    if pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=steps // 3)
    if pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=every, max_resource=max(seeds * steps, every))
    if pruner == "none":
        return optuna.pruners.NopPruner()
    raise ConfigError(f"pruner={pruner!r}, expected median, hyperband or none")


def distributions(space: Mapping[str, Dimension]) -> dict[str, Any]:
    """Return all dimensions as Optuna has them."""
    return {name: distribution_of(dimension) for name, dimension in space.items()}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from reporting what the sweep reports itself."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _mend(journal: Path) -> None:
    """Remove what a process that was killed left: half a line, and Optuna's lock."""
    Path(f"{journal}.lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    content = journal.read_bytes()
    if whole := len(content) - (content.rfind(b"\n") + 1):
        with journal.open("r+b") as stream:
            stream.truncate(len(content) - whole)
