"""A private index: git's memory of the files of one root, and what we remember beside it.

The user's index is never taken over, not even as a start: then an entry is in this one only if
its object was written to our store, and with the exact bytes of the file. That a file is as it was
is judged as git does, by size, inode and times; a file edited in place, to the same size, within
the second of its last change and with its time set back is what that cannot see.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from runproj.adapters.source.plumbing import Command, GitFailed, run
from runproj.errors import ProjectError
from runproj.model import Model, to_json

# The times of files and of the index may come from clocks that tick as slowly as this.
_TICK_NS = 2_000_000_000
_MANY = 100  # so many new objects are written as one pack instead of a file each
_AS_PACK = ("-c", "core.bigFileThreshold=1")
_EMPTY_BLOB = b"100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t"
_VANISHED = "No such file or directory"
_ATTEMPTS = 10  # while files come and go under our hands
_UNREADABLE = ("Unable to process path", "unable to index file", "Invalid path", "invalid path")


class Memory(Model):
    """What the last snapshot of a root came to.

    ``listing`` is the digest of what git listed; ``began_ns`` when that snapshot began, by the
    clock of the store's file system. ``findings`` has what looks like a secret in tracked files,
    by path (in latin-1, which takes any bytes). ``strange`` tells that there are files of which
    the repository's commit knows nothing, whatever its status says. ``dirty`` is what the
    status said in comparison with the commit's tree ``compared_with``.
    """

    listing: str
    tree: str
    began_ns: int
    strange: bool
    findings: dict[str, str]
    warnings: tuple[str, ...]
    compared_with: str | None = None
    dirty: bool = False

    def may_have_changed(self, status: os.stat_result) -> bool:
        """Tell whether a file could have been written since."""
        return status.st_ctime_ns >= self.began_ns - _TICK_NS


class PrivateIndex:
    """The index of one root, locked as long as this is in use.

    ``command`` makes a command on the store (see ``Store.command``).
    """

    def __init__(
        self, command: Callable[..., Command], root: str, path: str, *, began_ns: int
    ) -> None:
        self._command = command
        self._root = root
        self._path = Path(path)
        self._memory = Path(f"{path}.json")
        self.began_ns = began_ns

    @classmethod
    @contextlib.contextmanager
    def locked(
        cls, command: Callable[..., Command], root: str, path: str
    ) -> Iterator["PrivateIndex"]:
        """Wait until no other process uses this index, and give it."""
        with Path(f"{path}.flock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.utime(lock.fileno())
            began_ns = os.fstat(lock.fileno()).st_mtime_ns
            yield cls(command, root, path, began_ns=began_ns)

    def recall(self) -> Memory | None:
        """Return what is remembered of the last snapshot; None when that cannot be trusted."""
        if not self._path.exists():
            return None
        try:
            data = json.loads(self._memory.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        known = isinstance(data, dict) and data.keys() == Memory.model_defaults.keys()
        return Memory(**data) if known else None

    def remember(self, memory: Memory) -> None:
        """Keep what the snapshot came to."""
        passing = self._memory.with_suffix(".new")
        passing.write_text(to_json(memory))
        passing.replace(self._memory)

    def unchanged(self) -> Command:
        """Return the command that fails when a file of the index is not as it was."""
        return self._git("diff-files", "--quiet")

    def ignored(self, paths: Sequence[bytes], ignore_file: bytes) -> list[bytes]:
        """Return those of the paths that files of a given name (as .gitignore) tell to ignore.

        Git judges that itself, over an index that has the names only.
        """
        listed = self._path.with_name(f"{self._path.name}-names")
        feed = b"".join(_EMPTY_BLOB + path + b"\0" for path in paths)
        pattern = f"--exclude-per-directory={os.fsdecode(ignore_file)}"
        try:
            self._run("update-index", "-z", "--index-info", feed=feed, index=str(listed))
            out = self._run("ls-files", "-i", "-c", "-z", pattern, index=str(listed))
        finally:
            listed.unlink(missing_ok=True)
            listed.with_name(f"{listed.name}.lock").unlink(missing_ok=True)
        return out.split(b"\0")[:-1]

    def write(self, paths: Sequence[bytes], *, changed: int, keep: Callable[[str], None]) -> str:
        """Bring the index to these paths as they are now, and return the tree of it.

        Args:
            paths: all files, relative to the root.
            changed: about how many of them are new.
            keep: is called with the tree; fails when an object of it is missing.

        Raises:
            GitFailed: the store is damaged, and writing everything anew did not help.
            ProjectError: a file cannot be read.
        """
        self._memory.unlink(missing_ok=True)
        # Left behind by a killed process, since the lock is ours.
        self._path.with_name(f"{self._path.name}.lock").unlink(missing_ok=True)
        try:
            tree = self._write_patiently(paths, changed)
            keep(tree)
        except GitFailed as failure:
            if any(sign in failure.said for sign in _UNREADABLE):
                raise ProjectError(
                    f"a file of the project cannot be read: {failure.said.splitlines()[0]}",
                    where=self._root,
                    hint="mend it, or name it in .gitignore or .runprojignore",
                ) from failure
            self._path.unlink(missing_ok=True)  # it may be damaged, or name objects that are gone
            tree = self._write_patiently(paths, len(paths))
            keep(tree)
        return tree

    def _write_patiently(self, paths: Sequence[bytes], changed: int) -> str:
        """Write, and again when a file went away between being seen and being read."""
        for _ in range(_ATTEMPTS):
            try:
                return self._write(paths, changed)
            except GitFailed as failure:
                if _VANISHED not in failure.said:
                    raise
        return self._write(paths, changed)

    def _write(self, paths: Sequence[bytes], changed: int) -> str:
        known = self._run("ls-files", "-z").split(b"\0")[:-1] if self._path.exists() else []
        gone = set(known).difference(paths)
        if gone:
            self._update(("--force-remove",), gone, ())
        self._update(("--add", "--remove"), paths, _AS_PACK if changed > _MANY else ())
        return self._run("write-tree").decode().strip()

    def _update(
        self, what: Sequence[str], paths: "Sequence[bytes] | set[bytes]", settings: Sequence[str]
    ) -> None:
        feed = b"".join(path + b"\0" for path in paths)
        self._run(*settings, "update-index", *what, "-z", "--stdin", feed=feed)

    def _git(self, *argv: str, feed: bytes = b"", index: str = "") -> Command:
        where = {"worktree": self._root, "index": index or str(self._path)}
        return self._command(*argv, feed=feed, **where)

    def _run(self, *argv: str, feed: bytes = b"", index: str = "") -> bytes:
        return run(self._git(*argv, feed=feed, index=index))
