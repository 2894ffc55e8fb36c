"""A work as the project of each tool, written in the way that the tool's documentation advises."""

import json
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.peers.tools import Tools
from benchmarks.peers.works import DATA, Step, Work

_SPECIAL = set("*?>|&;$<`\\\"'()")


def runproj(work: Work, *, head: str = "", more: str = "") -> dict[str, str]:
    """Return the files of a project for runproj; ``more`` is added to each step."""
    lines = ["runproj: 1", head, "entry_points:", "  main:", "    steps:"]
    for step in work.steps:
        inputs, outputs = (json.dumps(_bare(paths)) for paths in (step.inputs, step.outputs))
        told = f"command: {json.dumps(step.command)}, inputs: {inputs}, outputs: {outputs}{more}"
        lines.append(f"      {step.name}: {{{told}}}")
    return {"runproj.yaml": "\n".join(filter(None, lines)) + "\n", ".gitignore": f"/{DATA}/\n"}


def dvc(work: Work) -> dict[str, str]:
    """Return the files of a project for DVC: stages, and settings for speed."""
    lines = ["stages:"]
    for step in work.steps:
        lines += [f"  {step.name}:", f"    cmd: {json.dumps(step.command)}"]
        for key, paths in (("deps", step.inputs), ("outs", step.outputs)):
            if paths:
                lines += [f"    {key}:", *(f"    - {path}" for path in _bare(paths))]
    settings = (
        "[core]\n    no_scm = True\n    analytics = false\n    check_update = false\n"
        "    site_cache_dir = site\n"
    )
    links = "[cache]\n    type = hardlink,symlink,copy\n"
    return {"dvc.yaml": "\n".join(lines) + "\n", ".dvc/config": settings + links}


def snakemake(work: Work) -> dict[str, str]:
    """Return the files of a project for Snakemake."""
    return {"Snakefile": work.snakefile or "\n".join(map(_rule, reversed(work.steps)))}


def _rule(step: Step) -> str:
    outputs = (f"directory({path[:-1]!r})" if path[-1] == "/" else repr(path)
               for path in step.outputs)  # fmt: skip
    inputs = ", ".join(map(repr, _bare(step.inputs)))
    return (
        f"rule {step.name}:\n    input: {inputs}\n    output: {', '.join(outputs)}\n"
        f"    shell: {step.command!r}\n"
    )


def doit(work: Work) -> dict[str, str]:
    """Return the files of a project for doit; a command that needs no shell gets none."""
    told = [
        {"name": step.name, "actions": [step.command if needs_shell(step) else argv(step)],
         "file_dep": _bare(step.inputs), "targets": _bare(step.outputs)}
        for step in work.steps
    ]  # fmt: skip
    return {
        "steps.json": json.dumps(told),
        "dodo.py": "import json\n"
        "DOIT_CONFIG = {'dep_file': '.doit', 'reporter': 'zero', 'verbosity': 0}\n"
        "with open('steps.json') as file:\n    STEPS = json.load(file)\n"
        "def task_all():\n    yield from STEPS\n",
    }


def ninja(work: Work) -> dict[str, str]:
    """Return the files of a project for ninja, the limit."""
    lines = ["rule sh", "  command = $do"]
    for step in work.steps:
        made = step.outputs or (step.name,)
        outputs, inputs = (" ".join(_bare(paths)) for paths in (made, step.inputs))
        lines += [f"build {outputs}: sh {inputs}", f"  do = {step.command.replace('$', '$$')}"]
    return {"build.ninja": "\n".join(lines) + "\n"}


def bare(work: Work) -> dict[str, str]:
    """Return a script that starts the commands one after the other and keeps nothing."""
    commands = [["sh", "-c", step.command] if needs_shell(step) else argv(step)
                for step in work.steps]  # fmt: skip
    return {
        "commands.json": json.dumps(commands),
        "bare.py": "import json, subprocess\n"
        "with open('commands.json') as file:\n    commands = json.load(file)\n"
        "for command in commands:\n    subprocess.run(command, check=True)\n",
    }


def mlflow(work: Work) -> dict[str, str]:
    """Return the files of a project for MLflow, which has no steps: the first one is all."""
    command = json.dumps(work.steps[0].command)
    return {"MLproject": f"name: work\nentry_points:\n  main:\n    command: {command}\n"}


WRITERS: dict[str, Callable[[Work], dict[str, str]]] = {
    "runproj": runproj, "dvc": dvc, "snakemake": snakemake, "doit": doit, "ninja": ninja,
    "bare": bare, "mlflow": mlflow,
}  # fmt: skip


def command(tools: Tools, tool: str) -> list[str]:
    """Return how a tool does the work of a folder: two steps at once, and as fast as it can."""
    options = {
        "runproj": ["run", ".", "-q", "-j", "2"],
        "dvc": ["repro", "-q"],  # one step at a time: it has nothing else
        "snakemake": ["--cores", "2", "--quiet", "all", "--scheduler", "greedy",
                      "--latency-wait", "0"],
        "doit": ["-n", "2", "-P", "thread"],
        "ninja": ["-j", "2", "--quiet"],
        "mlflow": ["run", ".", "--env-manager", "local"],
    }  # fmt: skip
    if tool == "bare":
        return [tools.python, "bare.py"]
    return [tools.program(tool), *options[tool]]


def write(files: dict[str, str], folder: Path) -> None:
    """Write files into a folder."""
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def needs_shell(step: Step) -> bool:
    """Whether a command has something that a shell must read."""
    return bool(_SPECIAL & set(step.command))


def argv(step: Step) -> list[str]:
    """Return the arguments of a command that needs no shell."""
    return shlex.split(step.command)


def _bare(paths: Iterable[str]) -> list[str]:
    return [path.removesuffix("/") for path in paths]
