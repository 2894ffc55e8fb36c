"""The commands about the project file: init, check, schema."""

import json
import os
import sys
from pathlib import Path

import click

from runproj.app import places, projects
from runproj.cli import complete
from runproj.cli.group import json_option, place_options, reason_of
from runproj.cli.render.errors import error_text
from runproj.cli.render.live import LiveReporter
from runproj.cli.render.style import stdout_style
from runproj.engine.prepare import Request
from runproj.errors import NotSupported, Problem, ProjectError, UsageError

_SCRIPTS = ("main.py", "train.py", "run.py", "app.py")
_HEAD = """\
# What this file can say: runproj schema project, and the reference in runproj's documentation.
runproj: 1
name: {name}
"""


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@json_option
@place_options
def init(folder: str, store: str | None, *, as_json: bool) -> int:
    """Write a small working runproj.yaml, fitting what is in FOLDER."""
    del store
    place = Path(folder)
    for name in places.PROJECT_FILES:
        if (place / name).exists():
            raise UsageError(
                "there is a project file already", where=str(place / name),
                hint="'runproj check' says what is wrong with it",
            )  # fmt: skip
    try:
        place.mkdir(parents=True, exist_ok=True)
        text, made = starter(place)
        (place / "runproj.yaml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the project file cannot be written: {reason_of(error)}", where=str(place)
        ) from error
    wrote = [str(place / path) for path in ("runproj.yaml", *made)]
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        made_document = documents.InitDocument(wrote=wrote)
        print(documents.as_text(documents.InitResult(init=made_document)))
        return 0
    style = stdout_style()
    for path in wrote:
        print(f"wrote {path}")
    go = "." if folder == "." else folder
    print(f"next: {style.bold(f'runproj run {go}')}")
    return 0


def starter(place: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a project file for a folder, and other files that were written."""
    text = _HEAD.format(name=json.dumps(place.resolve().name))
    environment = _environment(place)
    if environment:
        text += f"\nenvironments:\n  default:\n    kind: venv\n    {environment}\n"
    script = next((name for name in _SCRIPTS if (place / name).is_file()), None)
    made: tuple[str, ...] = ()
    if script is None:
        scripts = sorted(path.name for path in place.glob("*.py"))
        script = scripts[0] if len(scripts) == 1 else None
    if script is None:
        script, made = "hello.py", ("hello.py",)
        (place / script).write_text(_HELLO, encoding="utf-8")
        return text + _HELLO_STEP, made
    return text + _STEP.format(script=script), made


def _environment(place: Path) -> str | None:
    if (place / "requirements.txt").is_file():
        return "requirements: [requirements.txt]"
    if (place / "pyproject.toml").is_file():
        return "pyproject: true"
    return None


_HELLO = '''\
"""Greets; called by runproj.yaml with the value of the parameter ``name``."""

import sys
from pathlib import Path

Path("greeting.txt").write_text(f"hello, {sys.argv[1]}\\n")
'''
_HELLO_STEP = """
entry_points:
  main:
    parameters:
      name: {type: string, default: world, help: Who is greeted.}
    steps:
      greet:
        command: [python3, hello.py, "{name}"]
        outputs: [greeting.txt]
      shout:
        command: tr a-z A-Z < greeting.txt > shout.txt
        inputs: [greeting.txt]
        outputs: [shout.txt]
"""
_STEP = """
entry_points:
  main:
    parameters: {{}}
    steps:
      main:
        command: python {script}
        # inputs: [data.csv]          files that git ignores, or that another step makes
        # outputs: [result.csv]       what the step makes; without it, all that it writes is kept
"""


@click.command("check")
@click.argument("project", default=".", shell_complete=complete.folders)
@json_option
@place_options
def check(project: str, store: str | None, *, as_json: bool) -> int:
    """Read a project, its steps and its locks; say everything that is wrong."""
    opened = projects.open_project(project, store)
    preparer = opened.preparer(dict(os.environ), LiveReporter(quiet=True), "auto")
    problems: list[Problem] = []
    later: list[Problem] = []
    for name, entry in opened.project.entry_points.items():
        needed = [
            key for key, value in opened.project.parameters_of(name).items() if value.required
        ]
        if needed:
            continue  # without values only what the file itself says can be checked
        del entry
        try:
            preparer.draft(Request(name), keep=False)
        except NotSupported as error:  # the file is right; running it is what cannot be done yet
            later += [problem for problem in error.problems if problem not in later]
        except ProjectError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    problems += projects.lock_problems(opened)
    if problems:
        raise ProjectError.of(problems)
    if later and not as_json:
        sys.stderr.write(error_text(later, "warning"))
    counts = {
        name: len(entry.all_steps(name)) for name, entry in opened.project.entry_points.items()
    }
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        checked = documents.CheckDocument(entry_points=counts)
        print(documents.as_text(documents.CheckResult(check=checked)))
    else:
        said = ", ".join(
            f"{name} ({count} step{'s' * (count > 1)})" for name, count in counts.items()
        )
        print(f"{opened.file}: no mistakes; entry points: {said}")
    return 0


@click.command("schema")
@click.argument("which", type=click.Choice(["project", "run", "output"]), default="project")
@json_option
@place_options
def schema(which: str, store: str | None, *, as_json: bool) -> int:
    """Print a JSON Schema: of the project file, of a run's record, or of what --json prints."""
    from runproj.cli.schemas import schema_text  # noqa: PLC0415 -- lazy

    del store, as_json  # a schema is JSON anyway
    sys.stdout.write(schema_text(which))
    return 0
