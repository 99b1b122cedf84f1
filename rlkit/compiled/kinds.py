"""Functions that compiled code chooses by the type of their first argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from numba.extending import overload

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Chosen(Protocol):
    """A function that stands for one of several."""

    def __call__(self, first: Any, *rest: Any) -> Any:
        """Call the one that is registered for the type of `first`."""

    def of(self, kind: type) -> Callable[[AnyFunction], AnyFunction]:
        """Register the function that is meant where the first argument is of type `kind`, a NamedTuple."""


def chosen_by_kind(stub: Callable[..., Any], default: Callable[..., Any] | None = None) -> Chosen:
    """Turn a stub, which says what the arguments are, into a function that is chosen by the type of the first.

    `@stub.of(Kind)` registers the function for arguments of type `Kind`, a NamedTuple. In compiled code a call becomes
    that function, inlined: so that a loop written once is compiled for every combination of kinds that it meets, and
    numba's file cache keeps them all (closures, and functions passed as arguments, it would not). Called from Python,
    or without numba (`NUMBA_DISABLE_JIT=1`), the same function runs as it stands.
    """
    table: dict[type, Callable[..., Any]] = {}

    @functools.wraps(stub)
    def chosen(first: Any, *rest: Any) -> Any:
        function = table.get(type(first), default)
        if function is None:
            raise TypeError(f"{stub.__name__}: no function is registered for a {type(first).__name__}")
        return function(first, *rest)

    def of(kind: type) -> Callable[[AnyFunction], AnyFunction]:
        def register(function: AnyFunction) -> AnyFunction:
            table[kind] = function
            return function

        return register

    @overload(chosen, strict=False, jit_options={"forceinline": True})
    def _find(first: Any, *rest: Any) -> Any:
        return table.get(getattr(first, "instance_class", None), default)  # type: ignore[arg-type]

    chosen.of = of  # type: ignore[attr-defined]
    return cast(Chosen, chosen)
