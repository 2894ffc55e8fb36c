"""What the engine needs from the world, each as a protocol of at most five members.

Paths of the file system are absolute ``str``; paths within a project are posix and relative to it.
Every member may raise a :class:`~runproj.errors.RunprojError`; no adapter lets a foreign exception
through.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from runproj.lock.lock import Declaration, Lock
from runproj.record.outcome import Outcome
from runproj.record.source import SourceSnapshot

Stream: TypeAlias = Literal["stdout", "stderr"]
Say: TypeAlias = Callable[[str], None]
"""Takes one line about progress, for a person who waits."""


class SourceControl(Protocol):
    """Exact code, kept as git trees in a store of our own."""

    def snapshot(self, project: str, root: str) -> SourceSnapshot:
        """Keep the code below ``root`` (the project folder, or a folder above it) as it is now.

        Raises:
            Refused: an untracked file is too large or looks like a secret.
        """

    def manifest(self, tree: str) -> Mapping[str, str]:
        """Return path → ``"MODE OBJECTID"`` of all files of a tree; mode as git writes it."""

    def checkout(self, tree: str, folder: str, paths: Iterable[str] | None = None) -> None:
        """Write the files of a tree (or some of them) into an empty folder."""

    def read(self, tree: str, path: str) -> bytes | None:
        """Return the content of a file of a tree; None when it is not there."""


class PreparedEnvironment(Protocol):
    """An environment that is there and healthy.

    ``key`` is the digest of all that is in it; ``description`` is one line for a person.
    """

    key: str
    description: str

    def variables(self, project_folder: str) -> Mapping[str, str]:
        """Return the variables (PATH among them) of a process that runs in it.

        ``project_folder`` is where the project's code stands for that process.
        """

    def is_intact(self) -> bool:
        """Tell whether nothing of it was changed since it was built."""


class EnvironmentBackend(Protocol):
    """One kind of environment."""

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Resolve a declaration; what ``previous`` pins stays where it can.

        Raises:
            EnvironmentFailed: it cannot be resolved; the message holds the resolver's explanation.
        """

    def key(self, declaration: Declaration, lock: Lock) -> str:
        """Return the digest of what the environment would hold, without building it."""

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> PreparedEnvironment:
        """Build the environment of a lock, or take the one that is there.

        Raises:
            EnvironmentFailed: it cannot be built.
        """


@dataclass(frozen=True, slots=True)
class Execution:
    """A process to be run: all that it gets, and where what it prints goes.

    ``variables`` is the whole environment of the process. ``stdin`` is a file (None:
    ``/dev/null``); ``stdout`` a file that takes standard output (None: it is streamed).
    ``on_output`` is called with chunks of bytes as they come.
    """

    name: str
    argv: tuple[str, ...]
    directory: str
    variables: Mapping[str, str]
    on_output: Callable[[Stream, bytes], None]
    stdin: str | None = None
    stdout: str | None = None
    timeout_s: float | None = None


class Executor(Protocol):
    """Runs processes, and leaves none of their descendants behind."""

    def start(self, execution: Execution) -> None:
        """Start a process; returns at once."""

    def wait(self) -> tuple[str, Outcome]:
        """Stream output until a process has ended with all its descendants; return its name."""

    def cancel(self) -> None:
        """End all processes: SIGTERM, a grace time, SIGKILL; returns when they are gone."""

    def close(self) -> None:
        """End what is left, at once."""
