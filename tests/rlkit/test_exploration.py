"""Schedules."""

from __future__ import annotations

from rlkit.exploration import linear_decay


def test_a_linear_schedule_ends_where_it_should_and_stays():
    assert [linear_decay(1.0, 0.2, 4, step) for step in (0, 1, 2, 4, 100)] == [1.0, 0.8, 0.6, 0.2, 0.2]
    assert linear_decay(1.0, 0.2, 0, 0) == 0.2
