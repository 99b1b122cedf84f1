"""What a character in a drawing means: the legend's entries and the default ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["free", "wall", "start", "goal", "forbidden", "hole", "portal", "jump"]
Direction = Literal["up", "right", "down", "left", "up-right", "down-right", "down-left", "up-left"]

DIRECTIONS: dict[str, tuple[int, int]] = {
    "up": (-1, 0),
    "right": (0, 1),
    "down": (1, 0),
    "left": (0, -1),
    "up-right": (-1, 1),
    "down-right": (1, 1),
    "down-left": (1, -1),
    "up-left": (-1, -1),
}
"""(row, column) offset of every direction, in action order."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One legend entry: a kind of cell, and where it departs from the rules.

    Attributes:
        character: the one that stands for it in a drawing.
        kind: `free`, `wall`, `start`, `goal`, `forbidden`, `hole`; a `portal` is never occupied: entering it moves on
            to `to` within the same step (Sutton & Barto's cliff, Example 6.6); a `jump` is occupied, and whatever
            action is taken there leads to `to` (Sutton & Barto's Example 3.5).
        reward: for entering the cell (for a `jump`: for leaving it); None takes the rules' reward for the kind (for a
            portal or a jump: the reward of the cell it leads to).
        terminal: whether entering ends the episode; None takes the kind's (holes, and goals unless continuing).
        to: (row, column) of a portal's or jump's target, from 0.
        exits: the directions in which the cell can be left; None for all.
        slip: this cell's slip probability; None takes the rules'.
        wind: (rows, columns) by which the wind carries on, added to the move, whoever leaves this cell.
    """

    character: str
    kind: Kind = "free"
    reward: float | None = None
    terminal: bool | None = None
    to: tuple[int, int] | None = None
    exits: tuple[Direction, ...] | None = None
    slip: float | None = None
    wind: tuple[int, int] = (0, 0)


DEFAULT_LEGEND: tuple[Cell, ...] = (
    Cell(character=".", kind="free"),
    Cell(character="#", kind="wall"),
    Cell(character="S", kind="start"),
    Cell(character="G", kind="goal"),
    Cell(character="X", kind="forbidden"),
    Cell(character="H", kind="hole"),
)
"""The characters every drawing knows; their positions are the codes 0 to 5 of a map given as an integer array."""
