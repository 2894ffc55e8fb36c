"""How a run belongs to the one that it repeats, in words."""

import json
from collections.abc import Sequence

from runproj.plan.binding import BoundValue
from runproj.plan.plan import Plan
from runproj.record.run import Run

_LONGEST = 60  # characters of a value that are shown


def relation_of(
    rerun_of: str | None,
    variation: Sequence[str],
    current_code: bool,  # noqa: FBT001 -- as recorded
    resume_of: str | None = None,
) -> tuple[str, ...]:
    """Return what a run is of another one, and what differs if something does.

    >>> relation_of("k3v9q2ht", ["lr"], False)
    ('variation of k3v9q2ht', 'lr')
    """
    if resume_of is not None:
        return (f"resumes {resume_of}",)
    if rerun_of is None:
        return ()
    if current_code:
        return f"rerun of {rerun_of}", "with current code"
    return (
        (f"variation of {rerun_of}", ", ".join(variation))
        if variation
        else (f"rerun of {rerun_of}",)
    )


def in_a_line(run: Run) -> str:
    """Return how a run belongs to another one, such as ``variation of k3v9q2ht: lr``."""
    return ": ".join(relation_of(run.rerun_of, run.variation, run.current_code, run.resume_of))


def changes(names: tuple[str, ...], before: Plan, after: Plan) -> str:
    """Return what was varied, with the values: ``lr 0.1 → 0.01, depth 3 → 5``."""
    old = {value.name: value for value in before.values}
    new = {value.name: value for value in after.values}
    return ", ".join(_change(name, old.get(name), new.get(name)) for name in names)


def _change(name: str, before: BoundValue | None, after: BoundValue | None) -> str:
    old, new = _shown(before), _shown(after)
    return f"{name} {old} → {new}" if old != new else f"{name} {new} (it holds something else)"


def _shown(bound: BoundValue | None) -> str:
    if bound is None:
        return "nothing"
    value = bound.value
    if any(bound.sources):
        pairs = zip(bound.sources, bound.paths, strict=True)
        value = ", ".join(source or path for source, path in pairs)
    plain = isinstance(value, str) and value.isprintable() and value.strip() == value != ""
    text = value if plain else json.dumps(value, ensure_ascii=not isinstance(value, (list, dict)))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
