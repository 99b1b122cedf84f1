"""Write rliable.json: scores, and what rliable 1.2.0 (the library of Agarwal et al. 2021) makes of them.

Run in an environment of its own: `pip install rliable==1.2.0 "pandas<3"`, then this file. The bootstrap's
draws are recorded too, so that intervals from the same draws have to agree to rounding.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rliable import library, metrics

REPS = 60
STATISTICS = {
    "interquartile_mean": metrics.aggregate_iqm,
    "mean_score": metrics.aggregate_mean,
    "median_score": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def recorded(statistic, *scores):
    """Return rliable's estimate, its interval and the rows that each of its samples drew."""
    kind = library.StratifiedBootstrap if len(scores) == 1 else library.StratifiedIndependentBootstrap
    drawn, sampler = [], kind(*scores)
    draw = sampler.update_indices

    def note():
        indices = draw()
        drawn.append([indices[0].tolist()] if len(scores) == 1 else [each[0].tolist() for each in indices[0]])
        return indices

    sampler.update_indices = note
    interval = sampler.conf_int(lambda *each: np.array([statistic(*each)]), reps=REPS, method="percentile")
    return {"value": float(statistic(*scores)), "interval": interval[:, 0].tolist(), "rows": drawn[-REPS:]}


def main():
    np.random.seed(2021)  # noqa: NPY002 (rliable draws from the global generator)
    rng = np.random.default_rng(2021)
    x = np.round(rng.normal(0.6, 0.3, size=(6, 3)), 2)  # [N, M]; so round that some are equal
    y = np.round(rng.normal(0.5, 0.3, size=(5, 3)), 2)
    curves = np.round(np.cumsum(rng.uniform(0, 0.2, size=(5, 3, 6)), axis=2), 3)  # [N, M, T]
    thresholds = np.round(np.linspace(-0.2, 1.4, 17), 2)
    by_step = [metrics.aggregate_iqm(curves[..., t]) for t in range(curves.shape[-1])]
    many = {"x": x}, lambda scores: np.array([metrics.aggregate_iqm(scores)])
    wide = library.get_interval_estimates(*many, reps=20_000)[1]["x"][:, 0]
    found = {
        "_about": "Made by make_rliable.py; scores are [runs, tasks], curves [runs, tasks, steps].",
        "_versions": {name: version(name) for name in ("rliable", "arch", "numpy", "scipy")},
        "x": x.tolist(),
        "y": y.tolist(),
        "curves": curves.tolist(),
        "curves_interquartile_mean": by_step,
        "thresholds": thresholds.tolist(),
        "profile": library.score_distributions(x, thresholds).tolist(),
        "interquartile_mean_interval_of_20000": wide.tolist(),
        "statistics": {name: recorded(statistic, x) for name, statistic in STATISTICS.items()},
        "probability_of_improvement": recorded(metrics.probability_of_improvement, x, y),
    }
    text = json.dumps(found, separators=(",", ":"))
    Path(__file__).with_name("rliable.json").write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
