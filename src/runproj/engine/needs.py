"""What runs refer to in the store: what a check looks for, and what nothing may remove."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from runproj.record.artifact import Artifact
from runproj.record.health import Role, Use
from runproj.record.registry import Version
from runproj.record.run import Run, StepRun


class Needs(NamedTuple):
    """What runs refer to: digests of objects with their uses, and trees with theirs.

    ``folders`` are those objects that list further ones.
    """

    objects: dict[str, dict[Use, None]]
    folders: dict[str, None]
    trees: dict[str, list[Use]]


def needs_of(runs: Iterable[Run], *, outputs: bool, versions: Iterable[Version] = ()) -> Needs:
    """Return what runs refer to; without ``outputs``, what is needed to do them again.

    ``versions`` are those of registered models.
    """
    needs = Needs(defaultdict(dict), {}, defaultdict(list))

    def add(sha256: str, use: Use) -> None:
        needs.objects[sha256][use] = None  # thousands of steps may use the same

    for run in runs:
        needs.trees[run.source.tree].append(Use(run=run.id, role="source"))
        for sha256, use in _of_run(run):
            add(sha256, use)
        for artifact, use in _artifacts(run, outputs=outputs):
            if artifact.kind == "folder":
                needs.folders[artifact.sha256] = None
            add(artifact.sha256, use)
        for step in run.steps if outputs else ():
            for sha256, use in _of_step(run, step):
                add(sha256, use)
    for version in versions:
        _add_version(needs, version)
    return needs


def _add_version(needs: Needs, version: Version) -> None:
    """Add what a version refers to by itself: its run may be gone."""
    origin = version.origin
    use = Use(run=origin.run, step=origin.step, role="model", path=version.reference)
    if origin.model.kind == "folder":
        needs.folders[origin.model.sha256] = None
    needs.objects[origin.model.sha256][use] = None
    if origin.environment is not None:
        needs.objects[origin.environment.lock][use] = None


def _artifacts(run: Run, *, outputs: bool) -> Iterator[tuple[Artifact, Use]]:
    """Yield the artifacts of a run with their uses."""

    def use(artifact: Artifact, role: Role, step: str | None = None) -> tuple[Artifact, Use]:
        return artifact, Use(run=run.id, step=step, role=role, path=artifact.path)

    yield from (use(artifact, "input") for artifact in run.inputs)
    yield from (use(artifact, "packages") for artifact in run.packages.values())
    for step in run.steps if outputs else ():
        yield from (use(artifact, "input", step.name) for artifact in step.inputs)
        yield from (use(output, "output", step.name) for output in step.outputs)
        yield from (use(artifact, "persisted", step.name) for artifact in step.persisted)
        if step.tracked is not None:
            logged = (*step.tracked.artifacts, *step.tracked.models)
            yield from (use(artifact, "artifact", step.name) for artifact in logged)


def _of_run(run: Run) -> Iterator[tuple[str, Use]]:
    """Yield digest and use of what a run refers to besides its artifacts."""
    for pin in run.plan.environments:
        yield pin.declaration, Use(run=run.id, role="declaration", path=pin.name)
        yield pin.lock, Use(run=run.id, role="lock", path=pin.name)


def _of_step(run: Run, step: StepRun) -> Iterator[tuple[str, Use]]:
    """Yield digest and use of what a step run refers to besides its artifacts."""
    if step.environment is not None:
        name = step.environment.name
        yield step.environment.lock, Use(run=run.id, step=step.name, role="lock", path=name)
    if step.trace is not None:
        yield step.trace.observation, Use(run=run.id, step=step.name, role="observation")
    if step.usage is not None:
        yield step.usage.points, Use(run=run.id, step=step.name, role="metrics")
    if step.tracked is not None:
        for sha256 in filter(None, {step.tracked.points, step.tracked.curves}):
            yield sha256, Use(run=run.id, step=step.name, role="metrics")
