"""A step that reads what it did not declare fails, and is told which line to add."""

import re
from collections.abc import Callable, Mapping

import pytest
from tests.cli.commandline import Computer, Files, Project

MakeProject = Callable[[Files], Project]
HEAD = "runproj: 1\nentry_points:\n  main:\n    steps:\n"
READERS = {
    "cat": "cat {path}",
    "python": "python3 -c 'open(\"{path}\")'",
    "a pipe": "cut -c1 < {path} | sort",
    "a list": "[head, -n, '1', {path}]",
}


def project_of(steps: Mapping[str, str]) -> str:
    """Return a project file with these steps."""
    return HEAD + "".join(f"      {name}: {{{text}}}\n" for name, text in steps.items())


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_git_ignores_is_named_with_the_line_to_add(
    computer: Computer, reader: str
) -> None:
    command = READERS[reader].replace("{path}", "data/raw.csv")
    command = command if command.startswith("[") else '"' + command.replace('"', '\\"') + '"'
    project = computer.project(
        {
            "runproj.yaml": project_of({"read": f"command: {command}"}),
            ".gitignore": "data/\n", "data/raw.csv": "1\n",
        }, git=True,
    )  # fmt: skip
    error = project.run("run", ".").ok(1).err
    assert (
        "data/raw.csv is not in the workspace: it stands in the project, but git ignores it"
        in error
    )
    assert "'inputs: [data/raw.csv]'" in error
    assert "'read'" in error


def test_the_line_to_add_mends_it(project: MakeProject) -> None:
    steps = {"read": 'command: "cat a.csv b.csv | sort", inputs: [a.csv], stdout: out.txt'}
    broken = project({"runproj.yaml": project_of(steps), ".gitignore": "*.csv\n"})
    broken.write({"a.csv": "a\n", "b.csv": "b\n"})
    hint = re.search(r"add '(inputs: \[.*?\])'", broken.run("run", ".").ok(1).err)
    assert hint is not None
    assert hint[1] == "inputs: [a.csv, b.csv]"
    mended = steps["read"].replace("inputs: [a.csv]", hint[1])
    broken.write({"runproj.yaml": project_of({"read": mended})})
    broken.run("run", ".").ok()
    broken.run("get", "--to", "got").ok()
    assert (broken.folder / "got/out.txt").read_text() == "a\nb\n"


def test_a_file_that_another_step_makes_is_named_with_that_step(project: MakeProject) -> None:
    steps = {
        "make": "command: echo 1, stdout: build/made.txt",
        "read": "command: cat build/made.txt, needs: [make]",
    }
    error = project({"runproj.yaml": project_of(steps)}).run("run", ".").ok(1).err
    assert "build/made.txt is not in the workspace: the step 'make' makes it" in error
    assert "'inputs: [build/made.txt]'" in error


def test_a_file_in_a_folder_that_another_step_makes_is_named(project: MakeProject) -> None:
    steps = {
        "make": 'command: "mkdir -p build/all; echo 1 > build/all/one", outputs: [build/all]',
        "read": "command: cat build/all/one, needs: [make]",
    }
    error = project({"runproj.yaml": project_of(steps)}).run("run", ".").ok(1).err
    assert "build/all/one is not in the workspace: the step 'make' makes it" in error


def test_a_file_that_sources_leaves_out_is_named(project: MakeProject) -> None:
    steps = {"read": "command: cat helper.txt, sources: ['*.py']"}
    files = {"runproj.yaml": project_of(steps), "helper.txt": "x\n", "a.py": ""}
    error = project(files).run("run", ".").ok(1).err
    assert "helper.txt is not in the workspace: it stands in the project, but 'sources'" in error
    assert "'inputs: [helper.txt]'" in error


def test_a_module_that_sources_leaves_out_is_named(project: MakeProject) -> None:
    steps = {"train": "command: python3 train.py, sources: [train.py]"}
    files = {"runproj.yaml": project_of(steps), "train.py": "import helper\n", "helper.py": ""}
    error = project(files).run("run", ".").ok(1).err
    assert "helper.py is not in the workspace: it stands in the project, but 'sources'" in error


def test_the_earlier_content_of_an_own_output_is_not_there(project: MakeProject) -> None:
    steps = {"append": 'command: "cat log.txt > new.txt; mv new.txt log.txt", outputs: [log.txt]'}
    files = {"runproj.yaml": project_of(steps), "log.txt": "before\n"}
    project(files).run("run", ".").ok(1)


def test_a_file_that_is_nowhere_is_not_explained(project: MakeProject) -> None:
    steps = {"read": "command: cat nowhere.csv"}
    error = project({"runproj.yaml": project_of(steps)}).run("run", ".").ok(1).err
    assert "is not in the workspace" not in error
    assert "nowhere.csv" in error


def test_what_json_tells_has_the_hint_too(project: MakeProject) -> None:
    steps = {"read": "command: cat a.csv"}
    files = {"runproj.yaml": project_of(steps), ".gitignore": "*.csv\n", "a.csv": "1\n"}
    project_ = project(files)
    project_.run("run", ".").ok(1)
    assert "inputs: [a.csv]" in project_.run("show", "latest/read").ok().out
