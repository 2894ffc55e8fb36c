"""The big benchmark gives every tool the same work."""

import ast
import json

import yaml
from benchmarks.peers import projects
from benchmarks.peers.works import fan

from runproj.spec.load import load

WORK = fan(4)
COMMANDS = [step.command for step in WORK.steps]


def test_the_work_begins_with_its_data_and_ends_with_the_joined_file() -> None:
    assert WORK.data == ["data/0.txt", "data/1.txt", "data/2.txt"]
    assert WORK.target == "all.txt"


def test_every_tool_is_given_the_same_commands() -> None:
    ours = yaml.safe_load(projects.runproj(WORK)["runproj.yaml"])["entry_points"]["main"]["steps"]
    theirs = yaml.safe_load(projects.dvc(WORK)["dvc.yaml"])["stages"]
    ninja = projects.ninja(WORK)["build.ninja"].splitlines()
    assert [step["command"] for step in ours.values()] == COMMANDS
    assert [stage["cmd"] for stage in theirs.values()] == COMMANDS
    assert [line[7:] for line in ninja if line.startswith("  do = ")] == COMMANDS
    assert len(json.loads(projects.doit(WORK)["steps.json"])) == len(COMMANDS)
    assert all(f"'{part}" in projects.snakemake(WORK)["Snakefile"] for part in ("cp ", "cat "))


def test_the_scripts_that_are_written_are_python() -> None:
    ast.parse(projects.doit(WORK)["dodo.py"])
    ast.parse(projects.bare(WORK)["bare.py"])


def test_the_project_for_runproj_has_no_mistakes() -> None:
    assert load(projects.runproj(WORK)["runproj.yaml"], "runproj.yaml")
