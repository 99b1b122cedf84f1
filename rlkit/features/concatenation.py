"""Several kinds of features, side by side."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from rlkit.errors import ConfigError
from rlkit.features.base import Features
from rlkit.features.encoding import collide, collider, encode, encoder
from rlkit.features.registry import register


class Concatenated(NamedTuple):
    """What `encode_concatenated` needs.

    Attributes:
        parts: the parameters of each part.
        lengths: how many numbers each part is encoded as.
        firsts: what to add to a sparse part's indices.
        sizes: how many features each part has.
    """

    parts: tuple[Any, ...]
    lengths: tuple[int, ...]
    firsts: tuple[int, ...]
    sizes: tuple[int, ...]


class Spread(NamedTuple):
    """Sparse features, to be written dense.

    Attributes:
        formula: their parameters.
        n_active: how many are active.
    """

    formula: Any
    n_active: int


@encoder(Concatenated)
def encode_concatenated(parameters: Any, x: Any, out: Any) -> Any:
    """Write one part after the other."""
    return encode_parts(parameters.parts, parameters.lengths, parameters.firsts, x, out)


@collider(Concatenated)
def collide_concatenated(parameters: Any, x: Any, owners: Any) -> Any:
    """Count the collisions of all parts."""
    return collide_parts(parameters.parts, parameters.sizes, x, owners)


def encode_parts(parts: Any, lengths: Any, firsts: Any, x: Any, out: Any) -> int:
    """Encode the first part, then the others."""
    return _no_parts(parts, lengths, firsts, x, out) if not parts else _some_parts(parts, lengths, firsts, x, out)


@overload(encode_parts)
def _encode_parts(parts: Any, lengths: Any, firsts: Any, x: Any, out: Any) -> Any:  # noqa: ARG001
    return _some_parts if len(parts) else _no_parts


def _no_parts(parts: Any, lengths: Any, firsts: Any, x: Any, out: Any) -> int:  # noqa: ARG001
    return 0


def _some_parts(parts: Any, lengths: Any, firsts: Any, x: Any, out: Any) -> Any:
    length, first = lengths[0], firsts[0]
    n_clipped = encode(parts[0], x, out[:length])
    if first:
        for k in range(length):
            out[k] += first
    return n_clipped + encode_parts(parts[1:], lengths[1:], firsts[1:], x, out[length:])


def collide_parts(parts: Any, sizes: Any, x: Any, owners: Any) -> int:
    """Count the collisions of the first part, then of the others."""
    return _no_collisions(parts, sizes, x, owners) if not parts else _some_collisions(parts, sizes, x, owners)


@overload(collide_parts)
def _collide_parts(parts: Any, sizes: Any, x: Any, owners: Any) -> Any:  # noqa: ARG001
    return _some_collisions if len(parts) else _no_collisions


def _no_collisions(parts: Any, sizes: Any, x: Any, owners: Any) -> int:  # noqa: ARG001
    return 0


def _some_collisions(parts: Any, sizes: Any, x: Any, owners: Any) -> Any:
    own = collide(parts[0], x, owners[: sizes[0]])
    return own + collide_parts(parts[1:], sizes[1:], x, owners[sizes[0] :])


@encoder(Spread)
def encode_spread(parameters: Any, x: Any, out: Any) -> Any:
    """Write sparse features as ones among zeros, without any memory but `out`.

    The indices are written to the front of it; then each adds 2^32 to the place that it names, which leaves the
    indices legible in the lower half; in the end the upper half is what each feature is.
    """
    half = 4294967296.0
    for j in range(parameters.n_active, len(out)):
        out[j] = 0.0
    n_clipped = encode(parameters.formula, x, out[: parameters.n_active])
    for k in range(parameters.n_active):
        out[np.int64(out[k]) & 0xFFFFFFFF] += half
    for j in range(len(out)):
        out[j] = np.floor(out[j] / half)
    return n_clipped


@register
@dataclass(frozen=True, kw_only=True)
class Concatenation(Features):
    """The features of several kinds, side by side: see `concatenate`.

    Attributes:
        parts: features of the same observations. If all are sparse the whole is, else it is dense.

    Raises:
        ConfigError: the parts are of different observations.
    """

    parts: tuple[Features, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.parts:
            raise ConfigError("Concatenation: has no parts")
        first = self.parts[0]
        for part in self.parts[1:]:
            if part.n_states != first.n_states or (first.n_states is None and part.n_dims != first.n_dims):
                raise ConfigError(
                    f"Concatenation: {type(part).__name__} is made for {part._domain()}, "
                    f"{type(first).__name__} for {first._domain()}"
                )
        narrow = [part for part in self.parts if part.sparse and part.n_active > part.n_features]
        if narrow and not self.sparse:
            raise ConfigError(f"Concatenation: {narrow[0]} has more tilings than features")

    @cached_property
    def n_features(self) -> int:
        """The sum of the parts'."""
        return sum(part.n_features for part in self.parts)

    @cached_property
    def n_active(self) -> int:
        """How many numbers an encoded observation has."""
        return sum(part.n_active for part in self.parts) if self.sparse else self.n_features

    @cached_property
    def sparse(self) -> bool:
        """Whether all parts are."""
        return all(part.sparse for part in self.parts)

    @cached_property
    def hashed(self) -> bool:
        """Whether any part is."""
        return any(part.hashed for part in self.parts)

    @property
    def n_states(self) -> int | None:
        """How many states there are; None where observations are vectors."""
        return self.parts[0].n_states

    @property
    def n_dims(self) -> int:
        """How many coordinates observations (or states) have."""
        return max(part.n_dims for part in self.parts)

    @property
    def step_scales(self) -> NDArray[np.float64]:
        """The parts', side by side, float64 `(n_features,)`."""
        return np.concatenate([part.step_scales for part in self.parts])

    @cached_property
    def formula(self) -> Concatenated:
        """The parameters of `encode_concatenated`."""
        sizes = tuple(part.n_features for part in self.parts)
        if self.sparse:
            firsts = tuple(itertools.accumulate(sizes[:-1], initial=0))
            lengths = tuple(part.n_active for part in self.parts)
            return Concatenated(tuple(part.formula for part in self.parts), lengths, firsts, sizes)
        parts = tuple(Spread(part.formula, part.n_active) if part.sparse else part.formula for part in self.parts)
        return Concatenated(parts, sizes, (0,) * len(sizes), sizes)


def concatenate(*features: Features) -> Features:
    """Return features of several kinds, side by side, in this order: `concatenate(OneHot..., Fourier...)`.

    Raises:
        ConfigError: they are of different observations.
    """
    parts = itertools.chain.from_iterable(f.parts if isinstance(f, Concatenation) else (f,) for f in features)
    whole = Concatenation(parts=tuple(parts))
    return whole if len(whole.parts) > 1 else whole.parts[0]
