"""Train an agent in an environment, with logs, checkpoints and an evaluation at the end."""

from __future__ import annotations

import dataclasses
import functools
import json as json_format
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from rlkit.cli import UsageError, parsed
from rlkit.cli._words import ITS_OWN, check_names, name_in, settle_preset, settle_ray, value_of
from rlkit.cli._words import spell_out as _spell_out
from rlkit.errors import CheckpointError, ConfigError, RlkitError, SpaceError

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.cli._config_files import Settings
    from rlkit.cli._environments import EnvironmentSaid
    from rlkit.cli._seeds import Experiment
    from rlkit.config import Config
    from rlkit.experiments import Pool
    from rlkit.trainer import Trainer

STEPS = 100_000  # where no preset says how many an environment takes
MEASUREMENTS = 10  # evaluations of a run, and the episodes of each
EPISODES = 5
IN_PYTHON = "the script that made it goes on with it, by rlkit.train(..., resume=True)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train an agent in an environment, with its hyperparameters as options: `rlkit train DDPG Pendulum-v1`.

    The run's folder gets TensorBoard curves, progress.csv, config.json and checkpoints. Ctrl-C finishes the step and
    writes a checkpoint; `rlkit train --resume RUN` goes on from there as if nothing had happened.
    `rlkit agents` lists the agents, `rlkit train AGENT --help` the agent's hyperparameters too. AGENT may be one of
    your own, MODULE:CLASS. With --seeds there is a run for each seed, as many at once as there are workers.
    """

    environment: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="ENV", help_behavior_hint="(required, unless --config or --resume has it)"),
    ] = ""
    """Where: a gymnasium id, a map file, or a shipped map's name (rlkit envs lists them)."""

    steps: int | None = None
    """Steps of the whole run; None: as many as the environment's preset has, else 100,000."""

    seed: int = 0
    """The same seed gives the same run. Of --seeds, the first."""

    seeds: int | None = None
    """Train so many agents, each with a seed and a folder of its own; None: a single one, in this process."""

    workers: int | None = None
    """How many of --seeds at once; None: as many as there are cores, or with --ray CPUs in the cluster."""

    ray: Annotated[str | None, tyro.conf.arg(metavar="[ADDRESS]")] = None
    """Train on the Ray cluster at ADDRESS, or with a Ray of this machine's own."""

    patience: float = 600.0
    """Seconds without a word after which one of --seeds counts as hung, and is ended."""

    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Take environment, steps and hyperparameters from a TOML file; options change them."""

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
    """Steps between evaluations of 5 episodes; None: a tenth of the run, 0: only one of 20 episodes in the end."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON object and nothing else."""


_COMMON = [field.name.replace("_", "-") for field in dataclasses.fields(Arguments)][1:]

_COUNTS = ("steps", "seed", "seeds", "workers", "eval-every")
_OF_RESUMED = ("resume", "steps", "eval-every", "json", "help")
_OF_MANY = ("workers", "ray", "patience")
_CHOICES = ", ".join(f"--{name}" for name in _OF_RESUMED[1:-1])


def understand(words: list[str]) -> Callable[[], int | None] | None:
    """Return what the words ask for; None if that was help, which was printed.

    Raises:
        UsageError: they make no sense.
        ConfigError: a preset or hyperparameter that does not exist.
    """
    from rlkit.cli._config_files import agent_in
    from rlkit.cli.agents import find

    words = _spell_out(settle_ray(settle_preset(words)), _COUNTS)
    name, words = _take_agent(words)
    if value_of(words, "--resume") is not None:
        return _understand_resume(name, words)
    if name is None and (file := value_of(words, "--config")) is not None:
        name = find(agent_in(Path(file)))
    if name is not None:
        return _understand(name, words)
    if "--help" not in words and "-h" not in words:
        raise UsageError("no agent is named: rlkit train AGENT ENV, such as rlkit train DDPG Pendulum-v1")
    parsed(Arguments, "train AGENT", words)
    return None


def _understand(named: str, words: list[str]) -> Callable[[], int | None] | None:
    from rlkit.cli._hyperparameters import options_of, values_of

    agent_class = _learner(named)
    name = agent_class.__name__
    settings = _settings(name, words)
    defaults = _defaults(name, agent_class, words, settings)
    options = options_of(defaults, words)
    check_names(words, [*_COMMON, *(option.name for option in options)])
    words = _spell_out(words, [option.name for option in options if option.annotation in (int, int | None)])
    arguments = parsed(_with(options), f"train {name}", _with_counts(words, settings))
    if arguments is None:
        print(_presets_of(name, words))
        return None
    arguments = _settled(arguments, settings)
    _check_said(arguments, named)
    given = {option.path: getattr(arguments.hyperparameters, _field(option.path)) for option in options}
    values = {**values_of(defaults, given, words), **_features_in(settings, given)}
    begin = _begin if arguments.seeds is None and arguments.ray is None else _begin_many
    return functools.partial(begin, arguments, agent_class, values)


def _settings(name: str, words: Sequence[str]) -> Settings:
    """Return what the file says that the words name, if they name one."""
    from rlkit.cli._config_files import Settings, read_settings

    file = value_of(words, "--config")
    return Settings() if file is None else read_settings(Path(file), name)


def _with_counts(words: Sequence[str], settings: Settings) -> list[str]:
    """Add the counts that the file has, and the words have not."""
    named = {name_in(word) for word in words if word.startswith("--")}
    counts = {name.replace("_", "-"): count for name, count in settings.counts.items()}
    return [*words, *(f"--{name}={count}" for name, count in counts.items() if name not in named)]


def _settled(arguments: Any, settings: Settings) -> Any:
    """Take the environment from the file where the words name none, and more of its arguments than they have."""
    own = tuple(f"{name}={json_format.dumps(value)}" for name, value in settings.env_kwargs.items())
    env_kwargs = (*own, *arguments.env_kwargs)  # of two of a name, the last counts
    environment = arguments.environment or settings.environment
    return dataclasses.replace(arguments, environment=environment, env_kwargs=env_kwargs)


def _features_in(settings: Settings, given: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Return the file's features, in words or as plain data, unless the words have others."""
    said = settings.hyperparameters.get("features")
    if said is None or given.get(("features",)):
        return {}
    return {"features": tuple(said) if isinstance(said, list) else said}


def _check_said(arguments: Any, named: str) -> None:
    """Refuse what lacks an environment, or has options that go with others.

    Raises:
        UsageError: see there.
    """
    took = arguments.preset
    if not arguments.environment and took not in (None, ITS_OWN):
        raise UsageError(
            f"no environment is named: --preset took {took!r} as its name; rlkit train {named} {took} --preset"
        )
    if not arguments.environment:
        raise UsageError(f"no environment is named: rlkit train {named} ENV, such as rlkit train DQN CartPole-v1")
    if arguments.seeds is None and arguments.ray is None and arguments.workers is not None:
        raise UsageError(f"--workers {arguments.workers}: is how many of --seeds train at once, so say --seeds too")


def _understand_resume(name: str | None, words: list[str]) -> Callable[[], int | None] | None:
    for word in words:
        if word.startswith("--") and name_in(word) not in (*_OF_RESUMED, *_OF_MANY, "seeds"):
            raise UsageError(f"{word.split('=')[0]}: a run that goes on keeps what it has; it takes {_CHOICES}")
    arguments = parsed(Arguments, "train AGENT", words)
    return None if arguments is None else functools.partial(_go_on, arguments, name)


def _begin(arguments: Arguments, agent_class: type[Agent], values: dict[str, Any]) -> None:
    """Start a new run."""
    said, directory = _place_of(arguments, agent_class)
    agent, env = _made(agent_class, said, arguments.seed, values)
    _run(agent, env, said, directory, _steps(arguments.steps, said.identity), arguments, resume=False)


def _begin_many(arguments: Arguments, agent_class: type[Agent], values: dict[str, Any]) -> int:
    """Start a new experiment; the agent that is made here shows that it can be made."""
    from rlkit.cli._results import make_folder
    from rlkit.cli._seeds import Experiment, pool_of
    from rlkit.config import check_count

    said, directory = _place_of(arguments, agent_class)
    agent, env = _made(agent_class, said, arguments.seed, values)
    env.close()
    steps = _steps(arguments.steps, said.identity)
    count = 1 if arguments.seeds is None else check_count("--seeds", arguments.seeds)
    experiment = Experiment(
        agent_class=agent_class,
        said=said,
        hyperparameters=agent.config.to_dict(),
        seeds=tuple(range(arguments.seed, arguments.seed + count)),
        steps=steps,
        eval_every=_interval(arguments.eval_every, steps),
    )
    pool = pool_of(arguments.workers, arguments.patience, arguments.ray)
    folder = make_folder(arguments.out, directory.name)
    experiment.write(folder)
    return _train_many(experiment, folder, pool, arguments)


def _train_many(experiment: Experiment, folder: Path, pool: Pool, arguments: Arguments) -> int:
    from rlkit.cli._seeds import train

    return train(experiment, folder, pool, episodes=EPISODES, as_json=arguments.json)


def _place_of(arguments: Arguments, agent_class: type[Agent]) -> tuple[EnvironmentSaid, Path]:
    """Return where to learn, and the folder to write to.

    Raises:
        ConfigError: there is something in the folder.
    """
    from rlkit.cli._environments import folder_name, read_environment

    said = read_environment(arguments.environment, arguments.env_kwargs)
    directory = arguments.out or Path("runs") / f"{agent_class.__name__}-{folder_name(said.name)}"
    if arguments.out is not None and arguments.out.is_dir() and any(arguments.out.iterdir()):
        raise ConfigError(f"{directory}: the folder is not empty; --resume {directory} goes on with a run")
    return said, directory


def _made(agent_class: type[Agent], said: EnvironmentSaid, seed: int, values: Mapping[str, Any]) -> tuple[Agent, Any]:
    from rlkit.experiments.pool import place_of, sentence_of

    env = said.make()
    try:
        return agent_class.for_env(env, seed=seed, **_with_features(values, env)), env
    except SpaceError as error:
        raise UsageError(
            str(error).replace("rlkit.features.TileCoding.for_env(env)", "--features TileCoding")
        ) from None
    except RlkitError:
        raise
    except Exception as error:
        if agent_class.__module__.startswith("rlkit."):
            raise
        name, why = agent_class.__name__, sentence_of(error) + place_of(error)
        raise UsageError(f"{name} cannot be made for {said.name}: {why}") from error


def _go_on(arguments: Arguments, name: str | None) -> int | None:
    """Go on with a run, or with an experiment."""
    from rlkit.cli._environments import environment_of, read_environment
    from rlkit.cli._runs import agent_class_of, read_run
    from rlkit.cli._seeds import is_experiment

    run = arguments.resume
    assert run is not None
    if is_experiment(run):
        return _go_on_with_many(arguments, run, name)
    config = read_run(run)
    if any(given is not None for given in (arguments.seeds, arguments.workers, arguments.ray)):
        raise UsageError(f"{run}: is a single run, which takes neither --seeds nor --workers nor --ray")
    agent_class = agent_class_of(config, run, _own(name))
    said = environment_of(config, run, arguments.environment, unknown=IN_PYTHON)
    asked = read_environment(arguments.environment).identity if arguments.environment else said.identity
    if not _is_of(agent_class, name) or asked != said.identity:
        raise CheckpointError(f"{run}: is a run of {agent_class.__name__} on {said.identity}")
    steps = config.get("steps") if arguments.steps is None else arguments.steps
    if not isinstance(steps, int):
        raise CheckpointError(f"{run}: does not say how many steps it is to have; say it with --steps")
    env = said.make()
    agent = _saved_agent(agent_class, env, config, run)
    _run(agent, env, said, run, steps, arguments, resume=True)
    return None


def _saved_agent(agent_class: type[Agent], env: Any, config: Mapping[str, Any], run: Path) -> Agent:
    """Make the agent that a run's `config.json` describes.

    Raises:
        CheckpointError: it describes none.
    """
    hyperparameters = config.get("hyperparameters", {})
    if not isinstance(hyperparameters, dict) or {"env", "seed"} & hyperparameters.keys():
        raise CheckpointError(f"{run}: its config.json has no hyperparameters, but {hyperparameters!r}")
    return agent_class.for_env(env, seed=config.get("seed"), **hyperparameters)


def _go_on_with_many(arguments: Arguments, folder: Path, name: str | None) -> int:
    """Go on with what is unfinished or failed of an experiment, and with more seeds or steps if they are asked for."""
    from rlkit.cli._environments import read_environment
    from rlkit.cli._seeds import pool_of, read_experiment
    from rlkit.config import check_count
    from rlkit.experiments.seeds import held

    found = read_experiment(folder, _own(name), arguments.environment)
    identity = found.said.identity
    asked = read_environment(arguments.environment).identity if arguments.environment else identity
    if not _is_of(found.agent_class, name) or asked != identity:
        raise CheckpointError(f"{folder}: is an experiment with {found.agent_class.__name__} on {identity}")
    if arguments.seeds is not None:
        first = found.seeds[0]
        found = dataclasses.replace(found, seeds=tuple(range(first, first + check_count("--seeds", arguments.seeds))))
    found = dataclasses.replace(
        found,
        steps=found.steps if arguments.steps is None else check_count("--steps", arguments.steps, at_least=0),
        eval_every=found.eval_every if arguments.eval_every is None else _interval(arguments.eval_every, found.steps),
    )
    pool = pool_of(arguments.workers, arguments.patience, arguments.ray)
    with held(folder):
        found.write(folder)
    return _train_many(found, folder, pool, arguments)


def _own(name: str | None) -> type[Agent] | None:
    """Return the class that `MODULE:CLASS` names, None for a name of rlkit's, or none."""
    from rlkit.cli._own import load_agent_class

    return None if name is None or ":" not in name else load_agent_class(name)


def _is_of(agent_class: type[Agent], name: str | None) -> bool:
    return name is None or ":" in name or name == agent_class.__name__


def _run(
    agent: Agent, env: Any, said: EnvironmentSaid, directory: Path, steps: int, arguments: Arguments, *, resume: bool
) -> None:
    """Train, evaluate, and say what came of it."""
    from rlkit.cli._runs import command_to_resume
    from rlkit.evaluation import evaluate, evaluation_seed
    from rlkit.experiments import seeds
    from rlkit.trainer import Trainer

    judge = said.make(limited=True)
    trainer = Trainer(agent, env, callbacks=_callbacks(judge, steps, arguments.eval_every), directory=directory)
    if resume:
        trainer.resume(or_begin=True)
    begun, first = time.perf_counter(), trainer.step
    try:
        trainer.run(max(steps - trainer.step, 0))
    except (KeyboardInterrupt, SystemExit) as stop:
        if trainer.folder is None:
            raise
        again = command_to_resume(type(agent), said, trainer.folder.path)
        where = f"stopped at step {trainer.step:,} of {steps:,}; {again} goes on"
        if isinstance(stop, KeyboardInterrupt):
            raise KeyboardInterrupt(where) from None
        print(f"rlkit: {where}", file=sys.stderr)
        raise
    seconds = time.perf_counter() - begun
    episodes = evaluate(agent, judge, episodes=seeds.EPISODES, seed=evaluation_seed(agent.seed, final=True))
    assert trainer.folder is not None
    if trainer.step > first or not any(trainer.folder.path.glob("evaluation.*")):
        _picture(trainer, judge)
    _report(trainer, said, seconds, trainer.step - first, [episode.reward for episode in episodes], arguments.json)


def _picture(trainer: Trainer, judge: Any) -> None:
    """Show an episode of what was learnt, in TensorBoard and in the run's folder."""
    from rlkit.evaluation import evaluation_seed, play
    from rlkit.film import Film

    assert trainer.folder is not None
    film = Film(judge)
    for transition, _ in play(trainer.agent, judge, seed=evaluation_seed(trainer.agent.seed, final=True)):
        film.note(transition)
    name, path = type(trainer.agent).__name__, trainer.folder.path / "evaluation"
    film.show(trainer.logger, "eval/episode", path, trainer.step, agent=name)
    trainer.logger.close()


def _report(
    trainer: Trainer, said: EnvironmentSaid, seconds: float, taken: int, returns: list[float], as_json: bool
) -> None:
    from statistics import fmean, pstdev

    from rlkit.experiments.seeds import truth_in

    assert trainer.folder is not None
    name, folder = type(trainer.agent).__name__, trainer.folder.path
    mean, deviation, truth = fmean(returns), pstdev(returns), truth_in(folder)
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


def _callbacks(judge: Any, steps: int, every: int | None) -> list[Any]:
    from rlkit.callbacks import Callback
    from rlkit.evaluation import Evaluation

    class Plan(Callback):
        """Notes in `config.json` how long the run is to be, for who resumes it."""

        def on_start(self, trainer: Trainer) -> None:
            if trainer.folder is not None:
                trainer.folder.write_config({**trainer.folder.read_config(), "steps": steps})

    every = _interval(every, steps)
    if every == 0:
        return [Plan()]
    return [Plan(), Evaluation(judge, every=every, episodes=EPISODES, picture=False)]  # `_picture` draws the last


def _interval(asked: int | None, steps: int) -> int:
    """Return the steps between evaluations, 0 for none."""
    from rlkit.config import check_count

    return max(1, steps // MEASUREMENTS) if asked is None else check_count("--eval-every", asked, at_least=0)


def _steps(asked: int | None, identity: str) -> int:
    from rlkit.agents.presets import preset_steps
    from rlkit.config import check_count

    return (preset_steps(identity) or STEPS) if asked is None else check_count("--steps", asked, at_least=0)


def _learner(name: str) -> Any:
    import rlkit.agents
    from rlkit.agent import Agent

    if (own := _own(name)) is not None:
        return own
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
        return words[0] if ":" in words[0] else find(words[0]), words[1:]
    for place, word in enumerate(words):
        if word.lower() in known:
            return known[word.lower()], [*words[:place], *words[place + 1 :]]
    return None, words


def _defaults(name: str, agent_class: Any, words: Sequence[str], settings: Settings) -> Config:
    """Return the hyperparameters unless others are said: the preset's, if one was asked for, and the file's."""
    from rlkit.agents.presets import preset

    asked = value_of(words, "--preset")
    if asked == ITS_OWN:
        places = [word for word in words if not word.startswith("-") and word != ITS_OWN] or [settings.environment]
        asked = next((place for place in places if _has_preset(name, place)), places[0])
    tuned = {} if asked is None else preset(name, asked)
    given = {field: value for field, value in settings.hyperparameters.items() if field != "features"}
    defaults: Config = agent_class.Config.from_dict({**tuned, **given})
    return defaults


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
