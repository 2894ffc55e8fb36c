"""The commands about models: registering versions, giving them aliases and stages, looking."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from runproj.app import modelling, stores, verifying
from runproj.cli import complete
from runproj.cli.group import json_option, place_options
from runproj.cli.render.style import stdout_style
from runproj.engine.models import parsed
from runproj.engine.registry import Promotion, Registry
from runproj.errors import NoSuchRun, Problem, Refused, UsageError
from runproj.record.registry import Move, Origin, RegisteredModel, Version, undone
from runproj.record.run import Run
from runproj.record.verdict import VerdictWord

_UNMET = 1  # the exit code when something that was required does not hold


@click.group("model")
def model() -> None:
    """Register models of runs, and say which version is used for what.

    A version is NAME@ALIAS, NAME@latest or NAME/3. The stages staging, production and archived are
    aliases with rules; any other alias is yours.
    """


def _store(given: str | None) -> stores.Store:
    return stores.find_store(str(Path.cwd()), given)


def _version_argument(name: str, metavar: str) -> Callable[..., Any]:
    return click.argument(name, metavar=metavar, shell_complete=complete.versions)


_one = _version_argument("name", "NAME@ALIAS|NAME/N")
_reason_option = click.option("--reason", metavar="TEXT", help="Why; it stands in the history.")


@model.command()
@click.argument("what", metavar="RUN[/STEP]:MODEL", shell_complete=complete.steps_of_runs)
@click.option(
    "--name", required=True, shell_complete=complete.models, help="Of the registered model."
)
@click.option("--to", metavar="ALIAS|STAGE", help="Give it an alias, or bring it into a stage.")
@click.option("--description", metavar="TEXT", help="What it is.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag for the version.")
@_reason_option
@json_option
@place_options
def register(
    what: str, name: str, store: str | None, tags: tuple[str, ...], *, as_json: bool,
    **words: str | None,
) -> int:  # fmt: skip
    """Register a model that a run logged as the next version of NAME.

    An output of a run may be registered as well. A model that is registered already keeps its
    number.
    """
    version, move = modelling.registry(_store(store)).register(
        what, name, tags=_tags(tags), **words
    )
    text = f"{version.reference} is registered already" if move is None else None
    _print_moved(name, version, move, text, as_json=as_json)
    return 0


@model.command("list")
@json_option
@place_options
def list_models(store: str | None, *, as_json: bool) -> int:
    """List the registered models."""
    opened = _store(store)
    found = opened.models.all()
    if as_json:
        from runproj.cli.render import model_documents  # noqa: PLC0415 -- lazy

        shown = [model_documents.model_document(one, _verdicts(opened, one)) for one in found]
        _print(model_documents.ModelsResult(models=shown))
        return 0
    from runproj.cli.render.models import models_text  # noqa: PLC0415 -- lazy

    print(models_text(found, stdout_style()), end="")
    return 0


@model.command()
@_version_argument("name", "NAME[@ALIAS|/N]")
@json_option
@place_options
def show(name: str, store: str | None, *, as_json: bool) -> int:
    """Show a registered model with its versions, or all about one version."""
    opened = _store(store)
    meant = parsed(name)
    if meant.alias is not None or meant.number is not None:
        _show_version(opened, opened.models.version(name), as_json=as_json)
        return 0
    found = opened.models.model(meant.name)
    verdicts = _verdicts(opened, found)
    if as_json:
        from runproj.cli.render import model_documents  # noqa: PLC0415 -- lazy

        shown = model_documents.model_document(found, verdicts)
        _print(model_documents.ModelResult(model=shown))
        return 0
    from runproj.cli.render.models import model_text  # noqa: PLC0415 -- lazy

    print(model_text(found, verdicts, stdout_style()), end="")
    return 0


def _show_version(store: stores.Store, version: Version, *, as_json: bool) -> None:
    run = _run(store, version.origin)
    saved, verdict = store.models.saved(version.origin), store.models.verdict(version.origin.run)
    if as_json:
        from runproj.cli.render import model_documents  # noqa: PLC0415 -- lazy

        _print(model_documents.version_result(version, run, saved, verdict))
        return
    from runproj.cli.render.models import version_text  # noqa: PLC0415 -- lazy

    print(version_text(version, run, saved, verdict, stdout_style()), end="")


def _run(store: stores.Store, origin: Origin) -> Run | None:
    """Return the run that made a version; None where somebody removed it."""
    try:
        return store.runs.load(origin.run)
    except NoSuchRun:
        return None


def _verdicts(store: stores.Store, found: RegisteredModel) -> dict[str, VerdictWord | None]:
    """Return the latest verdicts on the runs of a model's versions."""
    runs = {one.origin.run for one in found.versions}
    return {run: store.models.verdict(run) for run in runs}


@model.command()
@click.argument("name", metavar="NAME", shell_complete=complete.models)
@json_option
@place_options
def history(name: str, store: str | None, *, as_json: bool) -> int:
    """Show who did what with a model, when and why; the latest last."""
    found = _store(store).models.history(name)
    gone = undone(found)
    if as_json:
        from runproj.cli.render import model_documents  # noqa: PLC0415 -- lazy

        moves = [model_documents.move_document(one, gone) for one in found]
        _print(model_documents.HistoryResult(history=moves))
        return 0
    from runproj.cli.render.models import history_text  # noqa: PLC0415 -- lazy

    print(history_text(found, gone, stdout_style()), end="")
    return 0


@model.command()
@_version_argument("name", "NAME@ALIAS|NAME/N|RUN:MODEL")
@click.option(
    "--to", "destination", metavar="DIR", shell_complete=complete.folders,
    help="Where to; default: NAME-N.",
)  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="Overwrite what is there.")
@click.option(
    "--trust", is_flag=True,
    help="Copy it even where loading it would execute what somebody else wished.",
)  # fmt: skip
@json_option
@place_options
def get(
    name: str, destination: str | None, store: str | None, *, force: bool, trust: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Copy a model out of the store into a folder, from which runproj.load_model takes it."""
    opened = _store(store)
    called, origin = opened.models.origin(name)
    saved = opened.models.saved(origin)
    if not trust and saved is not None and saved.needs_trust:
        _refuse_foreign(opened, called, origin)
    safe_name = "".join(one if one.isalnum() or one in "._-" else "-" for one in called)
    target = Path(destination or safe_name)
    files = stores.members_of(opened, origin.model)
    stores.check_destination(str(target))
    there = next((one.path for one in files if os.path.lexists(target / one.path)), None)
    if there is not None and not force:
        raise UsageError(
            f"{there} is there already", where=str(target / there),
            hint="choose another --to, or use --force",
        )  # fmt: skip
    if not destination:  # a folder that nobody asked for must not become part of the project's code
        target.mkdir(exist_ok=True)
        (target / ".gitignore").write_text("*\n", encoding="utf-8")
    modelling.give_model(opened, origin.model, str(target))
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        shown = [documents.FileDocument.of(one, name=None) for one in files]
        _print(
            documents.GetResult(get=documents.GetDocument(folder=str(target), files=shown))
        )  # fmt: skip
    else:
        print(target)
    return 0


def _refuse_foreign(store: stores.Store, called: str, origin: Origin) -> None:
    """Refuse a model that is dangerous to load, unless the user's own store made it.

    Raises:
        Refused: somebody else made it.
    """
    if not modelling.is_trusted(store, origin.run):
        raise Refused(
            f"loading {called} executes what its maker wished, and this store is not known to be "
            "your own",
            where=str(store.folder),
            hint="--trust copies it all the same, if you know who made it",
        )


@model.command()
@_version_argument("a", "A")
@_version_argument("b", "B")
@json_option
@place_options
def diff(a: str, b: str, store: str | None, *, as_json: bool) -> int:
    """Say what differs between two models, and between the runs that made them.

    A and B are NAME@ALIAS, NAME/N or RUN[/STEP]:MODEL.
    """
    opened = _store(store)
    found = opened.models.difference(a, b, verifying.differ(opened))
    if as_json:
        from runproj.cli.render import model_documents  # noqa: PLC0415 -- lazy

        _print(model_documents.model_diff_result(found))
        return 0
    from runproj.cli.render.models import model_difference_text  # noqa: PLC0415 -- lazy

    print(model_difference_text(found, stdout_style()), end="")
    return 0


@model.command()
@_one
@click.argument("alias_name", metavar="ALIAS")
@_reason_option
@json_option
@place_options
def alias(
    name: str, alias_name: str, reason: str | None, store: str | None, *, as_json: bool
) -> int:
    """Let ALIAS mean a version: runproj model alias wine/3 champion."""
    came = modelling.registry(_store(store)).alias(name, alias_name, reason)
    return _placed(came, alias_name, as_json=as_json)


@model.command()
@_one
@click.option("--to", required=True, metavar="STAGE|ALIAS", help="staging, production, archived.")
@click.option(
    "--require", "requirements", multiple=True, metavar="QUERY",
    help="Only if the run fits this, as in list --where: 'metrics.rmse < 0.8'; repeat it.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Archive nothing: what is in production stays there.")
@_reason_option
@json_option
@place_options
def promote(
    name: str, to: str, requirements: tuple[str, ...], reason: str | None, store: str | None,
    *, keep: bool, as_json: bool,
) -> int:  # fmt: skip
    """Bring a version into a stage, or give it an alias, if all requirements hold.

    What was in production before is archived. Where a requirement does not hold, nothing is done,
    and the exit code is 1.
    """
    registry = modelling.registry(_store(store))
    return _placed(
        registry.promote(name, to, requirements, reason=reason, keep=keep), to, as_json=as_json
    )


def _placed(came: Promotion, to: str, *, as_json: bool) -> int:
    """Tell what came of giving a version an alias or a stage."""
    version = came.version
    if came.unmet and not as_json:
        from runproj.cli.render.errors import error_text  # noqa: PLC0415 -- lazy

        text = "\n  ".join((f"{version.reference} does not become @{to}", *came.unmet))
        sys.stderr.write(error_text([Problem(text)]))
        return _UNMET
    already = f"{version.reference} is @{to} already" if came.move is None else None
    _print_moved(version.name, version, came.move, already, came.unmet, as_json=as_json)
    return _UNMET if came.unmet else 0


@model.command()
@_version_argument("name", "NAME[@ALIAS|/N]")
@click.argument("text")
@json_option
@place_options
def describe(name: str, text: str, store: str | None, *, as_json: bool) -> int:
    """Say what a model, or a version of it, is; an empty TEXT takes that back."""
    return _said(_store(store), name, lambda one: one.describe(name, text), as_json=as_json)


@model.command()
@_version_argument("name", "NAME[@ALIAS|/N]")
@click.argument("tags", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--remove", multiple=True, metavar="KEY", help="Take this tag away.")
@json_option
@place_options
def tag(
    name: str, tags: tuple[str, ...], remove: tuple[str, ...], store: str | None, *, as_json: bool
) -> int:
    """Give a model, or a version of it, tags."""
    given = _tags(tags)
    if not given and not remove:
        raise UsageError("which tags?", hint=f"runproj model tag {name} KEY=VALUE")
    return _said(_store(store), name, lambda one: one.tag(name, given, remove), as_json=as_json)


@model.command()
@_one
@_reason_option
@json_option
@place_options
def delete(name: str, reason: str | None, store: str | None, *, as_json: bool) -> int:
    """Take an alias away (NAME@ALIAS), or withdraw a version (NAME/N).

    A version that is withdrawn keeps its number. 'runproj gc' may remove what only it needed; until
    then 'runproj model undo' brings it back.
    """
    if parsed(name).number is None:
        return _said(_store(store), name, lambda one: one.unalias(name, reason), as_json=as_json)
    return _said(_store(store), name, lambda one: one.withdraw(name, reason), as_json=as_json)


def _said(
    store: stores.Store, name: str, do: Callable[[Registry], Move], *, as_json: bool
) -> int:  # fmt: skip
    """Do something with a model or version, and tell what."""
    move = do(modelling.registry(store))
    model_name = parsed(name).name
    found = store.models.model(model_name)
    version = None if move.version is None else found.numbered(move.version)
    _print_moved(model_name, version, move, None, as_json=as_json)
    return 0


@model.command()
@click.argument("name", metavar="NAME", shell_complete=complete.models)
@_reason_option
@json_option
@place_options
def undo(name: str, reason: str | None, store: str | None, *, as_json: bool) -> int:
    """Take back the last move of a model, as a new line of its history; again: the one before."""
    opened = _store(store)
    taken, move = modelling.registry(opened).undo(name, reason)
    found = opened.models.model(name)
    version = None if move.version is None else found.numbered(move.version)
    from runproj.cli.render.models import move_text  # noqa: PLC0415 -- lazy

    _print_moved(name, version, move, f"undone: {move_text(taken)}", as_json=as_json)
    return 0


def _tags(texts: Iterable[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not equals:
            raise UsageError(f"{name}: a tag is set as KEY=VALUE", hint=f"{name or 'KEY'}=…")
    return {name: value for name, _, value in pairs}


def _print_moved(
    name: str, version: Version | None, move: Move | None, text: str | None,
    unmet: tuple[str, ...] = (), *, as_json: bool,
) -> None:  # fmt: skip
    """Tell what was done, by a text or by what the move says of itself."""
    if as_json:
        from runproj.cli.render import model_documents  # noqa: PLC0415 -- lazy

        _print(model_documents.moved_result(name, version, move, unmet))
        return
    from runproj.cli.render.models import move_text  # noqa: PLC0415 -- lazy
    from runproj.cli.render.style import visible  # noqa: PLC0415 -- lazy

    if text is None and move is not None:
        text = move_text(move)
    print(visible(f"{name}: {text}", painted=False))


def _print(document: Any) -> None:  # noqa: ANN401 -- any of the documents
    from runproj.cli.render.documents import as_text  # noqa: PLC0415 -- lazy

    print(as_text(document))
