"""The pool of processes: what comes of runs that end well, fail, crash or hang, and that nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rlkit.errors import ConfigError
from rlkit.experiments import Outcome, ProcessPool
from tests.rlkit.experiment_runs import going_on_while_told, misbehaving, squared, threads, writing_when_ended

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def test_every_configuration_has_an_outcome():
    outcomes = sorted(ProcessPool(2).map(squared, range(5)))
    assert outcomes == [Outcome(number, number, number**2, None) for number in range(5)]


def test_nothing_to_do_is_done_at_once():
    assert list(ProcessPool(1).map(squared, [])) == []


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("raise", "ValueError: two lines (experiment_runs.py:23)"),
        ("kill", "killed by signal 9 (SIGKILL)"),
        ("exit", "its process ended with exit code 3 and returned nothing"),
        ("return a generator", "what it returned cannot be sent (TypeError: cannot pickle 'generator' object)"),
    ],
)
def test_a_run_that_fails_is_named_and_the_others_go_on(way, error):
    outcomes = sorted(ProcessPool(2).map(misbehaving, ["well", way, "well"]))
    assert outcomes == [
        Outcome(0, "well", "well", None),
        Outcome(1, way, None, error),
        Outcome(2, "well", "well", None),
    ]


def test_a_run_without_a_word_counts_as_hung_and_the_next_one_goes_on():
    first, second = ProcessPool(1, patience=2, grace=0.1).map(misbehaving, ["sleep", "well"])
    assert (first.value, first.error) == (None, "no word for 2 s, so it counts as hung")
    assert second.value == "well"


def test_words_keep_a_run_from_counting_as_hung():
    """It speaks a hundred times a second, for longer than a run may be silent."""
    until = time.monotonic() + 2.5
    pool = ProcessPool(1, patience=2)
    (outcome,) = pool.map(going_on_while_told, [7], on_progress=lambda *_: time.monotonic() < until)
    assert outcome.value == 7


def test_outcomes_come_as_the_runs_end_and_a_run_ends_when_it_is_told_to():
    ended = []
    runs = ProcessPool(2).map(going_on_while_told, [10, 11], on_progress=lambda index, _: index == 0 and not ended)
    for outcome in runs:
        ended.append(outcome.index)
    assert ended == [1, 0]


def test_what_runs_tell_is_heard_under_their_number():
    heard = []
    list(ProcessPool(1).map(going_on_while_told, [7, 8], on_progress=lambda *said: heard.append(said)))
    assert heard == [(0, {"step": 7}), (1, {"step": 8})]


def test_configurations_are_drawn_when_a_worker_is_free_and_the_outcomes_so_far_are_known():
    values = [1]

    def configs():
        for _ in range(3):
            yield values[-1] + 1

    for outcome in ProcessPool(1).map(squared, configs()):
        values.append(outcome.value)
    assert values == [1, 4, 25, 676]


def test_functions_without_a_name_do_and_bring_what_they_know():
    three = 3
    assert [outcome.value for outcome in ProcessPool(1).map(lambda number, tell: number + three, [4])] == [7]


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(ConfigError, match=r"run 0: cannot be sent to another process \(TypeError: cannot pickle"):
        next(ProcessPool(1).map(squared, [threading.Lock()]))


def test_each_process_has_one_thread():
    before = dict(os.environ)
    (outcome,) = ProcessPool(1).map(threads, [0])
    assert outcome.value == (1, "1", "1", "1")
    assert os.environ == before


def test_an_interrupt_ends_all_runs_and_gives_them_the_time_to_save(tmp_path):
    def interrupt(index, report):
        heard.add(index)
        if len(heard) == 2:
            raise KeyboardInterrupt
        return True

    heard = set()
    with pytest.raises(KeyboardInterrupt):
        next(ProcessPool(2).map(writing_when_ended, [tmp_path] * 2, on_progress=interrupt))
    written = list(tmp_path.iterdir())
    assert [path.read_text() for path in written] == ["SIGTERM"] * 2
    assert not any(is_alive(int(path.name)) for path in written)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_runs_end_themselves_when_who_started_them_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from rlkit.experiments import ProcessPool\n"
        "def run(folder, tell):\n"
        "    while tell({}): pass\n"
        "    Path(folder, 'ended').touch()\n"
        "list(ProcessPool(1).map(run, ['.'], on_progress=lambda *_: os.kill(os.getpid(), signal.SIGKILL)))\n"
    )
    died = subprocess.run([sys.executable, script], cwd=tmp_path, check=False, timeout=120).returncode
    assert died == -signal.SIGKILL
    until = time.monotonic() + 60
    while not Path(tmp_path, "ended").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"workers": 0}, "workers=0 is not a whole number of at least 1"),
        ({"threads": 1.5}, "threads=1.5 is not a whole number"),
        ({"patience": 0}, "patience=0 seconds, expected more than 0"),
        ({"grace": float("nan")}, "grace=nan seconds"),
    ],
)
def test_what_makes_no_pool_is_refused(words, said):
    with pytest.raises(ConfigError, match=said):
        ProcessPool(**words)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_is_killed_leaves_no_semaphore_of_its_progress_bars():
    """Python tells of those when the pool's process ends."""
    ran = subprocess.run([sys.executable, "-c", KILLED], check=True, capture_output=True, text=True, timeout=300)
    assert (ran.stdout, ran.stderr) == ("killed by signal 9 (SIGKILL)\n", "")


KILLED = """
import os, signal
from rlkit.experiments import ProcessPool

def run(config, tell):
    from tqdm import tqdm
    list(tqdm(range(2), disable=True))
    os.kill(os.getpid(), signal.SIGKILL)

print(*(outcome.error for outcome in ProcessPool(1).map(run, [0])))
"""
