"""Charts as a JSON document."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from runproj.cli.render.charts.svg import name_of
from runproj.cli.render.charts.values import Axis, Chart, Dots, Lines, Parallel, Scatter
from runproj.cli.render.documents import (
    ChartDocument,
    MarkDocument,
    PlotDocument,
    PlotResult,
    SeriesDocument,
)


def plot_result(charts: Sequence[Chart], wrote: str | None) -> PlotResult:
    """Return what was drawn as a document."""
    return PlotResult(plot=PlotDocument(charts=[_chart(one) for one in charts], wrote=wrote))


def _chart(chart: Chart) -> ChartDocument:
    if isinstance(chart, Lines):
        series = [
            SeriesDocument(label=one.label, x=_numbers(one.xs), y=_numbers(one.ys))
            for one in chart.series
        ]
        return ChartDocument(
            kind="lines", title=chart.title, x=chart.x, log=chart.log, best=chart.best,
            series=series,
        )  # fmt: skip
    if isinstance(chart, Dots):
        marks = [
            MarkDocument(label=label, values={chart.title: _number(value)})
            for label, value in chart.rows
        ]
        return ChartDocument(
            kind="dots", title=chart.title, log=chart.log, best=chart.best, runs=marks
        )
    if isinstance(chart, Parallel):
        return _marks("parallel", chart, chart.axes)
    return _marks("scatter", chart, (chart.x, chart.y))


def _marks(
    kind: Literal["parallel", "scatter"], chart: Parallel | Scatter, axes: Sequence[Axis]
) -> ChartDocument:
    marks = [
        MarkDocument(label=label, values={axis.name: _value(axis.values[number]) for axis in axes})
        for number, label in enumerate(chart.labels)
    ]
    return ChartDocument(kind=kind, title=name_of(chart), best=chart.best, runs=marks)


def _numbers(values: Iterable[float]) -> list[float | None]:
    return [_number(one) for one in values]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _value(value: object) -> object:
    return _number(value) if isinstance(value, float) else value
