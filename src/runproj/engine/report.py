"""Collecting what a report tells of a run: its record, and a limited part of what it points to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from runproj.engine.curves import Curves
from runproj.errors import RunprojError
from runproj.lock.formats import format_of
from runproj.model import from_json
from runproj.ports import Annotations, ObjectStore
from runproj.record.artifact import FolderManifest
from runproj.record.picture import picture
from runproj.record.points import Points
from runproj.record.run import EnvironmentUse, Output, Run, StepRun
from runproj.record.verdict import Annotation

LOG = 64 * 1024
"""So many bytes of the end of a log are shown at most."""

_TEXT = 64 * 1024
_FILE = 4 * 1024 * 1024  # what is larger is not even looked into
_PIXELS = 50_000_000  # a small file can be a picture that no browser has room for
_ALL = 24 * 1024 * 1024
_ARTIFACTS = 300
_MEMBERS = 40  # of a folder
_LOGS = 60
Role: TypeAlias = Literal["output", "artifact", "model"]


class Tail(NamedTuple):
    """The end of a log, and how many bytes it has as a whole."""

    data: bytes
    size: int


class File(NamedTuple):
    """A file and what is shown of it: all of a picture, the beginning of another one.

    ``missing`` says why nothing is shown.
    """

    path: str
    size: int
    data: bytes = b""
    missing: str | None = None


class Shown(NamedTuple):
    """What a step made, and the files in it; ``more`` are not listed."""

    step: str
    role: Role
    artifact: Output
    files: Sequence[File]
    more: int = 0


class Collected(NamedTuple):
    """All that a report tells of a run.

    ``packages`` maps environments to names and versions. ``gaps`` are sentences: what could not be
    read.
    """

    run: Run
    said: Sequence[Annotation]
    curves: Mapping[str, Points]
    shown: Sequence[Shown]
    logs: Mapping[str, Tail]
    packages: Mapping[str, Mapping[str, str]]
    gaps: Sequence[str]


class Collector(NamedTuple):
    """Collects from a store; ``tail`` returns the end of a step's log, so many bytes at most."""

    objects: ObjectStore
    annotations: Annotations
    tail: Callable[[Run, StepRun, int], Tail]

    def collect(self, run: Run) -> Collected:
        """Return what there is to tell of a run; what is gone or damaged is named in the gaps."""
        gaps: list[str] = []
        said: Sequence[Annotation] = ()
        try:
            said = self.annotations.annotations(run.id)
        except RunprojError as error:
            gaps.append(f"what was said of it: {error}")
        curves: dict[str, Points] = {}
        for step in run.steps:
            try:
                curves |= Curves(self.objects).of(run.replace(steps=(step,)))
            except RunprojError as error:
                gaps.append(f"the curves of {step.name}: {error}")
        return Collected(
            run,
            said,
            curves,
            _Reading(self.objects).all(run, gaps),
            dict(self._logs(run, gaps)),
            dict(self._packages(run, gaps)),
            gaps,
        )

    def _logs(self, run: Run, gaps: list[str]) -> Iterator[tuple[str, Tail]]:
        """Yield the ends of logs, those first that tell of a failure."""
        steps = sorted(run.steps, key=lambda step: step.done)
        for step in steps[:_LOGS]:
            try:
                found = self.tail(run, step, LOG)
            except RunprojError as error:
                gaps.append(f"the log of {step.name}: {error}")
                continue
            if found.size:
                yield step.name, found

    def _packages(self, run: Run, gaps: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
        uses = {step.environment.name: step.environment for step in run.steps if step.environment}
        for name, use in uses.items():
            try:
                yield name, self._locked(use)
            except (RunprojError, ValueError, KeyError) as error:
                gaps.append(f"the lock of the environment {name}: {error}")

    def _locked(self, use: EnvironmentUse) -> dict[str, str]:
        known = format_of(use.kind)
        if known is None:
            return {}
        return known.packages(self.objects.read(use.lock).decode())


class _Reading:
    """Reads artifacts until so much was read that a page would become too large."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.left = _ALL

    def all(self, run: Run, gaps: list[str]) -> list[Shown]:
        """Return the artifacts of a run."""
        every = [(step, role, one) for step in run.steps for role, one in _roles(step)]
        if len(every) > _ARTIFACTS:
            gaps.append(f"{len(every) - _ARTIFACTS} more artifacts are not listed")
        return [self._shown(step.name, role, one) for step, role, one in every[:_ARTIFACTS]]

    def _shown(self, step: str, role: Role, artifact: Output) -> Shown:
        if artifact.kind == "file":
            path = artifact.name or artifact.path
            named = path if "." in path else artifact.path  # the ending tells what it is
            file = self._file(named, artifact.size, artifact.sha256)
            return Shown(step, role, artifact, [file])
        try:
            members = from_json(FolderManifest, self.objects.read(artifact.sha256)).members
        except (RunprojError, ValueError) as error:
            return Shown(step, role, artifact, [File(".", artifact.size, missing=str(error))])
        files = [one for one in members if one.kind != "folder"]
        shown = [
            File(one.path, 0, missing=f"a link to {one.target}")
            if one.sha256 is None
            else self._file(one.path, one.size, one.sha256)
            for one in files[:_MEMBERS]
        ]
        return Shown(step, role, artifact, shown, len(files) - len(shown))

    def _file(self, path: str, size: int, sha256: str) -> File:
        """Return a file, with as much of it as is shown."""
        if size > _FILE:
            return File(path, size, missing="too large to be shown")
        if self.left <= 0:
            return File(path, size, missing="not shown: the page would become too large")
        try:
            data = self.objects.read(sha256)
        except RunprojError as error:
            return File(path, size, missing=str(error))
        found = picture(path, data)
        if found is not None and found.pixels > _PIXELS:
            return File(path, size, missing="a picture with too many pixels to be shown")
        data = data if found is not None else data[:_TEXT]
        self.left -= len(data)
        return File(path, size, data)


def _roles(step: StepRun) -> Iterator[tuple[Role, Output]]:
    """Yield all that a step made."""
    made = len(step.outputs)
    told = len(step.tracked.artifacts) if step.tracked is not None else 0
    for number, one in enumerate(step.kept):
        yield "output" if number < made else "artifact" if number < made + told else "model", one
