"""The command line: what it prints, what it leaves, and how it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from PIL import Image

from rlkit import __version__
from rlkit.bellman import Progress
from rlkit.cli import _progress, main, verbs

OFFICE = 'map = """\nS . #\n. X G\n"""\nstep_reward = -0.1\n'


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def solve_json(capsys, *words):
    assert main(["solve", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys, *words):
    """The one line on stderr of a command that has to fail."""
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rlkit: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_solving_prints_the_values_and_leaves_a_run(capsys, own_folder):
    assert main(["solve", "zhao-5x5"]) == 0
    printed = capsys.readouterr().out
    for text in ("25 states, 5 actions", "gamma        0.9", "5.8 ↓   5.6 →", "10.0 •", "runs/zhao-5x5"):
        assert text in printed
    left = {path.name.split(".")[0] for path in (own_folder / "runs/zhao-5x5").iterdir()}
    assert left == {"events", "progress", "solution", "values"}
    with Image.open(own_folder / "runs/zhao-5x5/values.png") as image:
        assert min(image.size) > 300


def test_json_says_what_was_found_and_nothing_else(capsys, own_folder):
    (own_folder / "office.toml").write_text(OFFICE)
    found = solve_json(capsys, "office.toml", "--gamma", "1", "--out", "result")
    assert found["problem"] == "office"
    assert found["values"] == pytest.approx([-0.1, 0.0, 0.0, 1.0, 0.0])
    assert found["error_bound"] <= found["tol"] == 1e-8
    assert found["start_value"] == found["values"][0]
    assert found["folder"] == "result"
    assert json.loads((own_folder / "result/solution.json").read_text())["values"] == found["values"]


def test_the_stored_solution_needs_no_pickle(capsys, own_folder):
    found = solve_json(capsys, "zhao-2x2", "--out", "result")
    with np.load(own_folder / "result/solution.npz", allow_pickle=False) as stored:
        assert stored["v"].tolist() == pytest.approx([9.0, 10.0, 10.0, 10.0])
        assert stored["policy"].tolist() == found["policy"]
        assert float(stored["error_bound"]) == found["error_bound"]


@pytest.mark.parametrize("method", ["value_iteration", "policy_iteration", "truncated_policy_iteration"])
def test_every_method_finds_the_same_values(capsys, method):
    found = solve_json(capsys, "zhao-2x2", "--method", method, "--tol", "1e-10")
    assert found["method"] == method
    assert found["values"] == pytest.approx([9.0, 10.0, 10.0, 10.0], abs=1e-10)


def test_a_drawing_without_toml_is_a_map_too(capsys, own_folder):
    (own_folder / "hall.txt").write_text("S . G\n")
    assert solve_json(capsys, "hall.txt", "--gamma", "0.5")["values"] == pytest.approx([0.5, 1.0, 0.0])


def test_gymnasiums_tables_are_solved_and_drawn_as_maps(capsys, own_folder):
    found = solve_json(capsys, "FrozenLake-v1", "--gamma", "0.99")
    assert found["shape"] == [4, 4]
    assert found["values"] == pytest.approx(solve_json(capsys, "rlkit/FrozenLake4x4-v0", "--gamma", "0.99")["values"])
    assert main(["solve", "FrozenLake-v1"]) == 0
    assert capsys.readouterr().out.count("end") >= 5


def test_a_plot_is_written_where_it_was_asked_for(capsys, own_folder):
    found = solve_json(capsys, "zhao-2x2", "--plot", "pictures/values.svg")
    assert "pictures/values.svg" in found["files"]
    assert (own_folder / "pictures/values.svg").read_text().startswith("<?xml")


def test_each_run_gets_a_folder_of_its_own(capsys):
    folders = [solve_json(capsys, "zhao-2x2")["folder"] for _ in range(3)]
    assert folders == ["runs/zhao-2x2", "runs/zhao-2x2-2", "runs/zhao-2x2-3"]


def test_a_folder_in_use_is_never_written_over(capsys, own_folder):
    (own_folder / "mine").mkdir()
    (own_folder / "mine/thesis.tex").write_text("all of it")
    assert "mine: the folder is not empty" in refusal(capsys, "solve", "zhao-2x2", "--out", "mine")
    assert [path.name for path in (own_folder / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["solve", "nowhere.toml"], "nowhere.toml: no such file; did you mean 'somewhere.toml'"),
        (["solve", "zhao5x5"], "did you mean 'zhao-5x5'"),
        (["solve", "FrozenLake-v7"], "did you mean 'FrozenLake-v1'"),
        (["solve", "CartPole-v1"], "neither a transition table P nor a model()"),
        (["solve", "rlkit/LinearQuadratic-v0"], "Riccati's equation solves it exactly"),
        (["solve", "rlkit/PointMaze-v0"], "its shortest way is known exactly"),
        (["solve", "zhao-2x2", "--gamma", "1.5"], "gamma=1.5 is outside its range [0, 1]"),
        (["solve", "zhao-2x2", "--gamma", "high"], "could not convert string to float: 'high'"),
        (["solve", "zhao-2x2", "--tol", "1e-30"], "the least error that float64 can resolve"),
        (["solve", "zhao-2x2", "--gama", "1"], "did you mean --gamma?"),
        (["solve", "zhao-2x2", "--method", "magic"], "invalid choice 'magic'"),
        (["solve", "zhao-2x2", "--plot", "values.bmp"], "has to end in .png, .svg, .pdf"),
        (["solve", "Taxi-v4", "--plot", "values.png"], "lie on no map"),
        (["solve"], "MAP|ENV_ID"),
        (["slove"], "unknown command 'slove'; did you mean 'solve'?"),
    ],
)
def test_mistakes_cost_one_line_and_exit_code_2(capsys, own_folder, words, said):
    (own_folder / "somewhere.toml").write_text(OFFICE)
    assert said in refusal(capsys, *words)
    assert not list(own_folder.glob("runs/*"))


def test_a_broken_map_shows_all_its_errors_without_a_traceback(capsys, own_folder):
    (own_folder / "bad.toml").write_text('map = """\nS ? G\n. . .\n"""\nslip = 2\n')
    assert main(["solve", "bad.toml"]) == 2
    assert "bad.toml:2:3" in capsys.readouterr().err


def test_help_lists_every_verb_and_the_version_is_told(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {verb} " in printed for verb in verbs())
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rlkit {__version__}\n"


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_explains_itself(capsys, verb):
    assert main([verb, "--help"]) == 0
    assert f"usage: rlkit {verb}" in capsys.readouterr().out


def test_environments_and_agents_are_listed(capsys):
    assert main(["envs"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{identity} " in listed for identity in gymnasium.registry if identity.startswith("rlkit/"))
    assert main(["agents"]) == 0
    assert "QLearning" in capsys.readouterr().out
    assert main(["agents", "sarsalambda"]) == 0
    about = capsys.readouterr().out
    assert "learning_rate = 0.1" in about
    assert "one of accumulating, replacing, dutch" in about


def test_nested_hyperparameters_and_presets_of_an_agent_are_listed_one_by_one(capsys):
    assert main(["agents", "DDPG"]) == 0
    lines = capsys.readouterr().out.splitlines()
    about = {line.split(" = ")[0].strip(): line for line in lines if " = " in line}
    assert "GaussianNoise(" not in "".join(lines)
    assert "one of GaussianNoise, OrnsteinUhlenbeckNoise, None" in about["noise"]
    assert "in [0, inf)" in about["noise.sigma"]
    assert about["noise.theta"].endswith("(OrnsteinUhlenbeckNoise)")
    assert "layer_norm = False" in about["critic.layer_norm"]
    assert any(line.startswith("  presets: ") for line in lines)
    assert max(map(len, lines)) < 140


def test_a_misspelt_agent_is_answered_with_the_nearest(capsys):
    assert main(["agents", "QLerning"]) == 2
    assert "'QLearning'" in capsys.readouterr().err


def test_the_list_of_agents_imports_none_of_them():
    program = (
        "import sys; from rlkit.cli import main; code = main(['agents']); "
        "heavy = {'torch', 'numba'} & set(sys.modules); assert not heavy, heavy; sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL).returncode == 0


def test_large_maps_are_not_spelled_out(capsys, own_folder):
    (own_folder / "plain.txt").write_text("\n".join(["S" + "." * 119] + ["." * 120] * 98 + ["." * 119 + "G"]))
    assert main(["solve", "plain.txt"]) == 0
    assert len(capsys.readouterr().out.splitlines()) < 15
    assert "values" not in json.loads((own_folder / "runs/plain/solution.json").read_text())


def test_the_solve_command_imports_neither_torch_nor_matplotlib():
    program = (
        "import sys; from rlkit.cli import main; code = main(['solve', 'zhao-2x2']); "
        "heavy = {'torch', 'matplotlib', 'stable_baselines3', 'pandas', 'tqdm'} & set(sys.modules); "
        "assert not heavy, heavy; sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL).returncode == 0


def test_python_m_rlkit_is_the_command_line_and_survives_a_closed_pipe():
    command = [sys.executable, "-m", "rlkit", "envs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_name_that_the_terminal_cannot_show_is_printed_all_the_same(own_folder):
    (own_folder / "büro.toml").write_text('map = "S . G"')
    command = [sys.executable, "-m", "rlkit", "solve", "büro.toml"]
    done = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"b\xfcro: 1 x 3 map")


@pytest.mark.parametrize(("redirection", "problem", "code"), [(">&-", "zhao-2x2", 0), ("2>&-", "no-such-map", 2)])
def test_closed_streams_are_no_trouble(own_folder, redirection, problem, code):
    line = f'exec "{sys.executable}" -m rlkit solve {problem} {redirection}'
    done = subprocess.run(["bash", "-c", line], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_the_demo_tells_of_solving_learning_and_steering_in_one_table(capsys, own_folder):
    assert main(["demo", "--steps", "20000", "--out", "here"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split("  ")[2]: line.split() for line in printed.splitlines() if line.startswith("    ")}
    exact = json.loads((Path(__file__).parents[1] / "reference" / "td.json").read_text())["zhao_5x5"]
    exact = exact["exact_all_errors_gt_misc"]
    assert float(rows["Bellman equation"][-6]) < 1e-7
    for name, features in (("TD, polynomial", "poly10"), ("TD, Fourier 3", "fourier_q3")):
        error, best, fixed = map(float, rows[name][-6:-3])
        assert best == pytest.approx(exact[features]["best"]["rmsve"], abs=1e-4)
        assert fixed == pytest.approx(exact[features]["td"]["rmsve"], abs=1e-4)
        assert best <= error < 0.5
    assert rows["TD, table"][-5:-3] == ["0", "0"]
    assert 0 < float(rows["neural TD *"][-6]) < 4
    for method in ("value_iteration", "policy_iteration", "truncated_policy_iteration"):
        assert rows[method][-8:-1] == ["0", "-", "-", "100", "%", "0", "%"]
        assert float(rows[method][-1]) < 1e-12
    assert float(rows["Q-learning"][-8]) < 1
    assert rows["Riccati equation"][-3:] == ["0", "%", "-"]
    assert rows["DDPG"][1:3] == ["200", "steps"]
    assert float(rows["DDPG"][-3]) > 0
    assert "tensorboard --logdir here" in printed
    left = {path.name for path in (own_folder / "here").glob("*.png")}
    assert left == {
        f"{name}.png"
        for name in ("values", "learnt", "convergence", "prediction", "prediction_errors", "control_errors", "steering")
    }
    assert len(list((own_folder / "here").glob("*/events.out.tfevents.*"))) == 12
    with (own_folder / "here" / "ddpg" / "progress.csv").open() as stream:
        gaps = [row["truth/optimality_gap"] for row in csv.DictReader(stream) if row["truth/optimality_gap"]]
    assert len(gaps) == 40


def test_a_bar_shows_only_on_a_terminal_and_once_the_wait_is_long(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(stream, patience):
        monkeypatch.setattr(_progress, "PATIENCE", patience)
        monkeypatch.setattr(sys, "stderr", stream)
        with _progress.WaitingBar("reading") as bar:
            note = bar.watch(1e-8, lambda progress: None)
            note(Progress(1, np.zeros(1), 1.0, 0.9, 1.0))
            note(Progress(40, np.zeros(1), 1.0, 0.9, 1e-4))
            time.sleep(0.5)
        return stream.getvalue()

    assert "iteration 40, error bound 1.0e-04 |#####     |" in shown(Terminal(), 0.0)
    assert shown(Terminal(), 60.0) == shown(io.StringIO(), 0.0) == ""
