"""Makes the figures: `python -m examples.gallery [NAME ...] [--out DIR] [--quick]`."""

from __future__ import annotations

import csv
import importlib
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from examples.gallery import Comparison, names
from rlkit import plotting


def make(name: str, out: Path, *, quick: bool = False) -> list[Comparison]:
    """Measure a figure and draw it to `out/name.png`; return its comparisons with published numbers."""
    script: Any = importlib.import_module(f"examples.gallery.{name}")
    found = script.measure(max(script.RUNS // 10, min(script.RUNS, 4)) if quick else script.RUNS)
    plotting.save(script.draw(found), out / f"{name}.png", dpi=110)
    comparisons: list[Comparison] = script.compare(found)
    return comparisons


def main(
    names_: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(name="names")] = (),
    out: Path = Path("runs/gallery"),
    quick: bool = False,
) -> int:
    """Make textbook figures into one folder, and say how our numbers compare with the published ones.

    Args:
        names_: which figures, such as sb_7_2; all of them if none is named.
        out: the folder.
        quick: make them from a tenth of their runs.
    """
    unknown = sorted(set(names_) - set(names()))
    if unknown:
        print(f"gallery: no figure {', '.join(unknown)}; there are {' '.join(names())}", file=sys.stderr)
        return 2
    rows: list[tuple[str, Comparison]] = []
    began = time.perf_counter()
    for name in names_ or names():
        print(f"{name:<12}", end="", flush=True)
        start = time.perf_counter()
        rows += [(name, comparison) for comparison in make(name, out, quick=quick)]
        print(f"{time.perf_counter() - start:6.1f} s   {out / name}.png", flush=True)
    print(f"{'all':<12}{time.perf_counter() - began:6.1f} s\n")
    return report(rows, out)


def report(rows: list[tuple[str, Comparison]], out: Path) -> int:
    """Print all comparisons as a table, write them to `numbers.csv`, and return 1 if a number is out of bounds."""
    widest = max((len(comparison.what) for _, comparison in rows), default=0)
    print(f"{'figure':<12}{'what':<{widest}}{'here':>12}{'published':>12}{'may differ by':>15}")
    for name, comparison in rows:
        what, here, book, spread = comparison
        verdict = "   <- differs by more" if not comparison.within else "" if comparison.tells else "   (cannot tell)"
        print(f"{name:<12}{what:<{widest}}{here:12.5g}{book:12.5g}{spread:15.2g}{verdict}")
    with (out / "numbers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("figure", *Comparison._fields), *((name, *row) for name, row in rows)])
    outside = sum(not comparison.within for _, comparison in rows)
    vague = sum(comparison.within and not comparison.tells for _, comparison in rows)
    print(f"\n{len(rows) - outside - vague} of {len(rows)} numbers are as published; all in {out / 'numbers.csv'}")
    if vague:
        print(f"{vague} cannot tell: from run to run they differ by as much as what is published")
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m examples.gallery"))
