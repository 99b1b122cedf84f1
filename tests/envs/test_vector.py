"""`GridWorldVectorEnv`: gymnasium's vector conventions, at the speed of one call."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from scipy.stats import chi2

import rlkit
from rlkit.envs import GridWorld, GridWorldVectorEnv

RIGHT = 1
DRAWING = """
S . . #
. X . .
. # . H
. . . G
"""
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def assert_same_infos(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same_infos(ours[key], value)
        else:
            assert ours[key].dtype == value.dtype
            np.testing.assert_array_equal(ours[key], value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_is_random_every_answer_equals_sync_vector_envs(mode, seed):
    ours = GridWorldVectorEnv(DRAWING, 6, max_steps=9, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: GridWorld(DRAWING, max_steps=9)] * 6, autoreset_mode=mode)
    for mine, their in zip(ours.reset(seed=0), theirs.reset(seed=0), strict=True):
        np.testing.assert_array_equal(mine, their)
    rng, ended = np.random.default_rng(seed), 0
    for _ in range(300):
        actions = rng.integers(4, size=6)
        mine, their = ours.step(actions), theirs.step(actions)
        for left, right in zip(mine[:4], their[:4], strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        assert_same_infos(mine[4], their[4])
        ended += int((mine[2] | mine[3]).sum())
    assert ended > 50


def test_spaces_and_metadata_are_sync_vector_envs():
    ours = gymnasium.make_vec("rlkit/GridWorld-v0", num_envs=3, map=DRAWING, autoreset_mode="SameStep")
    theirs = SyncVectorEnv([lambda: GridWorld(DRAWING)] * 3)
    assert isinstance(ours, GridWorldVectorEnv)
    assert ours.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert ours.num_envs == 3
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_every_registered_id_makes_a_vector_environment_that_stays_in_its_space():
    for name in [name for name in gymnasium.registry if name.startswith("rlkit/")]:
        env = gymnasium.make_vec(name, num_envs=4)
        assert env.reset(seed=0)[0] in env.observation_space
        for _ in range(20):
            assert env.step(env.action_space.sample())[0] in env.observation_space


def test_copies_truncate_themselves_at_the_lesser_limit():
    env = gymnasium.make_vec("rlkit/GridWorld-v0", num_envs=2, map="S . . G", max_episode_steps=3, max_steps=8)
    env.reset(seed=0)
    assert [env.step(np.zeros(2, int))[3].tolist() for _ in range(5)] == [[False] * 2] * 2 + [[True] * 2] + [
        [False] * 2
    ] * 2


def test_a_seed_repeats_everything_and_another_does_not():
    def run(seed):
        env = GridWorldVectorEnv(". . .\n. # .\n. . G", 8, slip=0.5, max_steps=12)
        seen = [env.reset(seed=seed)[0]]
        seen.extend(env.step(np.full(8, RIGHT))[0] for _ in range(50))
        return np.array(seen)

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()


def test_slips_follow_the_models_probabilities():
    drawing = ". . .\n. # .\n. . G"
    env = GridWorldVectorEnv(drawing, 4000, slip=0.5, slip_kind="uniform", continuing=True)
    transitions = GridWorld(drawing, slip=0.5, slip_kind="uniform", continuing=True).model().to_finite_mdp().transitions
    statistic, freedom = 0.0, 0
    for state in range(8):
        for action in range(4):
            env.reset(seed=10 * state + action, options={"state": state})
            counts = np.bincount(env.step(np.full(4000, action))[0], minlength=8)
            expected = 4000 * transitions[[4 * state + action]].toarray()[0]
            assert (counts[expected == 0] == 0).all()
            likely = expected > 0
            statistic += float(((counts[likely] - expected[likely]) ** 2 / expected[likely]).sum())
            freedom += int(likely.sum()) - 1
    assert statistic < chi2.ppf(0.9999, freedom)


def test_starts_are_uniform():
    env = GridWorldVectorEnv(". # .\n. . G", 6000)
    counts = np.bincount(env.reset(seed=0)[0], minlength=5)
    assert counts[4] == 0  # the goal
    assert np.abs(counts[:4] - 1500).max() < 5 * np.sqrt(6000 * 3 / 16)


def test_a_reset_mask_begins_only_the_masked_copies_anew():
    env = GridWorldVectorEnv("S . . G", 3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    env.step(np.array([RIGHT, RIGHT, 0]))
    states, infos = env.reset(options={"reset_mask": np.array([True, False, False])})
    assert states.tolist() == [0, 1, 0]
    assert infos == {}


def test_with_autoreset_disabled_an_ended_copy_must_be_reset():
    env = GridWorldVectorEnv("S G", 2, autoreset_mode="Disabled")
    env.reset(seed=0)
    assert env.step(np.array([RIGHT, 0]))[2].tolist() == [True, False]
    with pytest.raises(ResetNeeded):
        env.step(np.array([0, 0]))
    env.reset(options={"reset_mask": np.array([True, False])})
    assert env.step(np.array([0, 0]))[0].tolist() == [0, 0]


def test_stepping_before_the_first_reset_is_refused():
    env = GridWorldVectorEnv("S . G", 2)
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(2, int))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(2, int))


@pytest.mark.parametrize("actions", [[0, 4], [-1, 0], [0, 0, 0], [0.0, 1.0], [[0, 0]]])
def test_wrong_actions_are_refused_and_move_nothing(actions):
    env = GridWorldVectorEnv("S . G", 2)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"GridWorldVectorEnv\.step: action"):
        env.step(np.array(actions))
    assert env.step(np.full(2, RIGHT))[0].tolist() == [1, 1]


def test_wrong_arguments_are_refused():
    for wrong in (
        {"num_envs": 0},
        {"num_envs": True},
        {"max_episode_steps": 0},
        {"render_mode": "human"},
        {"autoreset_mode": "sometimes"},
        {"slipp": 0.1},
    ):
        with pytest.raises(rlkit.ConfigError):
            GridWorldVectorEnv("S G", **wrong)
    env = GridWorldVectorEnv("S . G", 2)
    for options in (
        {"state": 2},
        {"state": 3},
        {"state": [0, 1, 1]},
        {"reset_mask": np.array([False, False])},
        {"a": 1},
    ):
        with pytest.raises(rlkit.ConfigError):
            env.reset(options=options)


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_state_goes_on_to_the_bit_through_json(mode):
    def make():
        return GridWorldVectorEnv(". . .\n. H .\n. . G", 5, slip=0.5, max_steps=7, autoreset_mode=mode)

    env, twin = make(), make()
    env.reset(seed=4)
    for _ in range(33):
        env.step(np.full(5, RIGHT))
    twin.set_state(json.loads(json.dumps(env.get_state())))
    for _ in range(50):
        for mine, their in zip(env.step(np.full(5, 2))[:4], twin.step(np.full(5, 2))[:4], strict=True):
            np.testing.assert_array_equal(mine, their)
    with pytest.raises(rlkit.ConfigError, match="not a state"):
        GridWorldVectorEnv("S G", 2).set_state(env.get_state())


def test_a_state_of_another_grid_is_refused():
    state = GridWorldVectorEnv("S . G", 2).get_state()
    with pytest.raises(rlkit.ConfigError, match="the map or the rules are others"):
        GridWorldVectorEnv("S G .", 2).set_state(state)


def test_every_answer_is_the_callers_own():
    env = GridWorldVectorEnv("S . . G", 2)
    first = env.reset(seed=0)[0]
    first[:] = 99
    second = env.step(np.full(2, RIGHT))
    for array in second[:4]:
        array[:] = 1
    assert env.step(np.full(2, RIGHT))[0].tolist() == [2, 2]


def test_frames_come_one_a_copy():
    env = GridWorldVectorEnv("S . G", 2, render_mode="rgb_array")
    env.reset(seed=0)
    env.step(np.array([RIGHT, 0]))
    first, second = env.render()
    assert first.shape == second.shape
    assert (first != second).any()
    env = GridWorldVectorEnv("S . G", 2, render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == ("[S]. G", "[S]. G")
