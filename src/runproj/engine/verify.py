"""Judging a run that was done again against what it was."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from runproj.errors import CannotRerun, EnvironmentFailed, RunprojError, UsageError
from runproj.model import from_json
from runproj.plan.plan import PlannedOutput, PlannedStep
from runproj.ports import Annotations, ObjectStore
from runproj.record.artifact import Artifact, FolderManifest, FolderMember
from runproj.record.compare import (
    SAME,
    Comparison,
    Likeness,
    Tolerance,
    compare,
    compare_metrics,
    worst,
)
from runproj.record.run import Run, StepRun
from runproj.record.verdict import Annotation, Judgement, Verdict
from runproj.spec.project import Comparer

_MOST = 256_000_000  # larger files are not looked into for the first byte that differs


class Verifier(NamedTuple):
    """Verifies runs of one store.

    ``rerun`` does a run again and returns its record; ``now`` returns the time in ISO 8601.
    """

    objects: ObjectStore
    annotations: Annotations
    rerun: Callable[[Run], Run]
    now: Callable[[], str]
    version: str

    def verify(self, past: Run) -> Verdict:
        """Do a run again, judge what came out, and keep the verdict with the run.

        Raises:
            UsageError: the run did not succeed, so there is nothing to compare with.
        """
        try:
            again = self.rerun(checked(past))
        except (CannotRerun, EnvironmentFailed) as error:
            verdict = self.cannot(error)
        else:
            verdict = self.judge(past, again)
        self.annotations.annotate(past.id, Annotation(kind="verdict", verdict=verdict))
        return verdict

    def cannot(self, error: RunprojError) -> Verdict:
        """Return the verdict on a run that cannot be done again."""
        notes = tuple(
            one.message if one.where is None else f"{one.message} ({one.where})"
            for one in error.problems
        )
        return Verdict(
            word="cannot rerun", at=self.now(), runproj_version=self.version, notes=notes
        )

    def judge(self, past: Run, again: Run) -> Verdict:
        """Return the verdict on a run that was done again."""
        judgements = tuple(
            judgement
            for step in past.plan.steps
            for judgement in self.judge_step(step, past.step(step.name), again.step(step.name))
        )
        word = worst(one.likeness for one in judgements if one.likeness != "ignored")
        different = (one.step for one in judgements if one.likeness == "different")
        notes = tuple(_other_interpreters(past, again))
        return Verdict(
            word="equivalent" if word == "identical" and notes else word,
            at=self.now(),
            runproj_version=self.version,
            rerun=again.id,
            judgements=judgements,
            first_different=next(different, None),
            notes=notes,
        )

    def judge_step(
        self, planned: PlannedStep, old: StepRun | None, new: StepRun | None
    ) -> Iterator[Judgement]:
        """Yield how the outputs and metrics of a step compare with what they were.

        Of a step that did not come to its end there is one judgement, with ``path`` None.
        """
        name = planned.name
        if old is None or new is None or not new.done:
            why = "it was not executed" if new is None else f"the step {new.status}"
            if new is not None and new.error:
                why += f": {new.error}"
            yield Judgement(step=name, path=None, likeness="different", difference=why)
            return
        declared = {output.path: output for output in planned.outputs}
        before = {output.path: output for output in old.outputs}
        after = {output.path: output for output in new.outputs}
        for path in dict.fromkeys([*before, *after]):
            how = declared.get(path, PlannedOutput(path=path))
            if how.compare == "ignore":
                yield Judgement(step=name, path=path, likeness="ignored")
                continue
            found = self._output(how, before.get(path), after.get(path))
            yield Judgement(
                step=name, path=path, likeness=found.likeness, difference=found.difference
            )
        found = _metrics(planned, old, new)
        if found.likeness != "identical":
            yield Judgement(
                step=name, path=None, likeness=found.likeness, difference=found.difference
            )

    def _output(self, how: PlannedOutput, old: Artifact | None, new: Artifact | None) -> Comparison:
        if old is None or new is None:
            return Comparison("different", "it was not made" if new is None else "it is new")
        if new.kind != old.kind:
            return Comparison("different", f"{old.kind} → {new.kind}")
        if new.executable != old.executable:
            return Comparison("different", f"executable: {old.executable} → {new.executable}")
        if new.sha256 == old.sha256:
            return SAME
        tolerance = Tolerance(how.rtol or 0.0, how.atol or 0.0)
        if new.kind == "folder":
            return self._folder(how.compare, new, old, tolerance)
        return self._file(how.compare, new, old, tolerance)

    def _file(
        self, how: Comparer, new: Artifact | FolderMember, old: Artifact | FolderMember,
        tolerance: Tolerance,
    ) -> Comparison:  # fmt: skip
        if max(new.size, old.size) > _MOST:
            digests = f"{str(old.sha256)[:12]} → {str(new.sha256)[:12]}"
            return Comparison("different", f"sha256 {digests} (too large to look into)")
        after, before = (self.objects.read(one.sha256 or "") for one in (new, old))
        return compare(how, after, before, tolerance)

    def _folder(
        self, how: Comparer, new: Artifact, old: Artifact, tolerance: Tolerance
    ) -> Comparison:
        """Compare member by member; what is said is about the first that differs."""
        after, before = self._members(new), self._members(old)
        found: list[Comparison] = []
        for path in sorted({*before, *after}):
            one = self._member(how, after.get(path), before.get(path), tolerance)
            if one.likeness == "different":
                return Comparison("different", f"{path}: {one.difference}")
            found.append(one)
        likeness: Likeness = worst(one.likeness for one in found)
        return Comparison(likeness)

    def _members(self, folder: Artifact) -> Mapping[str, FolderMember]:
        manifest = from_json(FolderManifest, self.objects.read(folder.sha256))
        return {member.path: member for member in manifest.members}

    def _member(
        self, how: Comparer, new: FolderMember | None, old: FolderMember | None,
        tolerance: Tolerance,
    ) -> Comparison:  # fmt: skip
        if new == old:
            return SAME
        if new is None or old is None:
            return Comparison("different", "it was not made" if new is None else "it is new")
        if (new.kind, new.target, new.executable) != (old.kind, old.target, old.executable):
            return Comparison("different", f"{_shown(old)} → {_shown(new)}")
        return self._file(how, new, old, tolerance)


def checked(past: Run) -> Run:
    """Return a run that can be verified.

    Raises:
        UsageError: it did not succeed, so there is nothing to compare with.
    """
    if past.status != "succeeded":
        raise UsageError(
            f"the run {past.id} is {past.status}: only what succeeded can be verified",
            hint=f"runproj rerun {past.id}",
        )
    return past


def _shown(member: FolderMember) -> str:
    target = f" to {member.target}" if member.target else ""
    return f"{'executable ' if member.executable else ''}{member.kind}{target}"


def _metrics(planned: PlannedStep, old: StepRun, new: StepRun) -> Comparison:
    """Compare the metrics, with the widest tolerance of the outputs that hold them."""
    files = [output for output in planned.outputs if output.metrics]
    counting = [output for output in files if output.compare != "ignore"]
    if files and not counting:
        return SAME
    rtol = max((output.rtol or 0.0 for output in counting), default=0.0)
    atol = max((output.atol or 0.0 for output in counting), default=0.0)
    return compare_metrics(new.metrics, old.metrics, Tolerance(rtol, atol))


def _other_interpreters(past: Run, again: Run) -> Iterator[str]:
    """Yield what differs between the environments of then and now."""
    said = set()
    for old in past.steps:
        new = again.step(old.name)
        if old.environment is None or new is None or new.environment is None:
            continue
        before, after = old.environment.facts, new.environment.facts
        for name in before.keys() & after.keys():
            text = f"environment {old.environment.name}: {name} {before[name]} → {after[name]}"
            if before[name] != after[name] and text not in said:
                said.add(text)
                yield text
