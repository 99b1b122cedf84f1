"""numba, wherever rlkit is installed."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def njit(**options: Any) -> Callable[[Any], Any]:
    """Return `numba.njit(**options)`, but for two things about `cache=True`.

    Where neither the installed package nor the home can be written to, as in a container, numba would refuse to
    define a function that is to be cached. Here it is compiled anew in every process.

    numba looks for changes in the function's own file alone, and would go on with what it inlined from another file
    before that one changed. Here any newer file of rlkit makes it compile anew.
    """

    def decorate(function: Any) -> Any:
        try:
            compiled = numba.njit(**options)(function)
        except RuntimeError:  # no locator available
            return numba.njit(**{**options, "cache": False})(function)
        file: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
        if hasattr(file, "_source_stamp"):
            file._source_stamp = (file._source_stamp, newest_change(str(Path(__file__).parent)))
        return compiled

    return decorate


@functools.cache
def newest_change(folder: str) -> float:
    """Return when the newest Python file below a folder changed, in seconds since the epoch; links are followed."""
    return max(
        os.stat(os.path.join(place, name)).st_mtime  # noqa: PTH116, PTH118 - a millisecond of every start
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.endswith(".py")
    )
