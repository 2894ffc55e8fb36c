"""Looking up what differs between two runs of a store."""

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runproj.engine.decide import below, changed_facts
from runproj.errors import StoreError
from runproj.lock.formats import LockFormat, format_of
from runproj.model import from_json
from runproj.ports import Annotations, ObjectStore, SourceControl
from runproj.record.difference import Change, Difference, difference
from runproj.record.observation import Observation
from runproj.record.organising import Organised, organised
from runproj.record.run import EnvironmentUse, Run, StepRun


class Differ(NamedTuple):
    """Compares runs of one store."""

    source: SourceControl
    objects: ObjectStore
    annotations: Annotations

    def difference(self, a: Run, b: Run) -> Difference:
        """Return what differs between two runs.

        Raises:
            StoreError: a source snapshot or a lock that differs is gone.
        """
        outside = [change for step in b.steps for change in self._outside(a.step(step.name), step)]
        said = self._said(a), self._said(b)
        return difference(a, b, self._files(a, b), self._packages(a, b), outside, said)

    def _said(self, run: Run) -> Organised:
        try:
            return organised(run, self.annotations.annotations(run.id))
        except StoreError:  # what is damaged there keeps nobody from comparing
            return organised(run, ())

    def patch(self, a: Run, b: Run) -> Iterator[str]:
        """Yield the lines of a unified diff of the code; binary files are only named."""
        for path in self._files(a, b):
            old, new = self._text(a, path), self._text(b, path)
            if old is None or new is None:
                yield f"Binary files a/{path} and b/{path} differ\n"
                continue
            for line in difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"):
                yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def _outside(self, old: StepRun | None, new: StepRun) -> Iterator[Change]:
        """Yield what two step runs read without declaring it, and found changed."""
        before, after = (self._looked_at(step) for step in (old, new))
        for path in sorted({*before, *after}):
            was, is_now = before.get(path), after.get(path)
            if path in before and path in after and was != is_now:
                name = f"{path} (undeclared)"
                yield Change(name=name, about=new.name, before=_short(was), after=_short(is_now))

    def _looked_at(self, step: StepRun | None) -> Mapping[str, str | None]:
        if step is None or step.trace is None:
            return {}
        try:
            return from_json(Observation, self.objects.read(step.trace.observation)).outside
        except StoreError:
            return {}

    def _files(self, a: Run, b: Run) -> dict[str, tuple[str | None, str | None]]:
        if (a.source.tree, a.source.project_path) == (b.source.tree, b.source.project_path):
            return {}
        old, new = (
            below(self.source.manifest(run.source.tree), run.source.project_path) for run in (a, b)
        )
        return {
            path: (old.get(path), new.get(path))
            for path in sorted({*old, *new})
            if old.get(path) != new.get(path)
        }

    def _text(self, run: Run, path: str) -> list[str] | None:
        """Return the lines of a file of the code; none when it is not there, None if binary."""
        folder = run.source.project_path.split("/") if run.source.project_path else []
        while path.startswith("../"):
            path = path[3:]
            folder.pop()
        content = self.source.read(run.source.tree, "/".join([*folder, path]))
        if content is None:
            return []
        try:
            return content.decode().splitlines(keepends=True) if b"\0" not in content else None
        except UnicodeDecodeError:
            return None

    def _packages(self, a: Run, b: Run) -> dict[str, list[tuple[str, str | None, str | None]]]:
        """Return what differs in environments that both runs have."""
        before, after = _environments(a), _environments(b)
        changed = {}
        for name in before.keys() & after.keys():
            old, new = before[name], after[name]
            found = changed_facts(old.facts, new.facts)
            if old.kind != new.kind:
                found.insert(0, ("kind", old.kind, new.kind))
            elif old.lock != new.lock and (known := format_of(old.kind)) is not None:
                found += self._versions(known, old.lock, new.lock)
            if found:
                changed[name] = found
        return changed

    def _versions(
        self, known: LockFormat, old: str, new: str
    ) -> list[tuple[str, str | None, str | None]]:
        try:
            texts = self.objects.read(old).decode(), self.objects.read(new).decode()
        except StoreError:
            return [("lock", old[:12], new[:12])]
        return known.difference(*texts) or [("lock", old[:12], new[:12])]


def _short(content: str | None) -> str | None:
    return None if content is None else content[:12]


def _environments(run: Run) -> Mapping[str, EnvironmentUse]:
    return {step.environment.name: step.environment for step in run.steps if step.environment}
