"""`rlkit train` with many seeds, with settings from a file, and with agents of one's own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import rlkit
from rlkit.agents import DDPG, QLearning
from rlkit.cli import main
from rlkit.envs import GridWorld
from rlkit.experiments.seeds import held

SHORT = ("--steps", "30", "--eval-every", "0")

OWN = '''
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlkit import Agent, bounded

class Mine(Agent):
    """Q-learning, which dies at its tenth transition if its seed is 1 and there is a file called deadly."""

    @dataclass(frozen=True, kw_only=True)
    class Config(Agent.Config):
        learning_rate: float = bounded(0.1, above=0, up_to=1)

    def setup(self):
        self.q = np.zeros((self.observation_space.n, self.action_space.n))
        self.n_seen = 0

    def act(self, observation, *, explore=False):
        if explore and self.rng.random() < 0.5:
            return int(self.rng.integers(self.action_space.n))
        return int(self.q[observation].argmax())

    def update(self, t):
        self.n_seen += 1
        if self.seed == 1 and self.n_seen == 10 and Path("deadly").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        bootstrap = 0.0 if t.terminated else self.q[t.next_observation].max()
        error = t.reward + self.config.gamma * bootstrap - self.q[t.observation, t.action]
        self.q[t.observation, t.action] += self.config.learning_rate * error
        return {"td_error": float(error)}
'''


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delitem(sys.modules, "own_agents", raising=False)
    Path("own_agents.py").write_text(OWN)
    return tmp_path


def done(capsys, *words, code=0):
    assert main(["train", *words]) == code, capsys.readouterr().err
    return capsys.readouterr().out


def done_json(capsys, *words, code=0):
    return json.loads(done(capsys, *words, "--json", code=code))


def refusal(capsys, *words):
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_each_seed_is_the_run_that_it_would_be_alone_with_a_folder_of_its_own(capsys):
    import own_agents

    words = ("own_agents:Mine", "zhao-2x2", "--steps", "40", "--eval-every", "20")
    found = done_json(capsys, *words, "--seed", "3", "--seeds", "2", "--workers", "2")
    assert [run["seed"] for run in found["runs"]] == [3, 4]
    assert found["folder"] == "runs/Mine-zhao-2x2"
    for run in found["runs"]:
        alone = done_json(capsys, *words, "--seed", str(run["seed"]), "--out", f"alone_{run['seed']}")
        assert (run["returns"], run["truth"]) == (alone["returns"], alone["truth"])
        tables = [own_agents.Mine.load(folder).q for folder in (run["folder"], alone["folder"])]
        assert np.array_equal(*tables)
        assert tables[0].any()
        heads = [
            (Path(folder) / "progress.csv").read_text().splitlines()[0] for folder in (run["folder"], alone["folder"])
        ]
        assert heads[0] == heads[1]


def test_the_table_has_every_seed_and_their_mean(capsys):
    words = ("own_agents:Mine", "zhao-2x2", "--seeds", "2", *SHORT, "--out", "many")
    printed = done(capsys, *words)
    found = done_json(capsys, "own_agents:Mine", "--resume", "many")
    lines = printed.splitlines()
    assert lines[0].startswith("Mine on zhao-2x2, 2 seeds of 30 steps, in ")
    assert lines[2].split()[:5] == ["seed", "steps", "seconds", "mean", "return"]
    assert [line.split()[0] for line in lines[4:6]] == ["0", "1"]
    mean, deviation = found["mean_return"], found["deviation"]
    assert f"mean return {mean:.5g} +- {deviation:.2g}, the standard deviation of 2 seeds, 20 episodes each" in lines
    assert lines[-1] == "many: rlkit report many; tensorboard --logdir many"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_seed_that_crashes_is_named_the_others_go_on_and_it_can_be_tried_again(capsys):
    Path("deadly").touch()
    words = ("own_agents:Mine", "zhao-2x2", "--seeds", "3", "--workers", "2", *SHORT)
    printed = done(capsys, *words, code=1)
    assert "  1: killed by signal 9 (SIGKILL)" in printed.splitlines()
    again = "rlkit train own_agents:Mine --resume runs/Mine-zhao-2x2"
    assert f"1 of 3 failed; {again} tries again" in printed.splitlines()
    Path("deadly").unlink()
    found = done_json(capsys, *again.split()[2:])
    assert [run["error"] for run in found["runs"]] == [None] * 3
    assert found["failed"] == 0


def test_an_error_names_the_line_of_ones_own_code(capsys, monkeypatch):
    source = (
        Path("own_agents.py").read_text().replace("os.kill(os.getpid(), signal.SIGKILL)", 'raise ValueError("lost")')
    )
    Path("own_agents.py").write_text(source)
    line = next(n for n, text in enumerate(source.splitlines(), 1) if "raise ValueError" in text)
    Path("deadly").touch()
    words = ("own_agents:Mine", "zhao-2x2", "--seeds", "1", "--seed", "1", *SHORT)
    (run,) = done_json(capsys, *words, code=1)["runs"]
    assert (run["error"], run["steps"]) == (f"ValueError: lost (own_agents.py:{line})", 9)


def test_a_resumed_experiment_says_what_was_finished_before_and_is_refused_while_another_goes_on(capsys):
    words = ("QLearning", "zhao-2x2", "--workers", "1", *SHORT, "--out", "many")
    assert "finished before" not in done(capsys, *words, "--seeds", "1")
    with held(Path("many")):
        assert "many: process " in refusal(capsys, "train", "--resume", "many", "--seeds", "2")
    assert json.loads(Path("many/experiment.json").read_text())["seeds"] == [0]
    assert "1 of 2 was finished before" in done(capsys, "--resume", "many", "--seeds", "2").splitlines()


def test_a_run_made_in_python_is_said_to_go_on_there(capsys):
    env = GridWorld.load("zhao-2x2")
    rlkit.train(QLearning.for_env(env, seed=0), env, steps=5, directory="q")
    said = refusal(capsys, "train", "QLearning", "zhao-2x2", "--resume", "q")
    assert (
        "q: its environment, 'GridWorld', is not one that gymnasium can make; the script that made it goes on" in said
    )
    assert "rlkit.train(..., resume=True)" in said


def test_an_experiment_can_have_more_seeds_and_steps(capsys):
    done(capsys, "own_agents:Mine", "zhao-2x2", "--seeds", "1", *SHORT, "--out", "many")
    resume = ("own_agents:Mine", "--resume")
    found = done_json(capsys, *resume, "many", "--seeds", "2", "--steps", "50")
    assert [(run["seed"], run["steps"]) for run in found["runs"]] == [(0, 50), (1, 50)]
    assert [run["steps"] for run in done_json(capsys, *resume, "many")["runs"]] == [50, 50]
    assert done_json(capsys, *resume, "many/seed_1")["steps"] == 50


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_saves_every_run_of_an_experiment_which_then_goes_on(own_folder, capsys):
    """A terminal's Ctrl-C reaches all processes of the group. It comes in the midst, as 10^9 steps take hours."""
    words = ["own_agents:Mine", "zhao-2x2", "--steps", "1000000000", "--eval-every", "0", "--seeds", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rlkit", "train", *words, "--workers", "2", "--out", "many"],
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    logs = [own_folder / f"many/seed_{seed}/progress.csv" for seed in range(2)]
    deadline = time.monotonic() + 120
    while not all(log.exists() for log in logs) and time.monotonic() < deadline:  # a thousand steps
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert said == "rlkit: stopped; rlkit train own_agents:Mine --resume many goes on\n"
    steps = [max(int(path.stem[5:]) for path in log.parent.glob("checkpoints/step_*")) for log in logs]
    assert min(steps) >= 1000
    found = done_json(capsys, "own_agents:Mine", "--resume", "many", "--steps", str(max(steps) + 10))
    assert [run["error"] for run in found["runs"]] == [None, None]


def test_an_agent_of_ones_own_trains_goes_on_and_is_evaluated(capsys):
    found = done_json(capsys, "own_agents:Mine", "zhao-2x2", *SHORT, "--gamma", "0.5")
    assert (found["agent"], found["folder"]) == ("Mine", "runs/Mine-zhao-2x2")
    assert "--gamma" in done(capsys, "own_agents:Mine", "--help")
    again = done_json(capsys, "own_agents:Mine", "--resume", found["folder"])
    assert again["returns"] == found["returns"]
    assert main(["evaluate", found["folder"], "--agent", "own_agents:Mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["returns"] == found["returns"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_run_that_is_stopped_says_the_words_that_go_on_with_it(capsys, monkeypatch, stop):
    def interrupt(self, transition):
        raise stop

    import own_agents

    with monkeypatch.context() as patched, contextlib.suppress(SystemExit):
        patched.setattr(own_agents.Mine, "update", interrupt)
        assert main(["train", "own_agents:Mine", "zhao-2x2", *SHORT, "--out", "my run"]) == 130
    again = capsys.readouterr().err.partition("; ")[2].removesuffix(" goes on\n")
    assert again == "rlkit train own_agents:Mine --resume 'my run'"
    assert done_json(capsys, *shlex.split(again)[2:])["steps"] == 30


def test_nothing_is_imported_because_a_file_says_so(capsys):
    for words in ((), ("--seeds", "1")):
        folder = done_json(capsys, "own_agents:Mine", "zhao-2x2", *SHORT, *words)["folder"]
        del sys.modules["own_agents"]
        said = refusal(capsys, "train", "--resume", folder)
        assert f"{folder}: its agent, 'Mine', is none of rlkit's; name its class, own_agents:Mine" in said
        assert "own_agents" not in sys.modules


MODULE = """
import gymnasium

gymnasium.register("OwnCliff-v0", "gymnasium.envs.toy_text.cliffwalking:CliffWalkingEnv", max_episode_steps=50)
"""


def _forget():
    sys.modules.pop("own_cliff", None)
    gymnasium.registry.pop("OwnCliff-v0", None)


@pytest.mark.parametrize("words", [(), ("--seeds", "1", "--workers", "1")])
def test_no_environment_is_imported_because_a_file_says_so(capsys, own_folder, monkeypatch, words):
    (own_folder / "own_cliff.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(own_folder))
    folder = done_json(capsys, "QLearning", "own_cliff:OwnCliff-v0", *SHORT, *words)["folder"]
    file = Path(folder, "experiment.json" if words else "config.json")
    file.write_text(file.read_text().replace('"OwnCliff-v0"', '"own_cliff:OwnCliff-v0"'))
    _forget()
    said = refusal(capsys, "train", "--resume", folder)
    assert "'own_cliff:OwnCliff-v0', and nothing is imported because a file says so" in said
    assert "own_cliff" not in sys.modules
    again = done_json(capsys, "QLearning", "own_cliff:OwnCliff-v0", "--resume", folder)
    assert again["folder"] == folder
    _forget()


@pytest.mark.parametrize(
    "said", [{"steps": float("inf")}, {"seeds": None}, {"environment": []}, {"hyperparameters": 3}, {"eval_every": []}]
)
def test_a_damaged_description_is_named(capsys, said):
    folder = Path(done_json(capsys, "QLearning", "zhao-2x2", *SHORT, "--seeds", "1", "--workers", "1")["folder"])
    file = folder / "experiment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))
    assert str(folder) in refusal(capsys, "train", "--resume", str(folder))


@pytest.mark.parametrize("said", [[1], {"env": 3}, {"seed": 3}])
def test_hyperparameters_that_are_none_are_named(capsys, said):
    folder = Path(done_json(capsys, "QLearning", "zhao-2x2", *SHORT)["folder"])
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "hyperparameters": said}))
    assert f"{folder}: its config.json has no hyperparameters" in refusal(capsys, "train", "--resume", str(folder))


FILE = """
environment = "Pendulum-v1"
env_kwargs = { g = 9.0 }
steps = 20
seed = 5
eval_every = 0

[DDPG]
gamma = 0.97
network = [16]
batch_size = 8
critic = { layer_norm = true }
"""


def test_a_file_has_settings_that_options_change(capsys):
    Path("best.toml").write_text(FILE)
    found = done_json(capsys, "--config", "best.toml", "--batch-size", "4", "--steps", "25", "--env-kwargs", "g=8")
    agent = DDPG.load(found["folder"])
    assert (found["environment"], found["steps"], agent.seed) == ("Pendulum-v1", 25, 5)
    assert (agent.config.gamma, agent.config.network, agent.config.batch_size) == (0.97, (16,), 4)
    assert agent.config.critic.layer_norm
    assert json.loads(Path(found["folder"], "config.json").read_text())["environment"]["arguments"]["g"] == 8


def test_a_file_changes_a_preset_and_may_say_how_many_seeds(capsys):
    Path("few.toml").write_text("seeds = 1\nsteps = 20\neval_every = 0\n[DDPG]\nnetwork = [16]\nbatch_size = 8\n")
    found = done_json(capsys, "DDPG", "Pendulum-v1", "--config", "few.toml", "--preset")
    config = DDPG.load(found["runs"][0]["folder"]).config
    assert (config.gamma, config.learning_starts, config.network) == (0.98, 1000, (16,))


def test_a_file_has_features_in_words(capsys):
    Path("tiles.toml").write_text('[QLearning]\nfeatures = ["TileCoding", "tilings=4", "tiles=5"]\n')
    words = ("QLearning", "MountainCar-v0", "--config", "tiles.toml", *SHORT)
    for more in ((), ("--seeds", "1")):
        found = done_json(capsys, *words, *more)
        agent = QLearning.load(found["runs"][0]["folder"] if more else found["folder"])
        assert (agent.features.of.tilings, agent.features.of.tiles) == (4, (5, 5))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("QLearning zhao-2x2 --seeds 0", "--seeds=0 is not a whole number of at least 1"),
        ("QLearning zhao-2x2 --seeds many", "--seeds many: expected a whole number"),
        ("QLearning zhao-2x2 --workers 2", "say --seeds too"),
        ("QLearning zhao-2x2 --seeds 2 --workers 0", "workers=0 is not a whole number of at least 1"),
        ("QLearning zhao-2x2 --seeds 2 --patience 0", "patience=0.0 seconds, expected more than 0"),
        ("QLearning zhao-2x2 --seeds 2 --out full", "the folder is not empty; --resume full goes on with a run"),
        ("QLearning zhao-2x2 --seeds 2 --gama 1", "unknown option --gama; did you mean --gamma?"),
        ("own_agents:Mine CartPole-v1 --seeds 2", "Mine cannot be made for CartPole-v1: AttributeError: 'Box' object"),
        ("own_agents:Mine CartPole-v1", "(own_agents.py:"),
        ("DQN Pendulum-v1 --seeds 2", "for Box there are DDPG and TD3"),
        ("own_agent:Mine zhao-2x2", "there is no module 'own_agent'; did you mean own_agents:Mine?"),
        ("other.module:Mine zhao-2x2", "there is no module 'other', here or installed"),
        ("own_agents:Mime zhao-2x2", "own_agents has no Mime; did you mean 'Mine'?"),
        ("own_agents:Path zhao-2x2", "own_agents:Path: is no subclass of rlkit.Agent"),
        ("own_agents: zhao-2x2", "own_agents:: expected MODULE:NAME, such as my_agents:MyAgent"),
        ("broken:Mine zhao-2x2", "broken:Mine: importing it fails: ZeroDivisionError: division by zero"),
        ("lacking:Mine zhao-2x2", "lacking:Mine: importing it fails: No module named 'nowhere'"),
        ("DDPG --config no.toml", "--config no.toml: no such file or directory"),
        ("DDPG --config own_agents.py", "--config own_agents.py: is not TOML:"),
        ("--config two.toml", "two.toml: is for DDPG and TD3; name one"),
        ("DQN --config two.toml", "two.toml: has hyperparameters of DDPG, TD3, none of DQN"),
        ("DDPG --config typo.toml", "typo.toml: step means nothing here; did you mean 'steps'"),
        ("DDPG --config table.toml", "the table [env_kwrags] means nothing here; did you mean 'env_kwargs'"),
        ("DDPG --config typed.toml", "typed.toml: steps = 1.5, expected a whole number"),
        ("DDPG --config ranged.toml", "gamma=2.0 is outside its range [0, 1]"),
        ("--resume single --seeds 3", "single: is a single run, which takes neither --seeds nor --workers nor --ray"),
        ("--resume nowhere --seeds 3", "nowhere: no such run"),
        ("--resume torn", "torn/experiment.json: cannot be read"),
        ("DQN --resume several", "several: is an experiment with QLearning on rlkit/GridWorld-v0"),
    ],
)
def test_mistakes_cost_one_line_and_exit_code_2(capsys, words, said):
    files = {
        "broken.py": "1 / 0",
        "lacking.py": "import nowhere",
        "two.toml": "[DDPG]\n[TD3]",
        "typo.toml": "step = 3",
        "table.toml": "[env_kwrags]\na = 1\n[DDPG]",
        "typed.toml": "steps = 1.5",
        "ranged.toml": 'environment = "Pendulum-v1"\n[DDPG]\ngamma = 2.0',
        "full/thesis.tex": "",
        "single/config.json": '{"agent": "QLearning", "environment": {"id": "rlkit/Zhao5x5-v0"}}',
        "torn/experiment.json": '{"agent": "QLearn',
        "several/experiment.json": json.dumps(
            {"agent": "QLearning", "environment": {"id": "rlkit/GridWorld-v0"}, "hyperparameters": {}, "seeds": [0]}
            | {"steps": 1, "eval_every": 0}
        ),
    }
    for name, text in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    assert said in refusal(capsys, "train", *words.split())
    assert not Path("runs").exists()


def test_help_shows_what_many_seeds_take(capsys):
    printed = done(capsys, "QLearning", "--help")
    assert all(
        option in printed for option in ("--seeds", "--workers", "--ray [ADDRESS]", "--config FILE", "--patience")
    )


@pytest.mark.parametrize(
    ("words", "address"),
    [
        ("--ray", None),
        ("--ray zhao-2x2", None),
        ("--ray auto", "auto"),
        ("--ray=10.0.0.1:6379", "10.0.0.1:6379"),
        ("--ray ray://head:10001", "ray://head:10001"),
    ],
)
def test_the_same_command_runs_on_ray(capsys, monkeypatch, words, address):
    pytest.importorskip("ray")
    from rlkit.experiments import ProcessPool, ray_pool

    asked = []

    def stand_in(address, *, workers, patience):
        asked.append((address, workers, patience))
        return ProcessPool(1)

    monkeypatch.setattr(ray_pool, "RayPool", stand_in)
    environment = () if "zhao" in words else ("zhao-2x2",)
    found = done_json(capsys, "own_agents:Mine", *words.split(), *environment, "--workers", "3", "--steps", "5")
    assert asked == [(address, 3, 600.0)]
    assert [run["seed"] for run in found["runs"]] == [0]


def test_understanding_what_is_to_run_loads_neither_torch_nor_ray_for_a_tabular_agent():
    script = (
        "import sys; from rlkit.cli.train import understand; "
        "assert understand('QLearning zhao-2x2 --seeds 2 --gamma 0.9'.split()); import rlkit.experiments; "
        "print(sorted({'torch', 'ray', 'optuna', 'matplotlib'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
