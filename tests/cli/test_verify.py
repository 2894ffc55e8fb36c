"""Verdicts on past runs, as a user and a CI job see them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from tests.cli.commandline import Computer, Files, Project, digests

MakeProject = Callable[[Files], Project]
SCHEMA = Path(__file__).parents[2] / "schemas/output.schema.json"
PLANTED = """\
runproj: 1
entry_points:
  main:
    steps:
      stable: {command: echo hello > a.txt, outputs: [a.txt]}
      measure:
        command: python3 measure.py COUNT
        outputs: {m: {path: m.json, compare: json, rtol: 0.001}}
        needs: [stable]
        pass_env: []
      log: {command: date +%N > log.txt, outputs: {l: {path: log.txt, compare: ignore}}}
"""
MEASURE = """\
import json, pathlib, sys
place = pathlib.Path(sys.argv[1])
count = len(place.read_text()) if place.exists() else 0
place.write_text("x" * (count + 1))
json.dump({"rmse": VALUES[min(count, len(VALUES) - 1)]}, open("m.json", "w"))
"""


@pytest.fixture
def planted(computer: Computer) -> Callable[..., Project]:
    """Makes a project whose measure has other values each time it is executed."""

    def make(*values: float) -> Project:
        count = computer.root / "count"
        count.unlink(missing_ok=True)
        script = MEASURE.replace("VALUES", repr(list(values)))
        text = PLANTED.replace("COUNT", str(count))
        return computer.project({"runproj.yaml": text, "measure.py": script}, git=True)

    return make


@pytest.mark.parametrize(
    ("values", "options", "word", "code"),
    [
        ((1.0, 1.0), (), "identical", 0), ((1.0, 1.0), ("--strict",), "identical", 0),
        ((1.0, 1.0005), (), "equivalent", 0), ((1.0, 1.0005), ("--strict",), "equivalent", 6),
        ((1.0, 1.1), (), "different", 6), ((1.0, 1.1), ("--strict",), "different", 6),
    ],
)  # fmt: skip
def test_each_verdict_has_its_exit_code(
    planted: Callable[..., Project],
    values: tuple[float, ...],
    options: tuple[str, ...],
    word: str,
    code: int,
) -> None:
    project = planted(*values)
    run = project.run("run", ".", "--json").ok().run["id"]
    before = digests(project.folder)
    done = project.run("verify", run, "--json", *options).ok(code)
    found = done.json["verify"]
    assert (found["verdict"], found["run"]) == (word, run)
    assert {one["path"]: one["likeness"] for one in found["outputs"]} == {
        "a.txt": "identical", "m.json": word, "log.txt": "ignored",
    }  # fmt: skip
    jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
    assert digests(project.folder) == before
    shown = {one["id"]: one["verdict"] for one in project.run("list", "--json").ok().json["runs"]}
    assert shown == {run: word, found["rerun"]: None}
    assert project.run("show", run, "--json").ok().run["verdict"] == word
    assert word in project.run("list").ok().out
    assert f"verified    {word}" in project.run("show", run).ok().out


def test_a_difference_is_named_with_its_step_and_place(planted: Callable[..., Project]) -> None:
    project = planted(1.0, 2.5)
    project.run("run", ".").ok()
    said = project.run("verify").ok(2)  # which run has to be said
    assert "RUN" in said.err
    said = project.run("verify", "latest").ok(6)
    assert "measure is the first step that differs" in said.out
    assert "m.json   different  $.rmse: 1.0 → 2.5" in said.out


def test_a_strict_report_counts_what_is_only_equivalent(planted: Callable[..., Project]) -> None:
    project = planted(1.0, 1.0005)
    project.run("run", ".").ok()
    project.run("verify", "latest", "--strict", "--junit", "../report.xml").ok(6)
    suite = ET.parse(project.folder.parent / "report.xml").getroot()[0]  # noqa: S314 -- our own
    assert suite.get("failures") == "1"


def test_a_verdict_is_a_junit_report_too(planted: Callable[..., Project]) -> None:
    project = planted(1.0, 2.5)
    project.run("run", ".").ok()
    project.run("verify", "latest", "--junit", "../report.xml").ok(6)
    suite = ET.parse(project.folder.parent / "report.xml").getroot()[0]  # noqa: S314 -- our own
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "$.rmse: 1.0 → 2.5"
    said = project.run("verify", "latest~1", "--junit", "no/such/x.xml").ok(2).err
    assert "the report cannot be written" in said


def test_what_cannot_be_done_again_says_what_is_missing(planted: Callable[..., Project]) -> None:
    project = planted(1.0)
    run = project.run("run", ".", "--json").ok().run["id"]
    shutil.rmtree(project.folder / ".runproj/source.git")
    done = project.run("verify", run, "--junit", "../x.xml").ok(7)
    assert "cannot rerun" in done.out
    assert "the source snapshot is gone: the source store cannot be read: it is gone" in done.out
    again = project.run("rerun", run).ok(7)
    assert "cannot be kept" not in again.err
    assert "hint: bring the store back from a copy" in again.err
    assert "the source snapshot is gone" in (project.folder.parent / "x.xml").read_text()
    assert project.run("show", run, "--json").ok().run["verdict"] == "cannot rerun"


def test_a_run_that_failed_has_no_verdict(project: MakeProject) -> None:
    failing = project({"runproj.yaml": "runproj: 1\nentry_points: {main: {command: 'false'}}\n"})
    failing.run("run", ".").ok(1)
    assert "only what succeeded can be verified" in failing.run("verify", "latest").ok(2).err


def test_a_verdict_survives_an_index_made_anew(planted: Callable[..., Project]) -> None:
    project = planted(1.0)
    run = project.run("run", ".", "--json").ok().run["id"]
    project.run("verify", run).ok()
    (project.folder / ".runproj/index.db").unlink()
    shown = {one["id"]: one["verdict"] for one in project.run("list", "--json").ok().json["runs"]}
    assert shown[run] == "identical"


def test_another_user_can_verify_from_a_copy_of_the_store(
    planted: Callable[..., Project], tmp_path: Path
) -> None:
    project = planted(1.0)
    run = project.run("run", ".", "--json").ok().run["id"]
    shutil.copytree(project.folder / ".runproj", tmp_path / "copy")
    shutil.rmtree(project.folder)
    elsewhere = Computer(tmp_path / "other")
    done = elsewhere.run("verify", run, "--store", str(tmp_path / "copy"), "--json").ok()
    assert done.json["verify"]["verdict"] == "identical"
