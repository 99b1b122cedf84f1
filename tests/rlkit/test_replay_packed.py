"""Packed replay: its n-step rows against hand-worked returns and against `NStepReplay`; its memory; its files."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from rlkit import Agent, CheckpointError, ConfigError, InvalidTransition, Trainer, Transition
from rlkit.agents import DDPG
from rlkit.replay import NStepReplay, PackedReplay, packed
from rlkit.replay.memory import available_memory


class InOrder:
    """A generator that draws rows 0, 1, 2, ..."""

    def integers(self, n, size):
        assert size <= n
        return np.arange(size)


def contents(buffer):
    """Return all rows in use, as a dict of arrays."""
    return {name: x.numpy().copy() for name, x in buffer.sample(len(buffer), InOrder())._asdict().items()}


def add(buffer, at, reward, end="", stream=0):
    """Add the step from observation `at` to `at + 1`; it terminates, is cut short or, not yet, nothing: t, c, ''."""
    buffer.add(np.array([at]), np.array([-at]), reward, np.array([at + 1]), end == "t", end == "c", stream)


def episode(buffer, first, rewards, end, stream=0):
    for k, reward in enumerate(rewards):
        add(buffer, first + k, reward, end if k == len(rewards) - 1 else "", stream)


def test_a_row_is_the_transition_and_a_batch_is_views_of_one_gather():
    buffer = PackedReplay(10, 3, 2, gamma=0.9)
    buffer.add(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0]), 6.0, np.array([7.0, 8.0, 9.0]), False, False)
    buffer.add(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0]), 6.0, np.array([7.0, 8.0, 9.0]), True, False)
    batch = buffer.sample(2, InOrder())
    np.testing.assert_array_equal(batch.observation_action, [[1, 2, 3, 4, 5]] * 2)
    np.testing.assert_array_equal(batch.observation, [[1, 2, 3]] * 2)
    np.testing.assert_array_equal(batch.action, [[4, 5]] * 2)
    np.testing.assert_array_equal(batch.reward, [6, 6])
    np.testing.assert_array_equal(batch.discount, np.array([0.9, 0], np.float32))
    np.testing.assert_array_equal(batch.next_observation, [[7, 8, 9]] * 2)
    memory = batch.observation.untyped_storage()
    assert memory.nbytes() == 2 * 4 * (3 + 2 + 1 + 1 + 3)
    assert all(field.untyped_storage().data_ptr() == memory.data_ptr() for field in batch)
    assert buffer.sample(2, InOrder()).observation.data_ptr() == batch.observation.data_ptr()


def test_returns_end_with_their_episode_and_bootstrap_unless_that_terminated():
    buffer = PackedReplay(10, 1, 1, n_steps=3, gamma=0.5)
    episode(buffer, 0, [1.0, 2.0, 3.0], "t")
    episode(buffer, 10, [4.0, 5.0], "c")
    episode(buffer, 20, [6.0, 7.0, 8.0, 9.0], "")
    rows = contents(buffer)
    # 1 + 2/2 + 3/4, 2 + 3/2, 3 | 4 + 5/2, 5 | 6 + 7/2 + 8/4, 7 + 8/2 + 9/4, and what still waits: 8 + 9/2, 9
    np.testing.assert_array_equal(rows["reward"], [2.75, 3.5, 3.0, 6.5, 5.0, 11.5, 13.25, 12.5, 9.0])
    np.testing.assert_array_equal(rows["discount"], [0, 0, 0, 0.25, 0.5, 0.125, 0.125, 0.25, 0.5])
    np.testing.assert_array_equal(rows["next_observation"][:, 0], [3, 3, 3, 12, 12, 23, 24, 24, 24])
    np.testing.assert_array_equal(rows["observation"][:, 0], [0, 1, 2, 10, 11, 20, 21, 22, 23])
    np.testing.assert_array_equal(rows["action"][:, 0], [0, -1, -2, -10, -11, -20, -21, -22, -23])


def test_environments_that_run_in_parallel_have_returns_of_their_own():
    buffer = PackedReplay(10, 1, 1, n_steps=2, gamma=0.5)
    add(buffer, 0, 1.0, stream=0)
    add(buffer, 50, 8.0, stream=1)
    add(buffer, 1, 2.0, "t", stream=0)  # 1 + 2/2
    add(buffer, 51, 16.0, stream=1)  # 8 + 16/2
    add(buffer, 7, 4.0, stream=0)
    add(buffer, 52, 32.0, "c", stream=1)  # 16 + 32/2
    rows = contents(buffer)
    np.testing.assert_array_equal(rows["reward"], [2, 16, 2, 32, 4, 32])
    np.testing.assert_array_equal(rows["discount"], [0, 0.25, 0, 0.25, 0.5, 0.5])
    np.testing.assert_array_equal(rows["next_observation"][:, 0], [2, 52, 2, 53, 8, 53])


@pytest.mark.parametrize("said", [True, False])
def test_an_episode_that_was_left_is_not_crossed(said):
    buffer = PackedReplay(10, 1, 1, n_steps=3, gamma=0.5)
    episode(buffer, 0, [1.0, 2.0], "")
    if said:
        buffer.cut()
    episode(buffer, 2 if said else 9, [4.0], "")
    rows = contents(buffer)
    np.testing.assert_array_equal(rows["reward"], [2.0, 2.0, 4.0])
    np.testing.assert_array_equal(rows["discount"], [0.25, 0.5, 0.5])
    np.testing.assert_array_equal(rows["next_observation"][:, 0], [2, 2, 3 if said else 10])


steps = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-8, 8), st.sampled_from(["", "", "", "t", "c", "left", "cut"])),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, n_steps=st.integers(1, 5), capacity=st.integers(1, 14))
def test_rows_are_the_n_step_transitions_that_are_otherwise_made_when_drawn(steps, n_steps, capacity):
    buffer = PackedReplay(capacity, 1, 1, n_steps=n_steps, gamma=0.5)  # powers of 1/2 and small integers: no rounding
    space = spaces.Box(-1e6, 1e6, (1,))
    oracle = {s: NStepReplay(64, space, space, n_steps=n_steps, gamma=0.5) for s in range(3)}
    at = {s: 1000 * s for s in range(3)}
    places = []  # of every transition: its stream, and its row there
    for stream, reward, end in steps:
        places.append((stream, oracle[stream].added))
        here, there = np.array([at[stream]]), np.array([at[stream] + 1])
        oracle[stream].add(Transition(here, -here, reward, there, end == "t", end == "c"))
        add(buffer, at[stream], reward, end, stream)
        at[stream] += 1 if end == "" else 100
        if end == "cut":
            buffer.cut()
            at = {s: place + 100 for s, place in at.items()}
    assert buffer.added == len(steps)
    assert len(buffer) == min(len(steps), capacity)
    if steps:
        rows = contents(buffer)
        for number in range(len(steps) - len(buffer), len(steps)):
            stream, place = places[number]
            expected = oracle[stream].take(np.array([place]), np.ones(1))
            for name in ("observation", "action", "reward", "discount", "next_observation"):
                assert rows[name][number % capacity] == getattr(expected, name)[0], name


def test_draws_are_uniform_over_the_rows_in_use():
    buffer = PackedReplay(100, 1, 1)
    episode(buffer, 0, np.zeros(20), "")
    drawn = buffer.sample(20_000, np.random.default_rng(0)).observation.numpy().astype(int).ravel()
    # each count is binomial(20000, 1/20), of standard deviation 31
    np.testing.assert_allclose(np.bincount(drawn, minlength=20), 1000, atol=5 * 31)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"observation": [1.0]}, r"the observation is of shape \(1,\), expected \(2,\)"),
        ({"action": [[1.0]]}, r"the action is of shape \(1, 1\), expected \(1,\)"),
        ({"next_observation": 1.0}, r"the next_observation is of shape \(\), expected \(2,\)"),
        ({"observation": [1.0, np.nan]}, r"the observation\[1\] is nan in float32, expected a finite number"),
        ({"action": [np.inf]}, r"the action\[0\] is inf in float32"),
        ({"reward": np.nan}, "the reward is nan in float32"),
        ({"reward": 1e39}, "the reward is inf in float32"),
        ({"next_observation": [-np.inf, 0.0]}, r"the next_observation\[0\] is -inf in float32"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_nothing_is_stored_that_has_another_shape_or_is_not_finite(broken, message):
    buffer = PackedReplay(3, 2, 1, n_steps=2)
    good = {"observation": [1.0, 2.0], "action": [3.0], "reward": 4.0, "next_observation": [5.0, 6.0]}
    arrays = {name: value if name == "reward" else np.array(value) for name, value in (good | broken).items()}
    for _ in range(4):
        buffer.add(*(value if name == "reward" else np.array(value) for name, value in good.items()), False, False)
    before = buffer._rows.copy()
    with pytest.raises(InvalidTransition, match=message):
        buffer.add(**arrays, terminated=False, truncated=False)
    np.testing.assert_array_equal(buffer._rows, before)
    assert buffer.added == 4


def test_a_run_that_is_stopped_with_rows_waiting_is_resumed_to_the_bit(tmp_path):
    def trainer_of(folder=None):
        env = gymnasium.make("Pendulum-v1")
        options = {"n_steps": 4, "buffer_size": 150, "learning_starts": 50}
        agent = DDPG.for_env(env, seed=0, network=(16,), batch_size=16, **options)
        return Trainer(agent, env, directory=folder, log_every=10**6)

    straight = trainer_of()
    straight.run(250)
    trainer_of(tmp_path).run(203)
    resumed = trainer_of(tmp_path)
    assert resumed.resume() == 203
    assert list(resumed.agent.buffer._waiting[0]) == [200, 201, 202]
    resumed.run(47)
    one, other = (trainer.agent for trainer in (straight, resumed))
    assert one.buffer._rows.tobytes() == other.buffer._rows.tobytes()
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
    for a, b in zip(one.critic.parameters(), other.critic.parameters(), strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


class Remembers(Agent):
    """An agent that does nothing but remember, in packed rows."""

    def setup(self):
        self.buffer = PackedReplay(100_000, 4, 2, n_steps=4)


SPACES = (spaces.Box(-9, 9, (4,)), spaces.Box(-9, 9, (2,)))


def fill(buffer, seed, n, seen=None):
    """Add steps of three environments, in turn, which go on from what was seen; return what is seen then."""
    rng, seen = np.random.default_rng(seed), np.zeros((3, 4)) if seen is None else seen.copy()
    for i in range(n):
        end, (action, there) = rng.random(), rng.normal(size=(2, 4))
        buffer.add(seen[i % 3], action[:2], rng.normal(), there, end < 0.1, end > 0.9, i % 3)
        seen[i % 3] = there
    return seen


def test_a_buffer_in_a_checkpoint_goes_on_to_the_bit_with_its_waiting_rows(tmp_path):
    before = Remembers(*SPACES, seed=0)
    seen = fill(before.buffer, 5, 48)
    assert [list(before.buffer._waiting[s]) for s in range(3)] == [[45], [43, 46], [41, 44, 47]]
    before.save(tmp_path / "agent.npz")
    after = Remembers.load(tmp_path / "agent.npz")
    for agent in (before, after):
        fill(agent.buffer, 1, 21, seen)
    assert before.buffer.added == after.buffer.added == 69
    assert before.buffer._rows.tobytes() == after.buffer._rows.tobytes()
    one, other = (agent.buffer.sample(32, np.random.default_rng(2)) for agent in (before, after))
    assert all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("n", [6, 12, 27])
def test_a_full_buffer_goes_on_to_the_bit_from_what_was_saved(n):
    before, after = (PackedReplay(12, 4, 2, n_steps=5) for _ in range(2))
    seen = fill(before, n, n)
    fill(after, 5, 13)  # whatever was there goes
    state = before.state_dict()
    after.load_state_dict({**state, "rows": state["rows"].copy()})
    for buffer in (before, after):
        fill(buffer, 1, 7, seen)
    assert before.added == after.added == n + 7
    for a, b in zip(contents(before).values(), contents(after).values(), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda buffer: pickle.loads(pickle.dumps(buffer))])
def test_a_copy_goes_on_by_itself(copied):
    before = PackedReplay(12, 4, 2, n_steps=5)
    seen = fill(before, 27, 27)
    after = copied(before)
    rows = before._rows.copy()
    fill(after, 1, 7, seen)
    np.testing.assert_array_equal(before._rows, rows)
    fill(before, 1, 7, seen)
    np.testing.assert_array_equal(before._rows, after._rows)
    assert after.added == 34


def test_a_file_is_as_large_as_the_rows_in_use(tmp_path):
    agent = Remembers(*SPACES, seed=0)
    sizes = []
    for n in (0, 1000, 1000):
        fill(agent.buffer, n, n)
        agent.save(tmp_path / "agent.npz")
        sizes.append((tmp_path / "agent.npz").stat().st_size)
    row = 4 * (4 + 2 + 1 + 1 + 4)
    assert sizes[0] < 10_000
    assert 1000 * row <= sizes[1] - sizes[0] < 1000 * row + 500
    assert sizes[2] - sizes[1] == pytest.approx(1000 * row, abs=500)


@pytest.mark.parametrize(
    ("n", "sizes", "options", "message"),
    [
        (5, (10, 3, 4), {}, "buffer.n_observations is 4, expected 3"),  # rows of 12 numbers, too
        (5, (10, 4, 2), {"n_steps": 2}, "buffer.n_steps is 1, expected 2"),
        (5, (10, 4, 2), {"gamma": 0.9}, "buffer.gamma is 0.99, expected 0.9"),
        (12, (11, 4, 2), {}, "buffer.rows is float32 (10, 12), expected float32 (11, 12)"),
    ],
)
def test_saved_rows_that_mean_something_else_are_refused(n, sizes, options, message):
    saved = PackedReplay(10, 4, 2)
    fill(saved, 0, n)
    with pytest.raises(CheckpointError, match=f"^{re.escape(message)}$"):
        PackedReplay(*sizes, **options).load_state_dict(saved.state_dict())


def test_a_buffer_larger_than_the_memory_left_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(packed, "available_memory", lambda: 2 * 2**30)
    # Humanoid: 2 * 376 + 17 + 2 = 771 numbers of 4 bytes, a million times; 2 GiB / 3084 = 696,330.6
    sentence = (
        "replay: buffer_size=1000000 takes 2.87 GiB (771 float32 numbers a transition), and 2.00 GiB of memory are "
        "available; expected at most 696330"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(sentence)}$"):
        PackedReplay(1_000_000, 376, 17)


@pytest.mark.parametrize("capacity", [10**15, 10**18, 10**25])
def test_what_the_system_refuses_is_refused_in_words(monkeypatch, capacity):
    monkeypatch.setattr(packed, "available_memory", lambda: None)
    with pytest.raises(ConfigError, match=rf"buffer_size={capacity} takes .* GiB .* which the system refuses"):
        PackedReplay(capacity, 376, 17)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says so")
def test_the_memory_is_taken_at_once_when_the_first_row_is_stored():
    before = resident()
    buffer = PackedReplay(1_000_000, 6, 2)
    assert buffer.nbytes == 4 * 16 * 1_000_000
    assert resident() - before < 0.05 * buffer.nbytes
    buffer.add(np.zeros(6), np.zeros(2), 0.0, np.zeros(6), False, False)
    assert resident() - before > 0.95 * buffer.nbytes


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says so")
def test_loading_takes_the_memory_of_what_was_saved():
    small = PackedReplay(1_000_000, 6, 2)
    small.add(np.zeros(6), np.zeros(2), 0.0, np.zeros(6), False, False)
    saved = small.state_dict()
    before = resident()
    PackedReplay(1_000_000, 6, 2).load_state_dict(saved)
    assert resident() - before < 1_000_000


GROUPS = {
    "no limit": ({"proc/self/cgroup": "0::/user\n", "sys/fs/cgroup/user/memory.max": "max\n"}, 8000 * 1024),
    "version 2": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1000000\n",
            "sys/fs/cgroup/memory.current": "700000\n",
            "sys/fs/cgroup/memory.stat": "anon 600000\ninactive_file 50000\n",
        },
        350_000,
    ),
    "a limit above": (
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/step/memory.max": "max\n",
            "sys/fs/cgroup/job/memory.max": "500000\n",
            "sys/fs/cgroup/job/memory.current": "100000\n",
        },
        400_000,
    ),
    "version 1, seen from inside": (
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/12ab\n1:name=systemd:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "900000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "850000\n",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 20000\n",
        },
        70_000,
    ),
    "nothing left": (
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1000\n",
            "sys/fs/cgroup/memory.current": "1001\n",
        },
        0,
    ),
}


@pytest.mark.parametrize(("files", "expected"), GROUPS.values(), ids=GROUPS.keys())
def test_what_is_available_is_the_least_that_the_machine_or_a_limit_leaves(tmp_path, files, expected):
    machine = {"proc/meminfo": "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n"}
    for name, text in {**machine, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_memory(tmp_path) == expected


def test_where_nothing_says_what_is_available_it_is_all_of_the_machines_memory_or_unknown(tmp_path):
    known = available_memory(tmp_path)
    assert known is None or known > 2**20
