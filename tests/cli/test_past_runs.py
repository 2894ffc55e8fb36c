"""Looking at past runs: list, show, logs, get, and how they find the store."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Files, Project, until
from tests.cli.projects import FAILING, FILES

MakeProject = Callable[[Files], Project]


@pytest.fixture
def demo(computer: Computer) -> Project:
    """A project with a run."""
    made = computer.project(FILES)
    made.run("run", ".", "--name", "first").ok()
    return made


def test_list_shows_the_latest_run_first(demo: Project) -> None:
    demo.run("run", ".", "-P", "lr=0.5", "--name", "second").ok()
    runs = demo.run("list", "--json").ok().json["runs"]
    assert [run["name"] for run in runs] == ["second", "first"]
    assert [run["metrics"] for run in runs] == [{"train.loss": 0.5}, {"train.loss": 0.01}]
    assert "steps" not in runs[0]
    head, *rows = demo.run("ls").ok().out.splitlines()
    assert head.split() == [
        "run",
        "status",
        "started",
        "took",
        "entry",
        "point",
        "lr",
        "train.loss",
        "name",
    ]
    assert [row.split()[-3:] for row in rows] == [
        ["0.5", "0.5", "second"], ["0.01", "0.01", "first"],
    ]  # fmt: skip


def test_list_can_be_narrowed(demo: Project) -> None:
    demo.write({"runproj.yaml": FAILING})
    demo.run("run", ".", "--experiment", "other", "--name", "broken").ok(1)

    def names(*filters: str) -> list[str]:
        runs = demo.run("list", "--json", *filters).ok().json["runs"]
        return [run["name"] for run in runs]

    assert names() == ["broken", "first"]
    assert names("--experiment", "other") == ["broken"]
    assert names("--status", "succeeded") == ["first"]
    assert names("--status", "failed") == ["broken"]
    assert names("--limit", "1") == ["broken"]
    assert names("--since", "2001-01-31") == ["broken", "first"]
    assert names("--since", "2999-01-31T12:00") == []
    assert names("--experiment", "none") == []


def test_show_tells_everything_about_a_run(demo: Project) -> None:
    said = demo.run("show").ok().out
    for words in ("demo, entry point main", "succeeded", "lr = 0.01", "who = world", "default"):
        assert words in said
    for words in ("train.loss = 0.01", "prepare", "build/report.txt", "first"):
        assert words in said


def test_show_tells_where_the_time_went(demo: Project) -> None:
    said = demo.run("show", "--timing", "--trace-file", "trace.json").ok().out
    assert said.startswith("step ")
    assert "critical path  " in said
    found = demo.run("show", "--timing", "--json").ok().json["timing"]
    drawn = json.loads((demo.folder / "trace.json").read_text())["traceEvents"][1:]
    assert [one["name"] for one in drawn] == [one["step"] for one in found["steps"]]
    assert all(one["duration_s"] > 0 for one in found["steps"])
    assert found["critical_s"] <= found["duration_s"]
    demo.run("run", ".").ok()
    assert demo.run("show", "--timing").ok().out == "no step was executed\n"
    assert "cannot be written" in demo.run("show", "--trace-file", "no/t").ok(2).err


def test_show_tells_everything_about_a_step(demo: Project) -> None:
    said = demo.run("show", "latest/train").ok().out
    for words in ("RUNPROJ_STEP", "PYTHONHASHSEED", "exit code 0", "build/table.csv", "bash"):
        assert words in said
    step = demo.run("show", "latest/train", "--json").ok().json["step"]
    assert step["name"] == "train"
    assert step["metrics"] == {"loss": 0.01}


def test_a_run_is_named_by_its_id_a_prefix_its_name_or_its_age(demo: Project) -> None:
    first = demo.run("show", "--json").ok().run["id"]
    second = demo.run("run", ".", "--json").ok().run["id"]
    assert demo.run("show", first[:7], "--json").ok().run["id"] == first
    assert demo.run("show", "first", "--json").ok().run["id"] == first
    assert demo.run("show", "latest~1", "--json").ok().run["id"] == first
    assert demo.run("show", "latest", "--json").ok().run["id"] == second


def test_logs_are_what_the_steps_printed(demo: Project) -> None:
    assert demo.run("logs", "latest/train").ok().out == "training at 0.01\na warning\n"
    assert "training at 0.01\na warning\n" in demo.run("logs").ok().out


def test_logs_know_times_and_streams(demo: Project) -> None:
    entries = demo.run("logs", "latest/train", "--json").ok().json["logs"]
    by_stream = {entry["stream"]: entry["text"] for entry in entries}
    assert by_stream == {"stdout": "training at 0.01\n", "stderr": "a warning\n"}
    assert all(entry["time_s"] >= 0 for entry in entries)
    lines = demo.run("logs", "latest/train", "--time").ok().out.splitlines()
    assert sorted(line.split()[1] for line in lines) == ["err", "out"]


def test_a_cached_step_has_the_log_of_the_step_it_stands_for(demo: Project) -> None:
    demo.run("run", ".").ok()
    assert demo.run("logs", "latest/train").ok().out == "training at 0.01\na warning\n"


SLOW = """\
runproj: 1
entry_points:
  main:
    parameters: {gate: string}
    steps:
      slow:
        command: |
          echo begun
          while [ ! -e {gate} ]; do sleep 0.05; done
          echo ended
"""


def test_logs_follow_a_run_under_way_until_it_ends(computer: Computer) -> None:
    made = computer.project({"runproj.yaml": SLOW.replace("string", "{type: string}")})
    gate = computer.root / "gate"
    running = made.start("run", ".", "-P", f"gate={gate}")
    try:
        until(lambda: "running" in made.run("list").out, "the run is listed")
        until(lambda: made.run("logs").out == "begun\n", "what the step printed can be read")
        assert made.run("show", "--json").ok().run["status"] == "running"
        following = made.start("logs", "-f")
        assert following.stdout is not None
        assert following.stdout.readline() == b"begun\n"
        assert following.poll() is None
        gate.touch()
        assert following.stdout.read() == b"ended\n"
        assert following.wait(30) == 0
        assert running.wait(30) == 0
    finally:
        for process in (running,):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate()
    following.communicate()


def test_get_copies_outputs_by_name_path_or_all_of_them(demo: Project, tmp_path: Path) -> None:
    wanted = {
        ("latest", "page"): {"build/report.txt"},
        ("latest", "build/table.csv", "page"): {"build/report.txt", "build/table.csv"},
        ("latest/train",): {"build/metrics.json"},
        ("first/train:metrics",): {"build/metrics.json"},
        ("first",): {"build/report.txt", "build/table.csv", "build/metrics.json"},
    }
    for number, (named, expected) in enumerate(wanted.items()):
        place = tmp_path / f"got{number}"
        demo.run("get", *named, "--to", str(place)).ok()
        found = {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()}
        assert found == expected, named


def test_get_overwrites_only_when_it_is_forced(demo: Project, tmp_path: Path) -> None:
    place = tmp_path / "got"
    for options, code in (((), 0), ((), 2), (("--force",), 0)):
        demo.run("get", "latest", "page", "--to", str(place), *options).ok(code)


def test_a_step_that_keeps_all_it_makes_does_not_overwrite_a_project_file(
    computer: Computer,
) -> None:
    text = "runproj: 1\nentry_points: {main: {command: echo 1 > runproj.yml}}\n"
    project = computer.project({"runproj.yaml": text})
    project.run("run", ".").ok()
    project.run("get", "--to", "got").ok()
    said = project.run("get", "--to", "got", "--force").ok(2).err
    assert "runproj.yml would overwrite what is the project's own" in said


def test_what_was_got_may_be_changed_without_harm(demo: Project, tmp_path: Path) -> None:
    before = demo.outputs("latest")
    demo.run("get", "--to", str(tmp_path / "got")).ok()
    got = tmp_path / "got/build/report.txt"
    assert os.access(got, os.W_OK)
    got.write_text("changed")
    demo.run("rerun", "latest").ok()
    assert demo.outputs("latest") == before


def test_outputs_in_the_default_place_do_not_become_source(demo: Project) -> None:
    tree = demo.run("show", "--json").ok().run["source"]["tree"]
    out = demo.run("get").ok().out
    assert (demo.folder / out.splitlines()[0]).is_file()
    assert demo.run("run", ".", "--json").ok().run["source"]["tree"] == tree


def test_the_nearest_store_upwards_is_used(demo: Project) -> None:
    inner = demo.folder / "deep" / "inside"
    inner.mkdir(parents=True)
    assert "first" in demo.run("list", cwd=inner).ok().out


def test_a_store_can_be_chosen_before_or_after_the_command_or_by_a_variable(
    computer: Computer, tmp_path: Path
) -> None:
    made = computer.project(FILES)
    store = tmp_path / "elsewhere"
    run = made.run("run", ".", "--store", str(store), "--json").ok().run["id"]
    assert not (made.folder / ".runproj").exists()
    ways: list[tuple[tuple[str, ...], dict[str, str]]] = [
        (("show", "--json", "--store", str(store)), {}),
        (("--store", str(store), "show", "--json"), {}),
        (("show", "--json"), {"RUNPROJ_STORE": str(store)}),
    ]
    for command, variables in ways:
        assert computer.run(*command, env=variables).ok().run["id"] == run
    made.run("run", ".", env={"RUNPROJ_STORE": str(store)}).ok()
    assert not (made.folder / ".runproj").exists()


def test_a_relative_store_is_meant_from_where_the_command_was_typed(
    computer: Computer, tmp_path: Path
) -> None:
    computer.project(FILES)
    computer.run("run", ".", "-C", "project", "--store", "here").ok()
    assert (tmp_path / "here" / "runs").is_dir()


@pytest.mark.usefixtures("demo")
def test_dash_capital_c_works_as_if_started_there(computer: Computer) -> None:
    assert "first" in computer.run("-C", "project", "list").ok().out
    assert "first" in computer.run("list", "-C", "project").ok().out


def test_a_store_ignores_itself_in_git(computer: Computer) -> None:
    made = computer.project(FILES, git=True)
    made.run("run", ".").ok()
    assert made.git("status", "--porcelain", "--untracked-files=all") == ""


def test_diff_says_only_what_differs(computer: Computer) -> None:
    project = computer.project(FILES)
    first = project.run("run", ".", "-P", "lr=0.1", "--json").ok().run["id"]
    project.write({"extra.txt": "new\n"})
    second = project.run("run", ".", "-P", "lr=0.2", "--json").ok().run["id"]
    said = project.run("diff", first, second).ok().out
    assert f"{first} → {second}" in said
    assert "~  lr  0.1 → 0.2" in said
    assert "+  extra.txt  added" in said
    assert "prepare" not in said
    assert project.run("show", second, "--diff").ok().out == said
    assert "+new\n" in project.run("diff", first, "--patch").ok().out
    assert project.run("diff", second, "latest").ok().out.endswith("nothing differs\n")
    document = project.run("diff", first, second, "--json").ok().json["diff"]
    assert document["params"] == [{"name": "lr", "about": None, "from": 0.1, "to": 0.2}]
    assert "is the first run" in project.run("show", first, "--diff").ok(2).err
