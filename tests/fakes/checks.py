"""What fsck asks, answered from memory; tests say what is there and what is wrong with it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from runproj.errors import StoreError
from runproj.model import canonical, from_json
from runproj.ports import CheckedObject, CheckedSource, SeenRun
from runproj.record.artifact import Artifact, FolderManifest, FolderMember
from runproj.record.health import Damage, Note
from runproj.record.run import Run
from runproj.record.verdict import Annotation


class FakeObjectChecks:
    """Keeps contents by sha256; those in ``aside`` were set aside, in ``stuck`` cannot be."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.aside: dict[str, bytes] = {}
        self.stuck: set[str] = set()
        self.unreadable: set[str] = set()
        self.mended_meanwhile: dict[str, bytes] = {}

    def keep(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.contents[sha256] = data
        return sha256

    def folder(self, path: str, **files: bytes) -> Artifact:
        members = tuple(
            FolderMember(path=name, sha256=self.keep(data)) for name, data in files.items()
        )
        members = (*members, FolderMember(path="empty", kind="folder"))
        sha256 = self.keep(canonical(FolderManifest(members=members)))
        return Artifact(path=path, kind="folder", sha256=sha256, size=0)

    def sizes(self) -> Mapping[str, int]:
        return {sha256: len(data) for sha256, data in self.contents.items()}

    def check(self, sha256s: Iterable[str]) -> Iterator[CheckedObject]:
        for sha256 in list(sha256s):
            data = self.contents.get(sha256)
            if data is None:
                yield CheckedObject(sha256, "missing", 0, sha256)
            elif sha256 in self.unreadable:
                yield CheckedObject(sha256, "unreadable", 0, sha256)
            elif hashlib.sha256(data).hexdigest() != sha256:
                yield CheckedObject(sha256, "damaged", len(data), sha256)
            else:
                yield CheckedObject(sha256, "whole", len(data), sha256)
        self.contents |= self.mended_meanwhile

    def members(self, sha256: str) -> Sequence[FolderMember]:
        data = self.contents.get(sha256, b"")
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError("the list of files is damaged", where=sha256)
        try:
            return from_json(FolderManifest, data).members
        except ValueError:
            raise StoreError("the list of files is none") from None

    def set_aside(self, sha256: str) -> str:
        if sha256 in self.stuck:
            raise StoreError("permission denied")
        self.aside[sha256] = self.contents.pop(sha256)
        return f"aside/{sha256}"

    def notes(self) -> Sequence[Note]:
        return [Note(message="set aside", where=sha256) for sha256 in self.aside]


class FakeSourceChecks:
    """Says of trees what the test put into ``flaws``; remembers what was asked."""

    place = "source.git"

    def __init__(self) -> None:
        self.flaws: dict[str, list[str]] = {}
        self.others: list[str] = []
        self.asked: list[tuple[Sequence[str], bool]] = []
        self.let_gone: list[str] = []
        self.stuck = False

    def check(self, trees: Sequence[str], *, everything: bool) -> CheckedSource:
        self.asked.append((trees, everything))
        flaws = {tree: self.flaws[tree] for tree in trees if tree in self.flaws}
        return CheckedSource(flaws, self.others if everything else ())

    def let_go(self, trees: Sequence[str]) -> None:
        if self.stuck:
            raise StoreError("permission denied")
        self.let_gone += trees


class FakeRecordChecks:
    """Has runs, and the damages and notes that a test gives to one of them, or to the index.

    ``said`` is what was said of runs; None: that cannot be read.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Run | None] = {}
        self.damages: dict[str, list[Damage]] = {}
        self.notes: dict[str, list[Note]] = {}
        self.said: dict[str, Sequence[Annotation] | None] = {}
        self.rebuilt = 0

    def ids(self) -> Sequence[str]:
        return list(self.runs)

    def look(self, run_id: str) -> SeenRun:
        found = self.damages.get(run_id, []), self.notes.get(run_id, [])
        return SeenRun(self.runs[run_id], *found, self.said.get(run_id, ()))

    def index(self, runs: Sequence[Run]) -> SeenRun:
        del runs
        return SeenRun(None, self.damages.get("index", []))

    def reindex(self) -> int:
        self.rebuilt += 1
        return len(self.runs)

    def others(self) -> SeenRun:
        return SeenRun(None, self.damages.get("others", []))
