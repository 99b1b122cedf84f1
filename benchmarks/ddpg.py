"""DDPG beside its peers' by CPU time for each step: `python -m benchmarks.ddpg [--columns 64x64] [--turns 9]`.

`--quality` compares what they earn (`benchmarks.ddpg_quality`), `--long` trains for a million steps
(`benchmarks.ddpg_long`).

Every contestant trains in a process of its own, which is held to one core and one thread (JAX too); all its CPU time
counts. They take turns of some hundred steps in which they go on where they stopped. The first steps, in which they
compile (JAX for seconds, numba), fill their first batches and open their logs, are left out.
"""

from __future__ import annotations

import argparse
import multiprocessing as mp
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.peers_ddpg import CONTESTANTS, ENDLESS, Contestant, Setting

WARM_UP = 600  # steps, those before learning starts included
COLUMNS: Mapping[str, Setting] = {
    "HalfCheetah-v5, 256x256, batch 256": Setting(environment="HalfCheetah-v5", network=(256, 256), batch_size=256),
    "HalfCheetah-v5, 400x300, batch 100": Setting(environment="HalfCheetah-v5", network=(400, 300), batch_size=100),
    "Pendulum-v1, 256x256, batch 256": Setting(environment="Pendulum-v1", network=(256, 256), batch_size=256),
    "Pendulum-v1, 400x300, batch 128": Setting(environment="Pendulum-v1", network=(400, 300), batch_size=128),
    "Pendulum-v1, 64x64, batch 64": Setting(environment="Pendulum-v1", network=(64, 64), batch_size=64),
    "HalfCheetah-v5, loop": Setting(
        environment="HalfCheetah-v5", network=(64, 64), batch_size=64, learning_starts=ENDLESS
    ),
    "Pendulum-v1, loop": Setting(environment="Pendulum-v1", network=(64, 64), batch_size=64, learning_starts=ENDLESS),
}
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}


class Worker:
    """A contestant's process; a turn is `every` steps."""

    def __init__(self, contestant: Contestant, setting: Setting, directory: str, every: int) -> None:
        context = mp.get_context("spawn")
        self.here, there = context.Pipe()
        self.process = context.Process(target=work, args=(there, contestant, setting, directory, every), daemon=True)
        self.process.start()

    def turn(self) -> float:
        """Return CPU seconds for each step."""
        self.here.send("go on")
        answer = self.here.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return float(answer)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()


def work(pipe: Connection, contestant: Contestant, setting: Setting, directory: str, every: int) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.chdir(directory)
    import torch

    torch.set_num_threads(1)
    began = 0.0

    def pause(step: int) -> None:
        nonlocal began
        seconds = time.process_time() - began
        if step > WARM_UP:
            if began:
                pipe.send(seconds / every)
            pipe.recv()
            began = time.process_time()

    try:
        contestant.train(setting, directory, pause, every)
    except EOFError:
        return
    except Exception as error:
        pipe.send(f"{contestant.name}: {type(error).__name__}: {error}")


def compare(title: str, setting: Setting, contestants: Sequence[Contestant], turns: int, every: int) -> None:
    """Print a Markdown table."""
    times: dict[str, list[float]] = {contestant.name: [] for contestant in contestants if contestant.enters(setting)}
    with tempfile.TemporaryDirectory() as directory:
        workers = {}
        for contestant in contestants:
            if contestant.enters(setting):
                own = Path(directory, contestant.name)
                own.mkdir()
                workers[contestant.name] = Worker(contestant, setting, str(own), every)
                workers[contestant.name].turn()  # also so that no two warm up at the same time
        for _ in range(turns):
            for name, worker in workers.items():
                times[name].append(worker.turn())
        for worker in workers.values():
            worker.stop()
    medians = {name: 1e6 * statistics.median(each) for name, each in times.items()}
    slowest = medians.get("stable-baselines3", float("nan"))
    print(f"\n| {title} | us a step | from - to | times as fast as stable-baselines3 |\n|---|---:|---:|---:|")
    for name, each in times.items():
        spread = f"{1e6 * min(each):,.0f} - {1e6 * max(each):,.0f}"
        print(f"| {name} | {medians[name]:,.0f} | {spread} | {slowest / medians[name]:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", nargs="*", default=[""], help="only those in whose titles one of these occurs")
    parser.add_argument("--only", nargs="*", default=[""], help="only who has one of these in the name")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--steps", type=int, default=500, help="steps of a turn; ten times as many without updates")
    parser.add_argument("--quality", nargs="*", metavar="TASK", help="what is earned instead, on some tasks or all")
    parser.add_argument("--seeds", type=int, help="so many instead of the 3 or 5 of a task")
    parser.add_argument("--long", nargs=2, metavar=("AGENT", "SEED"), help="a million steps of HalfCheetah-v5")
    parser.add_argument("--out", type=Path, default=Path("runs/long"), help="where those are written to")
    parser.add_argument("--report", action="store_true", help="the table of what is written there")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    if arguments.long or arguments.report:
        from benchmarks import ddpg_long

        if arguments.long:
            ddpg_long.run(arguments.long[0], int(arguments.long[1]), arguments.out)
        ddpg_long.report(arguments.out)
    elif arguments.quality is not None:
        from benchmarks import ddpg_quality

        ddpg_quality.run(arguments.quality, arguments.seeds)
    else:
        contestants = [each for each in CONTESTANTS if any(part in each.name for part in arguments.only)]
        for title, setting in COLUMNS.items():
            if any(part in title for part in arguments.columns):
                every = arguments.steps if setting.learns else 10 * arguments.steps
                compare(title, setting, contestants, arguments.turns, every)


if __name__ == "__main__":
    main()
