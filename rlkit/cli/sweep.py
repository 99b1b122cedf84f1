"""Look for the hyperparameters that an agent learns best with."""

from __future__ import annotations

import dataclasses
import functools
import json as json_format
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import tyro

from rlkit.cli import UsageError, parsed
from rlkit.cli._words import ITS_OWN, settle_preset, settle_ray, spell_out
from rlkit.errors import ConfigError

if TYPE_CHECKING:
    from rlkit.agent import Agent
    from rlkit.cli._environments import EnvironmentSaid
    from rlkit.experiments import Sweep, Trial

LISTED = 5  # trials

_Words = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...", help_behavior_hint="(default: none)")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """Look for the hyperparameters that an agent learns best with: `rlkit sweep DQN CartPole-v1 --trials 50`.

    Trials are proposed by Optuna, run in parallel, measured while they learn, and given up where they are worse than
    others. The folder gets a table of all trials, the best hyperparameters for `rlkit train --config`, pictures, and
    the runs. Ctrl-C lets the runs write a checkpoint; `rlkit sweep --resume DIR` goes on from there.
    `optuna-dashboard DIR/study.journal` shows the sweep in a browser.
    """

    environment: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="ENV", help_behavior_hint="(required, unless --config or --resume has it)"),
    ] = ""
    """Where: a gymnasium id, a map file, or a shipped map's name (rlkit envs lists them)."""

    search: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="NAME=RANGE ...", help_behavior_hint="(default: around its own values)")
    ] = ()
    """Where to look: learning_rate=1e-4:1e-2:log, n_steps=1:9:2, batch_size=32,64 or network=[64],[64,64]."""

    set: _Words = ()
    """Hyperparameters that differ from the agent's own and are not searched: gamma=0.98 network=[64,64]."""

    features: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="KIND NAME=VALUE ...", help_behavior_hint="(default: none)")
    ] = ()
    """Features of a linear agent, as rlkit train has them: TileCoding tilings=8."""

    preset: str | None = None
    """Start from tuned hyperparameters: those for the environment, or those of the NAME that follows."""

    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """A TOML file with these options, [search], and a table of hyperparameters under the agent's name."""

    trials: int | None = None
    """How many there are to be in all; None: 50."""

    steps: int | None = None
    """Steps of each seed; None: as many as the environment's preset has, else 100,000."""

    seeds: int | None = None
    """Seeds of each trial, whose mean counts; None: 1."""

    workers: int | None = None
    """Trials at once; None: as many as there are cores, or with --ray CPUs in the cluster."""

    ray: Annotated[str | None, tyro.conf.arg(metavar="[ADDRESS]")] = None
    """Run on the Ray cluster at ADDRESS, or with a Ray of this machine's own."""

    patience: float = 600.0
    """Seconds without a word after which a trial counts as hung, and is ended."""

    sampler: str | None = None
    """Who proposes: tpe, random or grid; None: tpe."""

    pruner: str | None = None
    """Who gives up: median, hyperband or none; None: median."""

    metric: Annotated[str | None, tyro.conf.arg(metavar="TAG")] = None
    """What counts: eval (the mean return), eval/success_rate, truth/..., rollout/...; None: eval."""

    direction: str | None = None
    """maximize or minimize; None: minimize for errors against the truth, else maximize."""

    measurements: int | None = None
    """Of the metric, for each seed; None: 10."""

    episodes: int | None = None
    """Of an evaluation; None: 10."""

    seed: int | None = None
    """Of the proposals; with one worker, the same seed gives the same sweep. None: 0."""

    env_kwargs: _Words = ()
    """Arguments of the environment."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder to write to; None: a new one under runs/."""

    resume: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Go on with the sweep in this folder."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON object and nothing else."""


_OF_RESUMED = ("trials", "workers", "ray", "patience", "json")
_COUNTS = ("trials", "steps", "seeds", "seed", "workers", "measurements", "episodes")
_OF_FILE = ("trials", "steps", "seeds", "sampler", "pruner", "metric", "direction", "measurements", "episodes", "seed")


def understand(words: list[str]) -> Callable[[], int] | None:
    """Return what the words ask for; None if that was help, which was printed.

    Raises:
        UsageError: they make no sense.
    """
    name = words[0] if words and not words[0].startswith("-") else None
    settled = spell_out(settle_ray(settle_preset(words if name is None else words[1:])), _COUNTS)
    arguments = parsed(Arguments, "sweep AGENT", settled)
    if arguments is None:
        return None
    if arguments.resume is not None:
        return functools.partial(_go_on, arguments, name)
    said = _read(arguments.config, name)
    name = name or said.get("agent")
    if not isinstance(name, str):
        raise UsageError("no agent is named: rlkit sweep AGENT ENV, such as rlkit sweep DQN CartPole-v1")
    return functools.partial(_begin, arguments, _agent_class(name), said)


def _begin(arguments: Arguments, agent: type[Agent], said: Mapping[str, Any]) -> int:
    """Start a new sweep."""
    from rlkit.cli._environments import folder_name, read_environment
    from rlkit.cli._results import discarded_if_empty, make_folder
    from rlkit.cli.train import STEPS

    word = arguments.environment or said.get("environment", "")
    if not word:
        raise UsageError("no environment is named: rlkit sweep AGENT ENV, such as rlkit sweep DQN CartPole-v1")
    env = read_environment(word)
    env = env._replace(arguments={**env.arguments, **said.get("env_kwargs", {})}).with_arguments(arguments.env_kwargs)
    settings = {name: value for name in _OF_FILE if (value := _setting(arguments, said, name)) is not None}
    settings.setdefault("steps", _preset_steps(env.identity) or STEPS)
    search = {**said.get("search", {}), **dict(_pair("--search", text) for text in arguments.search)}
    if arguments.out is not None and (arguments.out / "sweep.json").exists():
        raise ConfigError(f"{arguments.out}: holds a sweep; rlkit sweep --resume {arguments.out} goes on with it")
    hyperparameters = _hyperparameters(arguments, agent, env, said)
    folder = make_folder(arguments.out, f"sweep-{agent.__name__}-{folder_name(env.name)}")
    with discarded_if_empty(folder):
        return _run(arguments, agent, env, folder, search=search, hyperparameters=hyperparameters, **settings)


def _go_on(arguments: Arguments, name: str | None) -> int:
    """Go on with a sweep."""
    from rlkit.cli._environments import environment_of, read_environment
    from rlkit.cli._runs import agent_class_of
    from rlkit.errors import CheckpointError
    from rlkit.experiments.sweeps import read_description

    folder = arguments.resume
    assert folder is not None
    said = read_description(folder)
    agent = agent_class_of(said, folder, None if name is None else _agent_class(name))
    given = [name for name in _given(arguments) if name not in (*_OF_RESUMED, "environment", "resume")]
    if given:
        options = ", ".join(f"--{name}" for name in _OF_RESUMED)
        raise UsageError(f"--{given[0].replace('_', '-')}: a sweep that goes on keeps what it has; it takes {options}")
    env = environment_of(said, folder, arguments.environment)
    asked = read_environment(arguments.environment).identity if arguments.environment else env.identity
    if asked != env.identity:
        raise CheckpointError(f"{folder}: is a sweep of {agent.__name__} on {env.identity}")
    return _run(arguments, agent, env, folder, **_settings_in(said, folder, arguments.trials))


def _settings_in(said: Mapping[str, Any], folder: Path, trials: int | None) -> dict[str, Any]:
    """Return a sweep's settings as its folder's description has them, but for more trials.

    Raises:
        CheckpointError: the description lacks some.
    """
    from rlkit.errors import CheckpointError

    settings = {name: said[name] for name in _OF_FILE if name in said}
    try:
        settings |= {"search": dict(said["search"]), "hyperparameters": dict(said["hyperparameters"])}
        settings["measurements"] = max(1, int(said["steps"]) // int(said["every"]))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(f"{folder}: its description is damaged ({type(error).__name__}: {error})") from None
    return settings if trials is None else {**settings, "trials": trials}


def _run(arguments: Arguments, agent: type[Agent], env: EnvironmentSaid, folder: Path, **settings: Any) -> int:
    """Do what is left of a sweep, and say what came of it; return the exit code."""
    from rlkit.cli._seeds import pool_of
    from rlkit.experiments import sweep

    pool = pool_of(arguments.workers, arguments.patience, arguments.ray)
    with _Bar(settings.get("trials", 50)) as bar:
        try:
            found = sweep(
                agent,
                _Making(env),
                settings.pop("search") or None,
                directory=folder,
                pool=pool,
                evaluate_in=_Making(env, limited=True),
                on_trial=bar.show,
                **settings,
            )
        except (KeyboardInterrupt, SystemExit) as stop:
            where = f"stopped; rlkit sweep --resume {folder} goes on"
            if isinstance(stop, KeyboardInterrupt):
                raise KeyboardInterrupt(where) from None
            print(f"rlkit: {where}", file=sys.stderr)
            raise
    print(json_format.dumps(_as_json(found, env)) if arguments.json else _as_text(found, env, folder))
    return 0 if found.best is not None else 1


@dataclasses.dataclass(frozen=True)
class _Making:
    """Makes an environment, in whatever process."""

    said: EnvironmentSaid
    limited: bool = False

    def __call__(self) -> Any:
        import rlkit.envs  # noqa: F401  (registers)

        return self.said.make(limited=self.limited)


class _Bar:
    """Shows, on a terminal, how many trials are over; says of each that failed why."""

    def __init__(self, trials: int) -> None:
        from tqdm import tqdm

        self.bar = tqdm(total=trials, unit="trial", disable=None, file=sys.stderr)

    def show(self, found: Sweep, trial: Trial) -> None:
        """Count the trials that are over."""
        self.bar.update(sum(each.state != "running" for each in found.trials) - self.bar.n)
        if trial.error is not None and not self.bar.disable:
            self.bar.write(f"trial {trial.number}: {trial.error}", file=sys.stderr)
        if found.best is not None:
            self.bar.set_postfix({"best": f"{found.best.value:.5g}"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _hyperparameters(
    arguments: Arguments, agent: type[Agent], env: EnvironmentSaid, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the hyperparameters that are not searched: the preset's, those of the file, and those that are set."""
    from rlkit.agents.presets import preset
    from rlkit.cli.train import _with_features
    from rlkit.experiments.search import read_value, with_values

    tuned: dict[str, Any] = {}
    name = arguments.preset or said.get("preset")
    if name is not None:
        tuned = preset(agent.__name__, env.identity if name == ITS_OWN else name)
    config = agent.Config.from_dict({**tuned, **said.get(agent.__name__, {})})
    given = {name: read_value(text) for name, text in (_pair("--set", text) for text in arguments.set)}
    values = with_values(config, given).to_dict()
    return _with_features({**values, "features": arguments.features}, env.make()) if arguments.features else values


def _as_text(found: Sweep, env: EnvironmentSaid, folder: Path) -> str:
    from rlkit.cli._text import columns
    from rlkit.experiments.search import label_of

    counts = [f"{sum(trial.state == state for trial in found.trials)} {state}" for state in ("complete", "pruned")]
    lost = [trial for trial in found.trials if trial.error is not None]
    counts += [f"{sum(trial.state == 'failed' for trial in found.trials)} failed"]
    lines = [f"{found.agent.__name__} on {env.name}, {len(found.trials)} trials: {', '.join(counts)}"]
    rows = [["trial", found.metric, *found.space]]
    for trial in found.ranking[:LISTED]:
        chosen = [_short(label_of(trial.hyperparameters[name])) for name in found.space]
        rows.append([str(trial.number), _short(trial.value), *chosen])
    if len(rows) > 1:
        lines.append(columns(rows))
    if found.importances:
        shares = [f"{name} {share:.0%}" for name, share in found.importances.items()]
        lines.append(f"what matters: {', '.join(shares)}")
    if found.outside:
        own = ", ".join(f"{name}={label_of(value)}" for name, value in found.outside.items())
        lines.append(f"no trial has the agent's own values: {own} is not where was looked")
    for state, error in dict.fromkeys((trial.state, trial.error) for trial in lost):
        numbers = [str(trial.number) for trial in lost if (trial.state, trial.error) == (state, error)]
        lines.append(f"trial{'s' * (len(numbers) > 1)} {', '.join(numbers)} {state}: {error}")
    own = "" if found.agent.__module__.startswith("rlkit.") else f"{found.agent.__module__}:{found.agent.__name__} "
    train = f": rlkit train {own}--config {folder / 'best.toml'} --seeds 10"
    return "\n".join([*lines, f"{folder}{train if found.best is not None else ''}"])


def _as_json(found: Sweep, env: EnvironmentSaid) -> dict[str, Any]:
    trials = [{**trial._asdict(), "values": list(trial.values), "folder": str(trial.folder)} for trial in found.trials]
    return {
        "agent": found.agent.__name__,
        "environment": env.identity,
        "metric": found.metric,
        "direction": found.direction,
        "best": None if found.best is None else found.best.number,
        "importances": dict(found.importances),
        "outside": found.outside,
        "trials": trials,
        "folder": str(found.directory),
    }


def _read(path: Path | None, agent: str | None) -> dict[str, Any]:
    """Read a file of options, for the agent that the command line names, if it does.

    Raises:
        ConfigError: it is no TOML, or has an option that there is not.
    """
    if path is None:
        return {}
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no TOML ({error})") from None
    known = ("agent", "environment", "env_kwargs", "preset", "search", *_OF_FILE)
    own = str(agent or said.get("agent")).rpartition(":")[2]
    for name, value in said.items():
        if name in ("search", "env_kwargs") and not isinstance(value, dict):
            raise ConfigError(f"{path}: {name} = {value!r}, expected a table of names and values")
        if name in ("environment", "preset") and not isinstance(value, str):
            raise ConfigError(f"{path}: {name} = {value!r}, expected a name")
        of_agent = isinstance(value, dict) and (name == own or name[:1].isupper())  # a class
        if name not in known and not of_agent:
            from rlkit.cli._problems import near

            raise ConfigError(f"{path}: unknown option {name!r}{near(name, known)}")
    return said


def _setting(arguments: Arguments, said: Mapping[str, Any], name: str) -> Any:
    value = getattr(arguments, name)
    return said.get(name) if value is None else value


def _given(arguments: Arguments) -> list[str]:
    """Return the names of the options that were given."""
    return [field.name for field in dataclasses.fields(arguments) if getattr(arguments, field.name) != field.default]


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.replace("-", "_").replace(".", "_").isidentifier()):
        raise UsageError(f"{option} {text}: expected name=value")
    return name.replace("-", "_"), value


def _agent_class(name: str) -> type[Agent]:
    """Return the class of a name, rlkit's or `MODULE:CLASS`."""
    from rlkit.cli.agents import find
    from rlkit.cli.train import _learner

    agent_class: type[Agent] = _learner(name if ":" in name else find(name))
    return agent_class


def _preset_steps(identity: str) -> int | None:
    from rlkit.agents.presets import preset_steps

    return preset_steps(identity)


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
