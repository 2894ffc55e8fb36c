"""``--trace``: what steps read is seen, and a step is executed again when some of that changed."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Files, Project, digests

MakeProject = Callable[[Files], Project]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="needs strace"
)


@pytest.fixture(autouse=True)
def plain_python(computer: Computer) -> None:
    """Let no virtual environment stand on PATH: these tests' own reads their sources."""
    folders = os.environ["PATH"].split(os.pathsep)
    kept = [one for one in folders if not os.path.exists(Path(one, "..", "pyvenv.cfg"))]  # noqa: PTH110 -- pathlib raises where one may not look
    computer.variables["PATH"] = os.pathsep.join(kept)


PROJECT = """\
runproj: 1
name: observed
entry_points:
  main:
    steps:
      one: {command: python3 one.py, outputs: [one.txt]}
      two: {command: [sh, -c, cat data/a > two.txt], outputs: [two.txt]}
"""
FILES = {
    "runproj.yaml": PROJECT,
    "one.py": "import helper\nopen('one.txt', 'w').write(helper.words)\n",
    "helper.py": "words = 'first'\n",
    "data/a": "a\n",
    "README.md": "first\n",
}


def shell(script: str, **more: str) -> dict[str, str]:
    """Return a project of one step, which keeps what it makes."""
    text = "runproj: 1\nname: one\nentry_points:\n  main:\n    command: [sh, -c, 'sh step.sh']\n"
    return {"runproj.yaml": text, "step.sh": script, "data/a": "a\n", "README.md": "x\n", **more}


def test_a_step_is_skipped_while_nothing_that_it_read_changes(project: MakeProject) -> None:
    observed = project(FILES)
    first = observed.run("run", ".", "--trace", "--json").ok()
    assert first.steps() == {"one": "succeeded", "two": "succeeded"}
    observed.write({"README.md": "second\n", "data/unread": "new\n"})

    again = observed.run("run", ".", "--json").ok()
    assert again.steps() == {"one": "cached", "two": "cached"}
    assert again.step("one")["reason"] == f"nothing that it read changed since {first.run['id']}"
    observed.run("status", ".", "--exit-code").ok()


def test_a_step_is_executed_again_when_a_module_changes_that_it_imported(
    project: MakeProject,
) -> None:
    observed = project(FILES)
    observed.run("run", ".", "--trace").ok()
    observed.write({"helper.py": "words = 'second'\n", "README.md": "second\n"})

    again = observed.run("run", ".", "--json").ok()
    assert again.steps() == {"one": "succeeded", "two": "cached"}
    assert again.step("one")["reason"] == "source: helper.py"


def test_without_a_trace_every_change_counts(project: MakeProject) -> None:
    observed = project(FILES)
    observed.run("run", ".").ok()
    observed.write({"README.md": "second\n"})
    assert observed.run("run", ".", "--json").ok().steps() == {
        "one": "succeeded",
        "two": "succeeded",
    }


def test_the_project_file_can_ask_for_it(project: MakeProject) -> None:
    observed = project({
        **FILES, "runproj.yaml": PROJECT.replace("outputs: [one.txt]", "outputs: [one.txt], trace: true")
    })  # fmt: skip
    observed.run("run", ".").ok()
    observed.write({"README.md": "second\n"})
    assert observed.run("run", ".", "--json").ok().steps() == {"one": "cached", "two": "succeeded"}


def test_what_was_not_traced_is_traced_when_that_is_asked_for(project: MakeProject) -> None:
    observed = project(FILES)
    observed.run("run", ".").ok()
    traced = observed.run("run", ".", "--trace", "--json").ok()
    assert {traced.step(name)["reason"] for name in ("one", "two")} == {"not traced yet"}
    assert observed.run("run", ".", "--trace", "--json").ok().steps()["one"] == "cached"


CHANGES: dict[str, tuple[str, str, str]] = {
    "the size of a file": ("test $(stat -c %s data/a) -gt 2 && echo big > out || echo small > out",
                           "data/a", "longer\n"),
    "the names in a folder": ("ls data | wc -l > out", "data/b", "b\n"),
    "a file that appears": ("test -e conf && echo 1 > out || echo 0 > out", "conf", "x\n"),
    "a file behind a link": ("ln -s data l; cat l/a > out; rm l", "data/a", "changed\n"),
    "a file in another folder": ("cd data; cat a > ../out", "data/a", "changed\n"),
    "a folder that is renamed": ("mv data new; cat new/a > out", "data/a", "changed\n"),
    "a file that is appended to": ("echo more >> data/a", "data/a", "changed\n"),
    "a file that is read and rewritten": ("x=$(cat data/a); echo $x$x > data/a", "data/a", "b\n"),
    "a script with an interpreter": ("chmod +x run; ./run > out", "run", "#!/bin/sh\necho 2\n"),
    "a program with a cleared environment": ("env -i /bin/cat data/a > out", "data/a", "b\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_it_depends_on_is_noticed(project: MakeProject, name: str) -> None:
    script, path, content = CHANGES[name]
    observed = project(shell(script, run="#!/bin/sh\necho 1\n"))
    observed.run("run", ".", "--trace").ok()
    observed.write({path: content})
    assert list(observed.run("run", ".", "--json").ok().steps().values()) == ["succeeded"]


def test_a_trace_that_is_incomplete_narrows_nothing(project: MakeProject) -> None:
    observed = project(shell("mv data other; cat other/a > out"))
    first = observed.run("run", ".", "--trace").ok()
    assert "what it read is not known in full" in first.out + first.err
    observed.write({"README.md": "second\n"})
    assert list(observed.run("run", ".", "--json").ok().steps().values()) == ["succeeded"]


def test_an_undeclared_input_is_named_and_counts_from_then_on(
    project: MakeProject, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden.csv"
    hidden.write_text("1\n")
    observed = project(shell(f"cat {hidden} > out"))
    done = observed.run("run", ".", "--trace").ok()
    assert f"it reads {hidden}, which it does not declare" in done.err
    assert f"parameters: {{hidden: {{type: path, default: {hidden}}}}}" in done.err
    assert list(observed.run("run", ".", "--json").ok().steps().values()) == ["cached"]

    hidden.write_text("2\n")
    changed = observed.run("run", ".", "--json").ok()
    assert list(changed.steps().values()) == ["succeeded"]
    assert changed.run["steps"][0]["reason"] == f"undeclared input changed: {hidden}"
    hidden.write_text("3\n")  # it was watched again, without being asked for
    assert list(observed.run("run", ".", "--json").ok().steps().values()) == ["succeeded"]


def test_an_input_of_which_nothing_is_read_is_named(project: MakeProject) -> None:
    text = PROJECT.replace(
        "{command: python3 one.py,", "{command: python3 one.py, inputs: [data/a],"
    )
    done = project({**FILES, "runproj.yaml": text}).run("run", ".", "--trace").ok()
    assert "one: it does not read its declared input data/a" in done.err
    assert "two: it does not read" not in done.err


def test_a_missing_tracer_is_said_before_anything_is_done(
    project: MakeProject, tmp_path: Path
) -> None:
    observed = project(FILES)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "sh", "cat", "python3"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    done = observed.run("run", ".", "--trace", env={"PATH": str(programs)}).ok(8)
    assert "strace is missing" in done.err
    assert "install strace" in done.err
    observed.run("run", ".", env={"PATH": str(programs)}).ok()


def test_what_a_traced_step_prints_and_measures_is_the_same(project: MakeProject) -> None:
    one = project({
        "runproj.yaml": "runproj: 1\nname: m\nentry_points:\n  main:\n    command: sh step.sh\n"
        "    outputs: [o]\n    metrics: [m.json]\n",
        "step.sh": "echo out; echo err >&2; echo '{\"loss\": 1.5}' > m.json; echo x > o\n",
    })  # fmt: skip
    plain = one.run("run", ".", "--json").ok()
    outputs, log = one.outputs("latest"), one.run("logs", "latest").out
    traced = one.run("run", ".", "--trace", "--force", "--json").ok()
    assert traced.run["metrics"] == plain.run["metrics"]
    assert one.outputs("latest") == outputs
    assert one.run("logs", "latest").out == log


def test_a_traced_run_can_be_done_again_and_verified(project: MakeProject) -> None:
    observed = project(FILES)
    observed.run("run", ".", "--trace").ok()
    assert observed.run("rerun", "latest", "--json").ok().steps()["one"] == "succeeded"
    assert "identical" in observed.run("verify", "latest").ok().out


def test_a_repository_stays_as_it_is(computer: Computer) -> None:
    observed = computer.project(FILES, git=True)
    before = digests(observed.folder)
    observed.run("run", ".", "--trace").ok()
    observed.run("run", ".").ok()
    assert digests(observed.folder) == before
    assert observed.git("status", "--porcelain") == ""


def test_a_step_in_an_environment_of_its_own_is_traced(computer: Computer) -> None:
    observed = computer.project({
        **FILES, "runproj.yaml": PROJECT + "environments: {default: {kind: venv}}\n",
        "one.py": FILES["one.py"].replace("import helper", "import json, helper"),
    })  # fmt: skip
    done = observed.run("run", ".", "--trace", "--json").ok()
    assert done.step("one")["status"] == "succeeded"
    assert "which it does not declare" not in done.err
    observed.write({"README.md": "second\n"})
    assert observed.run("run", ".", "--json").ok().steps()["one"] == "cached"
    observed.write({"helper.py": "words = 'second'\n"})
    assert observed.run("run", ".", "--json").ok().steps()["one"] == "succeeded"
