"""Maps are read from text and arrays as drawn."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, Cell
from rlkit.envs.gridworld.drawing import read_array, read_text, read_toml
from rlkit.errors import MapError

DRAWING = "S..#\n.X.G"
CODES = [[2, 0, 0, 1], [0, 4, 0, 3]]


@pytest.mark.parametrize(
    "text",
    [
        DRAWING,
        "S . . #\n. X . G",
        "\n\n    S . . #\n    . X . G\n   \n",
        "\n  S.  .#\n . X .G  \n",
        "S . . #\r\n. X . G\r\n",
    ],
)
def test_spaces_indentation_blank_lines_around_and_line_ends_do_not_count(text: str) -> None:
    assert read_text(text).codes.tolist() == CODES


def test_codes_are_the_default_legend_s_positions_and_read_only() -> None:
    grid = read_text(DRAWING)
    assert grid.legend == DEFAULT_LEGEND
    assert grid.codes.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        grid.codes[0, 0] = 1


def test_a_legend_as_tables_and_as_cells_is_the_same() -> None:
    tables = read_text("S A . G", legend={"A": {"kind": "jump", "to": (0, 2), "reward": 5}})
    cells = read_text("S A . G", legend=[Cell(character="A", kind="jump", to=(0, 2), reward=5.0)])
    assert tables.legend == cells.legend
    assert tables.codes.tolist() == cells.codes.tolist() == [[2, 6, 0, 3]]


def test_an_entry_with_every_key_is_read() -> None:
    legend = {
        "w": {"reward": 2, "terminal": False, "slip": 0.5, "exits": ["left", "up"], "wind": {"up": 2, "right": 1}}
    }
    cell = read_text("S w G", legend=legend).legend[6]
    assert cell == Cell(character="w", reward=2.0, terminal=False, slip=0.5, exits=("up", "left"), wind=(-2, 1))


def test_opposite_winds_cancel() -> None:
    assert read_text("S w G", legend={"w": {"wind": {"up": 2, "down": 3}}}).legend[6].wind == (1, 0)


def test_an_entry_with_a_target_and_no_kind_is_a_portal() -> None:
    assert read_text("S A . G", legend={"A": {"to": [0, 2]}}).legend[6].kind == "portal"


def test_a_target_can_be_a_character_drawn_once() -> None:
    assert read_text("A . S\n. . G", legend={"A": {"to": "G"}}).legend[6].to == (1, 2)


def test_a_default_character_can_be_redefined_and_keeps_its_code() -> None:
    grid = read_text(DRAWING, legend={"G": {"kind": "goal", "reward": 7}})
    assert grid.codes.tolist() == CODES
    assert grid.legend[3] == Cell(character="G", kind="goal", reward=7.0)
    assert len(grid.legend) == len(DEFAULT_LEGEND)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_an_array_of_codes_is_the_map(dtype: type) -> None:
    assert read_array(np.array(CODES, dtype=dtype)).codes.tolist() == CODES


@pytest.mark.parametrize("dtype", ["U1", "U3", "S1"])
def test_an_array_of_characters_is_the_map(dtype: str) -> None:
    array = np.array([list(row) for row in DRAWING.split("\n")], dtype=dtype)
    assert read_array(array).codes.tolist() == CODES


def test_an_array_s_codes_go_on_with_the_legend_s_new_entries() -> None:
    legend = {"G": {"kind": "goal", "reward": 2}, "a": {"reward": 3}, "b": {"reward": 4}}
    grid = read_array([[0, 6, 7, 3]], legend=legend)
    assert [grid.legend[code].reward for code in grid.codes[0]] == [None, 3.0, 4.0, 2.0]


def test_an_array_of_truths_is_a_map_of_walls() -> None:
    assert read_array(np.eye(2, dtype=bool)).codes.tolist() == [[1, 0], [0, 1]]


def test_an_array_is_copied() -> None:
    array = np.zeros((2, 2), dtype=np.uint8)
    grid = read_array(array)
    array[:] = 1
    assert not grid.codes.any()


@pytest.mark.parametrize("array", [np.asfortranarray(np.array(CODES)), np.array(CODES)[::-1][::-1]])
def test_an_array_of_any_memory_order_becomes_row_major(array: np.ndarray) -> None:
    grid = read_array(array.astype(np.uint8, order="K"))
    assert grid.codes.flags.c_contiguous
    assert grid.codes.tolist() == CODES


def test_a_document_gives_the_map_and_the_rules_it_sets() -> None:
    grid, rules = read_toml('name = "a"\nrules = "zhao"\nslip = 0.1\nmap = "S.G"\n')
    assert grid.name == "a"
    assert grid.codes.tolist() == [[2, 0, 3]]
    assert rules == {"rules": "zhao", "slip": 0.1}


@pytest.mark.parametrize("written", ['"""\nS . G\n"""', "'''\nS . G\n'''", '"S . G"', "'S . G'", '"""S \\\n  . G"""'])
def test_a_map_can_be_any_toml_string(written: str) -> None:
    assert read_toml(f"map = {written}\n")[0].codes.tolist() == [[2, 0, 3]]


@pytest.mark.parametrize(
    "legend",
    ["[legend]\nA = { reward = 2 }", "[legend.A]\nreward = 2", "[legend]\nA.reward = 2", "legend.A.reward = 2"],
)
def test_a_legend_can_be_any_toml_table(legend: str) -> None:
    assert read_toml(f'map = "S A G"\n{legend}\n')[0].legend[6].reward == 2.0


@pytest.mark.parametrize("content", [b'map = "S.G"', b'\xef\xbb\xbfmap = "S.G"', b'map = """\r\nS.G\r\n"""\r\n'])
def test_a_file_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    assert read_toml(path)[0].codes.tolist() == [[2, 0, 3]]


def test_a_legend_holds_255_characters_and_no_more() -> None:
    legend = [Cell(character=c, reward=1.0) for c in map(chr, range(0xA1, 0x1F0)) if c.isprintable()][:249]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(read_text("S.G", legend=legend).legend) == 255
        with pytest.raises(MapError, match="at most 255 characters"):
            read_text("S.G", legend=[*legend, Cell(character="Z")])


def test_a_map_of_nearly_four_million_characters_is_read() -> None:
    row = "." * 1999
    assert read_text("\n".join([row] * 1999)).codes.shape == (1999, 1999)
