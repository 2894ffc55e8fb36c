"""Doing a past run again, from its record and the store alone."""

from typing import NamedTuple

from runproj.engine.decide import Decider, Judged, below
from runproj.engine.pin import Pinned, as_lock
from runproj.engine.prepare import Prepared
from runproj.engine.supply import Supply
from runproj.errors import CannotRerun, Problem, StoreError
from runproj.lock.lock import Declaration
from runproj.model import from_json
from runproj.plan.plan import EnvironmentPin, Reason
from runproj.ports import ObjectStore, RunStore, SourceControl
from runproj.record.artifact import Artifact
from runproj.record.events import Decision
from runproj.record.run import Run


class Rerunner(NamedTuple):
    """Prepares reruns."""

    source: SourceControl
    objects: ObjectStore
    runs: RunStore
    platform: str

    def prepare(self, run: Run) -> Prepared:
        """Prepare what a past run did, with every step to be executed.

        Raises:
            CannotRerun: with everything that is missing.
        """
        problems: list[Problem] = []
        manifest = self._manifest(run, problems)
        pinned = {pin.name: self._pinned(pin, problems) for pin in run.plan.environments}
        files = {artifact.path: artifact for artifact in run.inputs}
        problems += [
            Problem(f"the input {path} is no longer in the store")
            for path, artifact in files.items()
            if not self._has(artifact)
        ]
        if problems:
            raise CannotRerun.of(problems)
        supply = Supply(manifest, files, self.objects)
        decider = Decider(
            run.plan, run.source, run.project, self.platform, supply,
            self.source, self.objects, self.runs, force=True,
        )  # fmt: skip
        reason = (Reason(kind="rerun", name=run.id),)
        judged = {step.name: Judged(Decision(step.name, "run", reason)) for step in run.plan.steps}
        return Prepared(
            run.project, run.project_file, run.source, run.plan,
            {name: one for name, one in pinned.items() if one is not None},
            files, decider, judged,
        )  # fmt: skip

    def _has(self, artifact: Artifact) -> bool:
        try:
            return self.objects.has(artifact)
        except StoreError:
            return False  # the list of a folder's members is damaged

    def _manifest(self, run: Run, problems: list[Problem]) -> dict[str, str]:
        try:
            return below(self.source.manifest(run.source.tree), run.source.project_path)
        except StoreError as error:
            problems.append(Problem(f"the source snapshot is gone: {error}", run.source.tree))
            return {}

    def _pinned(self, pin: EnvironmentPin, problems: list[Problem]) -> Pinned | None:
        try:
            declaration = from_json(Declaration, self.objects.read(pin.declaration))
            lock = as_lock(pin.kind, self.objects.read(pin.lock).decode())
        except StoreError as error:
            problems.append(Problem(f"the lock of the environment {pin.name!r} is gone: {error}"))
            return None
        return Pinned(pin, declaration, lock)
