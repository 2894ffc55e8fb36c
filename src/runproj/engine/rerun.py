"""Doing a past run again, from its record and the store alone."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from runproj.engine.decide import Decider, Judged, below
from runproj.engine.persist import Left, left_by
from runproj.engine.pin import Pinned, as_lock
from runproj.engine.prepare import Prepared
from runproj.engine.supply import Supply
from runproj.errors import CannotRerun, NoSuchRun, Problem, StoreError, UsageError
from runproj.lock.lock import Declaration
from runproj.model import from_json
from runproj.plan.plan import EnvironmentPin, Plan, Reason
from runproj.ports import ObjectStore, RunStore, SourceControl
from runproj.record.artifact import Artifact
from runproj.record.events import Decision
from runproj.record.run import Run, StepRun


class Rerunner(NamedTuple):
    """Prepares reruns."""

    source: SourceControl
    objects: ObjectStore
    runs: RunStore
    platform: str
    look: Callable[[str], str | None]

    def prepare(self, run: Run, step: str | None = None) -> Prepared:
        """Prepare what a past run did.

        Args:
            run: the past run.
            step: the only step to be executed; it gets what the steps before it made then. None:
                every step is executed.

        Raises:
            CannotRerun: with everything that is missing.
        """
        problems: list[Problem] = []
        if run.interactive:
            raise CannotRerun(
                "it was done in a notebook or an interactive shell: no command does it again",
                hint="a script that calls runproj.start_run can be done again",
            )
        plan = run.plan if step is None else _up_to(run.plan, step)
        if plan.open:
            raise CannotRerun(
                f"the run ended before the instances of {plan.open[0]!r} were known",
                hint=f"'runproj resume {run.id}' goes on with it",
            )
        manifest = self.manifest(run, problems)
        pinned = self.pinned(plan.environments, problems)
        files = {artifact.path: artifact for artifact in run.inputs}
        problems += self.missing(files.values())
        given = {
            one.name: self._made(run, one.name, problems)
            for one in plan.steps
            if step not in (None, one.name)
        }
        if problems:
            raise CannotRerun.of(problems)
        supply = Supply(manifest, files, self.objects)
        decider = Decider(
            plan, run.source, run.project, self.platform, supply,
            self.source, self.objects, self.runs, self.look, force=True,
        )  # fmt: skip
        reason = (Reason(kind="rerun", name=run.id),)
        judged = {
            one.name: Judged(Decision(one.name, "run", reason))
            if given.get(one.name) is None
            else Judged(Decision(one.name, "cached", reason), known=given[one.name])
            for one in plan.steps
        }
        return Prepared(
            run.project, run.project_file, run.source, plan,
            pinned, files, decider, judged,
            {name: one for name, one in run.packages.items() if name in pinned},
        )  # fmt: skip

    def resume(self, run: Run) -> Prepared:
        """Prepare to go on with a run that did not come to its end: what is done is not done again.

        A rerun executes what is left, as it would have; other runs take from the cache what is
        current.

        Raises:
            UsageError: it ended, or it only shows whether outputs are stable.
            CannotRerun: with everything that is missing.
        """
        if run.perturbed:
            raise UsageError(
                f"{run.id} was a repeat of 'verify --times', which is not resumed",
                hint=f"runproj verify {run.rerun_of} --times …",
            )
        problems: list[Problem] = []
        manifest = self.manifest(run, problems)
        pinned = self.pinned(run.plan.environments, problems)
        files = {artifact.path: artifact for artifact in run.inputs}
        problems += self.missing(files.values())
        if problems:
            raise CannotRerun.of(problems)
        decider = Decider(
            run.plan, run.source, run.project, self.platform,
            Supply(manifest, files, self.objects),
            self.source, self.objects, self.runs, self.look,
            force=(run.rerun_of is not None and not run.variation), prior=self.prior(run),
        )  # fmt: skip
        return Prepared(
            run.project, run.project_file, run.source, run.plan,
            pinned, files, decider, decider.decide_all(),
            {name: one for name, one in run.packages.items() if name in pinned},
            left=self.left(run),
        )  # fmt: skip

    def prior(self, run: Run) -> dict[str, StepRun]:
        """Return what is done of a run, and of those that it went on with."""
        found: dict[str, StepRun] = {}
        for one in self._chain(run):
            for step in one.steps:
                if step.done and step.reusable and step.name not in found:
                    taken = step.cached_from or f"{one.id}/{step.name}"
                    found[step.name] = step.replace(cached_from=taken, audited=None)
        return found

    def left(self, run: Run) -> dict[str, Left]:
        """Return what the last attempts of steps left, of a run and those that it went on with."""
        found: dict[str, Left | None] = {}
        for one in self._chain(run):
            for step in one.steps:
                if step.started_at is not None and step.name not in found:
                    found[step.name] = left_by(one, step)
        return {name: left for name, left in found.items() if left is not None}

    def _chain(self, run: Run) -> Iterator[Run]:
        """Yield a run, and those that it went on with, as far as they are there."""
        one: Run | None = run
        while one is not None:
            yield one
            try:
                one = None if one.resume_of is None else self.runs.load(one.resume_of)
            except (NoSuchRun, StoreError):
                one = None

    def _made(self, run: Run, name: str, problems: list[Problem]) -> StepRun | None:
        """Return a step run whose outputs are given to the steps after it."""
        known = run.step(name)
        if known is None or not known.done:
            problems.append(Problem(f"the step {name!r} before it did not succeed"))
            return None
        problems += [
            Problem(f"the output {output.path} of {name!r} is no longer in the store")
            for output in known.outputs
            if not self._has(output)
        ]
        return known.replace(cached_from=known.cached_from or f"{run.id}/{name}")

    def missing(self, inputs: Iterable[Artifact]) -> list[Problem]:
        """Return a problem for every input that is no longer in the store."""
        return [
            Problem(f"the input {artifact.path} is no longer in the store")
            for artifact in inputs
            if not self._has(artifact)
        ]

    def pinned(self, pins: Iterable[EnvironmentPin], problems: list[Problem]) -> dict[str, Pinned]:
        """Return the environments of a record by name; what is gone is added to the problems."""
        found = {pin.name: self._pinned(pin, problems) for pin in pins}
        return {name: one for name, one in found.items() if one is not None}

    def _has(self, artifact: Artifact) -> bool:
        try:
            return self.objects.has(artifact)
        except StoreError:
            return False  # the list of a folder's members is damaged

    def manifest(self, run: Run, problems: list[Problem]) -> dict[str, str]:
        """Return the files of the source of a run; that it is gone is added to the problems."""
        try:
            return below(self.source.manifest(run.source.tree), run.source.project_path)
        except StoreError as error:
            why = f"the source snapshot is gone: {error}"
            problems.append(Problem(why, run.source.tree, hint=error.problems[0].hint))
            return {}

    def _pinned(self, pin: EnvironmentPin, problems: list[Problem]) -> Pinned | None:
        try:
            declaration = from_json(Declaration, self.objects.read(pin.declaration))
            lock = as_lock(pin.kind, self.objects.read(pin.lock).decode())
        except StoreError as error:
            problems.append(Problem(f"the lock of the environment {pin.name!r} is gone: {error}"))
            return None
        return Pinned(pin, declaration, lock)


def _up_to(plan: Plan, name: str) -> Plan:
    """Return the part of a plan that ends with a step: that step and all before it."""
    by_name = {step.name: step for step in plan.steps}
    wanted, pending = set[str](), [name]
    while pending:
        step = by_name[pending.pop()]
        if step.name not in wanted:
            wanted.add(step.name)
            pending += step.after
    steps = tuple(step for step in plan.steps if step.name in wanted)
    used = {step.environment for step in steps}
    pins = tuple(pin for pin in plan.environments if pin.name in used)
    return plan.replace(steps=steps, environments=pins)
