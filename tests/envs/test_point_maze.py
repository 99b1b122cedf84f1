"""The point maze: exact walls, a grid's rules in continuous space, and shortest ways against independent answers."""

from __future__ import annotations

import json
import math

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

import rlkit
from rlkit import bellman, plotting
from rlkit.envs import GridWorld, PointMaze, plot_maze, shipped_maps
from rlkit.errors import ConfigError, MapError

CORRIDOR = "S . . . . G"
BEND = "S # G\n. . ."
RIGHT, UP, DOWN, LEFT = (1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (-1.0, 0.0)


def play(env, actions, **options):
    """Begin in a cell or state, act until the episode ends; return observations (T + 1) and rewards (T)."""
    observation, _ = env.reset(seed=0, options=options or None)
    seen, rewards = [observation], []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
        rewards.append(reward)
        if terminated or truncated:
            break
    return np.array(seen), np.array(rewards)


@st.composite
def drawings(draw, signs="..##XH"):
    """Maps of up to 6 x 6 cells with a goal that the start can reach."""
    height, width = draw(st.integers(1, 6)), draw(st.integers(2, 6))
    cells = [draw(st.sampled_from(signs)) for _ in range(height * width)]
    start = draw(st.integers(0, height * width - 1))
    row, column = divmod(start, width)
    beside = [(r, c) for r, c in ((row, column + 1), (row, column - 1)) if 0 <= c < width]
    r, c = draw(st.sampled_from(beside))
    cells[start], cells[r * width + c] = "S", "G"
    return "\n".join("".join(cells[k * width : (k + 1) * width]) for k in range(height))


def test_it_is_registered_and_keeps_gymnasiums_rules():
    env = gymnasium.make("rlkit/PointMaze-v0", render_mode="rgb_array")
    check_env(env.unwrapped)
    assert rlkit.envs.PointMaze is PointMaze
    assert env.observation_space.shape == (6,)
    np.testing.assert_array_equal(env.observation_space.high, [4.5, 3.0, 2.0, 2.0, 4.5, 3.0])


# Motion


def test_two_pushes_move_the_point_as_worked_out_by_hand():
    # v1 = 0.1 * 5 * 1 = 0.5, x1 = 0.05; v2 = 0.5 + 0.1 * 5 * (1 - 0.5 / 2) = 0.875, x2 = 0.05 + 0.0875.
    seen, _ = play(PointMaze(CORRIDOR), [RIGHT] * 2, cell=(0, 0))
    np.testing.assert_allclose(seen[1:, 0], [-2.45, -2.3625], rtol=1e-12)
    np.testing.assert_allclose(seen[1:, 2], [0.5, 0.875], rtol=1e-12)
    np.testing.assert_array_equal(seen[:, [1, 3]], 0.0)
    np.testing.assert_array_equal(seen[:, 4:], [[2.5, 0.0]] * 3)


def test_a_full_force_comes_to_the_greatest_speed_and_never_above():
    seen, _ = play(PointMaze("S" + 40 * "." + "G"), [RIGHT] * 150, cell=(0, 0))
    assert seen[:, 2].max() <= 2.0
    assert seen[60, 2] == pytest.approx(2.0, abs=1e-6)


@given(
    drawing=drawings(),
    speed=st.sampled_from([0.5, 2.0, 31.0, 1e3, 1e9]),
    actions=st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=12),
    seed=st.integers(0, 99),
)
def test_the_point_never_is_inside_a_wall_nor_comes_through_one(drawing, speed, actions, seed):
    env = PointMaze(drawing, reward="sparse", max_speed=speed, acceleration=10 * speed)
    wall = np.array([list(row) for row in drawing.split("\n")]) == "#"
    (height, width), rooms = wall.shape, label(~wall)[0]
    observation, _ = env.reset(seed=seed)
    cell = env.maze.cell_of(*observation[:2])
    room = rooms[cell]
    for action in actions:
        observation, _, terminated, *_ = env.step(action)
        right, down = observation[0] + width / 2, height / 2 - observation[1]
        assert 0 <= right <= width
        assert 0 <= down <= height
        touched = [
            (r, c) for r in {math.ceil(down) - 1, math.floor(down)} for c in {math.ceil(right) - 1, math.floor(right)}
        ]
        touched = [(r, c) for r, c in touched if 0 <= r < height and 0 <= c < width]
        assert room in [rooms[place] for place in touched]  # walls are 0, other rooms another number
        if not (right.is_integer() or down.is_integer()):
            assert not wall[touched[0]]
        assert env.observation_space.contains(observation)
        if terminated:
            break


def test_a_wall_stops_what_runs_into_it_and_lets_slide_what_runs_along():
    env = PointMaze("# # # #\nS . . G", max_speed=20.0, acceleration=200.0, dt=0.1)
    seen, _ = play(env, [(0.5, 1.0)], cell=(1, 0))
    np.testing.assert_allclose(seen[1, :4], [-0.5, 0.0, 10.0, 0.0], atol=1e-12)


def test_between_two_walls_that_touch_at_a_corner_there_is_no_way():
    env = PointMaze("G # .\nS # .\n# . .\n. . G", moves=8, max_speed=100.0, acceleration=1000.0)
    seen, _ = play(env, [(1.0, -1.0)] * 5, state=(-1.2, 0.7, 0, 0))
    np.testing.assert_array_equal(seen[-1, :2], [-0.5, 0.0])
    with pytest.raises(MapError, match="two walls that touch at a corner"):
        PointMaze("S # .\n# . .\n. . G", moves=8)


@pytest.mark.parametrize("speed", [2.0, 100.0, 1e6])
def test_neither_holes_nor_goals_are_jumped_over(speed):
    env = PointMaze(
        "S . H . . G\n. . . . . .", reward="sparse", hole_reward=-3.0, max_speed=speed, acceleration=10 * speed
    )
    seen, rewards = play(env, [RIGHT] * 100, cell=(0, 0))
    assert seen[-1, 0] == -1.0  # its left face
    assert rewards[-1] == -3.0
    with pytest.raises(ResetNeeded):
        env.step(RIGHT)
    assert play(env, [RIGHT] * 100, cell=(1, 4))[0][-1, 0] == 3.0  # the edge
    assert play(env, [UP] * 100, cell=(1, 5))[0][-1, 1] == 0.0  # the goal's lower face


def test_the_same_forces_move_the_point_alike_in_mirrored_mazes():
    drawing = ["S . # . G", ". . # . .", ". . . . ."]
    env, mirrored = PointMaze("\n".join(drawing)), PointMaze("\n".join(row[::-1] for row in drawing))
    actions = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    seen, rewards = play(env, actions, cell=(0, 0))
    other, others = play(mirrored, actions * (-1, 1), cell=(0, 4))
    np.testing.assert_array_equal(seen * (-1, 1, -1, 1, -1, 1), other)
    np.testing.assert_allclose(rewards, others, atol=1e-12)


# What cells mean, and pay


def test_a_forbidden_cell_costs_in_every_step_within_and_every_other_cell_what_it_says():
    legend = {"B": {"kind": "free", "reward": 0.25}}
    env = PointMaze("S X B G", legend=legend, reward="sparse", forbidden_reward=-2.0, step_reward=-0.1, goal_reward=7.0)
    seen, rewards = play(env, [RIGHT] * 100, cell=(0, 0))
    x = seen[1:, 0]
    np.testing.assert_array_equal(rewards[x <= -1.0], -0.1)
    np.testing.assert_array_equal(rewards[(x > -1.0) & (x <= 0.0)], -2.0)
    np.testing.assert_array_equal(rewards[(x > 0.0) & (x < 1.0)], 0.25)
    assert rewards[-1] == 7.0
    assert np.count_nonzero(rewards == -2.0) > 3


def test_a_forbidden_cell_is_not_passed_unpaid_in_one_step():
    env = PointMaze("S X . G", reward="sparse", max_speed=20.0, acceleration=200.0, dt=0.1)
    _, rewards = play(env, [RIGHT], cell=(0, 0))
    assert rewards.tolist() == [-1.0]


def test_a_step_that_meets_a_wall_pays_what_a_blocked_move_pays():
    for boundary, expected in ((None, -0.5), (-3.0, -3.0)):
        env = PointMaze("S G", reward="sparse", step_reward=-0.5, boundary_reward=boundary)
        _, rewards = play(env, [UP] * 12, cell=(0, 0))
        assert rewards[0] == -0.5
        assert rewards[-1] == expected


def test_a_continuing_goal_pays_in_every_step_and_ends_nothing():
    env = PointMaze("S G .", reward="sparse", continuing=True, max_steps=12)
    seen, rewards = play(env, [RIGHT] * 20, cell=(0, 0))
    assert len(rewards) == 12
    np.testing.assert_array_equal(rewards, (seen[1:, 0] > -0.5) & (seen[1:, 0] <= 0.5))


def test_a_dense_reward_adds_the_progress_along_the_shortest_way():
    actions = np.random.default_rng(1).uniform(-1, 1, (300, 2))
    for reach in (50, 300):
        sparse, dense = (PointMaze(BEND, reward=kind, step_reward=-0.1) for kind in ("sparse", "dense"))
        seen, paid = play(sparse, actions[:reach], cell=(0, 0))
        same, more = play(dense, actions[:reach], cell=(0, 0))
        np.testing.assert_array_equal(seen, same)
        ends = (dense.maze.cell_of(*place) for place in (seen[0, :2], seen[-1, :2]))
        first, last = (
            dense._aim.ways.distance(*place[:2], *cell) for place, cell in zip(seen[[0, -1]], ends, strict=True)
        )
        assert more.sum() - paid.sum() == pytest.approx(first - last, abs=1e-6)


def test_going_into_a_forbidden_cell_is_no_progress_and_coming_out_is_worth_what_it_is():
    env = PointMaze("S X . G\n. . . .", forbidden_reward=-0.5)
    env.reset(options={"cell": (0, 0)})
    total, inside = 0.0, 0.0
    for _ in range(100):
        observation, reward, terminated, *_ = env.step(RIGHT)
        total += reward + 0.5 * (-1.0 < observation[0] <= 0.0)
        if -1.0 < observation[0] <= 0.0:
            inside = total
        if terminated:
            break
    start = env.reference((0, 0)).length
    assert inside <= 0.0
    assert total - 1.0 == pytest.approx(start, abs=1e-5)


def test_a_fall_into_a_hole_pays_no_progress():
    env = PointMaze("S . G\n. H .")
    _, rewards = play(env, [DOWN] * 100, state=(0.0, 0.5, 0, 0))
    assert rewards[-1] == 0.0


@pytest.mark.parametrize(
    ("legend", "what"),
    [
        ({"kind": "portal", "to": (0, 3)}, "portals"),
        ({"kind": "jump", "to": (0, 3)}, "jumps"),
        ({"exits": ("left",)}, "closed sides"),
        ({"wind": {"right": 1}}, "wind"),
        ({"slip": 0.5}, "slip"),
    ],
)
def test_what_a_maze_does_not_have_is_refused_by_name_and_place(legend, what):
    drawing = "S . A . G\n. . . . ."
    with pytest.raises(MapError, match=rf"^<map>:1:5: 'A': a point maze has no {what}$"):
        PointMaze(drawing, legend={"A": legend})
    PointMaze(drawing, legend={"A": {"kind": "free"}})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slip": 0.2}, "slip"),
        ({"reward": "shaped"}, "reward='shaped' is not one of 'dense', 'sparse'"),
        ({"goal": "anywhere"}, "goal="),
        ({"render_mode": "human"}, "render_mode="),
        ({"dt": 0.0}, "dt=0.0"),
        ({"max_speed": math.inf}, "max_speed=inf"),
        ({"acceleration": -1.0}, "acceleration=-1.0"),
        ({"acceleration": 30.0}, "acceleration=30.0 would pass max_speed=2.0 in one step"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"step_reward": math.nan}, "step_reward"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(arguments, message):
    with pytest.raises(ConfigError, match=message):
        PointMaze(CORRIDOR, **arguments)


@pytest.mark.parametrize("action", [(1.1, 0.0), (math.nan, 0.0), (0.0,), 0.5, "up", None, ((0.0, 0.0),)])
def test_an_action_that_is_not_two_numbers_within_bounds_is_refused(action):
    env = PointMaze(CORRIDOR)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is not two numbers in"):
        env.step(action)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": (0, 1)},  # a wall
        {"cell": (0, 2)},  # the goal
        {"cell": (5, 5)},
        {"cell": (0, 0), "state": (0, 0, 0, 0)},
        {"state": (0.0, 0.0, 3.0, 0.0)},
        {"state": (math.nan, 0.0, 0.0, 0.0)},
        {"state": (0.0, 0.0)},
        {"goal": (1, 1)},
        {"place": 3},
    ],
)
def test_a_start_where_the_point_cannot_be_is_refused(options):
    env = PointMaze(BEND)
    with pytest.raises(ConfigError, match=r"PointMaze\.reset"):
        env.reset(options=options)


# Starts and goals


def test_episodes_begin_at_rest_all_over_the_start_cells():
    env = PointMaze("S S #\n# . S\nG . .")
    places = np.array([env.reset(seed=seed)[0] for seed in range(300)])
    assert not places[:, 2:4].any()
    cells = [env.maze.cell_of(*place) for place in places[:, :2]]
    assert set(cells) == {(0, 0), (0, 1), (1, 2)}
    inside = places[:, :2] - np.array([env.maze.centre_of(*cell) for cell in cells])
    assert np.abs(inside).max() <= 0.5
    assert np.abs(inside).max(axis=0) == pytest.approx(0.5, abs=0.02)


def test_a_random_start_is_wherever_a_way_leads_from_but_not_in_forbidden_cells():
    env = PointMaze("S . # .\n. G # .\nX H . #", start="random")
    cells = {env.maze.cell_of(*env.reset(seed=seed)[0][:2]) for seed in range(100)}
    assert cells == {(0, 0), (0, 1), (1, 0)}
    env = PointMaze("S . G", start="random", goal="random")
    starts = [env.reset(seed=seed)[0] for seed in range(100)]
    pairs = {(env.maze.cell_of(*seen[:2])[1], env.maze.cell_of(*seen[4:])[1]) for seen in starts}
    assert pairs == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_of_several_goals_the_observation_shows_the_one_ahead():
    env = PointMaze("G . . S . . . . . G")
    observation, _ = env.reset(seed=0)
    assert observation[4:].tolist() == [-4.5, 0.0]
    observation, _ = env.reset(options={"cell": (0, 7)})
    assert observation[4:].tolist() == [4.5, 0.0]


def test_a_drawn_goal_can_be_reached_and_the_drawn_one_ends_the_episode():
    env = PointMaze("S . # .\n. G # .\nX . # H", goal="random")
    goals = {env.maze.cell_of(*env.reset(seed=seed)[0][4:]) for seed in range(200)}
    assert goals == {(0, 1), (1, 0), (1, 1), (2, 1)}
    for goal, actions in (((0, 1), [RIGHT]), ((1, 1), [(1.0, -1.0)])):
        env.reset(options={"cell": (0, 0), "goal": goal})
        for _ in range(100):
            observation, reward, terminated, _, info = env.step(actions[0])
            if terminated:
                break
        assert info == {"is_success": True}
        assert reward > 0.9
        assert env.maze.cell_of(*observation[4:]) == goal
        assert env.stretch([env.maze.centre_of(0, 0), observation[:2]]) == pytest.approx(1.0, abs=1e-6)
    env.reset(options={"cell": (0, 0), "goal": (2, 1)})
    assert not any(env.step((1.0, -1.0))[2] for _ in range(10))  # across what the drawing calls a goal


def test_the_same_seed_begins_alike():
    first, second = PointMaze(goal="random"), PointMaze(goal="random")
    for seed in (3, None, None):
        np.testing.assert_array_equal(first.reset(seed=seed)[0], second.reset(seed=seed)[0])


# Shortest ways


def test_around_a_wall_the_way_bends_at_its_corners():
    # From (0.5, 0.5) of the first cell to the wall's lower corners (1, 1) and (2, 1), where the goal's cell begins.
    reference = PointMaze(BEND).reference()
    assert reference.length == pytest.approx(math.sqrt(0.5) + 1.0, abs=1e-6)
    np.testing.assert_allclose(reference.path, [[-1, 0.5], [-0.5, 0], [0.5, 0]], atol=1e-6)
    assert reference.cells.tolist() == [[0, 0], [1, 0], [1, 1], [1, 2], [0, 2]]
    assert reference.moves == 4


def test_in_sight_the_way_is_straight():
    env = PointMaze("S . . .\n. . . .\n. . . G")
    assert env.reference().length == pytest.approx(math.hypot(2.5, 1.5), abs=1e-6)


def test_the_dyna_maze_takes_the_14_moves_of_the_book():
    assert PointMaze("sutton-barto-8.1").reference().moves == 14


def test_ways_avoid_holes_and_forbidden_cells_if_they_can():
    straight = PointMaze("S . . G\n. . . .").reference().length
    assert straight == pytest.approx(2.5, abs=1e-6)
    around = math.sqrt(0.5) + 1.0 + 1.0
    for sign in "XH#":
        assert PointMaze(f"S {sign} . G\n. . . .").reference().length == pytest.approx(around, abs=1e-6)
    assert PointMaze("S X . G\n# . . .").reference().length == pytest.approx(2.5, abs=1e-6)


def sub_grid_distances(env, n):
    """Return the least lengths from a finer grid's points to the goals', by Dijkstra with 8 moves, `(H n, W n)`."""
    blocked = np.kron(env.maze.corners.blocked, np.ones((n, n), int)).astype(bool)
    goal = np.kron(env.maze.is_drawn_goal, np.ones((n, n), int)).astype(bool)
    number, (height, width) = np.arange(blocked.size).reshape(blocked.shape), blocked.shape
    start, end, cost = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = np.s_[: height - down, max(0, -right) : width - max(0, right)]
        b = np.s_[down:, max(0, right) : width + min(0, right)]
        open_ = ~blocked[a] & ~blocked[b]
        if down and right:  # not across a corner
            beside = np.s_[: height - 1, max(0, right) : width + min(0, right)]
            below = np.s_[1:, max(0, -right) : width - max(0, right)]
            open_ &= ~blocked[beside] & ~blocked[below]
        start.append(number[a][open_])
        end.append(number[b][open_])
        cost.append(np.full(open_.sum(), math.hypot(down, right) / n))
    graph = coo_array((np.concatenate(cost), (np.concatenate(start), np.concatenate(end))), shape=(blocked.size,) * 2)
    found = dijkstra(graph.tocsr(), directed=False, indices=number[goal], min_only=True)
    return found.reshape(blocked.shape), blocked


@pytest.mark.parametrize("seed", range(12))
def test_shortest_ways_are_those_of_ever_finer_grids(seed):
    # A grid of 8 moves is at most 1 / cos(pi / 8) = 1.0824 times too long, and off by a few of its cells at the ends.
    rng, n = np.random.default_rng(seed), 12
    signs = rng.choice(list("....##H"), (6, 7))
    signs[0, 0], signs[5, 6], signs[0, 1], signs[5, 5] = "S", "G", ".", "."
    try:
        env = PointMaze("\n".join("".join(row) for row in signs))
    except MapError:
        env = PointMaze("\n".join("".join(np.where(row == "#", ".", row)) for row in signs))
    grid, blocked = sub_grid_distances(env, n)
    field = env.distance_field(n)
    known = np.isfinite(grid) & ~blocked
    np.testing.assert_array_equal(known, np.isfinite(field))
    assert (field[known] <= grid[known] + 1e-5).all()
    assert (grid[known] <= 1.0824 * field[known] + 3.0 / n).all()


def test_within_a_cell_the_distance_changes_by_no_more_than_the_way_between():
    env, rng = PointMaze("four-rooms", slip=0.0), np.random.default_rng(0)
    env.reset(seed=0)
    ways = env._aim.ways
    for row, column in np.argwhere(env.maze.kind == 0).tolist():
        places = env.maze.centre_of(row, column) + rng.uniform(-0.5, 0.5, (20, 2))
        lengths = ways.distances(places, np.tile([row, column], (20, 1)))
        between = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
        assert (np.abs(lengths[:, None] - lengths) <= between + 1e-6).all()


@pytest.mark.parametrize("name", ["sutton-barto-8.1", "frozen-lake-4x4", "frozen-lake-8x8", "sutton-barto-4.1"])
def test_fewest_moves_are_the_grids_own_value(name):
    env = PointMaze(name, slip=0.0, rules="sutton-barto", step_reward=-1.0, goal_reward=-1.0)
    rules = {"slip": 0.0, "step_reward": -1.0, "goal_reward": -1.0, "hole_reward": -1000.0}
    grid = GridWorld.load(name, continuing=False, **rules)
    v = bellman.solve(grid.model(), 1.0).v
    for cell in env.maze.starts.tolist():
        assert env.reference(tuple(cell)).moves == -v[grid.state_of(*cell)]


@given(drawing=drawings(signs="...#H"), seed=st.integers(0, 99))
def test_no_run_is_shorter_than_the_shortest_way(drawing, seed):
    env, rng = PointMaze(drawing, max_steps=60), np.random.default_rng(seed)
    seen, _ = play(
        env,
        rng.uniform(-1, 1, (60, 2)),
        cell=tuple(env.maze.starts[0]),
    )
    assert env.stretch(seen) >= 1.0 - 1e-6


def test_the_shortest_way_itself_has_stretch_1_and_a_detour_its_share_more():
    env = PointMaze(BEND)
    reference = env.reference()
    assert env.stretch(reference.path) == pytest.approx(1.0, abs=1e-6)
    assert env.stretch(reference.path[:2]) == pytest.approx(1.0, abs=1e-6)
    back_and_forth = [reference.path[0], reference.path[1], reference.path[0], *reference.path[1:]]
    assert env.stretch(back_and_forth) == pytest.approx(1.0 + math.sqrt(2.0) / (math.sqrt(0.5) + 1.0), abs=1e-6)


def test_what_cannot_be_measured_is_refused():
    env = PointMaze(BEND)
    with pytest.raises(ConfigError, match="shape"):
        env.stretch([1.0, 2.0])
    with pytest.raises(ConfigError, match="inside a wall"):
        env.stretch([[0.0, 0.5], [1.0, 0.5]])
    with pytest.raises(ConfigError, match="begins in a goal"):
        env.stretch([[1.0, 0.5], [1.0, 0.4]])
    with pytest.raises(ConfigError, match="no way leads from cell"):
        PointMaze("S . G # .").reference((0, 4))
    with pytest.raises(ConfigError, match="call reset"):
        PointMaze(BEND, goal="random").reference()


# Resuming, pictures


@pytest.mark.parametrize("goal", ["map", "random"])
def test_a_saved_state_goes_on_to_the_bit(goal):
    actions = np.random.default_rng(2).uniform(-1, 1, (400, 2))

    def go_on(env):
        seen = []
        for action in actions:
            *outcome, _ = env.step(action)
            seen += [*outcome[0], *outcome[1:]]
            if outcome[2] or outcome[3]:
                seen += env.reset()[0].tolist()
        return seen

    env, other = (PointMaze("S . G\n. # .\n. . .", goal=goal, max_steps=30) for _ in range(2))
    env.reset(seed=5)
    for action in actions[:7]:
        env.step(action)
    other.set_state(json.loads(json.dumps(env.get_state())))
    assert go_on(other) == go_on(env)


def test_a_state_of_another_maze_is_refused():
    env = PointMaze(CORRIDOR)
    env.reset(seed=0)
    for other in (PointMaze(BEND), PointMaze(CORRIDOR, max_speed=3.0), PointMaze(CORRIDOR, reward="sparse")):
        with pytest.raises(ConfigError, match="the maze is another"):
            other.set_state(env.get_state())
    with pytest.raises(ConfigError, match="not a state"):
        env.set_state({})


@pytest.mark.parametrize(
    "change",
    [
        {"cell": [0, 1]},
        {"cell": [0, 10**9]},
        {"cell": [-1, 0]},
        {"state": [0.0, 0.0, 0.0, 0.0, 1.0]},
        {"state": [-1.0, 0.5, 9.0, 0.0, 1.0]},
        {"state": [-1.0, 0.5, 0.0, 0.0, math.nan]},
        {"state": [-1.0, 0.5]},
        {"goal": [0, 2]},
        {"goal_ahead": [math.inf, 0.0]},
    ],
)
def test_a_state_that_cannot_be_is_refused_and_nothing_changes(change):
    env, twin = PointMaze(BEND), PointMaze(BEND)
    for each in (env, twin):
        each.reset(seed=0, options={"cell": (0, 0)})
    with pytest.raises(ConfigError, match="not a state of this maze"):
        env.set_state({**env.get_state(), "generator": np.random.default_rng(9).bit_generator.state, **change})
    assert env.get_state() == twin.get_state()


def test_a_map_without_a_goal_is_refused():
    with pytest.raises(MapError, match="draw a 'G'"):
        PointMaze("S . .", continuing=True)


def test_an_episode_is_cut_at_its_limit_but_not_where_it_ends():
    env = PointMaze(CORRIDOR, max_steps=3)
    env.reset(seed=0)
    assert [env.step(LEFT)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    env = PointMaze("S G", max_steps=1, max_speed=10.0, acceleration=100.0)
    env.reset(options={"cell": (0, 0)})
    assert env.step(RIGHT)[2:4] == (True, False)


def test_frames_show_the_point_where_it_is_and_the_goal_that_was_drawn():
    env = PointMaze("S . .\n. G .", render_mode="rgb_array", goal="random")
    frames = []
    for goal in ((0, 1), (1, 0)):
        env.reset(seed=0, options={"goal": goal})
        frames.append(env.render())
    env.step(RIGHT)
    frames.append(env.render())
    assert all(frame.dtype == np.uint8 and frame.shape == frames[0].shape for frame in frames)
    assert (frames[0] != frames[1]).any()
    assert (frames[1] != frames[2]).any()
    assert PointMaze(BEND).render() is None


def test_a_figure_names_the_shortest_way_and_every_run():
    env = PointMaze(BEND)
    run, _ = play(env, [DOWN] * 5, cell=(0, 0))
    figure = plot_maze(env, {"one": run, "two": [run, run[:2]]}, title="bend")
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["shortest", "one", "two"]
    assert plotting.to_image(figure).shape[2] == 3
    with pytest.raises(ConfigError, match="shape"):
        plot_maze(env, {"one": run[:, 0]})


@pytest.mark.parametrize("name", shipped_maps())
def test_every_shipped_map_is_a_maze_or_is_refused_for_what_it_has(name):
    try:
        env = PointMaze(name, slip=0.0)
    except MapError as error:
        assert "a point maze has no" in str(error)  # noqa: PT017
        assert name in ("sutton-barto-3.5", "sutton-barto-6.5", "sutton-barto-6.6")
        return
    env.reset(seed=0)
    env.step(RIGHT)
    assert env.reference(tuple(env.maze.starts[0])).length > 0


def test_a_maze_is_shown_by_its_map_and_what_is_random():
    assert repr(PointMaze()) == "PointMaze('sutton-barto-8.1', reward='dense')"
    assert repr(PointMaze("S..G", goal="random")) == "PointMaze(1 x 4 cells, reward='dense', goal='random')"
