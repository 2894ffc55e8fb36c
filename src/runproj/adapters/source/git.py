"""Exact code, kept as git trees: the user's repository is only looked at, never written to."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

from runproj.adapters.source import about, listing, objections
from runproj.adapters.source.about import About
from runproj.adapters.source.index import Memory, PrivateIndex
from runproj.adapters.source.listing import Names, Part
from runproj.adapters.source.plumbing import GitFailed, ask, run
from runproj.adapters.source.proof import first_wrong
from runproj.adapters.source.store import Store
from runproj.errors import ProjectError, StoreError, UsageError
from runproj.record.source import SourceSnapshot

_REMEMBERED_MANIFESTS = 8
_BRING_BACK = (
    "bring the store back from a copy; or, with the same code at hand: "
    "'runproj fsck --repair', and run it again"
)
_NAMED = 3  # so many submodules are named in one sentence


class _View(NamedTuple):
    """All that one look at the root and its repository showed."""

    root: str
    about: About | None
    parts: list[Part]
    listing: str
    untouched: bool


class GitSource:
    """Keeps code as git trees in a bare store of our own.

    In a tree are all tracked files as they are now and all others that no ignore file names, with
    their exact bytes, executable bits and symbolic links; nested repositories are folders like
    any other. Empty folders are not kept.

    ``store`` is the path of the store, made on first use. An untracked file of more than
    ``size_limit`` bytes is refused. ``make_parent`` makes the folder in which the store is.
    """

    def __init__(
        self, store: str, *, size_limit: int = objections.SIZE_LIMIT,
        make_parent: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        path = os.path.abspath(store)  # noqa: PTH100 -- absolute, links as they are
        self._store = Store(path, make_parent)
        self._size_limit = size_limit
        self._manifests: dict[str, Mapping[str, str]] = {}

    def snapshot(self, project: str, root: str) -> SourceSnapshot:
        """Keep the code below ``root`` (the project folder, or a folder above it) as it is now.

        Raises:
            Refused: an untracked file is too large or looks like a secret.
            ProjectError: the folder, a file in it or its repository cannot be read.
            StoreError: the store cannot be written, or git is not installed.
        """
        top, project_path = _places(project, root)
        with _translated(self._store.path):
            self._store.ensure()
            with self._store.index(top) as index:
                view = self._look(top, index)
                memory = index.recall()
                if memory is None or not self._still_holds(memory, view):
                    memory = self._write(view, index, memory)
                dirty = self._is_dirty(view, index, memory)
        known = view.about
        return SourceSnapshot(
            tree=memory.tree,
            project_path=project_path,
            commit=known.commit if known else None,
            branch=known.branch if known else None,
            remote=known.remote if known else None,
            dirty=dirty,
            warnings=(*_lost_repository(view), *memory.warnings),
        )

    def manifest(self, tree: str) -> Mapping[str, str]:
        """Return path → ``"MODE OBJECTID"`` of all files of a tree; mode as git writes it.

        A path that is not UTF-8 has its other bytes as lone surrogates (``surrogateescape``).

        Raises:
            StoreError: the tree is not in the store, or not whole.
        """
        if tree not in self._manifests:
            with self._reading(tree):
                out = run(self._store.command("ls-tree", "-r", "-z", "--full-tree", tree))
            while len(self._manifests) >= _REMEMBERED_MANIFESTS:
                self._manifests.pop(next(iter(self._manifests)))
            self._manifests[tree] = dict(_entries(out))
        return self._manifests[tree]

    def size(self, tree: str) -> int:
        """Return how many bytes the files of a tree have.

        Raises:
            StoreError: the tree is not in the store, or not whole.
        """
        with self._reading(tree):
            out = run(self._store.command("ls-tree", "-r", "-l", "-z", "--full-tree", tree))
        sizes = (entry.partition(b"\t")[0].split()[-1] for entry in out.split(b"\0") if entry)
        return sum(int(size) for size in sizes if size.isdigit())

    def checkout(self, tree: str, folder: str, paths: Iterable[str] | None = None) -> None:
        """Write the files of a tree (or some of them) into an empty folder.

        Raises:
            StoreError: the tree or a path is not in the store, or the folder is not empty.
        """
        paths = None if paths is None else list(paths)
        with self._reading(tree):
            Path(folder).mkdir(parents=True, exist_ok=True)
            if next(Path(folder).iterdir(), None) is not None:
                raise StoreError("code is written into empty folders only", where=folder)
            if paths is None:
                self._store.check_out(tree, folder)
            else:
                some = [path.encode("utf-8", "surrogateescape") for path in paths]
                self._store.check_out_some(tree, folder, some)
            manifest = self.manifest(tree)
            written = list(manifest) if paths is None else paths
            wrong = first_wrong(self._store, tree, manifest, folder, written)
            if wrong is not None:
                raise _not_whole(tree, wrong, self._store.path)

    def read(self, tree: str, path: str) -> bytes | None:
        """Return the content of a file of a tree; None when it is not there.

        That of a symbolic link is the path it leads to.

        Raises:
            StoreError: the tree is not in the store, or not whole.
        """
        entry = self.manifest(tree).get(path)
        if entry is None:
            return None
        with self._reading(tree):
            return run(self._store.command("cat-file", "blob", entry.rpartition(" ")[2]))

    def _look(self, root: str, index: PrivateIndex) -> _View:
        """Ask everything at once; nested repositories, where there are some, afterwards."""
        plain = self._store.plain_listing
        repository = listing.is_within_repository(root)
        known = about.questions(root) if repository else ()
        listed, untouched, *answers = ask(
            listing.question(root, plain, repository=repository), index.unchanged(), *known
        )
        parts = listing.parts(root, listed, plain, repository=repository)
        return _View(
            root=root,
            about=about.understood(root, *answers) if parts[0].repository else None,
            parts=parts,
            listing=listing.digest(parts),
            untouched=untouched.code == 0,
        )

    def _still_holds(self, memory: Memory, view: _View) -> bool:
        same = view.untouched and memory.listing == view.listing
        return same and self._store.keeps(memory.tree)

    def _write(self, view: _View, index: PrivateIndex, before: Memory | None) -> Memory:
        names = self._names(view, index)
        files = listing.files(view.root, names)
        changed = [file for file in files if before is None or before.may_have_changed(file.status)]
        old = before.findings if before else {}
        findings = objections.findings(view.root, files, changed, old)
        objected = objections.to(files, findings, self._size_limit)
        objections.refuse_untracked(objected, tracking=view.about is not None)
        paths = [file.path for file in files]
        tree = index.write(paths, changed=len(changed), keep=self._store.keep)
        memory = Memory(
            listing=view.listing,
            tree=tree,
            began_ns=index.began_ns,
            strange=not names.strange.isdisjoint(paths) or self._hides_changes(names, tree),
            findings=findings,
            warnings=(*_absent_submodules(names), *objections.warnings(objected)),
        )
        index.remember(memory)
        return memory

    def _names(self, view: _View, index: PrivateIndex) -> Names:
        names = listing.names(view.parts)
        own = listing.OWN_IGNORE_FILE
        if (Path(view.root) / os.fsdecode(own)).exists():
            names.paths[own] = None  # what decides over the code belongs to it
        ours = [path for path in names.paths if path == own or path.endswith(b"/" + own)]
        if ours:
            within = {folder: folder + b"-" for folder in names.absent}  # as if a file were there
            ignored = set(index.ignored([*names.paths, *within.values()], own))
            names.drop(ignored.difference(ours))
            names.absent = [folder for folder in within if within[folder] not in ignored]
        return names

    def _hides_changes(self, names: Names, tree: str) -> bool:
        """Tell whether a file that git was told not to look at differs from what git believes."""
        if not names.promised:
            return False
        manifest = self.manifest(tree)
        kept = {path: manifest.get(_text(path)) for path in names.promised}
        return any(
            entry and entry.rpartition(" ")[2] != names.promised[path]
            for path, entry in kept.items()
        )

    def _is_dirty(self, view: _View, index: PrivateIndex, memory: Memory) -> bool | None:
        """Tell whether the code has changes that the commit has not; None outside of repositories.

        That of equal trees is certain. Otherwise git's status decides, since line ends, filters
        and nested repositories make trees differ that nobody changed.
        """
        if view.about is None:
            return None
        if memory.strange:
            return True
        if view.about.tree == memory.tree:
            return False
        alone = len(view.parts) == 1  # no nested repository that could move by itself
        if alone and memory.compared_with and memory.compared_with == view.about.tree:
            return memory.dirty
        dirty = any(self._has_changes(view, part, memory.tree) for part in view.parts)
        judged = {"compared_with": view.about.tree, "dirty": dirty}
        index.remember(memory.replace(**judged))
        return dirty

    def _has_changes(self, view: _View, part: Part, tree: str) -> bool:
        if not part.repository:
            return False
        known = view.about if part.folder == view.root else None
        known = known or about.understood(part.folder, *ask(*about.questions(part.folder)))
        return any(
            _text(part.prefix + path) in self.manifest(tree)
            or not os.path.isfile(os.path.join(os.fsencode(part.folder), path))  # noqa: PTH113, PTH118 -- bytes
            for path in about.uncommitted(part.folder, known)
        )

    @contextlib.contextmanager
    def _reading(self, tree: str) -> Iterator[None]:
        try:
            with _translated(self._store.path, "the code cannot be written out"):
                yield
        except StoreError as error:
            cause, store = error.__cause__, self._store.path
            if isinstance(cause, (GitFailed, OSError)) and not Path(store).is_dir():
                why = "it is no folder" if os.path.lexists(store) else "it is gone"
                raise StoreError(
                    f"the source store cannot be read: {why}", where=store, hint=_BRING_BACK
                ) from cause
            if isinstance(cause, GitFailed):
                raise _not_whole(tree, cause.said, store) from cause
            raise


def _not_whole(tree: str, said: str, store: str) -> StoreError:
    return StoreError(
        f"the code of tree {tree} is not whole in the store: {said}", where=store, hint=_BRING_BACK
    )


def _places(project: str, root: str) -> tuple[str, str]:
    """Return the root without symbolic links, and where the project stands in it."""
    top, inner = Path(root).resolve(), Path(project).resolve()
    if not top.is_dir():
        raise ProjectError("the folder of the source is not there", where=root)
    if not inner.is_relative_to(top):
        raise UsageError("the project folder is not below the root of its source", where=root)
    return str(top), PurePath(inner.relative_to(top)).as_posix().removeprefix(".")


def _lost_repository(view: _View) -> Iterator[str]:
    if view.about is None and (Path(view.root) / ".git").exists():
        yield "git finds no repository behind .git, so no commit is recorded with the code"


def _absent_submodules(names: Names) -> Iterator[str]:
    """Yield a sentence about the submodules that are not checked out, if there are some."""
    if len(names.absent) == 1:
        yield f"the submodule {_shown(names.absent[0])} is not checked out: its folder is empty"
    elif names.absent:
        shown = [_shown(folder) for folder in names.absent[:_NAMED]]
        more = len(names.absent) - len(shown)
        last = f"{more} more" if more else shown.pop()
        listed = f"{', '.join(shown)} and {last}"
        yield f"the submodules {listed} are not checked out: their folders are empty"


def _shown(folder: bytes) -> str:
    """Return a folder as it may stand in a message: one line, no strange bytes."""
    text = folder.removesuffix(b"/").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else repr(text)[1:-1]


def _entries(listed: bytes) -> Iterator[tuple[str, str]]:
    for line in listed.split(b"\0")[:-1]:
        meta, _, path = line.partition(b"\t")
        mode, _, identity = meta.decode().split(" ")
        yield _text(path), f"{mode} {identity}"


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _translated(store: str, what: str = "the source cannot be kept") -> Iterator[None]:
    """Turn what git and the system say into errors of our own; ``what`` says what is not done."""
    try:
        yield
    except GitFailed as failure:
        raise StoreError(
            f"the source store cannot be used: {failure}",
            where=store,
            hint="see that the disk is not full, and that you may write there",
        ) from failure
    except OSError as error:
        where = os.fsdecode(error.filename) if error.filename else store
        raise StoreError(f"{what}: {error.strerror}", where=where) from error
