"""Workspaces in memory."""

import itertools
import posixpath
from dataclasses import dataclass, field

from tests.fakes.disk import FakeDisk, Node

from runproj.errors import Refused, StoreError
from runproj.ports import Changes, Furnishing, ObjectStore, SourceControl


@dataclass
class FakeWorkspace:
    """A folder of a disk; ``kept`` is None as long as it is open, ``gone`` when a step took it."""

    disk: FakeDisk
    root: str
    furnishing: Furnishing
    source: dict[str, Node]
    inputs: dict[str, Node] = field(default_factory=dict)
    kept: bool | None = None
    gone: bool = False

    @property
    def project(self) -> str:
        return posixpath.normpath(f"{self.root}/{self.furnishing.project_path}")

    @property
    def temporary(self) -> str:
        return self.root + ".tmp"

    def now(self) -> dict[str, Node]:
        """Return files and links that are there; bytecode does not count."""
        return {
            path: node
            for path, node in self.disk.below(self.root).items()
            if node.kind != "folder" and "__pycache__" not in path.split("/")
        }

    def changes(self) -> Changes:
        if self.gone:
            raise StoreError("a workspace cannot be looked at")
        now = self.now()
        made = [path for path in now if path not in self.source and path not in self.inputs]
        altered = [
            path
            for path, node in self.source.items()
            if path not in self.inputs and now.get(path) != node
        ]
        inputs = [path for path, node in self.inputs.items() if now.get(path) != node]
        return Changes(*(self._seen(paths) for paths in (made, altered, inputs)))

    def _seen(self, paths: list[str]) -> tuple[str, ...]:
        start = f"/{self.furnishing.project_path}"
        return tuple(sorted(posixpath.relpath(f"/{path}", start) for path in paths))

    def close(self, *, keep: bool) -> None:
        self.kept = keep
        for folder in (self.temporary, *([] if keep else [self.root])):
            if self.disk.exists(folder):
                self.disk.remove(folder)


class FakeWorkspaces:
    """Makes workspaces on a disk; tests read ``opened`` and ``closed``."""

    def __init__(
        self,
        disk: FakeDisk,
        source: SourceControl,
        objects: ObjectStore,
        folder: str = "/workspaces",
    ) -> None:
        self.disk, self._folder = disk, folder
        self.opened: list[FakeWorkspace] = []
        self.closed = False
        self._source = source
        self._objects = objects

    def open(self, furnishing: Furnishing) -> FakeWorkspace:
        names = (f"{self._folder}/w{number}" for number in itertools.count(len(self.opened) + 1))
        root = next(name for name in names if not self.disk.exists(name))  # others were kept
        self.disk.mkdir(posixpath.normpath(f"{root}/{furnishing.project_path}"))
        for path, entry in self._source.manifest(furnishing.tree).items():
            if furnishing.files is None or path in furnishing.files:
                content = self._source.read(furnishing.tree, path) or b""
                mode = entry.split(" ")[0]
                if mode == "120000":
                    self.disk.link(f"{root}/{path}", content.decode())
                else:
                    self.disk.write(f"{root}/{path}", content, executable=mode == "100755")
        workspace = FakeWorkspace(self.disk, root, furnishing, {})
        workspace.source = workspace.now()
        self._fill(workspace)
        self.opened.append(workspace)
        return workspace

    def _fill(self, workspace: FakeWorkspace) -> None:
        project = workspace.project
        for path in (*(a.path for a in workspace.furnishing.inputs), *workspace.furnishing.outputs):
            place = posixpath.normpath(posixpath.join(project, path))
            if not place.startswith(workspace.root + "/"):
                raise Refused(f"{path} leads out of the workspace")
        for artifact in workspace.furnishing.inputs:
            self._objects.give(artifact, project)
        workspace.inputs = {
            path: node
            for path, node in workspace.now().items()
            if path not in workspace.source or workspace.source[path] != node
        }
        for output in workspace.furnishing.outputs:
            folder = posixpath.dirname(f"{project}/{output}")
            if not self.disk.exists(folder):
                self.disk.mkdir(folder)
        for folder in workspace.furnishing.persist:
            self.disk.mkdir(f"{project}/{folder}")
        for artifact in workspace.furnishing.persisted:
            self._objects.give(artifact, project)

    def close(self) -> None:
        self.closed = True
