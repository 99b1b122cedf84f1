"""How a learner's exploration falls."""

from __future__ import annotations


def linear_decay(initial: float, final: float, steps: int, step: int) -> float:
    """Return the value at `step` of a line from `initial` at step 0 to `final` at `steps`, constant from there on."""
    return final if step >= steps else initial + (final - initial) * step / steps
