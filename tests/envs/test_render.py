"""Pictures of grid worlds: that they are there, show what they should, and stay bounded."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from rlkit.envs import Cell, GridWorld, render_grid, shipped_maps
from rlkit.envs.gridworld.pictures.colours import Scale, contrasting
from rlkit.envs.gridworld.pictures.render import Painter, draw_text, nice_ticks, spell

DRAWING = "S . X\n# H .\n. . G"


def luminance(colour):
    return float((np.asarray(colour, float) / 255) ** 2.2 @ (0.2126, 0.7152, 0.0722))


def test_text_shows_the_drawing_with_the_agents_cell_in_brackets():
    env = GridWorld(DRAWING, render_mode="ansi")
    assert env.render() == " S . X\n # H .\n . . G"
    env.reset(seed=0)
    assert env.render() == "[S]. X\n # H .\n . . G"
    env.step(1)
    assert env.render() == " S[.]X\n # H .\n . . G"


def test_text_shows_a_policy_as_arrows_in_free_and_forbidden_cells():
    env = GridWorld(DRAWING)
    assert draw_text(env.layout, policy=np.array([1, 1, 2, 0, 2, 1, 1, 0])) == " S → ↓\n # H ↓\n → → G"


@pytest.mark.parametrize("name", shipped_maps())
def test_every_shipped_map_gives_a_frame_that_changes_only_with_the_agent(name):
    env = GridWorld.load(name, render_mode="rgb_array")
    env.reset(seed=0)
    frame = env.render()
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    np.testing.assert_array_equal(frame, env.render())
    before = env.unwrapped.get_state()["state"]
    for action in range(env.action_space.n):
        env.reset(options={"state": before})
        if env.step(action)[0] != before:
            assert (env.render() != frame).any()


def test_without_a_render_mode_there_is_no_frame():
    env = GridWorld(DRAWING)
    env.reset(seed=0)
    assert env.render() is None


def test_a_frame_is_the_callers_own():
    env = GridWorld(DRAWING, render_mode="rgb_array")
    env.reset(seed=0)
    env.render()[:] = 0
    assert env.render().max() > 0


def test_human_mode_opens_a_window_and_closes_it():
    pygame = pytest.importorskip("pygame")
    env = GridWorld(DRAWING, render_mode="human")
    env.metadata = {**env.metadata, "render_fps": 1000}
    env.reset(seed=0)
    assert pygame.display.get_init()
    shown = pygame.surfarray.array3d(pygame.display.get_surface())
    env.step(1)
    assert (pygame.surfarray.array3d(pygame.display.get_surface()) != shown).any()
    assert env.render() is None
    env.close()
    env.close()
    assert not pygame.display.get_init()


def test_without_pygame_human_mode_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    env = GridWorld(DRAWING, render_mode="human")
    with pytest.raises(ImportError, match="pip install pygame-ce"):
        env.reset(seed=0)


def test_an_overlay_shows_and_goes_again():
    env = GridWorld(DRAWING, render_mode="rgb_array")
    env.reset(seed=0)
    plain = env.render()
    env.overlay(values=np.arange(8.0), policy=np.zeros(8, int))
    shown = env.render()
    assert shown.shape != plain.shape or (shown != plain).any()
    env.overlay()
    np.testing.assert_array_equal(env.render(), plain)


@pytest.mark.parametrize("policy", [np.zeros(8, int), np.ones((8, 4), bool), np.full((8, 4), 0.25)])
def test_every_form_of_policy_is_drawn(policy):
    layout = GridWorld(DRAWING).layout
    assert (render_grid(layout, policy=policy) != render_grid(layout)).any()


def test_values_of_walls_and_terminal_cells_are_not_shown():
    layout = GridWorld(DRAWING).layout
    values = np.arange(8.0)
    other = values.copy()
    other[[3, 7]] = 50.0  # the hole and the goal
    np.testing.assert_array_equal(render_grid(layout, values=values), render_grid(layout, values=other))


@pytest.mark.parametrize(
    "wrong", [{"values": np.zeros(7)}, {"policy": np.zeros(7, int)}, {"policy": np.zeros(8)}, {"cell_size": 0}]
)
def test_arrays_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match=r"shape|cell_size"):
        render_grid(GridWorld(DRAWING).layout, **wrong)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (20, 20), (100, 100), (1, 700), (3000, 3), (2500, 2500)])
def test_a_picture_is_bounded_whatever_the_map(shape):
    codes = np.zeros(shape, np.uint8)
    layout = GridWorld(codes, continuing=True).layout
    picture = render_grid(layout, values=np.linspace(-1, 1, codes.size), agent=codes.size - 1, title="a title")
    assert max(picture.shape) <= 1200
    assert picture.std() > 0


def test_every_sign_of_the_legend_is_drawn():
    legend = [
        Cell(character=">", exits=("right",)),
        Cell(character="w", wind=(-1, 2)),
        Cell(character="P", kind="portal", to=(0, 0)),
        Cell(character="J", kind="jump", to=(0, 4)),
    ]
    rows = ["S . . . .", ". . . . G"]
    plain = render_grid(GridWorld("\n".join(rows)).layout)
    for cell in legend:
        drawing = f"S . . . .\n. . {cell.character} . G"
        assert (render_grid(GridWorld(drawing, legend=[cell]).layout) != plain).any()


def test_values_of_both_signs_are_pale_at_zero_and_differ_in_hue():
    scale = Scale(np.array([-2.0, 0.5]))
    negative, zero, positive = scale(np.array([-2.0, 0.0, 2.0])).astype(int)
    assert zero.min() > 240
    assert negative[0] > negative[2]
    assert positive[2] > positive[0]


def test_values_of_one_sign_grow_lighter():
    colours = Scale(np.array([1.0, 9.0]))(np.linspace(1, 9, 30))
    assert (np.diff([luminance(colour) for colour in colours]) > 0).all()


def test_text_stands_out_from_every_colour_of_both_scales():
    for values in (np.linspace(1, 2, 50), np.linspace(-1, 1, 50)):
        for colour in Scale(values)(values):
            light, dark = sorted((luminance(colour), luminance(contrasting(colour))), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 3.0  # WCAG 2.2, large text


def test_equal_and_missing_values_are_drawn_too():
    layout = GridWorld(DRAWING).layout
    for values in (np.zeros(8), np.full(8, np.nan), np.full(8, -1e300), np.array([1, np.inf, 2, 3, 4, 5, 6, -np.inf])):
        assert render_grid(layout, values=values).dtype == np.uint8


@pytest.mark.parametrize(
    ("value", "largest", "text"),
    [
        (5.832, 5.8, "5.83"),
        (9.996, 10, "10.00"),
        (0.0731, 0.5, "0.073"),
        (-0.001, 1, "0.00"),
        (-988.2, 988.2, "-988"),
        (1.5e7, 2e7, "1.5e7"),
    ],
)
def test_numbers_are_written_in_three_digits_or_two_decimals(value, largest, text):
    assert spell(value, largest) == text


def test_ticks_are_round_and_inside():
    ticks, step = nice_ticks(-0.33, 1.02, 6)
    assert step == pytest.approx(0.5)
    np.testing.assert_allclose(ticks, [0.0, 0.5, 1.0])


def test_a_painter_draws_the_agent_where_it_is():
    painter = Painter(GridWorld(". .\n. G", continuing=True).layout)
    plain = painter.frame()
    changed = np.argwhere((painter.frame(3) != plain).any(axis=2))
    x, y = painter.origin
    middle = (changed.min(axis=0) + changed.max(axis=0)) / 2
    np.testing.assert_allclose(middle, [y + 1.5 * painter.cell, x + 1.5 * painter.cell], atol=4)
