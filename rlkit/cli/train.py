"""Train an agent in an environment, with logs, checkpoints and an evaluation at the end."""

from __future__ import annotations

import dataclasses
import functools
import json as json_format
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from rlkit.cli import UsageError, parsed
from rlkit.errors import CheckpointError, ConfigError, SpaceError

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.cli._environments import EnvironmentSaid
    from rlkit.config import Config
    from rlkit.trainer import Trainer

STEPS = 100_000  # where no preset says how many an environment takes
MEASUREMENTS = 10  # evaluations of a run, and the episodes of each
EPISODES = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train an agent in an environment, with its hyperparameters as options: `rlkit train DDPG Pendulum-v1`.

    The run's folder gets TensorBoard curves, progress.csv, config.json and checkpoints. Ctrl-C finishes the step and
    writes a checkpoint; `rlkit train --resume RUN` goes on from there as if nothing had happened.
    `rlkit agents` lists the agents, `rlkit train AGENT --help` the agent's hyperparameters too.
    """

    environment: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")] = ""
    """Where: a gymnasium id, a map file, or a shipped map's name (rlkit envs lists them)."""

    steps: int | None = None
    """Steps of the whole run; None: as many as the environment's preset has, else 100,000."""

    seed: int = 0
    """The same seed gives the same run."""

    preset: str | None = None
    """Take tuned hyperparameters as defaults: those for the environment, or those of the NAME that follows."""

    env_kwargs: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...", help_behavior_hint="(default: none)")
    ] = ()
    """Arguments of the environment."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder to write to; None: a new one under runs/."""

    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Go on with the run in this folder; agent, environment and hyperparameters are the run's."""

    eval_every: int | None = None
    """Steps between evaluations of 5 episodes; None: a tenth of the run, 0: only one of 10 episodes in the end."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON object and nothing else."""


_COMMON = [field.name.replace("_", "-") for field in dataclasses.fields(Arguments)][1:]

_OF_RESUMED = ("resume", "steps", "eval-every", "json", "help")
_CHOICES = ", ".join(f"--{name}" for name in _OF_RESUMED[1:-1])


def understand(words: list[str]) -> Callable[[], None] | None:
    """Return what the words ask for; None if that was help, which was printed.

    Raises:
        UsageError: they make no sense.
        ConfigError: a preset or hyperparameter that does not exist.
    """
    words = _spell_out(_settle_preset(words), ("steps", "seed", "eval-every"))
    name, words = _take_agent(words)
    resumed = _value_of(words, "--resume")
    if resumed is not None:
        return _understand_resume(name, words)
    if name is not None:
        return _understand(name, words)
    if "--help" not in words and "-h" not in words:
        raise UsageError("no agent is named: rlkit train AGENT ENV, such as rlkit train DDPG Pendulum-v1")
    parsed(Arguments, "train AGENT", words)
    return None


def _understand(name: str, words: list[str]) -> Callable[[], None] | None:
    from rlkit.cli._hyperparameters import options_of, values_of

    agent_class = _learner(name)
    defaults = _defaults(name, agent_class, words)
    options = options_of(defaults, words)
    _check_names(words, [*_COMMON, *(option.name for option in options)])
    words = _spell_out(words, [option.name for option in options if option.annotation in (int, int | None)])
    arguments = parsed(_with(options), f"train {name}", words)
    if arguments is None:
        print(_presets_of(name, words))
        return None
    if not arguments.environment and arguments.preset not in (None, ITS_OWN):
        took = arguments.preset
        raise UsageError(
            f"no environment is named: --preset took {took!r} as its name; rlkit train {name} {took} --preset"
        )
    if not arguments.environment:
        raise UsageError(f"no environment is named: rlkit train {name} ENV, such as rlkit train DQN CartPole-v1")
    given = {option.path: getattr(arguments.hyperparameters, _field(option.path)) for option in options}
    return functools.partial(_begin, arguments, agent_class, values_of(defaults, given, words))


def _understand_resume(name: str | None, words: list[str]) -> Callable[[], None] | None:
    for word in words:
        if word.startswith("--") and _name_in(word) not in _OF_RESUMED:
            raise UsageError(f"{word.split('=')[0]}: a run that goes on keeps what it has; it takes {_CHOICES}")
    arguments = parsed(Arguments, "train AGENT", words)
    return None if arguments is None else functools.partial(_go_on, arguments, name)


def _begin(arguments: Arguments, agent_class: type[Agent], values: dict[str, Any]) -> None:
    """Start a new run."""
    from rlkit.cli._environments import folder_name, read_environment

    said = read_environment(arguments.environment, arguments.env_kwargs)
    directory = arguments.out or Path("runs") / f"{agent_class.__name__}-{folder_name(said.name)}"
    if arguments.out is not None and arguments.out.is_dir() and any(arguments.out.iterdir()):
        raise ConfigError(f"{directory}: the folder is not empty; --resume {directory} goes on with a run")
    env = said.make()
    try:
        agent = agent_class.for_env(env, seed=arguments.seed, **_with_features(values, env))
    except SpaceError as error:
        raise UsageError(
            str(error).replace("rlkit.features.TileCoding.for_env(env)", "--features TileCoding")
        ) from None
    steps = _steps(arguments.steps, said.identity)
    _run(agent, env, said, directory, steps, arguments, resume=False)


def _go_on(arguments: Arguments, name: str | None) -> None:
    """Go on with a run."""
    from rlkit.cli._environments import environment_of, read_environment
    from rlkit.cli._runs import agent_class_of, read_run

    run = arguments.resume
    assert run is not None
    config = read_run(run)
    agent_class = agent_class_of(config, run)
    said = environment_of(config, run)
    asked = read_environment(arguments.environment).identity if arguments.environment else said.identity
    if name not in (None, agent_class.__name__) or asked != said.identity:
        raise CheckpointError(f"{run}: is a run of {agent_class.__name__} on {said.identity}")
    steps = config.get("steps") if arguments.steps is None else arguments.steps
    if not isinstance(steps, int):
        raise CheckpointError(f"{run}: does not say how many steps it is to have; say it with --steps")
    env = said.make()
    agent = agent_class.for_env(env, seed=config.get("seed"), **config.get("hyperparameters", {}))
    _run(agent, env, said, run, steps, arguments, resume=True)


def _run(
    agent: Agent, env: Any, said: EnvironmentSaid, directory: Path, steps: int, arguments: Arguments, *, resume: bool
) -> None:
    """Train, evaluate, and say what came of it."""
    from rlkit.evaluation import evaluate
    from rlkit.trainer import Trainer

    judge = said.make(limited=True)
    trainer = Trainer(agent, env, callbacks=_callbacks(judge, steps, arguments.eval_every), directory=directory)
    if resume:
        trainer.resume()
    begun, first = time.perf_counter(), trainer.step
    try:
        trainer.run(max(steps - trainer.step, 0))
    except (KeyboardInterrupt, SystemExit) as stop:
        if trainer.folder is None:
            raise
        where = f"stopped at step {trainer.step:,} of {steps:,}; rlkit train --resume {trainer.folder.path}"
        if isinstance(stop, KeyboardInterrupt):
            raise KeyboardInterrupt(where) from None
        print(f"rlkit: {where}", file=sys.stderr)
        raise
    seconds = time.perf_counter() - begun
    episodes = evaluate(agent, judge, episodes=10)
    _picture(trainer, judge)
    _report(trainer, said, seconds, trainer.step - first, [episode.reward for episode in episodes], arguments.json)


def _picture(trainer: Trainer, judge: Any) -> None:
    """Show an episode of what was learnt, in TensorBoard and in the run's folder."""
    from rlkit.evaluation import play
    from rlkit.film import Film

    assert trainer.folder is not None
    film = Film(judge)
    for transition, _ in play(trainer.agent, judge, seed=0):
        film.note(transition)
    name, path = type(trainer.agent).__name__, trainer.folder.path / "evaluation"
    film.show(trainer.logger, "eval/episode", path, trainer.step, agent=name)
    trainer.logger.close()


def _report(
    trainer: Trainer, said: EnvironmentSaid, seconds: float, taken: int, returns: list[float], as_json: bool
) -> None:
    from statistics import fmean, pstdev

    assert trainer.folder is not None
    name, folder = type(trainer.agent).__name__, trainer.folder.path
    mean, deviation, truth = fmean(returns), pstdev(returns), _truth_in(folder)
    if as_json:
        found = {"agent": name, "environment": said.identity, "steps": trainer.step, "seconds": round(seconds, 3)}
        found |= {"mean_return": mean, "returns": returns, "truth": truth, "folder": str(folder)}
        print(json_format.dumps(found))
        return
    work = f"{taken:,} steps in {seconds:.1f} s" if taken else f"nothing to do: the run has its {trainer.step:,} steps"
    print(f"{name} on {said.name}, {work}: mean return {mean:.5g} +- {deviation:.2g} in {len(returns)} episodes")
    if truth:
        print(f"against the exact answer: {', '.join(f'{tag} {error:.3g}' for tag, error in truth.items())}")
    print(f"{folder}: tensorboard --logdir {folder}")


def _truth_in(folder: Path) -> dict[str, float]:
    """Return the latest of each `truth/...` in a run's log."""
    import csv

    latest: dict[str, float] = {}
    log = folder / "progress.csv"
    if not log.is_file():  # a run of no steps
        return latest
    with log.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            latest |= {tag[6:]: float(text) for tag, text in row.items() if tag.startswith("truth/") and text}
    return latest


def _callbacks(judge: Any, steps: int, every: int | None) -> list[Any]:
    from rlkit.callbacks import Callback
    from rlkit.evaluation import Evaluation

    class Plan(Callback):
        """Notes in `config.json` how long the run is to be, for who resumes it."""

        def on_start(self, trainer: Trainer) -> None:
            if trainer.folder is not None:
                trainer.folder.write_config({**trainer.folder.read_config(), "steps": steps})

    if every == 0:
        return [Plan()]
    every = max(1, steps // MEASUREMENTS) if every is None else every
    return [Plan(), Evaluation(judge, every=every, episodes=EPISODES, picture=False)]  # `_picture` draws the last


def _steps(asked: int | None, identity: str) -> int:
    from rlkit.agents.presets import preset_steps
    from rlkit.config import check_count

    return (preset_steps(identity) or STEPS) if asked is None else check_count("--steps", asked, at_least=0)


def _learner(name: str) -> Any:
    import rlkit.agents
    from rlkit.agent import Agent

    agent_class = getattr(rlkit.agents, name)
    if not issubclass(agent_class, Agent):
        raise UsageError(f"{name} plans with a model, and learns nothing: rlkit solve ENV")
    return agent_class


def _take_agent(words: list[str]) -> tuple[str | None, list[str]]:
    """Take the agent's name out of the words: the first one, or any that is a name where options come first."""
    from rlkit.agents import promises
    from rlkit.cli.agents import find

    known = {name.lower(): name for name in promises()}
    if words and not words[0].startswith("-"):
        later = [known[word.lower()] for word in words[1:] if word.lower() in known]
        if later and words[0].lower() not in known:
            raise UsageError(f"{words[0]} is no agent; the agent comes first: rlkit train {later[0]} {words[0]}")
        return find(words[0]), words[1:]
    for place, word in enumerate(words):
        if word.lower() in known:
            return known[word.lower()], [*words[:place], *words[place + 1 :]]
    return None, words


def _defaults(name: str, agent_class: Any, words: Sequence[str]) -> Config:
    """Return the hyperparameters unless others are said: the preset's, if one was asked for."""
    from rlkit.agents.presets import preset

    asked = _value_of(words, "--preset")
    if asked is None:
        defaults: Config = agent_class.Config()
        return defaults
    if asked == ITS_OWN:
        places = [word for word in words if not word.startswith("-") and word != ITS_OWN]
        asked = next((place for place in places if _has_preset(name, place)), places[0] if places else "")
    tuned: Config = agent_class.Config.from_dict(preset(name, asked))
    return tuned


ITS_OWN = "environment"


def _presets_of(agent: str, words: Sequence[str]) -> str:
    """Say which presets there are: whether one is for the environment, if the words begin with that; else all."""
    from rlkit.agents.presets import preset_names

    names = preset_names(agent)
    if words and not words[0].startswith("-"):
        known = words[0] in names
        return f"{agent} has a preset for {words[0]}: --preset." if known else f"{agent} has no preset for {words[0]}."
    return f"{agent} has presets: {', '.join(names)}." if names else f"{agent} has no presets."


def _has_preset(agent: str, name: str) -> bool:
    from rlkit.agents.presets import preset_names

    return name in preset_names(agent)


def _settle_preset(words: list[str]) -> list[str]:
    """Give `--preset` without a name the one that means the environment's own."""
    settled: list[str] = []
    for word, following in pairwise([*words, "--"]):
        settled.append(word)
        if word == "--preset" and following.startswith("-"):
            settled.append(ITS_OWN)
    return settled


def _spell_out(words: Sequence[str], counts: Sequence[str]) -> list[str]:
    """Write what counts are said as `1e4` with all its digits.

    Raises:
        UsageError: one is no whole number.
    """
    settled = list(words)
    for place, word in enumerate(words):
        if not word.startswith("--") or _name_in(word) not in counts:
            continue
        option, equals, said = word.partition("=")
        if not equals:
            if place + 1 == len(words) or words[place + 1].startswith("--"):
                continue  # the value is missing, as tyro will say
            said = words[place + 1]
        settled[place + (not equals)] = f"{option}={_digits(option, said)}" if equals else _digits(option, said)
    return settled


def _digits(option: str, said: str) -> str:
    if said == "None":
        return said
    try:
        return str(int(said))
    except ValueError:
        pass
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise UsageError(f"{option} {said}: expected a whole number")
    return str(int(number))


def _value_of(words: Sequence[str], option: str) -> str | None:
    for word, following in pairwise([*words, ""]):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return None


def _check_names(words: Sequence[str], known: Sequence[str]) -> None:
    from rlkit.cli._hyperparameters import nearest_option

    for word in words:
        name = _name_in(word)
        if word.startswith("--") and name not in (*known, "help") and not (name[:3] == "no-" and name[3:] in known):
            near = nearest_option(name, known)
            of, _, field = name.rpartition(".")
            kind = _value_of(words, f"--{of}") if of in known else None
            if kind is not None and not (near or "").startswith(f"{of}."):
                raise UsageError(f"--{name}: {of} {kind} has no {field}")
            hint = f"did you mean --{near}?" if near else "rlkit train AGENT --help lists them"
            raise UsageError(f"unknown option {word.split('=')[0]}; {hint}")


def _name_in(word: str) -> str:
    return word.removeprefix("--").split("=")[0].replace("_", "-")


def _with(options: Sequence[Any]) -> Any:
    """Make a dataclass of the common arguments and an agent's hyperparameters."""
    fields = [
        (
            _field(option.path),
            Annotated[
                option.annotation,
                tyro.conf.arg(
                    name=option.name,
                    help=option.help,
                    help_behavior_hint="(default: none)" if option.default == () else None,
                ),
            ],
            dataclasses.field(default=option.default),
        )
        for option in options
    ]
    nested: Any = dataclasses.make_dataclass("Hyperparameters", fields, frozen=True, kw_only=True)
    annotation = Annotated[nested, tyro.conf.OmitArgPrefixes]
    own = [("hyperparameters", annotation, dataclasses.field(default_factory=nested))]
    made = dataclasses.make_dataclass("Arguments", own, bases=(Arguments,), frozen=True, kw_only=True)
    made.__doc__ = Arguments.__doc__
    return made


def _field(path: Sequence[str]) -> str:
    return "_".join(["its", *path])


def _with_features(values: Mapping[str, Any], env: Any) -> dict[str, Any]:
    """Make the features that were said in words, for the environment."""
    from rlkit.cli._environments import argument
    from rlkit.cli._problems import near

    said = values.get("features")
    if not isinstance(said, tuple):
        return dict(values)
    if not said:
        return {**values, "features": None}
    import rlkit.features

    kinds = [name for name in rlkit.features.__all__ if hasattr(getattr(rlkit.features, name), "for_env")]
    if said[0] not in kinds:
        raise UsageError(f"--features {said[0]}: unknown kind{near(said[0], kinds)}")
    kind = getattr(rlkit.features, said[0])
    try:
        return {**values, "features": kind.for_env(env, **dict(argument("--features", text) for text in said[1:]))}
    except TypeError as error:
        raise UsageError(f"--features {' '.join(said)}: {error}") from None
