"""The builder makes the map that a drawing would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rlkit.envs.gridworld.builder import MapBuilder
from rlkit.envs.gridworld.cells import Cell
from rlkit.envs.gridworld.drawing import read_text
from rlkit.envs.gridworld.env import GridWorld
from rlkit.envs.gridworld.layout import GridMap
from rlkit.envs.gridworld.rules import PRESETS, Rules
from rlkit.errors import MapError


def cell_at(grid: GridMap, row: int, column: int) -> Cell:
    return grid.legend[grid.codes[row, column]]


def test_every_default_kind_is_what_a_drawing_makes() -> None:
    built = MapBuilder(2, 4).start(0, 0).wall(0, 3).forbidden(1, 1).goal(1, 3).hole((1, 2)).map()
    drawn = read_text("S . . #\n. X H G")
    assert np.array_equal(built.codes, drawn.codes)
    assert built.legend == drawn.legend


def test_a_cell_is_two_numbers_a_pair_or_a_stretch() -> None:
    expected = [[0, 0, 0], [1, 1, 1]]
    assert MapBuilder(2, 3).wall(1, 0).wall(1, 1).wall(1, 2).map().codes.tolist() == expected
    assert MapBuilder(2, 3).wall((1, 0), (1, 1), (1, 2)).map().codes.tolist() == expected
    assert MapBuilder(2, 3).wall(np.s_[1, :]).map().codes.tolist() == expected
    assert MapBuilder(2, 3).wall(1, slice(None)).map().codes.tolist() == expected


def test_every_feature_reaches_the_map() -> None:
    grid = (
        MapBuilder(3, 3, name="features")
        .portal(0, 0, to=(2, 2), reward=-100)
        .jump(0, 1, to=(2, 2), reward=10)
        .one_way(0, 2, exits=["left", "up"])
        .wind((1, 0), (1, 1), up=2, left=1)
        .slip(1, 1, probability=0.5)
        .goal(1, 2, reward=3)
        .terminal(1, 2, ends=False)
        .reward(2, 0, value=2)
        .map()
    )
    assert grid.name == "features"
    assert cell_at(grid, 0, 0) == Cell(character="A", kind="portal", to=(2, 2), reward=-100.0)
    assert cell_at(grid, 0, 1).kind == "jump"
    assert cell_at(grid, 0, 2).exits == ("up", "left")
    assert (cell_at(grid, 1, 0).wind, cell_at(grid, 1, 0).slip) == ((-2, -1), None)
    assert (cell_at(grid, 1, 1).wind, cell_at(grid, 1, 1).slip) == ((-2, -1), 0.5)
    assert (cell_at(grid, 1, 2).kind, cell_at(grid, 1, 2).reward, cell_at(grid, 1, 2).terminal) == ("goal", 3.0, False)
    assert cell_at(grid, 2, 0).reward == 2.0
    assert cell_at(grid, 2, 2) == Cell(character=".")


def test_a_stretch_of_wind_passes_over_walls() -> None:
    grid = MapBuilder(3, 1).wall(1, 0).wind(np.s_[:, 0], up=1).map()
    assert [cell_at(grid, row, 0).wind for row in range(3)] == [(-1, 0), (0, 0), (-1, 0)]


def test_a_later_kind_forgets_the_earlier_one() -> None:
    grid = MapBuilder(1, 2).wind(0, 0, up=1).goal(0, 0).map()
    assert grid.legend[6:] == ()
    assert cell_at(grid, 0, 0).kind == "goal"


def test_a_map_does_not_change_with_its_builder() -> None:
    builder = MapBuilder(1, 2)
    grid = builder.map()
    builder.wall(0, 0)
    assert not grid.codes.any()


def test_equal_features_share_one_legend_entry() -> None:
    builder = MapBuilder(20, 20)
    for row in range(20):
        builder.wind(row, row, up=1)
    assert len(builder.map().legend) == 7


def test_more_kinds_of_cell_than_a_legend_holds_are_refused() -> None:
    builder = MapBuilder(1, 250)
    for column in range(249):
        builder.reward(0, column, value=column)
    assert len(builder.map().legend) == 255
    with pytest.raises(MapError, match="250 kinds of cell besides the default ones; at most 249"):
        builder.reward(0, 249, value=-1).map()


@pytest.mark.parametrize(
    ("mistake", "problem"),
    [
        (lambda: MapBuilder(0, 3), "a map of 0 rows and 3 columns has no cells"),
        (lambda: MapBuilder(2, 2).wall(2, 0), r"cell \(2, 0\) is outside the 2 x 2 map"),
        (lambda: MapBuilder(2, 2).wall((0, 0), (0, -1)), r"cell \(0, -1\) is outside the 2 x 2 map"),
        (lambda: MapBuilder(2, 2).wall(1), r"1 is not a cell: give \(row, column\), both from 0"),
        (lambda: MapBuilder(2, 2).wall((1.0, 1)), r"cell \(1\.0, 1\) is outside the 2 x 2 map"),
    ],
)
def test_a_cell_or_size_that_cannot_be_is_refused_at_once(mistake: Callable[[], object], problem: str) -> None:
    with pytest.raises(MapError, match=problem):
        mistake()


def test_everything_else_is_refused_together_where_it_stands() -> None:
    builder = MapBuilder(2, 2).portal(0, 0, to=(7, 7)).jump(1, 1, to=(1, 1)).slip(1, 0, probability=2)
    with pytest.raises(MapError) as caught:
        builder.wall(0, 1).reward(0, 1, value=1).map()
    told = caught.value.problems
    assert len(told) == 4
    assert told[0].startswith("<builder>[0, 0]: legend 'A': a portal to nowhere")
    assert "a wall cell takes no 'reward'" in told[1]
    assert told[2].startswith("<builder>[1, 0]: legend ")
    assert "slip = 2 is outside its range [0, 1]" in told[2]
    assert told[3].startswith("<builder>[1, 1]: portals and jumps lead round in a circle")


def test_a_built_world_has_the_rules_that_it_is_built_with() -> None:
    world = GridWorld.builder(2, 2).goal(1, 1).build(rules="zhao", slip=0.25)
    assert world.layout.rules == Rules(**PRESETS["zhao"], slip=0.25)  # type: ignore[arg-type]
    assert world.layout.grid.codes.tolist() == [[0, 0], [0, 3]]
