"""What the tests of experiments have other processes do; imported there, so it imports little."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import gymnasium
import numpy as np

from rlkit.callbacks import Callback
from rlkit.interrupts import Interrupts


def squared(number, tell):
    return number**2


def misbehaving(way, tell):
    if way == "raise":
        raise ValueError("two\nlines")
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "exit":
        os._exit(3)
    if way == "sleep":
        time.sleep(600)
    if way == "return a generator":
        return (each for each in ())
    return way


def going_on_while_told(number, tell):
    while tell({"step": number}):
        time.sleep(0.01)
    return number


def writing_when_ended(folder, tell):
    with Interrupts() as interrupts:
        tell({})
        while interrupts.caught is None:
            time.sleep(0.01)
        Path(folder, str(os.getpid())).write_text(interrupts.caught.name)


def threads(_, tell):
    import torch

    return torch.get_num_threads(), *(os.environ[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "NUMBA"))


def made(seed):
    from rlkit.agents import QLearning

    env = gymnasium.make("rlkit/Zhao5x5-v0", max_steps=20)
    return QLearning.for_env(env, seed=seed, exploration_final_eps=0.5), env


def refusing(seed):
    raise AssertionError("a finished run is left alone")


def made_but_for_seed_1(seed):
    if seed == 1:
        raise LookupError("no seed 1")
    return made(seed)


class KillOnce(Callback):
    """Kills the process of seed 1 at step 150, unless that has been done before."""

    every = 150

    def __init__(self, folder):
        self.mark = Path(folder) / "killed"

    def on_every(self, trainer):
        if trainer.agent.seed == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def same(left, right):
    return all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))
