"""SB3's callbacks, watching one of our runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback

from rlkit.callbacks import Callback
from rlkit.errors import ConfigError
from rlkit.sb3.model import Model
from rlkit.sb3.training_env import TrainingEnv
from rlkit.transition import Transition, Transitions

if TYPE_CHECKING:
    from rlkit.trainer import Trainer
    from rlkit.training import Training

Function = Callable[[dict[str, Any], dict[str, Any]], bool]


class SB3Callback(Callback):
    """Has a callback of SB3's watch a run as it would watch SB3's own.

    Trainers make one of what they find among their callbacks, so this is rarely needed. SB3's callback sees a `Model`,
    and as `locals`: `total_timesteps`, `actions`, `new_obs`, `rewards`, `dones`, `infos`, each with a first axis of N
    environments, and `self`, `env`, `replay_buffer`, `tb_log_name`. If its `_on_step` returns False, the run ends. It
    differs from SB3 in three things: `_on_step` comes after the agent has learnt from the step, not before; where an
    episode has ended, `new_obs` is its last observation, as is `infos[i]["terminal_observation"]`, and not the next
    one's first; and every such info has an `episode`, as if the environment were wrapped in SB3's `Monitor`. A rollout
    is `train_freq` transitions of an agent that has that, else one step.

    Args:
        callback: one of SB3's callbacks, a function of `locals` and `globals` (which is empty), or several in a list.

    Raises:
        ConfigError: it is none of these.
    """

    def __init__(self, callback: BaseCallback | Function | list[BaseCallback | Function]) -> None:
        self.callback = _converted(callback)
        self.model: Model | None = None
        self._began = time.time()
        self._watching = False
        self._train_freq = 1
        self._rollouts = 0

    def on_start(self, trainer: Trainer) -> None:
        """Introduce the model; training starts."""
        if self.model is None or self.model.training is not trainer:
            self.model = Model(trainer)
        model = self.model
        _check_apart(self.callback, model.env)
        self._train_freq = getattr(trainer.agent.config, "train_freq", 1)
        self.callback.init_callback(model)  # type: ignore[arg-type]
        known = {
            "self": model,
            "env": model.env,
            "replay_buffer": model.replay_buffer,
            "total_timesteps": trainer.end,
            "tb_log_name": type(trainer.agent).__name__,
        }
        self.callback.on_training_start(known, {})
        self._watching = True
        self._begin_rollout(trainer)

    def on_step(self, trainer: Trainer, transition: Transition, metrics: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Show what happened; end the run if the callback says so."""
        assert self.model is not None
        step = _Step(trainer, transition)
        self._note_episodes(step)
        self.callback.update_locals(step.locals())
        if not self.callback.on_step():
            trainer.stop()
        elif trainer.step // self._train_freq > self._rollouts:
            self.callback.on_rollout_end()
            self._begin_rollout(trainer)

    def on_log(self, trainer: Trainer, *, final: bool) -> None:  # noqa: ARG002
        """Add to the row what the callback has recorded and not dumped."""
        self._dump(trainer)

    def on_stop(self, trainer: Trainer) -> None:
        """Training has ended."""
        if self._watching:
            self._watching = False
            self.callback.on_training_end()
            self._dump(trainer)

    def _begin_rollout(self, trainer: Trainer) -> None:
        self._rollouts = trainer.step // self._train_freq
        if trainer.step < trainer.end:
            self.callback.on_rollout_start()

    def _dump(self, trainer: Trainer) -> None:
        if self.model is not None and self.model.logger.name_to_value:
            self.model.logger.dump(trainer.step)

    def _note_episodes(self, step: _Step) -> None:
        """Add to the infos of the episodes that have ended what SB3's wrappers add, and remember it."""
        assert self.model is not None
        for i in np.flatnonzero(step.dones).tolist():
            info = step.infos[i]
            info["terminal_observation"] = step.last_observation(i)
            if "episode" not in info:
                total, length = step.so_far(i)
                info["episode"] = {"r": total, "l": length, "t": round(time.time() - self._began, 6)}
            self.model.ep_info_buffer.append(info["episode"])
            if "is_success" in info:
                self.model.ep_success_buffer.append(info["is_success"])


class _Step:
    """One step as SB3 has it: a first axis of N environments everywhere, one info each, and `dones`.

    Args:
        training: the run, which has just taken it.
        transition: of one environment, or of N.
    """

    def __init__(self, training: Training, transition: Transition | Transitions) -> None:
        self._training = training
        self._transition = transition
        self._many = isinstance(transition, Transitions)
        terminated, truncated = np.atleast_1d(transition.terminated), np.atleast_1d(transition.truncated)  # [N]
        self.dones: NDArray[np.bool_] = terminated | truncated
        self.infos = self._infos()
        for one, cut in zip(self.infos, (truncated & ~terminated).tolist(), strict=True):
            one["TimeLimit.truncated"] = cut

    def locals(self) -> dict[str, Any]:
        """Return what SB3 has as local variables while it collects a rollout."""
        transition = self._transition
        return {
            "actions": transition.action if self._many else _stacked(transition.action),
            "new_obs": transition.next_observation if self._many else _stacked(transition.next_observation),
            "rewards": np.atleast_1d(np.asarray(transition.reward, np.float32)),
            "dones": self.dones,
            "infos": self.infos,
        }

    def _infos(self) -> list[dict[str, Any]]:
        """Return what the environments added to this step: where an episode has ended, not to the reset after it."""
        info = self._training.info
        if not self._many:
            return [dict(info)]
        infos = _split(info, len(self.dones))
        return [one.get("final_info", one) if over else one for one, over in zip(infos, self.dones, strict=True)]

    def last_observation(self, i: int) -> Any:
        """Return what environment i showed after the step."""
        return self._transition.next_observation[i] if self._many else self._transition.next_observation

    def so_far(self, i: int) -> tuple[float, int]:
        """Return the return and the length of environment i's episode up to here."""
        totals, lengths = getattr(self._training, "_totals", None), getattr(self._training, "_lengths", None)
        if totals is None or lengths is None:
            return self._training.episodes.total, self._training.episodes.length
        return float(totals[i]), int(lengths[i])


def adapted(callbacks: Iterable[Any]) -> list[Callback]:
    """Return callbacks with those of SB3 replaced by a single one of ours, where the first of them was."""
    ours: list[Callback] = []
    theirs: list[Any] = []
    for callback in callbacks:
        if isinstance(callback, Callback):
            ours.append(callback)
            continue
        if not theirs:
            at = len(ours)
        theirs.append(callback)
    if theirs:
        ours.insert(at, SB3Callback(theirs))
    return ours


def _converted(callback: Any) -> BaseCallback:
    if isinstance(callback, BaseCallback):
        return callback
    if isinstance(callback, list):
        return CallbackList([_converted(one) for one in callback])
    if not callable(callback) or isinstance(callback, type):
        raise ConfigError(f"SB3Callback: {callback!r} is neither one of SB3's callbacks nor a function")
    return ConvertCallback(callback)


def _check_apart(callback: BaseCallback, training: TrainingEnv) -> None:
    """Refuse to evaluate where is trained, before that ends the episode under way."""
    trained_in = [env.unwrapped for env in training.envs]
    for env in getattr(getattr(callback, "eval_env", None), "envs", ()):
        if any(env.unwrapped is one for one in trained_in):
            kind = type(callback).__name__
            raise ConfigError(f"{kind}: eval_env is the environment that is trained in, expected one of its own")
    below = [*getattr(callback, "callbacks", ()), getattr(callback, "callback", None)]
    for one in below:
        if isinstance(one, BaseCallback):
            _check_apart(one, training)


def _stacked(value: Any) -> Any:
    """Return an action or observation with a first axis of one environment."""
    if isinstance(value, dict):
        return {name: _stacked(part) for name, part in value.items()}
    return np.asarray(value)[None]


def _split(info: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
    """Return gymnasium's infos of a vector, arrays by name with masks by `_name`, as one dict an environment."""
    infos: list[dict[str, Any]] = [{} for _ in range(n)]
    for name, values in info.items():
        if name.startswith("_"):
            continue
        has = info.get(f"_{name}", np.ones(n, np.bool_))
        parts = _split(values, n) if isinstance(values, dict) else values
        for i in np.flatnonzero(has).tolist():
            infos[i][name] = parts[i]
    return infos
