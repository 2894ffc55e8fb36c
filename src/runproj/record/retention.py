"""Which runs go when only the last of them are to stay."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from runproj.record.run import Run


def leaving(
    runs: Iterable[Run], last: int, *, before: str | None = None, held: Collection[str] = ()
) -> list[Run]:
    """Return the runs that go, the latest first.

    Of each entry point of a project, in each experiment, the ``last`` ones stay, and the last that
    succeeded. So do runs that go on, that have a name or are held, and what a run that stays was
    made from: the run that it repeats, went on with, or took the outputs of a step from. A
    perturbed run goes and stays with the run that it repeats, and the trials of a sweep count as
    one.

    Args:
        runs: all runs of a store.
        last: how many stay, 1 or more.
        before: ISO 8601 in UTC; what started then or later stays.
        held: ids of runs that stay, such as those of registered models.
    """
    known = {run.id: run for run in runs}
    units = {run.id: _unit(run, known) for run in known.values()}
    members: dict[str, list[Run]] = defaultdict(list)
    for run in known.values():
        members[units[run.id]].append(run)
    staying = {
        units[run.id] for run in known.values()
        if run.status == "running" or run.name is not None or run.id in held
        or (before is not None and run.started_at >= before)
    }  # fmt: skip
    for group in _groups(members, known):
        staying.update(group[:last])
        staying.update(_first_success(group, members))
    waiting = list(staying)
    while waiting:
        unit = waiting.pop()
        for run in members[unit]:
            needed = {units[other] for other in _made_from(run) if other in known}
            waiting += needed - staying
            staying |= needed
    gone = [run for run in known.values() if units[run.id] not in staying]
    return sorted(gone, key=_when, reverse=True)


def _unit(run: Run, known: Mapping[str, Run]) -> str:
    """Return what a run counts with: its sweep, the run that it perturbs, or itself alone."""
    seen = {run.id}
    while run.perturbed and run.rerun_of is not None and run.rerun_of in known:
        if run.rerun_of in seen:
            break  # a record that somebody made up
        seen.add(run.rerun_of)
        run = known[run.rerun_of]
    return run.id if run.sweep is None else f"sweep {run.sweep.sweep.id}"


def _groups(members: Mapping[str, Sequence[Run]], known: Mapping[str, Run]) -> Iterator[list[str]]:
    """Yield the units of each entry point of a project, in each experiment; the latest first."""
    latest: dict[tuple[str, str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for unit, runs in members.items():
        first = known.get(unit, runs[0])
        group = first.project, first.experiment, first.entry_point
        own = [run for run in runs if not run.perturbed] or runs
        latest[group][unit] = max(map(_when, own))
    for times in latest.values():
        yield sorted(times, key=times.__getitem__, reverse=True)


def _first_success(group: Sequence[str], members: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    for unit in group:
        if any(run.status == "succeeded" for run in members[unit]):
            yield unit
            return


def _made_from(run: Run) -> Iterator[str]:
    """Yield the ids of the runs that a run was made from."""
    yield from (one for one in (run.rerun_of, run.resume_of) if one is not None)
    taken = (step.cached_from or step.resumed_from for step in run.steps)
    yield from {one.partition("/")[0] for one in taken if one is not None}


def _when(run: Run) -> tuple[str, str]:
    return run.started_at, run.id
