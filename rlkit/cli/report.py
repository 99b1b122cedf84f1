"""Compare runs: learning curves, aggregates with confidence intervals, and a page that shows them."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from rlkit.report import Report

LISTED = 15  # pairs of methods that are printed; the files have all


def run(
    runs: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[NAME=]RUNS ...", help_behavior_hint="(required)"),
    ],
    *,
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("report"),
    metric: Annotated[str | None, tyro.conf.arg(metavar="TAG")] = None,
    normalise: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="[ENV=]WORST,BEST|optimum ...", help_behavior_hint="(default: none)")
    ] = (),
    group: Annotated[
        tuple[str, ...],
        tyro.conf.arg(metavar="agent|folder|HYPERPARAMETER ...", help_behavior_hint="(default: none)"),
    ] = (),
    reps: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    html: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    png: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    svg: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    csv: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Compare runs by interquartile means with stratified bootstrap intervals (Agarwal et al. 2021).

    Args:
        runs: run folders, or folders of runs, of rlkit or of stable-baselines3; NAME=FOLDER names what is compared.
        out: folder to write to, over an earlier report.
        metric: what to compare: eval/mean_reward, rollout/ep_rew_mean, truth/...; None: the first that most have.
        normalise: the scores that count as 0 and 1, for all environments or for one; optimum: random and optimal play.
        group: what makes a method; none: the agent and the hyperparameters in which its runs differ.
        reps: bootstrap samples.
        confidence: of the intervals.
        seed: of the bootstrap.
        html: write the page; without any of the four, all of them are written.
        png: write the pictures as PNG.
        svg: write the pictures as SVG.
        csv: write the tables.
        json: print one JSON object and nothing else.
    """
    from rlkit.cli import UsageError
    from rlkit.report import report
    from rlkit.report.analysis import FORMATS

    if not runs:
        raise UsageError("no run is named: rlkit report RUNS, such as rlkit report runs")
    asked = {"html": html, "png": png, "svg": svg, "csv": csv}
    formats = [name for name in FORMATS if asked[name]] or FORMATS
    found = report(
        _sources(runs),
        metric=metric,
        normalise=_scale(normalise),
        group=group,
        reps=reps,
        confidence=confidence,
        seed=seed,
    )
    written = found.save(out, formats)
    print(_as_json(found, written) if json else _as_text(found, written))


def _sources(words: tuple[str, ...]) -> Any:
    """Return folders by name where names are given; a folder whose own name has an equals sign stays whole."""
    split = [("", word) if Path(word).exists() else word.rpartition("=")[::2] for word in words]
    return [{name: path} if name else path for name, path in split]


def _scale(words: tuple[str, ...]) -> Any:
    """Understand `optimum`, `0,500` and `CartPole-v1=0,500`.

    Raises:
        UsageError: it is nothing of the kind.
    """
    from rlkit.cli import UsageError

    if not words:
        return None
    if words == ("optimum",):
        return "optimum"
    pairs: dict[str, tuple[float, float]] = {}
    for word in words:
        name, _, numbers = word.rpartition("=")
        try:
            worst, best = (float(number) for number in numbers.split(","))
        except ValueError:
            raise UsageError(f"--normalise {word}: expected WORST,BEST or ENV=WORST,BEST or optimum") from None
        pairs[name] = (worst, best)
    if "" not in pairs:
        return pairs
    if len(words) > 1:
        raise UsageError("--normalise: expected one scale for all environments, or ENV=WORST,BEST for each")
    return pairs[""]


def _as_text(found: Report, written: list[Path]) -> str:
    from rlkit.cli._text import columns, printable
    from rlkit.report.tables import aggregate_rows, final_rows, improvement_rows

    parts = [columns(final_rows(found), to_the_right=(3, 4))]
    if found.scales:
        parts.append("normalised, all environments:\n" + columns(aggregate_rows(found), to_the_right=()))
    if 0 < len(found.improvement) <= LISTED:
        parts.append(columns(improvement_rows(found), to_the_right=()))
    parts += ["\n".join(f"note: {note}" for note in found.notes)] if found.notes else []
    pages = [path for path in written if path.suffix == ".html"]
    parts.append(str(pages[0]) if pages else f"{written[0].parent}: {len(written)} files")
    return printable("\n\n".join(parts))


def _as_json(found: Report, written: list[Path]) -> str:
    def estimate(each: Any) -> dict[str, Any]:
        return {name: None if number != number else number for name, number in each._asdict().items()}

    answer = {
        "metric": found.metric,
        "scores": [
            {"method": method, "environment": task, "runs": len(found.scores[method, task]), **estimate(its)}
            for (method, task), its in found.finals.items()
        ],
        "aggregates": {
            name: {method: estimate(its) for method, its in by_method.items()}
            for name, by_method in found.aggregates.items()
        },
        "improvement": [{"method": x, "over": y, **estimate(its)} for (x, y), its in found.improvement.items()],
        "notes": list(found.notes),
        "written": [str(path) for path in written],
    }
    return json_format.dumps(answer)
