"""Files in memory, and the same view of real ones, so that one test can look at both."""

import itertools
import posixpath
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True)
class Node:
    """A file, a link or an empty folder; ``stamp`` is another one after every write."""

    kind: Literal["file", "link", "folder"] = "file"
    content: bytes = b""
    executable: bool = False
    stamp: int = 0

    @property
    def seen(self) -> "Node":
        """What a person sees: all but the stamp."""
        return replace(self, stamp=0)


def file(content: bytes, *, executable: bool = False) -> Node:
    """Return what :meth:`Disk.show` shows of a file."""
    return Node("file", content, executable)


def link(target: str) -> Node:
    """Return what :meth:`Disk.show` shows of a symbolic link."""
    return Node("link", target.encode())


EMPTY = Node("folder")


class Disk(Protocol):
    """Files by absolute path."""

    def write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        """Write a file, as a new one; the folders above it are made."""

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""

    def mkdir(self, path: str) -> None:
        """Make a folder."""

    def remove(self, path: str) -> None:
        """Remove a file, link or folder."""

    def show(self, folder: str) -> dict[str, Node]:
        """Return files, links and empty folders below a folder, by relative path."""

    def exists(self, path: str) -> bool:
        """Tell whether a file, link or folder is there."""


class RealDisk:
    """The file system."""

    def write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(content)
        place.chmod(0o755 if executable else 0o644)

    def link(self, path: str, target: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).symlink_to(target)

    def mkdir(self, path: str) -> None:
        Path(path).mkdir(parents=True)

    def remove(self, path: str) -> None:
        if Path(path).is_dir() and not Path(path).is_symlink():
            shutil.rmtree(path)
        else:
            Path(path).unlink()

    def show(self, folder: str) -> dict[str, Node]:
        found = {}
        for place in Path(folder).rglob("*"):
            if place.is_symlink():
                node = link(str(place.readlink()))
            elif not place.is_dir():
                node = file(place.read_bytes(), executable=bool(place.stat().st_mode & 0o111))
            elif any(place.iterdir()):
                continue
            else:
                node = EMPTY
            found[place.relative_to(folder).as_posix()] = node
        return found

    def exists(self, path: str) -> bool:
        return Path(path).exists() or Path(path).is_symlink()


class FakeDisk:
    """A dict of files; links lead to files only, and not into the middle of a path."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._stamps = itertools.count(1)

    def write(self, path: str, content: bytes, *, executable: bool = False) -> None:
        self._set(path, Node("file", content, executable))

    def link(self, path: str, target: str) -> None:
        self._set(path, link(target))

    def mkdir(self, path: str) -> None:
        self._set(path, EMPTY)

    def _set(self, path: str, node: Node) -> None:
        path = above = posixpath.normpath(path)
        while above != "/":
            above = posixpath.dirname(above)
            self.nodes.pop(above, None)  # an empty folder no longer
        self.nodes[path] = replace(node, stamp=next(self._stamps))

    def remove(self, path: str) -> None:
        path = posixpath.normpath(path)
        gone = [name for name in self.nodes if name == path or name.startswith(path + "/")]
        if not gone:
            raise FileNotFoundError(path)
        for name in gone:
            del self.nodes[name]
        above = posixpath.dirname(path)
        if above != "/" and not self.exists(above):
            self.mkdir(above)

    def show(self, folder: str) -> dict[str, Node]:
        return {path: node.seen for path, node in self.below(folder).items()}

    def below(self, folder: str) -> dict[str, Node]:
        """Return all that is below a folder, stamps included."""
        prefix = posixpath.normpath(folder) + "/"
        return {
            path.removeprefix(prefix): node
            for path, node in self.nodes.items()
            if path.startswith(prefix)
        }

    def exists(self, path: str) -> bool:
        path = posixpath.normpath(path)
        return path in self.nodes or bool(self.below(path))

    def find(self, path: str) -> Node | None:
        """Return what is at a path, links followed; a folder that is not empty is one too."""
        path = posixpath.normpath(path)
        node = self.nodes.get(path)
        if node is not None and node.kind == "link":
            target = posixpath.join(posixpath.dirname(path), node.content.decode())
            return self.find(target)
        return node or (EMPTY if self.below(path) else None)
