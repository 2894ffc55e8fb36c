"""From runs, their parameters and metrics, to charts."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from runproj.cli.render.charts.values import (
    Axis,
    Chart,
    Dots,
    Lines,
    Parallel,
    Scatter,
    Series,
    as_text,
    axis_of,
)
from runproj.engine.curves import is_of_system, known_metrics, metrics_meant
from runproj.errors import UsageError
from runproj.record.points import Points
from runproj.record.query import GROUPS, PLAIN, Field, Row, field_of
from runproj.record.run import Run
from runproj.record.sweep import Goal, Sweep
from runproj.spec.matrix import group_of
from runproj.spec.suggest import did_you_mean, nearest

X: TypeAlias = Literal["step", "time"]
_DIFFERING = 3  # parameters in a label
_MOST_AXES = 12
_UNITS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


class Values(NamedTuple):
    """What a chart needs to know of a run."""

    id: str
    name: str | None
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    succeeded: bool = True

    @classmethod
    def of(cls, run: Run) -> "Values":
        """Return what a record says."""
        return cls(run.id, run.name, run.params, run.metrics, run.status == "succeeded")

    @classmethod
    def of_row(cls, row: Row) -> "Values":
        """Return what the index says."""
        return cls(
            row["id"], row["name"], row["params"], row["metrics"], row["status"] == "succeeded"
        )


class Chosen(NamedTuple):
    """A run whose metrics are drawn; of one of its steps only, where ``step`` names one."""

    run: Run
    step: str | None = None

    @property
    def known(self) -> list[str]:
        """The full names of its metrics, those of the system included."""
        return [
            name
            for step, names in known_metrics(self.run).items()
            if self.step in (None, step)
            for name in names
        ]


def by_step(chosen: Iterable[Chosen]) -> dict[str, list[str]]:
    """Return the full names of metrics; those of instances of a step are together."""
    groups: dict[str, dict[str, None]] = {}
    for one in chosen:
        for step, names in known_metrics(one.run).items():
            if one.step in (None, step):
                for full in names:
                    title = f"{group_of(step)}{full.removeprefix(step)}"
                    groups.setdefault(title, {})[full] = None
    return {title: list(names) for title, names in groups.items()}


class Drawn(NamedTuple):
    """A metric of a run: its last value, if that is finite, and its points, if there are any."""

    label: str
    value: float | None
    points: Points | None


def labels_of(runs: Sequence[Values]) -> list[str]:
    """Return a label for each run: its name or id, and the parameters in which they differ."""
    names = [name for name in differing(runs) if "." not in name]  # a step logged the others
    names = names if len(names) <= _DIFFERING else []
    found = []
    for run in runs:
        values = [f"{name}={as_text(run.params.get(name))}" for name in names]
        found.append(" ".join([run.name or run.id, *values]))
    if len(set(found)) < len(found):
        return [
            text if run.name is None else f"{run.id} {text}"
            for text, run in zip(found, runs, strict=True)
        ]
    return found


def differing(runs: Iterable[Values]) -> list[str]:
    """Return the names of the parameters that not all runs have alike."""
    seen: dict[str, set[str]] = {}
    runs = list(runs)
    for run in runs:
        for name in run.params:
            seen.setdefault(name, set())
    for name, values in seen.items():
        values.update(as_text(run.params.get(name)) + str(name in run.params) for run in runs)
    return [name for name, values in seen.items() if len(values) > 1]


def metric_chart(
    title: str, drawn: Sequence[Drawn], *, x: X = "step", log: bool = False, best: int | None = None
) -> Chart:
    """Return lines where points were logged, else a mark for each last value."""
    if all(one.points is None or len(one.points.values) < 2 for one in drawn):  # noqa: PLR2004 -- a line has two
        rows = [(one.label, math.nan if one.value is None else one.value) for one in drawn]
        return Dots(title, rows, log, best)
    if x == "step":
        return Lines(title, "step", [_by_step(one) for one in drawn], log, best)
    found = [_by_time(one) for one in drawn]
    longest = max((line.xs[-1] for line in found if line.xs), default=0.0)
    divisor, unit = next((size, unit) for least, size, unit in _UNITS if longest >= least)
    found = [line._replace(xs=[one / divisor for one in line.xs]) for line in found]
    return Lines(title, f"{unit} since the first point", found, log, best)


def metric_charts(
    chosen: Sequence[Chosen],
    groups: Mapping[str, Sequence[str]],
    read: Callable[[Run, Collection[str]], Mapping[str, Points]],
    goal: Goal | None = None,
    *,
    x: X = "step",
    log: bool = False,
) -> list[Chart]:
    """Return a chart for each group of metrics, with what each run has of these.

    Args:
        chosen: the runs.
        groups: names of metrics, full or plain, by the titles of charts.
        read: returns the points of metrics by their full names.
        goal: says which run stands out.
        x: what lies along the charts; along those of the system, time.
        log: whether the metrics' scales are logarithmic.

    Raises:
        UsageError: a plain name may be several metrics.
        StoreError: the points cannot be read.
    """
    told = [Values.of(one.run) for one in chosen]
    best = best_of(told, goal) if len(chosen) > 1 else None
    labels, charts = labels_of(told), []
    for title, group in groups.items():
        drawn: list[Drawn] = []
        marked = None
        for number, (one, label) in enumerate(zip(chosen, labels, strict=True)):
            full = [metric for name in group for metric in metrics_meant(name, one.known)]
            points = read(one.run, full)
            if number == best and full:
                marked = len(drawn)
            for metric in full:
                several = label if len(full) == 1 else f"{label} {metric}"
                said = metric if len(chosen) == 1 else several
                drawn.append(Drawn(said, one.run.metrics.get(metric), points.get(metric)))
        along: X = "time" if all(is_of_system(f".{name}") for name in group) else x
        charts.append(metric_chart(title, drawn, x=along, log=log, best=marked))
    return charts


def _by_step(drawn: Drawn) -> Series:
    points = drawn.points
    if points is None:
        return Series(drawn.label, (), () if drawn.value is None else (drawn.value,))
    order = sorted(range(len(points.steps)), key=points.steps.__getitem__)
    xs = [float(points.steps[at]) for at in order]
    return Series(drawn.label, xs, [points.values[at] for at in order])


def _by_time(drawn: Drawn) -> Series:
    points = drawn.points
    if points is None:
        return _by_step(drawn)
    known = [at for at, time in enumerate(points.times) if math.isfinite(time)]
    order = sorted(known, key=points.times.__getitem__)
    begin = points.times[order[0]] if order else 0.0
    xs = [points.times[at] - begin for at in order]
    return Series(drawn.label, xs, [points.values[at] for at in order])


def best_of(runs: Sequence[Values], goal: Goal | None) -> int | None:
    """Return the index of the best run that succeeded; of equal ones, the first.

    None: there is no goal, or no run has a number there.

    Raises:
        UsageError: the goal's metric may be several.
    """
    if goal is None:
        return None
    scores = {}
    for number, run in enumerate(runs):
        if not run.succeeded:
            continue
        try:
            score = goal.score(run.metrics)
        except ValueError as error:
            raise UsageError(str(error), hint="write one of them") from error
        if score is not None and math.isfinite(score):
            scores[number] = score
    return goal.best(scores)


def goal_of(
    minimize: str | None, maximize: str | None, sweeps: Iterable[Sweep] = ()
) -> Goal | None:
    """Return what is good: as it is said, else as the sweep has it that made the runs.

    Raises:
        UsageError: both are said.
    """
    if minimize and maximize:
        raise UsageError("--minimize and --maximize exclude each other")
    if minimize:
        return Goal(metric=minimize.removeprefix("metrics."), direction="minimize")
    if maximize:
        return Goal(metric=maximize.removeprefix("metrics."), direction="maximize")
    goals = {one.goal for one in sweeps}
    return goals.pop() if len(goals) == 1 else None


def no_metrics() -> UsageError:
    """Return the error that there is nothing to draw."""
    return UsageError(
        "no metrics were logged",
        hint="a step logs them with runproj.log_metric, or has a file of 'metrics'",
    )


def check_metric(name: str, known: Collection[str]) -> None:
    """Make sure that some run has a metric.

    Raises:
        UsageError: none has.
    """
    if metrics_meant(name, known):
        return
    if not known:
        raise no_metrics()
    plain = nearest(name, [one.partition(".")[2] for one in known])
    hint = f"did you mean {plain!r}?" if plain else did_you_mean(name, known)
    raise UsageError(f"there is no metric {name!r}", hint=hint)


def parallel(rows: Sequence[Row], metric: str, goal: Goal | None, *, log: bool = False) -> Parallel:
    """Return parallel coordinates: the parameters that differ, and a metric.

    Args:
        rows: what the index says of runs.
        metric: its full or plain name.
        goal: says which run stands out.
        log: whether the metric's scale is logarithmic.

    Raises:
        UsageError: no run has the metric.
    """
    runs = [Values.of_row(row) for row in rows]
    check_metric(metric, {name for run in runs for name in run.metrics})
    axes = [
        axis_of(name, [run.params.get(name) for run in runs])
        for name in differing(runs)[:_MOST_AXES]
    ]
    plain = metric.removeprefix("metrics.")
    field = Field(f"metrics.{plain}", "metrics", plain)
    axes.append(axis_of(plain, [field.of(row) for row in rows], log=log))
    return Parallel(axes, labels_of(runs), best_of(runs, goal))


def scatter(
    rows: Sequence[Row], x: str, y: str, goal: Goal | None, *, log: bool = False
) -> Scatter:
    """Return a mark for each run, at what it has of two fields.

    Args:
        rows: what the index says of runs.
        x: a field, such as ``params.lr``; the first word may be left out.
        y: the same.
        goal: says which of them stands out.
        log: whether ``y`` is logarithmic where it is no parameter.

    Raises:
        UsageError: no run has one of them.
    """
    runs = [Values.of_row(row) for row in rows]
    across, up = _axis(rows, x, log=False), _axis(rows, y, log=log)
    return Scatter(across, up, labels_of(runs), best_of(runs, goal))


def _axis(rows: Sequence[Row], name: str, *, log: bool) -> Axis:
    field = _field(rows, name)
    values = [field.of(row) for row in rows]
    plain = name.removeprefix("params.").removeprefix("metrics.")
    if all(one is None for one in values):
        known = {one for row in rows for one in row["params"]}
        if field.column == "metrics":
            check_metric(field.name_and_what, {one for row in rows for one in row["metrics"]})
        if field.column == "params":
            raise UsageError(f"there is no parameter {plain!r}", hint=did_you_mean(plain, known))
        raise UsageError(f"no run has {name}")
    return axis_of(plain, values, log=None if field.column == "params" else log)


def _field(rows: Sequence[Row], name: str) -> Field:
    """Return the field that is meant: the name in full, or that of a parameter or metric."""
    if name in PLAIN or name.partition(".")[0] in GROUPS:
        return field_of(name)
    if any(name in row["params"] for row in rows):
        return Field(f"params.{name}", "params", name)
    return field_of(f"metrics.{name}")
