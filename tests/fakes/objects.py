"""An object store that keeps everything in memory."""

import hashlib
import posixpath
from collections.abc import Iterator

from tests.fakes.disk import FakeDisk, Node

from runproj.errors import StoreError, UsageError
from runproj.model import canonical, from_json
from runproj.record.artifact import Artifact, FolderManifest, FolderMember


class FakeObjects:
    """Keeps the files of a disk in memory; knows digests as well.

    Tests read ``contents`` (by sha256), and remove or alter them to play a damaged store.
    """

    def __init__(self, disk: FakeDisk) -> None:
        self.disk = disk
        self.contents: dict[str, bytes] = {}

    def put(self, source: str, path: str, *, take: bool = False) -> Artifact:
        artifact, contents = self._look(source, path)
        if artifact is None:
            raise UsageError("nothing is there to be kept", where=source)
        self.contents |= contents
        if take and self._is_no_link(source):
            for below, node in self.disk.below(source).items():
                if node.kind == "file":
                    self.disk.remove(f"{source}/{below}")
            if artifact.kind == "file":
                self.disk.remove(source)
        return artifact

    def _is_no_link(self, source: str) -> bool:
        node = self.disk.nodes.get(posixpath.normpath(source))
        return node is None or node.kind != "link"

    def digest(self, source: str, path: str) -> Artifact | None:
        return self._look(source, path)[0]

    def _look(self, source: str, path: str) -> tuple[Artifact | None, dict[str, bytes]]:
        """Return what is at a place, and the contents that it consists of."""
        node = self.disk.find(source)
        if node is None:
            return None, {}
        if node.kind == "file":
            sha256 = _sha256(node.content)
            artifact = Artifact(
                path=path, sha256=sha256, size=len(node.content), executable=node.executable
            )
            return artifact, {sha256: node.content}
        below = dict(sorted(_without_bytecode(self.disk.below(source))))
        members = tuple(_member(name, node) for name, node in below.items())
        text = canonical(FolderManifest(members=members))
        size = sum(member.size for member in members)
        contents = {_sha256(node.content): node.content for node in below.values()}
        artifact = Artifact(path=path, kind="folder", sha256=_sha256(text), size=size)
        return artifact, contents | {artifact.sha256: text}

    def keep(self, data: bytes) -> str:
        self.contents[_sha256(data)] = data
        return _sha256(data)

    def give(self, artifact: Artifact, folder: str) -> None:
        place = f"{folder}/{artifact.path}"
        if artifact.kind == "file":
            content = self.read(artifact.sha256)
            self.disk.write(place, content, executable=artifact.executable)
            return
        members = self._members(artifact)
        if not members:
            self.disk.mkdir(place)
        for member in members:
            if member.kind == "link":
                self.disk.link(f"{place}/{member.path}", member.target or "")
            elif member.kind == "folder":
                self.disk.mkdir(f"{place}/{member.path}")
            else:
                content = self.read(member.sha256 or "")
                self.disk.write(f"{place}/{member.path}", content, executable=member.executable)

    def _members(self, folder: Artifact) -> tuple[FolderMember, ...]:
        return from_json(FolderManifest, self.read(folder.sha256)).members

    def read(self, sha256: str) -> bytes:
        if sha256 not in self.contents:
            raise StoreError(f"the object {sha256[:12]}… is not in the store")
        if _sha256(self.contents[sha256]) != sha256:
            raise StoreError(f"the object {sha256[:12]}… is damaged", hint="remove it")
        return self.contents[sha256]

    def has(self, artifact: Artifact) -> bool:
        if artifact.sha256 not in self.contents:
            return False
        members = self._members(artifact) if artifact.kind == "folder" else ()
        return all(member.sha256 is None or member.sha256 in self.contents for member in members)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _member(path: str, node: Node) -> FolderMember:
    if node.kind == "file":
        return FolderMember(
            path=path,
            sha256=_sha256(node.content),
            size=len(node.content),
            executable=node.executable,
        )
    target = node.content.decode() if node.kind == "link" else None
    return FolderMember(path=path, kind=node.kind, target=target)


def _without_bytecode(below: dict[str, Node]) -> Iterator[tuple[str, Node]]:
    """Leave out bytecode; a folder with nothing else in it is empty."""
    for path, node in below.items():
        parts = path.split("/")
        if "__pycache__" not in parts:
            yield path, node
            continue
        above = "/".join(parts[: parts.index("__pycache__")])
        if above and not any(
            other.startswith(above + "/") and not other.startswith(above + "/__pycache__")
            for other in below
        ):
            yield above, Node("folder")
