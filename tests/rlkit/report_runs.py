"""Run folders as training leaves them, without the training."""

from __future__ import annotations

import csv
import json


def write_rows(path, columns):
    """Write a `progress.csv`; None leaves a cell empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = zip(*columns.values(), strict=True)
        csv.writer(stream).writerows([list(columns), *(["" if cell is None else cell for cell in row] for row in rows)])


def write_run(
    folder, scores, *, agent="Q", env="Lake-v1", seed=0, steps=None, hyperparameters=(), tags=(), arguments=()
):
    """Write one run of rlkit that has logged its evaluations, every hundred steps if nothing else is said."""
    steps = [100 * (place + 1) for place in range(len(scores))] if steps is None else steps
    write_rows(folder / "progress.csv", {"step": steps, "eval/mean_reward": scores, **dict(tags)})
    environment = {"id": env, "arguments": dict(arguments), "wrappers": "<Nothing>"}
    config = {
        "agent": agent,
        "module": "somewhere",
        "hyperparameters": {"gamma": 0.9, **dict(hyperparameters)},
        "seed": seed,
        "environment": environment,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def write_seeds(folder, finals, *, begin=0.0, **settings):
    """Write a folder of seeds whose scores rise from `begin` to these, in a line of three points."""
    for seed, final in enumerate(finals):
        write_run(folder / f"seed_{seed}", [begin, (begin + final) / 2, final], seed=seed, **settings)
    return folder


def write_monitor(path, rows, *, env="CartPole-v1", begun=1000.0):
    """Write what stable-baselines3's Monitor does: a JSON comment, and a row (r, l, t) for each episode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["#" + json.dumps({"t_start": begun, "env_id": env}), "r,l,t", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
