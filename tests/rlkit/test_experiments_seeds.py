"""`rlkit.experiments.run_seeds`: each seed is a run of its own, as if it were alone, and nothing of it is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit.agents import QLearning
from rlkit.errors import CheckpointError, ConfigError
from rlkit.evaluation import evaluate, evaluation_seed
from rlkit.experiments import Outcome, SeedPlan, run_seeds
from rlkit.experiments.pool import sentence_of
from rlkit.experiments.seeds import limit_of, terminable
from rlkit.files import FolderLock
from tests.rlkit.experiment_runs import KillOnce, made, made_but_for_seed_1, refusing
from tests.rlkit.helpers import Recorder

STEPS = 300


class Here:
    """A pool of this very process, for what no process of its own is needed for."""

    def map(self, run, configs, *, on_progress=None):
        for index, config in enumerate(configs):
            try:
                yield Outcome(index, config, run(config, partial(on_progress, index)), None)
            except Exception as error:
                yield Outcome(index, config, None, sentence_of(error))


def table_of(run):
    return QLearning.load(run.folder).action_values(np.arange(25))


def alone(seed, folder):
    agent, env = made(seed)
    rlkit.train(agent, env, steps=STEPS, directory=folder)
    found = evaluate(agent, env, episodes=20, seed=evaluation_seed(seed, final=True))
    return agent.action_values(np.arange(25)), tuple(episode.reward for episode in found)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_is_killed_goes_on_to_what_it_would_have_been_alone(tmp_path):
    words = {"steps": STEPS, "directory": tmp_path / "many", "workers": 2, "checkpoint_every": 40}
    first = run_seeds(made, range(2), callbacks=lambda: [KillOnce(tmp_path)], **words)
    assert [run.error for run in first] == [None, "killed by signal 9 (SIGKILL)"]
    assert (first[1].steps, first[1].returns) == (120, ())
    runs = run_seeds(made, range(2), callbacks=lambda: [KillOnce(tmp_path)], **words)
    assert runs[0] == first[0]
    assert [(run.seed, run.folder.name, run.steps, run.error) for run in runs] == [
        (0, "seed_0", STEPS, None),
        (1, "seed_1", STEPS, None),
    ]
    for run in runs:
        table, returns = alone(run.seed, tmp_path / f"alone_{run.seed}")
        assert np.array_equal(table_of(run), table)
        assert run.returns == returns


def test_finished_runs_are_left_alone_and_known(tmp_path):
    first = run_seeds(made, [3], steps=STEPS, directory=tmp_path, pool=Here())
    assert run_seeds(refusing, [3], steps=STEPS, directory=tmp_path, pool=Here()) == first
    assert first[0].truth.keys() >= {"policy_regret", "optimal_actions", "max_error", "rmsve"}
    assert len(first[0].returns) == 20


def test_finished_runs_are_not_taken_for_those_of_other_hyperparameters(tmp_path):
    def other(seed):
        _, env = made(seed)
        return QLearning.for_env(env, seed=seed, exploration_final_eps=0.5, gamma=0.5), env

    run_seeds(made, [0], steps=5, directory=tmp_path, pool=Here())
    with pytest.raises(CheckpointError, match=r"seed_0: was finished with gamma=0.99, and make\(0\) has gamma=0.5 now"):
        run_seeds(other, [0, 1], steps=5, directory=tmp_path, pool=Here())
    assert not (tmp_path / "seed_1").exists()


def test_two_starts_on_one_folder_are_one_refusal_that_names_the_holder(tmp_path):
    lock = FolderLock(tmp_path, "experiment")
    lock.acquire()
    with pytest.raises(CheckpointError, match=f"process {os.getpid()} on .* writes to this experiment; end it first"):
        run_seeds(made, [0, 1], steps=5, directory=tmp_path, pool=Here())
    assert not (tmp_path / "seed_0").exists()
    lock.release()
    assert [run.error for run in run_seeds(made, [0, 1], steps=5, directory=tmp_path, pool=Here())] == [None, None]
    assert not lock.path.exists()


def test_finished_runs_can_be_made_longer(tmp_path):
    (run,) = run_seeds(made, [0], steps=STEPS // 2, directory=tmp_path, pool=Here())
    (run,) = run_seeds(made, [0], steps=STEPS, directory=tmp_path, pool=Here())
    assert run.steps == STEPS
    assert json.loads((run.folder / "config.json").read_text())["steps"] == STEPS
    assert np.array_equal(table_of(run), alone(0, tmp_path / "alone")[0])


def test_a_run_that_fails_leaves_where_and_goes_on_when_that_is_mended(tmp_path):
    runs = run_seeds(made_but_for_seed_1, range(3), steps=20, directory=tmp_path, pool=Here())
    assert [run.error for run in runs] == [None, "LookupError: no seed 1", None]
    assert "made_but_for_seed_1" in (runs[1].folder / "error.txt").read_text()
    (run,) = run_seeds(made, [1], steps=20, directory=tmp_path, pool=Here())
    assert run.error is None
    assert not (run.folder / "error.txt").exists()


def test_a_run_that_is_told_to_stop_stops_soon_and_is_not_finished(tmp_path):
    plan = SeedPlan(make=made, steps=STEPS, directory=tmp_path)
    run = plan(0, lambda report: report["step"] < 30)
    assert (run.steps, run.returns, run.error) == (30, (), None)
    assert plan.result_of(0) is None
    assert plan(0, lambda report: True).steps == STEPS
    assert plan.result_of(0).steps == STEPS


def test_a_run_tells_how_far_it_is_and_how_well_it_does(tmp_path):
    told = []
    SeedPlan(make=made, steps=STEPS, directory=tmp_path)(0, lambda report: told.append(dict(report)) or True)
    assert told[0] == {"step": 0, "steps": STEPS}
    assert [report["step"] for report in told[1:]] == list(range(3, STEPS + 1, 3))
    assert told[-1]["return"] == pytest.approx(_mean_return(tmp_path / "seed_0"))


def _mean_return(folder):
    head, *rows = [line.split(",") for line in (folder / "progress.csv").read_text().splitlines()]
    return float(rows[-1][head.index("rollout/ep_rew_mean")])


class Walk(Recorder):
    """Learns nothing, so that all seeds have one policy."""


def walked(seed):
    env = gymnasium.make("rlkit/RandomWalk19-v0")
    return Walk.for_env(env, seed=seed), env


def test_seeds_with_one_policy_are_evaluated_on_draws_of_their_own(tmp_path):
    """The return of a random walk from the middle is -1 or 1, as the environment draws."""
    runs = run_seeds(walked, range(4), steps=1, directory=tmp_path, pool=Here())
    assert len({run.returns for run in runs}) == 4
    (again,) = run_seeds(walked, [2], steps=1, directory=tmp_path / "alone", pool=Here())
    assert again.returns == runs[2].returns


def test_an_agent_is_evaluated_where_it_is_said(tmp_path):
    def judge():
        return gymnasium.make("rlkit/Zhao5x5-v0", max_steps=7, step_reward=1, boundary_reward=1, forbidden_reward=1)

    (run,) = run_seeds(made, [0], steps=1, directory=tmp_path, evaluate_in=judge, episodes=3, pool=Here())
    assert run.returns == (7.0, 7.0, 7.0)


def test_an_environments_own_limit_of_steps_is_known_whoever_made_it():
    class Endless(gymnasium.Env):
        observation_space = action_space = gymnasium.spaces.Discrete(1)

    assert limit_of(gymnasium.wrappers.TimeLimit(Endless(), 5000)) == 5000
    assert limit_of(gymnasium.make("CartPole-v1")) == 500
    assert limit_of(Endless()) is None


def test_a_vector_of_environments_trains_too(tmp_path):
    from rlkit.agents import DDPG

    def many(seed):
        envs = gymnasium.make_vec("Pendulum-v1", num_envs=2)
        return DDPG.for_env(envs, seed=seed, network=(8,), buffer_size=100), envs

    (run,) = run_seeds(many, [0], steps=20, directory=tmp_path, pool=Here())
    assert (run.steps, run.returns, run.error) == (20, (), None)


def test_a_script_needs_no_guard_and_its_own_agents_are_known_to_their_annotations(tmp_path):
    """Nothing but the script's main module knows `Rate`, and the runs' main modules are others."""
    (tmp_path / "script.py").write_text(SCRIPT)
    script = [sys.executable, "script.py"]
    done = subprocess.run(script, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == ("[None, None] (0.0, 1.0)\n", 0), done.stderr


SCRIPT = """
from __future__ import annotations
from dataclasses import dataclass
import gymnasium
from rlkit import Agent, bounded
from rlkit.experiments import run_seeds

Rate = float

class Still(Agent):
    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        learning_rate: Rate = bounded(0.1, above=0)

    def act(self, observation, *, explore=False):
        return 0

    def update(self, transition):
        return {}

def pair(seed):
    env = gymnasium.make("rlkit/RandomWalk5-v0")
    return Still.for_env(env, seed=seed), env

runs = run_seeds(lambda seed: pair(seed), range(2), steps=5, directory="runs", episodes=20)
print([run.error for run in runs], (min(runs[0].returns), max(runs[0].returns)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_sigterm_leaves_as_an_exception_so_that_runs_are_ended_with_a_checkpoint():
    with pytest.raises(SystemExit, match="143"), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_without_resume_folders_that_hold_a_run_are_refused(tmp_path):
    run_seeds(made, [0], steps=1, directory=tmp_path, pool=Here(), resume=False)
    with pytest.raises(CheckpointError, match="seed_0: holds a run already; resume=True goes on with it"):
        run_seeds(made, [0, 1], steps=1, directory=tmp_path, pool=Here(), resume=False)
    assert not (tmp_path / "seed_1").exists()


def test_a_run_whose_pool_was_killed_is_waited_for(tmp_path, monkeypatch):
    lock = FolderLock(tmp_path / "seed_0")
    lock.acquire()
    monkeypatch.setattr("rlkit.experiments.seeds.time.sleep", lambda seconds: lock.release())
    (run,) = run_seeds(made, [0], steps=5, directory=tmp_path, pool=Here())
    assert (run.steps, run.error) == (5, None)


@pytest.mark.parametrize(
    "text", ['{"steps": Infinity}', '{"steps": 9, "seconds": 1, "returns": [], "truth": []}', "[" * 10**5]
)
def test_a_result_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "seed_0").mkdir()
    (tmp_path / "seed_0/result.json").write_text(text)
    assert SeedPlan(make=made, steps=5, directory=tmp_path).result_of(0) is None


def test_of_a_run_that_failed_the_newest_checkpoint_tells_the_steps(tmp_path):
    (tmp_path / "seed_0/checkpoints").mkdir(parents=True)
    for name in ("step_000000000040.npz", "step_last.npz"):
        (tmp_path / "seed_0/checkpoints" / name).touch()
    assert SeedPlan(make=made, steps=50, directory=tmp_path).failed(0, "it broke").steps == 40


def test_of_a_run_that_failed_the_log_tells_the_steps_since_its_checkpoint(tmp_path):
    (tmp_path / "seed_0/checkpoints").mkdir(parents=True)
    (tmp_path / "seed_0/checkpoints/step_000000000040.npz").touch()
    (tmp_path / "seed_0/progress.csv").write_text("step,train/loss\n45,0.5\n47,\n")
    assert SeedPlan(make=made, steps=50, directory=tmp_path).failed(0, "it broke").steps == 47


def test_an_error_that_cannot_be_written_down_is_told_all_the_same(tmp_path):
    (tmp_path / "seed_1").touch()  # no folder can be made of it
    (run,) = run_seeds(refusing, [1], steps=5, directory=tmp_path, pool=Here())
    assert "FileExistsError" not in run.error


def test_a_folder_that_another_process_writes_to_is_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("rlkit.experiments.seeds.LAST_WORDS", 0.0)
    agent, env = made(0)
    trainer = rlkit.Trainer(agent, env, directory=tmp_path / "seed_0")
    trainer.resume(or_begin=True)
    (run,) = run_seeds(made, [0], steps=5, directory=tmp_path, pool=Here())
    assert "writes to this run" in run.error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"seeds": 5}, r"seeds=5, expected one for each run, such as range\(5\)"),
        ({"seeds": [1, 1]}, r"seeds=\[1, 1\], expected each but once"),
        ({"seeds": [-1]}, "a seed=-1 is not a whole number of at least 0"),
        ({"steps": 1.5}, "steps=1.5 is not a whole number of at least 0"),
        ({"episodes": 0}, "episodes=0 is not a whole number of at least 1"),
        ({"workers": 2, "pool": Here()}, "say one of workers and pool"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(tmp_path, words, said):
    seeds = words.pop("seeds", [0])
    with pytest.raises(ConfigError, match=said):
        run_seeds(made, seeds, **{"steps": 1, "directory": tmp_path / "runs", **words})
    assert not (tmp_path / "runs").exists()


def test_what_makes_no_agent_and_environment_is_said(tmp_path):
    (run,) = run_seeds(lambda seed: "agent", [0], steps=1, directory=tmp_path, pool=Here())
    assert run.error == "run_seeds: make(0) returned 'agent', expected a pair (agent, environment)"
