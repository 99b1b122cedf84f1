"""Schedules."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rlkit import Config, ConfigError
from rlkit.exploration import GaussianNoise, OrnsteinUhlenbeckNoise, linear_decay


@dataclass(frozen=True, kw_only=True)
class Noisy(Config):
    noise: GaussianNoise | OrnsteinUhlenbeckNoise | None = None


def test_a_linear_schedule_ends_where_it_should_and_stays():
    assert [linear_decay(1.0, 0.2, 4, step) for step in (0, 1, 2, 4, 100)] == [1.0, 0.8, 0.6, 0.2, 0.2]
    assert linear_decay(1.0, 0.2, 0, 0) == 0.2


@pytest.mark.parametrize("kind", [GaussianNoise, OrnsteinUhlenbeckNoise])
def test_what_is_recorded_of_noise_names_its_kind_and_is_read_again(kind):
    config = Noisy(noise=kind(sigma=0.3))
    values = config.to_dict()
    assert (values["noise"]["kind"], values["noise"]["sigma"]) == (kind.__name__, 0.3)
    assert Noisy.from_dict(values) == config


def test_the_kind_of_noise_can_be_told_from_its_fields_where_none_is_named():
    assert Noisy.from_dict({"noise": {"theta": 0.2}}).noise == OrnsteinUhlenbeckNoise(theta=0.2)


def test_a_wrong_kind_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"unknown kind 'GausianNoise'; did you mean 'GaussianNoise'\?"):
        Noisy.from_dict({"noise": {"kind": "GausianNoise"}})


def test_a_config_is_brief_by_leaving_out_defaults_however_deep():
    assert Noisy().brief() == ""
    assert Noisy(noise=GaussianNoise(sigma=0.3)).brief() == "noise=GaussianNoise(sigma=0.3)"
