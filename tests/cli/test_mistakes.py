"""Mistakes, typed on purpose: each is told with a place and a way out, never with a traceback."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from tests.cli.commandline import Computer, Files

HEAD = "runproj: 1\nname: demo\n"
GOOD = HEAD + (
    "entry_points:\n"
    "  main:\n"
    "    parameters:\n"
    "      lr: {type: float, default: 0.01, min: 0, max: 1, help: Learning rate.}\n"
    "      epochs: {type: int, default: 3}\n"
    "      fast: {type: bool, default: false}\n"
    "      optimizer: {type: choice, choices: [sgd, adam], default: adam}\n"
    "      data: {type: path, default: data.csv}\n"
    "      site: {type: uri, default: 'https://example.org'}\n"
    "      layers: {type: list, items: int, default: [1, 2]}\n"
    "      extra: {type: json, default: {}}\n"
    "      tag: {type: string, default: a, pattern: '[a-z]+'}\n"
    "    steps:\n"
    "      train:\n"
    '        command: [echo, "{lr}", "{data}"]\n'
    "        stdout: out.txt\n"
    "      report:\n"
    "        command: cat out.txt\n"
    "        inputs: [out.txt]\n"
    "        stdout: report.txt\n"
)  # fmt: skip
VENV = HEAD + (
    "environments:\n"
    "  default: {kind: venv%s}\n"
    "entry_points:\n"
    "  main:\n"
    "    command: python --version\n"
)  # fmt: skip
CONDA = VENV.replace("venv%s", "conda, %s")
DATA: Files = {"data.csv": "1\n"}
BAD_BYTES: Files = {"runproj.yaml": b"\xff\xfename: x\n"}
NO_INDEX = {"UV_NO_INDEX": "1"}
EXTRAS = """\
[project]
name = "x"
version = "1"
optional-dependencies = {train = []}
"""
STALE = """\
lock-version = "1.0"
created-by = "runproj"
packages = []

[tool.runproj]
declaration = "0000000000000000000000000000000000000000000000000000000000000000"
"""


def steps(text: str) -> str:
    """Return a project file with these lines as its steps."""
    lines = "".join(f"      {line}\n" for line in text.strip().splitlines())
    return f"{HEAD}entry_points:\n  main:\n    steps:\n{lines}"


@dataclass(frozen=True)
class Mistake:
    """What is typed, and what must be said about it."""

    code: int
    file: str | None
    says: str
    where: str | None
    hint: str | None
    command: tuple[str, ...] = ("run", ".")
    files: Files = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


def file(
    text: str | None, says: str, where: str, hint: str | None = None, files: Files | None = None
) -> Mistake:
    """Return a mistake in the project file: exit code 3, and a place in it."""
    return Mistake(3, text, says, where, hint, files=files or {})


def main(text: str) -> str:
    """Return a project file that is fine but for these lines."""
    return f"{HEAD}{text}\nentry_points: {{main: {{command: ls}}}}\n"


# What is wrong with the text of the project file itself.
IN_THE_FILE = {
    "a bracket that is not closed": file("runproj: 1\nname: [a\n", "not valid YAML", "yaml:2:"),
    "a colon in a value": file(
        HEAD + "description: a: b\n", "not valid YAML", "yaml:3:15", "': ' needs quotes"
    ),
    "a tab": file("runproj: 1\nentry_points:\n\tmain: x\n", "not valid YAML", "yaml:3:1", "spaces"),
    "an empty file": file("", "is empty", "yaml:1:1", "runproj: 1"),
    "a list": file("- a\n", "not a mapping", "yaml:1:1", "runproj: 1"),
    "another encoding": file(None, "not UTF-8", "runproj.yaml", "UTF-8", BAD_BYTES),
    "no format version": file(
        "name: x\nentry_points: {main: {command: ls}}\n", "'runproj' is missing", "yaml:1:1",
        "runproj: 1",
    ),
    "a format version of the future": file(
        "runproj: 2\nentry_points: {main: {command: ls}}\n", "format 1 only", "yaml:1:10",
        "runproj: 1",
    ),
    "a key twice": file(
        steps("a: {command: ls}\na: {command: ls}"), "there already, at 6:7", "yaml:7:7"
    ),
    "a mistyped key": file(steps("a: {comand: ls}"), "unknown key", "yaml:6:11", "'command'"),
    "a list in a command": file(steps("a: {command: [ls, [x]]}"), "must be text", "yaml:6:25"),
    "steps as a list": file(
        HEAD + "entry_points: {main: {steps: [a]}}\n", "must be a mapping", "yaml:3:30"
    ),
    "a word for a truth": file(
        steps("a: {command: ls, cache: maybe}"), "must be true or false", "yaml:6:31"
    ),
    "a word for a duration": file(
        steps("a: {command: ls, timeout: soon}"), "'soon' is not a duration; examples", "yaml:6:33"
    ),
    "a number as an argument": file(
        steps("a: {command: [sleep, 1]}"), "1 is not text", "yaml:6:28", '"1"'
    ),
    "a version without quotes": file(
        VENV % ", python: 3.10", "3.10 is not text", "yaml:4:33", '"3.10"'
    ),
    "a word for a version": file(VENV % ", python: newest", "is not a version", "yaml:4:"),
    "an unknown kind of environment": file(
        VENV.replace("venv", "virtualenv") % "", "unknown kind 'virtualenv'", "yaml:4:", "venv"
    ),
    "a space in the name of a step": file(
        steps("my step: {command: ls}"), "'my step' is not a name", "yaml:6:7", "letters"
    ),
    "a dash in the name of a parameter": file(
        main("parameters: {learning-rate: 1}"), "'learning-rate' is not a name", "yaml:3:14",
        "letters",
    ),
    "a parameter with a name that is taken": file(
        main("parameters: {run: 1}"), "cannot be called 'run'", "yaml:3:14", "run_value"
    ),
    "a default of another type": file(
        main("parameters: {a: {type: int, default: x}}"), "'x' is not a whole number", "yaml:3:"
    ),
    "a pattern that is none": file(
        main("parameters: {a: {type: string, pattern: '('}}"), "not a regular expression", "yaml:3:"
    ),
    "no entry points": file(HEAD, "'entry_points' is missing", "yaml:1:1", "entry_points"),
    "an entry point that does nothing": file(
        HEAD + "entry_points: {main: {description: x}}\n", "needs 'steps', or a 'command'",
        "yaml:3:22",
    ),
    "a step that does nothing": file(steps("a: {inputs: [x]}"), "needs a 'command'", "yaml:6:10"),
    "a quote that is not closed": file(steps("a: {command: echo 'x}"), "not closed", "yaml:6:20"),
    "an unknown reference": file(
        steps('a: {command: "echo {lrr}"}') + "    parameters: {lr: 1}\n", "refers to nothing",
        "yaml:6:20", "{lr}? for plain text write {{lrr}}",
    ),
    "a reference to a step that is not there": file(
        steps('a: {command: "echo {steps.b.outputs.x}"}'), "refers to nothing", "yaml:6:20",
        "known: a",
    ),
    "a reference in a here-document": file(
        main("parameters: {x: a}").replace("{command: ls}", '{command: "cat <<E\\n{x}\\nE"}'),
        "stands in a here-document", "yaml:4:", "'env'",
    ),
}  # fmt: skip
# What is wrong with the steps, together or in the folder that they stand in.
IN_THE_STEPS = {
    "a cycle of files": file(
        steps(
            "a: {command: ls, inputs: [y], outputs: [x]}\n"
            "b: {command: ls, inputs: [x], outputs: [y]}"
        ),
        "wait for each other: a → b → a", "yaml:6:7", "remove one",
    ),
    "a cycle of needs": file(
        steps("a: {command: ls, needs: [b]}\nb: {command: ls, needs: [a]}"), "a → b → a",
        "yaml:6:7", "remove one",
    ),
    "a step that needs itself": file(
        steps("a: {command: ls, needs: [a]}"), "needs itself", "yaml:6:32"
    ),
    "a step that is needed and not there": file(
        steps("prepare: {command: ls}\nb: {command: ls, needs: [preprae]}"),
        "there is no step 'preprae'", "yaml:7:32", "'prepare'",
    ),
    "two makers": file(
        steps("a: {command: ls, outputs: [x]}\nb: {command: ls, outputs: [x]}"),
        "made by the step 'a' too", "yaml:7:34", "one maker",
    ),
    "an output in the output of another step": file(
        steps("a: {command: ls, outputs: [x]}\nb: {command: ls, outputs: [x/y]}"),
        "which the step 'a' makes", "yaml:7:",
    ),
    "an environment that is not there": file(
        steps("a: {command: ls, environment: gpu}"), "no environment 'gpu'", "yaml:6:37", "declare"
    ),
    "an absolute output": file(
        steps("a: {command: ls, outputs: [/tmp/x]}"), "relative to the project", "yaml:6:34"
    ),
    "an output outside of the project": file(
        steps("a: {command: ls, outputs: [../x]}"), "not inside the project", "yaml:6:34"
    ),
    "an absolute input": file(
        steps("a: {command: ls, inputs: [/etc/passwd]}"), "relative to the project", "yaml:6:33",
        "type path",
    ),
    "a missing input": file(
        steps("a: {command: ls, inputs: [data.cvs]}"), "not there, and no step makes it",
        "yaml:6:33", "'data.csv'", DATA,
    ),
    "a pattern that nothing matches": file(
        steps("a: {command: ls, inputs: ['*.csv']}"), "not there, and no step makes it", "yaml:6:33"
    ),
}  # fmt: skip
LOCKFILES = {"locks/pylock.default.toml": STALE}
IN_THE_ENVIRONMENT = {
    "a missing requirements file": file(
        VENV % ", requirements: [requirements.txt]", "requirement file 'requirements.txt'", "yaml:4:"
    ),
    "a missing file that a requirements file includes": file(
        VENV % ", requirements: [r.txt]", "requirement file 'base.txt'", "r.txt:1", None, {"r.txt": "-r base.txt\n"}
    ),
    "no pyproject.toml": file(VENV % ", pyproject: true", "pyproject.toml", "yaml:4:"),
    "a pyproject.toml that is no TOML": file(
        VENV % ", pyproject: true", "not valid TOML", "pyproject.toml", None,
        {"pyproject.toml": "[project\n"},
    ),
    "an unknown extra": file(
        VENV % ", pyproject: {extras: [trian]}", "no extra 'trian'", "pyproject.toml", "'train'",
        {"pyproject.toml": EXTRAS},
    ),
    "a requirement that is none": Mistake(
        3, VENV % ", packages: [six, 'not a requirement', 'x >']", "'not a requirement' is no requirement: ",
        "runproj.yaml:4:", None,
    ),
    "an interpreter that is not there": Mistake(
        4, VENV % ', python: "3.99"', "no Python 3.99 on this machine; found: ", None, "install it",
        env={"PATH": "/usr/bin:/bin"},  # fewer to look at
    ),
    "a package that is not there": Mistake(
        4, VENV % ", packages: [nothing-of-that-name]", "nothing-of-that-name was not found", None,
        "requirement", env=NO_INDEX,
    ),
    "requirements that exclude each other": Mistake(
        4, VENV % ", packages: ['a==1', 'a==2']", "you require a==1 and a==2", None, "requirement",
        env=NO_INDEX,
    ),
    "no lock under --locked": Mistake(
        4, VENV % "", "'default' is missing", "locks/pylock.default.toml", "runproj lock",
        ("run", ".", "--locked"),
    ),
    "no lock under --frozen": Mistake(
        4, VENV % "", "'default' is missing", "locks/pylock.default.toml", "runproj lock",
        ("run", ".", "--frozen"),
    ),
    "a stale lock under --locked": Mistake(
        4, VENV % "", "does not fit what is declared", "locks/pylock.default.toml", "runproj lock",
        ("run", ".", "--locked"), LOCKFILES,
    ),
    "a conda environment without channels": file(
        CONDA % "dependencies: [python]", "no channel is named", "yaml:4:", "conda-forge"
    ),
    "a password in a channel": file(
        CONDA % "channels: ['https://me:pw@h/c'], dependencies: [x]", "channels[0]: a user, passw",
        "yaml:4:", "RATTLER_AUTH_FILE",
    ),
    "no environment file": file(
        CONDA % "file: environment.yaml", "there is no environment file 'environment.yaml'",
        "yaml:4:",
    ),
    "a mistake in an environment file": file(
        CONDA % "file: e.yaml", "the key 'variables' is not supported", "e.yaml:1:", "'env' of a",
        {"e.yaml": "variables: {A: b}\n"},
    ),
    "a conda channel that is not there": Mistake(
        4, CONDA % "channels: ['file:///nowhere'], dependencies: [python]",
        "there is no channel file:///nowhere", "yaml:4:", "mounted",
    ),
    "no conda lock under --locked": Mistake(
        4, CONDA % "channels: [c], dependencies: [python]", "'default' is missing",
        "locks/conda.default.json", "runproj lock", ("run", ".", "--locked"),
    ),
    "a damaged conda lock": Mistake(
        4, CONDA % "channels: [c], dependencies: [python]", "damaged", None, "runproj lock",
        ("run", ".", "--frozen"), {"locks/conda.default.json": "{"},
    ),
    "a stale lock that is checked": Mistake(
        3, VENV % "", "does not fit what is declared", "locks/pylock.default.toml", "runproj lock",
        ("check",), LOCKFILES,
    ),
    "a damaged lock": Mistake(
        4, VENV % "", "damaged", None, "runproj lock", ("run", ".", "--frozen"),
        {"locks/pylock.default.toml": "packages = 3\n[<<<<"},
    ),
}  # fmt: skip


def not_yet(text: str, place: str, files: Files | None = None) -> Mistake:
    """Return a wish that this version cannot fulfil."""
    return file(text, "is not supported yet", place, None, files)


NOT_YET = {
    "a linked input": not_yet(
        steps("a: {command: ls, inputs: [{path: data.csv, link: true}]}"), "yaml:6:", DATA
    ),
    "an input by reference": not_yet(
        steps("a: {command: ls, inputs: [{path: data.csv, keep: reference}]}"), "yaml:6:", DATA
    ),
    "an input from the web": not_yet(
        steps(f"a: {{command: ls, inputs: [{{path: 'https://a.org/x', sha256: {'a' * 64}}}]}}"),
        "yaml:6:",
    ),
    "a project in an archive": Mistake(
        3, None, "is not supported yet", "x.zip", "unpack", ("run", "x.zip"),
    ),
    "a repository that is not there": Mistake(
        2, None, "cannot be fetched", "file:///nowhere/x.git", "git ls-remote",
        ("run", "file:///nowhere/x.git"),
    ),
}  # fmt: skip


def typed(
    says: str, where: str | None, hint: str | None, *command: str,
    env: Mapping[str, str] | None = None, files: Files | None = None,
) -> Mistake:  # fmt: skip
    """Return a mistake on the command line: exit code 2."""
    return Mistake(2, GOOD, says, where, hint, command, {**DATA, **(files or {})}, env or {})


def value(text: str, says: str, hint: str | None) -> Mistake:
    """Return a bad value of a parameter."""
    return typed(says, "-P", hint, "run", ".", "-P", text)


def params(text: str | bytes, says: str, where: str, hint: str | None) -> Mistake:
    """Return a bad params file."""
    return typed(
        says, where, hint, "run", ".", "--params-file", "p.yaml", files={"p.yaml": text}
    )  # fmt: skip


IN_THE_VALUES = {
    "no value": typed("NAME=VALUE", None, "-P lr=", "run", ".", "-P", "lr"),
    "a word for a float": value(
        "lr=fast", "lr: 'fast' is not a number", "float from 0 to 1: Learning rate."
    ),
    "a decimal comma": value("lr=0,01", "'0,01' is not a number", "float"),
    "not a number": value("lr=nan", "'nan' is not a number", "float"),
    "too small": value("lr=-1", "smaller than the minimum, 0", "from 0 to 1"),
    "too large": value("lr=2", "larger than the maximum, 1", "from 0 to 1"),
    "half for an int": value("epochs=1.5", "'1.5' is not a whole number", "int"),
    "a word for a bool": value("fast=perhaps", "is not true or false", "bool"),
    "a mistyped choice": value("optimizer=adm", "one of the choices: sgd, adam", "mean 'adam'?"),
    "an empty path": value("data=", "empty", "path"),
    "a file that is not there": Mistake(
        2, GOOD, "'nowhere.csv' is not there", "-P data", None,
        ("run", ".", "-P", "data=nowhere.csv"), DATA,
    ),
    "an output of no run": typed(
        "no run 'latest'", None, "runproj list", "run", ".", "-P", "data=run:latest:x"
    ),
    "no output of a run": typed(
        "names no output", None, "run:RUN/STEP:OUTPUT", "run", ".", "-P", "data=run:nothing"
    ),
    "no scheme in a uri": value("site=example", "is not a URI", "uri"),
    "a bad item of a list": value("layers=1,x", "'x' is not a whole number", "list of int"),
    "no JSON": value("extra={a}", "is not JSON", "json"),
    "a text that does not match": value("tag=A1", "does not match the pattern [a-z]+", "string"),
    "a mistyped name": value("lrr=1", "no parameter 'lrr'", "did you mean 'lr'?"),
    "an unknown name": value("zzz=1", "no parameter 'zzz'", "known: data, epochs"),
    "a name twice": typed("given twice", "-P", "one", "run", ".", "-P", "lr=0.1", "-P", "lr=0.2"),
    "a bad variable": typed(
        "'x' is not a number", "RUNPROJ_PARAM_LR", "float", "run", ".",
        env={"RUNPROJ_PARAM_LR": "x"},
    ),
    "a variable for no parameter": typed(
        "no parameter 'LRR'", "RUNPROJ_PARAM_LRR", "'lr'", "run", ".",
        env={"RUNPROJ_PARAM_LRR": "x"},
    ),
    "a value that is needed": Mistake(
        2, main("parameters: {model: {type: string, help: Its name.}}"), "model: a value is needed",
        None, "-P model=",
    ),
    "a params file that is not there": typed(
        "no such file", "nowhere.yaml", None, "run", ".", "--params-file", "nowhere.yaml"
    ),
    "a params file with a list": params("- 1\n", "maps names to values", "p.yaml", "lr: 0.01"),
    "a params file that is no YAML": params("lr: [\n", "not valid YAML", "p.yaml:1:", None),
    "a params file that is no text": params(b"\xff", "not UTF-8", "p.yaml", "UTF-8"),
    "a bad value in a params file": params("lr: x\n", "'x' is not a number", "p.yaml", "float"),
    "an unknown name in a params file": params("lrr: 1\n", "no parameter", "p.yaml", "'lr'"),
}  # fmt: skip
ON_THE_LINE = {
    "a mistyped entry point": typed(
        "no entry point 'mian'", "runproj.yaml", "'main'", "run", ".", "-e", "mian"
    ),
    "a mistyped step": typed("no step 'trian'", "runproj.yaml", "'train'", "run", ".", "trian"),
    "a step in the place of the folder": typed(
        "no such folder", "train", "runproj run . STEP", "run", "train"
    ),
    "a folder without a project": typed(
        "no runproj.yaml", "empty", "runproj init", "run", "empty", files={"empty/x": ""}
    ),
    "an environment that is not there": typed(
        "no environment 'gpu'", "runproj.yaml", "none", "lock", "gpu"
    ),
    "an environment to build that is not there": typed(
        "no environment 'gpu'", "runproj.yaml", "none", "env", "build", "gpu"
    ),
    "a built environment that is not there": typed(
        "begins with 'abc'", None, "runproj env list", "env", "remove", "abc"
    ),
    "no environment to remove": typed("which", None, "--all", "env", "remove"),
    "two ways to take locks": typed(
        "exclude each other", None, "unchecked", "run", ".", "--locked", "--frozen"
    ),
    "a tag without a value": typed("KEY=VALUE", None, "--tag x=", "run", ".", "--tag", "x"),
    "no store to show": typed("no runs are recorded here", "project", "--store", "show"),
    "no store to list": typed("no runs are recorded here", "project", "--store", "list"),
    "no store to rerun from": typed(
        "no runs are recorded", "project", "--store", "rerun", "latest"
    ),
    "a store that is not there": typed(
        "no store", "nowhere", "run", "list", "--store", "nowhere"
    ),
    "a file in the place of the store": typed(
        "is a file", "data.csv", None, "run", ".", "--store", "data.csv"
    ),
    "a store below a file": typed(
        "is a file", "data.csv/x", None, "run", ".", "--store", "data.csv/x"
    ),
    "a file in the place of the outputs": typed(
        "is a file", "data.csv", None, "run", ".", "--get", "data.csv"
    ),
    "a folder to start in that is not there": typed(
        "no such file", "nowhere", "-C DIR", "list", "-C", "nowhere"
    ),
    "a file to start in": typed("not a directory", "data.csv", "-C DIR", "-C", "data.csv", "list"),
    "a mistyped command": typed("no command 'rnu'", None, "'run'", "rnu", "."),
    "a mistyped option": typed(
        "no such option '--dryrun'", None, "'--dry-run'", "run", ".", "--dryrun"
    ),
    "a mistyped option before the command": typed(
        "no such option '--jsn'", None, "--help", "--jsn", "list"
    ),
    "an argument that is missing": typed("missing argument 'RUN[/STEP]'", None, "rerun --help", "rerun"),
    "one argument too many": typed("unexpected", None, "show --help", "show", "a", "b"),
    "a number that is none": typed(
        "'x' is not a valid", None, "list --help", "list", "--limit", "x"
    ),
    "a time that is none": typed(
        "not a time", None, "2026-01-31", "list", "--since", "soon"
    ),
    "a status that is none": typed(
        "'good' is not one of", None, "help", "list", "--status", "good"
    ),
    "a schema that is not there": typed("not one of", None, "schema --help", "schema", "x"),
    "a project file that is there": typed("already", "runproj.yaml", "runproj check", "init"),
    "a mistyped command of a group": typed("'lsit'", None, "'list'", "env", "lsit"),
}  # fmt: skip
MISTAKES = {
    **IN_THE_FILE,
    **IN_THE_STEPS,
    **IN_THE_ENVIRONMENT,
    **NOT_YET,
    **IN_THE_VALUES,
    **{f"{name} (typed)": mistake for name, mistake in ON_THE_LINE.items()},
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_a_way_out(computer: Computer, name: str) -> None:
    mistake = MISTAKES[name]
    project = computer.project(mistake.files)
    if mistake.file is not None:
        project.write({"runproj.yaml": mistake.file})

    done = project.run(*mistake.command, "--json", env=mistake.env)

    assert done.code == mistake.code, done.said
    assert "Traceback" not in done.err + done.out
    assert list(done.json) == ["error"]
    error = done.json["error"]
    assert error["code"] == mistake.code
    told = {"message": mistake.says, "where": mistake.where, "hint": mistake.hint}
    for key, words in told.items():
        assert words is None or words in (error[key] or ""), f"{key}: {error}"


IN_WORDS = [
    *(
        "a mistyped key",
        "an unknown reference",
        "two makers",
        "a missing input",
        "a linked input",
    ),
    *("a package that is not there", "a stale lock under --locked", "a word for a float"),
    *("no store to show (typed)", "a mistyped option (typed)", "a mistyped command (typed)"),
]


@pytest.mark.parametrize("name", IN_WORDS)
def test_without_json_a_mistake_is_told_in_words_on_standard_error(
    computer: Computer, name: str
) -> None:
    mistake = MISTAKES[name]
    project = computer.project({"runproj.yaml": mistake.file or "", **mistake.files})

    done = project.run(*mistake.command, env=mistake.env).ok(mistake.code)

    assert done.out == ""
    *_, problem = re.split(r"^(?=error: )", done.err, flags=re.MULTILINE)
    assert mistake.says in problem
    assert "\nhint: " in problem
    assert mistake.hint is None or mistake.hint in problem.partition("\nhint: ")[2]
    if mistake.where is not None:
        place = re.search(r"^  --> (.*)$", problem, re.MULTILINE)
        assert place is not None
        assert mistake.where in place[1]


def test_what_is_missing_after_a_command_is_said(computer: Computer) -> None:
    said = computer.run("env").ok(2).err
    assert (
        said
        == "error: which command? build, export, list, remove, shell\n\nhint: runproj env --help\n"
    )
    assert "requires an argument" in computer.run("run", ".", "-P").ok(2).err


def test_the_line_of_the_project_file_is_shown_with_a_caret(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": steps("a: {command: ls, comand: ls}")})

    said = project.run("check").ok(3).err

    assert said == (
        "error: entry_points.main.steps.a.comand: unknown key\n"
        "  --> runproj.yaml:6:24\n"
        "     6 |       a: {command: ls, comand: ls}\n"
        "       |                        ^\n"
        "\n"
        "hint: did you mean 'command'?\n"
    )


def test_all_that_is_wrong_with_a_project_file_is_told_at_once(computer: Computer) -> None:
    wrong = "a: {comand: ls}\nb: {command: ls, cache: 3}\nc: {command: 'echo {x}', needs: [d]}"
    project = computer.project({"runproj.yaml": steps(wrong)})

    done = project.run("check", "--json").ok(3)

    places = [problem["where"] for problem in done.json["error"]["problems"]]
    assert [place.split(":")[1] for place in places] == sorted(
        place.split(":")[1] for place in places
    )
    assert {place.split(":")[1] for place in places} == {"6", "7", "8"}
    assert f"{len(places)} problems" in project.run("check").err


def test_all_that_is_wrong_with_the_values_is_told_at_once(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": GOOD, **DATA})

    values = ("-P", "lr=x", "-P", "lrr=0.2", "-P", "epochs=1.2")
    done = project.run("run", ".", *values, "--json").ok(2)

    messages = [problem["message"] for problem in done.json["error"]["problems"]]
    assert messages == [
        "there is no parameter 'lrr'",
        "lr: 'x' is not a number",
        "epochs: '1.2' is not a whole number",
    ]


def test_nothing_is_recorded_when_a_run_is_refused(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": GOOD, **DATA})
    project.run("run", ".", "-P", "lr=x").ok(2)
    assert not (project.folder / ".runproj").exists()


def test_an_index_that_cannot_be_reached_is_said_to_be_the_reason(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": VENV % ", packages: [numpy]"})
    nowhere = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    done = project.run("run", ".", env=nowhere).ok(4)
    assert "cannot be reached" in done.err
    assert "hint: " in done.err


def test_a_damaged_lockfile_is_written_anew_by_lock(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": VENV % "", "locks/pylock.default.toml": "<<<<\n"})
    project.run("lock", "--check").ok(5)
    project.run("lock").ok()
    project.run("lock", "--check").ok()
    project.run("check").ok()


WANTED = {
    ("show", "nothing"): ("no run 'nothing'", "runproj list"),
    ("show", "latest~5"): ("no run 'latest~5'", "runproj list"),
    ("show", ""): ("no run ''", "runproj list"),
    ("show", "../../x"): ("no run '..'", "runproj list"),
    ("show", "latest/trian"): ("no step 'trian'", "'train'"),
    ("logs", "latest/x"): ("no step 'x'", "known: report, train"),
    ("get", "nothing"): ("no run 'nothing'", "runproj list"),
    ("get", "latest", "reprot.txt"): ("no output 'reprot.txt'", "'report.txt'"),
    ("get", "latest:x"): ("no output 'x'", "known: out.txt, report.txt"),
    ("get", "latest", "--to", "data.csv"): ("is a file", None),
    ("get", "latest", "--to", "."): ("out.txt is there already", "--force"),
    ("get", "latest", "--to", ".git/hooks", "-f"): ("are not put into .git", "another folder"),
    ("run", ".", "--get", ".runproj/runs"): ("are not put into .runproj", "another folder"),
    ("verify", "nothing"): ("no run 'nothing'", "runproj list"),
    ("verify", "latest/train"): ("is a step, and a whole run is needed", "write latest"),
    ("diff", "latest", "nothing"): ("no run 'nothing'", "runproj list"),
    ("diff", "latest/train"): ("is a step, and a whole run is needed", "write latest"),
    ("rerun", "nothing"): ("no run 'nothing'", "runproj list"),
    ("rerun", "latest/trian"): ("no step 'trian'", "'train'"),
    ("run", ".", "-P", "data=run:latest/train:nope"): ("no output 'nope'", "known: "),
    ("run", ".", "-P", "data=run:nothing:nope"): ("no run 'nothing'", "runproj list"),
}  # fmt: skip


def test_what_a_store_does_not_have_is_told_with_what_it_has(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": GOOD, **DATA})
    project.run("run", ".").ok()
    project.write({"out.txt": "of the user\n"})
    for command, (says, hint) in WANTED.items():
        error = project.run(*command, "--json").ok(2).json["error"]
        assert says in error["message"], command
        assert hint is None or hint in error["hint"], command


def test_the_beginning_of_several_runs_is_answered_with_their_ids(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": main("")})
    letters: dict[str, str] = {}
    while True:  # with 32 letters this ends soon
        run = project.run("run", ".", "--json").ok().run["id"]
        if run[0] in letters:
            break
        letters[run[0]] = run

    error = project.run("show", run[0], "--json").ok(2).json["error"]

    assert "beginning of several runs" in error["message"]
    assert run in error["hint"]
    assert letters[run[0]] in error["hint"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": main("")})
    closed = computer.root / "closed"
    closed.mkdir(mode=0o555)
    for command in (("run", ".", "--store", str(closed / "x")), ("run", ".", "--get", str(closed))):
        assert "permission denied" in project.run(*command).ok(2).err
    assert "permission denied" in project.run("init", str(closed / "x")).ok(2).err


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that even root cannot write: /proc")
def test_a_folder_that_even_root_cannot_write_is_named(computer: Computer) -> None:
    project = computer.project({"runproj.yaml": main("")})
    done = project.run("run", ".", "--store", "/proc/x")
    assert done.code in (2, 9)  # not allowed, or (as root) not possible
    assert "--> /proc" in done.err
    assert "/proc/x" in project.run("init", "/proc/x").ok(2).err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_project_that_cannot_be_written_is_recorded_in_the_users_folder(
    computer: Computer,
) -> None:
    project = computer.project({"runproj.yaml": main("")})
    project.folder.chmod(0o555)
    try:
        run = project.run("run", ".", "--json").ok().run["id"]
        assert project.run("show", "latest", "--json").ok().run["id"] == run
    finally:
        project.folder.chmod(0o755)
    assert not (project.folder / ".runproj").exists()
