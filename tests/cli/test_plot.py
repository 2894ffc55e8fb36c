"""What plot draws agrees with what was logged, in the terminal and in every file."""

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from tests.cli.commandline import Computer, Files, Project

FILES = {
    "runproj.yaml": """\
runproj: 1
name: demo
entry_points:
  main:
    parameters: {lr: 0.1, opt: sgd}
    steps:
      train: {command: [python3, train.py, "{lr}", "{opt}"]}
      silent: {command: "true"}
""",
    "train.py": """\
import sys
import runproj
lr, better = float(sys.argv[1]), sys.argv[2] == "adam"
for step in range(20):
    value = float("nan") if step == 5 else (1 + lr) / (step + 1)
    runproj.log_metric("loss", value, step=step, timestamp=1e9 + 600 * step)
    runproj.log_metrics({"acc": step / 20, "<script>": step}, step=step)
runproj.log_metric("rmse", (lr - 0.1) ** 2 + (0 if better else 0.01))
""",
}


@pytest.fixture
def swept(project: Callable[[Files], Project]) -> Project:
    """A project with a sweep of six runs."""
    made = project(FILES)
    values = ("-P", "lr=0.001,0.1,1", "-P", "opt=sgd,adam")
    made.run("sweep", *values, "--minimize", "rmse", "--experiment", "s", "-q").ok()
    return made


def test_the_best_run_is_the_same_everywhere_and_the_points_are_those_that_were_logged(
    swept: Project,
) -> None:
    every = swept.run("list", "--experiment", "s", "--json").ok().json["runs"]
    by_hand = min(every, key=lambda run: run["metrics"]["train.rmse"])
    assert by_hand["params"] == {"lr": 0.1, "opt": "adam"}

    best = swept.run("best", "--minimize", "rmse", "--experiment", "s", "--json").ok().json
    assert best["best"][0]["run"]["id"] == by_hand["id"]
    label = f"{by_hand['id']} lr=0.1 opt=adam"
    for options in (
        ("--parallel",), ("--scatter", "lr,metrics.rmse"), ("-m", "rmse"), ("-m", "loss"),
    ):  # fmt: skip
        [chart] = (
            swept.run("plot", "--experiment", "s", *options, "--json").ok().json["plot"]["charts"]
        )
        drawn = chart["series"] if chart["kind"] == "lines" else chart["runs"]
        assert len(drawn) == 6
        assert drawn[chart["best"]]["label"] == label, options
        told = swept.run("plot", "--experiment", "s", *options).ok().out
        line = next(one for one in told.splitlines() if one.rstrip().find("best") > 0)
        assert by_hand["id"] in line
    [chart] = swept.run("plot", by_hand["id"], "-m", "loss", "--json").ok().json["plot"]["charts"]
    assert chart["series"] == [
        {
            "label": "train.loss",
            "x": list(range(20)),
            "y": [None if step == 5 else 1.1 / (step + 1) for step in range(20)],
        }
    ]
    page = swept.run("report", "s", "-o", "-").ok().out
    assert f"{by_hand['id']} best" in page


def test_charts_go_to_files_by_their_endings_and_mistakes_are_told(swept: Project) -> None:
    for ending in ("svg", "png", "html"):
        name = f"chart.{ending}"
        done = swept.run("plot", "-m", "loss,acc", "-m", "<script>", "-o", name).ok()
        assert done.out == f"wrote {name}\n"
    ET.fromstring((swept.folder / "chart.svg").read_text())  # noqa: S314 -- it is our own
    assert (swept.folder / "chart.png").read_bytes().startswith(b"\x89PNG")
    page = (swept.folder / "chart.html").read_text()
    assert "Content-Security-Policy" in page
    assert "<script" not in page
    for arguments, told in (
        (("-o", "x.pdf"), "one of .svg, .png, .html"),
        (("-o", "no/such/folder.svg"), "it cannot be written"),
        (("-m", "los"), "did you mean 'loss'?"),
        (("--parallel", "--minimize", "nope"), "there is no metric 'nope'"),
        (("--parallel", "--scatter", "a,b"), "exclude each other"),
        (("--scatter", "lr"), "two names"),
        (("--scatter", "lr,rmse", "-m", "loss"), "says all that is drawn"),
        (("--parallel", "-m", "a", "-m", "b"), "needs one metric"),
        (("--minimize", "a", "--maximize", "b"), "exclude each other"),
        (("--experiment", "t"), "there is no experiment 't'"),
        (("latest", "--experiment", "s"), "either runs are named"),
        (("--where", "params.lr > 5"), "no such runs"),
        (("latest/silent",), "no metrics were logged"),
    ):
        assert told in swept.run("plot", *arguments).ok(2).err, arguments


def test_the_terminal_shows_every_metric_with_points_over_steps_or_times(swept: Project) -> None:
    done = swept.run("plot", "latest").ok()
    assert [line for line in done.out.splitlines() if line.startswith("train.")] == [
        "train.loss", "train.acc", "train.<script>", "train.rmse",
    ]  # fmt: skip
    assert "\x1b" not in done.out
    assert "last 0.1, min 0.1, max 2, 1 not finite" in done.out
    timed = swept.run("plot", "latest", "-m", "loss", "--x", "time", "--log").ok().out
    assert "hours since the first point" in timed
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "COLUMNS": "60"}
    ascii_only = swept.run("plot", "latest/train", "-m", "loss", env=plain).ok().out
    assert ascii_only.isascii()
    assert max(map(len, ascii_only.splitlines())) <= 80
    two = swept.run("plot", "latest", "latest~1", "-m", "loss").ok()
    assert "a " in two.out
    other = swept.run("plot", "--where", "params.lr < 1", "-m", "rmse").ok().out
    assert other.count("●") == 4


def test_runs_without_a_metric_are_counted_and_old_ones_of_many_are_left_out(
    computer: Computer,
) -> None:
    files = {
        "runproj.yaml": "runproj: 1\nentry_points: {main: {command: 'sh step.sh'}}\n",
        "step.sh": "true\n",
    }
    made = computer.project(files)
    made.run("run", ".").ok()
    made.write({"step.sh": 'echo \'{"metric": "loss", "value": 1}\' >> "$RUNPROJ_EVENTS"\n'})
    made.run("run", ".").ok()
    done = made.run("plot", "latest", "latest~1", "-m", "loss", "--json").ok()
    assert "note: 1 of 2 runs have no metric loss" in done.err
    [chart] = json.loads(done.out)["plot"]["charts"]
    assert [one["values"] for one in chart["runs"]] == [{"loss": 1.0}]
