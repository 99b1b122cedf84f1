"""Tuned hyperparameters that ship with the agents, and how nested ones are told apart."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

import gymnasium
import pytest

import rlkit.envs  # noqa: F401  (registers)
from rlkit.agents import catalogue, preset
from rlkit.agents.presets import preset_names, preset_steps
from rlkit.config import Config, bounded
from rlkit.errors import ConfigError
from rlkit.exploration import GaussianNoise, OrnsteinUhlenbeckNoise

FILES = sorted(file.name for file in files("rlkit.agents.presets").iterdir() if file.name.endswith(".toml"))


def content(file):
    return tomllib.loads(files("rlkit.agents.presets").joinpath(file).read_text(encoding="utf-8"))


def tables(file):
    return {name: value for name, value in content(file).items() if isinstance(value, dict)}


@pytest.mark.parametrize("file", FILES)
def test_every_preset_is_a_known_agents_valid_hyperparameters(file):
    agents = catalogue()
    assert tables(file)
    for name, table in tables(file).items():
        assert agents[name].Config.from_dict(table) != agents[name].Config()


@pytest.mark.parametrize("file", FILES)
def test_every_preset_is_for_environments_that_exist(file):
    assert {*content(file)["environments"]} <= {*gymnasium.registry}
    assert content(file).get("steps", 1) > 0


def test_no_two_files_are_for_the_same_environment():
    names = [name for file in FILES for name in (file.removesuffix(".toml"), *content(file)["environments"])]
    assert len(names) == len({*names})


def test_a_preset_goes_by_environment_and_by_file():
    assert preset("DDPG", "Pendulum-v1") == preset("DDPG", "pendulum")
    assert preset_steps("Pendulum-v1") == 10_000
    assert preset_steps("Nowhere-v0") is None
    assert {"Pendulum-v1", "paper"} <= {*preset_names("DDPG")}


def test_a_preset_is_the_callers_own():
    preset("DDPG", "paper")["network"].append(1)
    preset("DDPG", "paper")["noise"]["sigma"] = 7
    assert preset("DDPG", "paper")["network"] == [400, 300]
    assert preset("DDPG", "paper")["noise"]["sigma"] == 0.2


def test_an_unknown_preset_is_refused_with_what_is_near():
    with pytest.raises(ConfigError, match="DDPG has no preset 'Pendulum-v0'; did you mean 'Pendulum-v1'"):
        preset("DDPG", "Pendulum-v0")
    with pytest.raises(ConfigError, match="preset: 'PPO' has none; those that have are DDPG, TD3"):
        preset("PPO", "paper")


def test_the_papers_preset_is_the_papers():
    """Lillicrap et al. (2016), section 7."""
    config = catalogue()["DDPG"].Config.from_dict(preset("DDPG", "paper"))
    assert (config.actor_learning_rate, config.learning_rate, config.weight_decay) == (1e-4, 1e-3, 1e-2)
    assert (config.gamma, config.tau, config.batch_size, config.buffer_size) == (0.99, 1e-3, 64, 10**6)
    assert config.network == (400, 300)
    assert config.actor.last_layer == config.critic.last_layer == 3e-3
    assert isinstance(config.noise, OrnsteinUhlenbeckNoise)
    assert (config.noise.theta, config.noise.sigma) == (0.15, 0.2)


def test_td3s_preset_is_its_papers():
    """Fujimoto, van Hoof & Meger (2018), section 6.1."""
    config = catalogue()["TD3"].Config.from_dict(preset("TD3", "paper"))
    assert (config.learning_rate, config.actor_learning_rate, config.tau, config.gamma) == (1e-3, None, 0.005, 0.99)
    assert (config.network, config.batch_size, config.buffer_size) == ((400, 300), 100, 10**6)
    assert (config.policy_delay, config.target_policy_noise, config.target_noise_clip) == (2, 0.2, 0.5)
    assert (config.learning_starts, config.noise) == (10_000, GaussianNoise(sigma=0.1))


@dataclass(frozen=True, kw_only=True)
class Noisy(Config):
    """Has noise."""

    noise: GaussianNoise | OrnsteinUhlenbeckNoise | None = None
    share: float = bounded(0.5, at_least=0, up_to=1)


@pytest.mark.parametrize("noise", [GaussianNoise(sigma=0.3), OrnsteinUhlenbeckNoise(sigma=0.3), None])
def test_a_nested_config_is_known_again_by_its_names(noise):
    config = Noisy(noise=noise)
    assert Noisy.from_dict(config.to_dict()) == config


def test_of_several_nested_configs_the_first_that_has_all_names_is_meant():
    assert Noisy.from_dict({"noise": {"sigma": 0.2}}).noise == GaussianNoise(sigma=0.2)
    assert Noisy.from_dict({"noise": {"theta": 0.2}}).noise == OrnsteinUhlenbeckNoise(theta=0.2)


def test_a_name_that_no_nested_config_has_is_refused():
    with pytest.raises(ConfigError, match="unknown hyperparameter 'sigmma'; did you mean 'sigma'"):
        Noisy.from_dict({"noise": {"sigmma": 0.2}})


@pytest.mark.parametrize(
    ("agent", "answer"),
    [("DPG", r"did you mean 'DDPG'\?"), ("QLearning", "has none; those that have are DDPG, TD3")],
)
def test_a_preset_of_an_agent_without_any_is_answered_with_the_agents_that_have_some(agent, answer):
    with pytest.raises(ConfigError, match=answer):
        preset(agent, "Pendulum-v1")
