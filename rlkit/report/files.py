"""A report as files, each whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from rlkit.errors import ConfigError
from rlkit.plotting.figures import save
from rlkit.report.analysis import FORMATS, Format, Report
from rlkit.report.figures import Plate, draw, plates
from rlkit.report.html import page
from rlkit.report.tables import csv_tables


def write(report: Report, out: Path, formats: tuple[Format, ...]) -> list[Path]:
    """Write a report as `Report.save` does."""
    for wanted in formats:
        if wanted not in FORMATS:
            raise ConfigError(f"formats={wanted!r}, expected {', '.join(FORMATS)}")
    out.mkdir(parents=True, exist_ok=True)
    shown, written = plates(report), []
    if "html" in formats:
        written.append(_whole(out / "report.html", page(report, shown).encode()))
    if "csv" in formats:
        for name, rows in csv_tables(report).items():
            stream = io.StringIO()
            csv.writer(stream, lineterminator="\n").writerows(rows)
            written.append(_whole(out / f"{name}.csv", stream.getvalue().encode()))
    pictures = [ending for ending in ("png", "svg") if ending in formats]
    for plate in shown if pictures else ():
        written += _pictures(plate, report, out, pictures)
    return written


def _pictures(plate: Plate, report: Report, out: Path, endings: Sequence[str]) -> list[Path]:
    """Draw a plate and save it, an SVG's names being those of the picture and not random ones."""
    from matplotlib import rc_context

    figure = draw(plate, report)
    with rc_context({"svg.hashsalt": plate.name}):
        return [save(figure, out / f"{plate.name}.{ending}") for ending in endings]


def _whole(path: Path, data: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
    return path
