"""Why a step gives something else than it gave before, though all that is declared is the same."""

from collections.abc import Iterator, Mapping

from runproj.record.run import Host, StepRun

_OURS = ("RUNPROJ_", "TMPDIR", "GIT_CEILING_DIRECTORIES")
_MACHINE = ("name", "platform", "release", "cpu", "gpus")
NOTHING = (
    "nothing that runproj sees differs: the time, random numbers, the order in which threads end, "
    "or a service that it asks"
)


def likely(old: StepRun, new: StepRun, then: Host | None, now: Host) -> Iterator[str]:
    """Yield what may have made a difference, the most likely first.

    Args:
        old: the step run that would have been taken.
        new: the one that was made instead.
        then: the machine of the first, None when it is not known.
        now: the machine of the second.
    """
    if new.trace is not None:
        for path in new.trace.undeclared:
            yield f"it reads {path}, which it does not declare"
    for name, before, after in changed_variables(old.variables, new.variables):
        yield f"the variable {name}: {before} → {after}"
    if then is not None:
        for field in _MACHINE:
            before, after = getattr(then, field), getattr(now, field)
            if before != after:
                yield f"the machine's {field}: {before} → {after}"


def changed_variables(
    old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield name, old and new value of variables that differ and are not ours.

    >>> list(changed_variables({"LANG": "C", "RUNPROJ_STEP": "a"}, {"LANG": "de"}))
    [('LANG', 'C', 'de')]
    """
    for name in sorted({**old, **new}):
        if not name.startswith(_OURS) and old.get(name) != new.get(name):
            yield name, old.get(name, "not set"), new.get(name, "not set")
