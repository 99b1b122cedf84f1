"""A report as files and from the command line: pictures, tables, one page that needs nothing else."""

from __future__ import annotations

import csv
import json
import math
import re
import struct
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from rlkit.cli import main
from rlkit.errors import ConfigError
from rlkit.report import report
from tests.rlkit.report_runs import write_run, write_seeds

EVERY_PICTURE = ("aggregates", "curves", "efficiency", "improvement", "profiles", "truth_rmsve")
EVERY_TABLE = ("aggregates", "curves", "efficiency", "finals", "improvement", "profiles", "scores")


class Page(HTMLParser):
    """The tags, attributes and words of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two agents on two environments, with exact errors on one of them."""
    folder = tmp_path_factory.mktemp("runs")
    for agent, lift in (("A", 0.3), ("B", 0.0)):
        write_seeds(folder / agent / "far", [lift + 0.1 * seed for seed in range(3)], agent=agent, env="Far")
        for seed in range(3):
            scores, errors = [0.0, lift + 0.1 * seed], [1.0, 0.01 * (seed + 1)]
            tags = {"truth/rmsve": errors}
            write_run(folder / agent / f"near_{seed}", scores, agent=agent, env="Near", seed=seed, tags=tags)
    return folder


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    """The folder of a full report, and the report."""
    out = tmp_path_factory.mktemp("report")
    return out, report(runs, normalise=(0, 1), reps=100, out=out)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


# files


def test_a_full_report_is_a_page_and_every_picture_and_table(written):
    out, _ = written
    pictures = [f"{name}.{ending}" for name in EVERY_PICTURE for ending in ("png", "svg")]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["report.html", *pictures, *(f"{name}.csv" for name in EVERY_TABLE)]
    )


def test_pictures_are_whole_and_not_empty(written):
    out, _ = written
    for name in EVERY_PICTURE:
        png = (out / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert png.endswith(b"IEND\xaeB`\x82")
        width, height = struct.unpack(">II", png[16:24])
        assert width > 300
        assert height > 80
        assert ElementTree.parse(out / f"{name}.svg").getroot().tag.endswith("svg")


def test_the_page_fetches_nothing(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    found = Page(page)
    assert not {"script", "link", "img", "iframe", "object", "base", "image"} & set(found.tags)
    linked = [value for _, name, value in found.attributes if name in ("src", "href", "xlink:href", "srcset", "data")]
    assert linked
    assert all(value.startswith("#") for value in linked)
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", page))
    assert "@import" not in page
    assert set(re.findall(r"https?://[^\s\"'<]*", page)) == {  # names of the vocabulary, and no addresses to fetch
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_every_picture_is_on_the_page_and_no_name_is_there_twice(written):
    found = Page((written[0] / "report.html").read_text(encoding="utf-8"))
    assert found.tags.count("figcaption") == len(EVERY_PICTURE)
    names = [value for _, name, value in found.attributes if name == "id"]
    assert len(names) == len(set(names))
    used = {value.lstrip("#") for _, name, value in found.attributes if name == "xlink:href"}
    assert used <= set(names)


def test_the_page_is_for_light_and_dark_and_for_phones(written):
    page = (written[0] / "report.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport" content="width=device-width' in page
    colours = {value for _, name, value in Page(page).attributes if name == "style" and "#" in (value or "")}
    assert not any(re.search(r"#[0-9a-f]{6}", each) for each in colours)  # each is a variable of either scheme


def test_the_page_says_every_note_and_how_sure_it_is(written):
    out, found = written
    text = " ".join(Page((out / "report.html").read_text(encoding="utf-8")).texts)
    assert all(note in text for note in found.notes)
    assert "95% ones, from 100 bootstrap samples" in text


def test_small_numbers_are_written_in_full_on_the_page(tmp_path):
    for rate in (0.0012, 0.0013):
        scores = [0.0011, 0.0012, 0.0013]
        write_run(tmp_path / str(rate), scores, seed=None, hyperparameters={"learning_rate": rate})
    report(tmp_path, reps=10, out=tmp_path / "out", formats=["html"])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    words = re.findall(r"<text[^>]*>([^<]*)</text>", page)
    assert {"Q learning_rate=0.0012", "Q learning_rate=0.0013"} <= set(words)
    ticks = [word for word in words if word.startswith("0.00")]
    assert len({float(word) for word in ticks}) > 2


def test_names_are_no_markup_on_the_page(tmp_path):
    write_seeds(tmp_path / "runs", [1.0, 2.0], agent="<script>alert(1)</script>", env="a$b_{&amp;}$")
    report(tmp_path / "runs", reps=10, out=tmp_path)
    found = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in found.tags
    assert "<script>alert(1)</script>" in found.texts
    ElementTree.parse(tmp_path / "curves.svg")


def test_page_and_tables_are_the_same_to_the_byte_for_the_same_seed(written, runs, tmp_path):
    again = report(runs, normalise=(0, 1), reps=100)
    for path in again.save(tmp_path, ["html", "csv"]):
        assert path.read_bytes() == (written[0] / path.name).read_bytes(), path.name


def test_pictures_are_the_same_to_the_byte_for_the_same_seed(tmp_path):
    write_seeds(tmp_path / "runs", [1.0, 2.0])
    found = report(tmp_path / "runs", reps=10)
    first, again = (found.save(tmp_path / name, ["png", "svg"]) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_tables_hold_the_reports_numbers_with_all_digits(written):
    out, found = written
    finals = {(row["metric"], row["method"], row["environment"]): row for row in rows_of(out / "finals.csv")}
    for (method, task), estimate in found.finals.items():
        row = finals[found.metric, method, task]
        assert [float(row[name]) for name in ("interquartile_mean", "low", "high")] == list(estimate)
    (improvement,) = rows_of(out / "improvement.csv")
    assert float(improvement["probability"]) == found.improvement["A", "B"].value
    scores = rows_of(out / "scores.csv")
    assert [float(row["score"]) for row in scores if (row["method"], row["environment"]) == ("A", "Far")] == [
        0.3,
        0.4,
        0.5,
    ]
    assert len(scores) == 12
    for row in rows_of(out / "curves.csv"):
        its = found.curve(row["metric"], row["method"], row["environment"])
        place = its.curve.steps.tolist().index(float(row["step"]))
        assert float(row["interquartile_mean"]) == its.estimate.value[place]


def test_where_there_is_no_interval_a_tables_cells_are_empty(tmp_path):
    write_run(tmp_path / "run", [1.0])
    report(tmp_path / "run", reps=10, out=tmp_path, formats=["csv"])
    (row,) = rows_of(tmp_path / "finals.csv")
    assert (row["interquartile_mean"], row["low"], row["high"]) == ("1.0", "", "")


def test_a_format_that_there_is_not_is_refused_before_anything_is_written(runs, tmp_path):
    with pytest.raises(ConfigError, match=r"formats='pdf', expected html, png, svg, csv"):
        report(runs, reps=10, out=tmp_path / "out", formats=["html", "pdf"])
    assert not (tmp_path / "out").exists()


# the command line


@pytest.fixture
def words(runs, tmp_path, monkeypatch):
    """The command, quick, from a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return ["report", str(runs), "--reps", "50"]


def refusal(capsys, *words):
    """The one line on stderr of a command that has to fail."""
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rlkit: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("flags", "endings"), [(["--csv"], {".csv"}), (["--svg"], {".svg"}), (["--png", "--html"], {".png", ".html"})]
)
def test_only_what_is_asked_for_is_written(words, tmp_path, flags, endings):
    assert main([*words, *flags, "--out", "found"]) == 0
    assert {path.suffix for path in (tmp_path / "found").iterdir()} == endings


def test_the_table_is_printed_with_the_notes_and_where_the_page_is(words, capsys):
    assert main([*words, "--html"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Near +A +0\.4 \[0\.3\d*, 0\.[45]\d*\] +3 +200", out)
    assert "P(X beats Y)" in out
    assert "note: " in out
    assert out.rstrip().endswith("report.html")


def test_json_is_one_object_with_the_reports_numbers(words, runs, capsys):
    assert main([*words, "--csv", "--json", "--normalise", "Near=0,1", "Far=0,2"]) == 0
    answer = json.loads(capsys.readouterr().out)
    expected = report(runs, normalise={"Near": (0, 1), "Far": (0, 2)}, reps=50)
    assert answer["metric"] == "eval/mean_reward"
    assert answer["improvement"][0]["value"] == expected.improvement["A", "B"].value
    assert answer["aggregates"]["median"]["A"]["low"] == expected.aggregates["median"]["A"].low
    assert answer["notes"] == list(expected.notes)


def test_json_says_null_where_there_is_no_interval(tmp_path, capsys):
    write_run(tmp_path / "run", [1.0])
    assert main(["report", str(tmp_path / "run"), "--csv", "--json", "--out", str(tmp_path / "out")]) == 0
    (score,) = json.loads(capsys.readouterr().out)["scores"]
    assert (score["value"], score["low"], score["high"]) == (1.0, None, None)
    assert not math.isnan(score["value"])


def test_the_metric_is_chosen_by_its_tag(words, capsys):
    assert main([*words, "--csv", "--metric", "truth/rmsve"]) == 0
    assert "truth/rmsve [95% interval]" in capsys.readouterr().out


def test_folders_are_named_by_an_equals_sign(words, runs, capsys):
    assert main(["report", f"old={runs / 'A'}", f"new={runs / 'B'}", "--reps", "50", "--csv"]) == 0
    assert re.search(r"Near +old .*\n.*Near +new ", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--metric", "eval/reward"], "was logged by no run; known: eval/mean_reward"),
        (["--normalise", "best"], "--normalise best: expected WORST,BEST"),
        (["--normalise", "0,1", "Near=0,1"], "expected one scale for all environments"),
        (["--normalise", "Near=0,1"], "names no scale for Far"),
        (["--group", "colour"], "group='colour'"),
        (["--reps", "0"], "reps"),
        (["--confidence", "95"], "confidence=95"),
    ],
)
def test_a_word_that_makes_no_sense_is_refused_in_one_line(words, capsys, tmp_path, more, message):
    assert message in refusal(capsys, *words, *more)
    assert not (tmp_path / "report").exists()


def test_folders_without_runs_are_refused_in_one_line(capsys, tmp_path):
    assert "nowhere: no such run" in refusal(capsys, "report", str(tmp_path / "nowhere"))
    assert "holds no run" in refusal(capsys, "report", str(tmp_path))
    assert "no run is named" in refusal(capsys, "report")


def test_the_statistics_need_neither_torch_nor_matplotlib():
    code = "import sys, rlkit.report; print({'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_errors_that_are_rounding_count_as_0_in_tables_and_end_the_log_axis(tmp_path):
    from rlkit.report.figures import draw, plates
    from rlkit.report.tables import truth_rows

    for seed in range(3):
        tags = {"truth/rmsve": [1.0, 1e-3, 1e-15 * (seed + 1)], "truth/optimal_actions": [0.001, 0.5, 1.0]}
        write_run(tmp_path / f"seed_{seed}", [0.0, 0.5, 1.0], seed=seed, tags=tags)
    found = report(tmp_path, reps=50)
    assert truth_rows(found)[1][-1] == "0 [0, 0]"
    plate = next(plate for plate in plates(found) if plate.name == "truth_rmsve")
    axes = draw(plate, found).axes[0]
    assert axes.get_yscale() == "log"
    assert 1e-9 <= axes.get_ylim()[0] <= 1e-3
    shares = next(plate for plate in plates(found) if plate.name == "truth_optimal_actions")
    assert draw(shares, found).axes[0].get_yscale() == "linear"
