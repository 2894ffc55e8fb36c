"""Which runs go when room is made, and why."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from runproj.record.organising import Organised
from runproj.record.run import Run


class Rule(NamedTuple):
    """Which runs of an entry point stay in an experiment.

    The ``last`` ones do, and those that started at ``before`` (ISO 8601 in UTC) or later; None:
    that keeps none. ``text`` is the rule in words.
    """

    text: str
    last: int | None = None
    before: str | None = None


class Leaving(NamedTuple):
    """A run that goes, and why."""

    run: Run
    why: str


class Retention(NamedTuple):
    """Decides which runs of a store go.

    ``rule`` returns what holds for a run, None: it stays. ``said`` is what is said of each run;
    None: that cannot be read, so the run stays. Runs that were deleted at ``deleted_before`` (ISO
    8601 in UTC) or earlier go, whatever else holds, but not those that are ``claimed``.
    """

    rule: Callable[[Run], Rule | None]
    deleted_before: str
    said: Mapping[str, Organised | None]
    claimed: Collection[str] = ()

    def leaving(self, runs: Iterable[Run]) -> list[Leaving]:
        """Return the runs that go, the latest first.

        Of each entry point of a project, in each experiment, those stay that its rule keeps, and
        the last that succeeded. So do runs that go on, that have a name, were archived or are
        claimed, and what a run that stays was made from: the run that it repeats, went on with, or
        took the outputs of a step from. A perturbed run goes and stays with the run that it
        repeats, and the trials of a sweep count as one. Deleted runs count for nothing.
        """
        return _Sorting(self, {run.id: run for run in runs}).leaving()


class _Sorting:
    """Runs by what they count with, their unit."""

    def __init__(self, retention: Retention, known: Mapping[str, Run]) -> None:
        self.retention = retention
        self.known = known
        self.units = {run_id: self._unit(run) for run_id, run in known.items()}
        self.members: dict[str, list[Run]] = defaultdict(list)
        for run in known.values():
            self.members[self.units[run.id]].append(run)
        self.why: dict[str, str] = {}

    def leaving(self) -> list[Leaving]:
        staying = self._deleted() | {self.units[run.id] for run in self._kept()}
        for rule, group in self._groups():
            staying.update(self._of_group(rule, group))
        waiting = list(staying)
        while waiting:
            for run in self.members[waiting.pop()]:
                made_from = {self.units[other] for other in _made_from(run) if other in self.known}
                waiting += made_from - staying
                staying |= made_from
        gone = [run for run in self.known.values() if self.units[run.id] not in staying]
        return [
            Leaving(run, self.why[self.units[run.id]])
            for run in sorted(gone, key=_when, reverse=True)
        ]

    def _unit(self, run: Run) -> str:
        """Return what a run counts with: its sweep, the run that it perturbs, or itself alone."""
        root = self._root(run)
        for one in (run, root):
            if self._deleted_at(one) is not None:
                return one.id
        return root.id if root.sweep is None else f"sweep {root.sweep.sweep.id}"

    def _root(self, run: Run) -> Run:
        seen = {run.id}
        while run.perturbed and run.rerun_of is not None and run.rerun_of in self.known:
            if run.rerun_of in seen:
                break  # a record that somebody made up
            seen.add(run.rerun_of)
            run = self.known[run.rerun_of]
        return run

    def _deleted_at(self, run: Run) -> str | None:
        said = self.retention.said.get(run.id)
        return None if said is None else said.deleted_at

    def _is_counted(self, unit: str) -> bool:
        """Tell whether a unit is there for a person who looks: not deleted, nor all archived."""
        said = [self.retention.said.get(run.id) for run in self.members[unit]]
        archived = all(one is not None and one.archived_at is not None for one in said)
        return not archived and not self._is_deleted(unit)

    def _is_deleted(self, unit: str) -> bool:
        return unit in self.known and self._deleted_at(self.known[unit]) is not None

    def _deleted(self) -> set[str]:
        """Return the units that were deleted and stay for now."""
        staying = set()
        for unit in filter(self._is_deleted, self.members):
            at = self._deleted_at(self.known[unit]) or ""
            self.why[unit] = f"deleted {at[:10]}".rstrip()
            if at > self.retention.deleted_before:
                staying.add(unit)
        return staying

    def _kept(self) -> Iterator[Run]:
        """Yield the runs that stay by themselves."""
        for run in self.known.values():
            said = self.retention.said.get(run.id, Organised())
            claimed = run.status == "running" or run.id in self.retention.claimed
            if claimed or said is None or (
                said.deleted_at is None and (run.name or said.archived_at is not None)
            ):  # fmt: skip
                yield run

    def _groups(self) -> Iterator[tuple[Rule | None, list[str]]]:
        """Yield the units of each entry point of a project, in each experiment; latest first."""
        latest: dict[tuple[str, str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
        first: dict[tuple[str, str, str], Run] = {}
        for unit, runs in self.members.items():
            if self._is_counted(unit):
                one = self.known.get(unit, runs[0])
                group = one.project, one.experiment, one.entry_point
                own = [run for run in runs if not run.perturbed] or runs
                latest[group][unit] = max(map(_when, own))
                first.setdefault(group, one)
        for group, times in latest.items():
            units = sorted(times, key=times.__getitem__, reverse=True)
            yield self.retention.rule(first[group]), units

    def _of_group(self, rule: Rule | None, units: Sequence[str]) -> Iterator[str]:
        """Yield the units of a group that stay."""
        if rule is None or (rule.last is None and rule.before is None):
            yield from units
            return
        self.why |= dict.fromkeys(units, rule.text)
        yield from units[: rule.last or 0]
        for unit in units:
            started = [run.started_at for run in self.members[unit]]
            if rule.before is not None and max(started) >= rule.before:
                yield unit
        for unit in units:
            if any(run.status == "succeeded" for run in self.members[unit]):
                yield unit
                return


def _made_from(run: Run) -> Iterator[str]:
    """Yield the ids of the runs that a run was made from."""
    yield from (one for one in (run.rerun_of, run.resume_of) if one is not None)
    taken = (step.cached_from or step.resumed_from for step in run.steps)
    yield from {one.partition("/")[0] for one in taken if one is not None}


def _when(run: Run) -> tuple[str, str]:
    return run.started_at, run.id
