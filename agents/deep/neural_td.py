"""TD prediction with a neural network."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from gymnasium import Env, spaces
from numpy.typing import NDArray

from rlkit.agent import Agent
from rlkit.agents.prediction.base import check_coverage, distribution, probabilities
from rlkit.config import bounded, described
from rlkit.errors import ConfigError, InvalidTransition, SpaceError
from rlkit.features import Features, FeatureTable, NeuralEncoder
from rlkit.networks import Inputs, Passes, mlp, target_of, update_target
from rlkit.networks.precision import computing
from rlkit.rollout import Rollout
from rlkit.transition import Transition, Transitions
from rlkit.updates.adam import adam
from rlkit.updates.returns import choose_by_table, residual_gradient, return_errors, semi_gradient


class NeuralTD(Agent):
    """Learns the state values of a policy with a neural network: v(s) is its output.

    Semi-gradient TD (S&B 2018, sections 9.3 and 9.7): each value moves towards a return that is held fixed. Returns are
    lambda-returns of at most `n_steps` steps (S&B, equation 12.9): TD(0) with `n_steps=1`, n-step TD with `lam=1`. They
    end where an episode ends, with 0 if it terminated and with the value of its last state if it was truncated. Off
    policy they have importance ratios and control variates (S&B, sections 7.4 and 12.9).

    It learns from one stream of transitions (`update`) or from N environments in parallel (`update_batch`), by one step
    of Adam (Kingma & Ba 2015) every `train_freq` steps, on the mean over the latest `train_freq * N` transitions whose
    returns are known: with `n_steps` above 1, those of `n_steps - 1` steps ago and before. In the end that many are
    left that it has not learnt from.

    Nothing guarantees that it converges: Tsitsiklis & Van Roy (1997) give an example of on-policy divergence.

    Where states are numbered, and fewer than the transitions of a batch, the network sees each state once, and the
    transitions' errors are added up by state: the same gradient, but for rounding, for a fraction of the work.

    Attributes:
        target_policy: the policy that is evaluated, float64 `(S, A)`, or anything with `probs(observation)`.
        behaviour_policy: the policy that acts, alike; None if it is the same.
        inputs: what turns observations into the network's inputs.
        network: from inputs `(N, n_inputs)` to values `(N, 1)`.
        target_network: what values next states; None if `network` does.
        moments: the running means that Adam keeps, float32 `(2, n_weights)`.
        rollout: transitions whose returns are not known yet.
        n_updates: steps of Adam.
    """

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        """Hyperparameters of neural TD prediction."""

        network: tuple[int, ...] = bounded(
            (64, 64), at_least=1, help="units of the hidden layers; (): v is linear in the inputs"
        )
        features: Features | None = described(
            None, "what the network sees; None: one-hot states, vectors scaled to [-1, 1]"
        )
        learning_rate: float = bounded(1e-3, above=0, help="step size of Adam at first")
        learning_rate_power: float = bounded(
            0.0, at_least=0, up_to=1, help="the n-th step size is learning_rate / n**power; 0 is constant"
        )
        n_steps: int = bounded(1, at_least=1, help="steps after which a return bootstraps at the latest")
        lam: float = bounded(1.0, at_least=0, up_to=1, help="lambda, which mixes shorter returns in; 1: n-step returns")
        train_freq: int = bounded(1, at_least=1, help="steps (of each environment) between two updates")
        target_update_interval: int | None = bounded(
            None, at_least=1, help="updates between two of the target network; None: there is none"
        )
        tau: float = bounded(1.0, above=0, up_to=1, help="how far the target network then moves; 1: a copy")
        residual_gradient: bool = bounded(
            False, help="follow the gradient of the squared TD error, next value included (for contrast)"
        )

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.residual_gradient and (self.n_steps > 1 or self.target_update_interval is not None):
                raise ConfigError(
                    f"{self._title()}: residual_gradient is of one step and without a target network, but "
                    f"n_steps={self.n_steps}, target_update_interval={self.target_update_interval}"
                )

    observation_types = (spaces.Discrete, spaces.Box)
    action_types = (spaces.Discrete,)

    network: torch.nn.Sequential
    target_network: torch.nn.Sequential | None

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
        """Build one that evaluates a policy: `NeuralTD.for_env(env, policy=pi, network=(64, 64), gamma=0.9)`.

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
        """Make the networks and the optimizer; evaluate the uniformly random policy, until `follow` says otherwise."""
        for role, space in (("observation", self.observation_space), ("action", self.action_space)):
            if isinstance(space, spaces.Discrete) and space.start != 0:
                raise SpaceError(f"{type(self).__name__}: the {role} space is {space}, expected one that starts at 0")
        config = self.config
        self.inputs = Inputs(self.observation_space, config.features)
        self.network = mlp(self.inputs.n_inputs, config.network, 1, self.torch_generator)
        self.target_network = None if config.target_update_interval is None else target_of(self.network)
        n_weights = sum(parameter.numel() for parameter in self.network.parameters())
        self.moments = np.zeros((2, n_weights), np.float32)
        self.rollout = Rollout(config.train_freq + config.n_steps - 1)
        self.n_updates = 0
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
        acting = policy if behaviour is None else behaviour
        self._cumulative = acting.cumsum(axis=1)[:, :-1].copy() if isinstance(acting, np.ndarray) else np.zeros((0, 0))

    def act(self, observation: Any, *, explore: bool = False) -> int:
        """Return the likeliest action of the policy that is evaluated; with `explore`, one drawn from who acts."""
        if not explore:
            return int(self._probs(self.target_policy, observation).argmax())
        if len(self._cumulative):
            cumulative = self._cumulative[observation]
        else:
            cumulative = self._probs(self._acting, observation).cumsum()[:-1]
        return int(cumulative.searchsorted(self.rng.random(), side="right"))

    def probs(self, observation: Any) -> NDArray[np.float64]:
        """Return the probabilities of the policy that is evaluated, float64 `(A,)`."""
        return self._probs(self.target_policy, observation)

    def act_batch(self, observations: Any, *, explore: bool = True) -> NDArray[np.int64]:
        """Return actions `(N,)` for N observations, stacked; with `explore`, drawn from the policy that acts."""
        if not explore:
            return np.array([self.act(observation) for observation in observations], np.int64)
        draws = self.rng.random(len(observations))
        if len(self._cumulative):
            actions = np.empty(len(observations), np.int64)
            choose_by_table(self._cumulative, self._states(observations), draws, actions)
            return actions
        probs = np.stack([self._probs(self._acting, observation) for observation in observations])
        chosen: NDArray[np.int64] = (draws[:, None] >= probs.cumsum(axis=1)[:, :-1]).sum(axis=1)
        return chosen

    def computing(self) -> AbstractContextManager[Any]:
        """Return the context to learn in: one thread, and the faster of torch's float32 kernels."""
        return computing(max(self.config.network, default=0))

    def update(self, transition: Transition) -> Mapping[str, float]:
        """Learn from one transition."""
        return self.update_batch(Transitions._make(np.asarray(value)[None] for value in transition))

    def update_batch(self, transitions: Transitions, valid: NDArray[np.bool_] | None = None) -> Mapping[str, float]:
        """Learn from one transition of each of N environments; those that are not `valid` weigh nothing.

        Returns:
            the mean error of the returns, and the loss, half the mean of its square, both weighted by the ratios;
            nothing between two updates.
        """
        rho: Any = 1.0 if self.behaviour_policy is None else self._ratios(transitions)
        if valid is not None:
            rho = rho * valid
        self.rollout.add(transitions, self.config.gamma, rho)
        if self.rollout.count < self.rollout.rows:
            return {}
        metrics = self._learn()
        self.rollout.drop(self.config.train_freq)
        return metrics

    def abandon_episode(self) -> None:
        """Have the returns of what was seen so far end with it."""
        if self.rollout.count:
            self.rollout.ended[self.rollout.count - 1] = True

    def state_values(self, observations: Any) -> NDArray[np.float64]:
        """Return v of N observations, float64 `(N,)`."""
        with torch.inference_mode():
            values: NDArray[np.float64] = self.network(self.inputs(observations)).squeeze(-1).double().numpy()
            return values

    def encoder(self, env: Env[Any, Any]) -> Features:
        """Return what v is linear in at the moment, frozen: the last hidden layer, and a 1.

        Of states it is a `FeatureTable`, whatever the network sees of them; of vectors a `NeuralEncoder`.

        Args:
            env: what it learns in, which knows the bounds of vectors.

        Raises:
            ConfigError: it has no hidden layer; or, where observations are vectors, it has more than two, or features,
                or the vectors are not bounded.
        """
        if not self.config.network:
            raise ConfigError(f"{type(self).__name__}: network=() has no hidden layer")
        if self.inputs.table is None:
            if self.config.features is not None:
                raise ConfigError(f"{type(self).__name__}: the network reads features of vectors, not vectors")
            return NeuralEncoder.from_network(self.network, env)
        with torch.inference_mode():
            rows = self.network[:-1](self.inputs.table).numpy()  # [S, D]
        return FeatureTable.of(np.column_stack([rows, np.ones(len(rows))]))

    @torch.no_grad()
    def _learn(self) -> dict[str, float]:
        """Take one step along the mean gradient of the oldest `train_freq` rows of the rollout."""
        config, rollout = self.config, self.rollout
        x, here, following = self._points()
        v = self._online.forward(x).numpy()[:, 0]  # [M]
        bootstraps = v if self.target_network is None else self.target_network(x).numpy()[:, 0]
        errors = np.empty((config.train_freq, rollout.reward.shape[1]))  # [T, N]
        mean, loss = return_errors(
            v, bootstraps, here, following, rollout.reward, rollout.discount, rollout.ended, rollout.rho,
            config.n_steps, config.lam, errors,
        )  # fmt: skip
        gradient = np.empty((len(v), 1))
        if config.residual_gradient:
            residual_gradient(errors, here, following, rollout.discount, rollout.rho, gradient[:, 0])
        else:
            semi_gradient(errors, here, rollout.rho, gradient[:, 0])
        self._online.backward(torch.from_numpy(gradient).float())
        self.n_updates += 1
        size = config.learning_rate / self.n_updates**config.learning_rate_power
        self.descend(self._online.weights, self._online.gradient, size)
        if self.target_network is not None and self.n_updates % config.target_update_interval == 0:
            update_target(self.target_network, self.network, config.tau)
        return {"td_error": mean, "loss": loss}

    def descend(self, theta: NDArray[np.float32], gradient: NDArray[np.float32], size: float) -> None:
        """Move the parameters `(n_weights,)`, in place, against a gradient: here by a step of Adam."""
        m, v = self.moments
        adam(theta, gradient, m, v, self.n_updates, size)

    def _points(self) -> tuple[torch.Tensor, NDArray[np.int64], NDArray[np.int64]]:
        """Return M inputs, and which of them each observation and each next one of the rollout are, both `(K, N)`."""
        seen, following = self.rollout.observation, self.rollout.next_observation
        shape = self.rollout.reward.shape
        size = self.rollout.reward.size
        table = self.inputs.table
        if table is not None and len(table) <= 2 * size:
            return table, self._states(seen), self._states(following)
        both = np.concatenate([part.reshape(size, *part.shape[2:]) for part in (seen, following)])
        here = np.arange(size).reshape(shape)
        return torch.from_numpy(self.inputs.read(both)), here, here + size

    @cached_property
    def _online(self) -> Passes:
        return Passes(self.network)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_online"}

    def _states(self, observations: Any) -> NDArray[np.int64]:
        """Return states as compiled code reads them, unchecked.

        Raises:
            InvalidTransition: there is no such state.
        """
        states: NDArray[np.int64] = np.ascontiguousarray(observations, np.int64)
        n_states = int(self.observation_space.n)
        if states.view(np.uint64).max() >= n_states:
            wrong = states[(states < 0) | (states >= n_states)][0]
            raise InvalidTransition(f"{type(self).__name__}: observation {wrong} is outside [0, {n_states})")
        return states

    @property
    def _acting(self) -> Any:
        return self.target_policy if self.behaviour_policy is None else self.behaviour_policy

    def _probs(self, policy: Any, observation: Any) -> NDArray[np.float64]:
        if policy is None:
            return np.full(self.action_space.n, 1.0 / self.action_space.n)
        if isinstance(policy, np.ndarray):
            row: NDArray[np.float64] = policy[observation]
            return row
        return distribution(policy, observation, self.action_space.n)

    def _ratios(self, t: Transitions) -> NDArray[np.float64]:
        """Return pi(a | s) / b(a | s) of N transitions, `(N,)`.

        Raises:
            InvalidTransition: the behaviour policy never does what was done.
        """
        wanted, chances = (self._chances(policy, t) for policy in (self.target_policy, self.behaviour_policy))
        if not (chances > 0).all():
            action = t.action[int(chances.argmin())]
            raise InvalidTransition(f"{type(self).__name__}: action {action}, which the behaviour policy never takes")
        ratios: NDArray[np.float64] = wanted / chances
        return ratios

    def _chances(self, policy: Any, t: Transitions) -> NDArray[np.float64]:
        """Return how likely a policy does what was done in N transitions, `(N,)`."""
        if isinstance(policy, np.ndarray):
            chances: NDArray[np.float64] = policy[self._states(t.observation), t.action]
            return chances
        return np.array([self._probs(policy, s)[a] for s, a in zip(t.observation, t.action, strict=True)])
