"""What learners of state values share: the policy that is evaluated, and the one that acts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from gymnasium import Env, spaces
from numpy.typing import NDArray

from rlkit.agents.linear import LinearAgent
from rlkit.compiled.prediction import Behaviour, Elsewhere, Prediction
from rlkit.compiled.randomness import uniform_in_python
from rlkit.errors import ConfigError, InvalidTransition
from rlkit.transition import Transition
from rlkit.truth.problem import policy_array


class LinearPrediction(LinearAgent):
    """Learns the state values of a policy, linear in features: v(s) = w . phi(s).

    Attributes:
        target_policy: the policy that is evaluated, float64 `(S, A)`, or anything with `probs(observation)`.
        behaviour_policy: the policy that acts, alike; None if it is the same.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(LinearAgent.Config):
        """Hyperparameters of linear prediction."""

    @classmethod
    def for_env(
        cls,
        env: Env[Any, Any],
        *,
        policy: Any = None,
        behaviour: Any = None,
        seed: int | None = None,
        **hyperparameters: Any,
    ) -> Self:
        """Build one that evaluates a policy: `LinearTD.for_env(env, policy=pi, features=..., gamma=0.9)`.

        Args:
            env: where it will learn.
            policy: whose values are asked for: actions `(S,)`, probabilities `(S, A)`, or anything with
                `probs(observation)`; None for the uniformly random one. An array, or a `rlkit.Policy`, is saved with
                the agent; where states have no numbers nothing else can be, by a run with a directory neither.
            behaviour: who acts meanwhile, alike; None for `policy` itself. Where they differ, each transition counts by
                the importance-sampling ratio.
            seed, hyperparameters: as for every agent.

        Raises:
            ConfigError: as for every agent; or a policy is of the wrong shape, or none; or the behaviour never does
                what `policy` may do.
            SpaceError: the features do not suit the environment.
        """
        agent = super().for_env(env, seed=seed, **hyperparameters)
        agent.follow(policy, behaviour)
        return agent

    def setup(self) -> None:
        """Evaluate the uniformly random policy, until `follow` says otherwise."""
        super().setup()
        self.target_policy = None
        self.behaviour_policy = None
        self._rho = np.ones(1)
        self.follow(None)

    def follow(self, policy: Any, behaviour: Any = None) -> None:
        """Evaluate a policy from now on; the arguments are those of `for_env`.

        Raises:
            ConfigError: as for `for_env`.
        """
        if isinstance(self.observation_space, spaces.Discrete):
            n_states, n_actions = int(self.observation_space.n), int(self.action_space.n)
            policy = np.full(n_actions, 1.0 / n_actions) if policy is None else policy
            policy = probabilities("policy", policy, n_states, n_actions)
            if behaviour is not None:
                behaviour = probabilities("behaviour", behaviour, n_states, n_actions)
                check_coverage(policy, behaviour)
        else:
            for name, given in (("policy", policy), ("behaviour", behaviour)):
                if given is not None and not callable(getattr(given, "probs", None)):
                    raise ConfigError(
                        f"{type(self).__name__}: the {name} is of type {type(given).__name__}, expected something with "
                        "probs(observation), because the observations have no numbers"
                    )
        self.target_policy, self.behaviour_policy = policy, behaviour

    def act(self, observation: Any, *, explore: bool = False) -> int:
        """Return the likeliest action of the policy that is evaluated; with `explore`, one drawn from who acts."""
        learner, act, _ = self._parts()
        if explore and not isinstance(learner.policy, Elsewhere):
            return act(learner, self.as_input(observation))
        if not explore:
            return int(self._probs(self.target_policy, observation).argmax())
        acting = self.target_policy if self.behaviour_policy is None else self.behaviour_policy
        cumulative = self._probs(acting, observation).cumsum()
        return int(np.searchsorted(cumulative[:-1], uniform_in_python(self._stream), side="right"))

    def probs(self, observation: Any) -> NDArray[np.float64]:
        """Return the probabilities of the policy that is evaluated, float64 `(A,)`."""
        return self._probs(self.target_policy, observation)

    def update(self, t: Transition) -> Mapping[str, float]:
        """Learn from one transition."""
        if self.behaviour_policy is not None and not isinstance(self.observation_space, spaces.Discrete):
            self._rho[0] = self._ratio(t)
        return super().update(t)

    def learner(self) -> Prediction:
        """Return the learner."""
        return Prediction(
            features=self.features.parameters,
            policy=self._acting(),
            rule=self.rule(),
            schedule=self.schedule(),
            gamma=self.config.gamma,
            phi=self.phi(),
            next_phi=self.phi(),
            counts=self._counts,
            owners=self._owners,
            stream=self._stream,
        )

    def compiled(self) -> Any:
        """Return the learner for a compiled loop; None where only Python knows the policy."""
        learner = super().compiled()
        unknown = isinstance(learner.policy, Elsewhere) and self.action_space.n > 1
        return None if unknown else learner

    def state_values(self, observations: Any) -> NDArray[np.float64]:
        """Return v of N observations, float64 `(N,)`."""
        values: NDArray[np.float64] = self.features.transform(observations) @ self.w
        return values

    def state_features(self, observations: Any) -> NDArray[np.float64]:
        """Return the features of N observations, float64 `(N, D)`."""
        found = self.features.transform(observations)
        dense: NDArray[np.float64] = found.toarray() if self.features.sparse else found
        return dense

    def _acting(self) -> Behaviour | Elsewhere:
        """Return the policy that acts as compiled code sees it.

        Raises:
            ConfigError: as for `follow`: somebody, or a file, has brought another policy.
        """
        if not isinstance(self.observation_space, spaces.Discrete):
            return Elsewhere(self._rho)
        n_states, n_actions = int(self.observation_space.n), int(self.action_space.n)
        acting = target = probabilities("policy", self.target_policy, n_states, n_actions)
        ratios = np.zeros((0, 0))
        if self.behaviour_policy is not None:
            acting = probabilities("behaviour", self.behaviour_policy, n_states, n_actions)
            check_coverage(target, acting)
            ratios = np.divide(target, acting, out=np.zeros_like(acting), where=acting > 0)
        return Behaviour(np.ascontiguousarray(acting.cumsum(axis=1)[:, :-1]), ratios)

    def _probs(self, policy: Any, observation: Any) -> NDArray[np.float64]:
        if policy is None:
            return np.full(self.action_space.n, 1.0 / self.action_space.n)
        if isinstance(policy, np.ndarray):
            row: NDArray[np.float64] = policy[observation]
        else:
            row = distribution(policy, observation, self.action_space.n)
        return row

    def _ratio(self, t: Transition) -> float:
        """Return pi(a | s) / b(a | s).

        Raises:
            ConfigError: the behaviour policy never does, at this observation, what the evaluated one may do.
            InvalidTransition: the behaviour policy never does what was done.
        """
        target = self._probs(self.target_policy, t.observation)
        behaviour = self._probs(self.behaviour_policy, t.observation)
        check_coverage(target[None], behaviour[None], f"at observation {t.observation}")
        if not behaviour[t.action] > 0:
            raise InvalidTransition(f"{type(self).__name__}: action {t.action}, which the behaviour policy never takes")
        return float(target[t.action] / behaviour[t.action])


def probabilities(name: str, policy: Any, n_states: int, n_actions: int) -> NDArray[np.float64]:
    """Return a policy as float64 `(S, A)`.

    Args:
        name: what it is called in a message.
        policy: actions `(S,)`, probabilities `(S, A)` or, for every state the same, `(A,)`; or anything with `probs`.

    Raises:
        ConfigError: it is none of these, or is no distribution somewhere (the message says where).
    """
    table = np.asarray(policy_array(policy, n_states))
    if table.shape == (n_states,) and table.dtype.kind in "iu":
        if table.min() < 0 or table.max() >= n_actions:
            raise ConfigError(
                f"the {name} has action {table[(table < 0) | (table >= n_actions)][0]}, expected [0, {n_actions})"
            )
        certain: NDArray[np.float64] = np.eye(n_actions)[table]
        return certain
    if table.dtype.kind not in "fiub" or table.shape not in ((n_states, n_actions), (n_actions,)):
        raise ConfigError(
            f"the {name} is {table.dtype} {table.shape}, expected actions ({n_states},) or probabilities "
            f"({n_states}, {n_actions})"
        )
    table = np.array(np.broadcast_to(table, (n_states, n_actions)), np.float64, order="C")
    bad = np.flatnonzero(~((table >= 0).all(axis=1) & (abs(table.sum(axis=1) - 1.0) <= 1e-6)))
    if bad.size:
        raise ConfigError(
            f"the {name} in state {bad[0]} is {table[bad[0]].tolist()}, expected probabilities that sum to 1"
        )
    return table


def distribution(policy: Any, observation: Any, n_actions: int) -> NDArray[np.float64]:
    """Return what a policy with `probs` does at one observation, float64 `(A,)`.

    Raises:
        ConfigError: it is no distribution over the actions.
    """
    given = np.asarray(policy.probs(observation))
    if (
        given.dtype.kind not in "fiub"
        or given.shape != (n_actions,)
        or not ((given >= 0).all() and abs(given.sum() - 1.0) <= 1e-6)
    ):
        raise ConfigError(
            f"{type(policy).__name__}.probs({observation}) is {given.tolist()}, expected {n_actions} probabilities, "
            "the sum of which is 1"
        )
    return given.astype(np.float64)


def check_coverage(policy: NDArray[np.float64], behaviour: NDArray[np.float64], where: str | None = None) -> None:
    """Check that the behaviour does, now and then, whatever the policy does (S&B 2018, section 5.5: coverage).

    Args:
        policy, behaviour: probabilities `(S, A)`.
        where: what a row is called in the message; None for the number of its state.

    Raises:
        ConfigError: it does not; the message names the first state and action.
    """
    never = np.argwhere((policy > 0) & ~(behaviour > 0))
    if len(never):
        state, action = never[0]
        raise ConfigError(
            f"the behaviour policy never takes action {action} {where or f'in state {state}'}, which the evaluated "
            f"policy takes with probability {policy[state, action]:g}: no ratio can make up for it"
        )
