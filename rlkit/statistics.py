"""Running statistics of a training run, small and saved with it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

from rlkit.divergence import LIMIT
from rlkit.errors import RlkitError


class Means:
    """The mean of each number reported since the last reading.

    Torch tensors are kept as they are, up to a thousand of each name, and read together: reading one waits for the
    device. Which of them are read when changes nothing of the means.
    """

    UNREAD = 1000

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}  # name: [sum, count]
        self._unread: dict[str, list[Any]] = {}

    def add(self, metrics: Mapping[str, Any]) -> str | None:
        """Take in numbers by name; return the name of one that is beyond all bounds, None where none is."""
        sums, bad = self._sums, None
        try:
            items = metrics.items()
        except AttributeError:
            raise RlkitError(f"update() returned {metrics!r}, expected numbers by name") from None
        for name, value in items:
            if type(value) is not float:
                if hasattr(value, "detach"):
                    if value.ndim and value.numel() != 1:
                        raise RlkitError(f"update() reported {name} of shape {tuple(value.shape)}, expected a number")
                    waiting = self._unread.setdefault(name, [])
                    waiting.append(value.detach() if value.requires_grad else value)
                    if len(waiting) >= self.UNREAD:
                        bad = self._read(name) or bad
                    continue
                value = _number(name, value)
            if not -LIMIT < value < LIMIT:
                bad = name
            entry = sums.get(name)
            if entry is None:
                sums[name] = [value, 1.0]
            else:
                entry[0] += value
                entry[1] += 1.0
        return bad

    def sum_of(self, name: str) -> float:
        """Return the sum of a number so far; -0.0, which adds nothing to any number, if there was none."""
        return self._sums[name][0] if name in self._sums else -0.0

    def advance(self, name: str, total: float, count: int) -> None:
        """Have a number's sum be `total`, after that many more."""
        if count:
            self._sums[name] = [total, self._sums.get(name, (0.0, 0.0))[1] + count]

    def read_tensors(self) -> str | None:
        """Read the tensors that came in; return the name of one that is beyond all bounds, None where none is."""
        read = [self._read(name) for name in self._unread]
        return next((bad for bad in read if bad is not None), None)

    def _read(self, name: str) -> str | None:
        """Read the tensors that came in under a name; return it if one of them is beyond all bounds."""
        import torch

        waiting, self._unread[name] = self._unread[name], []
        if not waiting:
            return None
        values = torch.stack([value if value.ndim == 0 else value.reshape(()) for value in waiting]).tolist()
        entry = self._sums.setdefault(name, [0.0, 0.0])
        for value in values:
            entry[0] += value
        entry[1] += len(values)
        return None if all(-LIMIT < value < LIMIT for value in values) else name

    def take(self) -> dict[str, float]:
        """Return the means, and start anew; call `read_tensors` first."""
        sums, self._sums = self._sums, {}
        return {name: total / count for name, (total, count) in sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the sums and counts; call `read_tensors` first."""
        return {"sums": self._sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._sums = {name: [float(total), float(count)] for name, (total, count) in state["sums"].items()}


class EpisodeStatistics:
    """Counts episodes, and keeps the last hundred's returns, lengths and successes, which SB3's tags average.

    Attributes:
        count: episodes finished.
        total: the undiscounted return of the current episode so far.
        length: its steps so far.
    """

    WINDOW = 100

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.length = 0
        self.returns: deque[float] = deque(maxlen=self.WINDOW)
        self.lengths: deque[int] = deque(maxlen=self.WINDOW)
        self.successes: deque[float] = deque(maxlen=self.WINDOW)

    def end(self, success: Any = None) -> tuple[float, int]:
        """Close the current episode; return its return and length.

        Args:
            success: whether the environment calls it one (`is_success` in its last info); None if it does not say.
        """
        ended = (self.total, self.length)
        self.count += 1
        self.returns.append(self.total)
        self.lengths.append(self.length)
        if success is not None:
            self.successes.append(float(success))
        self.total, self.length = 0.0, 0
        return ended

    def extend(self, returns: list[float], lengths: list[int], total: float, length: int) -> None:
        """Count several episodes that ended, and where the one after them is."""
        self.count += len(returns)
        self.returns.extend(returns[-self.WINDOW :])
        self.lengths.extend(lengths[-self.WINDOW :])
        self.total, self.length = total, length

    def means(self) -> dict[str, float]:
        """Return the means over the window, nothing while it is empty."""
        if not self.returns:
            return {}
        means = {
            "rollout/ep_rew_mean": math.fsum(self.returns) / len(self.returns),
            "rollout/ep_len_mean": sum(self.lengths) / len(self.lengths),
        }
        if self.successes:
            means["rollout/success_rate"] = math.fsum(self.successes) / len(self.successes)
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return everything, as plain data."""
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.count, self.total, self.length = int(state["count"]), float(state["total"]), int(state["length"])
        self.returns = deque(map(float, state["returns"]), maxlen=self.WINDOW)
        self.lengths = deque(map(int, state["lengths"]), maxlen=self.WINDOW)
        self.successes = deque(map(float, state.get("successes", ())), maxlen=self.WINDOW)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise RlkitError(f"update() reported {name}={value!r}, expected a number") from None
