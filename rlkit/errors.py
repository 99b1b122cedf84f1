"""The errors that rlkit raises: one sentence each, that says where, what it is, and what was expected; and warnings."""

from __future__ import annotations

import sys
import warnings
from typing import Any


class RlkitError(Exception):
    """The base of every error that rlkit raises on purpose."""


class ConfigError(RlkitError, ValueError):
    """A hyperparameter or rule is outside its documented range."""


class SpaceError(RlkitError, TypeError):
    """An agent or planner has no use for an environment's observation or action space."""


class MapError(RlkitError, ValueError):
    """A grid-world map cannot be used; the message lists every problem, one `file:line:column: ...` each.

    Attributes:
        problems: the same problems, one string each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MapWarning(UserWarning):
    """A grid-world map can be used, but part of it does nothing."""


class InvalidModel(RlkitError, ValueError):
    """A model is not a finite MDP, or not one that the asked-for criterion has a solution for."""


class InvalidTransition(RlkitError, ValueError):
    """An environment or agent produced a transition that is not finite or not in the spaces."""


class Diverged(RlkitError, ArithmeticError):
    """Learning produced a non-finite number."""


class CheckpointError(RlkitError):
    """A checkpoint cannot be written, or what was read is not a checkpoint of this agent."""


class NotConverged(RlkitError, ArithmeticError):
    """A solver stopped before its error bound reached `tol`.

    Attributes:
        solution: the best `rlkit.bellman.Solution` so far; its `error_bound` is as proven as any other.
    """

    def __init__(self, message: str, solution: Any = None) -> None:
        super().__init__(message)
        self.solution = solution


def warn(message: str) -> None:
    """Warn as from the line outside of rlkit that led here, which is the one that a reader can change."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "rlkit":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
