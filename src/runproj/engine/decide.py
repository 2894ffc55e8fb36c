"""Whether a step must execute, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from runproj.engine.supply import Supply
from runproj.errors import StoreError
from runproj.lock import pylock
from runproj.plan import reasons as explaining
from runproj.plan.fingerprint import Fingerprint, fingerprint, source_digest, visible
from runproj.plan.plan import EnvironmentPin, Plan, PlannedStep, Reason
from runproj.ports import ObjectStore, RunStore, SourceControl
from runproj.record.artifact import Artifact
from runproj.record.events import Decision
from runproj.record.run import StepRun
from runproj.record.source import SourceSnapshot


class Judged(NamedTuple):
    """A decision with what it rests on: the fingerprint, and the step run that can be taken."""

    decision: Decision
    fingerprint: Fingerprint | None = None
    known: StepRun | None = None


@dataclass
class Decider:
    """Decides about the steps of one plan.

    ``force`` executes every step; ``project`` is the name under which the store knows it.
    """

    plan: Plan
    snapshot: SourceSnapshot
    project: str
    platform: str
    supply: Supply
    source: SourceControl
    objects: ObjectStore
    runs: RunStore
    force: bool = False
    _digests: dict[tuple[str, ...] | None, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pins: Mapping[str, EnvironmentPin] = {pin.name: pin for pin in self.plan.environments}

    def decide_all(self) -> dict[str, Judged]:
        """Decide as far as it can be known before anything executes."""
        judged: dict[str, Judged] = {}
        done: dict[str, StepRun] = {}
        for step in self.plan.steps:
            open_ = [name for name in step.after if name not in done]
            if open_ and step.cache and not self.force:
                reason = Reason(kind="upstream", name=open_[0])
                judged[step.name] = Judged(Decision(step.name, "pending", (reason,)))
                continue
            judged[step.name] = one = self.decide(step, done) if not open_ else self._must(step)
            if one.known is not None and one.decision.action == "cached":
                done[step.name] = one.known
        return judged

    def _must(self, step: PlannedStep) -> Judged:
        kind = Reason(kind="forced") if self.force else Reason(kind="uncached")
        return Judged(Decision(step.name, "run", (kind,)))

    def decide(self, step: PlannedStep, done: Mapping[str, StepRun]) -> Judged:
        """Decide about a step when all steps before it are ``done``."""
        now = self.fingerprint(step, done)
        if self.force or not step.cache:
            return Judged(self._must(step).decision, now)
        found = self.runs.find(now.digest)
        if found is not None:
            run_id, known = found
            gone = [output.path for output in known.outputs if not self._has(output)]
            if not gone:
                reason = Reason(kind="unchanged", name=run_id)
                taken = known.replace(cached_from=f"{run_id}/{known.name}")
                return Judged(Decision(step.name, "cached", (reason,)), now, taken)
            reason = Reason(kind="missing", name=gone[0])
            return Judged(Decision(step.name, "run", (reason,)), now)
        return Judged(Decision(step.name, "run", self._reasons(step, now)), now)

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
            seen = visible(self.supply.manifest, sources, frozenset(self.plan.hidden))
            self._digests[sources] = source_digest(seen)
        return self._digests[sources]

    def _reasons(self, step: PlannedStep, now: Fingerprint) -> tuple[Reason, ...]:
        last = self.runs.last(self.project, self.plan.entry_point, step.name)
        if last is None or last[1].fingerprint is None:
            return (Reason(kind="new"),)
        before = last[1].fingerprint
        if before.digest == now.digest and not last[1].reusable:
            return (Reason(kind="damaged", name=last[0]),)
        return explaining.reasons(
            before,
            now,
            packages=self._packages(step, last[1]),
            files=self._files(step, before.tree),
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
        if pin.kind != "venv" or old.lock == pin.lock:
            return facts
        try:
            locks = self.objects.read(old.lock).decode(), self.objects.read(pin.lock).decode()
            return [*facts, *pylock.difference(*locks)]
        except StoreError:
            return facts  # the old lock is gone; that it differs is known all the same

    def _files(self, step: PlannedStep, tree: str) -> list[str]:
        """Return the files that differ between the step's source then and now."""
        if tree == self.snapshot.tree:
            return []
        try:
            manifest = below(self.source.manifest(tree), self.snapshot.project_path)
        except StoreError:
            return []  # the old snapshot is gone; that it differs is known all the same
        hidden = frozenset(self.plan.hidden)
        old = visible(manifest, step.sources, hidden)
        new = visible(self.supply.manifest, step.sources, hidden)
        return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


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
