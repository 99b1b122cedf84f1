"""A report as one HTML page: pictures inline, nothing fetched, readable in the light, in the dark and on a phone."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence

from rlkit import __version__
from rlkit.plotting.curves import COLOURS
from rlkit.plotting.glyphs import INK
from rlkit.report import tables
from rlkit.report.analysis import Report
from rlkit.report.figures import Panel, Plate, draw_alone, look_of

_IN_THE_DARK = ("#6db3f2", "#ff9457", "#69c97d", "#d58be8", "#ff8787", "#4dc4db", "#a994ff", "#adb5bd")

_VARIABLES = {
    INK: "ink",
    "#000000": "ink",
    "#e9ecef": "grid",
    "#adb5bd": "axis",
    **{colour: f"c{place}" for place, colour in enumerate(COLOURS)},
}

_STYLE = """
:root { color-scheme: light dark; --ink: #15181c; --paper: #ffffff; --soft: #5b6470; --grid: #e9ecef; --axis: #adb5bd;
  --note: #fff4e0; --link: #1f6fb4; LIGHT }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #15181c; --soft: #9aa4b0; --grid: #2a2f36;
  --axis: #59626d; --note: #33291a; --link: #6db3f2; DARK } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem clamp(.75rem, 3vw, 2.5rem) 3rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .3rem; }
p { max-width: 70ch; margin: .4rem 0; }
.soft, figcaption, footer { color: var(--soft); font-size: .9rem; }
.notes { background: var(--note); border-radius: .5rem; padding: .6rem 1rem .6rem 2rem; margin: 1rem 0; max-width: 90ch;
  overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.panels > svg { width: 100%; max-width: 32rem; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .4rem 0; font-size: .9rem; }
.legend svg { width: 1.8rem; height: .8rem; margin-right: .4rem; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--grid); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
svg text { font-family: system-ui, sans-serif; }
a { color: var(--link); }
summary { cursor: pointer; color: var(--soft); }
"""

_HOW = (
    "Scores are compared by their interquartile mean, the mean of the middle half of all runs. Intervals are "
    "percentile ones of a stratified bootstrap: of each environment on its own, whole runs are drawn with replacement. "
    "Performance profiles are score distributions; the probability of improvement is the Mann-Whitney U statistic over "
    "its maximum, averaged over environments. The method is that of Agarwal et al. (2021), Deep Reinforcement Learning "
    "at the Edge of the Statistical Precipice, NeurIPS 34."
)


def page(report: Report, shown: Sequence[Plate]) -> str:
    """Return a report as HTML, with the pictures as SVG inside it."""
    title = f"{_joined(report.methods)} on {_joined(report.environments)}"
    parts = [f"<h1>{_safe(title)}</h1>", f"<p>{_safe(_summary(report))}</p>", _notes(report)]
    parts += ["<h2>Scores</h2>", _table(tables.final_rows(report))]
    truth = [plate for plate in shown if plate.name.startswith("truth_")]
    parts += [_section(plate, report) for plate in shown if plate not in truth]
    if truth:
        told = "Where the right answer is known, how far from it the runs are. Less than 1e-9 of the largest error is "
        told += "rounding, and counts as 0. In the end, the interquartile means are:"
        parts += ["<h2>Against the exact answer</h2>", f"<p>{told}</p>", _table(tables.truth_rows(report))]
        parts += [_section(plate, report) for plate in truth]
    parts += [f"<details><summary>All runs</summary>{_table(tables.run_rows(report))}</details>"]
    parts += [f"<h2>How this was worked out</h2><p class='soft'>{_safe(_HOW)}</p>"]
    parts += [f"<footer>rlkit {_safe(__version__)}</footer>"]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{_style_sheet()}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def inline(panel: Panel, prefix: str) -> str:
    """Return a panel as an SVG element whose colours follow the page, and whose names are its own on the page."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    figure = draw_alone(panel)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue().decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<svg([^>]*?) width="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r'<svg([^>]*?) height="[^"]*"', r"<svg\1", text, count=1)
    text = re.sub(r"<[^>]*>", lambda tag: _on_the_page(tag[0], prefix), text)  # and not what is written between tags
    return text.replace("<svg ", f'<svg role="img" aria-label="{_safe(panel.title or prefix)}" ', 1).strip()


def _on_the_page(tag: str, prefix: str) -> str:
    """Return a tag with names of its own, coordinates of two digits and the page's colours."""
    tag = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)  # a hundredth of a point is no more than a screen shows
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _variable(found[0]), tag)


def _variable(colour: str) -> str:
    return f"var(--{_VARIABLES[colour]})" if colour in _VARIABLES else colour


def _style_sheet() -> str:
    light, dark = (
        " ".join(f"--c{place}: {colour};" for place, colour in enumerate(colours))
        for colours in (COLOURS, _IN_THE_DARK)
    )
    return _STYLE.replace("LIGHT", light).replace("DARK", dark)


def _summary(report: Report) -> str:
    runs = sum(len(scores) for scores in report.scores.values())
    better = "less" if report.better_low else "more"
    scaled = ""
    if report.scales:
        scaled = " Normalised, 0 and 1 stand for: " + "; ".join(
            f"{tables.spelt(scale.worst)} and {tables.spelt(scale.best)} in {task}"
            for task, scale in report.scales.items()
        )
        scaled += "."
    return (
        f"{runs} runs, compared by {report.metric} ({better} is better). Intervals are {report.confidence:.0%} ones, "
        f"from {report.reps:,} bootstrap samples.{scaled}"
    )


def _notes(report: Report) -> str:
    if not report.notes:
        return ""
    return f"<ul class='notes'>{''.join(f'<li>{_safe(_sentence(note))}</li>' for note in report.notes)}</ul>"


def _sentence(note: str) -> str:
    return f"{note}."


def _section(plate: Plate, report: Report) -> str:
    panels = "".join(inline(panel, f"{plate.name}{number}") for number, panel in enumerate(plate.panels))
    table = {"aggregates": tables.aggregate_rows, "improvement": tables.improvement_rows}.get(plate.name)
    return (
        f"<h2>{_safe(plate.title)}</h2><figcaption>{_safe(plate.caption)}</figcaption>"
        f"{_legend(report) if plate.legend else ''}<div class='panels'>{panels}</div>"
        f"{'' if table is None else _table(table(report))}"
    )


def _legend(report: Report) -> str:
    marks = []
    for method in report.methods:
        look = look_of(report, method)
        dashes = {"--": "6 3", ":": "2 3", "-.": "6 3 2 3"}.get(look.line, "none")
        stroke = f"stroke='{_variable(look.colour)}' stroke-width='3' stroke-dasharray='{dashes}'"
        line = f"<line x1='0' y1='5' x2='24' y2='5' {stroke}/>"
        marks.append(f"<span><svg viewBox='0 0 24 10' aria-hidden='true'>{line}</svg>{_safe(method)}</span>")
    return f"<div class='legend'>{''.join(marks)}</div>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = "".join(f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in body)
    heading = "".join(f"<th>{_safe(cell)}</th>" for cell in head)
    return f"<div class='scroll'><table><thead><tr>{heading}</tr></thead><tbody>{lines}</tbody></table></div>"


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _safe(text: str) -> str:
    return html.escape(str(text))
