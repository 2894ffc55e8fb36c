"""The commands that find and compare runs: list, compare, best."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runproj.app import stores
from runproj.cli import complete
from runproj.cli.group import json_option, place_options
from runproj.cli.render.style import stdout_style
from runproj.errors import UsageError
from runproj.spec.suggest import did_you_mean

if TYPE_CHECKING:
    from runproj.record.query import Field, Query

_STATUSES = ("running", "succeeded", "failed", "interrupted")
_LISTED = "perturbed = '[]' and archived_at is null"
_METRICS = 4  # metrics that are shown of groups, unless some are chosen


def _choosing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose runs."""
    for option in (
        click.option(
            "--where", metavar="QUERY", help="Only such runs: 'metrics.rmse < 0.8'."
        ),
        click.option(
            "--experiment", shell_complete=complete.experiments,
            help="Only runs of this experiment.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def _store(given: str | None) -> stores.Store:
    return stores.find_store(str(Path.cwd()), given)


@click.command("list")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many."
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--repeats", is_flag=True, help="Those of 'verify --times' too.")
@click.option("--archived", is_flag=True, help="Those that were archived too.")
@click.option("--deleted", is_flag=True, help="Those that were deleted too.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs with this status.")
@click.option(
    "--since", metavar="TIME", help="Only runs since then, 2026-01-31 or 2026-01-31T12:00."
)
@click.option(
    "--sort-by", "orders", multiple=True, metavar="FIELD[:desc]", help="Such as metrics.rmse."
)
@click.option("--columns", metavar="FIELD,…", help="What is shown: id,params.lr,metrics.rmse.")
@click.option(
    "--group-by", metavar="FIELD,…", help="Groups of runs, with mean and range of metrics."
)
@_choosing
@json_option
@place_options
def list_runs(  # noqa: PLR0913 -- options
    store: str | None, limit: int, where: str | None, orders: tuple[str, ...],
    columns: str | None, group_by: str | None,
    *, everything: bool, repeats: bool, archived: bool, deleted: bool, as_json: bool,
    **filters: str | None,
) -> int:  # fmt: skip
    """List past runs, the latest first."""
    conditions = ["1" if repeats else "perturbed = '[]'"]
    if not archived:
        conditions.append("(archived_at is null or deleted_at is not null)")
    values = []
    for column in ("experiment", "status"):
        if filters[column]:
            conditions.append(f"{column} = ?")
            values.append(filters[column])
    if filters["since"]:
        conditions.append("started_at >= ?")
        values.append(_time(filters["since"]))
    opened = _store(store)
    most = None if everything or group_by else limit
    chosen = " and ".join(conditions)
    if where or orders or group_by:
        from runproj.record.query import order_of  # noqa: PLC0415 -- lazy

        query, by, shown = _query(where), _fields(group_by or ""), _fields(columns or "")
        looked_at = {"metrics", *(name for one in (*by, *shown) for name in one.columns)}
        found = opened.runs.search(
            chosen, values, query, [order_of(one) for one in orders], most,
            looked_at if by else (), deleted=deleted,
        )  # fmt: skip
        _say_unknown(opened, query, found)
        if by:
            return _groups(found, by, shown, as_json=as_json)
    else:
        found = opened.runs.summaries(chosen, values, most, deleted=deleted)
    if as_json:
        from runproj.cli.render.documents import as_text, list_result  # noqa: PLC0415 -- lazy

        print(as_text(list_result(found)))
    elif columns:
        from runproj.cli.render.compared import columns_text  # noqa: PLC0415 -- lazy

        print(columns_text(found, _fields(columns), stdout_style()), end="")
    else:
        from runproj.cli.render.text import list_text  # noqa: PLC0415 -- lazy

        print(list_text(found, stdout_style()), end="")
    return 0


def _time(text: str) -> str:
    """Return a time in UTC as the records have it; without a zone it is that of this machine."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--since {text}: not a time", hint="examples: 2026-01-31, 2026-01-31T12:00"
        ) from error
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _query(where: str | None) -> "Query":
    from runproj.record.query import ALL, parse  # noqa: PLC0415 -- lazy

    return parse(where) if where else ALL


def _fields(text: str) -> "list[Field]":
    from runproj.record.query import field_of  # noqa: PLC0415 -- lazy

    return [field_of(one.strip()) for one in text.split(",") if one.strip()]


def _say_unknown(store: stores.Store, query: "Query", found: Sequence[object]) -> None:
    """Where nothing is found, tell of names that no run has: they may be slips."""
    for field in query.fields if not found else ():
        if field.name and field.column != "environments":
            names = store.runs.names(field.column)
            ends = {part for name in names for part in (name, name.rpartition(".")[2])}
            if field.name not in ends and field.name_and_what not in ends:
                hint = did_you_mean(field.name, ends)
                text = f"note: no run has {field.text}" + (f"; {hint}" if hint else "")
                print(text, file=sys.stderr)


def _groups(rows: Sequence[Any], by: "list[Field]", chosen: "list[Field]", *, as_json: bool) -> int:
    from runproj.record.query import field_of, grouped  # noqa: PLC0415 -- lazy

    names = dict.fromkeys(name for row in rows for name in row["metrics"])
    metrics = chosen or [field_of(f"metrics.{name}") for name in list(names)[:_METRICS]]
    groups = grouped(rows, by)
    if as_json:
        from runproj.cli.render.documents import as_text, groups_result  # noqa: PLC0415 -- lazy

        print(as_text(groups_result(groups, by, metrics)))
    else:
        from runproj.cli.render.compared import groups_text  # noqa: PLC0415 -- lazy

        print(groups_text(groups, by, metrics, stdout_style()), end="")
    return 0


def _found(
    store: stores.Store, names: Sequence[str], where: str | None, experiment: str | None
) -> list[dict[str, Any]]:
    """Return the rows of the runs that are named, and of those that are asked for."""
    found: list[dict[str, Any]] = []
    if names:
        ids = [store.lookup.split(name)[0].id for name in names]
        marks = ", ".join("?" * len(ids))
        rows = {
            row["id"]: row
            for row in store.runs.summaries(f"id in ({marks})", ids, None, deleted=True)
        }
        found = [rows[one] for one in dict.fromkeys(ids)]
    if where or experiment:
        condition = _LISTED + (" and experiment = ?" if experiment else "")
        query = _query(where)
        more = store.runs.search(condition, [experiment] if experiment else [], query, (), None)
        known = {row["id"] for row in found}
        found += [row for row in more if row["id"] not in known]
        _say_unknown(store, query, found)
    return found


_GOALS = (
    click.option("--minimize", multiple=True, metavar="METRIC", help="Less of it is better."),
    click.option("--maximize", multiple=True, metavar="METRIC", help="More of it is better."),
)


def _with_goals(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_GOALS):
        function = option(function)
    return function


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, shell_complete=complete.steps_of_runs)
@_with_goals
@click.option("--all", "every", is_flag=True, help="What is equal, too.")
@click.option("--md", "form", flag_value="md", help="As Markdown.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.option("--html", "form", flag_value="html", help="As a page that needs nothing else.")
@_choosing
@json_option
@place_options
def compare(
    runs: tuple[str, ...], store: str | None, minimize: tuple[str, ...], maximize: tuple[str, ...],
    form: str | None, *, every: bool, as_json: bool, **chosen: str | None,
) -> int:  # fmt: skip
    """Show runs beside each other: where they differ, and whose metrics are the best."""
    from runproj.cli.render import compared as render  # noqa: PLC0415 -- lazy
    from runproj.record.comparison import compared  # noqa: PLC0415 -- lazy

    opened = _store(store)
    rows = _found(opened, runs, chosen["where"], chosen["experiment"])
    if len(rows) < 2:  # noqa: PLR2004 -- one alone differs from nothing
        raise UsageError(
            f"there {'is one run' if rows else 'are no runs'} to compare",
            hint="name two or more, or use --experiment or --where",
        )
    found = compared(rows, render.goals_of(minimize, maximize), every=every)
    if as_json:
        from runproj.cli.render.documents import as_text, compare_result  # noqa: PLC0415 -- lazy

        print(as_text(compare_result(rows, found)))
    elif form:
        print(render.compared_form(form, rows, found), end="")
    else:
        print(render.compared_text(rows, found, stdout_style()), end="")
    return 0


@click.command("best")
@_with_goals
@click.option("--top", type=click.IntRange(1), default=1, show_default=True, help="So many.")
@_choosing
@json_option
@place_options
def best(
    store: str | None, minimize: tuple[str, ...], maximize: tuple[str, ...], top: int,
    where: str | None, experiment: str | None, *, as_json: bool,
) -> int:  # fmt: skip
    """Find the best run by a metric: runproj best --minimize rmse."""
    from runproj.record.query import Order, eligible, field_of  # noqa: PLC0415 -- lazy

    goals = [*minimize, *maximize]
    if len(goals) != 1:
        raise UsageError("say one metric: --minimize METRIC or --maximize METRIC")
    opened = _store(store)
    field = field_of(f"metrics.{goals[0].removeprefix('metrics.')}")
    query = eligible(_query(where), field)
    condition = _LISTED + (" and experiment = ?" if experiment else "")
    values = [experiment] if experiment else []
    orders = [Order(field, bool(maximize)), Order(field_of("started_at"), down=False)]
    found = opened.runs.search(condition, values, query, orders, top)
    if not found:
        names = opened.runs.names("metrics")
        raise UsageError(
            f"no run that succeeded has a number for {field.text}",
            hint=did_you_mean(goals[0], [*names, *(one.rpartition(".")[2] for one in names)]),
        )
    if as_json:
        from runproj.cli.render.documents import as_text, best_result  # noqa: PLC0415 -- lazy

        print(as_text(best_result(found, field)))
    else:
        from runproj.cli.render.compared import best_text  # noqa: PLC0415 -- lazy

        print(best_text(found, field, stdout_style()), end="")
    return 0
