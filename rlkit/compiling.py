"""numba, wherever rlkit is installed, and a cache of what it compiled that tells a user's classes apart."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba


def njit(**options: Any) -> Callable[[Any], Any]:
    """Return `numba.njit(**options)`, but for two things about `cache=True`.

    Where neither the installed package nor the home can be written to, as in a container, numba would refuse to
    define a function that is to be cached. Here it is compiled anew in every process.

    What is cached is kept on a `Shelf`.
    """

    def decorate(function: Any) -> Any:
        try:
            compiled = numba.njit(**options)(function)
        except RuntimeError:  # no locator available
            return numba.njit(**{**options, "cache": False})(function)
        cache: Any = getattr(compiled, "_cache", None)
        if hasattr(getattr(cache, "_cache_file", None), "_source_stamp"):
            cache._cache_file = Shelf(cache._cache_file)
        return compiled

    return decorate


class Shelf:
    """Where the compiled code of a function is kept: a file for each combination of types, named after what it is for.

    It stands in for numba's own, which has an index of the types that it knows. That index cannot be read, by anybody,
    where a class among them, a user's, cannot be imported; and two processes may take the same number for their files.
    Nor does numba look for changes in any file but the function's own, and would go on with what it inlined from
    another: here any newer file of rlkit makes it compile anew, and any newer file beside a user's class. Code for
    classes that a script itself defines is not kept.

    Args:
        file: what numba would use.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.stamp = (*file._source_stamp, newest_change(str(Path(__file__).parent)))
        self._base = f"{Path(file._index_name).stem}."
        self._prefix = self._base + _digest(numba.__version__, self.stamp)

    def load(self, key: Any) -> Any:
        """Return the code for a key of numba's, (types, processor, digests of the function); None if it is not here."""
        name = self._name(key)
        try:
            return None if name is None else self._file._load_data(name)
        except Exception:  # not there, or damaged in whatever way
            return None

    def save(self, key: Any, data: Any) -> None:
        """Keep the code for a key, and throw away what was compiled from older files."""
        name = self._name(key)
        if name is not None:
            self._clear(but=self._prefix)
            self._file._save_data(name, data)

    def flush(self) -> None:
        """Throw away everything."""
        self._clear(but=None)

    def _name(self, key: Any) -> str | None:
        types, *rest = key
        kinds = [_identity(kind) for kind in classes_in(types)]
        return None if None in kinds else f"{self._prefix}-{_digest(types, kinds, rest)}.nbc"

    def _clear(self, but: str | None) -> None:
        for path in Path(self._file._cache_path).glob("*.nbc"):
            if path.name.startswith(self._base) and not (but and path.name.startswith(but)):
                with contextlib.suppress(OSError):  # another process may have it open, or have done so already
                    path.unlink()


def classes_in(types: Any) -> Iterator[type]:
    """Yield the classes of all named tuples in numba types, however deep."""
    for each in types if isinstance(types, tuple) else getattr(types, "args", ()):
        if hasattr(each, "instance_class"):
            yield each.instance_class
        if hasattr(each, "types"):
            yield from classes_in(tuple(each.types))


def _identity(kind: type) -> tuple[Any, ...] | None:
    """Return what tells a class from any other that has its name; None for a script's."""
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if kind.__module__ == "__main__" or file is None or "<locals>" in kind.__qualname__:
        return None
    if kind.__module__.startswith("rlkit."):
        return kind.__module__, kind.__qualname__
    return kind.__module__, kind.__qualname__, file, newest_beside(str(file))


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


@functools.cache
def newest_change(folder: str) -> float:
    """Return when the newest Python file below a folder changed, in seconds since the epoch; links are followed."""
    return max(
        os.stat(os.path.join(place, name)).st_mtime  # noqa: PTH116, PTH118 - a millisecond of every start
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name.endswith(".py")
    )


@functools.cache
def newest_beside(file: str) -> float:
    """Return when the newest Python file in a file's folder changed, in seconds since the epoch."""
    return max(path.stat().st_mtime for path in Path(file).parent.glob("*.py"))


class saying:  # noqa: N801 (used like a function)
    """Within, say a sentence on the standard error if it takes more than a second; above any progress bar."""

    def __init__(self, sentence: str) -> None:
        self._timer = threading.Timer(1.0, _say, (sentence,))

    def __enter__(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _say(sentence: str) -> None:
    from tqdm import tqdm

    tqdm.write(sentence, file=sys.stderr)
