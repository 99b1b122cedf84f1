"""Pictures hold what they promise: the right cells, colours, arrows and files."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from rlkit.errors import ConfigError
from rlkit.plotting import (
    plot_convergence,
    plot_episode,
    plot_errors,
    plot_learning,
    plot_q,
    plot_values,
    save,
    to_image,
)
from rlkit.plotting.glyphs import arrow_polygons, spell, wedges
from rlkit.transition import Transition

FOUR = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
FIVE = np.vstack([FOUR, [(0, 0)]])
NINE = np.vstack([FOUR, [(-1, 1), (1, 1), (1, -1), (-1, -1), (0, 0)]])


def grid(height, width, offsets=FIVE, missing=()):
    cells = np.array([cell for cell in np.ndindex(height, width) if cell not in missing])
    return SimpleNamespace(shape=(height, width), cells=cells, offsets=offsets)


def collections(figure):
    return figure.axes[0].collections


def texts(figure):
    return {text.get_text() for text in figure.axes[0].texts}


def area(polygon):
    x, y = polygon.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def item(iteration, residual):
    return SimpleNamespace(
        iteration=iteration, residual=residual, contraction=0.9 if iteration > 1 else math.nan, error_bound=9 * residual
    )


@pytest.mark.parametrize(("side", "offsets"), [(2, FOUR), (5, NINE), (20, FIVE), (100, FOUR)])
def test_every_picture_is_drawn_at_every_size(side, offsets):
    geometry = grid(side, side, offsets, missing={(0, 1)})
    q = np.random.default_rng(0).normal(size=(side * side - 1, len(offsets)))
    for figure in (plot_values(geometry, q.max(axis=1), policy=q.argmax(axis=1)), plot_q(geometry, q)):
        image = to_image(figure)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10


def test_values_land_in_their_cells_and_walls_stay_empty():
    figure = plot_values(grid(2, 3, missing={(0, 1)}), [1.0, 2.0, 3.0, 4.0, 5.0])
    shown = figure.axes[0].images[0].get_array()
    assert shown.filled(-1).tolist() == [[1, -1, 2], [3, 4, 5]]


def test_small_maps_carry_numbers_and_large_ones_do_not():
    assert texts(plot_values(grid(2, 2), [1.25, 2.5, 3.0, 4.0])) == {"1.25", "2.50", "3.00", "4.00"}
    assert not texts(plot_values(grid(100, 100), np.linspace(0.1, 1, 10_000)))


def test_colours_diverge_around_zero_only_when_both_signs_matter():
    both = plot_values(grid(1, 3), [-3.0, 0.0, 4.0]).axes[0].images[0]
    assert both.norm.vmin == -4.0
    assert both.norm.vmax == 4.0
    assert both.cmap.name == "RdBu"
    positive = plot_values(grid(1, 3), [-1e-12, 1.0, 4.0]).axes[0].images[0]
    assert positive.cmap.name == "viridis"


def test_equal_values_everywhere_are_drawn():
    assert to_image(plot_values(grid(2, 2), np.zeros(4))).any()


def test_tied_actions_all_get_an_arrow():
    tied = np.array([[True, True, False, False, True], [False, False, True, False, False]])
    polygons, states = arrow_polygons(FIVE, np.array([(0, 0), (0, 1)]), tied, rim=False)
    assert len(polygons) == 4
    assert sorted(states.tolist()) == [0, 0, 0, 1]


def test_arrows_point_where_the_action_leads():
    everything = np.ones((1, 9), dtype=bool)
    for rim in (False, True):
        polygons, _ = arrow_polygons(NINE, np.array([(3, 7)]), everything, rim=rim)
        for polygon, (down, right) in zip(polygons, NINE, strict=True):
            x, y = polygon.mean(axis=0) - (7, 3)
            assert np.sign(np.round([x, y], 1)).tolist() == [right, down]


def test_a_policy_is_taken_as_actions_as_a_set_or_as_probabilities():
    geometry = grid(1, 2)
    one_hot = np.eye(5)[[1, 3]]
    drawn = [plot_values(geometry, [0.0, 1.0], policy=p) for p in (np.array([1, 3]), one_hot, one_hot > 0)]
    paths = [[path.vertices.tolist() for path in collections(figure)[-1].get_paths()] for figure in drawn]
    assert paths[0] == paths[1] == paths[2]
    assert len(paths[0]) == 2


def test_wedges_share_the_cell_without_overlap():
    for offsets in (FOUR, NINE[:8]):
        assert sum(area(wedge) for wedge in wedges(offsets)) == pytest.approx(1.0)
    for wedge, (down, right) in zip(wedges(NINE), NINE, strict=True):
        assert np.sign(np.round(wedge.mean(axis=0), 9)).tolist() == [right, down]


def test_each_action_value_colours_its_own_wedge():
    figure = plot_q(grid(1, 2, FOUR), [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    wedge_colours = next(c for c in collections(figure) if c.get_array() is not None)
    assert wedge_colours.get_array().tolist() == [1, 5, 2, 6, 3, 7, 4, 8]
    assert texts(figure) == set("12345678")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot_values(grid(2, 2), np.zeros(5)), r"v has shape \(5,\).*2 x 2.*\(4,\)"),
        (lambda: plot_q(grid(2, 2), np.zeros((4, 4))), r"q has shape \(4, 4\).*\(4, 5\)"),
        (lambda: plot_values(grid(2, 2), np.zeros(4), policy=np.zeros(3, dtype=int)), r"policy has shape \(3,\)"),
        (lambda: plot_values(grid(2, 2), np.zeros(4), policy=np.full(4, 5)), "actions 5 to 5, expected 0 to 4"),
        (lambda: plot_convergence([]), "no iteration"),
        (lambda: plot_learning({"step": [1.0], "a": [2.0]}, tags=["b"]), "'b'; known: step, a"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_numbers_are_spelled_alike_and_never_as_minus_zero():
    assert spell(np.array([-1e-9, 5.832])) == ["0.00", "5.83"]
    assert spell(np.array([-14.0, 0.0])) == ["-14", "0"]
    assert spell(np.array([250_000.0])) == ["2.5e5"]


def test_pictures_can_be_drawn_into_the_callers_axes():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4))
    for ax in figure.subplots(1, 2):
        assert plot_values(grid(3, 3), np.arange(9.0), policy=np.zeros(9, dtype=int), ax=ax) is figure
    panel = figure.subfigures(1, 2)[0].subplots()
    assert plot_q(grid(3, 3), np.zeros((9, 5)), ax=panel) is figure
    assert to_image(figure).shape == (400, 800, 3)


def test_convergence_draws_one_run_several_runs_or_a_file(tmp_path):
    run = [item(n, 0.9**n) for n in range(1, 30)]
    single = plot_convergence(run, gamma=0.9, tol=1e-8, title="value iteration")
    np.testing.assert_allclose(single.axes[0].lines[1].get_ydata(), [0.9**n for n in range(1, 30)])
    assert single.axes[0].get_yscale() == "log"
    assert len(plot_convergence({"a": run, "b": run[:3]}).axes[0].lines) == 4
    path = tmp_path / "progress.csv"
    names = ("residual", "contraction", "error_bound")
    lines = [",".join(["step", *(f"bellman/{name}" for name in names)])]
    lines += [f"{x.iteration},{x.residual},{'' if x.iteration == 1 else 0.9},{x.error_bound}" for x in run]
    path.write_text("\n".join(lines))
    np.testing.assert_allclose(
        plot_convergence(path).axes[0].lines[1].get_ydata(), single.axes[0].lines[1].get_ydata(), rtol=1e-12
    )


def test_learning_curves_leave_out_what_was_not_measured():
    figure = plot_learning({"step": [1, 2, 3], "loss": [1.0, math.nan, 0.5], "return": [math.nan, 1.0, 2.0]})
    assert [axes.lines[0].get_xdata().tolist() for axes in figure.axes] == [[1, 3], [2, 3]]


def test_saving_replaces_the_file_whole_and_leaves_nothing_else(tmp_path):
    figure = plot_values(grid(2, 2), np.arange(4.0))
    for name, magic in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        path = tmp_path / "new" / name
        for _ in range(2):
            assert save(figure, path) == path
        assert path.read_bytes().startswith(magic)
    assert len(list((tmp_path / "new").iterdir())) == 3
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf, not in '\.bmp'"):
        save(figure, tmp_path / "a.bmp")


def test_importing_the_plots_imports_no_matplotlib_and_drawing_touches_no_pyplot():
    program = (
        "import sys, types, numpy as np, rlkit.plotting as p\n"
        "assert 'matplotlib' not in sys.modules\n"
        "g = types.SimpleNamespace(shape=(1, 2), cells=np.array([(0, 0), (0, 1)]), offsets=np.array([(0, 1)]))\n"
        "p.to_image(p.plot_values(g, np.zeros(2)))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_action_values_of_a_map_too_large_for_wedges_become_pixels():
    q = np.arange(150 * 200 * 5.0).reshape(-1, 5)
    figure = plot_q(grid(150, 200), q)
    picture = figure.axes[0].images[0].get_array()  # 3 x 3 pixels a cell: up, right, down, left, stay in their places
    assert picture.shape == (450, 600)
    assert [picture[0, 1], picture[1, 2], picture[2, 1], picture[1, 0], picture[1, 1]] == [0, 1, 2, 3, 4]
    thinned = plot_q(grid(1000, 600), np.zeros((600_000, 5)))
    assert thinned.axes[0].images[0].get_array().shape == (1500, 900)


def test_a_curve_of_one_point_is_drawn_on_a_log_scale_without_a_warning():
    axes = plot_learning({"step": [1], "error": [3.0]}, logarithmic=True).axes[0]
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] < 3.0 < axes.get_ylim()[1]


def test_errors_are_drawn_beside_the_least_that_features_allow_and_the_fixed_point(tmp_path):
    (tmp_path / "progress.csv").write_text(
        "step,truth/rmsve,truth/best_rmsve,truth/td_rmsve\n10,1.0,0.1,0.2\n20,,,\n30,0.5,0.1,0.2\n"
    )
    runs = {"coarse": tmp_path / "progress.csv", "table": {"step": [10, 30], "rmsve": [2.0, 0.01], "best_rmsve": 1e-16}}
    (axes,) = plot_errors(runs, title="errors").axes
    coarse, best, fixed, table, *keys = axes.lines
    assert coarse.get_xydata().tolist() == [[10, 1.0], [30, 0.5]]
    assert table.get_xydata().tolist() == [[10, 2.0], [30, 0.01]]
    assert [(line.get_ydata()[0], line.get_linestyle()) for line in (best, fixed)] == [(0.1, ":"), (0.2, "--")]
    assert {line.get_color() for line in (best, fixed)} == {coarse.get_color()}  # and none for what is exact
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["coarse", "table", "least its features allow", "TD fixed point"]
    assert len(keys) == 2


def test_errors_that_are_not_there_are_named():
    with pytest.raises(ConfigError, match="mine has no column 'policy_regret'; known: step, rmsve"):
        plot_errors({"mine": {"step": [1], "rmsve": [1.0]}}, tag="policy_regret")


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (np.zeros(3), ["0", "1", "2"]),
        ({"goal": np.zeros(2), "speed": np.zeros(1)}, ["goal 0", "goal 1", "speed 0"]),
        (np.zeros(15), ["0", "2", "4", "6", "8", "10", "12", "14"]),
    ],
    ids=["few", "dict", "many"],
)
def test_an_episodes_curves_are_numbered(observation, expected):
    step = Transition(observation, np.zeros(1), 1.0, observation, False, False)
    figure = plot_episode([step, step], title="DDPG")
    above, middle, _ = figure.axes
    assert [text.get_text() for text in above.get_legend().get_texts()] == expected
    assert middle.get_legend() is None  # there is but one
    assert above.get_title() == "DDPG\nreturn 2 in 2 steps"
