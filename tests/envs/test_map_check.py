"""What a map's check finds reachable is what the layout's landings lead to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rlkit.envs.gridworld.cells import DIRECTIONS
from rlkit.envs.gridworld.drawing import reachability as checking
from rlkit.envs.gridworld.drawing import read_array, read_text
from rlkit.envs.gridworld.drawing.counting import count_codes, find_codes
from rlkit.envs.gridworld.drawing.reachability import goal_codes, reachable, start_codes
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.rules import Rules
from rlkit.errors import MapError


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    cell = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    wind = st.fixed_dictionaries({}, optional={name: st.integers(0, 3) for name in ("up", "right", "down", "left")})
    legend = {
        "w": {"wind": draw(wind)},
        "e": {"exits": draw(st.lists(st.sampled_from(list(DIRECTIONS))))},
        "p": {"kind": "portal", "to": draw(cell)},
        "j": {"kind": "jump", "to": draw(cell)},
    }
    codes = draw(st.lists(st.integers(0, 9), min_size=height * width, max_size=height * width))
    rules = Rules(moves=draw(st.sampled_from([4, 8])), continuing=draw(st.booleans()), stay=draw(st.booleans()))
    try:
        grid = read_array(np.array(codes).reshape(height, width), legend=legend)
    except MapError:  # a target is a wall, or leads round in a circle
        grid = read_array(np.array(codes).reshape(height, width) % 6)
    return Layout(grid, rules)


def closure(layout: Layout, start: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Follow the landings until nothing new is seen."""
    codes = layout.grid.codes.ravel()
    seen = start[codes]
    while True:
        leaving = np.flatnonzero(seen & ~layout.terminal[codes])
        onward = seen.copy()
        onward[layout.landings(leaving)[0].ravel()] = True
        if (onward == seen).all():
            return seen
        seen = onward


def found(layout: Layout) -> NDArray[np.bool_]:
    """Search the whole map: with one goal more than there are, the search has no reason to end early."""
    counts = count_codes(layout.grid.codes)[: len(layout.grid.legend)]
    goal = goal_codes(layout)
    seen = reachable(layout, start_codes(layout, counts), goal, int(counts[goal].sum()) + 1)
    return seen & ~layout.wall[layout.grid.codes.ravel()]


@pytest.mark.filterwarnings("ignore::rlkit.errors.MapWarning")
@given(layouts())
def test_the_search_finds_what_the_landings_lead_to(layout: Layout) -> None:
    start = start_codes(layout, count_codes(layout.grid.codes)[: len(layout.grid.legend)])
    assert np.array_equal(found(layout), closure(layout, start))


def test_the_compiled_search_finds_the_same_as_the_interpreted_one(monkeypatch) -> None:
    generator = np.random.default_rng(0)
    codes = generator.choice([0, 1, 6, 7], p=[0.6, 0.3, 0.05, 0.05], size=(60, 60))
    codes[0, 0], codes[-1, -1] = 2, 3
    grid = read_array(codes, legend={"w": {"wind": {"up": 2, "left": 1}}, "e": {"exits": ["down", "right"]}})
    layout = Layout(grid, Rules())
    compiled = found(layout)
    monkeypatch.setattr(checking, "_COMPILED_FROM", codes.size + 1)
    assert np.array_equal(compiled, found(layout))


def test_a_long_snake_is_searched_to_its_end() -> None:
    codes = np.zeros((201, 201), dtype=np.uint8)
    codes[1::4, :-1] = 1
    codes[3::4, 1:] = 1
    codes[0, 0], codes[-1, -1] = 2, 3
    checking.check(read_array(codes), Rules())


def test_cells_are_found_by_code_across_blocks() -> None:
    codes = np.zeros((3, 1 << 18), dtype=np.uint8)
    places = [5, (1 << 18) - 1, 1 << 18, 3 * (1 << 18) - 1]
    codes.ravel()[places] = 3
    wanted = np.arange(6) == 3
    assert find_codes(codes, wanted).tolist() == places
    assert find_codes(codes, wanted, most=2).tolist() == places[:2]
    assert count_codes(codes)[3] == 4


def test_wind_adds_to_the_move_and_stops_at_walls() -> None:
    grid = read_text("# . .\n. . .\n. w .\n. w .", legend={"w": {"wind": {"up": 2}}})
    landings, _ = Layout(grid, Rules(continuing=True)).landings(np.array([7, 10]))  # (2, 1) and (3, 1)
    up, right, down, left = 0, 1, 2, 3
    assert landings[0].tolist() == [1, 2, 4, 3]  # up: blown to the edge; left: the wall at (0, 0) stops the wind
    assert landings[1][[up, right, down, left]].tolist() == [1, 5, 7, 3]  # down: a step against it takes one cell off


def test_a_map_of_ten_thousand_by_one_thousand_is_checked_in_about_a_byte_a_cell() -> None:
    import tracemalloc

    codes = np.zeros((10_000, 1_000), dtype=np.uint8)
    codes[0, 0], codes[-1, -1] = 2, 3
    grid = GridMap(codes, read_text("S").legend)
    checking.check(grid, Rules())  # compiles
    tracemalloc.start()
    checking.check(grid, Rules())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * codes.size
