"""What a step finds when it begins: its workspace, its variables, its container."""

import posixpath
from collections.abc import Mapping
from typing import NamedTuple

from runproj.engine.prepare import Prepared
from runproj.engine.variables import elsewhere, process_variables
from runproj.model import EMPTY
from runproj.plan.fingerprint import visible
from runproj.plan.plan import PlannedStep
from runproj.ports import Container, Furnishing, PreparedEnvironment, Volume
from runproj.record.artifact import Artifact
from runproj.record.source import SourceSnapshot


class Room(NamedTuple):
    """The folders of a workspace, see :class:`~runproj.ports.Workspace`."""

    root: str
    project: str
    temporary: str

    @property
    def client(self) -> str:
        """What steps have in common to tell of themselves, beside their workspaces."""
        return f"{posixpath.dirname(self.root)}/client"


def furnishing(
    prepared: Prepared, step: PlannedStep, given: tuple[Artifact, ...],
    persisted: tuple[Artifact, ...] = (),
) -> Furnishing:  # fmt: skip
    """Return what the workspace of a step is made of.

    ``given`` are its inputs from elsewhere, ``persisted`` what an earlier attempt left.
    """
    manifest = prepared.decider.supply.manifest
    declared = [planned.path for planned in step.inputs if planned.kind == "source"]
    seen = visible(manifest, step.sources, prepared.decider.hidden, declared)
    folder = prepared.snapshot.project_path
    return Furnishing(
        name=step.name,
        tree=prepared.snapshot.tree,
        project_path=folder,
        files=None
        if len(seen) == len(manifest)
        else frozenset(joined(folder, path) for path in seen),
        inputs=given,
        outputs=tuple(output.path for output in step.outputs),
        persist=step.persist,
        persisted=persisted,
    )


def variables(  # noqa: PLR0913 -- a process is made of so much
    step: PlannedStep,
    environment: PreparedEnvironment,
    room: Room,
    snapshot: SourceSnapshot,
    *,
    caller: Mapping[str, str],
    run_id: str,
    contained: bool,
    perturbed: Mapping[str, str] = EMPTY,
) -> dict[str, str]:
    """Return all variables of a step's process in a workspace."""
    about = {
        "RUNPROJ_RUN_ID": run_id,
        "RUNPROJ_STEP": step.name,
        "RUNPROJ_TREE": snapshot.tree,
        "RUNPROJ_COMMIT": snapshot.commit or "",
        "TMPDIR": room.temporary,
        "GIT_CEILING_DIRECTORIES": room.root.rpartition("/")[0],
    }
    if step.hermetic or contained:  # what stands in the caller's home is not declared
        about["HOME"] = room.temporary
    return process_variables(
        step,
        environment=environment.variables(room.project),
        caller=elsewhere(caller) if contained else caller,
        about=about,
        run_id=run_id,
        workspace=room.root,
        perturbed=perturbed,
    )


def container(made: Container | None, room: Room, step: PlannedStep) -> Container | None:
    """Return the container of a step: its workspace is in it, and nothing else of here.

    It may use as much as the step says that it needs.
    """
    if made is None:
        return None
    memory = step.resources.get("memory")
    sizes = [size for size in (made.memory, memory and int(memory)) if size]
    made = made._replace(
        folders=(room.root, room.temporary),
        volumes=(*made.volumes, Volume(room.client, room.client)),
        memory=min(sizes, default=None),
        cores=step.resources.get("cpus"),
    )
    return made if step.networked else made._replace(network="none")


def joined(folder: str, path: str) -> str:
    """Return a path below a folder, without what leads back and forth."""
    return posixpath.normpath(posixpath.join(folder, path))
