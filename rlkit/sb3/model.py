"""What SB3's callbacks take for the model that learns."""

from __future__ import annotations

import time
from collections import deque
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlkit.errors import ConfigError
from rlkit.sb3.logging import logger_into
from rlkit.sb3.replay import emptied, load_replay_buffer, own_path, save_replay_buffer
from rlkit.sb3.training_env import TrainingEnv

if TYPE_CHECKING:
    from rlkit.training import Training

STATS_WINDOW = 100  # episodes, as in SB3


class Model:
    """The agent of a run, with what SB3's callbacks read of a model.

    The agent's attributes (`model.critic`) and, after them, its hyperparameters (`model.gamma`) are found under their
    own names. What a model of SB3's has beyond that is missing, with an AttributeError that says so.

    Args:
        training: the run.

    Attributes:
        agent: what learns.
        logger: SB3's `Logger`, writing into the run's log.
        ep_info_buffer: of the last hundred episodes the return `r`, the length `l` and the time `t` of their end.
        ep_success_buffer: of the last hundred episodes `is_success`, where the environment says so.
        start_time: when it was made, in nanoseconds since 1970.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.agent = training.agent
        self.logger = logger_into(training)
        self.ep_info_buffer: deque[dict[str, float]] = deque(maxlen=STATS_WINDOW)
        self.ep_success_buffer: deque[bool] = deque(maxlen=STATS_WINDOW)
        self.start_time = time.time_ns()

    @property
    def num_timesteps(self) -> int:
        """Transitions learnt from."""
        return self.training.step

    @property
    def policy(self) -> Any:
        """The agent: it has `predict`, too."""
        return self.agent

    @property
    def replay_buffer(self) -> Any:
        """The agent's buffer of transitions; None where it has none."""
        return getattr(self.agent, "buffer", None)

    @cached_property
    def env(self) -> TrainingEnv:
        """The environment that is learnt in, to look at; it refuses to be stepped or reset."""
        return TrainingEnv(self.training.env)

    @property
    def n_envs(self) -> int:
        """How many environments are learnt in at once."""
        return self.env.num_envs

    def get_env(self) -> TrainingEnv:
        """Return `env`."""
        return self.env

    def get_vec_normalize_env(self) -> None:
        """Return None: agents that normalise what they see do so themselves."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Act, as `Policy.predict` does."""
        return self.agent.predict(observation, state, episode_start, deterministic)

    def save(self, path: str | Path) -> None:
        """Save the agent, for its class's `load`; the name is `path` with `.npz` in place of SB3's `.zip`.

        As in SB3, what it has stored to learn from is left out: there is `save_replay_buffer`.

        Raises:
            CheckpointError: the agent holds something that has no saved form, or the file cannot be written.
            Diverged: its parameters are not finite, in a run that ends then.
        """
        self.training._check_weights()
        path = own_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with emptied(self.agent):
            self.agent.save(path)

    def save_replay_buffer(self, path: str | Path) -> None:
        """Save what the agent has stored, in a file without pickle (see `rlkit.sb3.save_replay_buffer`)."""
        save_replay_buffer(self.agent, path)

    def load_replay_buffer(self, path: str | Path) -> None:
        """Bring what `save_replay_buffer` saved back into the agent."""
        load_replay_buffer(self.agent, path)

    def dump_logs(self) -> None:
        """Write a row of the log now."""
        self.training._log()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the agent, or else a hyperparameter."""
        agent = vars(self).get("agent")
        for owner in () if name.startswith("_") else (agent, getattr(agent, "config", None)):
            if hasattr(owner, name):
                return getattr(owner, name)
        raise AttributeError(f"{type(agent).__name__} shows SB3's callbacks no {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but no hyperparameter: nobody would heed it."""
        if name != "agent" and hasattr(vars(self).get("agent"), "config") and hasattr(self.agent.config, name):
            raise ConfigError(f"{type(self.agent).__name__}: {name} cannot be changed while it learns")
        super().__setattr__(name, value)
