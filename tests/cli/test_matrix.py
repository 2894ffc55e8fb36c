"""A step with a matrix, as a user sees it."""

import pytest
from tests.cli.commandline import Computer, Project

MATRIX = """\
runproj: 1
environments: {default: {kind: system}}
entry_points:
  main:
    parameters:
      folds: {type: list, items: int, default: [0, 1]}
    steps:
      prepare: {command: "cat data.txt", stdout: build/data.txt, sources: [data.txt]}
      cv:
        matrix: {fold: "{folds}", model: [a, b/c]}
        command: sh -c 'echo "$1 $2 $(cat "$3")"' cv {matrix.fold} {matrix.model} {inputs.data}
        inputs: {data: build/data.txt}
        stdout: "build/cv/{matrix.fold}-{matrix.model}.txt"
        sources: [none.txt]
      report:
        command: "cat build/cv/* build/cv/*/* > report.txt || true"
        inputs: ["build/cv/**/*.txt"]
        outputs: [report.txt]
        sources: [none.txt]
"""
INSTANCES = ["cv[fold=0,model=a]", "cv[fold=0,model=b%2Fc]", "cv[fold=1,model=a]",
             "cv[fold=1,model=b%2Fc]"]  # fmt: skip


@pytest.fixture
def project(computer: Computer) -> Project:
    return computer.project({"runproj.yaml": MATRIX, "data.txt": "x\n", "none.txt": ""})


def test_all_instances_execute_and_one_of_them_is_found_by_its_name(project: Project) -> None:
    done = project.run("run", ".", "-j", "2", "--json").ok()
    assert list(done.steps()) == ["prepare", *INSTANCES, "report"]
    run = done.run["id"]
    shown = project.run("show", f"{run}/{INSTANCES[1]}", "--json").ok()
    project.run("logs", f"{run}/{INSTANCES[1]}").ok()
    assert "build/cv/0-b/c.txt" in shown.out
    project.run("get", f"{run}/{INSTANCES[3]}", "--to", "got").ok()
    assert (project.folder / "got/build/cv/1-b/c.txt").read_text() == "1 b/c x\n"
    wrong = project.run("show", f"{run}/cv").ok(2)
    assert f"hint: write one of {INSTANCES[0]}" in wrong.err
    assert project.run("rerun", f"{run}/{INSTANCES[2]}", "--json").ok().steps() == {
        "prepare": "cached", INSTANCES[2]: "succeeded",
    }  # fmt: skip
    verdict = project.run("verify", run, "--json").ok()
    assert verdict.json["verify"]["verdict"] == "identical"


def test_instances_are_chosen_together_or_by_a_value(project: Project) -> None:
    some = project.run("run", ".", "cv[fold=1]", "--json").ok().steps()
    assert list(some) == ["prepare", *INSTANCES[2:]]
    rest = project.run("run", ".", "cv", "--json").ok().steps()
    assert rest[INSTANCES[0]] == "succeeded"
    assert rest[INSTANCES[2]] == "cached"
    forced = project.run("run", ".", "--force-step", "cv[model=a]", "--json").ok().steps()
    assert [forced[name] for name in INSTANCES] == ["succeeded", "cached", "succeeded", "cached"]
    begun = project.run("run", ".", "--from", "cv", "--json").ok().steps()
    assert begun["report"] == "cached"
    skipped = project.run("run", ".", "--skip", "cv[fold=0,model=a]", "--json").ok().steps()
    assert skipped[INSTANCES[0]] == "cached"
    wrong = project.run("run", ".", "cv[fold=7]").ok(2)
    assert "has no step 'cv[fold=7]'" in wrong.err
    more = project.run("status", ".", "-P", "folds=0,1,2", "--json").ok().json["plan"]["steps"]
    actions = {one["name"]: one["action"] for one in more}
    assert actions["cv[fold=2,model=a]"] == "run"
    assert actions[INSTANCES[0]] == "cached"


def test_what_failed_of_a_matrix_is_resumed(project: Project) -> None:
    project.write(
        {"runproj.yaml": MATRIX.replace("sh -c 'echo", "sh -e -c 'test $1$2 != 1a; echo")}
    )
    failed = project.run("run", ".", "-k", "--json").ok(1)
    assert failed.steps()[INSTANCES[2]] == "failed"
    assert failed.steps()[INSTANCES[3]] == "succeeded"
    assert failed.steps()["report"] == "skipped"
    again = project.run("resume", failed.run["id"], "--json").ok(1)
    assert [again.steps()[name] for name in INSTANCES] == [
        "cached", "cached", "failed", "cached",
    ]  # fmt: skip


def test_many_instances_are_shown_as_one(computer: Computer) -> None:
    folds = ",".join(map(str, range(30)))
    project = computer.project({"runproj.yaml": MATRIX, "data.txt": "x\n", "none.txt": ""}, "many")
    plan = project.run("status", ".", "-P", f"folds={folds}").ok().out
    assert "cv (60 instances)  pending  after prepare" in plan
    drawn = project.run("graph", ".", "-P", f"folds={folds}").ok().out
    assert "cv (60 instances)" in drawn
    assert "27 more" in drawn
    edges = project.run("graph", ".", "-P", f"folds={folds}", "--json").ok().out
    assert "cv[fold=29,model=a]" in edges


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("{matrix.fold}-{matrix.model}", "x", "is made by 'cv[fold=0,model=a]' and by",
         "put what differs into its path: {matrix.model}"),
        ("[a, b/c]", "[]", "matrix.model: must not be empty", ""),
        ("[a, b/c]", "[1, '1']", "the combination [fold=0,model=1] is there twice", "as text"),
        ('"{folds}"', '"{fold}"', "{fold} is no list parameter", "did you mean 'folds'?"),
        ("{matrix.fold} {m", "{matrix.fol} {m", "{matrix.fol} refers to nothing",
         "did you mean {matrix.fold}?"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(
    computer: Computer, old: str, new: str, message: str, hint: str
) -> None:
    assert old in MATRIX
    project = computer.project({"runproj.yaml": MATRIX.replace(old, new), "data.txt": ""})
    said = project.run("check", ".").ok(3).err
    assert message in said
    assert hint in said
    assert "runproj.yaml:" in said
