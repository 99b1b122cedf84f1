"""Where a sweep looks: how it is said, what is refused, and where it looks by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import rlkit.agents
from rlkit.agent import Agent
from rlkit.agents import promises
from rlkit.config import bounded
from rlkit.errors import ConfigError
from rlkit.experiments.search import (
    Between,
    OneOf,
    chosen,
    default_space,
    distribution_of,
    holds,
    label_of,
    plain,
    search_space,
    values_on_grid,
    with_values,
)

DDPG = rlkit.agents.DDPG.Config
LEARNERS = [name for name in promises() if issubclass(getattr(rlkit.agents, name), Agent)]


@pytest.mark.parametrize(
    ("name", "said", "meant"),
    [
        ("learning_rate", "1e-4:1e-2:log", Between(1e-4, 1e-2, log=True)),
        ("gamma", "0.9:1", Between(0.9, 1.0)),
        ("tau", "0.1:0.5:0.1", Between(0.1, 0.5, step=0.1)),
        ("n-steps", "1:9:2", Between(1, 9, step=2)),
        ("batch_size", "1e1:1e3:log", Between(10, 1000, log=True)),
        ("batch_size", "32,64,128", OneOf((32, 64, 128))),
        ("batch_size", [32, 64], OneOf((32, 64))),
        ("gamma", 0.9, OneOf((0.9,))),
        ("gamma", {"low": 0.9, "high": 0.99}, Between(0.9, 0.99)),
        ("learning_rate", Between(0.1, 1, log=True), Between(0.1, 1.0, log=True)),
        ("network", "[64],[64,64]", OneOf(([64], [64, 64]))),
        ("optimizer", "adam,adamw", OneOf(("adam", "adamw"))),
        ("critic.layer_norm", "true,False", OneOf((True, False))),
        ("actor_learning_rate", "1e-4:1e-3", Between(1e-4, 1e-3)),
        ("actor_learning_rate", "None,0.1", OneOf((None, 0.1))),
        ("noise.sigma", "0.1:0.3", Between(0.1, 0.3)),
        ("noise", '{"sigma": 0.1},{"sigma": 0.2, "theta": 0.3}', OneOf(({"sigma": 0.1}, {"sigma": 0.2, "theta": 0.3}))),
    ],
)
def test_what_is_said_is_understood(name, said, meant):
    assert search_space(DDPG(), {name: said}) == {name.replace("-", "_"): meant}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"lr": "1:2"}, "unknown hyperparameter 'lr'; did you mean 'learning_rate'?"),
        ({"critic.norm": "1:2"}, "Architecture: unknown hyperparameter 'norm'"),
        ({"device.index": 1}, "device.index: there is no index to search in 'cpu'"),
        ({"gamma": "0.5:1.5"}, "gamma=1.5 is outside its range [0, 1]"),
        ({"gamma": "0.9:0.5"}, "gamma=0.9:0.5: expected finite ends, the lower one first"),
        ({"gamma": "a:b"}, "gamma=a:b: expected low:high, low:high:log, low:high:step or a list a,b,c"),
        ({"gamma": "0.1:0.9:log:2"}, "expected low:high"),
        ({"optimizer": "1:2"}, "optimizer=1:2: it is no number; list its values"),
        ({"batch_size": "1.5:3"}, "batch_size=1.5:3: expected whole numbers"),
        ({"batch_size": "1,a"}, "batch_size='a' is not of type int"),
        ({"tau": "0:1:log"}, "on a log scale both ends are above 0"),
        ({"tau": "0.1:0.2:0.5"}, "the step does not fit between the ends"),
        ({"tau": "0.5,0.5"}, "expected one value or several different ones"),
        ({"tau": []}, "expected one value or several different ones"),
        ({}, "nothing to look for"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(said, sentence):
    with pytest.raises(ConfigError) as refusal:
        search_space(DDPG(), said)
    assert str(refusal.value).startswith("search: ")
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_agent_has_a_default_space_that_it_can_have(name):
    config = getattr(rlkit.agents, name).Config()
    space = default_space(config)
    assert search_space(config, {name: plain(dimension) for name, dimension in space.items()}) == space
    assert any(isinstance(dimension, Between) for dimension in space.values())


def test_the_default_space_lies_around_the_values():
    space = default_space(rlkit.agents.DQN.Config())
    assert space["learning_rate"] == Between(1e-5, 1e-3, log=True)
    assert space["batch_size"] == OneOf((16, 32, 64))
    assert space["target_update_interval"] == Between(500, 10_000, log=True)
    assert not {"buffer_size", "learning_starts", "tau", "temperature"} & space.keys()


def test_a_users_own_hyperparameters_are_searched_by_their_ranges():
    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        share: float = bounded(0.1, at_least=0, up_to=1)
        rate: float = bounded(0.1, above=0, up_to=1)
        scale: float = bounded(3.0, above=0)
        depth: int = bounded(4, at_least=1)
        name: str = "x"
        offset: float = bounded(0.0)

    space = default_space(Config(), gamma=False)
    assert space == {
        "share": Between(0.0, 1.0),
        "rate": Between(0.01, 1.0, log=True),
        "scale": Between(0.3, 30.0, log=True),
        "depth": Between(1, 16, log=True),
    }


def test_values_take_their_place_in_nested_hyperparameters():
    config = with_values(DDPG(), {"critic.layer_norm": True, "network": [8, 8], "noise.sigma": 0.3})
    assert config == DDPG(
        network=(8, 8),
        critic=rlkit.agents.DDPG.Config().critic.__class__(layer_norm=True),
        noise=DDPG().noise.__class__(sigma=0.3),
    )


def test_choices_survive_optunas_labels():
    dimension = OneOf((None, True, 3, 0.5, "x", [1, 2], {"sigma": 0.1}))
    labels = [label_of(choice) for choice in dimension.choices]
    assert list(distribution_of(dimension).choices) == labels
    assert [chosen(dimension, label) for label in labels] == list(dimension.choices)


def test_a_grid_includes_both_ends():
    assert values_on_grid("x", Between(0.1, 0.5, step=0.1)) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert values_on_grid("x", Between(1, 4)) == [1, 2, 3, 4]
    assert values_on_grid("x", OneOf((1, [2]))) == [1, "[2]"]


def test_a_default_range_is_of_the_annotations_kind_whatever_the_ends_are_written_as():
    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        eps: float = bounded(0.2, at_least=0, up_to=1)
        depth: int = bounded(4, at_least=1, up_to=8)

    space = default_space(Config(), gamma=False)
    assert type(distribution_of(space["eps"])).__name__ == "FloatDistribution"
    assert type(distribution_of(space["depth"])).__name__ == "IntDistribution"
    assert holds(space["eps"], 0.2)


@pytest.mark.parametrize(
    ("dimension", "value", "held"),
    [
        (Between(0, 1), 0.2, False),
        (Between(0.0, 1.0), 1, True),
        (Between(0.1, 0.5, step=0.1), 0.3, True),
        (Between(0.1, 0.5, step=0.1), 0.35, False),
        (Between(1, 9, step=2), 4, False),
    ],
)
def test_a_value_is_held_only_by_a_space_that_would_not_change_it(dimension, value, held):
    assert holds(dimension, value) is held
