"""How much memory is left to a process: what the machine has, and what a container's limit leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = {  # by their name in /proc/self/cgroup: folder; limit, use, and what of it the system can take back
    "": ("", "memory.max", "memory.current", "inactive_file"),  # version 2
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),  # version 1
}


def available_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes can still be used without swapping: the least that the machine or a limit leaves.

    On Linux from `/proc/meminfo` (MemAvailable) and the limits of the process's control groups, which are what
    containers and batch systems set; elsewhere all of the machine's memory.

    Args:
        root: where the file system begins.

    Returns:
        bytes; None where the system does not say.
    """
    known = [*_of_machine(root / "proc/meminfo"), *_of_groups(root)]
    if known:
        return max(min(known), 0)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, which refuses by itself what it does not have
        return None


def _of_machine(meminfo: Path) -> Iterator[int]:
    for line in _lines(meminfo):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_groups(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/self/cgroup"):  # 4:memory:/a/b (version 1) or 0::/a/b (version 2)
        _, controllers, group = line.split(":", 2)
        kind = "memory" if "memory" in controllers.split(",") else controllers
        if kind in CGROUPS:
            place, *files = CGROUPS[kind]
            hierarchy = root / "sys/fs/cgroup" / place
            group = group.strip("/")
            for path in (Path(group), *Path(group).parents):  # a container sees its own group as the topmost
                yield from _left(hierarchy / path, *files)


def _left(group: Path, limit: str, use: str, idle: str) -> Iterator[int]:
    """Yield what a group's limit leaves, if it has one; cached files count as free."""
    numbers = [next(_lines(group / name), "") for name in (limit, use)]
    if all(number.isdigit() for number in numbers):
        cached = (int(line.split()[1]) for line in _lines(group / "memory.stat") if line.startswith(f"{idle} "))
        yield int(numbers[0]) - int(numbers[1]) + next(cached, 0)


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text().splitlines()
    except OSError:
        return
