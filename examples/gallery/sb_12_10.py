"""S&B, figures 12.10 and 12.11: early on the mountain car, Sarsa(lambda) by lambda, step size and kind of trace."""

from __future__ import annotations

from typing import Any

from examples.gallery import COLOURS, Comparison, against, published, sheet
from examples.gallery._mountain_car import draw_sweep, sweep
from rlkit.agents import SarsaLambda

RUNS = 16
EPISODES, MOST = 50, 5000
LAMBDAS = (0.0, 0.68, 0.84, 0.92, 0.96, 0.98, 0.99)
KINDS = {  # trace: its published name, and step sizes times 8
    "accumulating": ("accumulating", (0.1, 0.2, 0.4, 0.6, 0.8)),
    "replacing": ("replacing", (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4)),
    "dutch": ("true_online", (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4)),
}


def measure(runs: int) -> dict[str, Any]:
    """Drive with every kind of trace, lambda and step size; an episode is cut off after 5000 steps."""
    found: dict[str, Any] = {}
    for trace, (_, alphas) in KINDS.items():
        found[trace] = {}
        for lam in LAMBDAS:
            most = 3 * (1 - lam) + 0.11 if trace == "accumulating" else 2.0  # beyond which weights diverge
            kept = [alpha for alpha in alphas if alpha <= most]
            found[trace][lam] = sweep(SarsaLambda, runs, EPISODES, kept, most=MOST, trace=trace, lam=lam)
    return found


def draw(found: dict[str, Any]) -> Any:
    """Draw the steps per episode by step size, a curve for each lambda, and the published minima."""
    figure, panels = sheet("S&B, figures 12.10 and 12.11: mountain car, Sarsa(lambda)", 3, width=4.6)
    for axes, (trace, by_lambda) in zip(panels, found.items(), strict=True):
        for colour, (lam, by_alpha) in zip(COLOURS, by_lambda.items(), strict=False):
            draw_sweep(axes, by_alpha, colour, f"lambda = {lam:g}")
            alpha, steps, _ = book(trace, lam)
            axes.plot(alpha, steps, "o", color=colour, markeredgecolor="black", markersize=6)
        axes.plot([], [], "o", color="none", markeredgecolor="black", label="published minimum")
        title = f"{trace} traces" + (" (true online)" if trace == "dutch" else "")
        axes.set(title=title, xlabel="alpha x number of tilings", ylim=(160, 400))
    panels[0].set_ylabel(f"steps per episode, first {EPISODES}")
    panels[1].legend(frameon=False, fontsize=8)
    return figure


def compare(found: dict[str, Any]) -> list[Comparison]:
    """Compare the steps at the published minima, of 8 runs each."""
    rows = []
    for trace, by_lambda in found.items():
        for lam, by_alpha in by_lambda.items():
            alpha, steps, _ = book(trace, lam)
            rows.append(against(f"{trace}, lambda {lam:g}, alpha {alpha:g}/8", by_alpha[alpha], steps, 8))
    return rows


def book(trace: str, lam: float) -> list[float]:
    """Return the best step size times 8, steps per episode and their standard error, as published."""
    best = published("mountain_car", "fig12_10_11_first50_best(alpha*8,steps,se; 8 runs; max 5000 steps)")
    minimum: list[float] = best[f"{KINDS[trace][0]}_lam{lam}"]
    return minimum
