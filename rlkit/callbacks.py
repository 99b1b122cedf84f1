"""What can watch a training run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rlkit.transition import Transition

if TYPE_CHECKING:
    from stable_baselines3.common.callbacks import BaseCallback

    from rlkit.trainer import Trainer

    Watcher: TypeAlias = "Callback | BaseCallback | Callable[[dict[str, Any], dict[str, Any]], bool]"


class Episode(NamedTuple):
    """A finished episode: its undiscounted return, its length in steps, and its number, from 1."""

    reward: float
    length: int
    number: int


class Callback:
    """Watches a training run; override what you need, and nothing else costs time.

    A callback may log (`trainer.logger`), read the agent and the environment, and end the run (`trainer.stop()`).
    One that overrides `on_step` has every step be taken in Python; `on_every` leaves compiled loops their speed.

    Attributes:
        every: steps between two calls of `on_every`; None for no calls.
    """

    every: int | None = None

    def on_start(self, trainer: Trainer) -> None:
        """A call of `run` begins."""

    def on_step(self, trainer: Trainer, transition: Transition, metrics: Mapping[str, Any]) -> None:
        """The agent has learnt from a transition, and reported `metrics`; a `VectorTrainer` gives N, `Transitions`."""

    def on_every(self, trainer: Trainer) -> None:
        """`trainer.step` is a multiple of `every`."""

    def on_episode(self, trainer: Trainer, episode: Episode) -> None:
        """An episode has ended."""

    def on_log(self, trainer: Trainer, *, final: bool) -> None:
        """A row of the log is about to be written, the run's last if `final`; what is logged now becomes part of it."""

    def on_checkpoint(self, trainer: Trainer, path: Path) -> None:
        """A checkpoint has been written, whole and safe."""

    def on_stop(self, trainer: Trainer) -> None:
        """A call of `run` ends, whatever the reason."""


def overrides(callback: Callback, name: str) -> bool:
    """Tell whether a callback does something in a method that `Callback` has."""
    return getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)


def is_sb3s(callback: Any) -> bool:
    """Tell whether stable-baselines3 takes something for a callback: one of its own, or a function."""
    loaded = sys.modules.get("stable_baselines3.common.callbacks")
    own = loaded is not None and isinstance(callback, loaded.BaseCallback)
    return own or inspect.isfunction(callback) or inspect.ismethod(callback)
