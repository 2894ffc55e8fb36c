"""In a system environment, the programs that steps name are recorded, and named when they change."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
from tests.cli.commandline import GIT, Files, Project, plain

MakeProject = Callable[[Files], Project]
SCHEMA = Path(__file__).parents[2] / "schemas/output.schema.json"
YAML = """\
runproj: 1
environments:
  default: {kind: system}
entry_points:
  main:
    steps:
      a: {command: 'greet x > a.txt; cat a.txt', outputs: [a.txt]}
      b: {command: [greet], stdout: b.txt}
"""


def test_a_program_that_changed_is_named(project: MakeProject, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "greet"

    def install(text: str) -> dict[str, str]:
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
        return {"PATH": f"{folder}:{Path(GIT).parent}:/usr/bin:/bin"}

    one = project({"runproj.yaml": YAML})
    path = install("echo hello")
    done = one.run("run", ".", "--json", env=path).ok()
    jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
    named = done.step("a")["environment"]["programs"]
    assert [program["name"] for program in named] == ["bash", "greet", "cat"]
    assert named[0]["version"].startswith(("3.", "4.", "5."))
    assert (named[1]["path"], named[1]["version"]) == (str(tool), None)
    shown = plain(one.run("show", "latest/a").ok().out)
    assert f"program      {tool} sha256 {named[1]['sha256'][:12]}\n" in shown

    run = done.run["id"]
    assert one.run("verify", run, "--json", env=path).ok().json["verify"]["notes"] == []
    path = install("echo hello  # as before")
    verified = one.run("verify", run, "--json", env=path).ok().json["verify"]
    assert verified["verdict"] == "equivalent"
    (note,) = verified["notes"]
    assert note.startswith(f"machine: {tool} sha256 {named[1]['sha256'][:12]} → sha256 ")
    path = install("echo hi")
    notes = one.run("verify", run, "--json", env=path).ok(6).json["verify"]["notes"]
    assert any(text.startswith(f"likely in a: the program {tool} ") for text in notes)

    again = one.run("run", ".", "--force", "--json", env=path).ok().run["id"]
    changed = one.run("diff", run, again, "--json").json["diff"]["machine"]
    assert [change["name"] for change in changed] == [str(tool)]
    assert str(tool) in one.run("diff", run, again).out
