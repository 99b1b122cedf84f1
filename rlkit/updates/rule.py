"""What an update rule is told, and how one is written.

A rule is a NamedTuple of numbers and arrays, the weights `w` among them, and one function, registered by
`@learn.of(ThatNamedTuple)`, which reads like the rule's equation. Compiled loops inline it, and an agent's `update`
calls it; so there is one code for two speeds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from rlkit.compiled.kinds import chosen_by_kind


class Step(NamedTuple):
    """One transition, as update rules see it.

    Attributes:
        phi: features of what was left, encoded (`rlkit.features.encoding`): with `dot(phi, w, first)` its value is
            read, with `add(phi, w, first, size)` its weights are moved.
        first: where its weights begin: 0, or where its action's block does.
        reward: r.
        discount: gamma, or 0 if the transition terminated.
        next_phi: features of what was entered, at prediction; whatever it is where `discount` is 0.
        next_value: what is taken for the value of what was entered, by the weights before this step.
        alpha: step size.
        rho: importance-sampling ratio of the action, 1 on policy.
        ended: whether the episode ends here, terminated or truncated.
        cut: whether the action that is taken next is not what `next_value` is about, so that traces end.
    """

    phi: NDArray[Any]
    first: int
    reward: float
    discount: float
    next_phi: NDArray[Any]
    next_value: float
    alpha: float
    rho: float
    ended: bool
    cut: bool


@chosen_by_kind
def learn(rule: Any, t: Step) -> Any:
    """Move the weights by one transition, and return the TD error."""


def _forget(rule: Any) -> None:
    """Let go of what a rule remembers of an episode that ended, or will not go on; most remember nothing."""


forget = chosen_by_kind(_forget, _forget)


def _room(rule: Any) -> int:
    """Return for how many more transitions a rule has room: one that remembers episodes may run out of it."""
    return 1


room = chosen_by_kind(_room, _room)
