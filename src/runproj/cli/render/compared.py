"""Runs beside each other, and the best of them, for terminals and for other programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from runproj.cli.render import forms
from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import duration, number, status_word, table
from runproj.record.comparison import Compared
from runproj.record.query import Field, Group, Row

_WIDE = 40
_SHOWN = 4


def shown(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return a value in few characters."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = number(value) if isinstance(value, float) else visible(str(value), painted=False)
    return text if len(text) < _WIDE else text[: _WIDE - 1] + "…"


def of_field(field: Field, row: Row) -> str:
    """Return what a run has in a field, as a person reads it."""
    value = field.of(row)
    if field.text == "duration":
        return duration(value)
    if field.text.endswith("_at") and not field.name:
        return (value or "")[:16].replace("T", " ")
    return shown(value)


def columns_text(rows: Sequence[Row], fields: Sequence[Field], style: Style) -> str:
    """Return a table of runs with these columns."""
    if not rows:
        return "no runs\n"
    head = [style.bold(visible(field.text, painted=False)) for field in fields]
    body = [
        [
            status_word(row["status"], style) if field.text == "status" else of_field(field, row)
            for field in fields
        ]
        for row in rows
    ]
    return table([head, *body], indent="")


def groups_text(
    groups: Sequence[Group], by: Sequence[Field], metrics: Sequence[Field], style: Style
) -> str:
    """Return a table of groups: how many runs, and mean and range of metrics."""
    if not groups:
        return "no runs\n"
    head = [visible(field.text, painted=False) for field in by] + ["runs"]
    for metric in metrics:
        name = visible(metric.text.removeprefix("metrics."), painted=False)
        head += [f"{name}: mean", "min", "max"]
    body = []
    for group in groups:
        cells = [*map(shown, group.values), str(len(group.rows))]
        for metric in metrics:
            found = group.aggregate(metric)
            numbers = (found.mean, found.min, found.max) if found else (None, None, None)
            cells += ["" if one is None else number(one) for one in numbers]
        body.append(cells)
    return table([[style.bold(cell) for cell in head], *body], indent="")


def head_of(rows: Sequence[Row]) -> list[str]:
    """Return what stands above runs that are beside each other."""
    return ["", *(visible(row["name"] or row["id"], painted=False) for row in rows)]


def _label(one: Compared) -> str:
    return one.name if one.group == "run" else f"{one.group}.{one.name}"


def _cells(found: Sequence[Compared]) -> list[list[str]]:
    return [
        [
            visible(_label(one), painted=False),
            *(
                duration(v) if one.name == "duration" and one.group == "run" else shown(v)
                for v in one.values
            ),
        ]
        for one in found
    ]


def compared_text(rows: Sequence[Row], found: Sequence[Compared], style: Style) -> str:
    """Return runs beside each other; the best value of a metric has a star."""
    lines = [[style.bold(cell) for cell in head_of(rows)]]
    if any(row["name"] for row in rows):
        lines.append([style.dim("id"), *(row["id"] for row in rows)])
    for one, cells in zip(found, _cells(found), strict=True):
        values = [
            style.green(f"{cell} *") if at in one.best else cell
            for at, cell in enumerate(cells[1:])
        ]
        lines.append([style.dim(cells[0]), *values])
    return table(lines, indent="")


def compared_form(form: str, rows: Sequence[Row], found: Sequence[Compared]) -> str:
    """Return the same as ``csv``, ``md`` or ``html``."""
    if form == "csv":
        ids = ["id", *(row["id"] for row in rows)]
        return forms.csv_text([ids, *([_label(one), *map(_cell, one.values)] for one in found)])
    head = ["", *(row["id"] for row in rows)]
    bold = {(at, to + 1) for at, one in enumerate(found) for to in one.best}
    if form == "md":
        return forms.markdown(head, _cells(found), bold)
    return forms.html_page("Runs beside each other", head, _cells(found), bold)


def _cell(value: Any) -> forms.Cell:  # noqa: ANN401 -- any JSON value
    return value if value is None or isinstance(value, str | int | float) else str(value)


def best_text(rows: Sequence[Row], field: Field, style: Style) -> str:
    """Return the best runs, with what they were made with: parameters that differ among them."""
    names = dict.fromkeys(name for row in rows for name in row["params"])
    differing = [
        name for name in names if len({repr(row["params"].get(name)) for row in rows}) > 1
    ] or list(names)
    head = ["run", visible(field.text.removeprefix("metrics."), painted=False)]
    head += [visible(name, painted=False) for name in differing[:_SHOWN]] + ["name"]
    body = [
        [
            style.bold(row["id"]) if at == 0 else row["id"],
            shown(field.of(row)),
            *(shown(row["params"].get(name)) for name in differing[:_SHOWN]),
            visible(row["name"] or "", painted=False),
        ]
        for at, row in enumerate(rows)
    ]
    return table([[style.dim(cell) for cell in head], *body], indent="")


def goals_of(minimize: Sequence[str], maximize: Sequence[str]) -> Mapping[str, bool]:
    """Return metrics with whether more of them is better."""
    goals = dict.fromkeys((one.removeprefix("metrics.") for one in minimize), False)
    return {**goals, **dict.fromkeys((one.removeprefix("metrics.") for one in maximize), True)}
