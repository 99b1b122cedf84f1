"""Stopping, by whatever means, and resuming is the same as never having stopped."""

from __future__ import annotations

import csv
import json

import gymnasium
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import rlkit
from rlkit import Callback, CheckpointError, Trainer, checkpoint
from rlkit.agents import QLearning
from rlkit.cli import main
from rlkit.envs import GridWorld
from rlkit.evaluation import evaluate
from rlkit.run import RunFolder
from tests.rlkit.helpers import Corridor, Drift, Recorder

MAP = "S . . # .\n. X . . .\n. . . X G"


def frozen_lake():
    return gymnasium.make("FrozenLake-v1")


def slippery_grid():
    return GridWorld(MAP, slip=0.3, step_reward=-0.1, max_steps=60)


def limited_grid():
    return gymnasium.wrappers.TimeLimit(GridWorld(MAP, slip=0.3, step_reward=-0.1), 23)


def recorded_grid():
    return gymnasium.wrappers.RecordEpisodeStatistics(slippery_grid())


def normalized_grid():
    return gymnasium.wrappers.NormalizeReward(slippery_grid())


class Worn(gymnasium.Wrapper):
    """Pays less with every step that it has ever taken, and something random of its own."""

    def __init__(self, env):
        super().__init__(env)
        self.taken, self.noise, self.means = np.zeros(1), np.random.default_rng(3), {"reward": [0.0, 0]}

    def step(self, action):
        observation, reward, *rest = super().step(action)
        self.taken += 1
        self.means["reward"][0] += reward
        return observation, reward - 1e-3 * self.taken[0] + 0.01 * self.noise.normal() + self.means["reward"][0], *rest


def worn_grid():
    return Worn(slippery_grid())


WORLDS = [frozen_lake, slippery_grid, limited_grid, recorded_grid, normalized_grid, worn_grid]


def trainer_of(world, folder=None, fraction=0.0, **settings):
    env = world()
    agent = QLearning.for_env(env, seed=0, exploration_fraction=fraction, learning_rate_power=0.6)
    return Trainer(agent, env, directory=folder, **settings)


def fingerprint(trainer):
    agent = trainer.agent
    generator = trainer.env.unwrapped.np_random.bit_generator.state
    return (
        agent.q.tobytes(),
        agent.visits.tobytes(),
        agent.rng.bit_generator.state,
        (agent._stream.tobytes(), agent._counts.tobytes(), agent.exploration_rate),
        (trainer.step, trainer.episodes.state_dict(), trainer._means.state_dict()),
        generator,
    )


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("stop", [1, 157, 400])
def test_a_resumed_run_goes_on_to_the_bit(tmp_path, world, stop):
    straight = trainer_of(world)
    straight.run(500)
    trainer_of(world, tmp_path / "run", log_every=10**6).run(stop)
    resumed = trainer_of(world, tmp_path / "run", log_every=10**6)
    assert resumed.resume() == stop
    resumed.run(500 - stop)
    resumed._means, straight._means = type(resumed._means)(), type(resumed._means)()  # end of run() reads them
    assert fingerprint(resumed) == fingerprint(straight)


def test_an_environment_of_vectors_is_repeated(tmp_path):
    class Pusher(Recorder):
        def act(self, observation, *, explore=False):
            return self.rng.uniform(-1, 1, size=2)

    ends = []
    for stops in ([100], [50, 100]):
        for stop in stops:
            trainer = Trainer(Pusher.for_env(Drift(), seed=1), Drift(), directory=tmp_path / f"run{len(stops)}")
            if stop != stops[0]:
                trainer.resume()
            trainer.run(stop - trainer.step)
        ends.append(trainer.agent.seen)
    assert all((a.observation == b.observation).all() for a, b in zip(*ends, strict=True))
    assert all((a.action == b.action).all() for a, b in zip(*ends, strict=True))


def test_after_resuming_each_step_is_logged_once(tmp_path):
    trainer = trainer_of(slippery_grid, tmp_path / "run", log_every=10, checkpoint_every=25)
    trainer.run(100)
    for path in trainer.folder.saved()[:-2]:  # as if killed after step 100, with step 75's checkpoint the newest
        path.unlink()
    newest = int(trainer.folder.saved()[0].stem.removeprefix("step_"))
    assert newest < 100
    again = trainer_of(slippery_grid, tmp_path / "run", log_every=10, checkpoint_every=25)
    assert again.resume() == newest
    again.run(150 - newest)
    expected = list(range(10, 160, 10))
    with (tmp_path / "run/progress.csv").open() as stream:
        assert [int(row["step"]) for row in csv.DictReader(stream)] == expected
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert [event.step for event in events.Scalars("time/total_timesteps")] == expected


def test_an_unreadable_checkpoint_is_named_and_the_one_before_is_used(tmp_path):
    trainer = trainer_of(slippery_grid, tmp_path / "run", checkpoint_every=100)
    trainer.run(250)
    newest, before, *_ = trainer.folder.saved()
    newest.write_bytes(newest.read_bytes()[:-500])
    (newest.parent / ".step_000000000300.npz.17.abcd.tmp").write_bytes(b"half")
    again = trainer_of(slippery_grid, tmp_path / "run")
    with pytest.warns(UserWarning, match=f"{newest.name}: is not a whole checkpoint"):
        assert again.resume() == 200
    assert before.exists()
    assert not list(newest.parent.glob(".*"))


def test_what_cannot_be_read_does_not_count_among_those_that_are_kept(tmp_path):
    trainer_of(slippery_grid, tmp_path / "run", checkpoint_every=100).run(300)
    damaged = RunFolder(tmp_path / "run").checkpoint_of(300)
    damaged.write_bytes(b"rubbish")
    again = trainer_of(slippery_grid, tmp_path / "run", checkpoint_every=40, keep_checkpoints=1)
    with pytest.warns(UserWarning, match="is not a checkpoint"):
        again.resume()
    again.run(50)
    assert again.folder.saved() == [damaged, again.folder.checkpoint_of(250)]


class Scored(Callback):
    """Calls the agent as good as a list says, every ten steps."""

    every = 10

    def __init__(self, *scores):
        self.scores, self.kept = scores, []

    def on_every(self, trainer):
        self.kept.append(trainer.keep_best(self.scores[trainer.step // 10 - 1]))


def test_the_best_agent_is_kept_the_first_of_those_that_are_alike(tmp_path):
    scored = Scored(float("nan"), 1.0, 3.0, 2.0, 3.0, float("nan"))
    trainer = trainer_of(slippery_grid, tmp_path / "run", callbacks=[scored], checkpoint_every=10, keep_checkpoints=1)
    trainer.run(60)
    assert scored.kept == [False, True, True, False, False, False]
    best = checkpoint.load(trainer.folder.best)
    assert (best.trainer["step"], best.trainer["best"]) == (30, {"tuple": [3.0, 30]})
    assert QLearning.load(trainer.folder.best).visits.sum() == 30
    assert QLearning.load(tmp_path / "run").visits.sum() == 60  # the newest
    assert len(trainer.folder.saved()) == 1


def test_a_resumed_run_remembers_how_good_the_best_was(tmp_path):
    trainer_of(slippery_grid, tmp_path / "run", callbacks=[Scored(5.0)]).run(10)
    scored = Scored(5.0, 4.0, 6.0)
    again = trainer_of(slippery_grid, tmp_path / "run", callbacks=[scored])
    again.resume()
    again.run(20)
    assert scored.kept == [False, True]


def test_without_a_folder_no_best_is_kept_but_told(tmp_path):
    scored = Scored(1.0, 0.0)
    trainer_of(slippery_grid, callbacks=[scored]).run(20)
    assert scored.kept == [True, False]


def test_a_folder_without_a_checkpoint_cannot_be_resumed(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint that can be read"):
        trainer_of(slippery_grid, tmp_path / "nothing").resume()


def test_an_agents_own_file_is_not_a_run(tmp_path):
    trainer = trainer_of(slippery_grid, tmp_path / "run")
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    trainer.agent.save(tmp_path / "run/checkpoints/step_000000000005.npz")
    with pytest.raises(CheckpointError, match="is an agent's, not a run's"):
        trainer.resume()


def test_other_hyperparameters_than_the_runs_are_refused(tmp_path):
    trainer_of(slippery_grid, tmp_path / "run").run(10)
    env = slippery_grid()
    with pytest.raises(CheckpointError, match=r"agent\.config: .*; exploration_final_eps is 0\.1, expected 0\.2"):
        Trainer(QLearning.for_env(env, exploration_final_eps=0.2), env, directory=tmp_path / "run").resume()


def test_another_grid_of_the_same_size_is_refused(tmp_path):
    trainer_of(lambda: GridWorld("S . G"), tmp_path / "run").run(10)
    with pytest.raises(CheckpointError, match="the dynamics are others"):
        trainer_of(lambda: GridWorld("S G ."), tmp_path / "run").resume()


def test_another_number_of_time_limits_is_refused(tmp_path):
    trainer_of(slippery_grid, tmp_path / "run").run(10)
    with pytest.raises(CheckpointError, match="the run's environment had 0 TimeLimit wrappers"):
        trainer_of(lambda: gymnasium.wrappers.TimeLimit(slippery_grid(), 5), tmp_path / "run").resume()


def test_an_environment_that_does_not_repeat_itself_is_refused_by_name(tmp_path):
    hidden = np.random.default_rng(0)

    class Moody(Corridor):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, hidden.random(), *rest

    def make():
        env = Moody(length=50)
        return Trainer(Recorder.for_env(env), env, directory=tmp_path / "run")

    make().run(20)
    with pytest.raises(CheckpointError, match=r"Moody.* is not deterministic"):
        make().resume()


def test_what_a_wrapper_keeps_that_has_no_saved_form_is_named(tmp_path):
    class Odd(Worn):
        def __init__(self, env):
            super().__init__(env)
            self.link, self.shape = map(float, range(9)), lambda reward: reward

    def make():
        return trainer_of(lambda: Odd(slippery_grid()), tmp_path / "run")

    make().run(20)
    with pytest.warns(UserWarning, match=r"Odd\.link: was not saved with the run"):
        make().resume()


def test_other_wrappers_than_the_runs_are_refused(tmp_path):
    trainer_of(worn_grid, tmp_path / "run").run(10)
    with pytest.raises(CheckpointError, match=r"had the wrappers \['Worn'\], and this one has \['NormalizeReward'\]"):
        trainer_of(normalized_grid, tmp_path / "run").resume()


def test_train_with_resume_finishes_what_is_missing(tmp_path):
    def call(steps):
        env = slippery_grid()
        return rlkit.train(QLearning.for_env(env, seed=0), env, steps=steps, directory=tmp_path / "run", resume=True)

    assert call(100).step == 100
    assert call(300).step == 300
    assert call(300).step == 300
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_runs_checkpoint_is_also_its_agents(tmp_path):
    trainer = trainer_of(slippery_grid, tmp_path / "run")
    trainer.run(200)
    for path in (trainer.folder.saved()[0], tmp_path / "run"):
        assert (QLearning.load(path).q == trainer.agent.q).all()


def test_a_run_says_what_it_was(tmp_path):
    trainer = trainer_of(frozen_lake, tmp_path / "run")
    trainer.run(10)
    config = trainer.folder.read_config()
    assert (config["agent"], config["environment"]["id"], config["seed"]) == ("QLearning", "FrozenLake-v1", 0)
    assert config["hyperparameters"]["learning_rate_power"] == 0.6
    assert config["versions"]["numpy"] == np.__version__


def test_the_best_checkpoint_is_evaluated_where_it_is_asked_for(tmp_path, capsys):
    trainer = trainer_of(slippery_grid, tmp_path / "run", callbacks=[Scored(1.0, 0.0)])
    trainer.run(20)
    (tmp_path / "grid.toml").write_text(f'map = """\n{MAP}\n"""\nmax_steps = 9\n')
    words = ["evaluate", str(tmp_path / "run"), str(tmp_path / "grid.toml"), "--json", "--episodes", "2"]
    found = []
    for more in ([], ["--best"]):
        assert main([*words, *more]) == 0
        found.append(json.loads(capsys.readouterr().out)["returns"])
    expected = (QLearning.load(path) for path in (trainer.folder.path, trainer.folder.best))
    world = GridWorld.load(tmp_path / "grid.toml")
    assert found == [[episode.reward for episode in evaluate(agent, world, episodes=2)] for agent in expected]
    trainer.folder.best.unlink()
    assert main([*words, "--best"]) == 2
    assert "keeps no best checkpoint" in capsys.readouterr().err


def test_going_on_from_the_command_line_begins_what_was_killed_at_once_and_leaves_alone_what_is_done(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ["train", "QLearning", "FrozenLake-v1", "--steps", "200", "--out", "run", "--json", "--eval-every", "0"]
    assert main(words) == 0
    folder = RunFolder(tmp_path / "run")
    for path in folder.saved():
        path.unlink()
    assert main(["train", "--resume", "run", "--json"]) == 0
    assert folder.saved() == [folder.checkpoint_of(200), folder.checkpoint_of(0)]
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    assert main(["train", "--resume", "run", "--json"]) == 0
    after = {path.name: path.stat().st_mtime_ns for path in folder.path.rglob("*") if path.name != "config.json"}
    del before["config.json"], before["checkpoints"], after["checkpoints"]
    assert after == before
    first, *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["returns"] == last["returns"]
    events = EventAccumulator(str(folder.path)).Reload()
    assert [event.step for event in events.Scalars("time/total_timesteps")] == [200]
