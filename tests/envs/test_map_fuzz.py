"""Whatever text is given, it becomes a grid world or a map error, soon and in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlkit.envs.gridworld.cells import DIRECTIONS
from rlkit.envs.gridworld.drawing import check, read_array, read_text, read_toml, to_toml
from rlkit.envs.gridworld.drawing.legend import KINDS
from rlkit.envs.gridworld.drawing.mapfile import RULES
from rlkit.envs.gridworld.env import GridWorld
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.loading import settle_rules
from rlkit.envs.gridworld.maps import shipped_maps
from rlkit.envs.gridworld.rules import Rules
from rlkit.errors import MapError

pytestmark = pytest.mark.filterwarnings("ignore::rlkit.errors.MapWarning")

CELLS = ".#SGXHAB"
drawings = st.lists(st.text(CELLS, min_size=3, max_size=3), min_size=1, max_size=4).map("\n".join)
numbers = st.one_of(st.integers(), st.floats(), st.integers(-3, 5), st.floats(0, 1), st.sampled_from([10**9, 10**400]))
plain_values = st.one_of(numbers, st.booleans(), st.text(max_size=3), st.sampled_from([*KINDS, *DIRECTIONS, *CELLS]))
values = st.recursive(
    plain_values,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(list(DIRECTIONS)), st.text(max_size=3)), inner, max_size=3),
    ),
    max_leaves=5,
)
entries = st.dictionaries(
    st.sampled_from(["kind", "reward", "terminal", "to", "exits", "slip", "wind", "x"]), values, max_size=4
)
legends = st.dictionaries(
    st.one_of(st.sampled_from(CELLS), st.text(max_size=2)), st.one_of(entries, values), max_size=4
)


def makes_a_world_or_a_map_error(read: Callable[[], GridMap | tuple[GridMap, dict[str, Any]]]) -> bool:
    """Read and check a map, then ask its layout for everything; return whether it was one."""
    refused: MapError | None = None
    try:
        made = read()
        grid, own = made if isinstance(made, tuple) else (made, {})
        rules = settle_rules(None, own, {})
        check(grid, rules)
    except MapError as error:
        refused = error
    if refused is not None:
        assert 1 <= len(refused.problems) <= 101
        assert max(map(len, refused.problems)) < 2000
        return False
    layout = Layout(grid, rules)
    cells = np.flatnonzero(layout.occupiable[grid.codes.ravel()])
    landings, rewards = layout.landings(cells)
    assert layout.occupiable[grid.codes.ravel()[landings]].all()
    assert np.isfinite(rewards).all()
    return True


@given(st.text())
@example("\x00")
@example("\ud800")
@example("S\r.\rG")
@example("S\x0bG")
@example("S\u2028G")
@example("S\u00a0G")
@example("S\ufe0fG")
def test_any_text_is_a_world_or_a_map_error(text: str) -> None:
    makes_a_world_or_a_map_error(lambda: read_text(text))


@given(st.text(CELLS + " \n\r\t"))
def test_any_text_of_cells_is_a_world_or_a_map_error(text: str) -> None:
    if makes_a_world_or_a_map_error(lambda: read_text(text)):
        world = GridWorld(text)
        assert world.observation_space.contains(world.reset(seed=0)[0])
    else:
        with pytest.raises(MapError):
            GridWorld(text)


@given(drawings, legends)
def test_any_legend_is_read_or_a_map_error(drawing: str, legend: dict[str, Any]) -> None:
    makes_a_world_or_a_map_error(lambda: read_text(drawing, legend=legend))


@given(st.text())
@example("map = 1979-05-27T07:32:00")
@example('map = "S\\ud800G"')
@example("\ufeffmap = 'S'")
@example("legend.'\x7f' = 1")
@example("[[legend]]\na = 1\n[[map]]\n")
def test_any_document_is_a_world_or_a_map_error(text: str) -> None:
    makes_a_world_or_a_map_error(lambda: read_toml(text))


def as_toml(value: Any) -> str:
    """Write a value as TOML, whatever it is; some of it will not be TOML, which is fine here."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() else f"\\u{ord(c):04x}" if ord(c) < 65536 else "?" for c in value) + '"'
    return repr(value)


@given(drawings, legends, st.dictionaries(st.sampled_from(["name", "rules", "rule", *RULES]), values, max_size=3))
def test_any_rules_and_legend_in_a_document_are_read_or_a_map_error(
    drawing: str, legend: dict[str, Any], rules: dict[str, Any]
) -> None:
    lines = [f"{key} = {as_toml(value)}" for key, value in rules.items()]
    lines += [
        f'map = """\n{drawing}"""',
        "[legend]",
        *[f"{as_toml(key)} = {as_toml(value)}" for key, value in legend.items()],
    ]
    makes_a_world_or_a_map_error(lambda: read_toml("\n".join(lines)))


@given(st.data())
def test_any_change_to_a_shipped_map_is_a_world_or_a_map_error(data: st.DataObject) -> None:
    from importlib.resources import files

    name = data.draw(st.sampled_from(shipped_maps()))
    text = files("rlkit.envs.gridworld.maps").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    text = text[text.index("name =") :]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        text = text[:at] + data.draw(st.text('.#SGXHAB"\\[]{}=,\n 0129eupto', max_size=3)) + text[at + cut :]
    makes_a_world_or_a_map_error(lambda: read_toml(text))


@given(st.lists(st.lists(st.one_of(st.integers(-3, 9), st.text(max_size=2)), max_size=3), max_size=3), legends)
def test_any_array_is_a_world_or_a_map_error(rows: list[list[Any]], legend: dict[str, Any]) -> None:
    try:
        array = np.array(rows)
    except ValueError:  # ragged
        array = np.array([], dtype=object)
    makes_a_world_or_a_map_error(lambda: read_array(array, legend=legend))


@st.composite
def maps_and_rules(draw: st.DrawFn) -> tuple[GridMap, Rules]:
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    reward = st.one_of(st.none(), st.floats(-1e11, 1e11))
    chance = st.floats(0, 1)
    common = {
        "kind": st.sampled_from(["free", "goal", "forbidden", "hole"]),
        "slip": chance,
        "terminal": st.booleans(),
        "exits": st.lists(st.sampled_from(list(DIRECTIONS)), unique=True),
        "wind": st.dictionaries(st.sampled_from(["up", "left", "down", "right"]), st.integers(0, 1000)),
        "reward": st.floats(-1e11, 1e11),
    }
    leap = {"kind": st.sampled_from(["portal", "jump"]), "to": st.just((0, 0)), "reward": st.floats(-1e11, 1e11)}
    entry = st.one_of(
        st.fixed_dictionaries({}, optional=common),
        st.fixed_dictionaries({"kind": leap["kind"], "to": leap["to"]}, optional={"reward": leap["reward"]}),
    )
    signs = st.sampled_from("GXabc\"'\\[]=~é0-")
    legend = draw(st.dictionaries(signs, entry, max_size=5))
    n_codes = 6 + len(set(legend) - set("GX"))
    codes = draw(st.lists(st.integers(0, n_codes - 1), min_size=height * width, max_size=height * width))
    codes[0] = 0
    name = draw(st.text("ab \"'\\é#", max_size=5))
    rules = Rules(
        step_reward=draw(st.floats(-1e11, 1e11)),
        boundary_reward=draw(reward),
        slip=draw(chance),
        moves=draw(st.sampled_from([4, 8])),
        slip_kind=draw(st.sampled_from(["perpendicular", "uniform"])),
        continuing=draw(st.booleans()),
        max_steps=draw(st.one_of(st.none(), st.integers(1, 2**53))),
    )
    return read_array(np.array(codes).reshape(height, width), legend=legend, name=name), rules


@given(maps_and_rules())
def test_every_map_and_its_rules_survive_being_written_and_read(made: tuple[GridMap, Rules]) -> None:
    grid, rules = made
    again, own = read_toml(to_toml(grid, rules))
    assert np.array_equal(again.codes, grid.codes)
    assert (again.legend, again.name) == (grid.legend, grid.name)
    assert settle_rules(None, own, {}) == rules


LONG: dict[str, Callable[[int], str]] = {
    "one row": lambda n: "." * n,
    "empty rows": lambda n: "S" + "\n" * (n - 2) + "G",
    "ragged rows": lambda n: ".\n..\n" * (n // 5),
    "unknown characters": lambda n: "".join(map(chr, range(0xA1, 0xA1 + min(n, 50_000)))) * max(n // 50_000, 1),
    "goals out of reach": lambda n: "S#" + "G" * (n - 2),
    "tabs": lambda n: "\t" * n,
}
LONG_DOCUMENTS: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "a = " + "[" * (n - 4),
    "braces": lambda n: "a = {a = " * (n // 9),
    "dotted key": lambda n: "a" + ".a" * (n // 2 - 3) + " = 1",
    "dotted header": lambda n: "[a" + ".a" * (n // 2 - 3) + "]",
    "keys": lambda n: "\n".join(f"a{i} = 1" for i in range(n // 12)),
    "tables": lambda n: "\n".join(f"[a{i}]" for i in range(n // 10)),
    "items": lambda n: "slip = [" + "1," * (n // 2 - 5) + "]",
    "quotes": lambda n: 'map = """' + '" ' * (n // 2 - 10),
    "backslashes": lambda n: 'map = "' + "\\\\" * (n // 2 - 5) + '"',
    "escapes": lambda n: 'map = "' + "\\u0051" * (n // 6 - 3) + '"',
    "escaped ragged rows": lambda n: 'map = "' + ".\\n..\\n" * (n // 7 - 3) + '"',
    "line ends": lambda n: 'map = """' + "\\\n" * (n // 2 - 10) + '"""',
    "digits": lambda n: "slip = " + "9" * (n - 7),
    "hexadecimal digits": lambda n: "slip = 0x" + "f" * (n - 9),
    "comment": lambda n: "#" * n,
    "legend": lambda n: 'map = "S"\n[legend]\n' + "\n".join(f"a{i} = 1" for i in range(n // 12)),
    "long unknown key": lambda n: "a" * (n - 4) + " = 1",
    "long value": lambda n: "slip_kind = '" + "a" * (n - 20) + "'",
}


def seconds_for(read: Callable[[str], Any], text: str) -> float:
    start = time.process_time()
    makes_a_world_or_a_map_error(lambda: read(text))
    return time.process_time() - start


def bytes_for(read: Callable[[str], Any], text: str) -> int:
    tracemalloc.start()
    try:
        makes_a_world_or_a_map_error(lambda: read(text))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", LONG)
def test_a_long_drawing_is_soon_read_or_refused(kind: str) -> None:
    text = LONG[kind](100_000)
    assert seconds_for(read_text, text) < 2
    assert bytes_for(read_text, text) < 20_000_000


@pytest.mark.parametrize("kind", LONG_DOCUMENTS)
def test_a_long_document_is_soon_read_or_refused(kind: str) -> None:
    text = LONG_DOCUMENTS[kind](100_000)
    assert seconds_for(read_toml, text) < 2
    assert bytes_for(read_toml, text) < 20_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*LONG, *LONG_DOCUMENTS])
def test_the_longest_texts_are_read_or_refused_in_seconds(kind: str) -> None:
    made, read = (LONG[kind], read_text) if kind in LONG else (LONG_DOCUMENTS[kind], read_toml)
    assert seconds_for(read, made(3_990_000)) < 20
