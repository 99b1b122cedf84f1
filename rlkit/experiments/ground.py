"""What the processes of a pool are forked with: imported once by the server that forks them, and by nobody else."""

from __future__ import annotations

from typing import Any

import rlkit.evaluation
import rlkit.experiments.seeds
import rlkit.trainer
import rlkit.truth.callback  # noqa: F401
from rlkit.compiling import njit

_nothing: Any = njit()(lambda: 0)
_nothing()  # numba prepares itself at its first compilation, which takes 0.2 s that each process would need
