"""What is imported when: a fast start is a promise."""

import subprocess
import sys

import pytest
from tests.cli.commandline import Computer, Project
from tests.cli.projects import FILES

HEAVY = {
    "asyncio", "click", "docker", "filelock", "git", "multiprocessing", "networkx", "platformdirs",
    "pydantic", "python_discovery", "rich", "sqlite3", "subprocess", "urllib.request", "virtualenv",
    "yaml",
}  # fmt: skip
NEVER_FOR_A_CACHED_STEP = {
    "asyncio", "docker", "git", "multiprocessing", "networkx", "pydantic", "python_discovery",
    "rich", "urllib.request", "virtualenv", "yaml",
}  # fmt: skip

TELL = """
import os, sys
os._exit = sys.exit
from runproj.cli.main import main
try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""
"""Runs a command, then tells what was imported (``-X importtime`` misses ``importlib``)."""


def imported(computer: Computer, project: Project | None, *arguments: str) -> set[str]:
    """Return the modules that a command imports."""
    folder = project.folder if project else computer.root
    done = subprocess.run(
        [sys.executable, "-c", TELL, *arguments],
        cwd=folder, env=computer.variables_for(folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--version",)], ids=str)
def test_help_imports_nothing_heavy(computer: Computer, arguments: tuple[str, ...]) -> None:
    assert not imported(computer, None, *arguments) & HEAVY


def test_help_of_a_command_imports_no_other_command(computer: Computer) -> None:
    modules = imported(computer, None, "list", "--help")
    assert "runproj.cli.finding" in modules
    assert not modules & {"runproj.cli.run", "runproj.cli.environments", "networkx", "yaml"}


def test_a_run_with_every_step_cached_imports_nothing_that_it_does_not_need(
    computer: Computer,
) -> None:
    project = computer.project(FILES, git=True)
    project.run("run", ".").ok()
    modules = imported(computer, project, "run", ".")
    assert not modules & NEVER_FOR_A_CACHED_STEP


def test_a_cached_step_in_a_virtual_environment_needs_no_resolver(computer: Computer) -> None:
    project = computer.project(
        {"runproj.yaml": "runproj: 1\nenvironments: {default: {kind: venv}}\n"
         "entry_points: {main: {command: python --version}}\n"},
    )  # fmt: skip
    project.run("run", ".").ok()
    modules = imported(computer, project, "run", ".")
    assert not modules & NEVER_FOR_A_CACHED_STEP
