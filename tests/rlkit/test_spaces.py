"""What spaces hold: flat vectors of them, batches of them, and what does not belong in them."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rlkit import SpaceError
from rlkit.spaces import (
    batch_flattener,
    finder_of_batch_faults,
    finder_of_faults,
    flat_size,
    flattener,
    keeper,
    stack,
    unstack,
)

GOAL = spaces.Dict(
    observation=spaces.Box(-np.inf, np.inf, (3,), np.float64),
    achieved_goal=spaces.Box(-1, 1, (2,), np.float32),
    desired_goal=spaces.Box(-1, 1, (2,), np.float32),
)
NESTED = spaces.Dict(
    camera=spaces.Box(0, 255, (2, 3), np.uint8), robot=spaces.Dict(arm=GOAL, speed=spaces.Box(-1, 1, ()))
)
BOXES = [spaces.Box(-1, 1, (4,)), spaces.Box(-1, 1, (2, 3), np.float64), spaces.Box(0, 9, (2,), np.int64), GOAL, NESTED]


@pytest.mark.parametrize("space", BOXES, ids=["float32", "matrix", "integers", "goal", "nested"])
def test_flat_vectors_are_those_of_gymnasium(space):
    space.seed(0)
    flat, size = flattener(space), flat_size(space)
    assert size == spaces.flatdim(space)
    members = [space.sample() for _ in range(5)]
    for member in members:
        vector = flat(member)
        assert (vector.dtype, vector.shape) == (np.float32, (size,))
        assert vector == pytest.approx(spaces.flatten(space, member), rel=1e-7)
    batch = batch_flattener(space)(stack(space, members))
    assert (batch.dtype, batch.shape) == (np.float32, (5, size))
    assert (batch == [flat(member) for member in members]).all()


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        (spaces.Discrete(3), r"the space is Discrete\(3\), expected a Box, or a Dict of Boxes"),
        (spaces.Dict(a=spaces.Dict(b=spaces.MultiBinary(2))), r"the space at 'a\.b' is MultiBinary\(2\)"),
        (spaces.Dict({}), r"the space is Dict\(\), expected"),
    ],
)
def test_what_holds_no_boxes_has_no_flat_vector(space, complaint):
    for function in (flat_size, flattener, batch_flattener):
        with pytest.raises(SpaceError, match=complaint):
            function(space)


@pytest.mark.parametrize("space", [*BOXES, spaces.Discrete(4)])
def test_stacking_and_taking_apart_are_inverse(space):
    members = [space.sample() for _ in range(3)]
    again = stack(space, list(unstack(space, stack(space, members))))
    for left, right in zip(unstack(space, again), members, strict=True):
        assert spaces.flatten(space, left) == pytest.approx(spaces.flatten(space, right))


def fault_of(space, member, *, bounds=False):
    return finder_of_faults(space, bounds=bounds)(member)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_is_found_wherever_it_is(bad, dtype):
    space = spaces.Box(-np.inf, np.inf, (20,), dtype)
    for where in range(20):
        member = np.zeros(20, dtype)
        assert fault_of(space, member) is None
        member[where] = bad
        assert fault_of(space, member).endswith("of shape (20,), which is not finite")


@pytest.mark.parametrize("high", [1.0, np.inf])
def test_bounds_belong_to_a_box_and_one_step_beyond_does_not(high):
    space = spaces.Box(np.float32([-1, -2]), np.float32([high, 2]))
    inside = np.float32([-1, 2])
    assert fault_of(space, inside, bounds=True) is None
    for outside in (np.nextafter(inside, np.float32([-9, 0])), np.nextafter(inside, np.float32([0, 9]))):
        assert "which is outside Box" in fault_of(space, outside, bounds=True)
        assert fault_of(space, outside) is None
    for bad in ([np.nan, 0], [0, np.inf], [np.inf, 0]):
        assert "is not finite" in fault_of(space, np.float32(bad), bounds=True)


@pytest.mark.parametrize("value", [None, 0.5, [0.0, 0.0], np.zeros(3), np.zeros((1, 2)), np.array([None, 1.0])])
def test_what_is_no_array_of_the_right_shape_is_a_fault(value):
    assert "expected an array of shape (2,)" in fault_of(spaces.Box(-1, 1, (2,)), value)


def test_a_fault_in_a_goal_task_is_named_by_its_part():
    GOAL.seed(1)
    member = GOAL.sample()
    assert fault_of(GOAL, member) is None
    assert fault_of(GOAL, {**member, "achieved_goal": np.float32([5, 0])}) is None
    assert fault_of(GOAL, {**member, "achieved_goal": np.float32([5, np.nan])}).startswith("at 'achieved_goal' is [")
    assert "at 'desired_goal' is" in fault_of(GOAL, {**member, "desired_goal": np.zeros(3)})
    for lacking in ({"observation": np.zeros(3)}, None, np.zeros(7)):
        assert "expected a dict of observation, achieved_goal, desired_goal" in fault_of(GOAL, lacking)


def test_what_is_kept_of_a_goal_task_is_ours():
    member = GOAL.sample()
    kept = keeper(GOAL)(member)
    assert not any(np.shares_memory(kept[name], member[name]) for name in member)
    assert all((kept[name] == member[name]).all() for name in member)


@pytest.mark.parametrize(
    ("space", "batch", "fault"),
    [
        (spaces.Discrete(3), np.array([0, 2]), None),
        (spaces.Discrete(3), np.array([0, 3]), "hold 3, which is not in Discrete(3)"),
        (spaces.Discrete(3, start=1), np.array([0, 3]), "hold 0, which is not in Discrete(3, start=1)"),
        (spaces.Discrete(3), np.array([0.0, 1.0]), "are [0. 1.] of shape (2,), expected 2 whole numbers"),
        (spaces.Discrete(3), np.array([0]), "are [0] of shape (1,), expected 2 whole numbers"),
        (spaces.Box(-1, 1, (1,)), np.float32([[0], [2]]), "are [[0.] [2.]] of shape (2, 1), which is outside"),
        (spaces.Box(-1, 1, (1,)), np.float32([0, 0]), "are [0. 0.] of shape (2,), expected an array of shape (2, 1)"),
        (spaces.Dict(a=spaces.Box(-1, 1, (1,))), {"a": np.float32([[0], [np.nan]])}, "at 'a' are [[ 0.] [nan]]"),
    ],
)
def test_faults_of_batches(space, batch, fault):
    found = finder_of_batch_faults(space, 2, bounds=True)(batch)
    assert (found is None) if fault is None else found.startswith(fault)


def test_any_other_space_says_for_itself_what_belongs_in_it():
    space = gymnasium.spaces.MultiDiscrete([2, 3])
    assert fault_of(space, np.array([1, 2])) is None
    assert "which is not in MultiDiscrete" in fault_of(space, np.array([1, 3]))
