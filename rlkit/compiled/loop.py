"""The compiled loop: an environment and a learner, run together without coming back to Python."""

from __future__ import annotations

from typing import Any

from rlkit.compiled.dynamics import draws_left, observation, reset, step
from rlkit.compiled.learners import begin, decide, observe, ratio
from rlkit.compiling import njit
from rlkit.divergence import LIMIT
from rlkit.updates.rule import room

STEPS_LEFT, EPISODES_LEFT, IN_EPISODE, LENGTH, ENDED, DIVERGED = 0, 1, 2, 3, 4, 5  # entries of `account`
RETURN, ERRORS, ERROR = 0, 1, 2  # entries of `sums`
UNWATCHED = -1  # `account[DIVERGED]` where a TD error may be anything


@njit(cache=True, nogil=True, _nrt=False)
def loop(dynamics: Any, world: Any, learner: Any, account: Any, sums: Any, returns: Any, lengths: Any) -> None:
    """Step until something has to be done in Python.

    That is: so many steps or episodes are done, the numbers drawn beforehand or the learner's room run out, `returns`
    is full, or a TD error is beyond all bounds.

    Args:
        dynamics, world: the environment (`rlkit.compiled.dynamics`).
        learner: what learns (`rlkit.compiled.learners`).
        account: int64 `(6,)`: steps and episodes still to be done, whether an episode is under way and how long it is
            so far, episodes ended in this call, whether a TD error was (1, or `UNWATCHED` at first).
        sums: float64 `(3,)`: the return of the episode so far, the sum of all TD errors, the latest one.
        returns, lengths: of the episodes that ended, float64 and int64, of one length.
    """
    x = observation(dynamics, world)
    running, length, total = account[IN_EPISODE] != 0, account[LENGTH], sums[RETURN]
    steps_left, ended, errors, error = account[STEPS_LEFT], 0, sums[ERRORS], sums[ERROR]
    most, watched = min(account[EPISODES_LEFT], len(returns)), account[DIVERGED] != UNWATCHED
    if running:
        begin(learner, x)
    while steps_left > 0 and ended < most and draws_left(dynamics, world) >= 2 and room(learner.rule) > 0:
        if not running:
            x = reset(dynamics, world)
            begin(learner, x)
            running = True
        action = decide(learner, x)
        rho = ratio(learner, x, action)
        x, reward, terminated, truncated = step(dynamics, world, x, action)
        error = observe(learner, action, reward, x, terminated, truncated, rho)
        steps_left -= 1
        length += 1
        total += reward
        errors += error
        if terminated or truncated:
            returns[ended], lengths[ended] = total, length
            running, length, total = False, 0, 0.0
            ended += 1
        if watched and not abs(error) < LIMIT:
            account[DIVERGED] = 1
            break
    account[STEPS_LEFT], account[EPISODES_LEFT] = steps_left, account[EPISODES_LEFT] - ended
    account[IN_EPISODE], account[LENGTH], account[ENDED] = running, length, ended
    sums[RETURN], sums[ERRORS], sums[ERROR] = total, errors, error
