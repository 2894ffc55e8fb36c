"""How the tests type commands: a person's computer, with projects on it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import runproj

DEADLINE_S = 30.0
GIT = shutil.which("git") or "git"
SOURCES = Path(runproj.__file__).parents[1]
KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "TMPDIR",
        "DOCKER_HOST")  # fmt: skip
"""The variables that the commands of a test take from whoever started the tests."""

Files: TypeAlias = Mapping[str, str | bytes]
Digests: TypeAlias = dict[str, str]


@dataclass(frozen=True)
class Done:
    """What a command did."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 -- any JSON value
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def run(self) -> Any:  # noqa: ANN401 -- any JSON value
        """The run that ``--json`` tells of."""
        return self.json["run"]

    def ok(self, code: int = 0) -> "Done":
        """Make sure of the exit code."""
        assert self.code == code, self.said
        return self

    def steps(self) -> dict[str, str]:
        """Return the status of every step of the run that ``--json`` tells of."""
        return {step["name"]: step["status"] for step in self.run["steps"]}

    def step(self, name: str) -> Any:  # noqa: ANN401 -- any JSON value
        """Return a step of the run that ``--json`` tells of."""
        return next(step for step in self.run["steps"] if step["name"] == name)

    @property
    def said(self) -> str:
        """Everything, for a person who reads why a test failed."""
        typed = " ".join(self.command)
        return (
            f"$ runproj {typed}\nexit code {self.code}\n{self.out[:1500]}\n--- stderr\n{self.err}"
        )


@dataclass
class Computer:
    """A home folder and what stands beside it; nothing of the real user's is seen."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        network = {
            name: text for name, text in os.environ.items() if name.lower().endswith("proxy")
        }
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.variables = {
            **network,
            **kept,
            "HOME": str(self.home),
            "PYTHONPATH": str(SOURCES),
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.variables,
        }

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.root / "home"

    def elsewhere(self, name: str) -> "Computer":
        """Return another computer: nothing is shared but what a test carries over."""
        return Computer(self.root / name)

    def project(self, files: Files, name: str = "project", *, git: bool = False) -> "Project":
        """Make a project folder, as a git repository with one commit if wanted."""
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        project = Project(self, folder)
        project.write(files)
        if git:
            project.git("init", "--quiet", "--initial-branch", "main")
            project.git("config", "user.name", "A Person")
            project.git("config", "user.email", "person@example.org")
            project.git("add", "--all")
            project.git("commit", "--quiet", "--message", "first")
        return project

    def run(
        self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        """Type a command; whatever it is given, it must not run into its last line of defence."""
        folder = cwd or self.root
        process = subprocess.run(
            argv(arguments), cwd=folder, env=self.variables_for(folder, env),
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300,
        )  # fmt: skip
        done = Done(
            arguments,
            process.returncode,
            process.stdout.decode(errors="replace"),
            process.stderr.decode(errors="replace"),
        )
        assert "something unexpected happened" not in done.out + done.err, done.said
        assert done.code != 70, done.said
        return done

    def start(
        self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Type a command and do not wait for it."""
        folder = cwd or self.root
        return subprocess.Popen(
            argv(arguments), cwd=folder, env=self.variables_for(folder, env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def variables_for(self, folder: Path, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the variables of a shell that stands in a folder."""
        return {**self.variables, "PWD": str(folder), **(env or {})}


@dataclass
class Project:
    """A project folder."""

    computer: Computer
    folder: Path

    def write(self, files: Files) -> None:
        """Write files into it."""
        for path, content in files.items():
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            place.write_bytes(data)

    def run(
        self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        """Type a command in the project folder."""
        return self.computer.run(*arguments, cwd=cwd or self.folder, env=env)

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Type a command in the project folder and do not wait for it."""
        return self.computer.start(*arguments, cwd=self.folder, env=env)

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        done = subprocess.run(
            [GIT, *arguments], cwd=self.folder,
            env={**self.computer.variables, "GIT_OPTIONAL_LOCKS": "0"},  # only to look
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def outputs(self, run: str, *, cwd: Path | None = None, store: str | None = None) -> Digests:
        """Return path and sha256 of everything that a run made."""
        place = ("--store", store) if store else ()
        shown = self.run("show", run, "--json", *place, cwd=cwd).ok()
        return {
            output["path"]: output["sha256"]
            for step in shown.run["steps"]
            for output in step["outputs"]
        }


def argv(arguments: Sequence[str]) -> list[str]:
    """Return the whole command line of a command."""
    return [sys.executable, "-m", "runproj", *arguments]


def digests(folder: Path, *, without: Sequence[str] = (".runproj",)) -> Digests:
    """Return what tells a folder from one that was touched: bytes, links, modes, empty folders."""
    found: Digests = {}
    for place in sorted(folder.rglob("*")):
        path = place.relative_to(folder)
        if path.parts[0] in without:
            continue
        mode = f"{place.lstat().st_mode:o}"
        if place.is_symlink():
            found[str(path)] = f"{mode} -> {place.readlink()}"
        elif place.is_file():
            found[str(path)] = f"{mode} {hashlib.sha256(place.read_bytes()).hexdigest()}"
        else:
            found[str(path)] = mode
    return found


def plain(text: str) -> str:
    """Return text without colour."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


def until(is_so: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < end, f"not in {deadline_s} s: {what}"
        time.sleep(0.02)
