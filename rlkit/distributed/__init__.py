"""Value iteration on a cluster, for models beyond one machine's memory: `rlkit.distributed.value_iteration`.

It runs on Ray (the extra `ray`), which is imported when it is called.
"""

from __future__ import annotations

from rlkit.distributed.model import Block, Divisible, Part
from rlkit.distributed.solution import DistributedSolution
from rlkit.distributed.value_iteration import Exchange, value_iteration

__all__ = ["Block", "DistributedSolution", "Divisible", "Exchange", "Part", "value_iteration"]
