"""Figures without a window: made, turned into pixels, saved."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of the given size in inches, on a canvas that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100)
    FigureCanvasAgg(figure)
    return figure


def to_image(figure: Figure, *, dpi: float | None = None) -> NDArray[np.uint8]:
    """Draw a figure as pixels, uint8 `(height, width, 3)`, ready for `Logger.image`.

    Args:
        figure: what a plotting function returned.
        dpi: pixels an inch; None for the figure's own.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    before = figure.dpi
    try:
        figure.dpi = before if dpi is None else dpi
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba(), dtype=np.uint8)  # [height, width, 4]
        return np.ascontiguousarray(pixels[..., :3])
    finally:
        figure.dpi = before


def save(figure: Figure, path: str | os.PathLike[str], *, dpi: float = 150) -> Path:
    """Write a figure to a `.png`, `.svg` or `.pdf` file, whole or not at all; missing folders are made.

    Args:
        figure: what a plotting function returned.
        path: where to; the ending chooses the format.
        dpi: pixels an inch of a PNG.

    Returns:
        The path written.

    Raises:
        ConfigError: for any other ending.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise ConfigError(f"{target}: a picture's name ends in {', '.join(FORMATS)}, not in {target.suffix!r}")
    buffer = io.BytesIO()
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    kind = target.suffix.lower()
    figure.savefig(buffer, format=kind[1:], dpi=dpi, metadata=metadata[kind])
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(buffer.getvalue())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def show(figure: Figure) -> None:
    """Open a figure in the system's picture viewer; the figure stays as it is."""
    from PIL import Image

    Image.fromarray(to_image(figure)).show()
