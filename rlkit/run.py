"""Run folders: TensorBoard events, `progress.csv`, `config.json` and `checkpoints/`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import rlkit
from rlkit import checkpoint
from rlkit.divergence import name_of
from rlkit.errors import CheckpointError, warn
from rlkit.files import FolderLock, sweep_temporaries, write_whole

PACKAGES = ("gymnasium", "numpy", "scipy", "numba", "torch", "stable-baselines3")


class RunFolder:
    """A folder that holds all that a run leaves behind. Making the object touches nothing on disk.

    Attributes:
        path: the folder.
        checkpoints: the folder in it with the checkpoints, `step_000000060000.npz` and so on.
        best: the checkpoint of the agent that was evaluated best, if any was (`rlkit.Evaluation`).
        lock: held by who writes to the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best.npz"
        self.lock = FolderLock(self.path)

    @classmethod
    def fresh(cls, path: str | Path) -> RunFolder:
        """Make an empty folder, `path` or, where that holds a run already, `path-2`, `path-3` and so on."""
        path, number = Path(path), 1
        while True:
            candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
            candidate.mkdir(parents=True, exist_ok=True)
            try:  # of two processes that try the same name, one gets it
                (candidate / "checkpoints").mkdir()
            except FileExistsError:
                number += 1
            else:
                return cls(candidate)

    def write_config(self, values: Mapping[str, Any]) -> None:
        """Write `config.json`, whole or not at all; what JSON lacks is written as text."""
        text = json.dumps(values, indent=2, default=str) + "\n"
        write_whole(self.path / "config.json", lambda stream: stream.write(text.encode()))

    def read_config(self) -> dict[str, Any]:
        """Read `config.json`.

        Raises:
            CheckpointError: there is none, or it is not JSON.
        """
        file = self.path / "config.json"
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{file}: cannot be read ({error})") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{file}: is not a table of settings")
        return values

    def checkpoint_of(self, step: int) -> Path:
        """Return the path of the checkpoint of a step."""
        return self.checkpoints / f"step_{step:012d}.npz"

    def saved(self) -> list[Path]:
        """Return the paths of all checkpoints, readable or not, the newest first."""
        return sorted(self.checkpoints.glob("step_*.npz"), reverse=True)

    def newest(self) -> checkpoint.Checkpoint:
        """Read the newest checkpoint that can be read, with a warning for each that cannot.

        Raises:
            CheckpointError: there is none.
        """
        for path in self.saved():
            try:
                return checkpoint.load(path)
            except CheckpointError as error:
                warn(f"{error}; going back to the one before it")
        raise CheckpointError(f"{self.path}: holds no checkpoint that can be read")

    def prune(self, keep: int, step: int) -> None:
        """Remove all but the newest `keep` checkpoints up to a step; later ones were not readable, and do not count."""
        for path in [path for path in self.saved() if path <= self.checkpoint_of(step)][keep:]:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a process that was killed while writing left behind; hold the lock."""
        for folder in (self.path, self.checkpoints):
            sweep_temporaries(folder)


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    found = {"rlkit": rlkit.__version__, "python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, "processors": str(os.cpu_count())}


def describe(agent: Any, env: Any) -> dict[str, Any]:
    """Return what a run's `config.json` says about who learns where."""
    return {
        "agent": type(agent).__name__,
        "module": type(agent).__module__,
        "hyperparameters": agent.config.to_dict(),
        "seed": agent.seed,
        "environment": {
            "id": name_of(env),
            "arguments": dict(env.spec.kwargs) if env.spec is not None else {},
            "wrappers": str(env),
        },
    }
