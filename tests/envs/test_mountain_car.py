"""The mountain car: gymnasium's dynamics without its time limit, to the same bits in a compiled loop as in Python."""

from __future__ import annotations

import json
import math
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from rlkit import ConfigError
from rlkit.agents.control.sarsa import Sarsa
from rlkit.compiled.run import CompiledRun
from rlkit.envs import MountainCar
from rlkit.features import TileCoding

BACK, COAST, AHEAD = 0, 1, 2


def test_check_env_passes_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("rlkit/MountainCar-v0").unwrapped)


def test_it_moves_as_gymnasiums_does():
    peer, env = gymnasium.make("MountainCar-v0").unwrapped, MountainCar()
    rng = np.random.default_rng(0)
    n_goals = 0
    for episode in range(20):
        start = peer.reset(seed=episode)[0]
        peer.state = tuple(map(float, start))
        env.reset(options={"state": start})
        over = False
        for _ in range(500):
            ahead = peer.state[1] > 0
            action = (AHEAD if ahead else BACK) if rng.random() < 0.7 else int(rng.integers(3))
            peer.step(action)
            seen, reward, over, truncated, _ = env.step(action)
            assert (seen[0], seen[1]) == pytest.approx((min(peer.state[0], 0.5), peer.state[1]), abs=1e-13)
            assert (reward, truncated) == (-1.0, False)
            if over:
                break
        n_goals += over
        assert over == (peer.state[0] >= 0.5)
    assert n_goals == 20


def test_at_the_left_end_it_stops_dead():
    env = MountainCar()
    env.reset(options={"state": (-1.19, -0.07)})
    seen, _, over, _, _ = env.step(BACK)
    assert (*seen, over) == (-1.2, 0.0, False)


def test_a_step_worked_out_by_hand():
    env = MountainCar()
    env.reset(options={"state": (-0.5, 0.0)})
    seen = env.step(AHEAD)[0]
    velocity = 0.001 - 0.0025 * math.cos(-1.5)
    assert tuple(seen) == pytest.approx((-0.5 + velocity, velocity), abs=1e-16)


def test_episodes_begin_at_rest_between_minus_06_and_minus_04():
    env = MountainCar()
    starts = np.array([env.reset(seed=0 if i == 0 else None)[0] for i in range(1000)])
    assert (starts[:, 1] == 0).all()
    assert -0.6 <= starts[:, 0].min() < -0.598 < -0.402 < starts[:, 0].max() < -0.4
    assert abs(starts[:, 0].mean() + 0.5) < 4 * 0.2 / math.sqrt(12 * 1000)  # 4 standard errors of a uniform mean


def test_only_max_steps_truncates():
    env = MountainCar(max_steps=3)
    env.reset(seed=0)
    assert [env.step(COAST)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    with pytest.raises(ResetNeeded):
        env.step(COAST)
    assert gymnasium.make("rlkit/MountainCar-v0").unwrapped._limit is None


@pytest.mark.parametrize("action", [3, -1, 0.5, None, "left", np.float64(1)])
def test_an_action_that_does_not_exist_is_refused(action):
    env = MountainCar()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="is not an integer in"):
        env.step(action)
    assert env.step(np.int64(2))[0].dtype == np.float64


@pytest.mark.parametrize(
    "options", [{"state": (0.5, 0)}, {"state": (-0.5, 0.08)}, {"state": (-0.5,)}, {"state": None}, {"low": -0.5}]
)
def test_a_start_out_of_bounds_is_refused(options):
    with pytest.raises(ConfigError, match=r"MountainCar\.reset"):
        MountainCar().reset(options=options)


def test_a_saved_state_goes_on_to_the_bit():
    env, other = MountainCar(max_steps=40), MountainCar(max_steps=40)
    env.reset(seed=3)
    for _ in range(17):
        env.step(AHEAD)
    other.set_state(json.loads(json.dumps(env.get_state())))
    for _ in range(100):
        ends = [one.step(BACK) for one in (env, other)]
        assert (ends[0][0] == ends[1][0]).all()
        assert ends[0][1:] == ends[1][1:]
        if ends[0][2] or ends[0][3]:
            assert (env.reset()[0] == other.reset()[0]).all()
    with pytest.raises(ConfigError, match="max_steps was 40"):
        MountainCar().set_state(env.get_state())


def test_the_compiled_loop_drives_to_the_same_bits_as_python():
    runs = []
    for compiled in (False, True):
        env = MountainCar(max_steps=150)
        agent = Sarsa.for_env(env, features=TileCoding.for_env(env), seed=1, gamma=1.0, learning_rate=0.05)
        env.reset(seed=1)
        if compiled:
            env._running = False
            CompiledRun.of(agent, env).run(steps=2_000)
        else:
            step_by_step(agent, env, 2_000)
        runs.append((agent.w.tobytes(), env.get_state()))
    assert runs[0] == runs[1]


def step_by_step(agent, env, steps):
    from rlkit.transition import Transition

    over = True
    for _ in range(steps):
        if over:
            x, _ = env.reset()
        action = agent.act(x, explore=True)
        before = x
        x, reward, terminated, truncated, _ = env.step(action)
        agent.update(Transition(before, action, reward, x, terminated, truncated))
        over = terminated or truncated
