"""Make the pictures of the documentation anew: `python docs/tools/pictures.py [tour] [report] [EXAMPLE ...]`.

Runs every example of `examples/` with its defaults, or those whose names begin so, and keeps in `docs/pictures/` what
it draws, made small, and in `results.json` the line that it prints.
"""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
PICTURES = ROOT / "docs/pictures"
WIDTH = 1000
OF_PAGES = {"tour": ("tour.md", "maze.png"), "report": ("howto/report.md", "report/curves.png")}
MORE = {"04_q_learning": "error.png"}  # which of several pictures comes first


def main(wanted: list[str]) -> None:
    """Run the examples, one after another."""
    PICTURES.mkdir(exist_ok=True)
    told = PICTURES / "results.json"
    results = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    for name, (page, drawn) in OF_PAGES.items():
        if not wanted or name in wanted:
            picture_of(page, drawn, f"{name}.webp")
    for path in sorted((ROOT / "examples").glob("[0-9][0-9]_*.py")):
        if wanted and not path.stem.startswith(tuple(wanted)):
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(str(path))["main"](Path(folder) / "out")
            drawn = sorted(
                (Path(folder) / "out").glob("*.png"), key=lambda file: (file.name != MORE.get(path.stem), file)
            )
            for number, file in enumerate(drawn):
                shrink(file, PICTURES / f"{path.stem}{f'-{number + 1}' if number else ''}.webp")
        results[path.stem] = printed.getvalue().splitlines()[0]
        print(f"{path.stem}: {len(drawn)} pictures; {results[path.stem]}", flush=True)
        told.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")


def picture_of(page: str, drawn: str, small: str) -> None:
    """Run a page's code until it has drawn a picture."""
    from tests.test_docs import blocks, run

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        sys.path.insert(0, folder)
        namespace: dict[str, object] = {"__name__": "page"}
        for block in blocks(page):
            if block.title != "output":
                run(block, page, namespace)
            if Path(drawn).exists():
                shrink(Path(drawn), PICTURES / small)
                break


def shrink(file: Path, small: Path) -> None:
    """Write a picture as WebP, at most `WIDTH` wide."""
    picture = Image.open(file).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    picture.save(small, quality=82, method=6)


if __name__ == "__main__":
    main(sys.argv[1:])
