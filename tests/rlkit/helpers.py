"""Agents and environments that the tests of the core share."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium
import numpy as np

from rlkit import Agent, bounded


class DoubleQLearning(Agent):
    """Double Q-learning as the README has a user write it."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        learning_rate: float = bounded(0.1, above=0, up_to=1)
        epsilon: float = bounded(0.1, at_least=0, up_to=1)

    def setup(self):
        self.q = np.zeros((2, self.observation_space.n, self.action_space.n))  # [2, S, A]

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < self.config.epsilon:
            return int(self.rng.integers(self.action_space.n))
        return int(self.q[:, observation].sum(axis=0).argmax())

    def update(self, t):
        i = self.rng.integers(2)  # the table that moves
        best = self.q[i, t.next_observation].argmax()
        bootstrap = 0.0 if t.terminated else self.q[1 - i, t.next_observation, best]
        error = t.reward + self.config.gamma * bootstrap - self.q[i, t.observation, t.action]
        self.q[i, t.observation, t.action] += self.config.learning_rate * error
        return {"td_error": float(error)}


class Recorder(Agent):
    """Does action 0, learns nothing, and keeps the transitions it was shown."""

    def setup(self):
        self.seen = []

    def act(self, observation, *, explore=False):
        return 0 if isinstance(self.action_space, gymnasium.spaces.Discrete) else np.zeros(self.action_space.shape)

    def update(self, t):
        self.seen.append(t)
        return {"reward": t.reward}


class Corridor(gymnasium.Env):
    """Walks right from 0 to the end, one cell a step; every step pays what `reward` says."""

    def __init__(self, length=5, limit=None, reward=1.0):
        self.observation_space = gymnasium.spaces.Discrete(length + 1)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.length, self.limit, self.reward = length, limit, reward

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return 0, {}

    def step(self, action):
        self.at += 1
        return self.at, self.reward, self.at == self.length, self.at == self.limit, {"at": self.at}


class Reach(gymnasium.Env):
    """A goal task as gymnasium-robotics lays them out: a point in the plane is to come near one drawn anew."""

    def __init__(self, limit=5):
        box = gymnasium.spaces.Box
        parts = {"observation": box(-np.inf, np.inf, (3,), np.float64), "achieved_goal": box(-2, 2, (2,), np.float64)}
        self.observation_space = gymnasium.spaces.Dict({**parts, "desired_goal": box(-1, 1, (2,), np.float64)})
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self.limit = limit

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.goal, self.steps = np.zeros(2), self.np_random.uniform(-1, 1, 2), 0
        return self.seen(), {}

    def seen(self):
        parts = {"desired_goal": self.goal, "achieved_goal": self.position}
        return {**parts, "observation": np.array([*self.position, self.steps / self.limit])}

    def step(self, action):
        self.position = np.clip(self.position + 0.5 * action, -2, 2)
        self.steps += 1
        distance = float(np.linalg.norm(self.position - self.goal))
        return self.seen(), -distance, False, self.steps == self.limit, {"is_success": float(distance < 0.5)}


class Drift(gymnasium.Env):
    """A random walk in the plane that its action pushes; without get_state, so that episodes are repeated."""

    def __init__(self, limit=37):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float64)
        self.limit = limit

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.steps = self.np_random.normal(size=2), 0
        return self.position.copy(), {}

    def step(self, action):
        self.position = 0.9 * self.position + 0.1 * np.asarray(action) + 0.1 * self.np_random.normal(size=2)
        self.steps += 1
        return self.position.copy(), float(-(self.position**2).sum()), False, self.steps == self.limit, {}
