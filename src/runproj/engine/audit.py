"""Why a step gives something else than it gave before, though all that is declared is the same."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runproj.errors import StoreError
from runproj.model import from_json
from runproj.ports import ObjectStore
from runproj.record.observation import Observation
from runproj.record.program import replaced
from runproj.record.run import Host, StepRun

_OURS = ("RUNPROJ_", "TMPDIR", "GIT_CEILING_DIRECTORIES")
_MACHINE = ("name", "platform", "release", "cpu", "gpus", "gpu_driver")
NOTHING = (
    "nothing that runproj sees differs: the time, random numbers, the order in which threads end, "
    "or a service that it asks"
)


class Detective(NamedTuple):
    """Looks for what may have made a difference; ``objects`` hold what was observed."""

    objects: ObjectStore

    def likely(self, old: StepRun, new: StepRun, then: Host | None, now: Host) -> Iterator[str]:
        """Yield what may have made a step give something else, the most likely first.

        Args:
            old: a step run.
            new: a later one, with the same fingerprint.
            then: the machine of the first, None when it is not known.
            now: the machine of the second.
        """
        yield from self._undeclared(old, new)
        for name, before, after in changed_variables(old.variables, new.variables):
            yield f"the variable {name}: {before} → {after}"
        if old.environment is not None and new.environment is not None:
            for program in replaced(old.environment.programs, new.environment.programs):
                yield f"the program {program.text}"
        for field in _MACHINE if then is not None else ():
            was, is_now = getattr(then, field), getattr(now, field)
            if was != is_now:
                yield f"the machine's {field}: {was} → {is_now}"

    def _undeclared(self, old: StepRun, new: StepRun) -> Iterator[str]:
        """Yield what was read outside; where it is known what it was before, only what changed."""
        before, after = self._outside(old), self._outside(new)
        for path, content in (after or {}).items():
            if before is None and content is not None:
                yield f"it reads {path}, which it does not declare"
            elif before is not None and before.get(path, content) != content:
                yield f"it reads {path}, which it does not declare, and which has changed"

    def _outside(self, step: StepRun) -> Mapping[str, str | None] | None:
        if step.trace is None:
            return None
        try:
            text = self.objects.read(step.trace.observation)
        except StoreError:
            return None
        return from_json(Observation, text).outside


def changed_variables(
    old: Mapping[str, str], new: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Yield name, old and new value of variables that differ and are not ours.

    >>> list(changed_variables({"LANG": "C", "RUNPROJ_STEP": "a"}, {"LANG": "de"}))
    [('LANG', 'C', 'de')]
    """
    for name in sorted({**old, **new}):
        before, after = _lasting(name, old), _lasting(name, new)
        if before != after and not name.startswith(_OURS):
            yield name, before or "not set", after or "not set"


def _lasting(name: str, variables: Mapping[str, str]) -> str | None:
    """Return the value of a variable without the places that were made for one step run."""
    text, place = variables.get(name), variables.get("TMPDIR")
    return text.replace(place, "TMPDIR") if text and place else text
