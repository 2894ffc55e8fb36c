"""Models as a user meets them: registering, promoting, loading, and what is refused."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commandline import Computer, Done, Files, Project

MakeProject = Callable[[Files], Project]
YAML = """
runproj: 1
name: wine
environments: {default: {kind: system}}
entry_points:
  main:
    parameters: {depth: 3}
    steps:
      train:
        command: [python, train.py, "{depth}"]
        outputs: {rules: rules.txt}
"""
TRAIN = """
import pathlib, pickle, sys
import runproj

depth = int(sys.argv[1])
pathlib.Path("rules.txt").write_text(f"depth {depth}")
pathlib.Path("m.bin").write_text(f"weights of {depth}")
pathlib.Path("m.pkl").write_bytes(pickle.dumps({"depth": depth}))
columns = {"alcohol": "float64"} | ({"acid": "float64"} if depth > 3 else {})
runproj.log_model("m.bin", signature={"inputs": columns}, metadata={"note": "<b>\\x1b[2J"})
runproj.log_model("m.pkl", "tree", flavor="sklearn")
runproj.log_metric("rmse", 1 / depth)
"""
FILES = {"runproj.yaml": YAML, "train.py": TRAIN}


@pytest.fixture
def wine(computer: Computer) -> Project:
    return computer.project(FILES)


def run(project: Project, depth: int) -> str:
    """Run it; return the id."""
    done = project.run("run", ".", "-q", "-P", f"depth={depth}", "--json").ok()
    return str(done.run["id"])


def model(project: Project, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401 -- JSON
    """Type a command about models; return its document."""
    return project.run("model", *arguments, "--json").ok(code).json


def loaded(project: Project, reference: str, more: str = "", cwd: Path | None = None) -> Done:
    """Load a model in a program of the user."""
    program = f"import runproj; print(repr(runproj.load_model({reference!r}{more})))"
    folder = cwd or project.folder
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder,
        env=project.computer.variables_for(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Done((reference,), done.returncode, done.stdout, done.stderr)


def test_a_model_is_registered_promoted_loaded_and_taken_back(wine: Project) -> None:
    first, second = run(wine, 2), run(wine, 4)
    assert "no models are registered" in wine.run("model", "list").ok().out
    said = wine.run("model", "register", f"{first}:model", "--name", "wine", "--to", "production",
                    "--description", "the first", "--tag", "team=a").ok()  # fmt: skip
    assert said.out == f"wine: registered version 1: {first}/train:model, @production\n"
    moved = model(wine, "register", f"{second}/train:model", "--name", "wine", "--to", "staging")
    assert (moved["moved"]["version"]["version"], moved["moved"]["move"]["number"]) == (2, 2)
    assert wine.run("model", "register", "latest:model", "--name", "wine").ok().out == (
        "wine: wine/2 is registered already\n"
    )

    promote = ("promote", "wine@staging", "--to", "production", "--reason", "better")
    refused = wine.run("model", *promote, "--require", "metrics.rmse < 0.2").ok(1)
    assert "error: wine/2 does not become @production\n" in refused.err
    assert "metrics.rmse < 0.2: metrics.rmse is 0.25" in refused.err
    unmet = model(wine, *promote, "--require", "params.depth = 3", code=1)["moved"]["unmet"]
    assert unmet == ["params.depth = 3: params.depth is 4"]
    needs = "metrics.rmse < 0.8 and params.depth = 4"
    assert "version 1 is archived" in wine.run("model", *promote, "--require", needs).ok().out

    assert "weights of 4" in loaded(wine, "models:wine@production", ").read_text(").ok().out
    assert loaded(wine, "models:wine/1").ok().out.rstrip().endswith("data/m.bin')")
    shown = model(wine, "show", "wine@production")["version"]
    assert (shown["run"], shown["stage"], shown["metrics"]) == (
        second, "production", {"train.rmse": 0.25},
    )  # fmt: skip
    assert [one["name"] for one in shown["saved"]["signature"]["inputs"]] == ["alcohol", "acid"]
    text = wine.run("model", "show", "wine@production").ok().out
    assert "note = <b>\\x1b[2J" in text
    listed = wine.run("model", "list").ok().out
    assert "wine  2 versions  @production 2 @archived 1" in listed

    wine.run("model", "alias", "wine/1", "champion").ok()
    undone = wine.run("model", "undo", "wine", "--reason", "oops").ok()
    assert undone.out == "wine: undone: @champion is version 1\n"
    assert "version 1 is archived" in wine.run("model", "undo", "wine").ok().out
    assert model(wine, "show", "wine")["model"]["aliases"] == {"staging": 2, "production": 1}
    history = model(wine, "history", "wine")["history"]
    assert [(one["kind"], one["undone"]) for one in history] == [
        ("register", False), ("register", False), ("promote", True), ("alias", True),
        ("undo", False), ("undo", False),
    ]  # fmt: skip
    assert (history[2]["requirements"], history[2]["reason"]) == ([needs], "better")
    assert "oops" in wine.run("model", "history", "wine").ok().out

    difference = model(wine, "diff", "wine/1", "wine@staging")["model_diff"]
    assert difference["params"] == [{"name": "depth", "about": None, "from": 2, "to": 4}]
    assert [one["name"] for one in difference["signature"]] == ["inputs.acid"]
    assert "rmse  0.5 → 0.25" in wine.run("model", "diff", "wine/1", "latest:model").ok().out


def test_words_aliases_and_versions_come_and_go(wine: Project) -> None:
    run(wine, 2)
    wine.run("model", "register", "latest:rules", "--name", "rules").ok()
    for arguments in (
        ("describe", "rules/1", "first"), ("tag", "rules@latest", "ok=yes", "bad=no"),
        ("tag", "rules/1", "--remove", "bad"),
        ("alias", "rules/1", "best"), ("delete", "rules@best"), ("delete", "rules/1"),
    ):  # fmt: skip
        wine.run("model", *arguments).ok()
    wine.run("model", "show", "rules/1").ok(2)
    assert "withdrawn" in wine.run("model", "show", "rules").ok().out
    wine.run("model", "undo", "rules").ok()
    [version] = model(wine, "show", "rules")["model"]["versions"]
    assert (version["tags"], version["description"], version["aliases"]) == (
        {"ok": "yes"}, "first", [],
    )  # fmt: skip
    assert loaded(wine, "models:rules/1", ").read_text(").ok().out == "'depth 2'\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("register", "latest:modle", "--name", "w"), "has no model 'modle'"),
        (("register", "latest:model", "--name", "../w"), "no name of a model"),
        (("register", "latest:model", "--name", "w", "--tag", "x"), "a tag is set as KEY=VALUE"),
        (("promote", "wine/1", "--to", "production", "--require", "rmse <"), "is no field"),
        (("promote", "wine/9", "--to", "production"), "wine has no version '9'"),
        (("alias", "wine/1", "staging"), "'staging' is a stage"),
        (("tag", "wine"), "which tags?"),
        (("show", "wien"), "there is no registered model 'wien'"),
        (("get", "wine/1", "--to", ".git/x"), "outputs are not put into .git"),
    ],
)
def test_mistakes_are_told_with_a_hint(
    registered: Project, arguments: tuple[str, ...], text: str
) -> None:
    done = registered.run("model", *arguments).ok(2)
    assert f"error: {text}" in done.err or text in done.err
    assert "hint:" in done.err


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a registered model, which tests leave as it is."""
    project = Computer(tmp_path_factory.mktemp("registered")).project(FILES)
    run(project, 2)
    project.run("model", "register", "latest:model", "--name", "wine").ok()
    return project


def test_what_somebody_else_made_is_not_loaded_without_trust(wine: Project) -> None:
    run(wine, 5)
    wine.run("model", "register", "latest:tree", "--name", "tree").ok()
    assert loaded(wine, "models:tree/1").ok().out == "{'depth': 5}\n"
    wine.run("model", "get", "tree/1").ok()
    assert loaded(wine, "tree-1").ok().out == "{'depth': 5}\n"
    again = wine.run("model", "get", "tree/1").ok(2)
    assert "is there already" in again.err
    wine.run("model", "get", "tree/1", "--force").ok()

    other = wine.computer.elsewhere("other")
    shutil.copytree(wine.folder, other.root / "project", symlinks=True)
    theirs = Project(other, other.root / "project")
    for reference in ("models:tree/1", "tree-1"):
        refused = loaded(theirs, reference).ok(1)
        assert "UntrustedModel: " in refused.err
        assert "model.pkl: it is a pickle" in refused.err
        assert loaded(theirs, reference, ", trust=True").ok().out == "{'depth': 5}\n"
    assert (
        "is not known to be your own"
        in theirs.run("model", "get", "tree/1", "--to", "new").ok(8).err
    )
    theirs.run("model", "get", "tree/1", "--to", "new", "--trust").ok()

    card = wine.folder / "tree-1" / "model.json"
    about = json.loads(card.read_text())
    card.write_text(json.dumps({**about, "run": "../../tree-1"}))
    assert "UntrustedModel" in loaded(wine, "tree-1").ok(1).err


def test_what_cannot_be_loaded_is_told(registered: Project) -> None:
    for reference, text in {
        "models:wine@best": "wine has no alias or stage 'best'",
        "latest:modle": "latest has no model 'modle'; did you mean 'model'?",
        ".": "there is no model.json in it",
    }.items():
        done = loaded(registered, reference).ok(1)
        assert text in done.err.splitlines()[-1]
    nowhere = loaded(registered, "models:wine/1", cwd=registered.computer.home).ok(1)
    assert "no runs are recorded here" in nowhere.err
    store = f", store={str(registered.folder / '.runproj')!r}"
    loaded(registered, "models:wine/1", store, cwd=registered.computer.home).ok()


def test_nothing_that_a_version_needs_goes(wine: Project) -> None:
    ids = [run(wine, depth) for depth in (2, 3, 4)]
    wine.run("model", "register", f"{ids[0]}:model", "--name", "wine").ok()
    room = wine.run("gc", "--keep-last", "1", "--json").ok().json["gc"]
    assert [one["id"] for one in room["gone"]] == [ids[1]]
    assert "1 run stays for the registered model wine/1" in room["notes"]
    wine.run("fsck").ok()
    wine.run("verify", ids[0], "-q").ok()
    assert model(wine, "show", "wine/1")["version"]["verdict"] == "identical"
    shutil.rmtree(wine.folder / ".runproj" / "runs" / ids[0])
    wine.run("gc").ok()
    assert "weights of 2" in loaded(wine, "models:wine/1", ").read_text(").ok().out
    assert f"{ids[0]}/train is gone" in wine.run("model", "show", "wine/1").ok().out
    assert "that made wine/1 is gone" in wine.run("fsck").ok(9).out


def test_those_who_register_at_once_lose_nothing(wine: Project) -> None:
    ids = [run(wine, depth) for depth in (2, 3)]
    started = [
        wine.start("model", "register", f"{run_id}:{name}", "--name", "wine")
        for run_id in ids
        for name in ("model", "tree")
    ]
    for one in started:
        assert one.communicate()[1] == b""
    versions: list[Mapping[str, Any]] = model(wine, "show", "wine")["model"]["versions"]
    assert [one["version"] for one in versions] == [1, 2, 3, 4]
    assert {(one["run"], one["model"]) for one in versions} == {
        (run_id, name) for run_id in ids for name in ("model", "tree")
    }


def test_what_the_documentation_shows_works(wine: Project) -> None:
    text = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text()
    section = text.partition("## Models and the registry")[2].partition("\n## ")[0]
    shell = section.partition("```bash\n")[2].partition("```")[0]
    run(wine, 4)
    for line in shell.splitlines():
        wine.run(*shlex.split(line)[1:]).ok()
    wine.run("model", "promote", "wine/1", "--to", "production").ok()
    loading = section.partition("**Loading.**")[2].partition("```python\n")[2].partition("```")[0]
    references = re.findall(r'load_model\("(.*?)"\)', loading)
    assert len(references) == 3
    for reference in references[:2]:
        loaded(wine, reference).ok()
