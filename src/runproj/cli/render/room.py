"""How it looks what takes room, and what went."""

from collections.abc import Iterator

from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import size, table
from runproj.record.room import Holding, Room

_IN_STORE = {
    "runs": "runs",
    "logs": "  of which logs",
    "objects": "objects",
    "packages": "  of which kept packages",
    "snapshots": "source snapshots",
    "damaged": "set aside as damaged",
    "leftovers": "of killed processes",
}
_SHARED = {
    "environments": "built environments",
    "images": "images built here",
    "workspaces": "kept workspaces",
    "models": "models that were loaded",
    "archives": "archives of packages",
}
_DAY_S = 86400
_HOUR_S = 3600
_MINUTE_S = 60


def room_text(room: Room, store: str, now: float, style: Style) -> str:
    """Return what takes room for a person; ``now`` is in seconds since 1970."""
    in_store = [_row(one, _IN_STORE, room, now) for one in room.holdings if one.kind in _IN_STORE]
    shared = [_row(one, _SHARED, room, now) for one in room.holdings if one.kind in _SHARED]
    rows = table([*in_store, *shared]).splitlines(keepends=True)
    runs = f"{room.runs} run{'s' * (room.runs != 1)}"
    parts = [
        f"{style.bold('store')} {visible(store, painted=False)}, {runs}\n",
        *rows[: len(in_store)],
        f"{style.bold('shared by all stores of yours')}\n",
        *rows[len(in_store) :],
        *_gone(room, style),
        *(f"{style.yellow('note')}: {visible(one, painted=False)}\n" for one in _notes(room)),
        _verdict(room, style),
    ]
    return "".join(parts)


def _gone(room: Room, style: Style) -> Iterator[str]:
    """Yield the runs that went, a line each."""
    if room.gone:
        yield f"{style.bold('runs that would go' if room.dry_run else 'runs that went')}\n"
        yield table(
            (
                run.id, f"{run.started_at[:16].replace('T', ' ')}",
                visible(run.project, painted=False), visible(run.entry_point, painted=False),
                visible(run.experiment, painted=False), run.status,
                style.dim(visible(run.why, painted=False)),
            )
            for run in room.gone
        )  # fmt: skip


def _row(one: Holding, names: dict[str, str], room: Room, now: float) -> tuple[str, ...]:
    went = ""
    if one.removed or one.removed_size:
        what = f"{one.removed}, " if one.removed else ""
        went = f"{'would go' if room.dry_run else 'removed'}: {what}{size(one.removed_size)}"
    return names[one.kind], str(one.count), size(one.size), _used(one, now), went


def _used(one: Holding, now: float) -> str:
    if one.used_at is None or one.oldest_at is None:
        return ""
    latest, oldest = age(now - one.used_at), age(now - one.oldest_at)
    return f"used {latest} ago" if latest == oldest else f"used {latest} to {oldest} ago"


def age(seconds: float) -> str:
    """Return how long ago something was, roughly.

    >>> age(3), age(61), age(7300), age(86400 * 40)
    ('a moment', '1 min', '2 h', '40 d')
    """
    for unit, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return "a moment"


def _notes(room: Room) -> Iterator[str]:
    yield from room.notes
    for one in room.holdings:
        if one.kind == "archives" and one.unneeded > one.removed:
            yield (
                f"{one.unneeded} archives of {size(one.unneeded_size)} were not used for "
                f"{age(room.older_than_s)}, and no run of this store needs them; runs of other "
                "stores may: they stay unless you say --archives"
            )
        elif one.kind == "archives" and one.removed:
            yield (
                "archives are shared: a run of another store that needs one of these fetches it "
                "again, as long as the index has it"
            )


def _verdict(room: Room, style: Style) -> str:
    index = ""
    if room.reindexed:
        index = "the index would be made anew\n" if room.dry_run else "the index was made anew\n"
    freed = size(room.removed_size)
    if not room.dry_run:
        return f"{index}{style.green('removed')}: {freed}\n"
    hint = "; without --dry-run it is done" if room.removed_size else ""
    return f"{index}{style.green('would remove')}: {freed}{hint}\n"
