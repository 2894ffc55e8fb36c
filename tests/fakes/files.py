"""The files of a project, in memory."""

import posixpath
from collections.abc import Sequence

from tests.fakes.disk import FakeDisk

from runproj.errors import ProjectError
from runproj.spec.paths import glob_matches, is_glob


class FakeFiles:
    """The files of a disk below a folder."""

    def __init__(self, disk: FakeDisk, folder: str) -> None:
        self.disk = disk
        self.folder = folder

    def absolute(self, path: str) -> str:
        return posixpath.join(self.folder, path)

    def read(self, path: str) -> str | None:
        node = self.disk.find(self.absolute(path))
        if node is None or node.kind != "file":
            return None
        try:
            return node.content.decode()
        except UnicodeDecodeError as error:
            raise ProjectError("the file is not UTF-8 text", where=path) from error

    def find(self, pattern: str) -> Sequence[str]:
        if not is_glob(pattern):
            return [pattern] if self.disk.find(self.absolute(pattern)) else []
        known = set()
        for path in self.disk.below(self.folder):
            parts = path.split("/")
            if not {".git", ".runproj"} & set(parts):
                known |= {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
        return sorted(path for path in known if glob_matches(pattern, path))
