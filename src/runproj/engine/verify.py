"""Judging a run that was done again against what it was."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from runproj.engine.audit import Detective
from runproj.engine.judge import Judge
from runproj.errors import CannotRerun, EnvironmentFailed, RunprojError, UsageError
from runproj.ports import Annotations, ObjectStore
from runproj.record.compare import worst
from runproj.record.program import replaced
from runproj.record.run import Run
from runproj.record.verdict import Annotation, Verdict


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
        verdict = self.verdict(past)
        self.annotations.annotate(past.id, Annotation(kind="verdict", verdict=verdict))
        return verdict

    def verdict(self, past: Run) -> Verdict:
        """Do a run again and judge what came out; the verdict is not kept.

        Raises:
            UsageError: the run did not succeed, so there is nothing to compare with.
        """
        try:
            again = self.rerun(checked(past))
        except (CannotRerun, EnvironmentFailed) as error:
            return self.cannot(error)
        return self.judge(past, again)

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
        judge, old, new = Judge(self.objects), past.by_name, again.by_name
        judgements = tuple(
            judgement
            for step in past.plan.steps
            for judgement in judge.step(step, old.get(step.name), new.get(step.name))
        )
        word = worst(one.likeness for one in judgements if one.likeness != "ignored")
        different = (one.step for one in judgements if one.likeness == "different")
        first = next(different, None)
        notes = tuple(_other_interpreters(past, again))
        causes = () if first is None or again.perturbed else self._causes(past, again, first)
        return Verdict(
            word="equivalent" if word == "identical" and notes else word,
            at=self.now(),
            runproj_version=self.version,
            rerun=again.id,
            judgements=judgements,
            first_different=first,
            notes=(*notes, *causes),
        )

    def _causes(self, past: Run, again: Run, name: str) -> tuple[str, ...]:
        """Return what may have made a step differ, as far as it can be seen."""
        old, new = past.step(name), again.step(name)
        if old is None or new is None:
            return ()
        found = Detective(self.objects).likely(old, new, past.host, again.host)
        return tuple(f"likely in {name}: {cause}" for cause in found)


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


def _other_interpreters(past: Run, again: Run) -> Iterator[str]:
    """Yield what differs between the environments of then and now."""
    said = set[object]()
    steps = again.by_name
    for old in past.steps:
        new = steps.get(old.name)
        if old.environment is None or new is None or new.environment is None:
            continue
        for program in replaced(old.environment.programs, new.environment.programs):
            if program not in said:
                said.add(program)
                yield f"machine: {program.text}"
        before, after = old.environment.facts, new.environment.facts
        for name in before.keys() & after.keys():
            text = f"environment {old.environment.name}: {name} {before[name]} → {after[name]}"
            if before[name] != after[name] and text not in said:
                said.add(text)
                yield text
