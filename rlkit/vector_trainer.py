"""The training loop in many environments at once, for agents that learn from batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from rlkit.agent import Agent
from rlkit.callbacks import Callback
from rlkit.divergence import name_of
from rlkit.errors import ConfigError, InvalidTransition, SpaceError, warn
from rlkit.rewind_vector import VectorRewind, as_given
from rlkit.spaces import copied, finder_of_batch_faults, put, stack
from rlkit.training import Training
from rlkit.transition import Transitions


class VectorTrainer(Training):
    """Trains an agent in N environments that run in parallel, a `gymnasium.vector.VectorEnv`; else it is a `Trainer`.

    One step is one of every environment: `agent.act_batch`, the environments step, the transitions are checked, the
    agent learns from them in `agent.update_batch`, callbacks are told (`on_step` gets `Transitions`). `step` counts
    transitions, up to N at a time, so a run may take up to N - 1 more than it was asked for.

    Where the environments begin their next episode in a step of its own (gymnasium's `NEXT_STEP`), that step is no
    transition, and neither counted nor learnt from; with `SAME_STEP`, which wastes none, `next_observation` is the last
    one of the episode that ended.

    A run resumes to the bit if the vector of environments has `get_state` and `set_state`, as `GridWorldVectorEnv` has,
    or is a `SyncVectorEnv` of such as a `Trainer` could resume in. Any other begins new episodes then, from a seed made
    of the agent's and the step, and says so in a warning.

    Args:
        agent: what learns; it has `act_batch` and `update_batch`.
        env: what it learns in, with `Discrete` or `Box` observations, or a `Dict` of such, whose batches are dicts of
            arrays.
        **others: as for `Trainer`.

    Raises:
        SpaceError: the agent was made for other spaces than a single environment has, or these do not begin their next
            episodes themselves.
        ConfigError: the agent learns from one environment only; or as for `Trainer`.
    """

    env: VectorEnv[Any, Any, Any]

    def _set_out(self) -> None:
        if not isinstance(self.env, VectorEnv):
            raise SpaceError(f"VectorTrainer: the environment is a {type(self.env).__name__}, expected a VectorEnv")
        if type(self.agent).update_batch is Agent.update_batch:
            name = type(self.agent).__name__
            raise ConfigError(f"VectorTrainer: {name} learns from one environment at a time: it has no update_batch()")
        self._check_spaces("single_")
        seen = self.env.single_observation_space
        if not _is_plain(seen):
            raise SpaceError(
                f"VectorTrainer: observations of {name_of(self.env)} are {seen}, expected Discrete, Box or Dict of such"
            )
        mode = self.env.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise SpaceError(
                f"VectorTrainer: {name_of(self.env)}'s autoreset_mode is {mode}, expected NEXT_STEP or SAME_STEP"
            )
        n = self.env.num_envs
        self._rewind = VectorRewind(self.env, recording=self.directory is not None)
        self._at_once = mode is AutoresetMode.SAME_STEP
        self._observation_fault = finder_of_batch_faults(seen, n, bounds=False)
        self._action_fault = finder_of_batch_faults(self.env.single_action_space, n, bounds=True)
        self._observations: Any = None
        self._over = np.zeros(n, np.bool_)  # whose next step only begins an episode
        self._totals, self._lengths = np.zeros(n), np.zeros(n, np.int64)  # of the episodes so far

    @cached_property
    def problem(self) -> Any:
        """One of the environments, None where none can be had."""
        if callable(single := getattr(self.env, "single", None)):
            return single()
        return next((as_given(env) for env in getattr(self.env.unwrapped, "envs", ())), None)

    def _way_of_stepping(self, watchers: list[Callback]) -> Callable[[], None]:
        def step_on() -> None:
            try:
                transitions, metrics = self._take_step()
            except BaseException:
                if not self._awaits_env:  # they have made a step that was not learnt from
                    self._observations = None  # new episodes begin, should the run go on
                raise
            for callback in watchers:
                callback.on_step(self, transitions, metrics)  # type: ignore[arg-type]
            self._end_episodes(transitions)

        return step_on

    def _take_step(self) -> tuple[Transitions, Any]:
        """Act, step, check, learn, check."""
        if self._observations is None:
            self._begin()
        agent, observations = self.agent, self._observations
        actions = agent.act_batch(observations, explore=True)
        if (fault := self._action_fault(actions)) is not None:
            raise self._unfit_action(fault, "actions")
        self._awaits_env = True
        seen, rewards, terminated, truncated, self.info = self.env.step(actions)
        self._awaits_env = False
        following, rewards = self._kept(seen), self._checked_rewards(rewards)
        last = self._last_observations(following, terminated | truncated) if self._at_once else following
        transitions = Transitions(observations, actions, rewards, last, terminated.copy(), truncated.copy())
        valid = None if self._at_once or not self._over.any() else ~self._over
        try:
            metrics = agent.update_batch(transitions, valid)
        except InvalidTransition as error:  # float32 holds less than was checked, for instance
            raise self._named(error) from None
        n = len(rewards) if valid is None else int(valid.sum())
        self.step += n
        self._observations = following
        self._totals += rewards
        self._lengths += 1 if valid is None else valid
        if metrics and (bad := self._means.add(metrics)) is not None and self.stop_on_divergence:
            raise self._diverged(f"{bad} is {float(metrics[bad]):g}")
        return transitions, metrics

    def _end_episodes(self, transitions: Transitions) -> None:
        ended = transitions.terminated | transitions.truncated
        if not self._at_once:
            self._over = ended
        if not ended.any():
            return
        totals, lengths = self._totals[ended].tolist(), self._lengths[ended].tolist()
        for total, length, success in zip(totals, lengths, self._successes(ended), strict=True):
            self.episodes.total, self.episodes.length = total, length
            self._tell_of_episode(*self.episodes.end(success))
        self._totals[ended], self._lengths[ended] = 0.0, 0

    def _begin(self) -> None:
        """Begin an episode everywhere."""
        self.agent.abandon_episode()
        seed = self.agent.seed
        if self.step and seed is not None:
            seed = int(np.random.SeedSequence((seed, self.step)).generate_state(1)[0])
        seen, self.info = self.env.reset(seed=seed)
        self._observations = self._kept(seen)
        self._over[:], self._totals[:], self._lengths[:] = False, 0.0, 0

    def _kept(self, seen: Any) -> Any:
        """Return observations `(N, ...)` as our own.

        Raises:
            InvalidTransition: they are not finite, or not in their space.
        """
        observations = copied(seen)
        if (fault := self._observation_fault(observations)) is not None:
            raise self._invalid("observations", fault)
        return observations

    def _checked_rewards(self, rewards: Any) -> NDArray[np.float64]:
        own = np.array(rewards, np.float64)
        if own.shape != (self.env.num_envs,):
            raise self._invalid("rewards", f"are of shape {own.shape}, expected {(self.env.num_envs,)}")
        finite = np.isfinite(own)
        if not finite.all():
            raise self._invalid("rewards", f"are {own[~finite][0]} somewhere, which is not finite")
        return own

    def _last_observations(self, following: Any, ended: NDArray[np.bool_]) -> Any:
        """Return what was seen last in the episodes that ended, and elsewhere what is seen now."""
        if not ended.any():
            return following
        space, last = self.env.single_observation_space, copied(following)
        put(last, ended, stack(space, list(self.info["final_obs"][ended])))
        if (fault := self._observation_fault(last)) is not None:
            raise self._invalid("last observations", fault)
        return last

    def _successes(self, ended: NDArray[np.bool_]) -> list[Any]:
        """Return what the last infos of the episodes that ended say of success, None where they say nothing."""
        info = self.info.get("final_info", {}) if self._at_once else self.info
        said = info.get("_is_success")
        if said is None:
            return [None] * int(ended.sum())
        pairs = zip(info["is_success"][ended].tolist(), said[ended].tolist(), strict=True)
        return [success if known else None for success, known in pairs]

    def _place(self) -> dict[str, Any]:
        return {
            "observations": self._observations,
            "over": self._over,
            "totals": self._totals,
            "lengths": self._lengths,
            "environment": self._rewind.state() if self.step else None,
        }

    def _go_back(self, state: dict[str, Any]) -> None:
        if state["environment"] is None:
            self._observations = None  # new episodes begin
            if self.step:
                warn(
                    f"{name_of(self.env)}: has no get_state() and set_state(state), so new episodes begin in all of "
                    "its environments; the run goes on, but not to the bit (in a SyncVectorEnv it would)"
                )
            return
        self._over = np.array(state["over"], np.bool_)
        self._rewind.restore(state["environment"], self._over)
        self._observations = copied(state["observations"])
        self._totals, self._lengths = np.array(state["totals"]), np.array(state["lengths"], np.int64)


def _is_plain(space: Any) -> bool:
    if isinstance(space, spaces.Dict):
        return all(map(_is_plain, space.spaces.values()))
    return isinstance(space, spaces.Discrete | spaces.Box)
