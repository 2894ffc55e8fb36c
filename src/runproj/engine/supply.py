"""What a step gets from the source, from steps before it, and from elsewhere."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runproj.errors import ProjectError
from runproj.model import digest_of, from_json
from runproj.plan.plan import PlannedInput, PlannedStep
from runproj.ports import ObjectStore
from runproj.record.artifact import Artifact, FolderManifest, FolderMember
from runproj.record.run import StepRun
from runproj.spec.paths import above, glob_matches, matches_any


class Supply(NamedTuple):
    """Knows where inputs come from.

    ``manifest`` is that of the project folder in the source, ``files`` are the artifacts from
    outside of it by their path.
    """

    manifest: Mapping[str, str]
    files: Mapping[str, Artifact]
    objects: ObjectStore

    def artifacts(self, step: PlannedStep, done: Mapping[str, StepRun]) -> tuple[Artifact, ...]:
        """Return the artifacts to give to a step; the steps before it are ``done``."""
        found: dict[str, Artifact] = {}
        for planned in step.inputs:
            for artifact in self._resolve(planned, done):
                found.setdefault(artifact.path, artifact)
        return tuple(found.values())

    def digests(self, step: PlannedStep, given: tuple[Artifact, ...]) -> dict[str, str]:
        """Return path → digest of all inputs, those that stand in the source included."""
        digests = {
            planned.path: self._source_digest(planned.path)
            for planned in step.inputs
            if planned.kind == "source"
        }
        for artifact in given:
            digests[artifact.path] = artifact.sha256 + ("+x" if artifact.executable else "")
        return digests

    def _source_digest(self, path: str) -> str:
        """Return mode and git object id of a file, or the digest of a folder's files."""
        entry = self.manifest.get(path)
        if entry is not None:
            return entry
        inside = [item for item in self.manifest.items() if matches_any(item[0], [path])]
        return digest_of(sorted(inside))

    def _resolve(self, planned: PlannedInput, done: Mapping[str, StepRun]) -> Iterator[Artifact]:
        if planned.kind == "file":
            yield self.files[planned.path]
        elif planned.kind == "step":
            outputs = done[planned.step or ""].outputs
            made = next(output for output in outputs if output.path == planned.output)
            if planned.path == made.path or _is_taken(made, planned.path):
                yield Artifact.of(made)
            else:
                yield from self._members(made, planned.path)

    def _members(self, folder: Artifact, wanted: str) -> Iterator[Artifact]:
        """Return the files of a folder that a path or glob takes."""
        members: tuple[FolderMember, ...] = ()
        if folder.kind == "folder":
            members = from_json(FolderManifest, self.objects.read(folder.sha256)).members
        found = False
        for member in members:
            path = f"{folder.path}/{member.path}"
            if member.kind == "file" and any(matches_any(one, [wanted]) for one in above(path)):
                found = True
                yield Artifact(
                    path=path,
                    sha256=member.sha256 or "",
                    size=member.size,
                    executable=member.executable,
                )
        if not found:
            raise ProjectError(
                f"{wanted!r} is not in the {folder.kind} {folder.path!r} that was made",
                hint="an input may name what the step before really makes",
            )


def _is_taken(made: Artifact, wanted: str) -> bool:
    """Tell whether a glob that could mean something in a folder takes what turned out a file."""
    return made.kind == "file" and glob_matches(wanted, made.path)
