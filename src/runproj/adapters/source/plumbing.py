"""Runs git: argument lists, a scrubbed environment, and several questions side by side.

Git is started as a program, because the common path (nothing changed) then costs a few short
processes, less than importing a library for it would.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from runproj.errors import StoreError
from runproj.model import EMPTY

# What a user sets about the machine, in contrast to what git sets for its hooks and aliases
# (GIT_DIR, GIT_INDEX_FILE, GIT_CONFIG_PARAMETERS …), which would lead to another repository.
_KEPT = frozenset(
    {
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)
_QUIET = {
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# Nothing that a repository configures may start a program; one that belongs to another user is
# only looked at, so it needs no trust, and no change of the user's configuration.
_HARMLESS = (
    "safe.directory=*",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    f"core.hooksPath={os.devnull}",
)


class GitFailed(Exception):
    """Git ended with an error; ``said`` is what it wrote. Whoever asked translates it."""

    def __init__(self, verb: str, said: str) -> None:
        super().__init__(f"git {verb}: {said or 'failed without a word'}")
        self.verb = verb
        self.said = said


class Command(NamedTuple):
    """One call of git, to be started in a folder; ``feed`` is its standard input."""

    argv: tuple[str, ...]
    folder: str
    variables: Mapping[str, str] = EMPTY
    feed: bytes = b""


class Answer(NamedTuple):
    """What git answered."""

    verb: str
    code: int
    out: bytes
    said: str

    def checked(self) -> bytes:
        """Return the output.

        Raises:
            GitFailed: the exit code is not 0.
        """
        if self.code:
            raise GitFailed(self.verb, self.said)
        return self.out


def looking(folder: str, *argv: str, settings: tuple[str, ...] = (), ceiling: str = "") -> Command:
    """Return a command that looks at the user's repository, and changes nothing in it.

    Args:
        folder: where it starts.
        argv: the verb and its arguments.
        settings: further ``key=value`` of configuration.
        ceiling: the folder that git must not climb to in search of a repository.
    """
    options = [word for setting in (*_HARMLESS, *settings) for word in ("-c", setting)]
    variables = {"GIT_CEILING_DIRECTORIES": ceiling} if ceiling else {}
    return Command((*options, *argv), folder, variables)


def ask(*commands: Command) -> list[Answer]:
    """Run commands side by side and return their answers in the same order.

    Raises:
        StoreError: git is not installed.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(_start(command)) for command in commands]
        return [_finish(*pair) for pair in zip(commands, processes, strict=True)]


def run(command: Command) -> bytes:
    """Run one command and return its output.

    Raises:
        GitFailed: the exit code is not 0.
        StoreError: git is not installed.
    """
    return ask(command)[0].checked()


def _start(command: Command) -> "subprocess.Popen[bytes]":
    git = shutil.which("git")
    if git is None:
        raise StoreError(
            "git is not installed, and the code of a run is kept with it",
            hint="install git 2.38 or newer, and see that its folder is in PATH",
        )
    return subprocess.Popen(
        [git, *command.argv],
        cwd=command.folder,
        env={**_inherited(), **_QUIET, **command.variables},
        stdin=subprocess.PIPE if command.feed else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _finish(command: Command, process: "subprocess.Popen[bytes]") -> Answer:
    out, err = process.communicate(command.feed or None)
    said = err.decode("utf-8", "backslashreplace").strip()
    return Answer(_verb(command.argv), process.returncode, out, said)


def _inherited() -> dict[str, str]:
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") or key in _KEPT
    }


def _verb(argv: tuple[str, ...]) -> str:
    """Return the first word that is no ``-c key=value``."""
    words = iter(argv)
    return next(word for word in words if word != "-c" or not next(words))
