"""The truth in the log: what is measured, when, at what cost to the run: none that can be seen in what is learnt."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rlkit
from rlkit import Agent, InvalidModel, Trainer
from rlkit.agents import (
    LSTD,
    TDC,
    DoubleQLearning,
    EmphaticTD,
    LinearTD,
    NStepTD,
    QLearning,
    Sarsa,
    TDLambda,
)
from rlkit.envs import BairdStar, GridWorld
from rlkit.features import FeatureTable, Fourier, Polynomial
from rlkit.truth import (
    TruthCallback,
    Yardstick,
    emphasis,
    msbe,
    mspbe,
    on_policy_distribution,
    rmsve,
    td_fixed_point,
)
from rlkit.truth import callback as implementation
from tests.rlkit.helpers import Corridor, Recorder
from tests.rlkit.helpers import DoubleQLearning as UsersOwn

TD = json.loads((Path(__file__).parent.parent / "reference" / "td.json").read_text())
BAIRD = TD["baird"]
PREDICTION = ("rmsve", "max_error", "msbe", "mspbe", "best_rmsve", "td_rmsve")
CONTROL = ("rmsve", "max_error", "max_q_error", "policy_regret", "optimal_actions")


def zhao():
    return GridWorld.load("zhao-5x5")


def rows(folder):
    with (folder / "progress.csv").open() as stream:
        return list(csv.DictReader(stream))


def tags(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def trainer_of(agent_class, env, folder, **settings):
    return Trainer(agent_class.for_env(env, gamma=0.9, seed=0), env, directory=folder, log_every=100, **settings)


@pytest.mark.parametrize("agent_class", [QLearning, DoubleQLearning])
def test_the_log_has_the_exact_errors_of_the_agent(tmp_path, agent_class):
    env = zhao()
    trainer = trainer_of(agent_class, env, tmp_path / "run")
    trainer.run(300)
    last = rows(tmp_path / "run")[-1]
    truth, q = Yardstick(env, 0.9), trainer.agent.action_values(np.arange(25))
    expected = truth.value_errors(q.max(axis=1)) | truth.policy_errors(q.argmax(axis=1))
    expected["max_q_error"] = np.abs(q - truth.q).max()
    assert {name: float(last[f"truth/{name}"]) for name in CONTROL} == expected


def test_every_step_of_the_log_is_one_row(tmp_path):
    trainer_of(QLearning, zhao(), tmp_path / "run").run(350)
    assert [row["step"] for row in rows(tmp_path / "run")] == ["100", "200", "300", "350"]


def test_values_that_are_right_have_no_error(tmp_path):
    env = zhao()
    trainer = trainer_of(QLearning, env, None)
    trainer.agent.q[:] = Yardstick(env, 0.9).q
    errors = implementation.errors_of(trainer.agent, Yardstick(env, 0.9))
    assert errors == pytest.approx(dict.fromkeys(CONTROL, 0.0) | {"optimal_actions": 1}, abs=1e-9)


def test_an_agent_that_only_acts_and_updates_is_measured_by_what_it_does(tmp_path):
    trainer_of(UsersOwn, zhao(), tmp_path / "run").run(100)
    last = rows(tmp_path / "run")[-1]
    assert float(last["truth/policy_regret"]) > 0
    assert 0 <= float(last["truth/optimal_actions"]) <= 1
    assert "truth/rmsve" not in last


def test_measuring_changes_nothing_that_is_learnt(tmp_path):
    class Restless(UsersOwn):
        """Draws a number and remembers it whenever it acts, asked to explore or not."""

        def setup(self):
            super().setup()
            self.mood = 0.0

        def act(self, observation, *, explore=False):
            self.mood = 0.5 * self.mood + self.rng.random()
            return int(self.mood * 10) % self.action_space.n

    learnt = []
    for truth in (True, False):
        trainer = trainer_of(Restless, zhao(), tmp_path / f"run-{truth}", truth=truth)
        trainer.run(300)
        learnt.append((trainer.agent.q.tobytes(), trainer.agent.mood, trainer.agent.rng.bit_generator.state))
    assert learnt[0] == learnt[1]
    assert "truth/policy_regret" in rows(tmp_path / "run-True")[-1]


def test_truth_can_be_switched_off(tmp_path):
    env = zhao()
    rlkit.train(QLearning.for_env(env, seed=0), env, steps=100, directory=tmp_path / "run", truth=False)
    assert not any(name.startswith("truth/") for name in rows(tmp_path / "run")[-1])


def test_where_nothing_is_logged_nothing_is_solved(monkeypatch):
    solved = []
    monkeypatch.setattr(implementation._Truth, "prepare", lambda *_: solved.append(True))
    env = zhao()
    rlkit.train(QLearning.for_env(env, seed=0), env, steps=100)
    assert solved == []


def off(folder):
    return [event.tensor_proto.string_val[0].decode() for event in tags(folder).Tensors("truth/off/text_summary")]


def test_without_finite_values_the_truth_is_off_for_one_reason(tmp_path):
    env = zhao()
    trainer = Trainer(QLearning.for_env(env, gamma=1.0), env, directory=tmp_path / "run", log_every=10)
    trainer.run(50)
    (reason,) = off(tmp_path / "run")
    assert "gamma=1" in reason
    assert not any(name.startswith("truth/") for name in rows(tmp_path / "run")[-1])


def test_a_wrapper_that_may_change_the_reward_puts_the_truth_off_by_name(tmp_path):
    env = gymnasium.wrappers.TransformReward(zhao(), lambda reward: 2 * reward)
    trainer_of(QLearning, env, tmp_path / "run").run(100)
    (reason,) = off(tmp_path / "run")
    assert "TransformReward" in reason
    with pytest.raises(InvalidModel, match="TransformReward"):
        trainer_of(QLearning, env, None, callbacks=[TruthCallback()]).run(10)


def test_large_problems_are_measured_only_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(implementation, "SMALL", 124)
    trainer_of(QLearning, zhao(), tmp_path / "run").run(100)
    assert "125 states times actions are more than 124" in off(tmp_path / "run")[0]
    trainer_of(QLearning, zhao(), tmp_path / "asked", callbacks=[TruthCallback(every=50)]).run(100)
    assert "truth/rmsve" in rows(tmp_path / "asked")[-1]


def test_an_agent_that_cannot_be_asked_about_every_state_is_trained_all_the_same(tmp_path):
    class Remembering(Recorder):
        def setup(self):
            super().setup()
            self.known = {}

        def act(self, observation, *, explore=False):
            return self.known.setdefault(observation, 0) if explore else self.known[observation]

    trainer_of(Remembering, zhao(), tmp_path / "run").run(100)
    assert "Remembering cannot be asked about every state: KeyError" in off(tmp_path / "run")[0]
    with pytest.raises(KeyError):
        trainer_of(Remembering, zhao(), None, callbacks=[TruthCallback(every=1)]).run(5)


def test_environments_that_know_nothing_are_trained_in_silence(tmp_path):
    env = Corridor()
    Trainer(Recorder.for_env(env), env, directory=tmp_path / "run").run(20)
    assert tags(tmp_path / "run").Tags()["tensors"] == ["config/text_summary"]
    with pytest.raises(InvalidModel, match="neither a model"):
        Trainer(Recorder.for_env(env), env, callbacks=[TruthCallback()]).run(20)


def test_gymnasiums_tables_are_models_too(tmp_path):
    env = gymnasium.make("FrozenLake-v1")
    trainer_of(QLearning, env, tmp_path / "run").run(200)
    assert float(rows(tmp_path / "run")[-1]["truth/policy_regret"]) >= 0


def test_the_callback_measures_every_so_many_steps(tmp_path):
    watch = TruthCallback(every=40)
    trainer_of(QLearning, zhao(), tmp_path / "run", callbacks=[watch]).run(100)
    assert watch.history["step"] == [40, 80]
    assert watch.history.keys() == {"step", *CONTROL}
    assert [event.step for event in tags(tmp_path / "run").Scalars("truth/rmsve")] == [40, 80]
    with pytest.raises(rlkit.ConfigError, match="every=0"):
        TruthCallback(every=0)


def test_a_callback_that_moves_on_to_another_run_measures_that():
    watch = TruthCallback(every=5)
    for map, n_states in (("zhao-5x5", 25), ("sutton-barto-6.6", 38)):
        trainer_of(QLearning, GridWorld.load(map), None, callbacks=[watch]).run(10)
        assert len(watch.yardstick.v) == n_states
        assert watch.history["step"] == [5, 10]


def test_the_history_has_a_gap_where_there_was_no_number():
    env = GridWorld("S . G", rules="sutton-barto")
    watch = TruthCallback(every=1)
    trainer = Trainer(QLearning.for_env(env, gamma=1.0, seed=0), env, callbacks=[watch])
    trainer.agent.q[:2, 3] = 1.0  # left for ever: no finite regret
    trainer.run(1)
    trainer.agent.q[:2, 1] = 2.0  # right, to the goal
    trainer.run(1)
    assert watch.history["step"] == [1, 2]
    assert watch.history["policy_regret"] == pytest.approx([np.nan, 0.0], nan_ok=True)
    assert {len(column) for column in watch.history.values()} == {2}


def test_rows_that_would_cost_more_than_their_share_go_without_but_the_last_never(tmp_path, monkeypatch):
    monkeypatch.setattr(implementation, "SHARE", 0.0)
    trainer_of(QLearning, zhao(), tmp_path / "run").run(500)
    measured = [row["step"] for row in rows(tmp_path / "run") if row.get("truth/rmsve")]
    assert measured == ["100", "500"]  # nothing had been spent before the first


class Fixed(Agent):
    """Evaluates a policy with weights that never move."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        pass

    def setup(self):
        self.target_policy = np.full((25, 5), 0.2)
        self.Phi = np.eye(25)[:, :3]
        self.w = np.zeros(3)

    def act(self, observation, *, explore=False):
        return int(self.rng.integers(5))

    def update(self, t):
        return {}

    def state_values(self, observations):
        return self.Phi[observations] @ self.w

    def state_features(self, observations):
        return self.Phi[observations]


def test_prediction_is_measured_against_its_policys_values_with_the_best_and_the_fixed_point_beside(tmp_path):
    trainer_of(Fixed, zhao(), tmp_path / "run").run(100)
    last = {name: float(x) for name, x in rows(tmp_path / "run")[-1].items() if name.startswith("truth/")}
    v = Yardstick(zhao(), 0.9, policy=np.full((25, 5), 0.2)).v
    assert last["truth/rmsve"] == pytest.approx(np.sqrt(np.mean(v**2)))
    assert last["truth/best_rmsve"] == pytest.approx(np.sqrt(np.sum(v[3:] ** 2) / 25))
    assert last["truth/best_rmsve"] < last["truth/td_rmsve"] < last["truth/rmsve"]
    chain = zhao().model().to_finite_mdp().induced_by(np.full((25, 5), 0.2))
    P, r = chain.transitions, chain.rewards
    zero, d = np.zeros(25), np.full(25, 1 / 25)
    assert last["truth/msbe"] == pytest.approx(msbe(zero, P, r, d, 0.9))
    assert last["truth/mspbe"] == pytest.approx(mspbe(zero, P, r, np.eye(25)[:, :3], d, 0.9))
    assert set(last) == {f"truth/{name}" for name in PREDICTION}


def evaluating(agent_class, env, **settings):
    return agent_class.for_env(env, policy=np.full((25, 5), 0.2), gamma=0.9, seed=0, **settings)


@pytest.mark.parametrize(
    ("agent_class", "settings", "system"),
    [
        (LinearTD, {}, {}),
        (TDLambda, {"lam": 0.5}, {"lam": 0.5}),
        (LSTD, {"lam": 0.9}, {"lam": 0.9}),
        (NStepTD, {"n_steps": 3}, {"n_steps": 3}),
    ],
)
def test_the_fixed_point_is_the_agents_own(agent_class, settings, system):
    env, d = zhao(), np.full(25, 1 / 25)
    features = Polynomial.for_env(env, degree=2)
    watch = TruthCallback()
    Trainer(evaluating(agent_class, env, features=features, **settings), env, callbacks=[watch]).run(0)
    chain, Phi = env.model().to_finite_mdp().induced_by(np.full((25, 5), 0.2)), features.matrix(env)
    w = td_fixed_point(chain.transitions, chain.rewards, Phi, d, 0.9, **system).w
    assert watch.lines["td_rmsve"] == pytest.approx(rmsve(Phi @ w, watch.yardstick.v, d), rel=1e-9)
    floor = TD["zhao_5x5"]["exact_floors_and_fixed_points"]["poly6"]["best_d_rmsve"]
    assert watch.lines["best_rmsve"] == pytest.approx(floor)


def test_control_with_features_is_measured_as_a_table_is(tmp_path):
    env = zhao()
    agent = Sarsa.for_env(env, gamma=0.9, seed=0, features=Fourier.for_env(env, order=3), learning_rate=0.01)
    Trainer(agent, env, directory=tmp_path / "run", log_every=1000).run(5000)
    last, truth = rows(tmp_path / "run")[-1], Yardstick(env, 0.9)
    q = agent.action_values(np.arange(25))
    expected = truth.value_errors(q.max(axis=1)) | truth.policy_errors(q.argmax(axis=1)) | truth.action_value_errors(q)
    assert {name: float(last[f"truth/{name}"]) for name in CONTROL} == pytest.approx(expected)
    assert not {"truth/msbe", "truth/best_rmsve"} & set(last)


def on_the_star(agent_class, **settings):
    """An agent of the book's hyperparameters on Baird's star, at the book's first weights."""
    star = BairdStar()
    policies = {"policy": star.target_policy, "behaviour": star.behaviour_policy}
    features = FeatureTable.for_env(star)
    agent = agent_class.for_env(star, features=features, gamma=star.gamma, seed=0, **policies, **settings)
    agent.w[:] = star.initial_weights
    return agent, star


def test_divergence_is_told_before_the_first_step(tmp_path):
    agent, env = on_the_star(LinearTD, learning_rate=0.01)
    trainer = Trainer(agent, env, directory=tmp_path / "run")
    with pytest.warns(UserWarning, match="LinearTD: expected TD diverges .* -0.239") as caught:
        trainer.run(0)
    assert caught[0].filename == __file__
    trainer.run(1000)  # and said once
    last = rows(tmp_path / "run")[-1]
    assert float(last["truth/rmsve"]) > 100  # as it did: td.json's median after 1000 steps is 578, the least 348
    assert float(last["truth/best_rmsve"]) == pytest.approx(0, abs=1e-12)
    assert float(last["truth/td_rmsve"]) == pytest.approx(0, abs=1e-12)


def test_baird_is_measured_by_the_behaviours_weighting():
    agent, env = on_the_star(LinearTD)
    watch = TruthCallback()
    trainer = Trainer(agent, env, callbacks=[watch])
    with pytest.warns(UserWarning, match="diverges"):
        trainer.run(0)
    watch.measure(trainer)
    found = {name: watch.history[name][0] for name in ("rmsve", "msbe", "mspbe")}
    expected = {"rmsve": BAIRD["RMSVE_w0"], "msbe": BAIRD["RMSBE_w0"] ** 2, "mspbe": BAIRD["RMSPBE_w0"] ** 2}
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("agent_class", [TDC, EmphaticTD, LSTD])
def test_methods_that_converge_off_policy_are_not_warned(agent_class):
    agent, env = on_the_star(agent_class)
    watch = TruthCallback()
    Trainer(agent, env, callbacks=[watch]).run(0)  # a warning would be an error
    assert watch.lines["td_rmsve"] == pytest.approx(0, abs=1e-9)


def test_emphatic_tds_fixed_point_is_weighted_by_emphasis():
    rng = np.random.default_rng(0)
    env = zhao()
    target, behaviour = rng.dirichlet(np.ones(5), size=25), rng.dirichlet(np.ones(5), size=25) * 0.8 + 0.04
    features = Polynomial.for_env(env, degree=1)
    agent = EmphaticTD.for_env(env, policy=target, behaviour=behaviour, gamma=0.9, lam=0.3, features=features, seed=0)
    watch = TruthCallback()
    Trainer(agent, env, callbacks=[watch]).run(0)
    chain, Phi, d = env.model().to_finite_mdp().induced_by(target), features.matrix(env), watch.yardstick.d
    arguments = chain.transitions, chain.rewards, Phi
    m = emphasis(chain.transitions, d, 0.9, 0.3)
    weighted, plain = (td_fixed_point(*arguments, weights, 0.9, 0.3).w for weights in (m, d))
    assert watch.lines["td_rmsve"] == pytest.approx(rmsve(Phi @ weighted, watch.yardstick.v, d), rel=1e-9)
    assert abs(watch.lines["td_rmsve"] - rmsve(Phi @ plain, watch.yardstick.v, d)) > 1e-3
    assert d == pytest.approx(on_policy_distribution(env, behaviour))


def test_the_truth_takes_less_than_its_share_of_a_fast_run_and_is_spread_over_it(tmp_path, monkeypatch):
    clock, measured = [0.0], []

    def measure(self, trainer):
        clock[0] += 50e-6  # what it takes, in a run whose rows come every 75 microseconds
        measured.append(trainer.step)

    class Passing(rlkit.Callback):
        def on_log(self, trainer, *, final):
            clock[0] += 75e-6

    monkeypatch.setattr(implementation._Truth, "measure", measure)
    monkeypatch.setattr(implementation.time, "perf_counter", lambda: clock[0])
    trainer_of(QLearning, zhao(), tmp_path / "run", callbacks=[Passing()]).run(100_000)
    assert len(measured) * 50e-6 <= 0.05 * clock[0]
    assert len(measured) > 40
    assert np.diff(measured).max() <= 2 * 100_000 / len(measured)
