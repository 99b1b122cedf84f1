"""Solutions as text: a short table, and small maps as a grid of values with arrows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rlkit.bellman import Solution
    from rlkit.cli._problems import Problem

ARROWS = {
    (-1, 0): "↑",
    (0, 1): "→",
    (1, 0): "↓",
    (0, -1): "←",
    (-1, 1): "↗",
    (1, 1): "↘",
    (1, -1): "↙",
    (-1, -1): "↖",
    (0, 0): "•",
}
_PLAIN = dict(zip("↑→↓←↗↘↙↖•", "^>v</\\/\\o", strict=True))
LARGEST_GRID = 32  # rows
LARGEST_LIST = 20  # states


def table(rows: Iterable[tuple[str, str]]) -> str:
    """Lay out names and what belongs to them in two columns."""
    pairs = list(rows)
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"  {name:<{width}}  {text}".rstrip() for name, text in pairs)


def columns(rows: Sequence[Sequence[str]], *, to_the_right: Sequence[int] | None = None) -> str:
    """Lay out rows, the first of them the headings, in columns; None pushes all but the first column to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    right = range(1, len(widths)) if to_the_right is None else to_the_right
    lines = [
        "  ".join(
            cell.rjust(widths[place]) if place in right else cell.ljust(widths[place]) for place, cell in enumerate(row)
        )
        for row in [*rows[:1], ["-" * width for width in widths], *rows[1:]]
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)


def values_as_text(problem: Problem, solution: Solution) -> str:
    """Draw a small map's values and policy with characters; list the states of a small problem without a map.

    Returns "" for what does not fit on the screen.
    """
    if problem.geometry is None:
        return _list(solution) if len(solution.v) <= LARGEST_LIST else ""
    height, width = problem.geometry.shape
    room = shutil.get_terminal_size((100, 24)).columns
    if height > LARGEST_GRID or 5 * width > room:
        return ""
    from rlkit.plotting.glyphs import spell

    numbers = spell(solution.v)
    grid = _blank(problem)
    policy = solution.policy
    for state, (row, column) in enumerate(problem.geometry.cells):
        if not solution.model.terminal[state]:
            down, right = problem.geometry.offsets[policy[state]].tolist()
            arrow = ARROWS[down, right]
            grid[row][column] = f"{numbers[state]} {arrow}"
        elif problem.layout is None:
            grid[row][column] = "end  "
    longest = max(len(text) for row in grid for text in row)
    side = longest + 2 if (longest + 2) * width <= room else longest + 1
    if side * width > room:
        return ""
    return printable("\n".join("".join(text.rjust(side) for text in row).rstrip() for row in grid))


def _blank(problem: Problem) -> list[list[str]]:
    """Every cell's own character, where it has a drawing."""
    assert problem.geometry is not None
    height, width = problem.geometry.shape
    if problem.layout is None:
        return [[""] * width for _ in range(height)]
    legend = problem.layout.grid.legend
    return [[f"{legend[code].character}  " for code in row] for row in problem.layout.grid.codes]


def _list(solution: Solution) -> str:
    rows = [("state", "value", "action")]
    for state, (value, action) in enumerate(zip(solution.v, solution.policy, strict=True)):
        rows.append((str(state), f"{value:.6g}", "end" if solution.model.terminal[state] else str(action)))
    return columns(rows)


def printable(text: str) -> str:
    """Replace arrows by plain characters where the terminal's encoding has none."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "".join(_PLAIN.get(character, character) for character in text)
    return text


def start_value(problem: Problem, solution: Solution) -> float:
    """The expected value of the state that an episode starts in, uniform over the start states."""
    return float(np.mean(solution.v[problem.starts])) if len(problem.starts) else 0.0
