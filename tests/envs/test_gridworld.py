"""`GridWorld` as an environment: what steps do and pay, where episodes begin and end, and that it can be resumed."""

from __future__ import annotations

import json
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from scipy.stats import chi2

import rlkit
from rlkit.envs import Cell, GridWorld, Rules, maze, shipped_maps
from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.dynamics import Numbering
from rlkit.envs.registration import SHIPPED_GRIDS

UP, RIGHT, DOWN, LEFT, STAY = range(5)
ZHAO = """
. . . . .
. X X . .
. . X . .
. X G X .
. X . . .
"""
IDS = [name for name, spec in gymnasium.registry.items() if "rlkit.envs.gridworld" in str(spec.entry_point)]


def begin(env, row, column):
    return env.reset(seed=0, options={"cell": (row, column)})[0]


def test_a_step_pays_the_entered_cells_reward_and_a_goal_ends_the_episode():
    env = GridWorld("S . X G", step_reward=-0.5, goal_reward=3.0, forbidden_reward=-2.0)
    assert env.reset(seed=1) == (0, {})
    assert env.step(RIGHT) == (1, -0.5, False, False, {})
    assert env.step(RIGHT) == (2, -2.0, False, False, {})
    assert env.step(RIGHT) == (3, 3.0, True, False, {})


def test_a_move_against_edge_or_wall_stays_and_pays_the_boundary_reward():
    env = GridWorld("S #\n. G", boundary_reward=-7.0)
    env.reset(seed=0)
    assert env.step(UP)[:2] == (0, -7.0)
    assert env.step(RIGHT)[:2] == (0, -7.0)
    assert env.step(DOWN)[:2] == (1, 0.0)


def test_a_blocked_move_pays_as_if_the_own_cell_were_entered_where_there_is_no_boundary_reward():
    env = GridWorld("S X G", step_reward=-1.0)
    begin(env, 0, 1)
    assert env.step(UP)[1] == -1.0  # the forbidden cell's own reward, by default -1
    env = GridWorld("S X G", step_reward=-1.0, forbidden_reward=-9.0)
    begin(env, 0, 1)
    assert env.step(UP)[1] == -9.0


def test_zhaos_goal_can_be_stayed_on_for_its_reward():
    env = GridWorld(ZHAO, rules="zhao")
    begin(env, 3, 2)
    assert env.action_space.n == 5
    assert [env.step(STAY)[1:3] for _ in range(3)] == [(1.0, False)] * 3
    assert env.step(LEFT)[1] == -1.0  # forbidden, and entered
    assert env.cell_of(env.step(LEFT)[0]) == (3, 0)


def test_falling_into_a_hole_ends_the_episode():
    env = GridWorld("S H\n. G", hole_reward=-5.0)
    env.reset(seed=0)
    assert env.step(RIGHT) == (1, -5.0, True, False, {})


def test_a_portal_leads_on_within_the_step_and_a_jump_whatever_the_action():
    legend = [Cell(character="P", kind="portal", to=(0, 0), reward=-100.0), Cell(character="J", kind="jump", to=(1, 2))]
    env = GridWorld("S P G\nJ . .", legend=legend, continuing=True, step_reward=-1.0)
    env.reset(seed=0)
    assert env.observation_space.n == 5  # the portal is no state
    assert env.step(RIGHT)[:2] == (0, -100.0)
    assert env.step(DOWN)[:2] == (2, -1.0)
    assert env.cell_of(env.step(LEFT)[0]) == (1, 2)


def test_diagonal_moves_follow_clockwise_from_up_right():
    env = GridWorld(". . .\n. S .\n. . G", moves=8, continuing=True)
    ends = []
    for action in range(8):
        env.reset(seed=0)
        ends.append(env.cell_of(env.step(action)[0]))
    assert ends == [(0, 1), (1, 2), (2, 1), (1, 0), (0, 2), (2, 2), (2, 0), (0, 0)]


def test_states_are_numbered_row_by_row_over_cells_that_are_no_walls():
    env = GridWorld("S # .\n. . G")
    assert [env.state_of(*cell) for cell in [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]] == [0, 1, 2, 3, 4]
    assert [env.cell_of(state) for state in range(5)] == [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]
    for row, column in [(0, 1), (-1, 0), (2, 0), (0, 3)]:
        with pytest.raises(IndexError, match=rf"\({row}, {column}\)"):
            env.state_of(row, column)
    with pytest.raises(IndexError, match="state 5"):
        env.cell_of(5)


def test_numbering_agrees_with_a_plain_count_across_blocks():
    codes = np.random.default_rng(0).integers(0, 4, (130, 77), dtype=np.uint8)
    marked = np.array([True, False, True, False])
    numbering = Numbering(codes, marked)
    cells = np.flatnonzero(marked[codes])
    order = np.random.default_rng(1).permutation(len(cells))
    assert len(numbering) == len(cells)
    np.testing.assert_array_equal(numbering.cells(order), cells[order])
    expected = np.full(codes.size, -1)
    expected[cells] = np.arange(len(cells))
    np.testing.assert_array_equal(numbering.numbers(np.arange(codes.size)), expected)


def test_episodes_begin_at_the_start_cells_uniformly():
    env = GridWorld("S . S\n. S G")
    env.reset(seed=3)
    counts = np.bincount([env.reset()[0] for _ in range(3000)], minlength=6)
    assert counts[[1, 3, 5]].sum() == 0
    assert np.abs(counts[[0, 2, 4]] - 1000).max() < 5 * np.sqrt(3000 * 2 / 9)


def test_without_a_start_episodes_begin_in_any_cell_that_is_not_terminal():
    env = GridWorld(". # H\n. X G")
    env.reset(seed=3)
    begun = {env.cell_of(env.reset()[0]) for _ in range(200)}
    assert begun == {(0, 0), (1, 0), (1, 1)}


def test_options_choose_the_start_and_refuse_terminal_and_unknown_ones():
    env = GridWorld("S . H\n. . G")
    assert env.reset(options={"state": np.int64(1)})[0] == env.reset(options={"cell": (0, 1)})[0] == 1
    with pytest.raises(rlkit.ConfigError, match="terminal"):
        env.reset(options={"cell": (0, 2)})
    with pytest.raises(rlkit.ConfigError, match="'state' and 'cell'"):
        env.reset(options={"position": 3})
    with pytest.raises(rlkit.ConfigError, match=r"state 6 is outside \[0, 6\)"):
        env.reset(options={"state": 6})
    for options in ({"state": "a"}, {"state": None}, {"cell": 3}, {"cell": (9, 9)}):
        with pytest.raises(rlkit.ConfigError, match=r"GridWorld\.reset: options="):
            env.reset(options=options)


def test_max_steps_truncates_and_never_together_with_termination():
    env = GridWorld("S . . G", max_steps=3)
    env.reset(seed=0)
    assert [env.step(action)[2:4] for action in (RIGHT, LEFT, RIGHT)] == [(False, False), (False, False), (False, True)]
    env.reset()
    assert [env.step(RIGHT)[2:4] for _ in range(3)] == [(False, False), (False, False), (True, False)]


def test_gymnasiums_own_limit_does_not_count_twice():
    env = gymnasium.make("rlkit/GridWorld-v0", map="S . . G", max_steps=5, max_episode_steps=2)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(UP)[3] for _ in range(2)] == [False, True]


@pytest.mark.parametrize("ending", [{"max_steps": 1}, {}])
def test_stepping_outside_an_episode_is_refused(ending):
    env = GridWorld("S G", **ending)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(RIGHT)
    env.reset(seed=0)
    env.step(RIGHT)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(RIGHT)


@pytest.mark.parametrize("action", [-1, 4, 1.5, None, "up", np.array([1]), np.int64(9)])
def test_an_action_that_does_not_exist_is_refused_and_moves_nothing(action):
    env = GridWorld("S . G")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"not an integer in \[0, 4\)"):
        env.step(action)
    assert env.step(RIGHT)[0] == 1


@pytest.mark.parametrize("action", [np.int64(1), np.uint8(1), np.array(1)])
def test_numpy_integers_are_actions(action):
    env = GridWorld("S . G")
    env.reset(seed=0)
    assert env.step(action)[0] == 1


def test_the_same_seed_gives_the_same_episode_and_another_another():
    def episode(seed):
        env = GridWorld(maze(9, 9, seed=0), slip=0.6)
        states = [env.reset(seed=seed)[0]]
        for action in np.random.default_rng(0).integers(4, size=300).tolist():
            state, _, terminated, _, _ = env.step(action)
            states.append(env.reset()[0] if terminated else state)
        return states

    assert episode(5) == episode(5)
    assert episode(5) != episode(6)


def test_a_saved_state_goes_on_to_the_bit_through_json():
    env = GridWorld(". . .\n. H .\n. . G", slip=0.5, max_steps=7)
    twin = GridWorld(". . .\n. H .\n. . G", slip=0.5, max_steps=7)
    actions = np.random.default_rng(0).integers(4, size=900).tolist()

    def walk(env, actions):
        seen = []
        for action in actions:
            seen.append(env.step(action))
            if seen[-1][2] or seen[-1][3]:
                seen.append(env.reset())
        return seen

    env.reset(seed=11)
    walk(env, actions[:300])
    twin.set_state(json.loads(json.dumps(env.get_state())))
    assert walk(env, actions[300:]) == walk(twin, actions[300:])
    assert env.get_state() == twin.get_state()


def test_a_saved_state_remembers_that_the_episode_is_over():
    env, twin = GridWorld("S G"), GridWorld("S G")
    env.reset(seed=0)
    env.step(RIGHT)
    twin.set_state(env.get_state())
    with pytest.raises(ResetNeeded):
        twin.step(RIGHT)


def test_a_state_of_another_grid_is_refused(tmp_path):
    env = GridWorld("S . . G", step_reward=-1.0)
    env.reset(seed=0)
    state = env.get_state()
    (tmp_path / "same.toml").write_text(env.to_toml())
    GridWorld.load(tmp_path / "same.toml").set_state(state)
    for other in (GridWorld("S . G .", step_reward=-1.0), GridWorld("S . . G", step_reward=-2.0), GridWorld("S G")):
        with pytest.raises(rlkit.ConfigError, match="the dynamics are others"):
            other.set_state(state)
    with pytest.raises(rlkit.ConfigError, match="state 4 is outside"):
        env.set_state({**state, "state": 4})
    with pytest.raises(rlkit.ConfigError, match="KeyError"):
        env.set_state({})


@pytest.mark.parametrize("kind", ["perpendicular", "uniform"])
def test_steps_follow_the_models_probabilities(kind):
    env = GridWorld(". . .\n. # .\n. . G", slip=0.5, slip_kind=kind, continuing=True)
    transitions = env.model().to_finite_mdp().transitions.toarray()
    statistic, freedom, tries = 0.0, 0, 600
    env.reset(seed=0)
    for state in range(env.observation_space.n):
        for action in range(4):
            counts = np.zeros(env.observation_space.n)
            for _ in range(tries):
                env.reset(options={"state": state})
                counts[env.step(action)[0]] += 1
            expected = tries * transitions[4 * state + action]
            assert (counts[expected == 0] == 0).all()
            likely = expected > 0
            statistic += float(((counts[likely] - expected[likely]) ** 2 / expected[likely]).sum())
            freedom += int(likely.sum()) - 1
    assert statistic < chi2.ppf(0.9999, freedom)


def test_p_lists_the_models_transitions_and_rewards():
    env = GridWorld("S X .\n. H G", slip=0.3, step_reward=-0.1)
    model = env.model().to_finite_mdp()
    transitions, rewards = np.zeros((6, 4, 6)), np.zeros((6, 4))
    for state, by_action in env.P.items():
        for action, outcomes in by_action.items():
            for p, after, reward, _ in outcomes:
                transitions[state, action, after] += p
                rewards[state, action] += p * reward
    going = ~model.terminal
    np.testing.assert_allclose(transitions[going], model.transitions.toarray().reshape(6, 4, 6)[going], atol=1e-15)
    np.testing.assert_allclose(rewards, model.rewards, atol=1e-15)
    assert env.P[4][0] == [(1.0, 4, 0.0, True)]  # the hole


def test_masks_leave_out_moves_that_can_only_be_blocked():
    env = GridWorld("S . #\n. . G", stay=True)
    begin(env, 0, 1)
    np.testing.assert_array_equal(env.action_masks(), [False, False, True, True, True])
    env = GridWorld("S . #\n. . G", slip=0.2)  # slipping, every move can lead somewhere
    begin(env, 0, 1)
    assert env.action_masks().all()


def test_masks_know_one_way_cells_and_are_never_all_false():
    env = GridWorld("> . G", legend=[Cell(character=">", exits=("right",))])
    begin(env, 0, 0)
    np.testing.assert_array_equal(env.action_masks(), [False, True, False, False])
    trap = Cell(character="T", exits=())
    env = GridWorld("S T G\n. . .", legend=[trap])
    begin(env, 0, 1)
    assert env.action_masks().dtype == np.bool_
    assert env.action_masks().all()


def test_arguments_win_over_the_file_which_wins_over_the_preset(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('rules = "zhao"\nforbidden_reward = -10.0\nstep_reward = -0.5\nmap = "S X G"\n')
    rules = GridWorld.load(path, step_reward=0.25).layout.rules
    assert (rules.step_reward, rules.forbidden_reward, rules.boundary_reward, rules.goal_reward) == (0.25, -10, -1, 1)
    assert GridWorld(str(path)).layout.rules.step_reward == -0.5
    assert GridWorld.load(path, rules=Rules(slip=0.5)).layout.rules == Rules(slip=0.5)


def test_unknown_rules_and_names_are_refused_with_the_nearest_known_one():
    with pytest.raises(rlkit.ConfigError, match="did you mean 'step_reward'"):
        GridWorld("S G", step_rewrad=1.0)
    with pytest.raises(rlkit.ConfigError, match="did you mean 'zhao'"):
        GridWorld("S G", rules="zaho")
    with pytest.raises(rlkit.MapError, match="did you mean 'zhao-5x5'"):
        GridWorld.load("zhao5x5")
    with pytest.raises(rlkit.ConfigError, match="render_mode"):
        GridWorld("S G", render_mode="rgb")


def test_a_map_written_to_toml_is_the_same_grid_world(tmp_path):
    env = GridWorld.load("sutton-barto-6.5")
    path = tmp_path / "again.toml"
    path.write_text(env.to_toml())
    again = GridWorld.load(path)
    assert again.layout.rules == env.layout.rules
    assert again.P == env.P


def test_text_arrays_of_codes_and_of_characters_make_the_same_grid_world():
    drawn = GridWorld("S X\n. G")
    for array in (np.array([[2, 4], [0, 3]]), [[2, 4], [0, 3]], np.array([["S", "X"], [".", "G"]])):
        assert GridWorld(array).P == drawn.P
    assert GridWorld(drawn.layout.grid).P == drawn.P


def test_the_builder_makes_the_drawn_grid_world():
    built = GridWorld.builder(2, 3).start(0, 0).wall((0, 1)).goal(1, 2).build(step_reward=-1.0)
    assert built.P == GridWorld("S # .\n. . G", step_reward=-1.0).P


def test_the_model_is_made_once():
    env = GridWorld("S G")
    assert env.model() is env.model()
    assert env.model().n_states == env.observation_space.n


def test_every_shipped_map_has_an_id_and_no_name_could_be_a_drawing():
    assert sorted(SHIPPED_GRIDS.values()) == sorted(shipped_maps())
    known = {cell.character for cell in DEFAULT_LEGEND}
    assert all(set(name) - known for name in shipped_maps())


@pytest.mark.parametrize("name", IDS)
def test_check_env_passes_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(name).unwrapped)  # every render mode included
        watched = gymnasium.make(name, disable_env_checker=False, render_mode="rgb_array")
        watched.reset(seed=0)
        watched.step(watched.action_space.sample())
        watched.render()


def test_make_adds_no_wrapper_and_takes_a_drawing_a_name_or_a_module_prefix():
    assert type(gymnasium.make("rlkit/GridWorld-v0", map="S G")) is GridWorld
    assert gymnasium.make("rlkit/GridWorld-v0", map="sutton-barto-6.6").observation_space.n == 38
    assert gymnasium.make("rlkit:rlkit/Cliff-v0").observation_space.n == 38


def test_a_made_environment_can_be_made_again_from_its_spec():
    env = gymnasium.make("rlkit/GridWorld-v0", map="S . G", slip=0.25)
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.layout.rules.slip == 0.25


def test_a_large_map_costs_nothing_for_the_states_that_are_not_visited():
    codes = np.zeros((2000, 2000), np.uint8)
    codes[0, 0], codes[-1, -1] = 2, 3
    env = GridWorld(codes)
    env.reset(seed=0)
    for _ in range(20):
        env.step(RIGHT)
    assert env.cell_of(env.step(DOWN)[0]) == (1, 20)
    assert len(env._rows) < 5000
