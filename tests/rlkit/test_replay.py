"""Replay with n-step returns and with priorities, against returns and probabilities worked out by hand."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from gymnasium import spaces

from rlkit import CheckpointError, Diverged, Transition
from rlkit.replay import NStepReplay, PrioritizedReplay, ReplayBuffer

SPACES = (spaces.Discrete(100), spaces.Discrete(2))


def episode(first, rewards, end):
    """Return the transitions of an episode that counts up from `first`, and ends as said: t, c or, not yet, nothing."""
    last = len(rewards) - 1
    return [
        Transition(first + k, 0, r, first + k + 1, k == last and end == "t", k == last and end == "c")
        for k, r in enumerate(rewards)
    ]


def filled(buffer, *episodes):
    for transitions in episodes:
        for transition in transitions:
            buffer.add(transition)
    return buffer


def test_a_return_ends_with_its_episode_and_bootstraps_only_if_that_was_truncated():
    buffer = filled(
        NStepReplay(10, *SPACES, n_steps=3, gamma=0.5),
        episode(0, [1.0, 2.0, 3.0], "t"),
        episode(10, [4.0, 5.0], "c"),
        episode(20, [6.0, 7.0, 8.0, 9.0], ""),
    )
    batch = buffer.take(np.arange(9), np.ones(9))
    # 1 + 2/2 + 3/4, 2 + 3/2, 3 | 4 + 5/2, 5 | 6 + 7/2 + 8/4, 7 + 8/2 + 9/4, and up to what is newest: 8 + 9/2, 9
    np.testing.assert_array_equal(batch.reward, [2.75, 3.5, 3.0, 6.5, 5.0, 11.5, 13.25, 12.5, 9.0])
    np.testing.assert_array_equal(batch.discount, [0, 0, 0, 0.25, 0.5, 0.125, 0.125, 0.25, 0.5])
    np.testing.assert_array_equal(batch.next_observation, [3, 3, 3, 12, 12, 23, 24, 24, 24])
    np.testing.assert_array_equal(batch.observation, [0, 1, 2, 10, 11, 20, 21, 22, 23])


def test_one_step_is_the_transition_itself():
    buffer = filled(NStepReplay(10, *SPACES, gamma=0.9), episode(0, [1.0, 2.0], "t"), episode(5, [3.0, 4.0], "c"))
    batch = buffer.take(np.arange(4), np.ones(4))
    np.testing.assert_array_equal(batch.reward, [1, 2, 3, 4])
    np.testing.assert_array_equal(batch.discount, [0.9, 0, 0.9, 0.9])
    np.testing.assert_array_equal(batch.next_observation, [1, 2, 6, 7])


def test_an_episode_that_was_left_without_a_word_is_not_crossed():
    buffer = filled(NStepReplay(10, *SPACES, n_steps=3, gamma=0.5), episode(0, [1.0, 2.0], ""), episode(9, [4.0], ""))
    batch = buffer.take(np.arange(3), np.ones(3))
    np.testing.assert_array_equal(batch.reward, [2.0, 2.0, 4.0])
    np.testing.assert_array_equal(batch.next_observation, [2, 2, 10])


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_a_full_buffer_gives_the_returns_that_the_latest_transitions_have(n_steps):
    rng = np.random.default_rng(n_steps)
    buffer, history, at = NStepReplay(13, *SPACES, n_steps=n_steps, gamma=0.9), [], 0
    for _ in range(100):
        ends = rng.random() < 0.2
        reward, terminated = rng.normal(), ends and rng.random() < 0.5
        history.append(Transition(at, 0, reward, at + 1, terminated, ends and not terminated))
        buffer.add(history[-1])
        at = int(rng.integers(50)) if ends else at + 1
        latest = history[-13:]
        rows = (np.arange(len(history))[-13:]) % 13
        batch = buffer.take(rows, np.ones(len(rows)))
        for i in range(len(latest)):
            total, discount, k = 0.0, 1.0, i
            while True:
                total += discount * latest[k].reward
                discount *= 0.9
                if k == i + n_steps - 1 or k == len(latest) - 1 or latest[k].terminated or latest[k].truncated:
                    break
                k += 1
            assert batch.reward[i] == pytest.approx(total)
            assert batch.discount[i] == (0.0 if latest[k].terminated else pytest.approx(discount))
            assert batch.next_observation[i] == latest[k].next_observation


def prioritised(n=6, capacity=10, **options):
    return filled(PrioritizedReplay(capacity, *SPACES, **options), episode(0, np.arange(n, dtype=float), "t"))


def test_probabilities_are_the_errors_to_the_power_alpha():
    buffer = prioritised(4, alpha=0.5)
    buffer.set_priorities(np.arange(4), np.array([1.0, -4.0, 9.0, 0.0]))
    np.testing.assert_allclose(buffer.probabilities, np.array([1.0, 2.0, 3.0, 0.001]) / 6.001, rtol=1e-6)


def test_weights_take_back_the_bias_of_the_draws_as_far_as_beta_says():
    buffer = prioritised(3, alpha=1.0, beta=0.5)
    buffer.set_priorities(np.arange(3), np.array([1.0, 4.0, 4.0]))
    batch = buffer.sample(900, np.random.default_rng(0))
    # (3 * 1/9)^-1/2 = sqrt 3 is the largest, (3 * 4/9)^-1/2 = sqrt 3 / 2
    np.testing.assert_allclose(batch.weight[batch.row == 0], 1.0)
    np.testing.assert_allclose(batch.weight[batch.row > 0], 0.5, rtol=1e-5)


def test_rows_are_drawn_as_often_as_their_probabilities_say():
    rng = np.random.default_rng(0)
    buffer = prioritised(37, capacity=50, alpha=1.0)
    buffer.set_priorities(np.arange(37), rng.exponential(size=37))
    counts = np.bincount(np.concatenate([buffer.sample(64, rng).row for _ in range(500)]), minlength=37)
    # one draw from each of 64 equal shares: a row's count varies by less than one in each batch
    assert counts.size == 37
    np.testing.assert_allclose(counts, 32_000 * buffer.probabilities, atol=5 * np.sqrt(500 * 0.5))


def test_without_alpha_draws_are_uniform_and_weigh_the_same():
    buffer = prioritised(8, alpha=0.0)
    buffer.set_priorities(np.arange(8), np.arange(8.0))
    np.testing.assert_array_equal(buffer.probabilities, 1 / 8)
    np.testing.assert_array_equal(np.sort(buffer.sample(8, np.random.default_rng(0)).row), np.arange(8))
    np.testing.assert_array_equal(buffer.sample(8, np.random.default_rng(0)).weight, 1.0)


def test_what_is_new_gets_the_largest_priority_so_far():
    buffer = prioritised(3, alpha=1.0)
    np.testing.assert_array_equal(buffer.probabilities, 1 / 3)
    buffer.set_priorities(np.arange(3), np.array([5.0, 1.0, 1.0]))
    buffer.set_priorities(np.array([0]), np.array([2.0]))
    filled(buffer, episode(50, [1.0], "t"))
    np.testing.assert_allclose(buffer.probabilities, np.array([2.0, 1.0, 1.0, 5.0]) / 9, rtol=1e-5)


def test_a_row_that_is_overwritten_loses_its_priority():
    buffer = prioritised(4, capacity=4, alpha=1.0)
    buffer.set_priorities(np.arange(4), np.array([1.0, 1.0, 1.0, 0.5]))
    filled(buffer, episode(50, [1.0] * 2, "t"))
    np.testing.assert_allclose(buffer.probabilities, np.array([1.0, 1.0, 1.0, 0.5]) / 3.5, rtol=1e-5)
    assert buffer.take(np.array([0, 1]), np.ones(2)).observation.tolist() == [50, 51]


def test_the_last_draw_never_falls_beyond_the_rows_in_use():
    class Highest:
        def random(self, n):
            return np.full(n, np.nextafter(1.0, 0.0))

    for n in (1, 3, 5, 8):
        buffer = prioritised(n, capacity=8, alpha=1.0)
        buffer.set_priorities(np.arange(n), np.full(n, 0.1))
        assert buffer.sample(32, Highest()).row.max() == n - 1


def test_an_error_that_is_not_finite_is_refused():
    buffer = prioritised()
    with pytest.raises(Diverged, match="a TD error is nan, expected a finite number"):
        buffer.set_priorities(np.arange(3), np.array([1.0, np.nan, 2.0], np.float32))
    np.testing.assert_array_equal(buffer.probabilities, 1 / 6)


@pytest.mark.parametrize("kind", [ReplayBuffer, NStepReplay, PrioritizedReplay])
@pytest.mark.parametrize("n", [5, 23])
def test_a_buffer_goes_on_to_the_bit_from_what_was_saved(kind, n):
    options = {} if kind is ReplayBuffer else {"n_steps": 3}
    before, after = kind(10, *SPACES, **options), kind(10, *SPACES, **options)
    rng = np.random.default_rng(1)
    filled(before, episode(0, rng.normal(size=n), ""))
    if kind is PrioritizedReplay:
        for _ in range(20):
            before.set_priorities(rng.integers(len(before), size=4), rng.normal(size=4) ** 3)
        before.beta = 0.7
    state = {
        name: np.copy(value) if isinstance(value, np.ndarray) else value for name, value in before.state_dict().items()
    }
    filled(after, episode(60, rng.normal(size=9), "t"))  # whatever was there goes
    after.load_state_dict(state)
    for buffer in (before, after):
        filled(buffer, episode(n, [1.0, 2.0, 3.0], "c"))
    one, other = (buffer.sample(16, np.random.default_rng(2)) for buffer in (before, after))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))
    if kind is PrioritizedReplay:
        assert before._tree.tobytes() == after._tree.tobytes()


def test_a_copy_has_priorities_of_its_own():
    before = prioritised(3, alpha=1.0)
    after = copy.deepcopy(before)
    for buffer in (before, after):
        filled(buffer, episode(50, [1.0], "t"))
        buffer.set_priorities(np.arange(4), np.array([5.0, 1.0, 1.0, 3.0]))
        np.testing.assert_allclose(buffer.probabilities, np.array([5.0, 1.0, 1.0, 3.0]) / 10, rtol=1e-5)
    after.set_priorities(np.array([0]), np.array([1.0]))
    assert before.probabilities[0] == pytest.approx(0.5)


def test_a_saved_buffer_of_another_kind_or_size_is_refused():
    saved = filled(NStepReplay(10, *SPACES), episode(0, [1.0] * 5, "t")).state_dict()
    with pytest.raises(CheckpointError, match=r"buffer\.observation is int64 \(5,\), expected uint8 \(5, 2\)"):
        NStepReplay(10, spaces.Box(0, 255, (2,), np.uint8), spaces.Discrete(2)).load_state_dict(saved)


def test_images_stay_bytes_and_the_memory_is_told():
    images = spaces.Box(0, 255, (84, 84), np.uint8)
    frame = 84 * 84
    buffer = NStepReplay(1000, images, spaces.Discrete(4))
    assert buffer.nbytes == 1000 * (2 * frame + 8 + 8 + 1 + 1)  # two images, action, reward, terminated, ended
    assert PrioritizedReplay(1000, images, spaces.Discrete(4)).nbytes == buffer.nbytes + 16 * 1024
    buffer.add(Transition(np.full((84, 84), 7, np.uint8), 3, 1.0, np.full((84, 84), 8, np.uint8), False, False))
    batch = buffer.sample(2, np.random.default_rng(0))
    assert batch.observation.dtype == np.uint8
    assert (batch.observation == 7).all()
    assert (batch.next_observation == 8).all()
