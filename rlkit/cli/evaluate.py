"""Evaluate a trained agent, and film it."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from rlkit.callbacks import Episode
    from rlkit.policy import Policy


def run(
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")],
    environment: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ENV]")] = None,
    *,
    episodes: int = 20,
    seed: int | None = None,
    agent: Annotated[str | None, tyro.conf.arg(metavar="MODULE:CLASS")] = None,
    env_kwargs: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...", help_behavior_hint="(default: none)")
    ] = (),
    best: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    gif: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Let the agent of a run act as best it can, in the run's environment or another one.

    Args:
        run: a run's folder, whose newest checkpoint is taken, or one of its checkpoints.
        environment: another environment with the same spaces; None: the run's own.
        episodes: how many.
        seed: of the first episode; None: the one that training ended with, which follows from the agent's.
        agent: the class of the run's agent, where that is none of rlkit's.
        env_kwargs: arguments of the environment, in place of the run's.
        best: take the checkpoint that was evaluated best while it learnt, not the newest.
        gif: write the first episode as an animation.
        json: print one JSON object and nothing else.
    """
    from rlkit.cli._environments import environment_of, read_environment
    from rlkit.cli._own import load_agent_class
    from rlkit.cli._runs import check_spaces, load_agent, read_run, run_of
    from rlkit.config import check_count
    from rlkit.errors import ConfigError
    from rlkit.evaluation import evaluate, evaluation_seed

    check_count("--episodes", episodes)
    if seed is not None:
        check_count("--seed", seed, at_least=0)
    if gif is not None and gif.suffix.lower() != ".gif":
        raise ConfigError(f"--gif {gif}: the name has to end in .gif")
    folder = run_of(run)
    learnt = load_agent(
        _best_of(folder) if best else run, read_run(folder), None if agent is None else load_agent_class(agent)
    )
    said = environment_of(read_run(folder), folder) if environment is None else read_environment(environment)
    said = said.with_arguments(env_kwargs)
    env = said.make(limited=True, render_mode=None if gif is None else "rgb_array")
    check_spaces(learnt, env, said.name)
    if seed is None:
        seed = evaluation_seed(learnt.seed, final=True)
    if gif is not None:
        _film(learnt, env, seed, gif)
    found = evaluate(learnt, env, episodes=episodes, seed=seed)
    env.close()
    print(_as_json(learnt, said.identity, found, gif) if json else _report(learnt, said.name, found, gif))


def _best_of(run: Path) -> Path:
    """Return the checkpoint of a run that was evaluated best.

    Raises:
        CheckpointError: there is none.
    """
    from rlkit.errors import CheckpointError
    from rlkit.run import RunFolder

    path = RunFolder(run).best
    if not path.is_file():
        raise CheckpointError(f"{run}: keeps no best checkpoint; its agent was never evaluated while it learnt")
    return path


def _film(agent: Policy, env: Any, seed: int, path: Path) -> None:
    """Write an episode as an animation.

    Raises:
        ConfigError: the environment draws no pictures.
    """
    from rlkit.errors import ConfigError
    from rlkit.evaluation import play
    from rlkit.film import Film
    from rlkit.logger import Logger

    film = Film(env)
    for transition, _ in play(agent, env, seed=seed):
        film.note(transition)
    if not film.frames:
        raise ConfigError(f"--gif: {film.trouble or 'the environment draws no pictures'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    film.show(Logger(None), "eval/episode", path, 0, agent=type(agent).__name__)


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
