"""numba, wherever rlkit is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def njit(**options: Any) -> Callable[[Any], Any]:
    """Return `numba.njit(**options)`, but that `cache=True` means: if there is a place for it.

    Where neither the installed package nor the home can be written to, as in a container, numba would refuse to
    define a function that is to be cached. Here it is compiled anew in every process.
    """

    def decorate(function: Any) -> Any:
        try:
            return numba.njit(**options)(function)
        except RuntimeError:  # no locator available
            return numba.njit(**{**options, "cache": False})(function)

    return decorate
