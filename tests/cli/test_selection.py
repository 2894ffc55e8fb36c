"""Choosing a part of a pipeline, and going on with a run, as a user types it."""

import signal
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project, until

PIPELINE = """\
runproj: 1
environments: {default: {kind: system}}
entry_points:
  main:
    steps:
      one: {command: sh -c 'cat data.txt; echo one', stdout: one.txt}
      two: {command: sh -c 'cat one.txt; echo two', inputs: [one.txt], stdout: two.txt, cache: %s}
      three: {command: sh -c 'cat two.txt; %s', inputs: [two.txt], stdout: three.txt}
      aside: {command: sh -c 'cat one.txt', inputs: [one.txt], stdout: aside.txt}
"""


def text(last: str = "echo three", cache: str = "true") -> str:
    return PIPELINE % (cache, last)


@pytest.fixture
def pipeline(computer: Computer) -> Project:
    return computer.project({"runproj.yaml": text(), "data.txt": "data\n"})


def executed(project: Project, *words: str) -> dict[str, str]:
    return project.run("run", ".", *words, "--json").ok().steps()


def test_a_run_may_begin_at_a_step(pipeline: Project) -> None:
    done = pipeline.run("run", ".", "--from", "two").ok(2)
    assert "the step 'two' needs one.txt, which 'one' makes; it has no current result" in done.err
    executed(pipeline)
    assert executed(pipeline, "--from", "two", "-f") == {
        "one": "cached", "two": "succeeded", "three": "succeeded",
    }  # fmt: skip
    pipeline.write({"data.txt": "other\n"})
    said = pipeline.run("status", ".", "--from", "three").ok(2).err
    assert "'one' is left out; it has no current result: source: data.txt" in said
    assert "hint: let 'one' run, too" in said


def test_a_run_may_end_at_a_step_and_leave_out_others(pipeline: Project) -> None:
    assert executed(pipeline, "--until", "two") == {"one": "succeeded", "two": "succeeded"}
    assert executed(pipeline, "--skip", "aside") == {
        "one": "cached", "two": "cached", "three": "succeeded",
    }  # fmt: skip
    assert executed(pipeline, "--skip", "two")["aside"] == "succeeded"
    assert "there is no step 'tree'" in pipeline.run("run", ".", "--skip", "tree").ok(2).err


def test_a_step_alone_may_be_forced(pipeline: Project) -> None:
    executed(pipeline)
    assert executed(pipeline, "--force-step", "two") == {
        "one": "cached", "two": "succeeded", "three": "cached", "aside": "cached",
    }  # fmt: skip


def test_a_step_that_is_never_cached_is_taken_where_it_is_left_out(pipeline: Project) -> None:
    pipeline.write({"runproj.yaml": text(cache="false")})
    assert executed(pipeline)["two"] == "succeeded"
    assert executed(pipeline, "--from", "three", "-f") == {
        "one": "cached", "two": "cached", "three": "succeeded",
    }  # fmt: skip


def test_a_run_that_failed_goes_on_where_it_stopped(pipeline: Project, tmp_path: Path) -> None:
    there = tmp_path / "there"
    pipeline.write({"runproj.yaml": text(f"cat {there}", cache="false")})
    pipeline.run("run", ".", "--name", "mine").ok(1)
    failed = pipeline.run("show", "--json").ok().json["run"]
    there.write_text("is\n")
    pipeline.write({"runproj.yaml": "not a project", "data.txt": "other\n"})

    done = pipeline.run("resume", "--json").ok()

    assert done.steps() == {
        "one": "cached", "two": "cached", "three": "succeeded", "aside": "cached",
    }  # fmt: skip
    assert done.step("two")["reason"] == f"done in {failed['id']}"
    assert (done.run["resume_of"], done.run["name"]) == (failed["id"], "mine")
    assert f"resumes {failed['id']}" in pipeline.run("list").ok().out
    assert f"resumes     {failed['id']}" in pipeline.run("show").ok().out
    again = pipeline.run("resume")
    assert "there is nothing to do" in again.ok().err
    assert pipeline.run("verify", "latest", "--json").ok().json["verify"]["verdict"] == "identical"


def test_a_run_that_was_killed_twice_goes_on_each_time(pipeline: Project, tmp_path: Path) -> None:
    go, began = tmp_path / "go", tmp_path / "began"
    wait = f"touch {began}; until test -e {go}; do sleep 0.01; done; echo three"
    pipeline.write({"runproj.yaml": text(wait, cache="false")})
    for command in (("run", "."), ("resume",)):
        process = pipeline.start(*command)
        until(began.exists, "the step began")
        assert "goes on" in pipeline.run("resume").ok(2).err
        process.send_signal(signal.SIGKILL)
        process.communicate()
        until(lambda: "interrupted" in pipeline.run("show", "latest").ok().out, "the run is over")
        began.unlink()
    go.touch()

    done = pipeline.run("resume", "--json").ok()

    assert done.steps()["one"] == done.steps()["two"] == "cached"
    assert done.steps()["three"] == "succeeded"


def test_a_rerun_that_is_resumed_executes_what_is_left(pipeline: Project, tmp_path: Path) -> None:
    fails = tmp_path / "fails"
    pipeline.write({"runproj.yaml": text(f"test ! -e {fails}")})
    executed(pipeline)
    fails.touch()
    pipeline.run("rerun", "latest").ok(1)
    fails.unlink()
    done = pipeline.run("resume", "--json").ok()
    assert done.steps() == {
        "one": "cached", "two": "cached", "three": "succeeded", "aside": "cached",
    }  # fmt: skip


def test_a_repeat_of_verify_is_not_resumed(pipeline: Project, tmp_path: Path) -> None:
    fails = tmp_path / "fails"
    pipeline.write({"runproj.yaml": text(f"test ! -e {fails}")})
    executed(pipeline)
    fails.touch()
    pipeline.run("verify", "latest", "--times", "1")
    repeats = pipeline.run("list", "--repeats", "--json").ok().json["runs"]
    broken = next(one["id"] for one in repeats if one["status"] == "failed")
    assert "is not resumed" in pipeline.run("resume", broken).ok(2).err
