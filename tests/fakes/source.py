"""A SourceControl that keeps trees in memory; ids are those that git gives."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

from runproj.errors import ProjectError, Refused, StoreError, UsageError
from runproj.record.source import SourceSnapshot

PLAIN, EXECUTABLE, LINK, FOLDER = "100644", "100755", "120000", "40000"
_NEVER = frozenset({".git", ".runproj", "__pycache__", ".venv", "node_modules"})


class FakeFile(NamedTuple):
    """A file of a tree; the content of a symbolic link is where it leads."""

    content: bytes
    mode: str = PLAIN


class FakeSource:
    """Reads the real folder, or a dict of files that stands for it and may be changed any time.

    It knows no ignore files and no repositories; ``commit``, ``branch``, ``remote`` and ``dirty``
    are what the test says. Files larger than ``size_limit`` and such as ``id_rsa`` are refused.
    """

    def __init__(
        self,
        files: MutableMapping[str, bytes | FakeFile] | None = None,
        *,
        facts: SourceSnapshot | None = None,
        size_limit: int = 50_000_000,
    ) -> None:
        self.files = files
        self.facts = facts or SourceSnapshot(tree="")
        self.trees: dict[str, dict[str, FakeFile]] = {}
        self._size_limit = size_limit

    def snapshot(self, project: str, root: str) -> SourceSnapshot:
        if self.files is None and not Path(root).is_dir():
            raise ProjectError("the folder of the source is not there", where=root)
        relative = os.path.relpath(project, root)
        if relative.startswith(".."):
            raise UsageError("the project folder is not below the root of its source", where=root)
        files = dict(sorted(self._now(Path(root))))
        self._refuse(files)
        tree = _tree_id(files)
        self.trees[tree] = files
        return self.facts.replace(tree=tree, project_path="" if relative == "." else relative)

    def manifest(self, tree: str) -> Mapping[str, str]:
        return {
            path: f"{file.mode} {_id('blob', file.content)}"
            for path, file in self._kept(tree).items()
        }

    def checkout(self, tree: str, folder: str, paths: Iterable[str] | None = None) -> None:
        files = self._kept(tree)
        wanted = files if paths is None else set(paths)
        if not files.keys() >= set(wanted):
            raise StoreError(f"paths that are not in tree {tree}")
        Path(folder).mkdir(parents=True, exist_ok=True)
        if any(Path(folder).iterdir()):
            raise StoreError("code is written into empty folders only", where=folder)
        for path in wanted:
            _write(Path(folder) / path, files[path])

    def read(self, tree: str, path: str) -> bytes | None:
        file = self._kept(tree).get(path)
        return file and file.content

    def _kept(self, tree: str) -> dict[str, FakeFile]:
        if tree not in self.trees:
            raise StoreError(f"the code of tree {tree} is not in the store")
        return self.trees[tree]

    def _now(self, root: Path) -> Iterator[tuple[str, FakeFile]]:
        if self.files is None:
            return _walk(root, root)
        return (
            (path, file if isinstance(file, FakeFile) else FakeFile(file))
            for path, file in self.files.items()
        )

    def _refuse(self, files: Mapping[str, FakeFile]) -> None:
        for path, file in files.items():
            if len(file.content) > self._size_limit or Path(path).name == "id_rsa":
                raise Refused("an untracked file is too large or a secret", where=path)


def _walk(root: Path, folder: Path) -> Iterator[tuple[str, FakeFile]]:
    for path in folder.iterdir():
        if path.name in _NEVER:
            continue
        if path.is_symlink():
            yield path.relative_to(root).as_posix(), FakeFile(os.fsencode(path.readlink()), LINK)
        elif path.is_dir():
            yield from _walk(root, path)
        else:
            mode = EXECUTABLE if path.stat().st_mode & 0o100 else PLAIN
            yield path.relative_to(root).as_posix(), FakeFile(path.read_bytes(), mode)


def _write(path: Path, file: FakeFile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.mode == LINK:
        path.symlink_to(os.fsdecode(file.content))
        return
    path.write_bytes(file.content)
    path.chmod(0o755 if file.mode == EXECUTABLE else 0o644)


def _tree_id(files: Mapping[str, FakeFile]) -> str:
    """Return the id of a git tree: entries in the order of their names, folders as ``name/``."""
    entries: dict[bytes, bytes] = {}
    folders: dict[str, dict[str, FakeFile]] = {}
    for path, file in files.items():
        name, _, rest = path.partition("/")
        if rest:
            folders.setdefault(name, {})[rest] = file
        else:
            entries[os.fsencode(name)] = _entry(file.mode, name, _id("blob", file.content))
    for name, below in folders.items():
        entries[os.fsencode(name) + b"/"] = _entry(FOLDER, name, _tree_id(below))
    return _id("tree", b"".join(entries[key] for key in sorted(entries)))


def _entry(mode: str, name: str, identity: str) -> bytes:
    return b"%s %s\0%s" % (mode.encode(), os.fsencode(name), bytes.fromhex(identity))


def _id(kind: str, content: bytes) -> str:
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
