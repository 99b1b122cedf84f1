"""A grid in bands has the values of the whole, with the same proof, whoever tells whom what when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit.envs.gridworld.bands import Band, FileRows
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND, Cell
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.model import GridModel
from rlkit.envs.gridworld.rules import Rules
from rlkit.errors import ConfigError, MapError
from tests.envs import grids


class Bands:
    """Solves a grid in bands, in one process."""

    def __init__(self, model: GridModel, blocks: int, gamma: float) -> None:
        self.model, self.gamma = model, gamma
        self.parts = model.divide(blocks)
        self.bands = [part.build(gamma) for part in self.parts]
        self.told = [band.tell() for band in self.bands]

    def messages(self, hearer: int) -> list:
        part = self.parts[hearer]
        return [self.told[n][self.parts[n].tells.index(hearer)] for n in part.hears]

    def prove(self) -> tuple[float, float, bool]:
        for number, band in enumerate(self.bands):
            band.hear(self.messages(number), exactly=True)
            band.meet()
        self.told = [band.tell() for band in self.bands]
        for number, band in enumerate(self.bands):
            band.hear(self.messages(number), exactly=True)
        low, high, largest = zip(*(band.certify() for band in self.bands), strict=True)
        return self.model.prove(min(low), max(high), max(largest), self.gamma)

    def solve(self, tol: float, sweeps: int, lose: int | None = None) -> tuple[np.ndarray, float]:
        threshold, wake, exchanges = tol * (1.0 - self.gamma), None, 0
        while True:
            rests = [band.settle(threshold, sweeps, wake)[1] for band in self.bands]
            before, self.told = self.told, [band.tell() for band in self.bands]
            exchanges += 1
            if exchanges == 3 and lose is not None:
                self.bands[lose] = self.parts[lose].build(self.gamma)
            wake = None
            for number, band in enumerate(self.bands):
                band.hear(self.messages(number))
            if all(rests) and all(map(_equal, before, self.told)):
                shift, bound, exhausted = self.prove()
                if bound <= tol or exhausted:
                    return self.values(shift), bound
                wake = threshold = 0.5 * threshold

    def values(self, shift: float) -> np.ndarray:
        found = [np.empty(band.n_states) for band in self.bands]
        for band, v in zip(self.bands, found, strict=True):
            band.write(shift, v)
        return np.concatenate(found)


def _equal(one: list, other: list) -> bool:
    return all(map(np.array_equal, one, other))


@settings(max_examples=30)
@given(
    st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([1, 4, 16, 64]), st.sampled_from([0.0, 0.5, 0.9, 0.99])
)
def test_bands_have_the_values_of_the_whole_within_the_bound_that_they_prove(seed, blocks, sweeps, gamma):
    layout = grids.random_layout(seed)
    model = GridModel(layout)
    blocks = min(blocks, model.shape[0])
    v, bound = Bands(model, blocks, gamma).solve(1e-8, sweeps, lose=seed % blocks)
    exact = grids.optimal_values(grids.dense(layout), gamma)
    assert bound <= 1e-8
    assert np.abs(v - exact).max(initial=0.0) <= bound + 1e-12 * (1.0 + np.abs(exact).max(initial=0.0))


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([0.0, 0.5, 0.9]))
def test_one_sweep_of_all_bands_shows_what_the_model_says_of_the_whole(seed, blocks, gamma):
    model = GridModel(grids.random_layout(seed))
    bands = Bands(model, min(blocks, model.shape[0]), gamma)
    for number, band in enumerate(bands.bands):
        band.settle(1e-3, 4)
        bands.told[number] = band.tell()
    shift, bound, _ = bands.prove()
    v = bands.values(shift)
    low, high = model.residual(v, gamma)
    exact = optimal(model, gamma)
    assert np.abs(v - exact).max(initial=0.0) <= bound + 1e-12 * (1.0 + np.abs(exact).max(initial=0.0))
    assert max(high, -low) <= (1.0 + gamma) * bound + 1e-12 * (1.0 + np.abs(exact).max(initial=0.0))


def optimal(model: GridModel, gamma: float) -> np.ndarray:
    return grids.optimal_values(grids.dense(model.layout), gamma)


def test_what_is_held_is_not_counted_twice_where_bands_are_one_row():
    model = GridModel(Layout(GridMap(np.zeros((5, 3), dtype=np.uint8), DEFAULT_LEGEND), Rules(step_reward=-1.0)))
    bands = Bands(model, 5, 0.5)
    assert [band.n_states for band in bands.bands] == [3] * 5
    v, bound = bands.solve(1e-9, 8)
    np.testing.assert_allclose(v, -2.0, atol=bound)  # -1 a step for ever, at a discount of one half


def test_more_bands_than_rows_are_refused():
    model = GridModel(Layout(GridMap(np.zeros((2, 3), dtype=np.uint8), DEFAULT_LEGEND), Rules()))
    with pytest.raises(ConfigError, match=r"blocks=3 is outside its range \[1, 2\]"):
        model.divide(3)


def test_a_legend_that_leaves_no_room_is_refused():
    cells = (*DEFAULT_LEGEND, *(Cell(character=chr(200 + n)) for n in range(248)))
    model = GridModel(Layout(GridMap(np.zeros((2, 3), dtype=np.uint8), cells), Rules()))
    with pytest.raises(ConfigError, match="a legend of 254 entries cannot be divided"):
        model.divide(2)


def test_rows_of_a_map_in_a_file_are_read_by_who_needs_them(tmp_path):
    codes = np.random.default_rng(0).integers(0, 2, size=(40, 30)).astype(np.uint8)
    np.save(tmp_path / "map.npy", codes)
    mapped = np.lib.format.open_memmap(tmp_path / "map.npy", mode="r")
    parts = GridModel(Layout(GridMap(mapped, DEFAULT_LEGEND), Rules())).divide(4)
    assert all(isinstance(part.rows, FileRows) for part in parts)
    np.testing.assert_array_equal(parts[1].rows.read(), codes[9:21])
    whole = GridModel(Layout(GridMap(mapped[5:25], DEFAULT_LEGEND), Rules())).divide(2)
    np.testing.assert_array_equal(whole[0].rows, codes[5:16])
    (tmp_path / "map.npy").unlink()
    with pytest.raises(MapError, match="cannot be opened by whoever solves rows 9 on"):
        parts[1].build(0.5)


def test_a_checkpoint_of_another_question_is_told_apart():
    codes = np.zeros((6, 4), dtype=np.uint8)
    rules = [Rules(), Rules(step_reward=-1.0)]
    questions = {
        part.build(gamma).question
        for part in [
            part for rule in rules for part in GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), rule)).divide(2)
        ]
        for gamma in (0.5, 0.9)
    }
    assert len(questions) == 8
    band = GridModel(Layout(GridMap(codes, DEFAULT_LEGEND), Rules())).divide(2)[0].build(0.5)
    with pytest.raises(ConfigError, match="not one of this band"):
        band.restore(np.zeros(3))


def test_restoring_gives_the_state_that_was_dumped():
    model = GridModel(grids.random_layout(11))
    one, other = (Band(model.divide(1)[0], 0.9) for _ in range(2))
    one.settle(1e-9, 100)
    other.restore(one.dump())
    np.testing.assert_array_equal(one.dump(), other.dump())
