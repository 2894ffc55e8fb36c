"""The report of an experiment: its runs beside each other."""

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from runproj.cli.render.charts.of_runs import (
    Chosen,
    Values,
    best_of,
    by_step,
    differing,
    labels_of,
    metric_charts,
    parallel,
)
from runproj.cli.render.charts.svg import picture
from runproj.cli.render.charts.values import as_text
from runproj.cli.render.report.markup import (
    NOTHING,
    Best,
    Html,
    Number,
    block,
    code,
    element,
    facts,
    joined,
    named,
    note,
    table,
    text,
)
from runproj.cli.render.report.run import (
    Section,
    document,
    drawn_charts,
    exact,
    moment,
    rest_of,
    status,
)
from runproj.cli.render.text import duration, number
from runproj.engine.curves import is_of_system, metrics_meant
from runproj.record.points import Points
from runproj.record.query import Field, Row
from runproj.record.run import Run
from runproj.record.sweep import Goal

_ROWS = 500
_COLUMNS = 14
_CHARTS = 12
_LINES = 24
_PARALLEL = 1000
_WIDE = 1000
_FEW = 8  # names in a remark


class Experiment(NamedTuple):
    """What is told of an experiment.

    ``rows`` are what the index says of its runs, the earliest first; ``curves`` are runs whose
    points are drawn. ``gaps`` are sentences: what could not be read.
    """

    name: str
    rows: Sequence[Row]
    goal: Goal | None
    curves: Sequence[tuple[Run, Mapping[str, Points]]]
    gaps: Sequence[str]


def most_telling(rows: Sequence[Row], goal: Goal | None) -> list[str]:
    """Return the ids of the runs whose curves are drawn: the best, without a goal the latest.

    They come in the order of the rows.

    Raises:
        UsageError: the goal's metric may be several.
    """
    chosen = set(_order(rows, goal)[:_LINES])
    return [row["id"] for number, row in enumerate(rows) if number in chosen]


def _order(rows: Sequence[Row], goal: Goal | None) -> list[int]:
    """Return the indices of rows, the best first, or the latest."""
    if goal is None:
        return list(range(len(rows)))[::-1]
    sign = 1 if goal.direction == "minimize" else -1
    scores = [_score(row, goal) for row in rows]
    return sorted(
        range(len(rows)), key=lambda number: (math.isnan(scores[number]), sign * scores[number])
    )


def _score(row: Row, goal: Goal) -> float:
    value = Field(f"metrics.{goal.metric}", "metrics", goal.metric).of(row)
    return math.nan if value is None or row["status"] != "succeeded" else float(value)


def experiment_page(told: Experiment, store: str, version: str) -> str:
    """Return the report of an experiment as an HTML document.

    Args:
        told: what is told of it.
        store: where its records stand.
        version: that of runproj.
    """
    head = [
        element("h1", named(told.name)),
        element("div", f"experiment of {len(told.rows):,} run{'s' * (len(told.rows) != 1)}"),
    ]
    return document(f"Experiment {told.name}", head, _sections(told, store), version)


def _sections(told: Experiment, store: str) -> Iterator[Section]:
    values = [Values.of_row(row) for row in told.rows]
    best = best_of(values, told.goal)
    yield Section("summary", "", _summary(told, values, best))
    yield Section("sweep", "Parameters and goal", _parallel(told, values))
    yield Section("runs", "Runs", _runs(told, values, best))
    yield Section("metrics", "Curves", _curves(told))
    if best is not None:
        yield Section("rerun", "How to do the best one again", _rerun(values[best].id, store))


def _summary(told: Experiment, values: Sequence[Values], best: int | None) -> Html:
    counts = Counter(row["status"] for row in told.rows)
    marks = joined(
        one
        for word, count in counts.items()
        for one in (status(word), f" {count:,} ", Html("&ensp;"))
    )
    first, last = told.rows[0]["started_at"], told.rows[-1]["started_at"]
    rows: list[tuple[str, str]] = [
        ("runs", marks),
        ("started", f"{moment(first)} to {moment(last)}"),
        ("project", ", ".join(dict.fromkeys(row["project"] for row in told.rows))),
    ]
    if told.goal is not None:
        rows.append(("goal", f"{told.goal.direction} {told.goal.metric}"))
        if best is not None:
            score = number(_score(told.rows[best], told.goal))
            rows.append(("best", f"{labels_of(values)[best]}: {score}"))
    changed = set(differing(values))
    rows += [
        (name, code(exact(value)))
        for name, value in values[0].params.items()
        if name not in changed
    ]
    rows += [("not shown", one) for one in told.gaps]
    return facts(rows)


def _parallel(told: Experiment, values: Sequence[Values]) -> Html:
    if told.goal is None or len(values) < 2 or all(  # noqa: PLR2004 -- one line compares nothing
        math.isnan(_score(row, told.goal)) for row in told.rows
    ):  # fmt: skip
        return NOTHING
    chosen = sorted(_order(told.rows, told.goal)[:_PARALLEL])
    chart = parallel([told.rows[number] for number in chosen], told.goal.metric, told.goal)
    if len(chart.axes) < 2:  # noqa: PLR2004 -- no parameter differs
        return NOTHING
    drawn = Html(picture([chart], wide=max(420, min(_WIDE, 190 * len(chart.axes))), alone=False))
    left = len(told.rows) - len(chosen)
    return joined([element("div", drawn, kind="scroll"), *_best_of(left, len(chosen), told)])


def _best_of(left: int, shown: int, told: Experiment) -> list[Html]:
    """Return a remark, where only some of the runs are drawn."""
    which = "latest" if told.goal is None else "best"
    return [note(f"The {which} {shown:,} of {shown + left:,} runs. ")] if left else []


def _runs(told: Experiment, values: Sequence[Values], best: int | None) -> Html:
    params = differing(values)
    metrics = list(dict.fromkeys(name for one in values for name in one.metrics))
    metrics = [name for name in metrics if not is_of_system(name)]
    if told.goal is not None:
        meant = metrics_meant(told.goal.metric, metrics)
        metrics = [*meant, *(name for name in metrics if name not in meant)]
    left = [*params[_COLUMNS:], *metrics[_COLUMNS:]]
    params, metrics = params[:_COLUMNS], metrics[:_COLUMNS]
    verdicts = any(row["verdict"] for row in told.rows)
    rows = []
    for index in _order(told.rows, told.goal)[:_ROWS]:
        row, value = told.rows[index], values[index]
        name = value.name or value.id
        first = [Best(element("strong", name, " best"))] if index == best else [text(name)]
        rows.append(
            [
                *first,
                status(row["status"]),
                *(
                    code(as_text(value.params[one])) if one in value.params else NOTHING
                    for one in params
                ),
                *(
                    Number(text(number(value.metrics[one]))) if one in value.metrics else NOTHING
                    for one in metrics
                ),
                *([row["verdict"] or ""] if verdicts else []),
                Number(text(duration(row["duration_s"]))),
                note(moment(row["started_at"])),
            ]
        )
    head = [
        "run",
        "status",
        *map(named, [*params, *metrics]),
        *(["verdict"] if verdicts else []),
        "took",
        "started",
    ]
    more = []
    if len(told.rows) > _ROWS:
        more.append(note(f"and {len(told.rows) - _ROWS:,} more runs. "))
    if left:
        few = f"{', '.join(left[:_FEW])}{', …' if len(left) > _FEW else ''}"
        more.append(note(f"Not in the table: {few}"))
    return joined([table(head, rows), *more])


def _curves(told: Experiment) -> Html:
    chosen = [Chosen(run) for run, _ in told.curves]
    points = {run.id: found for run, found in told.curves}
    groups = {
        title: names
        for title, names in by_step(chosen).items()
        if not is_of_system(title)
        and any(_is_line(found.get(name)) for found in points.values() for name in names)
    }
    shown = dict(list(groups.items())[:_CHARTS])
    charts = metric_charts(
        chosen, shown, lambda run, names: {
            name: points[run.id][name] for name in names if name in points[run.id]
        }, told.goal,
    )  # fmt: skip
    few = _best_of(len(told.rows) - len(chosen), len(chosen), told) if charts else []
    return joined([drawn_charts(charts), *few, *rest_of(list(groups)[_CHARTS:])])


def _is_line(points: Points | None) -> bool:
    return points is not None and len(points.values) > 1


def _rerun(run: str, store: str) -> Html:
    place = f" --store {shlex.quote(store)}"
    return block(f"runproj rerun {run}{place}\nrunproj report {run}{place}")
