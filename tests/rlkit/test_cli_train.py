"""`rlkit train` and `rlkit evaluate`: what they say, what they leave, and how they refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from PIL import Image

from rlkit.agents import DDPG, DQN, QLearning
from rlkit.cli import main
from rlkit.cli._hyperparameters import options_of
from rlkit.exploration import OrnsteinUhlenbeckNoise
from tests.rlkit.helpers import Recorder

SMALL = ("--network", "16", "--batch-size", "8")
TINY_DDPG = ("train", "DDPG", "Pendulum-v1", "--steps", "150", "--eval-every", "0", *SMALL)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def done(capsys, *words):
    """What a command that has to work prints."""
    assert main(list(words)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def done_json(capsys, *words):
    return json.loads(done(capsys, *words, "--json"))


def refusal(capsys, *words):
    """The one line on stderr of a command that has to fail."""
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rlkit: ")
    assert captured.err.count("\n") == 1
    return captured.err


def config_of(folder):
    return json.loads((Path(folder) / "config.json").read_text())


def test_training_says_what_came_of_it_and_where_it_is(capsys, own_folder):
    printed = done(capsys, "train", "DQN", "CartPole-v1", "--steps", "300", "--learning-starts", "50")
    assert "DQN on CartPole-v1, 300 steps in" in printed
    assert "mean return" in printed.splitlines()[0]
    assert printed.splitlines()[-1] == "runs/DQN-CartPole-v1: tensorboard --logdir runs/DQN-CartPole-v1"
    run = own_folder / "runs/DQN-CartPole-v1"
    assert {"checkpoints", "config.json", "progress.csv"} <= {path.name for path in run.iterdir()}
    assert "eval/mean_reward" in (run / "progress.csv").read_text().splitlines()[0]
    assert DQN.load(run).config.learning_starts == 50


def test_ddpg_learns_to_swing_up_a_pendulum_in_seconds(capsys):
    """Six seeds gave -161 to -690 after so little; acting at random gives about -1200 +- 100, a mean of 10 episodes."""
    words = ("--steps", "4000", "--network", "64", "64", "--batch-size", "64", "--eval-every", "0")
    assert done_json(capsys, "train", "DDPG", "Pendulum-v1", *words)["mean_return"] > -850


def test_a_run_of_no_steps_is_evaluated_all_the_same(capsys):
    words = ("train", "DDPG", "Pendulum-v1", "--steps", "0", *SMALL)
    assert "nothing to do: the run has its 0 steps: mean return" in done(capsys, *words)
    assert done_json(capsys, *words)["truth"] == {}


def test_only_what_was_learnt_in_the_end_is_pictured(capsys, monkeypatch):
    steps = []
    monkeypatch.setattr("rlkit.film.Film.show", lambda film, logger, tag, path, step, **names: steps.append(step))
    done(capsys, "train", "QLearning", "zhao-2x2", "--steps", "20")
    assert steps == [20]


def test_counts_may_be_said_as_powers_of_ten(capsys):
    words = ("train", "DDPG", "Pendulum-v1", "--steps", "1e2", "--eval-every=0e0", "--buffer_size", "2e3", *SMALL)
    found = done_json(capsys, *words)
    assert found["steps"] == 100
    assert DDPG.load(found["folder"]).config.buffer_size == 2000


def test_where_the_answer_is_known_the_error_is_told(capsys):
    words = ("train", "DDPG", "rlkit/LinearQuadratic-v0", *TINY_DDPG[3:])
    assert "against the exact answer: optimality_gap" in done(capsys, *words)
    assert done_json(capsys, *words)["truth"]["gain_error"] > 0


def test_each_run_gets_a_folder_of_its_own(capsys):
    words = ("train", "QLearning", "zhao-2x2", "--steps", "10", "--eval-every", "0")
    assert [done_json(capsys, *words)["folder"] for _ in range(2)] == [
        "runs/QLearning-zhao-2x2",
        "runs/QLearning-zhao-2x2-2",
    ]


def test_the_same_seed_gives_the_same_run(capsys):
    same, again = (done_json(capsys, *TINY_DDPG, "--seed", "3")["returns"] for _ in range(2))
    assert same == again != done_json(capsys, *TINY_DDPG, "--seed", "4")["returns"]


def test_nested_hyperparameters_are_said_with_dots(capsys):
    words = ("--noise", "ornstein-uhlenbeck", "--noise.sigma", "0.5", "--critic.layer-norm", "--actor.last-layer=0.003")
    folder = done_json(capsys, *TINY_DDPG, *words)["folder"]
    config = DDPG.load(folder).config
    assert config.noise == OrnsteinUhlenbeckNoise(sigma=0.5)
    assert config.critic.layer_norm
    assert not config.actor.layer_norm
    assert config.actor.last_layer == 0.003
    assert config.network == (16,)


def test_noise_can_be_done_without(capsys):
    assert DDPG.load(done_json(capsys, *TINY_DDPG, "--noise", "none")["folder"]).config.noise is None


def test_a_preset_gives_defaults_that_other_options_change(capsys):
    for words in (["--preset"], ["--preset", "Pendulum-v1"], ["--preset=pendulum"]):
        config = DDPG.load(done_json(capsys, *TINY_DDPG, *words)["folder"]).config
        assert (config.gamma, config.learning_starts, config.network) == (0.98, 1000, (16,))
    config = DDPG.load(done_json(capsys, *TINY_DDPG, "--preset", "paper")["folder"]).config
    assert config.noise == OrnsteinUhlenbeckNoise(sigma=0.2, dt=1.0)


def test_an_environments_preset_says_how_many_steps_it_takes(capsys, monkeypatch):
    monkeypatch.setattr("rlkit.agents.presets.preset_steps", {"Pendulum-v1": 120}.get)
    assert done_json(capsys, *TINY_DDPG[:3], *TINY_DDPG[5:])["steps"] == 120


def test_features_are_said_in_words(capsys):
    words = ("--features", "TileCoding", "tilings=4", "tiles=5", "--steps", "50", "--eval-every", "0")
    agent = QLearning.load(done_json(capsys, "train", "QLearning", "MountainCar-v0", *words)["folder"])
    assert (agent.features.of.tilings, agent.features.of.tiles) == (4, (5, 5))


def test_arguments_of_the_environment_are_recorded_and_used_again(capsys, own_folder):
    (own_folder / "office.toml").write_text('map = """\nS . G\n"""\nstep_reward = -0.1\n')
    words = ("--env-kwargs", "step_reward=-0.5", "goal_reward=2", "--steps", "500", "--eval-every", "0")
    found = done_json(capsys, "train", "QLearning", "office.toml", *words)
    assert found["mean_return"] == 1.5  # -0.5 + 2: two steps to the right
    assert config_of(found["folder"])["environment"]["arguments"]["step_reward"] == -0.5
    assert done_json(capsys, "evaluate", found["folder"])["mean_return"] == 1.5
    assert done_json(capsys, "evaluate", found["folder"], "--env-kwargs", "goal_reward=1")["mean_return"] == 0.5


def test_evaluating_a_run_repeats_what_training_ended_with(capsys):
    found = done_json(capsys, *TINY_DDPG)
    assert done_json(capsys, "evaluate", found["folder"])["returns"] == found["returns"]
    newest = max((Path(found["folder"]) / "checkpoints").iterdir())
    assert done_json(capsys, "evaluate", str(newest))["returns"] == found["returns"]
    printed = done(capsys, "evaluate", found["folder"], "--episodes", "2")
    assert "DDPG on Pendulum-v1:" in printed
    assert "episodes     2" in printed


def test_an_episode_is_filmed(capsys):
    folder = done_json(capsys, "train", "QLearning", "zhao-2x2", "--steps", "500", "--eval-every", "0")["folder"]
    assert "films/best.gif" in done(capsys, "evaluate", folder, "--episodes", "1", "--gif", "films/best.gif")
    with Image.open("films/best.gif") as image:
        assert image.format == "GIF"
        assert min(image.size) > 32


@pytest.mark.filterwarnings("ignore:.*possible render_modes:UserWarning")
def test_what_draws_nothing_is_not_filmed(capsys):
    words = ("train", "DDPG", "rlkit/LinearQuadratic-v0", "--steps", "5", "--eval-every", "0", "--buffer-size", "10")
    folder = done_json(capsys, *words)["folder"]
    assert "LinearQuadratic-v0: the environment draws no pictures" in refusal(capsys, "evaluate", folder, "--gif=a.gif")


def test_episodes_that_would_never_end_are_cut_short(capsys):
    found = done_json(capsys, "train", "QLearning", "zhao-2x2", "--steps", "5", "--eval-every", "0")
    assert done_json(capsys, "evaluate", found["folder"])["mean_length"] == 1000


def test_a_finished_run_can_be_made_longer(capsys):
    folder = done_json(capsys, *TINY_DDPG)["folder"]
    assert "nothing to do: the run has its 150 steps" in done(capsys, "train", "--resume", folder)
    assert done_json(capsys, "train", "--resume", folder, "--steps", "200")["steps"] == 200
    assert done_json(capsys, "train", "--resume", folder)["steps"] == 200
    assert config_of(folder)["steps"] == 200


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_leaves_a_run_that_goes_on_as_if_nothing_had_happened(capsys, own_folder):
    words = ["train", "DQN", "CartPole-v1", "--steps", "3000", "--eval-every", "0", "--learning-rate", "0.001"]
    whole = done_json(capsys, *words)
    process = subprocess.Popen(
        [sys.executable, "-m", "rlkit", *words, "--out", "stopped"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (own_folder / "stopped/progress.csv").exists() and time.monotonic() < deadline:  # a thousand steps
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert "rlkit train --resume stopped" in said
    assert "interrupted" not in said
    resumed = done_json(capsys, "train", "--resume", "stopped")
    assert resumed["steps"] == 3000
    assert resumed["returns"] == whole["returns"]
    one, other = (DQN.load(folder).network.state_dict() for folder in (whole["folder"], "stopped"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_every_option_is_explained(capsys):
    printed = done(capsys, "train", "DDPG", "--help")
    for option in options_of(DDPG.Config(), []):
        assert f"--{option.name}" in printed
        assert option.help
    for text in ("--noise {gaussian,ornstein-uhlenbeck,none}", "in [0, 1]", "--resume RUN", "--preset"):
        assert text in printed
    assert "--noise.theta" not in printed
    assert "--noise.theta" in done(capsys, "train", "DDPG", "--noise", "ornstein-uhlenbeck", "--help")
    assert "--seed" in done(capsys, "train", "--help")


def test_help_says_whether_there_is_a_preset_and_shows_no_empty_defaults(capsys):
    printed = done(capsys, "train", "DDPG", "Pendulum-v1", "--help")
    assert printed.splitlines()[-1] == "DDPG has a preset for Pendulum-v1: --preset."
    assert "DDPG has no preset for CartPole-v1." in done(capsys, "train", "DDPG", "CartPole-v1", "--help")
    assert "paper" in done(capsys, "train", "DDPG", "--help").splitlines()[-1]
    assert "(default: )" not in printed + done(capsys, "train", "QLearning", "--help")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "no agent is named"),
        ("DDPG", "no environment is named"),
        ("DDPGG Pendulum-v1", "unknown agent 'DDPGG'; did you mean 'DDPG'?"),
        ("DDPG Pendulum", "no environment 'Pendulum'; did you mean 'Pendulum-v1'"),
        ("DDPG Pendulun-v1", "did you mean 'Pendulum-v1'"),
        ("DDPG Pendulum-v1 --lr 0.1", "unknown option --lr; did you mean --learning-rate?"),
        ("DDPG Pendulum-v1 --gamma 1.5", "DDPG: gamma=1.5 is outside its range [0, 1]"),
        ("DDPG Pendulum-v1 --tau=-1", "tau=-1.0 is outside its range (0, 1]"),
        ("DDPG Pendulum-v1 --noise.sigma -1", "sigma=-1.0 is outside its range [0, inf)"),
        ("DDPG Pendulum-v1 --noise pink", "invalid choice 'pink'"),
        ("DDPG Pendulum-v1 --noise.theta 1", "unknown option --noise.theta"),
        ("DDPG Pendulum-v1 --batch-size many", "--batch-size many: expected a whole number"),
        ("DDPG Pendulum-v1 --steps 1.5e0", "--steps 1.5e0: expected a whole number"),
        ("DDPG Pendulum-v1 --steps=inf", "--steps inf: expected a whole number"),
        ("DDPG --preset Pendulum-v1", "--preset took 'Pendulum-v1' as its name; rlkit train DDPG Pendulum-v1 --preset"),
        ("Pendulum-v1 DDPG", "the agent comes first: rlkit train DDPG Pendulum-v1"),
        ("DDPG Pendulum-v1 --noise none --noise.sigma 0.5", "noise none has no sigma"),
        ("SarsaLambda rlkit/MountainCar-v0", "give it features, such as --features TileCoding"),
        ("DDPG Pendulum-v1 --steps -1", "--steps=-1 is not a whole number of at least 0"),
        ("DDPG Pendulum-v1 --preset nice", "DDPG has no preset 'nice'"),
        ("DDPG CartPole-v1 --preset", "DDPG has no preset 'CartPole-v1'"),
        ("DDPG CartPole-v1", "for Discrete there is DQN"),
        ("DDPG Pendulum-v1 --env-kwargs h=1", "unexpected keyword argument 'h'"),
        ("DDPG Pendulum-v1 --env-kwargs h", "--env-kwargs h: expected name=value"),
        ("QLearning MountainCar-v0 --features TileCodin", "unknown kind; did you mean 'TileCoding'"),
        ("QLearning MountainCar-v0 --features TileCoding tiling=3", "did you mean 'tilings'"),
        ("QLearning MountainCar-v0 --features TileCoding 3", "expected name=value"),
        ("QLearning office.toml", "office.toml: no such file"),
        ("ValueIteration zhao-2x2", "rlkit solve"),
        ("DQN CartPole-v1 --out full", "the folder is not empty"),
        ("--resume nowhere", "nowhere: no such run"),
        ("--resume full", "full: holds no run"),
        ("--resume full --gamma 0.5", "--gamma: a run that goes on keeps what it has"),
        ("DQN --resume other", "other: is a run of DDPG on Pendulum-v1"),
        ("DDPG CartPole-v1 --resume other", "other: is a run of DDPG on Pendulum-v1"),
    ],
)
def test_mistakes_cost_one_line_and_exit_code_2(capsys, own_folder, words, said):
    for name, config in (("full", None), ("other", {"agent": "DDPG", "environment": {"id": "Pendulum-v1"}})):
        (own_folder / name).mkdir()
        (own_folder / name / ("config.json" if config else "thesis.tex")).write_text(json.dumps(config))
    assert said in refusal(capsys, "train", *words.split())
    assert not (own_folder / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("nowhere", "nowhere: no such run"),
        ("strange", "its agent, 'Recorder', is none of rlkit's; name its class, MODULE:Recorder"),
        ("lost", "its environment, 'Corridor', is not one that gymnasium can make; name another"),
        ("lost CartPole-v1", "the agent was made for"),
        ("lost zhao-5x5 --gif a.png", "--gif a.png: the name has to end in .gif"),
        ("lost zhao-5x5 --episodes 0", "--episodes=0 is not a whole number of at least 1"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(capsys, own_folder, words, said):
    env = gymnasium.make("rlkit/Zhao5x5-v0")
    for folder, agent_class, identity in (("strange", Recorder, "Zhao5x5"), ("lost", QLearning, "Corridor")):
        (own_folder / folder / "checkpoints").mkdir(parents=True)
        agent_class.for_env(env, seed=0).save(own_folder / folder / "checkpoints/step_0.npz")
        config = {"agent": agent_class.__name__, "environment": {"id": identity, "arguments": {}}}
        (own_folder / folder / "config.json").write_text(json.dumps(config))
    assert said in refusal(capsys, "evaluate", *words.split())


def test_a_run_whose_environment_is_unknown_is_evaluated_in_one_that_is_named(capsys, own_folder):
    (own_folder / "lost/checkpoints").mkdir(parents=True)
    QLearning.for_env(gymnasium.make("rlkit/Zhao5x5-v0"), seed=0).save("lost/checkpoints/step_0.npz")
    (own_folder / "lost/config.json").write_text('{"agent": "QLearning", "environment": {"id": "Corridor"}}')
    assert len(done_json(capsys, "evaluate", "lost", "zhao-5x5", "--episodes", "3")["returns"]) == 3
