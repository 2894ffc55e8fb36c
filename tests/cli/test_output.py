"""What commands print: help, colour, JSON by its schema, graphs, and first steps."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.cli.commandline import Computer, Files, Project, plain
from tests.cli.projects import FAILING, FILES

from runproj.cli.table import COMMANDS

MakeProject = Callable[[Files], Project]
SCHEMAS = Path(__file__).parents[2] / "schemas"
MORE_COMMANDS = [
    ("env", "list"), ("env", "build"), ("env", "remove"), ("model", "promote"), ("model", "get"),
]  # fmt: skip


def test_a_new_user_is_told_what_to_do_first(computer: Computer) -> None:
    said = computer.run().ok().out
    for words in ("runproj init", "runproj run .", "runproj --help"):
        assert words in said


def test_help_lists_every_command(computer: Computer) -> None:
    for typed in ("--help", "-h", "help"):
        said = computer.run(typed).ok().out
        assert all(f"  {name} " in said for name in COMMANDS), said


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), *MORE_COMMANDS], ids=" ".join)
def test_every_command_has_a_help_with_its_options(
    computer: Computer, command: tuple[str, ...]
) -> None:
    said = computer.run(*command, "--help").ok().out
    assert said.startswith(f"Usage: runproj {' '.join(command)} ")
    if command not in {("env",), ("log",), ("model",)}:  # groups, and what looks at no store
        assert "--store DIR" in said
        assert "-C DIR" in said


def test_the_version_is_told(computer: Computer) -> None:
    said = {computer.run(typed).ok().out for typed in ("--version", "-V")}
    assert len(said) == 1
    assert said.pop().startswith("runproj ")


def test_there_is_no_colour_unless_a_terminal_wants_it(project: MakeProject) -> None:
    demo = project({"runproj.yaml": FAILING})
    wanted = {"FORCE_COLOR": "1"}
    for env, coloured in (({}, False), ({**wanted, "NO_COLOR": "1"}, False), (wanted, True)):
        for command in (("run", ".", "--force"), ("show",), ("list",), ("graph", "."), ("nope",)):
            done = demo.run(*command, env=env)
            assert ("\x1b" in done.out + done.err) is coloured, done.said


def test_colour_changes_no_word(project: MakeProject) -> None:
    demo = project(FILES)
    demo.run("run", ".").ok()
    for command in (("show",), ("list",), ("graph", "."), ("status", ".")):
        coloured = demo.run(*command, env={"FORCE_COLOR": "1"}).ok().out
        assert plain(coloured) == demo.run(*command).ok().out


def test_a_value_can_do_nothing_to_the_terminal(project: MakeProject) -> None:
    demo = project({"runproj.yaml": GREETER})
    evil = "a\x1b[31mb\x1b[2J\rc\nd\u202ee"
    for value in ("plain", evil):
        demo.run("run", ".", "-P", f"who={value}", "--name", value, "--tag", f"t={value}").ok()
    shown = [
        ("list",), ("show",), ("show", "latest/main"), ("status", ".", "-P", f"who={evil}x"),
        ("run", ".", "-P", f"who={evil}x", "-n"), ("run", ".", "-P", f"how={evil}"),
        ("show", evil), (evil,), ("run", evil),
    ]  # fmt: skip
    for command in shown:
        for env in ({}, {"FORCE_COLOR": "1"}):
            done = demo.run(*command, env=env)
            said = done.out + done.err
            assert not [part for part in PARTS if part in said], said


PARTS = ("\x1b[31mb", "\x1b[2J", "\r", "\u202e")
GREETER = """\
runproj: 1
entry_points: {main: {parameters: {who: x}, command: ['true', '{who}']}}
"""


def test_every_json_document_fits_the_published_schema(project: MakeProject) -> None:
    demo = project(FILES)
    shown = [
        ("run", ".", "--dry-run"), ("run", "."), ("run", "."), ("run", ".", "-P", "lr=0.5"),
        ("status", "."), ("show",), ("show", "latest/train"), ("list",), ("rerun", "latest"),
        ("show", "nothing"), ("run", ".", "-P", "lr=x", "-P", "who"),
        ("check",), ("graph", "."), ("logs",), ("logs", "latest/train"), ("get", "--to", "got"),
        ("get", "--to", "got"), ("init", "new"), ("diff", "latest~1"), ("show", "--diff"),
        ("diff", "latest~2", "latest", "--patch"), ("verify", "latest"),
    ]  # fmt: skip
    documents = [demo.run(*command, "--json").json for command in shown]
    demo.write({"runproj.yaml": FAILING})
    documents += [demo.run(*command, "--json").json for command in (("run", "."), ("show",))]
    for document in documents:
        fits_the_schema(document)
    assert [*documents[1]["run"]] == [*documents[-1]["run"]]


def test_every_json_document_about_environments_fits_the_published_schema(
    project: MakeProject,
) -> None:
    demo = project({"runproj.yaml": WITH_VENV})
    for command in (
        ("lock", "--check"), ("lock",), ("lock", "--check"), ("env", "build"), ("env", "list"),
        ("env", "remove", "--all"),
    ):  # fmt: skip
        document = demo.run(*command, "--json").json
        fits_the_schema(document)
        assert all(document.values()), command


WITH_VENV = """\
runproj: 1
environments: {default: {kind: venv}}
entry_points: {main: {command: [python, -c, pass]}}
"""


def fits_the_schema(document: Any) -> None:  # noqa: ANN401 -- a JSON document
    """Check one document against what is published; there, no two kinds of document are alike."""
    published = json.loads((SCHEMAS / "output.schema.json").read_text())
    kinds = [{**one, "$defs": published["$defs"]} for one in published["anyOf"]]
    fitting = [kind for kind in kinds if jsonschema.Draft202012Validator(kind).is_valid(document)]
    assert len(fitting) == 1, document


def test_json_leaves_standard_output_to_one_document(project: MakeProject) -> None:
    demo = project(FILES)
    typed = [
        ("check",), ("graph", "."), ("logs",), ("get", "--to", "got"), ("env", "list"), ("lock",),
        ("lock", "--check"), ("env", "build"), ("env", "remove", "--all"),
    ]  # fmt: skip
    demo.run("run", ".").ok()
    for command in typed:
        document = demo.run(*command, "--json").ok().json
        assert len(document) == 1, command


def test_the_graph_shows_what_flows_between_steps(project: MakeProject) -> None:
    demo = project(FILES)
    assert [line.split() for line in demo.run("graph", ".").ok().out.splitlines()] == [
        ["prepare"],
        ["train", "←", "prepare", "build/table.csv"],
        ["report", "←", "prepare", "build/table.csv"],
        ["←", "train", "build/metrics.json"],
    ]
    edges = demo.run("graph", ".", "--json").ok().json["graph"]["edges"]
    assert {(edge["from"], edge["to"]): edge["files"] for edge in edges} == {
        ("prepare", "train"): ["build/table.csv"],
        ("prepare", "report"): ["build/table.csv"],
        ("train", "report"): ["build/metrics.json"],
    }


def test_check_counts_the_steps_of_a_project_without_mistakes(project: MakeProject) -> None:
    demo = project(FILES)
    said = demo.run("check").ok().out
    assert "no mistakes" in said
    assert "main (3 steps), greet (1 step)" in said
    assert demo.run("validate", "--json").ok().json["check"]["ok"] is True


def test_check_needs_no_values(project: MakeProject) -> None:
    demo = project({"runproj.yaml": FILES["runproj.yaml"].replace(", default: 0.01", ""), **DATA})
    demo.run("check").ok()
    demo.run("run", ".").ok(2)


DATA = {"data.csv": ""}


def test_init_in_an_empty_folder_writes_a_project_that_runs(computer: Computer) -> None:
    empty = computer.project({})
    said = empty.run("init").ok().out
    assert said.splitlines()[-1] == "next: runproj run ."
    assert "wrote runproj.yaml" in said
    empty.run("check").ok()
    empty.run("run", ".").ok()
    empty.run("get", "--to", "got").ok()
    assert (empty.folder / "got/shout.txt").read_text() == "HELLO, WORLD\n"


def test_init_takes_a_script_that_is_there(project: MakeProject) -> None:
    scripted = project({"train.py": "print('trained')\n", "helper.py": ""})
    scripted.run("init").ok()
    assert sorted(path.name for path in scripted.folder.iterdir()) == [
        "helper.py", "runproj.yaml", "train.py",
    ]  # fmt: skip
    assert "trained" in scripted.run("run", ".").ok().err


def test_init_takes_the_requirements_that_are_there(project: MakeProject) -> None:
    required = project(
        {"requirements.txt": "# none yet\n", "main.py": "import sys; print(sys.prefix)"}
    )
    required.run("init").ok()
    assert "requirements: [requirements.txt]" in (required.folder / "runproj.yaml").read_text()
    done = required.run("run", ".").ok()
    assert str(required.computer.home) in done.err  # the environment is in the cache of this user


def test_init_names_the_folder_that_it_was_told(computer: Computer) -> None:
    said = computer.run("init", "new/project").ok().out
    assert said.splitlines()[-1] == "next: runproj run new/project"
    computer.run("run", "new/project").ok()
    assert computer.run("init", "other", "--json").ok().json["init"]["wrote"][0] == (
        "other/runproj.yaml"
    )


def test_what_init_writes_fits_the_schema_of_the_project_file(computer: Computer) -> None:
    computer.project({}, "empty").run("init").ok()
    computer.project({"train.py": "", "requirements.txt": ""}, "full").run("init").ok()
    computer.run("check", "empty").ok()
    computer.run("check", "full").ok()


def shell(project: Project, line: str) -> tuple[int, str]:
    """Run a line of bash in a project, where ``r`` is runproj; return exit code and output."""
    text = f'set -o pipefail; r() {{ {sys.executable} -m runproj "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", text], cwd=project.folder, env=project.computer.variables_for(project.folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("r | true", (0, 141), ""), ("r --help | true", (0, 141), ""),
        ("r show latest | true", (0, 141), ""),
        ("r show latest >&-", (0,), ""), ("r run . >&-", (0,), "▶ main"),
        ("r run . 2>&-", (0,), "run  "), ("r run . <&- >&- 2>&-", (0,), ""),
        ("r list > /dev/full", (1,), "could not be written: no space left on device"),
        ("r run . > /dev/full", (1,), "could not be written: no space left on device"),
        ("mkdir gone; cd gone; rmdir ../gone; r list", (2,), "the folder you are in"),
    ],
)  # fmt: skip
def test_streams_that_are_closed_or_full_make_no_traceback(
    project: MakeProject, line: str, code: tuple[int, ...], said: str
) -> None:
    demo = project({"runproj.yaml": GREETER.replace("command:", "cache: false, command:")})
    demo.run("run", ".").ok()
    found, printed = shell(demo, line)
    assert found in code, printed
    assert said in printed
    assert "Traceback" not in printed
    assert "Error" not in printed
    assert demo.run("list", "--json").ok().json["runs"][0]["status"] == "succeeded"


def test_a_run_goes_on_when_nobody_listens_any_more(project: MakeProject) -> None:
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done"
    demo = project(
        {"runproj.yaml": f"runproj: 1\nentry_points: {{main: {{command: '{script}'}}}}\n"}
    )
    shell(demo, "r run . 2>&1 | head -1")
    (run,) = demo.run("list", "--json").ok().json["runs"]
    assert run["status"] == "succeeded"


def test_graph_draws_for_other_programs(computer: Computer) -> None:
    project = computer.project(FILES)
    chart = project.run("graph", "--mermaid").ok().out
    assert chart.startswith('flowchart LR\n  n0["prepare"]\n')
    assert 'n0 -->|"build/table.csv"| n1' in chart
    assert project.run("graph", ".", "train", "--dot").ok().out.startswith("digraph steps {")
    drawing = project.run("graph", "--svg").ok().out
    assert drawing.startswith("<svg xmlns=")
    assert drawing.endswith("</svg>\n")
