"""The colours of grid-world pictures: two perceptually even colour maps, and what stands for what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (38, 44, 58)
FAINT: Colour = (128, 134, 146)
WALL: Colour = (58, 64, 80)
FREE: Colour = (250, 249, 246)
START: Colour = (222, 234, 250)
GOAL: Colour = (217, 240, 222)
FORBIDDEN: Colour = (252, 228, 220)
HOLE: Colour = (214, 222, 232)
PORTAL: Colour = (234, 224, 246)
JUMP: Colour = (250, 228, 239)

BLUE: Colour = (44, 103, 196)
GREEN: Colour = (30, 140, 84)
GOLD: Colour = (247, 184, 32)
RED: Colour = (206, 68, 52)
PURPLE: Colour = (120, 76, 178)
MAGENTA: Colour = (196, 38, 110)
SKY: Colour = (70, 150, 205)

# Viridis (Smith & van der Walt 2015) at sixteenths, from a little above its darkest end, so that ink and walls differ.
_SEQUENTIAL = np.array(
    [
        (72, 36, 117), (70, 48, 126), (65, 68, 135), (58, 83, 139), (52, 96, 141), (46, 110, 142), (41, 123, 142),
        (36, 136, 142), (31, 150, 139), (34, 163, 132), (53, 177, 121), (81, 190, 103), (116, 201, 84), (157, 209, 58),
        (200, 217, 36), (243, 229, 30),
    ],
    dtype=np.float64,
)  # fmt: skip  # [16, 3]

# From red (below 0) over paper (0) to blue (above 0): ColorBrewer's RdBu (Brewer 2003), without its darkest ends.
_DIVERGING = np.array(
    [
        (160, 20, 42), (196, 60, 60), (217, 104, 84), (239, 158, 125), (250, 206, 182), (250, 232, 220),
        (247, 247, 246),
        (222, 234, 243), (186, 218, 235), (135, 189, 219), (82, 152, 199), (50, 116, 180), (32, 82, 146),
    ],
    dtype=np.float64,
)  # fmt: skip  # [13, 3]


class Scale:
    """A colour for every number between the least and the greatest of some values.

    Values of both signs get the diverging map, its pale middle at 0; others the sequential one.

    Args:
        values: numbers, of which those that are not finite do not count.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        finite = values[np.isfinite(values)]
        self.low = float(finite.min()) if finite.size else 0.0
        self.high = float(finite.max()) if finite.size else 0.0
        self.diverging = self.low < 0 < self.high

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the colours, uint8 `(..., 3)`; what is not finite is the colour of a free cell."""
        if self.diverging:
            table, low, high = _DIVERGING, -max(-self.low, self.high), max(-self.low, self.high)
        else:
            table, low, high = _SEQUENTIAL, self.low, self.high
        finite = np.isfinite(values)
        share = np.full(values.shape, 0.5) if high == low else (np.where(finite, values, low) - low) / (high - low)
        stops = np.arange(len(table))
        place = np.clip(share, 0.0, 1.0) * (len(table) - 1)
        colours = np.stack([np.interp(place, stops, table[:, channel]) for channel in range(3)], axis=-1)
        return np.where(finite[..., None], colours.round(), FREE).astype(np.uint8)


def contrasting(colour: NDArray[np.uint8] | Colour) -> Colour:
    """Return ink or white, whichever stands out on a colour (by its luminance as in WCAG 2.2)."""
    linear = (np.asarray(colour, np.float64) / 255) ** 2.2
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return INK if luminance > 0.25 else PAPER
