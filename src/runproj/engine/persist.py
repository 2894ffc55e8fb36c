"""What a step leaves for its next attempt, in the folders that it declares with ``persist``."""

import posixpath
from typing import NamedTuple

from runproj.model import from_json
from runproj.ports import ObjectStore
from runproj.record.artifact import Artifact, FolderManifest
from runproj.record.run import Run, StepRun


class Left(NamedTuple):
    """What an attempt left: ``origin`` says which one, ``attempt N`` or ``RUN/STEP``.

    ``fingerprint`` is the digest of what the attempt was made of, ``place`` the project folder of
    the workspace that it lost when its run was killed: what stands there is newer than the
    artifacts.
    """

    origin: str
    artifacts: tuple[Artifact, ...]
    fingerprint: str | None = None
    place: str | None = None


def left_by(run: Run, step: StepRun) -> Left | None:
    """Return what a step run left, None where it left nothing that may be used.

    What a step did that it must not, or did in an environment that was changed, goes no further.
    """
    if step.denied or not step.reusable or step.fingerprint is None:
        return None
    place = None
    if step.status == "interrupted" and step.workspace is not None:
        place = _below(step.workspace, run.source.project_path)
    if not step.persisted and place is None:
        return None
    return Left(f"{run.id}/{step.name}", step.persisted, step.fingerprint.digest, place)


def keep(objects: ObjectStore, project: str, folders: tuple[str, ...]) -> tuple[Artifact, ...]:
    """Keep the folders that persist, of a project folder in a workspace; empty ones need not be.

    They are copied, not moved: whoever interrupts this still has them.

    Raises:
        UsageError: one is not there, or cannot be kept.
        StoreError: the store cannot be written.
    """
    kept = [objects.put(_below(project, folder), folder) for folder in folders]
    return tuple(one for one in kept if not _is_empty(objects, one))


def _below(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _is_empty(objects: ObjectStore, one: Artifact) -> bool:
    if one.kind == "file":
        return False
    return not from_json(FolderManifest, objects.read(one.sha256)).members
