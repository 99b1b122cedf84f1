"""How well a policy does, measured in an environment of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlkit.agent import Agent
from rlkit.callbacks import Callback, Episode
from rlkit.config import check_count
from rlkit.errors import ConfigError, SpaceError
from rlkit.film import Film
from rlkit.policy import Policy
from rlkit.spaces import keeper, stack
from rlkit.trainer import Trainer
from rlkit.transition import Transition

_KEY = 0x6576616C  # keeps these draws apart from the agent's and the environment's


def evaluation_seed(seed: int | None, *, final: bool = False) -> int:
    """Return what an environment is seeded with, to evaluate the agent of a seed.

    Agents of different seeds play different episodes, so that an interval over seeds has the noise of their evaluations
    in it; those of the same seed play the same.

    Args:
        seed: the agent's; None counts as 0.
        final: whether what was learnt in the end is evaluated, which takes other episodes than those on the way, by
            which the best agent of a run is chosen.
    """
    sequence = np.random.SeedSequence(seed or 0, spawn_key=(_KEY, int(final)))
    return int(sequence.generate_state(1)[0])


def evaluate(
    policy: Policy, env: gymnasium.Env[Any, Any], *, episodes: int = 10, seed: int | None = 0, max_steps: int = 100_000
) -> list[Episode]:
    """Return what a policy gets in whole episodes, acting as best it can.

    Args:
        policy: what acts.
        env: where; not the one it is being trained in, whose episode would be lost.
        episodes: how many.
        seed: of the first reset, so that policies are compared on the same draws.
        max_steps: end an episode that has not ended by itself after so many steps.

    Raises:
        ConfigError: `episodes` or `max_steps` is not a whole number of at least 1.
    """
    check_count("episodes", episodes)
    check_count("max_steps", max_steps)
    finished = []
    for number in range(1, episodes + 1):
        total, length = 0.0, 0
        for transition, _ in play(policy, env, seed=seed if number == 1 else None, max_steps=max_steps):
            total, length = total + transition.reward, length + 1
        finished.append(Episode(total, length, number))
    return finished


def play(
    policy: Policy, env: gymnasium.Env[Any, Any], *, seed: int | None = None, max_steps: int = 100_000
) -> Iterator[tuple[Transition, dict[str, Any]]]:
    """Act as best the policy can through one episode; yield every step, and what the environment adds to it.

    One that has not ended by itself after `max_steps` counts as truncated.
    """
    keep = keeper(env.observation_space)
    seen, _ = env.reset(seed=seed)
    observation, ended, length = keep(seen), False, 0
    while not ended:
        action = policy.act(observation)
        seen, reward, terminated, truncated, info = env.step(action)
        length += 1
        following, over = keep(seen), bool(truncated or length == max_steps)
        yield Transition(observation, action, float(reward), following, bool(terminated), over), info
        observation, ended = following, terminated or over


def q_bias(agent: Agent, episode: Sequence[Transition]) -> NDArray[np.float64] | None:
    """Return Q(s, a) minus the discounted return that followed, of each step of an episode, float64 `(T,)`.

    Fujimoto et al. (2018), section 4, plot both. Where the episode was cut short, its last observation's value stands
    for the rest of the return.

    Args:
        agent: whose values; None is returned if it has none (`Agent.q_values`), or none that are discounted.
        episode: all its steps, in order, taken by what the agent does without exploring.
    """
    space, last = agent.observation_space, episode[-1]
    actions = [t.action for t in episode]
    observations = [t.observation for t in episode]
    if not last.terminated:
        observations.append(last.next_observation)
        actions.append(agent.act(last.next_observation))
    values = agent.q_values(stack(space, observations), np.array(actions))  # [T] or [T + 1]
    if values is None or agent.average_reward is not None:
        return None
    following = 0.0 if last.terminated else float(values[-1])
    returns = np.empty(len(episode))
    for i in reversed(range(len(episode))):
        returns[i] = following = episode[i].reward + agent.config.gamma * following
    return np.asarray(values[: len(episode)], np.float64) - returns


class Evaluation(Callback):
    """Evaluates the agent while it learns, acting as best it can, in an environment of its own.

    It logs SB3's `eval/mean_reward`, `eval/mean_ep_length` and, where the environment says what a success is,
    `eval/success_rate`; and where the agent has action values, `eval/q_bias`: by how much they exceed, on average, the
    discounted returns that really follow (`q_bias`). The first episode goes to TensorBoard as `eval/episode`, and
    to `evaluation.gif` or `evaluation.png` in the run's folder: as an animation if the environment's `render_mode` is
    `"rgb_array"`, otherwise as curves of what was seen, done and paid.

    Args:
        env: an environment like the one trained in, but another.
        every: steps between evaluations.
        episodes: episodes an evaluation, the same ones in all evaluations of a run.
        max_steps: end an episode that has not ended by itself after so many steps.
        picture: whether to show the first episode.
        keep_best: whether the agent with the highest mean return so far is saved in the run's folder, as
            `checkpoints/best.npz`.
        seed: of the episodes; None: one that follows from the agent's, so that other agents play others.

    Raises:
        ConfigError: `every`, `episodes` or `max_steps` is not a whole number of at least 1, or `seed` of at least 0;
            or, when a run begins, the environment is the one trained in, or one of those.
        SpaceError: this is not one environment.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        *,
        every: int = 10_000,
        episodes: int = 10,
        max_steps: int = 100_000,
        picture: bool = True,
        keep_best: bool = True,
        seed: int | None = None,
    ) -> None:
        if not isinstance(env, gymnasium.Env):
            raise SpaceError(f"Evaluation: the environment is a {type(env).__name__}, expected one gymnasium.Env")
        self.env = env
        self.every: int = check_count("every", every)
        self.episodes = check_count("episodes", episodes)
        self.max_steps = check_count("max_steps", max_steps)
        self.picture = picture
        self.keep_best = keep_best
        self.seed = None if seed is None else check_count("seed", seed, at_least=0)

    def on_start(self, trainer: Trainer) -> None:
        """Make sure that evaluating leaves the run alone."""
        many = isinstance(trainer.env, gymnasium.vector.VectorEnv)
        trained_in = [trainer.env, *(getattr(trainer.env.unwrapped, "envs", ()) if many else ())]
        if any(self.env.unwrapped is env.unwrapped for env in trained_in):
            raise ConfigError("Evaluation: the environment is the one trained in, expected another one like it")

    def on_every(self, trainer: Trainer) -> None:
        """Evaluate."""
        film = Film(self.env) if self.picture and trainer.folder is not None else None
        found = [self._one(trainer.agent, number, film) for number in range(self.episodes)]
        row = {
            "eval/mean_reward": np.mean([one.total for one in found]),
            "eval/mean_ep_length": np.mean([one.length for one in found]),
        }
        if successes := [one.success for one in found if one.success is not None]:
            row["eval/success_rate"] = np.mean(successes)
        if biases := [one.bias for one in found if one.bias is not None]:
            row["eval/q_bias"] = np.concatenate(biases).mean()
        trainer.logger.scalars({tag: float(value) for tag, value in row.items()}, trainer.step)
        if self.keep_best:
            trainer.keep_best(float(row["eval/mean_reward"]))
        if film is not None and trainer.folder is not None:
            name, path = type(trainer.agent).__name__, trainer.folder.path / "evaluation"
            film.show(trainer.logger, "eval/episode", path, trainer.step, agent=name)

    def _one(self, agent: Agent, number: int, film: Film | None) -> _Found:
        steps: list[Transition] = []
        success = None
        first = evaluation_seed(agent.seed) if self.seed is None else self.seed
        note = _nothing if film is None or number else film.note
        for transition, info in play(agent, self.env, seed=None if number else first, max_steps=self.max_steps):
            note(transition)
            steps.append(transition)
            success = info.get("is_success")
        total = sum(t.reward for t in steps)
        return _Found(total, len(steps), None if success is None else float(success), q_bias(agent, steps))


@dataclasses.dataclass(frozen=True)
class _Found:
    total: float
    length: int
    success: float | None
    bias: NDArray[np.float64] | None


def _nothing(transition: Transition) -> None:
    pass
