"""The commands that say something of past runs: note, tag, name, archive, delete."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from runproj.app import keeping, stores
from runproj.cli import complete
from runproj.cli.group import json_option, place_options
from runproj.cli.render.style import stdout_style
from runproj.engine.organise import Organiser
from runproj.errors import UsageError
from runproj.record.run import Run
from runproj.spec.suggest import did_you_mean

_run = click.argument("name", metavar="RUN", shell_complete=complete.runs)


class _Desk:
    """The store at hand, and who says something of its runs."""

    def __init__(self, given: str | None) -> None:
        # what is said of a run that gc is about to remove would be lost with it
        self.store = stores.find_store(str(Path.cwd()), given).share()
        self.organiser: Organiser = keeping.organiser(self.store)

    def run(self, name: str) -> Run:
        return self.store.lookup.run(name)

    def runs(self, names: Sequence[str], experiment: str | None, where: str) -> list[Run]:
        """Return the runs that are named, or those of an experiment; ``where`` says which of these.

        Raises:
            UsageError: neither is said, or the experiment has no such run.
        """
        ids = list(dict.fromkeys(self.run(name).id for name in names))
        if experiment is not None:
            condition = f"experiment = ? and {where}"
            rows = self.store.runs.summaries(condition, (experiment,), None, deleted=True)
            if not rows:
                known = {row["experiment"] for row in self.store.runs.summaries(where, (), None)}
                raise UsageError(
                    f"the experiment {experiment!r} has no such run",
                    hint=did_you_mean(experiment, known),
                )
            ids += [row["id"] for row in rows if row["id"] not in ids]
        if not ids:
            raise UsageError("which runs?", hint="name some, or say --experiment NAME")
        return [self.store.runs.load(run_id) for run_id in ids]

    def show(self, runs: Sequence[Run], *, as_json: bool) -> None:
        """Print all that is said of runs by now, as JSON."""
        if as_json:
            from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

            print(documents.as_text(documents.organised_result(
                [(run.id, self.organiser.known(run)) for run in runs]
            )))  # fmt: skip


@click.command("note")
@_run
@click.argument("text", metavar="[TEXT|-]", required=False)
@json_option
@place_options
def note(name: str, text: str | None, store: str | None, *, as_json: bool) -> int:
    """Add a note to RUN; without TEXT, show its notes. - reads the note from standard input."""
    desk = _Desk(store)
    run = desk.run(name)
    if text is not None:
        desk.organiser.note(run, _read() if text == "-" else text)
    desk.show([run], as_json=as_json)
    if not as_json:
        from runproj.cli.render.notes import notes_text  # noqa: PLC0415 -- lazy

        notes = desk.organiser.known(run).notes
        print(notes_text(notes if text is None else notes[-1:], stdout_style()), end="")
    return 0


def _read() -> str:
    """Return what stands on standard input.

    Raises:
        UsageError: it is no text.
    """
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("the note is not UTF-8 text", where="standard input") from error


@click.command("tag")
@_run
@click.argument("tags", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", multiple=True, metavar="KEY", help="Take a tag away.")
@json_option
@place_options
def tag(
    name: str, tags: tuple[str, ...], remove: tuple[str, ...], store: str | None, *, as_json: bool
) -> int:
    """Set tags of RUN, or take some away; show what it has then."""
    given = {}
    for text in tags:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(
                f"{text!r}: a tag is set as KEY=VALUE", hint=f"runproj tag {name} {key or 'KEY'}=…"
            )
        given[key] = value
    desk = _Desk(store)
    run = desk.run(name)
    if given or remove:
        desk.organiser.tag(run, given, tuple(dict.fromkeys(remove)))
    desk.show([run], as_json=as_json)
    if not as_json:
        from runproj.cli.render.organised import tags_text  # noqa: PLC0415 -- lazy

        print(tags_text(desk.organiser.known(run).tags, stdout_style()), end="")
    return 0


@click.command("name")
@_run
@click.argument("new", metavar="[NEW]", required=False)
@click.option("--remove", is_flag=True, help="Take the name away.")
@json_option
@place_options
def name_run(
    name: str, new: str | None, store: str | None, *, remove: bool, as_json: bool
) -> int:  # fmt: skip
    """Name RUN, by which it is found from now on, and which keeps it from retention."""
    if remove == (new is not None):
        raise UsageError(
            "a name, or --remove" if new is None else "a name is given or removed, not both",
            hint=f"runproj name {name} NEW",
        )
    desk = _Desk(store)
    run = desk.run(name)
    desk.organiser.name(run, new)
    desk.show([run], as_json=as_json)
    if not as_json:
        from runproj.cli.render.organised import name_text  # noqa: PLC0415 -- lazy

        print(name_text(run.id, new), end="")
    return 0


def _choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what chooses runs."""
    function = click.option(
        "--experiment", shell_complete=complete.experiments, help="All runs of this experiment."
    )(function)
    return click.argument("names", metavar="RUN...", nargs=-1, shell_complete=complete.runs)(
        function
    )


@click.command("archive")
@_choosing
@click.option("--undo", is_flag=True, help="List them again.")
@json_option
@place_options
def archive(
    names: tuple[str, ...], experiment: str | None, store: str | None, *, undo: bool, as_json: bool
) -> int:
    """Put runs away: they stay, and 'list' shows them with --archived only."""
    desk = _Desk(store)
    where = f"deleted_at is null and archived_at is {'not ' if undo else ''}null"
    runs = desk.runs(names, experiment, where)
    if undo:
        desk.organiser.restore(runs, deleted=False)
    else:
        desk.organiser.archive(runs)
    desk.show(runs, as_json=as_json)
    if not as_json:
        _tell(runs, "listed again" if undo else "archived", None if undo else "archive --undo")
    return 0


@click.command("delete")
@_choosing
@click.option("--undo", is_flag=True, help="Restore them, by their whole ids.")
@json_option
@place_options
def delete(
    names: tuple[str, ...], experiment: str | None, store: str | None, *, undo: bool, as_json: bool
) -> int:
    """Delete runs: nothing finds them any more. 'gc' removes them for good, 30 days later.

    Until then --undo brings them back; 'runproj list --deleted' has their ids.
    """
    desk = _Desk(store)
    runs = desk.runs(names, experiment, f"deleted_at is {'not ' if undo else ''}null")
    if undo:
        desk.organiser.restore(runs, deleted=True)
    else:
        desk.organiser.delete(runs)
    desk.show(runs, as_json=as_json)
    if not as_json:
        _tell(runs, "restored" if undo else "deleted", None if undo else "delete --undo")
    return 0


def _tell(runs: Sequence[Run], done: str, undo: str | None) -> None:
    from runproj.cli.render.organised import done_text  # noqa: PLC0415 -- lazy

    print(done_text(runs, done, undo, stdout_style()), end="")
