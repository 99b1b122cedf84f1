"""Check that a built wheel holds the tree's files, no more and no less: `python .ci/check_wheel.py WHEEL`."""

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"rlkit": "rlkit", "envs": "rlkit/envs", "agents": "rlkit/agents"}
SUFFIXES = {".py", ".toml", ".typed"}


def expected() -> set[str]:
    """List what the wheel must hold, as installed paths."""
    names = set()
    for folder, installed in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            linked = folder == "rlkit" and inside.parts[0] in ("envs", "agents")
            if path.is_file() and path.suffix in SUFFIXES and not linked:
                names.add(f"{installed}/{inside.as_posix()}")
    return names


def main(wheel: str) -> None:
    """Compare and exit non-zero with the difference."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    problems = [f"missing from the wheel: {name}" for name in sorted(expected() - names)]
    problems += [f"not in the tree: {name}" for name in sorted(names - expected())]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{wheel.rsplit('/', 1)[-1]}: {len(names)} files, those of the tree")


if __name__ == "__main__":
    main(sys.argv[1])
