"""Charts as SVG: each is drawn at a width and says how high it became."""

import math
from collections.abc import Iterator, Sequence

from runproj.cli.render.charts import canvas
from runproj.cli.render.charts.canvas import Frame
from runproj.cli.render.charts.scale import Scale, Tick, scale_of, short
from runproj.cli.render.charts.values import Chart, Dots, Lines, Parallel, Scatter, Series

WIDE = 720
_HIGH = 320
_HEAD = 34
_FOOT = 48
_LEGEND = 12  # entries
_ROW = 20
_DOTTED = 40  # lines of so few points show each
_ROWS = 200
_LABEL = 36


def picture(charts: Sequence[Chart], *, wide: float = WIDE, alone: bool = True) -> str:
    """Return charts as one SVG, one below the other.

    Args:
        charts: at least one.
        wide: in pixels.
        alone: it will be a file of its own; else it takes the style of the page around it.
    """
    parts = [_drawn(chart, wide) for chart in charts]
    return canvas.document(parts, wide, ", ".join(map(name_of, charts)), alone=alone)


def name_of(chart: Chart) -> str:
    """Return what a chart shows, in words."""
    if isinstance(chart, Scatter):
        return f"{chart.y.name} over {chart.x.name}"
    if isinstance(chart, Parallel):
        return f"{chart.axes[-1].name} of {len(chart.labels)} runs"
    return chart.title


def _drawn(chart: Chart, wide: float) -> tuple[str, float]:
    if isinstance(chart, Lines):
        return _lines(chart, wide)
    if isinstance(chart, Dots):
        return _dots(chart, wide)
    return _scatter(chart, wide) if isinstance(chart, Scatter) else _parallel(chart, wide)


def _head(title: str, wide: float) -> str:
    said = canvas.shortened(title, int(wide / 9.5))
    return canvas.text(12, 22, said, size=14, bold=True, title=title if said != title else None)


def scales(chart: Lines) -> tuple[Scale, Scale]:
    """Return the scales of the two axes of lines."""
    xs = (x for one in chart.series for x, y in zip(one.xs, one.ys, strict=False) if _seen(y))
    ys = (y for one in chart.series for y in one.ys)
    return scale_of(xs), scale_of(ys, log=chart.log)


def _seen(value: float) -> bool:
    return math.isfinite(value)


def _lines(chart: Lines, wide: float) -> tuple[str, float]:
    across, up = scales(chart)
    ticks = up.ticks(6)
    left = max((canvas.wide(canvas.shortened(tick.text, 14), 11.5) for tick in ticks), default=0)
    frame = Frame(left + 20, _HEAD + 6, wide - 18, _HIGH - _FOOT)
    marks = [_head(chart.title, wide)]
    marks += frame.drawn(across.ticks(max(3, int(wide / 100))), ticks, chart.x)
    many = len(chart.series) > _LEGEND
    order = sorted(range(len(chart.series)), key=lambda number: number == chart.best)
    for number in order:
        marks.append(_line(chart, number, frame, (across, up), many=many))
    legend, high = _legend(chart, wide, _HIGH + 4)
    return "".join([*marks, *legend]), high


def _line(chart: Lines, number: int, frame: Frame, axes: tuple[Scale, Scale], *, many: bool) -> str:
    series = chart.series[number]
    best = number == chart.best
    paint, dash = _look(chart, number, many=many)
    muted = many and not best
    strokes = [[(frame.x(x), frame.y(y)) for x, y in stroke] for stroke in pieces(series, *axes)]
    marks = [
        canvas.path(
            strokes, paint, dash=dash, wide=2.6 if best else 1.6,
            opacity=0.5 if muted else 1.0,
        )
    ]  # fmt: skip
    if not series.xs and strokes:  # a value of no place
        [[(_, y)]] = strokes
        ends = [(frame.left, y), (frame.right, y)]
        marks = [canvas.path([ends], paint, dash="2 5", wide=1.6)]
    elif len(series.ys) <= _DOTTED:
        marks += [canvas.circle(x, y, 2.4, paint) for stroke in strokes for x, y in stroke]
    else:
        marks += [canvas.circle(*stroke[0], 1.6, paint) for stroke in strokes if len(stroke) == 1]
    return canvas.group(series.label, marks)


def _look(chart: Lines, number: int, *, many: bool) -> tuple[str, str]:
    """Return colour and dashes of a line."""
    if many:
        return (canvas.BEST if number == chart.best else canvas.colour(number)), ""
    dash = canvas.DASHES[number // len(canvas.COLOURS) % len(canvas.DASHES)]
    return canvas.colour(number), dash


def pieces(series: Series, across: Scale, up: Scale) -> Iterator[list[tuple[float, float]]]:
    """Yield the parts of a line between its gaps, as places on both axes."""
    if not series.xs:
        yield from ([[(0.5, up.place(one))] for one in series.ys[:1] if up.shows(one)])
        return
    stroke: list[tuple[float, float]] = []
    for x, y in zip(series.xs, series.ys, strict=True):
        if up.shows(y) and across.shows(x):
            stroke.append((across.place(x), up.place(y)))
        elif stroke:
            yield stroke
            stroke = []
    if stroke:
        yield stroke


def _legend(chart: Lines, wide: float, top: float) -> tuple[list[str], float]:
    many = len(chart.series) > _LEGEND
    numbers = [n for n in range(len(chart.series)) if not many or n == chart.best]
    marks, x, y = [], 14.0, top + 8
    for number in numbers:
        series = chart.series[number]
        said = canvas.shortened(series.label, _LABEL) + note(series, log=chart.log)
        if number == chart.best:
            said += " (best)"
        room = canvas.wide(said) + 46
        if x > 14 and x + room > wide - 8:  # noqa: PLR2004 -- the left margin
            x, y = 14.0, y + _ROW
        paint, dash = _look(chart, number, many=many)
        ends = [(x, y - 4), (x + 20, y - 4)]
        dash = dash if series.xs else "2 5"
        marks.append(canvas.path([ends], paint, dash=dash, wide=2.4))
        cut = said if series.label in said else series.label
        title = cut if cut != said else None
        marks.append(canvas.text(x + 26, y, said, title=title))
        x += room
    if many:
        rest = len(chart.series) - len(numbers)
        if x + 110 > wide:
            x, y = 14.0, y + _ROW
        marks.append(
            canvas.text(x, y, f"and {rest} more" if numbers else f"{rest} lines", kind="faint")
        )
        numbers.append(0)
    return marks, y + 14 if numbers else top


def note(series: Series, *, log: bool) -> str:
    """Return what is not seen of a line.

    >>> note(Series("a", [1.0, 2.0], [0.5, float("nan")]), log=False)
    ', 1 not finite'
    """
    said = ""
    if series.gaps:
        said += f", {series.gaps} not finite"
    below = sum(one <= 0 for one in series.ys if math.isfinite(one)) if log else 0
    if below:
        said += f", {below} not above 0"
    if not series.xs and series.ys:
        said += f": {short(series.ys[0])}"
    return said


def _dots(chart: Dots, wide: float) -> tuple[str, float]:
    rows = list(enumerate(chart.rows[:_ROWS]))
    axis = scale_of((value for _, value in chart.rows), log=chart.log)
    names = [canvas.shortened(name, _LABEL) for _, (name, _) in rows]
    left = min(max(map(canvas.wide, names), default=0.0), wide * 0.42) + 22
    bottom = _HEAD + 14 + len(rows) * _ROW
    frame = Frame(left, _HEAD, wide - 76, bottom)
    marks = [_head(chart.title, wide)]
    for tick in axis.ticks(max(3, int(wide / 110))):
        at = frame.x(tick.place)
        marks.append(canvas.line(at, _HEAD, at, bottom))
        marks.append(
            canvas.text(at, bottom + 16, tick.text, kind="faint", anchor="middle", size=11.5)
        )
    marks.append(canvas.line(frame.left, bottom, frame.right, bottom, "axis"))
    for (number, (label, value)), name in zip(rows, names, strict=True):
        y = _HEAD + 18 + number * _ROW
        best = number == chart.best
        said = short(value) + (" best" if best else "")
        row = [
            canvas.text(left - 10, y + 4, name, anchor="end", bold=best),
            canvas.text(frame.right + 8, y + 4, said, kind="ink" if best else "faint", size=11.5),
        ]
        if axis.shows(value):
            row.append(canvas.circle(frame.x(axis.place(value)), y, 5, canvas.colour(0), ring=best))
        marks.append(canvas.group(f"{label}: {short(value)}", row))
    if len(chart.rows) > len(rows):
        rest = f"and {len(chart.rows) - len(rows)} more"
        marks.append(canvas.text(14, bottom + 34, rest, kind="faint"))
        bottom += 20
    return "".join(marks), bottom + 28


def _scatter(chart: Scatter, wide: float) -> tuple[str, float]:
    ticks = chart.y.ticks(6)
    left = max((canvas.wide(canvas.shortened(tick.text, 14), 11.5) for tick in ticks), default=0)
    frame = Frame(left + 20, _HEAD + 6, wide - 18, _HIGH + 20 - _FOOT)
    marks = [_head(name_of(chart), wide)]
    marks += frame.drawn(chart.x.ticks(max(3, int(wide / 100))), ticks, chart.x.name)
    missing = 0
    order = sorted(range(len(chart.labels)), key=lambda number: number == chart.best)
    for number in order:
        x, y = chart.x.places[number], chart.y.places[number]
        if x is None or y is None:
            missing += 1
            continue
        best = number == chart.best
        mark = canvas.circle(frame.x(x), frame.y(y), 5 if best else 4, canvas.colour(0), ring=best)
        marks.append(canvas.group(chart.labels[number], [mark]))
    notes = []
    if chart.best is not None:
        notes.append(f"best: {canvas.shortened(chart.labels[chart.best], _LABEL)}")
    if missing:
        notes.append(f"{missing} of {len(chart.labels)} runs have not both values")
    marks.append(canvas.text(14, _HIGH + 30, ", ".join(notes), kind="faint"))
    return "".join(marks), _HIGH + (44 if notes else 24)


def _parallel(chart: Parallel, wide: float) -> tuple[str, float]:
    top, bottom = _HEAD + 34.0, _HIGH + 10.0
    margin = 46.0
    count = len(chart.axes)
    gap = (wide - 2 * margin - 30) / max(count - 1, 1)
    xs = [margin + gap * number for number in range(count)]
    frame = Frame(xs[0], top, xs[-1], bottom)
    marks = [_head(name_of(chart), wide)]
    order = sorted(range(len(chart.labels)), key=lambda number: number == chart.best)
    for number in order:
        places = [axis.places[number] for axis in chart.axes]
        metric = places[-1]
        best = number == chart.best
        strokes = _through(places, xs, frame)
        paint = canvas.BEST if best else canvas.FAINT if metric is None else canvas.ramp(metric)
        wide_px = 3.2 if best else 1.5
        drawn = canvas.path(strokes, paint, wide=wide_px, opacity=1.0 if best else 0.75)
        drawn += "".join(canvas.circle(*one[0], 2.4, paint) for one in strokes if len(one) == 1)
        if drawn:
            marks.append(canvas.group(chart.labels[number], [drawn]))
    for axis, x in zip(chart.axes, xs, strict=True):
        marks.append(canvas.line(x, top, x, bottom, "axis"))
        last = axis is chart.axes[-1]
        name = canvas.shortened(axis.name, max(6, int(gap / 7.2)))
        anchor = "end" if last and count > 1 else "middle"
        at = x + 34 if last else x
        marks.append(canvas.text(at, top - 14, name, anchor=anchor, bold=True, title=axis.name))
        marks += [_beside(tick, x, frame, int(gap / 8)) for tick in axis.ticks(5)]
    high = bottom + 16
    if chart.best is not None:
        said = f"best: {canvas.shortened(chart.labels[chart.best], 60)}"
        marks.append(canvas.text(14, bottom + 24, said, kind="faint"))
        high += 20
    return "".join(marks), high


def _through(
    places: Sequence[float | None], xs: Sequence[float], frame: Frame
) -> list[list[tuple[float, float]]]:
    """Return the line through the axes of which it has places, in pieces."""
    strokes: list[list[tuple[float, float]]] = [[]]
    for place, x in zip(places, xs, strict=True):
        if place is not None:
            strokes[-1].append((x, frame.y(place)))
        elif strokes[-1]:
            strokes.append([])
    return [one for one in strokes if one]


def _beside(tick: Tick, x: float, frame: Frame, most: int) -> str:
    y = frame.y(tick.place)
    mark = canvas.line(x - 3, y, x + 3, y, "axis")
    said = canvas.shortened(tick.text, max(4, most))
    return mark + canvas.text(x + 6, y + 4, said, kind="faint", size=11, halo=True)
