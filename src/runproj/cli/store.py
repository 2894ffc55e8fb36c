"""The commands about the store as a whole: fsck, gc."""

import time
from pathlib import Path

import click

from runproj.app import keeping, stores
from runproj.cli import complete
from runproj.cli.group import json_option, place_options
from runproj.cli.render.live import LiveReporter
from runproj.cli.render.style import stdout_style
from runproj.errors import StoreError, UsageError
from runproj.record.events import Progress

_WORTH_TELLING = 200_000_000  # bytes; less is read in a moment
_UNUSED_S = 30 * 86400.0  # what was not used for so long goes, unless somebody says otherwise
_SELDOM = 10  # percent between two lines where they stay


@click.command("fsck")
@click.argument("name", metavar="[RUN]", required=False, shell_complete=complete.runs)
@click.option(
    "--repair", is_flag=True,
    help="Set damaged objects aside and make the index anew; nothing is removed.",
)  # fmt: skip
@json_option
@place_options
def fsck(name: str | None, store: str | None, *, repair: bool, as_json: bool) -> int:
    """Check the store: what is damaged, which runs that touches, and what can be done.

    With RUN: whether everything is there that 'runproj rerun RUN' needs.
    """
    if name and repair:
        raise UsageError("--repair goes with the whole store", hint="runproj fsck --repair")
    opened = stores.find_store(str(Path.cwd()), store)
    reporter = LiveReporter(quiet=as_json)
    checks = keeping.fsck(opened, _telling(reporter))
    run = opened.lookup.run(name) if name else None
    health = checks.store(repair=repair) if run is None else checks.run(run)
    reporter.clear()
    if as_json:
        from runproj.cli.render.documents import as_text, fsck_result  # noqa: PLC0415 -- lazy

        print(as_text(fsck_result(health)))
    else:
        from runproj.cli.render.health import health_text  # noqa: PLC0415 -- lazy

        print(health_text(health, run, stdout_style()), end="")
    return 0 if health.whole else StoreError.exit_code


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return the seconds of a duration as it stands in project files."""
    from runproj.spec.project import seconds  # noqa: PLC0415 -- lazy

    if value is None:
        return None
    try:
        return seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


@click.command("gc")
@click.option("-n", "--dry-run", is_flag=True, help="Remove nothing, only say what would go.")
@click.option(
    "--keep-last", type=click.IntRange(min=1), metavar="N",
    help="Remove runs too: all but the last N of each entry point and experiment, those with a "
    "name, and what they were made from.",
)  # fmt: skip
@click.option(
    "--older-than", callback=_duration, metavar="DURATION",
    help="Remove environments, workspaces and archives not used for so long (default: 30d); "
    "with --keep-last, only runs that are older.",
)  # fmt: skip
@click.option(
    "--archives",
    is_flag=True,
    help="Remove archives of packages too, those that no run of this store needs.",
)
@click.option(
    "--deleted", is_flag=True, help="Remove deleted runs at once, not 30 days after their deletion."
)
@click.option(
    "--no-retention", is_flag=True, help="Leave the runs alone that the project file lets go."
)
@click.option("--reindex", is_flag=True, help="Make the index anew from the records of the runs.")
@json_option
@place_options
def gc(
    store: str | None, keep_last: int | None, older_than: float | None, *, as_json: bool,
    **flags: bool,
) -> int:  # fmt: skip
    """Show what takes room, and remove what nothing needs.

    What a recorded run refers to stays: its code, inputs, locks, outputs and kept packages. Runs go
    30 days after they were deleted, and those that 'retention' in the project file does not keep;
    --keep-last N takes its place.
    """
    from runproj.engine.gc import DELETED_S, Wish  # noqa: PLC0415 -- lazy

    opened = stores.find_store(str(Path.cwd()), store)
    rules, wrong = keeping.rules_of(opened)
    kept_s = DELETED_S if rules is None else rules.retention.deleted
    wish = Wish(
        _UNUSED_S if older_than is None else older_than, flags["dry_run"], flags["archives"],
        flags["reindex"], keep_last, older_than, None if flags["no_retention"] else rules,
        0.0 if flags["deleted"] else kept_s,
    )  # fmt: skip
    room = keeping.gc(opened).collect(wish)
    if wrong is not None:
        room = room.replace(notes=(*room.notes, wrong))
    if as_json:
        from runproj.cli.render.documents import as_text, gc_result  # noqa: PLC0415 -- lazy

        print(as_text(gc_result(room)))
    else:
        from runproj.cli.render.room import room_text  # noqa: PLC0415 -- lazy

        print(room_text(room, str(opened.folder), time.time(), stdout_style()), end="")
    return 0


class _telling:  # noqa: N801 -- is called like a function
    """Tells how far the reading is, by percent; seldom where lines stay."""

    def __init__(self, reporter: LiveReporter) -> None:
        self._reporter = reporter
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        """Tell it, where it is worth a line."""
        percent = 100 * done // max(1, total)
        step = 1 if self._reporter.terminal else _SELDOM
        if total >= _WORTH_TELLING and percent >= self._told + step:
            self._told = percent
            gigabytes = f"{done / 1e9:.1f} of {total / 1e9:.1f} GB"
            self._reporter.report(Progress("fsck", f"{percent} %, {gigabytes} read"))
