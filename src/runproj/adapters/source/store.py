"""The bare git store of our own, where the trees of all snapshots are kept.

Every object of a tree is written here by us: nothing is borrowed from the user's repository, so a
tree stays whole when that is deleted, collected or of another object format. Each kept tree has a
reference ``refs/snapshots/TREE``; who removes such references and prunes the store must know that
the indexes (``index-*``) may name what was pruned: a snapshot then notices, and writes it anew.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from runproj.adapters.source.index import PrivateIndex
from runproj.adapters.source.plumbing import Command, looking, run

# Only what is said here counts, not what the user or the machine configures for git.
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
_CONFIGURATION = """\
[core]
\tbare = true
\trepositoryFormatVersion = 0
\tfileMode = true
\tsymlinks = true
\tignoreCase = false
\tautoCRLF = false
\tsafeCRLF = false
\tprotectNTFS = false
\tcompression = 1
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""
# Outranks every .gitattributes: bytes go in and come out as they are.
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding\n"


class Store:
    """A bare repository at ``path``; made by :meth:`ensure`, its folder by ``make_parent``."""

    def __init__(self, path: str, make_parent: Callable[[], None] | None = None) -> None:
        self.path = path
        self._make_parent = make_parent

    def ensure(self) -> None:
        """Make the store when it is not there; of several makers at once, one wins."""
        if (Path(self.path) / "objects").is_dir():
            return
        parent = Path(self.path).parent
        if self._make_parent is not None:
            self._make_parent()
        parent.mkdir(parents=True, exist_ok=True)
        made = tempfile.mkdtemp(prefix=".source-", dir=parent)
        try:
            Path(made).chmod(0o755)
            init = ("init", "-q", "--bare", "--template=", "--object-format=sha1", "-b", "none")
            run(Command((*init, made), made, _ALONE))
            (Path(made) / "config").write_text(_CONFIGURATION)
            (Path(made) / "info").mkdir(exist_ok=True)
            (Path(made) / "info" / "attributes").write_text(_ATTRIBUTES)
            with contextlib.suppress(FileExistsError):  # the winner's is as good as ours
                _rename_unless_there(made, self.path)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def command(
        self, *argv: str, worktree: str = "", index: str = "", feed: bytes = b""
    ) -> Command:
        """Return a command on the store, with a folder as its work tree and a private index."""
        variables = {**_ALONE, "GIT_DIR": self.path}
        if worktree:
            variables |= {"GIT_WORK_TREE": worktree, "GIT_INDEX_FILE": index}
        return Command(argv, worktree or self.path, variables, feed)

    def plain_listing(self, folder: str, argv: Sequence[str]) -> Command:
        """Return a command that sees a folder as a work tree without an index.

        The user's configuration counts, since it may name a file of patterns to ignore.
        """
        command = looking(folder, *argv)
        nothing = os.fspath(Path(self.path) / "no-index")
        variables = {"GIT_DIR": self.path, "GIT_WORK_TREE": folder, "GIT_INDEX_FILE": nothing}
        return Command(command.argv, folder, variables)

    @contextlib.contextmanager
    def index(self, root: str) -> Iterator[PrivateIndex]:
        """Lock and give the private index of a root; others who want the same one wait."""
        key = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
        with PrivateIndex.locked(
            self.command, root, str(Path(self.path) / f"index-{key}")
        ) as index:
            yield index

    @contextlib.contextmanager
    def passing_index(self) -> Iterator[str]:
        """Give the path of an index that is gone afterwards."""
        path = Path(self.path) / f"passing-{uuid.uuid4().hex}"
        try:
            yield str(path)
        finally:
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.lock").unlink(missing_ok=True)

    def keeps(self, tree: str) -> bool:
        """Tell whether a tree was kept, so that all of its objects were seen to be there."""
        if (Path(self.path) / "refs" / "snapshots" / tree).exists():
            return True
        packed = Path(self.path) / "packed-refs"
        return packed.exists() and f"refs/snapshots/{tree}\n".encode() in packed.read_bytes()

    def keep(self, tree: str) -> None:
        """See that every object of a tree is here, and keep it.

        Raises:
            GitFailed: an object is missing.
        """
        if self.keeps(tree):
            return
        run(self.command("rev-list", "--objects", "--quiet", tree))
        run(self.command("update-ref", f"refs/snapshots/{tree}", tree))

    def check_out(self, tree: str, folder: str) -> None:
        """Write all files of a tree into an empty folder."""
        with self.passing_index() as index:
            run(self.command("read-tree", "-m", "-u", tree, worktree=folder, index=index))

    def check_out_some(self, tree: str, folder: str, paths: Iterable[bytes]) -> None:
        """Write some files of a tree into an empty folder."""
        feed = b"".join(path + b"\0" for path in paths)
        if not feed:
            return
        with self.passing_index() as index:
            run(self.command("read-tree", tree, worktree=folder, index=index))
            some = ("checkout-index", "-z", "--stdin")
            run(self.command(*some, worktree=folder, index=index, feed=feed))


def _rename_unless_there(made: str, path: str) -> None:
    """Rename a folder, atomically; a full folder of that name stays."""
    try:
        Path(made).rename(path)
    except OSError:
        if not (Path(path) / "objects").is_dir():
            raise
        raise FileExistsError(path) from None
