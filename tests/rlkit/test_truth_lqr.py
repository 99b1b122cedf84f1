"""The distance from the Riccati optimum: against closed forms, Lyapunov's equation, and plain simulation."""

from __future__ import annotations

import copy
import csv

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rlkit
from rlkit import Agent, Policy, Trainer, VectorTrainer
from rlkit.envs import LinearQuadratic
from rlkit.errors import ConfigError
from rlkit.truth import RiccatiYardstick, TruthCallback, gain_error, optimality_gap

TAGS = ("truth/optimality_gap", "truth/optimality_gap_se", "truth/gain_error")


class Steered(Policy):
    """u = -K x + c, within the bounds if there are any."""

    K, c, bound = np.zeros((1, 2)), 0.0, np.inf

    def act(self, observation, *, explore=False):
        return np.clip(-self.K @ observation + self.c, -self.bound, self.bound)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.clip(-observation @ self.K.T + self.c, -self.bound, self.bound), state


class Creeping(Agent):
    """u = -K x, with a K that grows at every step; it draws a number whenever it acts."""

    def setup(self):
        self.K = np.zeros((1, 2))
        self.asked = 0

    def act(self, observation, *, explore=False):
        return self.predict(observation)[0]

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.asked = self.asked + self.rng.random()
        return np.clip(-observation @ self.K.T, -10.0, 10.0), state

    def update(self, transition):
        self.K = self.K + 0.01
        return {}


def steered(env, K, c=0.0, bound=np.inf):
    policy = Steered.for_env(env, seed=0)
    policy.K, policy.c, policy.bound = np.asarray(K), c, bound
    return policy


def rows(folder):
    with (folder / "progress.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_the_optimal_gain_has_neither_gap_nor_error():
    env = LinearQuadratic.random(4, 2, seed=0, noise=0.1)
    K = env.optimum(0.95).K
    for policy in (K, steered(env, K)):
        assert optimality_gap(policy, env, 0.95) == pytest.approx((0.0, 0.0), abs=1e-12)
        assert gain_error(policy, env, 0.95) < 1e-12


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_scalar_gains_gap_is_the_quotient_of_two_geometric_series(noise):
    # x' = a x + u + w: u = -k x costs (q + r k^2) (1 + gamma / (1 - gamma) noise^2) / (1 - gamma (a - k)^2).
    a, q, r, gamma = 0.9, 2.0, 0.5, 0.8
    env = LinearQuadratic([[a]], [[1.0]], [[q]], [[r]], noise=noise)

    def cost(k):
        return (q + r * k**2) / (1 - gamma * (a - k) ** 2)

    k = np.linspace(0.0, a, 100_001)
    least = k[cost(k).argmin()]
    found = optimality_gap([[0.2]], env, gamma)
    assert found.gap == pytest.approx(cost(0.2) / cost(least) - 1, rel=1e-8)
    assert found.standard_error == 0
    assert gain_error([[0.2]], env, gamma) == pytest.approx(1 - 0.2 / least, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_that_acts_linearly_is_measured_as_exactly_as_its_gain(seed):
    env = LinearQuadratic.random(5, 3, seed=seed, noise=0.1)
    K = 0.9 * env.optimum(0.9).K
    by_gain, by_acting = optimality_gap(K, env, 0.9), optimality_gap(steered(env, K), env, 0.9)
    assert by_gain.gap == pytest.approx(env.cost_of(K, 0.9) / env.cost_of(K / 0.9, 0.9) - 1, rel=1e-9)
    assert by_acting == pytest.approx(by_gain, rel=1e-6)
    assert gain_error(steered(env, K), env, 0.9) == pytest.approx(0.1, rel=1e-9)


# The standard error has 7 degrees of freedom, so that a gap is off by more than 6 of them once in 2000 times.


@pytest.mark.parametrize(
    ("env", "gamma"),
    [
        (LinearQuadratic(), 0.98),
        (LinearQuadratic(noise=0.2), 0.95),
        (LinearQuadratic.random(4, 2, seed=1, noise=0.1), 0.95),
        (LinearQuadratic.random(8, 3, seed=2), 0.9),
    ],
    ids=["double integrator", "with noise", "4 x 2", "8 x 3"],
)
def test_simulation_comes_to_what_lyapunovs_equation_says(env, gamma):
    K = 0.8 * env.optimum(gamma).K
    exact = optimality_gap(K, env, gamma).gap
    # The bound is out of the episodes' reach, but not out of that of the question whether the policy is linear.
    simulated = optimality_gap(steered(env, K, bound=8 * np.linalg.norm(K, axis=1)), env, gamma)
    assert 0 < simulated.standard_error < 0.05 * exact
    assert abs(simulated.gap - exact) < 6 * simulated.standard_error


def test_no_tail_is_left_out():
    # Off by c at every step, for ever, the optimum loses c' (R + gamma B'P B) c / (1 - gamma), wherever it is.
    env, gamma, c = LinearQuadratic(noise=0.1), 0.99, 0.3
    best = env.optimum(gamma)
    lost = c**2 * float((env.R + gamma * env.B.T @ best.P @ env.B)[0, 0]) / (1 - gamma)
    found = optimality_gap(steered(env, best.K, c), env, gamma)
    # Over 300 seeds the quotient of the two is 0.9998, sd 0.0055, and nowhere farther from 1 than 0.015.
    assert found.gap == pytest.approx(lost / (np.trace(best.P) + best.constant), rel=0.03)


def test_simulation_comes_to_the_mean_difference_from_the_optimum_on_the_same_noise():
    env, gamma, episodes = LinearQuadratic(noise=0.3), 0.9, 300
    best = env.optimum(gamma)
    policy = steered(env, 0.5 * best.K, c=0.2, bound=1.0)
    rng, weight = np.random.default_rng(0), gamma ** np.arange(150)
    costs = {}
    for name, act in {"policy": policy.predict, "best": steered(env, best.K).predict}.items():
        rng, x, costs[name] = np.random.default_rng(0), None, np.zeros(episodes)
        x = rng.normal(size=(episodes, 2))
        for w in weight:
            u = act(x)[0]
            costs[name] += w * (((x @ env.Q) * x).sum(axis=1) + ((u @ env.R) * u).sum(axis=1))
            x = x @ env.A.T + u @ env.B.T + env.noise * rng.normal(size=x.shape)
    difference = (costs["policy"] - costs["best"]) / (np.trace(best.P) + best.constant)
    error = difference.std(ddof=1) / np.sqrt(episodes)
    found = optimality_gap(policy, env, gamma)
    assert found.standard_error < error
    assert abs(found.gap - difference.mean()) < 5 * np.hypot(error, found.standard_error)


def test_more_steps_are_nearer_to_the_exact_gap():
    env = LinearQuadratic()
    K = 0.8 * env.optimum(0.9).K
    few, many = (optimality_gap(steered(env, K, bound=40.0), env, 0.9, steps=n) for n in (640, 81_920))
    assert many.standard_error < few.standard_error / 8  # the square root of 128 is 11
    assert many.gap == pytest.approx(optimality_gap(K, env, 0.9).gap, rel=2e-3)


@pytest.mark.parametrize("policy", ["linear", "bounded"])
def test_a_policy_that_lets_the_system_go_has_an_unbounded_gap(policy):
    env = LinearQuadratic([[2.0]], [[1.0]])
    lazy = steered(env, [[0.1]], bound=np.inf if policy == "linear" else 1.0)
    assert optimality_gap(lazy, env, 0.9) == (np.inf, 0.0)


def test_the_slope_at_zero_is_the_actors_jacobian():
    torch = pytest.importorskip("torch")
    from rlkit.agents import DDPG

    env = LinearQuadratic.random(4, 2, seed=0, max_action=5.0)
    agent = DDPG.for_env(env, seed=0, network=(32, 32))
    slope = 5.0 * torch.autograd.functional.jacobian(agent.actor, torch.zeros(1, 4))[0, :, 0].numpy()  # [m, n]
    best = env.optimum(0.9).K
    expected = np.linalg.norm(-slope - best) / np.linalg.norm(best)
    assert gain_error(agent, env, 0.9) == pytest.approx(expected, rel=1e-3)


def test_a_model_of_stable_baselines3_is_measured_like_a_policy_of_ours():
    sb3 = pytest.importorskip("stable_baselines3")
    env = LinearQuadratic()
    model = sb3.DDPG("MlpPolicy", env, seed=0, device="cpu", policy_kwargs={"net_arch": [8, 8]}, buffer_size=10)

    class Mirror(Policy):
        def act(self, observation, *, explore=False):
            return model.predict(observation, deterministic=True)[0]

    found = optimality_gap(model, env, 0.9, steps=640)
    assert found == pytest.approx(optimality_gap(Mirror.for_env(env), env, 0.9, steps=640), rel=1e-3)
    assert gain_error(model, env, 0.9) == pytest.approx(gain_error(Mirror.for_env(env), env, 0.9), rel=1e-3)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (lambda env: optimality_gap(np.eye(2), env, 0.9), r"the gain is \(2, 2\), expected \(1, 2\)"),
        (lambda env: optimality_gap([[1.0, 1.0]], env, 1.0), "gamma=1.0 is outside"),
        (lambda env: gain_error([[1.0, 1.0]], gymnasium.make("CartPole-v1"), 0.9), "does not know a Riccati optimum"),
        (lambda env: gain_error(steered(env, np.eye(2)), env, 0.9), r"actions are \(4, 2\), expected \(4, 1\)"),
        (lambda env: optimality_gap([[1.0, 1.0]], LinearQuadratic(Q=np.zeros((2, 2))), 0.9), "costs nothing"),
        (lambda env: optimality_gap([[1.0, 1.0]], env, 0.9, steps=0), "steps"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(question, said):
    with pytest.raises(ConfigError, match=said):
        question(LinearQuadratic())


def test_the_trainer_logs_the_gap_unasked(tmp_path):
    env = LinearQuadratic()
    agent = Creeping.for_env(env, seed=0, gamma=0.9)
    Trainer(agent, gymnasium.wrappers.TimeLimit(env, 100), directory=tmp_path / "run", log_every=50).run(100)
    last, expected = rows(tmp_path / "run")[-1], RiccatiYardstick(env, 0.9).errors_of(agent)
    assert {tag: float(last[tag]) for tag in TAGS} == {f"truth/{name}": error for name, error in expected.items()}
    assert expected["optimality_gap"] > 10 * expected["optimality_gap_se"] > 0


def test_asked_for_it_is_logged_that_often(tmp_path):
    env, watch = LinearQuadratic(noise=0.1), TruthCallback(every=20)
    rlkit.train(Creeping.for_env(env, seed=0, gamma=0.9), env, steps=60, directory=tmp_path / "run", callbacks=[watch])
    assert watch.history["step"] == [20, 40, 60]
    assert watch.history["optimality_gap"] == sorted(watch.history["optimality_gap"], reverse=True)
    assert set(watch.history) == {"step", *(tag.removeprefix("truth/") for tag in TAGS)}


def test_measuring_leaves_no_trace_in_the_agent(tmp_path):
    left = []
    for truth in (True, False):
        env = LinearQuadratic()
        agent = Creeping.for_env(env, seed=0, gamma=0.9)
        rlkit.train(agent, env, steps=60, directory=tmp_path / f"{truth}", truth=truth)
        left.append((agent.K.tobytes(), agent.asked, copy.deepcopy(agent.rng.bit_generator.state)))
    assert left[0] == left[1]
    assert TAGS[0] in rows(tmp_path / "True")[-1]
    assert TAGS[0] not in rows(tmp_path / "False")[-1]


@pytest.mark.parametrize(
    ("wrapped", "gamma", "reason"),
    [
        (lambda env: gymnasium.wrappers.TransformReward(env, abs), 0.9, "the wrapper TransformReward may change"),
        (lambda env: env, 1.0, "gamma=1.0 is outside"),
    ],
)
def test_where_there_is_no_gap_the_log_says_why(tmp_path, wrapped, gamma, reason):
    env = wrapped(LinearQuadratic())
    rlkit.train(Creeping.for_env(env, seed=0, gamma=gamma), env, steps=20, directory=tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    (said,) = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("truth/off/text_summary")]
    assert reason in said
    assert TAGS[0] not in rows(tmp_path / "run")[-1]


def test_many_environments_at_once_are_measured_too(tmp_path):
    class Many(Creeping):
        def act_batch(self, observations, *, explore=True):
            return self.predict(observations)[0]

        def update_batch(self, transitions, valid=None):
            return self.update(None)

    env = SyncVectorEnv([lambda: LinearQuadratic(noise=0.1)] * 3)
    VectorTrainer(Many.for_env(env, seed=0, gamma=0.9), env, directory=tmp_path / "run").run(60)
    assert 0 < float(rows(tmp_path / "run")[-1]["truth/optimality_gap"]) < 100
