"""Bad maps are refused with all their problems at once, each where it stands."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlkit.envs.gridworld.drawing import LONGEST_TEXT, check, read_array, read_text, read_toml
from rlkit.envs.gridworld.layout import GridMap
from rlkit.envs.gridworld.rules import Rules
from rlkit.errors import MapError, MapWarning


def problems_of(toml: str) -> tuple[str, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapWarning)
        with pytest.raises(MapError) as caught:
            read_toml(toml, source="f.toml")
    return caught.value.problems


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    toml = """\
name = 3
step_rewrd = -1
slip = 1.5
rules = "zaho"

map = \"\"\"
S . q #
. P
. . . G
\"\"\"

[legend]
P = { to = "Z" }
Q = { kind = "portl", reward = nan }
"""
    assert problems_of(toml) == (
        "f.toml:1:1: name = 3 is not one line of printable text",
        "f.toml:2:1: unknown key 'step_rewrd'; did you mean 'step_reward'?",
        "f.toml:3:1: slip=1.5 is outside its range [0, 1]",
        "f.toml:4:1: rules = 'zaho' is no preset; known: 'zhao', 'sutton-barto'; single rules stand at the top level",
        "f.toml:7:5: unknown character 'q'; known: . # S G X H P Q; add it under [legend]",
        "f.toml:8:4: row 1 has 2 cells, the others have 4",
        "f.toml:13:7: legend 'P': a portal to nowhere: 'Z' is drawn 0 times, a target exactly once",
        "f.toml:14:7: legend 'Q': unknown kind 'portl'; did you mean 'portal'?",
        "f.toml:14:23: legend 'Q': reward = nan is outside its range (-1e+12, 1e+12)",
    )


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        # The drawing.
        ('map = """\nS\tG\n"""', r"f.toml:2:2: '\t' is a tab: part cells by spaces or nothing"),
        ('map = "S 漢 G"', "f.toml:1:10: '漢' (CJK UNIFIED IDEOGRAPH-6F22) is two columns wide"),
        ('map = "S\u200bG"', r"f.toml:1:9: '\u200b' (ZERO WIDTH SPACE) cannot be seen on its own"),
        ('map = "S\u0301G"', "f.toml:1:9: '\u0301' (COMBINING ACUTE ACCENT) cannot be seen on its own"),
        ('map = "SqGqq"', "f.toml:1:9: unknown character 'q'; known: . # S G X H; add it under [legend] (and 2 mo"),
        ('map = "S\\u0051G"', "f.toml:1:9: unknown character 'Q'; known: . # S G X H; add it under [legend]"),
        ('map = "\\u0053 \\u0047 Q"', "f.toml:1:22: unknown character 'Q'; known: . # S G X H; add it under [legend]"),
        ('map = """S \\\n   . Q"""', "f.toml:2:6: unknown character 'Q'; known: . # S G X H; add it under [legend]"),
        ('map = """\n\n  S.G\n  ...\n\n  ...\n"""', "f.toml:5:1: row 2 has 0 cells, the others have 3"),
        ('map = """\nSG\n...\n..\n"""', "f.toml:3:3: row 1 has 3 cells, the others have 2"),
        ('map = "  "', "f.toml:1:8: the map has no cells: draw one line a row"),
        ("slip = 0.1", 'f.toml: no map: give one, map = """..."""'),
        ("map = [1]", 'f.toml:1:1: map = [1] is not a string: draw it as map = """..."""'),
        # The rules.
        ('map = "SG"\nmoves = 5', "f.toml:2:1: moves=5 is not one of 4, 8"),
        ('map = "SG"\nmoves = 4.0', "f.toml:2:1: moves=4.0 is not one of 4, 8"),
        ('map = "SG"\nstay = 1', "f.toml:2:1: stay=1 is not of type bool"),
        ('map = "SG"\nstep_reward = inf', "f.toml:2:1: step_reward=inf is outside its range (-1e+12, 1e+12)"),
        (f'map = "SG"\nstep_reward = 1{"0" * 400}', "f.toml:2:1: step_reward=100000000000000000000"),
        ('map = "SG"\nmax_steps = 0', "f.toml:2:1: max_steps=0 is outside its range [1, 9.0072e+15]"),
        ('map = "SG"\n[rules]\nslip = 0.1', "f.toml:2:1: rules = {'slip': 0.1} is no preset"),
        ('map = "SG"\nlegend = 3', "f.toml:2:1: legend = 3 is not a table"),
        ('map = "SG"\nname = "a\\nb"', r"f.toml:2:1: name = 'a\nb' is not one line of printable text"),
        # TOML's syntax.
        ('map = "SG"\nslip 0.1', "f.toml:2:6: not TOML: Expected '=' after a key in a key/value pair"),
        ('map = """S G', "f.toml:1:13: not TOML: "),
        ('map = "SG"\nmap = "SG"', "f.toml:2:11: not TOML: Cannot overwrite a value"),
        ('map = "SG"\r\nslip 0.1', "f.toml:2:6: not TOML: "),
        ("map = " + "[" * 5000, "f.toml:1:16: nested too deeply for a map"),
        ("a" + ".a" * 5000 + " = 1", "f.toml:1:1: nested too deeply for a map"),
        (f'map = "SG"\nslip = {"9" * 5000}', "f.toml: not a map: "),
    ],
)  # fmt: skip
def test_a_bad_document_is_told_where_it_is_bad(toml: str, problem: str) -> None:
    assert any(told.startswith(problem) for told in problems_of(toml)), problems_of(toml)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("A = 3", '1: legend \'A\': 3 is not a table such as { kind = "goal", reward = 2.0 }'),
        ("A = { rewrd = 3 }", "7: legend 'A': unknown key 'rewrd'; did you mean 'reward'?"),
        ("A.slip = 2", "1: legend 'A': slip = 2 is outside its range [0, 1]"),
        ("A.slip = true", "1: legend 'A': slip = True is not a number"),
        ("A.reward = inf", "1: legend 'A': reward = inf is outside its range (-1e+12, 1e+12)"),
        ("A.terminal = 1", "1: legend 'A': terminal = 1 is neither true nor false"),
        ("A.exits = ['north']", "1: legend 'A': exits = ['north'] names the direction 'north'; known: up, right, down"),
        ("A.exits = 'up'", """1: legend 'A': exits = 'up' is not a list of directions such as ["up", "right"]"""),
        ("A.wind = 2", "1: legend 'A': wind = 2 is not a table such as { up = 2 }"),
        ("A.wind = { upp = 2 }", "1: legend 'A': wind = {'upp': 2} blows in the direction 'upp'; did you mean 'up'?"),
        ("A.wind = { up = 1_000_000_000 }", "1: legend 'A': wind = {'up': 1000000000} is not a number of cells from 0"),
        ("A = { kind = 'portal' }", "1: legend 'A': a portal to nowhere: give it to = [row, column], or a character"),
        ("A.to = [0, 9]", "1: legend 'A': a portal to nowhere: the 1 x 4 map has rows 0 to 0 and columns 0 to 3"),
        ("A.to = [-1, 0]", "1: legend 'A': a portal to nowhere: the 1 x 4 map has rows 0 to 0 and columns 0 to 3"),
        ("A.to = 'X'", "1: legend 'A': a portal to nowhere: 'X' is drawn 0 times, a target exactly once"),
        ("A.to = 'Z'", "1: legend 'A': a portal to nowhere: 'Z' is drawn 0 times, a target exactly once"),
        ("A.to = [0, 1.0]", "1: legend 'A': to = [0, 1.0] is neither a character of the drawing nor [row, column]"),
        ("A.to = [0, 2]", "1: legend 'A': a portal to (0, 2), which is a wall"),
        ("A.to = 'A'", "1: portals and jumps lead round in a circle, A -> A: no one could leave it"),
        ("A = { kind = 'jump', to = 'A' }", "22: portals and jumps lead round in a circle, A -> A: no"),
        ("A = { kind = 'wall', reward = 2 }", "22: legend 'A': a wall cell takes no 'reward'; it takes kind"),
        ("A = { kind = 'goal', to = 'S' }", "22: legend 'A': a goal cell takes no 'to'; it takes kind, reward"),
        ("A = { kind = 'start', terminal = true }", "23: legend 'A': an episode cannot start in a terminal cell"),
        ("AB = { reward = 2 }", "1: legend character 'AB' is not a single character"),
        ("'' = { reward = 2 }", "1: legend character '' is not a single character"),
        ("' ' = { reward = 2 }", "1: legend character ' ' is a space: a space is never a cell"),
        ("'漢' = { reward = 2 }", "1: legend character '漢' is two columns wide: use a character of one column"),
    ],
)  # fmt: skip
def test_a_bad_legend_entry_is_told_where_it_is_bad(entry: str, problem: str) -> None:
    told = problems_of(f'map = "SA#G"\n[legend]\n{entry}\n')
    assert any(text.startswith(f"f.toml:3:{problem}") for text in told), told


def test_a_circle_of_portals_and_jumps_is_told_once() -> None:
    toml = 'map = "SABCG"\n[legend]\nA.to = "B"\nB = { kind = "jump", to = "C" }\nC.to = "B"\n'
    told = problems_of(toml)
    assert [text for text in told if "circle" in text] == [
        "f.toml:4:22: portals and jumps lead round in a circle, B -> C -> B: no one could leave it"
    ]


def test_what_makes_no_sense_is_told_beside_what_is_out_of_range() -> None:
    told = problems_of('slip = 2\nmap = "S#G"\n')
    assert told == (
        "f.toml:1:1: slip=2.0 is outside its range [0, 1]",
        "f.toml:2:10: a goal is out of reach: walls cut (0, 0) off from (0, 2)",
    )


@pytest.mark.parametrize("character", [".", "["])
@pytest.mark.parametrize("read", [read_text, read_toml])
def test_a_text_of_over_four_million_characters_is_refused_before_it_is_read(read: Any, character: str) -> None:
    with pytest.raises(
        MapError, match="4,000,001 characters; at most 4,000,000 are read, give a larger map as an array"
    ):
        read(character * (LONGEST_TEXT + 1))


def test_a_hundred_problems_are_told_one_by_one() -> None:
    told = problems_of("\n".join(f"key{number} = 1" for number in range(500)) + '\nmap = "SG"')
    assert len(told) == 101
    assert told[-1] == "f.toml: and more problems"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read: No such file"), (b'map = "S\xffG"', r":1:9: not UTF-8: byte 0xff")],
)
def test_a_file_that_cannot_be_read_is_a_map_error(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MapError, match=rf"^{path}:? ?{problem}"):
        read_toml(path)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        ([[0, 6]], r"<array>\[0, 1\]: code 6 is unknown; known: 0:\. 1:# 2:S 3:G 4:X 5:H; add it to the legend"),
        ([[0], [-1]], r"<array>\[1, 0\]: code -1 is unknown"),
        ([[0.5, 1]], "dtype float64 is neither whole numbers nor characters"),
        ([0, 1], r"shape \(2,\) is not \(rows, columns\)"),
        (np.zeros((0, 3), dtype=int), r"shape \(0, 3\) is not \(rows, columns\)"),
        ([["S", "q"]], r"<array>\[0, 1\]: unknown character 'q'"),
        ([["S", "GG"]], r"<array>\[0, 1\]: 'GG' is not a single character"),
        ([["S", ""]], r"<array>\[0, 1\]: '' is not a single character"),
    ],
)
def test_a_bad_array_is_told_where_it_is_bad(array: Any, problem: str) -> None:
    with pytest.raises(MapError, match=problem):
        read_array(array)


def test_an_inline_legend_s_problems_name_its_character() -> None:
    with pytest.raises(MapError, match=r"<map>: legend 'A': slip = 3 is outside its range \[0, 1\]"):
        read_text("SAG", legend={"A": {"slip": 3}})


def test_a_legend_that_names_a_character_twice_is_refused() -> None:
    from rlkit.envs.gridworld.cells import Cell

    with pytest.raises(MapError, match="legend character 'A' stands in the legend twice"):
        read_text("SAG", legend=[Cell(character="A"), Cell(character="A", reward=1.0)])


def test_an_unused_legend_entry_is_warned_of_once() -> None:
    with pytest.warns(MapWarning) as caught:
        read_toml('map = "SG"\n[legend]\nA = { reward = 2 }\n', source="f.toml")
    assert [str(warning.message) for warning in caught] == ["f.toml:3:1: legend 'A' is not used in the map"]


def drawn(text: str, **rules: Any) -> tuple[GridMap, Rules]:
    return read_text(text, legend={"|": {"exits": ["up"]}, "P": {"to": (0, 0)}} if "|" in text else ()), Rules(**rules)


@pytest.mark.parametrize(
    ("text", "rules", "problem"),
    [
        ("#", {"continuing": True}, "<map>: no cell to start from: all are walls, portals or terminal"),
        ("G H", {}, "<map>: no cell to start from"),
        ("S . H", {}, "<map>: no goal: draw a 'G', make a legend entry terminal, or set continuing = true"),
        ("S # G\n. # .", {}, "<map>:1:5: a goal is out of reach: walls cut (0, 0) off from (0, 2)"),
        ("S # G\n. # .", {"continuing": True}, "<map>:1:5: a goal is out of reach: walls cut (0, 0) off from (0, 2)"),
        ("S H G", {}, "<map>:1:5: a goal is out of reach: terminal cells cut (0, 0) off from (0, 2)"),
        (". # G\n. # #", {}, "<map>:1:5: a goal is out of reach: walls cut every start off from (0, 2)"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(text: str, rules: dict[str, Any], problem: str) -> None:
    with pytest.raises(MapError) as caught:
        check(*drawn(text, **rules))
    assert [told for told in caught.value.problems if told.startswith(problem)]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("S .", {"continuing": True}),
        ("S . G", {}),
        (". G", {}),
        ("S #\n# G", {"moves": 8}),
        ("G", {"continuing": True}),
    ],
)
def test_a_map_that_makes_sense_passes(text: str, rules: dict[str, Any]) -> None:
    check(*drawn(text, **rules))


def test_a_goal_out_of_reach_is_only_warned_of_while_another_is_not() -> None:
    with pytest.warns(MapWarning, match=r"^<map>:1:7: a goal is out of reach: .*cut \(0, 1\) off from \(0, 3\)$"):
        check(*drawn("G S # G"))


def test_hundreds_of_goals_out_of_reach_are_named_ten_at_most() -> None:
    array = np.full((40, 40), 3)
    array[0, 0], array[0, 1], array[1, 0], array[1, 1] = 2, 1, 1, 1
    with pytest.raises(MapError) as caught:
        check(read_array(array), Rules())
    assert len(caught.value.problems) == 11
    assert "and 1586 more goals are out of reach" in caught.value.problems[0]


def test_legend_s_terminal_cells_are_goals_too() -> None:
    check(read_text("S T", legend={"T": {"terminal": True}}), Rules())


@pytest.mark.parametrize("legend", [3, "abc", ["."], [None]])
def test_a_legend_of_another_type_is_a_map_error(legend):
    with pytest.raises(MapError, match="expected entries by character, or a sequence of Cell"):
        read_text("S.G", legend=legend)
