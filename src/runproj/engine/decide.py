"""Whether a step must execute, and why."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runproj.engine.supply import Supply
from runproj.errors import Problem, StoreError, UsageError
from runproj.lock.formats import format_of
from runproj.model import EMPTY, from_json
from runproj.plan import reasons as explaining
from runproj.plan.fingerprint import Fingerprint, fingerprint, source_digest, visible
from runproj.plan.plan import EnvironmentPin, Plan, PlannedStep, Reason
from runproj.plan.selection import is_one_of
from runproj.ports import ObjectStore, RunStore, SourceControl
from runproj.record.artifact import Artifact
from runproj.record.audit import Audit
from runproj.record.events import Decision
from runproj.record.observation import Observation, SeenSource
from runproj.record.run import StepRun
from runproj.record.source import SourceSnapshot


class Judged(NamedTuple):
    """A decision with what it rests on: the fingerprint, and the step run that can be taken.

    One that is executed although it could be taken is audited.
    """

    decision: Decision
    fingerprint: Fingerprint | None = None
    known: StepRun | None = None


@dataclass
class Decider:
    """Decides about the steps of one plan.

    ``force`` executes every step, ``forced`` names some; what is ``held`` does not execute.
    ``project`` is the name under which the store knows it; ``look`` tells what stands at a path of
    the machine now; ``audit`` executes some steps that could be taken. ``prior`` are step runs of a
    run that is resumed: what is done there is not done again.
    """

    plan: Plan
    snapshot: SourceSnapshot
    project: str
    platform: str
    supply: Supply
    source: SourceControl
    objects: ObjectStore
    runs: RunStore
    look: Callable[[str], str | None]
    force: bool = False
    audit: Audit | None = None
    forced: Collection[str] = ()
    held: Collection[str] = ()
    prior: Mapping[str, StepRun] = field(default_factory=dict)
    _digests: dict[tuple[str, ...] | None, str] = field(default_factory=dict)
    _outside: dict[str, bool] = field(default_factory=dict)
    _sources: dict[tuple[str, ...] | None, SeenSource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hidden = frozenset(self.plan.hidden)
        self.pins: Mapping[str, EnvironmentPin] = {pin.name: pin for pin in self.plan.environments}

    def decide_all(
        self, before: Mapping[str, Judged] = EMPTY, ended: Mapping[str, StepRun] = EMPTY
    ) -> dict[str, Judged]:
        """Decide as far as it can be known before anything else executes.

        Args:
            before: what was decided before the plan grew; that holds unless it is pending.
            ended: the steps of this run that ended before the plan grew.

        Raises:
            UsageError: a step that is held has no current result.
        """
        judged: dict[str, Judged] = {}
        done = {name: one for name, one in ended.items() if one.done}
        for step in self.plan.steps:
            if step.name in before and before[step.name].decision.action != "pending":
                judged[step.name] = one = before[step.name]
                if one.known is not None and one.decision.action == "cached":
                    done[step.name] = one.known
                continue
            if step.foreach is not None:
                judged[step.name] = self._waits(step.name, step.foreach.step)
                continue
            open_ = [name for name in step.after if name not in done]
            certain = self._is_forced(step) or not step.cache
            if open_ and not (certain and step.name not in self.prior):
                judged[step.name] = self._waits(step.name, open_[0])
                continue
            judged[step.name] = one = self.decide(step, done) if not open_ else self._must(step)
            if one.known is not None and one.decision.action == "cached":
                done[step.name] = one.known
        if self.held and not self._grows(judged):
            self._check_held(judged)
        return judged

    def _grows(self, judged: Mapping[str, Judged]) -> bool:
        """Tell whether a list is there already, so that all is decided again with its items."""
        makers = (step.foreach.step for step in self.plan.steps if step.foreach is not None)
        return any(judged[name].decision.action == "cached" for name in makers)

    def _waits(self, step: str, other: str) -> Judged:
        return Judged(Decision(step, "pending", (Reason(kind="upstream", name=other),)))

    def _check_held(self, judged: Mapping[str, Judged]) -> None:
        problems = []
        for name in (one.name for one in self.plan.steps if one.name in self.held):
            decision = judged[name].decision
            if decision.action == "cached" or {one.name for one in decision.reasons} & {*self.held}:
                continue
            why = f"it has no current result: {decision.text}"
            if decision.action == "pending":
                why = f"whether its last result is current is known only {decision.text}"
            problems.append(
                Problem(
                    f"{self._needed(name)}; {why}",
                    hint=f"let {name!r} run, too",
                )
            )
        if problems:
            raise UsageError.of(problems)

    def _needed(self, name: str) -> str:
        """Say who needs a step that is left out."""
        after = [one for one in self.plan.steps if name in one.after and one.name not in self.held]
        for step in after:
            for item in step.inputs:
                if item.step == name:
                    return f"the step {step.name!r} needs {item.path}, which {name!r} makes"
        if after:
            return f"the step {after[0].name!r} comes after {name!r}, which is left out"
        return f"the step {name!r} is left out"

    def _is_forced(self, step: PlannedStep) -> bool:
        return step.name not in self.held and (self.force or is_one_of(step.name, self.forced))

    def _must(self, step: PlannedStep) -> Judged:
        kind = Reason(kind="forced") if self._is_forced(step) else Reason(kind="uncached")
        return Judged(Decision(step.name, "run", (kind,)))

    def decide(self, step: PlannedStep, done: Mapping[str, StepRun]) -> Judged:
        """Decide about a step when all steps before it are ``done``."""
        now = self.fingerprint(step, done)
        if self._is_prior(step, now):
            prior = self.prior[step.name]
            reason = Reason(kind="resumed", name=(prior.cached_from or "").partition("/")[0])
            return Judged(Decision(step.name, "cached", (reason,)), now, prior)
        if self._is_forced(step) or (not step.cache and step.name not in self.held):
            return Judged(self._must(step).decision, now)
        obstacles: list[Reason] = []
        looks_outside = False
        for run_id, known in self.runs.find(now):
            same = known.fingerprint is not None and known.fingerprint.digest == now.digest
            if not same and not self._is_unread(step, known):
                continue
            if known.trace is None and looks_outside:
                continue  # nobody knows what it found there
            looks_outside |= known.trace is not None and known.trace.outside > 0
            obstacle = self._obstacle(step, known)
            if obstacle is None:
                reason = Reason(kind="unchanged" if same else "unread", name=run_id)
                taken = known.replace(cached_from=f"{run_id}/{known.name}", audited=None)
                audited = self.audit is not None and self.audit.takes(step.name)
                if audited and step.name not in self.held:
                    reason = Reason(kind="audit", name=run_id)
                    return Judged(Decision(step.name, "run", (reason,)), now, taken)
                return Judged(Decision(step.name, "cached", (reason,)), now, taken)
            obstacles.append(obstacle)
        reasons = tuple(obstacles[:1]) or self._reasons(step, now)
        return Judged(Decision(step.name, "run", reasons), now)

    def _is_prior(self, step: PlannedStep, now: Fingerprint) -> bool:
        """Tell whether the run that is resumed has done a step, with what it gets now."""
        prior = self.prior.get(step.name)
        return (
            prior is not None
            and prior.fingerprint is not None
            and prior.fingerprint.digest == now.digest
            and self._obstacle(step, prior) is None
        )

    def _is_unread(self, step: PlannedStep, known: StepRun) -> bool:
        """Tell whether all that a step run saw of the source is as it was.

        What began with what another attempt left need not have read again what that one had read.
        """
        if known.resumed_from is not None:
            return False
        seen = self._observation(known)
        if seen is None or seen.gap is not None:
            return False
        return self.seen_source(step).digest(seen.paths, seen.listings) == seen.seen

    def _obstacle(self, step: PlannedStep, known: StepRun) -> Reason | None:
        """Return why a step run with the right fingerprint does not serve."""
        for output in known.outputs:
            if not self._has(output):
                return Reason(kind="missing", name=output.path)
        if step.hermetic and not known.hermetic:
            return Reason(kind="unconfined")
        if step.trace and known.trace is None:
            return Reason(kind="untraced")
        if known.network != step.networked and (known.network or not known.hermetic):
            return Reason(kind="network", before=known.network, after=step.networked)
        if known.trace is not None and known.trace.outside:
            seen = self._observation(known)
            if seen is None:
                return Reason(kind="untraced")
            for path, content in seen.outside.items():
                if self.look(path) != content:
                    return Reason(kind="undeclared", name=path)
        return None

    def _observation(self, known: StepRun) -> Observation | None:
        """Return what was observed of a step run; None when nothing was, or it is gone."""
        if known.trace is None:
            return None
        try:
            return from_json(Observation, self.objects.read(known.trace.observation))
        except StoreError:
            return None

    def seen_source(self, step: PlannedStep) -> SeenSource:
        """Return the part of the source that a step sees."""
        if step.sources not in self._sources:
            seen = visible(self.supply.manifest, step.sources, self.hidden)
            self._sources[step.sources] = SeenSource(seen)
        return self._sources[step.sources]

    def _last(self, step: PlannedStep) -> tuple[str, StepRun] | None:
        """Return the latest success of a step; whether it looked outside is kept in mind."""
        last = self.runs.last(self.project, self.plan.entry_point, step.name)
        trace = None if last is None else last[1].trace
        self._outside[step.name] = trace is not None and trace.outside > 0
        return last

    def looked_outside(self, step: PlannedStep) -> bool:
        """Tell whether the step looked at something undeclared when it was last executed."""
        if step.name not in self._outside:
            self._last(step)
        return self._outside[step.name]

    def _has(self, output: Artifact) -> bool:
        try:
            return self.objects.has(output)
        except StoreError:
            return False  # the list of a folder's files is damaged: the step makes it again

    def fingerprint(self, step: PlannedStep, done: Mapping[str, StepRun]) -> Fingerprint:
        """Compute the fingerprint of a step when all steps before it are ``done``."""
        given = self.supply.artifacts(step, done)
        return fingerprint(
            step,
            environment=self.pins[step.environment].key,
            source=self._source(step.sources),
            inputs=self.supply.digests(step, given),
            platform=self.platform,
            tree=self.snapshot.tree,
        )

    def _source(self, sources: tuple[str, ...] | None) -> str:
        if sources not in self._digests:
            seen = visible(self.supply.manifest, sources, self.hidden)
            self._digests[sources] = source_digest(seen)
        return self._digests[sources]

    def _reasons(self, step: PlannedStep, now: Fingerprint) -> tuple[Reason, ...]:
        last = self._last(step)
        if last is None or last[1].fingerprint is None:
            return (Reason(kind="new"),)
        before = last[1].fingerprint
        if before.digest == now.digest and not last[1].reusable:
            return (Reason(kind="damaged", name=last[0]),)
        return explaining.reasons(
            before,
            now,
            packages=self._packages(step, last[1]),
            files=self._files(step, before.tree, self._observation(last[1])),
        )

    def _packages(
        self, step: PlannedStep, last: StepRun
    ) -> Iterable[tuple[str, str | None, str | None]]:
        """Return name, old and new version of what differs in the environment, Python included."""
        pin = self.pins[step.environment]
        old = last.environment
        if old is None or old.kind != pin.kind:
            return ()
        facts = changed_facts(old.facts, pin.facts)
        known = format_of(pin.kind)
        if known is None or old.lock == pin.lock:
            return facts
        try:
            locks = self.objects.read(old.lock).decode(), self.objects.read(pin.lock).decode()
            return [*facts, *known.difference(*locks)]
        except StoreError:
            return facts  # the old lock is gone; that it differs is known all the same

    def _files(self, step: PlannedStep, tree: str, seen: Observation | None) -> list[str]:
        """Return the files that differ between the step's source then and now.

        Where it is known what the step looked at, only those, if they are among them.
        """
        if tree == self.snapshot.tree:
            return []
        try:
            manifest = below(self.source.manifest(tree), self.snapshot.project_path)
        except StoreError:
            return []  # the old snapshot is gone; that it differs is known all the same
        old = visible(manifest, step.sources, self.hidden)
        new = visible(self.supply.manifest, step.sources, self.hidden)
        changed = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
        looked_at = [
            path
            for path in changed
            if seen is not None
            and seen.covers(path, came_or_went=path not in old or path not in new)
        ]
        return looked_at or changed


def changed_facts(
    old: Mapping[str, str], new: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """Return name, old and new of what differs besides the locks of two environments.

    >>> changed_facts({"python": "3.11.2"}, {"python": "3.12.1"})
    [('python', '3.11.2', '3.12.1')]
    """
    return [
        (name, old.get(name), new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


def below(manifest: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return a manifest with paths relative to a folder of it; ``../`` leads out of the folder.

    >>> below({"a/x": "1", "b": "2"}, "a")
    {'x': '1', '../b': '2'}
    """
    if not folder:
        return dict(manifest)
    prefix, up = folder + "/", "../" * (folder.count("/") + 1)
    return {
        path[len(prefix) :] if path.startswith(prefix) else up + path: entry
        for path, entry in manifest.items()
    }
