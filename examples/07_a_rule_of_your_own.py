"""A published rule that the library lacks, in 20 lines: it runs in the compiled loop, as fast as the library's own.

TDRC (Ghiassian et al. 2020) is TDC whose second weights are drawn towards 0, so that one step size does for both.
"""

from collections import namedtuple
from pathlib import Path

import tyro

from rlkit import Trainer, plotting
from rlkit.agents import TDC
from rlkit.envs import BairdStar
from rlkit.features import FeatureTable
from rlkit.features.encoding import add, dot
from rlkit.truth import TruthCallback
from rlkit.updates import learn

Regularised = namedtuple("Regularised", ["w", "h"])  # the weights, and the second weights


@learn.of(Regularised)
def tdrc(rule, t):
    """w += alpha rho (delta phi - gamma phi' h.phi);  h += alpha ((rho delta - h.phi) phi - h)."""
    delta = t.reward + t.discount * t.next_value - dot(t.phi, rule.w, t.first)
    expected = dot(t.phi, rule.h, t.first)
    add(t.phi, rule.w, t.first, t.alpha * t.rho * delta)
    add(t.next_phi, rule.w, t.first, -t.alpha * t.rho * t.discount * expected)
    for i in range(len(rule.h)):
        rule.h[i] -= t.alpha * rule.h[i]
    add(t.phi, rule.h, t.first, t.alpha * (t.rho * delta - expected))
    return delta


class TDRC(TDC):
    """Learns a policy's state values by TD with regularised corrections."""

    def rule(self):
        return Regularised(self.w, self.h)


def main(out: Path = Path("runs/07_a_rule_of_your_own"), steps: int = 10_000) -> dict[str, float]:
    """Learn off policy on Baird's star, where TD diverges, beside TDC (which alone has a secondary learning rate)."""
    env, errors = BairdStar(), {}
    given = {"policy": env.target_policy, "behaviour": env.behaviour_policy, "features": FeatureTable.for_env(env)}
    for kind, rate in (TDC, 0.005), (TDRC, 1 / 32):
        agent = kind.for_env(env, **given, gamma=0.99, learning_rate=rate, secondary_learning_rate=0.05, seed=0)
        agent.w[:] = env.initial_weights
        watch = TruthCallback(every=100)
        Trainer(agent, env, callbacks=[watch], directory=out / kind.__name__).run(steps)
        errors[kind.__name__] = watch.history
    plotting.save(plotting.plot_errors(errors, tag="mspbe", title="Baird's star"), out / "errors.png")
    last = {name: error["mspbe"][-1] for name, error in errors.items()}
    print(f"projected Bellman error, 68 at first: {', '.join(f'{name} {error:.1e}' for name, error in last.items())}")
    print(f"{out}/errors.png; tensorboard --logdir {out}")
    return last


if __name__ == "__main__":
    tyro.cli(main)
