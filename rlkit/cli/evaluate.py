"""Evaluate a trained agent, and film it."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import gymnasium
import tyro

if TYPE_CHECKING:
    from rlkit.callbacks import Episode
    from rlkit.policy import Policy

LONGEST_FILM = 600  # frames


def run(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    environment: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ENV]")] = None,
    *,
    episodes: int = 10,
    seed: int = 0,
    env_kwargs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = (),
    gif: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Let the agent of a run act as best it can, in the run's environment or another one.

    Args:
        run: a run's folder, whose newest checkpoint is taken, or one of its checkpoints.
        environment: another environment with the same spaces; None: the run's own.
        episodes: how many.
        seed: of the first episode.
        env_kwargs: arguments of the environment, in place of the run's.
        gif: write the first episode as an animation.
        json: print one JSON object and nothing else.
    """
    from rlkit.cli._environments import environment_of, read_environment
    from rlkit.cli._runs import check_spaces, load_agent, read_run, run_of
    from rlkit.config import check_count
    from rlkit.evaluation import evaluate

    check_count("episodes", episodes)
    folder = run_of(run)
    agent = load_agent(run, read_run(folder))
    said = environment_of(read_run(folder), folder) if environment is None else read_environment(environment)
    said = said.with_arguments(env_kwargs)
    env = said.make(limited=True, render_mode=None if gif is None else "rgb_array")
    check_spaces(agent, env, said.name)
    film = Film(env)
    found = evaluate(agent, env if gif is None else film, episodes=episodes, seed=seed)
    if gif is not None:
        film.write(gif)
    env.close()
    print(_as_json(agent, said.identity, found, gif) if json else _report(agent, said.name, found, gif))


class Film(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Keeps the pictures of the first episode."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self.frames: list[Any] = []
        self.n_episodes = 0

    def reset(self, **keywords: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        result = self.env.reset(**keywords)
        self.n_episodes += 1
        self._take()
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step, and a picture."""
        result = self.env.step(action)
        self._take()
        return result

    def write(self, path: Path) -> None:
        """Write what was filmed as an animation.

        Raises:
            ConfigError: the environment drew nothing.
        """
        from rlkit.cli._results import write_whole
        from rlkit.errors import ConfigError
        from rlkit.logger import encode_gif

        if not self.frames:
            raise ConfigError("--gif: the environment draws no pictures")
        rate = self.env.metadata.get("render_fps", 30)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, encode_gif(self.frames, frames_per_second=min(float(rate), 50.0)))

    def _take(self) -> None:
        if self.n_episodes == 1 and len(self.frames) < LONGEST_FILM:
            picture: Any = self.env.render()
            if picture is not None:
                self.frames.append(picture)


def _as_json(agent: Policy, identity: str, found: list[Episode], gif: Path | None) -> str:
    from statistics import fmean, pstdev

    returns = [episode.reward for episode in found]
    answer = {
        "agent": type(agent).__name__,
        "environment": identity,
        "mean_return": fmean(returns),
        "deviation": pstdev(returns),
        "mean_length": fmean(episode.length for episode in found),
        "returns": returns,
        "gif": None if gif is None else str(gif),
    }
    return json_format.dumps(answer)


def _report(agent: Policy, name: str, found: list[Episode], gif: Path | None) -> str:
    from statistics import fmean, pstdev

    from rlkit.cli._text import table

    returns = [episode.reward for episode in found]
    rows = [
        ("episodes", str(len(found))),
        ("mean return", f"{fmean(returns):.6g} +- {pstdev(returns):.3g}"),
        ("least, most", f"{min(returns):.6g}, {max(returns):.6g}"),
        ("mean length", f"{fmean(episode.length for episode in found):.6g} steps"),
    ]
    film = [] if gif is None else [str(gif)]
    return "\n".join([f"{type(agent).__name__} on {name}:", table(rows), *film])
