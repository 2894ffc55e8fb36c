"""Doing a run again from its record alone."""

import shutil

from tests.cli.commandline import Computer, digests
from tests.cli.projects import EVERY_STEP_RAN, FILES

OUTSIDE = """\
runproj: 1
environments: {default: {kind: venv}}
entry_points:
  main:
    parameters:
      data: {type: path}
      text: {type: string, default: "it's $HOME & {co}"}
    steps:
      copy:
        command: cat {data} ignored.txt > {outputs.all}
        inputs: [ignored.txt]
        outputs: {all: all.txt}
      say: {command: [python, say.py, "{text}", "{steps.copy.outputs.all}"], outputs: [said.txt]}
"""
SAY = """\
import pathlib, sys
text, place = sys.argv[1:]
pathlib.Path("said.txt").write_text(text + pathlib.Path(place).read_text())
"""


def test_a_rerun_executes_every_step_and_makes_the_same(computer: Computer) -> None:
    project = computer.project(FILES)
    first = project.run("run", ".", "-P", "lr=0.3", "--tag", "a=b", "--json").ok().run
    done = project.run("rerun", "latest", "--json").ok()
    assert done.steps() == EVERY_STEP_RAN
    assert done.run["rerun_of"] == first["id"]
    assert done.run["params"] == first["params"]
    assert done.run["source"] == first["source"]
    assert done.run["tags"] == {"a": "b"}
    assert done.step("train")["reason"] == f"rerun of {first['id']}"
    assert project.outputs(first["id"]) == project.outputs(done.run["id"])


def test_a_rerun_takes_the_code_and_inputs_of_then_not_of_now(computer: Computer) -> None:
    project = computer.project(FILES)
    first = project.run("run", ".", "--json").ok().run["id"]
    project.write({"data.csv": "z\n", "runproj.yaml": "broken: ["})
    project.run("rerun", first).ok()
    assert project.outputs("latest") == project.outputs(first)


def test_a_rerun_of_a_rerun_of_a_cached_run_works(computer: Computer) -> None:
    project = computer.project(FILES)
    project.run("run", ".").ok()
    first = project.run("run", ".", "--json").ok().run["id"]
    for _ in range(2):
        project.run("rerun", "latest").ok()
        assert project.outputs("latest") == project.outputs(first)


def test_a_rerun_needs_neither_the_project_nor_the_repository_nor_the_home(
    computer: Computer,
) -> None:
    store = str(computer.root / "store")
    project = computer.project(
        {"runproj.yaml": OUTSIDE, "say.py": SAY, ".gitignore": "ignored.txt\n"}, git=True
    )
    project.write({"ignored.txt": "ignored\n", "say.py": f"# changed\n{SAY}"})
    (computer.root / "given.txt").write_text("from outside\n")
    first = project.run("run", ".", "-P", "data=../given.txt", "--store", store, "--json").ok()
    before = project.outputs("latest", store=store)
    assert set(before) == {"all.txt", "said.txt"}

    shutil.rmtree(project.folder)
    shutil.rmtree(computer.home)
    (computer.root / "given.txt").unlink()
    other = computer.elsewhere("another computer")
    again = other.run("rerun", first.run["id"], "--store", store, "--json").ok()

    assert again.steps() == {"copy": "succeeded", "say": "succeeded"}
    made = {
        output["path"]: output["sha256"]
        for step in again.run["steps"]
        for output in step["outputs"]
    }
    assert made == before
    other.run("get", "latest", "said.txt", "--to", "got", "--store", store).ok()
    got = (other.root / "got/said.txt").read_text()
    assert got == "it's $HOME & {co}from outside\nignored\n"


def test_a_rerun_changes_nothing_of_the_run_that_it_repeats(computer: Computer) -> None:
    project = computer.project(FILES)
    run = project.run("run", ".", "--json").ok().run["id"]
    place = project.folder / ".runproj/runs" / run
    before = digests(place)
    project.run("rerun", run).ok()
    assert digests(place) == before


def test_what_is_gone_from_the_store_is_named(computer: Computer) -> None:
    project = computer.project(
        {"runproj.yaml": OUTSIDE, "say.py": SAY, ".gitignore": "*.txt\n", "ignored.txt": "x"},
        git=True,
    )
    project.run("run", ".", "-P", "data=ignored.txt").ok()
    shutil.rmtree(project.folder / ".runproj/objects")
    error = project.run("rerun", "latest", "--json").ok(7).json["error"]
    messages = [problem["message"] for problem in error["problems"]]
    assert any("ignored.txt" in message for message in messages)
    assert any("'default'" in message for message in messages)
    shutil.rmtree(project.folder / ".runproj/source.git")
    assert "source" in project.run("rerun", "latest").ok(7).err


def test_one_step_of_a_run_can_be_done_again(computer: Computer) -> None:
    project = computer.project(FILES)
    first = project.run("run", ".", "-P", "lr=0.3", "--json").ok().run["id"]
    project.write({"data.csv": "broken"})
    done = project.run("rerun", f"{first}/train", "--json").ok()
    assert done.steps() == {"prepare": "cached", "train": "succeeded"}
    assert done.step("prepare")["cached_from"] == f"{first}/prepare"
    assert (
        done.step("train")["outputs"]
        == project.run("show", f"{first}/train", "--json").ok().json["step"]["outputs"]
    )


def test_an_environment_that_cannot_be_built_any_more_cannot_be_rerun(computer: Computer) -> None:
    text = (
        "runproj: 1\nenvironments: {default: {kind: venv}}\n"
        "entry_points: {main: {command: [python, -c, pass]}}\n"
    )
    project = computer.project({"runproj.yaml": text})
    run = project.run("run", ".", "--json").ok().run["id"]
    cache = computer.root / "closed"
    cache.write_text("no folder")
    closed = {"XDG_CACHE_HOME": str(cache)}
    for command in ("rerun", "verify"):
        assert "closed" in project.run(command, run, env=closed).ok(7).said
