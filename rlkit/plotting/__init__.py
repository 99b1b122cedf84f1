"""Pictures of values, policies and convergence, drawn with matplotlib on figures that belong to nobody but the caller.

No display, no `pyplot` and no global state is touched; matplotlib is imported by the first call, not by this import.
Every function returns a `matplotlib.figure.Figure`: `save` it, turn it into pixels for TensorBoard with `to_image`, or
`show` it. `heat_map` needs no matplotlib: it is the quick picture of values for logging while a solver runs.
"""

from __future__ import annotations

from rlkit.plotting.curves import plot_convergence, plot_errors, plot_learning
from rlkit.plotting.episode import plot_episode
from rlkit.plotting.figures import save, show, to_image
from rlkit.plotting.grids import Geometry, plot_q, plot_values
from rlkit.plotting.heatmap import heat_map

__all__ = [
    "Geometry",
    "heat_map",
    "plot_convergence",
    "plot_episode",
    "plot_errors",
    "plot_learning",
    "plot_q",
    "plot_values",
    "save",
    "show",
    "to_image",
]
