"""Runs in CI: reports, GitHub's log, annotations and summary, and a store that is carried."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.cli.commandline import Computer, Project, until

YAML = """
runproj: 1
environments: {default: {kind: system}}
entry_points:
  main:
    parameters: {x: {type: float, default: 1}}
    steps:
      measure:
        command: [python, measure.py, "{x}"]
        outputs: [m.json]
        metrics: [m.json]
      judge:
        command: [python, judge.py]
        inputs: [m.json]
      report:
        needs: [judge]
        command: echo fine
"""
MEASURE = """
import json, sys
print("::error::not a command | <b>")
json.dump({"loss": float(sys.argv[1])}, open("m.json", "w"))
"""
JUDGE = """
import json, sys, time
loss = json.load(open("m.json"))["loss"]
if loss == 7:
    print("waiting", flush=True); time.sleep(60)
if loss > 5:
    print("\\x1b[31mtoo large\\x1b[0m \\x00 \\ufffe"); sys.exit(3)
"""
FILES = {"runproj.yaml": YAML, "measure.py": MEASURE, "judge.py": JUDGE}


@pytest.fixture
def demo(computer: Computer) -> Project:
    return computer.project(FILES, "checkout/project", git=True)


def cases(file: Path) -> dict[str, Any]:
    found = ET.parse(file).getroot().iter("testcase")  # noqa: S314 -- our own
    return {case.get("name", ""): case for case in found}


def github(demo: Project, **more: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": str(demo.folder.parent),
        "GITHUB_STEP_SUMMARY": str(demo.computer.root / "summary.md"), **more,
    }  # fmt: skip


def test_a_report_has_a_case_for_each_step(demo: Project) -> None:
    report = demo.computer.root / "out.xml"
    run = demo.run("run", ".", "--junit", str(report), "--json", "-P", "x=6", "-j", "1").ok(1).run
    found = cases(report)
    assert list(found) == ["measure", "judge", "report"]
    assert {case.get("classname") for case in found.values()} == {"project.main"}
    failure = found["judge"].find("failure")
    assert failure.get("message") == "it ended with exit code 3"
    assert "command: python judge.py" in failure.text
    assert "too large \\x00" in failure.text
    assert found["report"].find("skipped").get("message") == "the step 'judge' before it failed"
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 -- our own
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip
    assert suite.get("name") == f"runproj run {run['id']}"

    demo.run("run", ".", "--junit", str(report)).ok()
    demo.run("run", ".", "--junit", str(report)).ok()
    assert cases(report)["judge"].find("system-out").text.startswith("cached: taken from ")
    assert float(cases(report)["measure"].get("time")) > 0


def test_what_keeps_a_run_from_starting_is_in_the_report(demo: Project) -> None:
    report = demo.computer.root / "out.xml"
    demo.run("run", ".", "--junit", str(report), "-P", "y=1").ok(2)
    assert cases(report)["run"].find("error").get("message") == "there is no parameter 'y'"
    demo.write({"runproj.yaml": YAML.replace("needs:", "neds:")})
    demo.run("run", ".", "--junit", str(report)).ok(3)
    assert "runproj.yaml:16:9" in cases(report)["run"].find("error").text
    demo.write({"runproj.yaml": YAML})
    warning = "the report out.xml is a part of the code"
    assert warning in demo.run("run", ".", "--junit", "out.xml").ok().err
    demo.write({".gitignore": "out.xml\n"})
    assert warning not in demo.run("run", ".", "--junit", "out.xml").ok().err
    said = demo.run("run", ".", "--junit", "no/such/out.xml").ok(2).err
    assert "the report cannot be written: no such file or directory" in said


def test_a_run_that_is_ended_leaves_a_report(demo: Project) -> None:
    report = demo.computer.root / "out.xml"
    process = demo.start("run", ".", "--junit", str(report), "-P", "x=7")
    assert process.stderr is not None
    until(lambda: b"waiting" in process.stderr.readline(), "the step executes")  # type: ignore[union-attr] # it is there
    assert cases(report)["run"].find("error").get("message") == "the run did not come to its end"
    os.kill(process.pid, signal.SIGINT)
    assert b" is interrupted; it goes on with: runproj resume " in process.communicate()[1]
    assert cases(report)["judge"].find("skipped").get("message") == "the run was interrupted"


def test_resume_and_rerun_write_a_report_too(demo: Project) -> None:
    report = demo.computer.root / "out.xml"
    demo.run("run", ".", "-P", "x=6").ok(1)
    said = lines(demo.run("resume", "--junit", str(report), env=github(demo)).ok(1).err)
    assert said.count("::stop-commands::TOKEN") == said.count("::TOKEN::") == 2
    shown = said.index("  last lines")
    assert "::stop-commands::TOKEN" in said[:shown]
    assert "::TOKEN::" in said[shown:]
    assert cases(report)["measure"].find("system-out") is not None
    assert cases(report)["judge"].find("failure") is not None
    for change, code in ([], 1), (["-P", "x=1"], 0), (["--with-current-code"], 0):
        report.unlink()
        demo.run("rerun", "latest~0", "--junit", str(report), *change).ok(code)
        assert list(cases(report)) == ["measure", "judge", "report"]
        assert (cases(report)["judge"].find("failure") is not None) == bool(code)


def test_a_report_of_a_run_that_is_done_and_none_of_a_dry_run(demo: Project) -> None:
    report = demo.computer.root / "out.xml"
    demo.run("run", ".", "--dry-run", "--junit", str(report)).ok()
    assert not report.exists()
    demo.run("run", ".").ok()
    demo.run("resume", "--junit", str(report)).ok()
    assert len(cases(report)) == 3


def test_a_run_that_is_gone_is_no_longer_found(demo: Project) -> None:
    demo.run("run", ".").ok()
    shutil.rmtree(demo.folder / ".runproj/runs")
    (demo.folder / ".runproj/runs").mkdir()
    assert demo.run("list", "--json").ok().json["runs"] == []
    assert set(demo.run("run", ".", "--json").ok().steps().values()) == {"succeeded"}
    demo.run("fsck").ok()


def lines(text: str) -> list[str]:
    """Return lines without the token that stops commands."""
    return [re.sub("runproj-[0-9a-f]{32}", "TOKEN", line) for line in text.splitlines()]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_each_step_is_a_group_in_which_nothing_is_a_command(demo: Project, jobs: str) -> None:
    demo.write({"runproj.yaml": YAML + "      other: {command: [python, -c, 'print(1)']}\n"})
    said = lines(demo.run("run", ".", "-j", jobs, env=github(demo)).ok().err)
    begins = said.index("::group::measure")
    assert said[begins : begins + 5] == [
        "::group::measure", "::stop-commands::TOKEN", "::error::not a command | <b>", "::TOKEN::",
        "::endgroup::",
    ]  # fmt: skip
    depth = 0
    for line in said:
        depth += line.startswith("::group::") - line.startswith("::endgroup::")
        assert depth in (0, 1)
    assert said.count("::group::other") == 1
    again = lines(demo.run("run", ".", "-j", jobs, env=github(demo)).ok().err)
    assert not [line for line in again if line.startswith("::group")]


def test_what_is_tried_again_or_interrupted_is_shown_in_full(demo: Project) -> None:
    tries = "print('a try', flush=True); exit(1)"
    waits = "import time; print('WAITING', flush=True); time.sleep(60)"
    demo.write({"runproj.yaml": json.dumps({
        "runproj": 1, "environments": {"default": {"kind": "system"}},
        "entry_points": {
            "main": {"steps": {
                "flaky": {"command": ["python", "-c", tries], "retries": 1},
                "slow": {"command": ["python", "-c", waits]},
            }},
            "one": {"command": ["python", "-c", tries], "retries": 1},
        },
    })})  # fmt: skip
    process = demo.start("run", ".", "-k", "-j", "2", env=github(demo))
    assert process.stderr is not None
    early: list[bytes] = []

    def failed() -> bool:
        early.append(process.stderr.readline())  # type: ignore[union-attr] # it is there
        return b"::error" in early[-1]

    until(failed, "the step failed for good")
    os.kill(process.pid, signal.SIGINT)
    rest = process.communicate()[1]
    said = lines((b"".join(early) + rest).decode())
    assert said.count("a try") == 2
    begins = said.index("::group::slow")
    assert said[begins + 2 : begins + 5] == ["WAITING", "::TOKEN::", "::endgroup::"]

    said = lines(demo.run("run", ".", "-e", "one", "-j", "1", env=github(demo)).ok(1).err)
    warned = next(index for index, line in enumerate(said) if line.startswith("::warning::"))
    assert said[warned - 1] == "::TOKEN::"


def test_what_is_wrong_is_annotated_at_its_place(demo: Project) -> None:
    env = github(demo)
    said = demo.run("run", ".", "-P", "x=6", env=env).ok(1).err
    assert (
        "\n::error file=project/runproj.yaml,line=13,col=9::the step 'judge' failed: "
        "it ended with exit code 3\n" in said
    )
    demo.write({"runproj.yaml": YAML.replace("needs:", "neds:")})
    said = demo.run("check", "project", cwd=demo.folder.parent, env=env).ok(3).err
    assert (
        "\n::error file=project/runproj.yaml,line=16,col=9::entry_points.main.steps.report.neds: "
        "unknown key%0Ahint: did you mean 'needs'?\n" in said
    )


def test_the_summary_compares_with_the_main_branch(demo: Project) -> None:
    summary = demo.computer.root / "summary.md"
    event = demo.computer.root / "event.json"
    event.write_text(json.dumps({"repository": {"default_branch": "trunk"}}))
    on = github(demo, GITHUB_REF_TYPE="branch", GITHUB_EVENT_PATH=str(event))
    demo.git("checkout", "--quiet", "--detach")
    base = demo.run("run", ".", "--json", env={**on, "GITHUB_REF_NAME": "trunk"}).ok().run
    assert base["source"]["branch"] == "trunk"
    assert "Compared" not in summary.read_text()
    summary.unlink()
    demo.run("run", ".", "-P", "x=1.5", env={**on, "GITHUB_HEAD_REF": "feature"}).ok()
    text = summary.read_text()
    assert "### ✅ project: succeeded in " in text
    assert "| measure | succeeded | parameter x: 1.0 → 1.5 |" in text
    assert f"Compared with run `{base['id']}` of trunk:" in text
    assert "| measure.loss | 1.5 | 1 | +0.5 (+50.0%) |" in text
    assert "branch" not in demo.run("list", "--json").ok().out


def test_a_store_is_carried_to_another_machine(demo: Project) -> None:
    store, copy = demo.computer.root / "store", demo.computer.root / "copy"
    where = ("--store", str(store))
    demo.run("run", ".", *where).ok()
    shutil.copytree(store, copy)  # with another index, and other times
    demo.run("run", ".", "-P", "x=2", *where).ok()
    for run in (store / "runs").iterdir():
        if not (copy / "runs" / run.name).exists():
            shutil.copytree(run, copy / "runs" / run.name)
    shutil.copytree(store / "objects", copy / "objects", dirs_exist_ok=True)
    shutil.copytree(store / "source.git", copy / "source.git", dirs_exist_ok=True)
    for folder in [*copy.rglob("*")]:
        if folder.is_dir() and not list(folder.iterdir()):
            folder.rmdir()
    shutil.rmtree(store)
    other = demo.computer.project(FILES, "elsewhere/project", git=True)
    for value in ("1", "2"):
        done = other.run("run", ".", "--json", "-P", f"x={value}", "--store", str(copy)).ok()
        assert set(done.steps().values()) == {"cached"}
    assert len(other.run("list", "--json", "--store", str(copy)).ok().json["runs"]) == 4
    other.run("fsck", "--store", str(copy)).ok()
