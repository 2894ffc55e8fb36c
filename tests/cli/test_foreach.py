"""A step with an instance for each item of a list, as a user sees it."""

import pytest
from tests.cli.commandline import Computer, Project

FOREACH = """\
runproj: 1
environments: {default: {kind: system}}
entry_points:
  main:
    parameters: {of: list.txt}
    steps:
      split:
        command: cp {of} {outputs.list}
        outputs: {list: build/LIST}
        sources: ["*.txt"]
      score:
        foreach: "{steps.split.outputs.list}"
        command: sh -c 'echo "score of $1"' score {ITEM}
        stdout: "build/scores/{ITEM}.txt"
        sources: [runproj.yaml]
      report:
        command: sh -c 'cat build/scores/* || echo none'
        inputs: ["build/scores/*.txt"]
        stdout: report.txt
        sources: [runproj.yaml]
"""
LINES = (
    FOREACH.replace("LIST", "items.txt").replace("ITEM", "item").replace("[runproj.yaml]", "[s]")
)
OBJECTS = (
    FOREACH.replace("LIST", "items.json")
    .replace("ITEM", "item.id")
    .replace("[runproj.yaml]", "[s]")
)


def project_of(computer: Computer, yaml: str, **files: str) -> Project:
    return computer.project({"runproj.yaml": yaml, "s": "", **files})


def report(project: Project) -> str:
    project.run("get", "latest", "report.txt", "--to", "got").ok()
    return (project.folder / "got/report.txt").read_text()


def test_the_plan_grows_and_is_known_from_then_on(computer: Computer) -> None:
    project = project_of(computer, LINES, **{"list.txt": "ann\nbob\n", "more.txt": "bob\neve\n"})
    assert "score   pending  after split" in project.run("status", ".").ok().out
    assert "score   ← split  build/items.txt" in project.run("graph", ".").ok().out
    first = project.run("run", ".", "-j", "2")
    assert "score has 2 instances" in first.ok().err
    assert report(project) == "score of ann\nscore of bob\n"
    known = project.run("status", ".", "--json").ok().json["plan"]["steps"]
    assert {one["name"]: one["action"] for one in known} == dict.fromkeys(
        ["split", "score[item=ann]", "score[item=bob]", "report"], "cached"
    )
    other = project.run("run", ".", "-P", "of=more.txt", "--json").ok()
    assert other.steps() == {
        "split": "succeeded", "score[item=bob]": "cached", "score[item=eve]": "succeeded",
        "report": "succeeded",
    }  # fmt: skip
    assert project.run("verify", "latest", "--json").ok().json["verify"]["verdict"] == "identical"
    one = project.run("run", ".", "score[item=ann]", "--json").ok().steps()
    assert one == {"split": "cached", "score[item=ann]": "cached"}


def test_an_empty_list_is_no_failure(computer: Computer) -> None:
    project = project_of(computer, OBJECTS, **{"list.txt": "[]"})
    assert list(project.run("run", ".", "--json").ok().steps()) == ["split", "report"]
    assert report(project) == "none\n"


@pytest.mark.parametrize(
    ("yaml", "items", "message"),
    [
        (LINES, "a\nb\na\n", "build/items.txt:3: [item=a] is there twice, first at"),
        (OBJECTS, '[\n{"id": 1},\n]', "build/items.json:3: is not JSON"),
    ],
)
def test_a_bad_list_fails_the_step_that_wants_it(
    computer: Computer, yaml: str, items: str, message: str
) -> None:
    project = project_of(computer, yaml, **{"list.txt": items})
    done = project.run("run", ".").ok(1)
    assert "the step 'score' failed" in done.err
    assert message in done.err
    # a run that ended before its plan grew is planned anew from its record
    project.write({"list.txt": "changed since"})
    again = project.run("resume", "latest", "--json").ok(1)
    assert again.steps() == {"split": "cached", "score": "failed", "report": "skipped"}
    assert project.run("rerun", again.run["id"], "--json").ok(1).steps()["split"] == "succeeded"


def test_instances_that_make_the_same_are_a_mistake_of_the_project(computer: Computer) -> None:
    items = '[{"id": 1, "x": 1}, {"id": 1, "x": 2}]'
    project = project_of(computer, OBJECTS, **{"list.txt": items})
    message = "'build/scores/1.txt' is made by 'score[id=1,x=1]' and by 'score[id=1,x=2]'"
    assert message in project.run("run", ".").ok(1).err
    known = project.run("status", ".").ok(3).err  # the list is known by now
    assert message in known
    assert "put what differs into its path: {item.x}" in known
