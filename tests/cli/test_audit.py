"""Audits: does the cache tell the truth?"""

import shutil
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Project

YAML = """\
runproj: 1
entry_points:
  main:
    steps:
      read: {command: [cat, OUTSIDE], stdout: read.txt}
      use: {command: [sort, read.txt], inputs: [read.txt], stdout: used.txt}
      other: {command: echo same, stdout: other.txt}
"""
ALL = ("run", ".", "--audit", "100%")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    place = tmp_path / "elsewhere" / "data.csv"
    place.parent.mkdir()
    place.write_text("1\n")
    return place


@pytest.fixture
def project(computer: Computer, outside: Path) -> Project:
    project = computer.project({"runproj.yaml": YAML.replace("OUTSIDE", str(outside))})
    project.run("run", ".").ok()
    return project


def test_a_cache_that_tells_the_truth(project: Project) -> None:
    done = project.run(*ALL).ok()
    assert (
        "3 of 3 steps that could be skipped were executed: nothing gave anything else" in done.out
    )
    assert "audit of" in done.err


def test_a_hidden_input_that_changed_is_found_out(project: Project, outside: Path) -> None:
    outside.write_text("2\n")
    done = project.run(*ALL).ok(6)
    assert "read gave something else" in done.out
    assert "audit: read does not give what" in done.err
    if shutil.which("strace"):
        assert f"hint: likely: it reads {outside}, which it does not declare" in done.err
    shown = project.run("show", "latest", "--json").ok()
    assert shown.run["status"] == "succeeded"
    assert shown.run["exit_code"] == 6
    assert shown.run["audit"]["share"] == 1.0
    audited = shown.step("read")["audited"]
    assert audited["verdict"] == "different"
    assert audited["differences"] == ["read.txt: byte 0: 0x31 → 0x32"]
    assert shown.step("use")["reason"] == "input changed: read.txt"
    assert shown.step("other")["audited"]["verdict"] == "identical"
    project.run("run", ".").ok()  # what is true now is in the cache
    assert project.run("run", ".", "--json").ok().steps() == dict.fromkeys(
        ["read", "use", "other"], "cached"
    )


def test_without_an_audit_it_would_not_be_noticed(project: Project, outside: Path) -> None:
    outside.write_text("2\n")
    assert set(project.run("run", ".", "--json").ok().steps().values()) == {"cached"}


def test_the_seed_is_recorded_and_chooses_the_same_steps(project: Project) -> None:
    first = project.run("run", ".", "--audit", "50%", "--json").ok()
    seed = first.run["audit"]["seed"]
    again = project.run("run", ".", "--audit", "0.5", "--audit-seed", str(seed), "--json").ok()
    assert again.steps() == first.steps()
    assert again.run["audit"] == {"share": 0.5, "seed": seed}


def test_a_dry_run_tells_what_would_be_audited(project: Project) -> None:
    done = project.run(*ALL, "--dry-run").ok()
    assert "audit of" in done.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--audit", "5x"), "--audit 5x: that is no share of the steps"),
        (("--audit", "120%"), "--audit 120%: that is no share of the steps"),
        (("--audit", "nan"), "--audit nan: that is no share of the steps"),
        (("--audit-seed", "3"), "--audit-seed goes with --audit"),
    ],
)
def test_mistakes(project: Project, options: tuple[str, ...], message: str) -> None:
    done = project.run("run", ".", *options).ok(2)
    assert message in done.err
