"""Charts as text: braille dots where lines can be told apart by colour, else letters."""

import itertools
import math
import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from runproj.cli.render.charts.canvas import shortened, width
from runproj.cli.render.charts.scale import Scale, Tick, scale_of, short
from runproj.cli.render.charts.svg import name_of, note, pieces, scales
from runproj.cli.render.charts.values import Axis, Chart, Dots, Lines, Parallel, Scatter, as_text
from runproj.cli.render.style import Style
from runproj.cli.render.text import table

_PAINTS = ("blue", "yellow", "green", "red", "cyan")
_LETTERS = string.ascii_letters + string.digits
_DOT = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille sign, Unicode 2800
_LABEL = 32
_SHOWN = 62  # lines of a legend, and letters that there are
_RUNS = 200  # rows
_LEFT = 10  # columns for the numbers of an axis
_STRIP = 24


class Screen(NamedTuple):
    """What is drawn on: columns and rows of the terminal, whether it can be coloured, and signs.

    ``signs`` tells whether it shows more than ASCII.
    """

    columns: int
    rows: int
    style: Style
    signs: bool = True


def chart_text(chart: Chart, screen: Screen) -> str:
    """Return a chart as lines of text, no longer than a screen is wide."""
    if isinstance(chart, Lines):
        made = _lines(chart, screen)
    elif isinstance(chart, Dots):
        made = _dots(chart, screen)
    else:
        made = _scatter(chart, screen) if isinstance(chart, Scatter) else _parallel(chart, screen)
    title = screen.style.bold(shortened(name_of(chart), screen.columns))
    return "\n".join([title, *made]) + "\n"


class _Plane:
    """Cells of a screen, each made of 2 by 4 dots; a cell belongs to what drew in it last."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._dots = [[0] * columns for _ in range(rows)]
        self.owner: list[list[int | None]] = [[None] * columns for _ in range(rows)]

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return the dot of a place, each from 0 to 1."""
        across, down = round(x * (self.columns * 2 - 1)), round((1 - y) * (self.rows * 4 - 1))
        return min(max(across, 0), self.columns * 2 - 1), min(max(down, 0), self.rows * 4 - 1)

    def put(self, dot: tuple[int, int], owner: int) -> None:
        """Draw a dot."""
        x, y = dot
        self._dots[y // 4][x // 2] |= _DOT[y % 4][x % 2]
        self.owner[y // 4][x // 2] = owner

    def stroke(self, points: Sequence[tuple[float, float]], owner: int) -> None:
        """Draw a line through places."""
        dots = [self.at(*one) for one in points]
        self.put(dots[0], owner)
        for (x1, y1), (x2, y2) in itertools.pairwise(dots):
            steps = max(abs(x2 - x1), abs(y2 - y1))
            for step in range(1, steps + 1):
                part = step / steps
                self.put((round(x1 + (x2 - x1) * part), round(y1 + (y2 - y1) * part)), owner)

    def sign(self, row: int, column: int) -> str:
        """Return the braille sign of a cell."""
        return chr(0x2800 + self._dots[row][column])


def _lines(chart: Lines, screen: Screen) -> list[str]:
    across, up = scales(chart)
    lettered = not screen.signs or len(chart.series) > (len(_PAINTS) if screen.style.colour else 1)
    plane = _Plane(max(screen.columns - _LEFT - 2, 10), screen.rows)
    order = sorted(range(len(chart.series)), key=lambda number: number == chart.best)
    for number in order:
        series = chart.series[number]
        for stroke in pieces(series, across, up):
            level = not series.xs
            plane.stroke([(0, stroke[0][1]), (1, stroke[0][1])] if level else stroke, number)
    lines = _framed(plane, across.ticks(plane.columns // 14), up, screen, lettered=lettered)
    lines.append(_centred(chart.x, screen))
    for number, series in enumerate(chart.series[:_SHOWN]):
        mark = _mark(number, screen, lettered=lettered)
        numbers = [one for one in series.ys if math.isfinite(one)]
        told = note(series, log=chart.log)
        if series.xs and numbers:
            ends = f"min {short(min(numbers))}, max {short(max(numbers))}"
            told = f"last {short(series.ys[-1])}, {ends}{told}"
        best = " (best)" if number == chart.best else ""
        said = shortened(series.label, _LABEL)
        lines.append(f"  {mark} {said}{best}  {screen.style.dim(told.removeprefix(': '))}")
    if len(chart.series) > _SHOWN:
        lines.append(f"  and {len(chart.series) - _SHOWN} more")
    return lines


def _mark(number: int, screen: Screen, *, lettered: bool) -> str:
    sign = _LETTERS[number % len(_LETTERS)] if lettered else "⠶"
    return _painted(sign, number, screen.style)


def _painted(text: str, number: int, style: Style) -> str:
    return str(getattr(style, _PAINTS[number % len(_PAINTS)])(text))


def _framed(
    plane: _Plane, xs: Sequence[Tick], up: Scale | Axis, screen: Screen, *, lettered: bool
) -> list[str]:
    """Return the rows of a plane, with its axes."""
    sides = "│┤└┬─" if screen.signs else "|+++-"
    beside: dict[int, str] = {}
    for tick in up.ticks(max(2, plane.rows // 3)):
        beside.setdefault(plane.at(0, tick.place)[1] // 4, tick.text)
    lines = []
    for row in range(plane.rows):
        said = shortened(beside.get(row, ""), _LEFT - 1)
        side = sides[1] if row in beside else sides[0]
        head = " " * (_LEFT - 1 - width(said)) + screen.style.dim(f"{said}{side}")
        lines.append(f"{head}{''.join(_cells(plane, row, screen, lettered=lettered))}".rstrip())
    rule, under, free = [sides[4]] * plane.columns, [" "] * (plane.columns + _LEFT), 0
    for tick in xs:
        at = plane.at(tick.place, 0)[0] // 2
        said = shortened(tick.text, 12)
        begin = max(at + _LEFT - width(said) // 2, 0)
        if begin < free or begin + width(said) > len(under):
            continue
        rule[at] = sides[3]
        under[begin : begin + width(said)] = said
        free = begin + width(said) + 1
    lines.append(" " * (_LEFT - 1) + screen.style.dim(sides[2] + "".join(rule)))
    lines.append(screen.style.dim("".join(under).rstrip()))
    return lines


def _cells(plane: _Plane, row: int, screen: Screen, *, lettered: bool) -> Iterator[str]:
    """Yield the cells of a row; neighbours of one owner are painted at once."""
    run, owner = "", None
    for column in range(plane.columns):
        found = plane.owner[row][column]
        if found != owner:
            yield run if owner is None else _painted(run, owner, screen.style)
            run, owner = "", found
        if found is None:
            run += " "
        else:
            run += _LETTERS[found % len(_LETTERS)] if lettered else plane.sign(row, column)
    yield run if owner is None else _painted(run, owner, screen.style)


def _centred(name: str, screen: Screen) -> str:
    said = shortened(name, screen.columns - _LEFT)
    return " " * max(0, (screen.columns + _LEFT - width(said)) // 2) + screen.style.dim(said)


def _dots(chart: Dots, screen: Screen) -> list[str]:
    axis = scale_of((value for _, value in chart.rows), log=chart.log)
    names = [shortened(name, _LABEL) for name, _ in chart.rows[:_RUNS]]
    left = max(map(width, names), default=0)
    room = max(10, screen.columns - left - 20)
    lines = []
    for number, (name, (_, value)) in enumerate(zip(names, chart.rows, strict=False)):
        best = number == chart.best
        strip = _strip(axis.place(value) if axis.shows(value) else None, room, screen)
        head = " " * (left - width(name)) + (screen.style.bold(name) if best else name)
        tail = short(value) + (screen.style.green(" best") if best else "")
        lines.append(f"  {head} {strip} {tail}")
    if len(chart.rows) > _RUNS:
        lines.append(f"  and {len(chart.rows) - _RUNS} more")
    return lines


def _strip(place: float | None, room: int, screen: Screen) -> str:
    """Return a mark at its place on a line of its own."""
    bar, mark = "│·●" if screen.signs else "|.o", round((place or 0) * (room - 1))
    cells = [bar[1]] * room
    if place is None:
        return screen.style.dim(bar[0] + "".join(cells))
    before, after = "".join(cells[:mark]), "".join(cells[mark + 1 :])
    return screen.style.dim(bar[0] + before) + screen.style.blue(bar[2]) + screen.style.dim(after)


def _scatter(chart: Scatter, screen: Screen) -> list[str]:
    plane = _Plane(max(screen.columns - _LEFT - 2, 10), screen.rows)
    missing = 0
    for number in sorted(range(len(chart.labels)), key=lambda number: number == chart.best):
        x, y = chart.x.places[number], chart.y.places[number]
        if x is None or y is None:
            missing += 1
        else:
            plane.put(plane.at(x, y), 1 if number == chart.best else 0)
    marked = _Marked(plane, screen)
    lines = _framed(marked, chart.x.ticks(plane.columns // 14), chart.y, screen, lettered=False)
    lines.append(_centred(chart.x.name, screen))
    if chart.best is not None:
        sign = _painted(marked.signs[1], 1, screen.style)
        lines.append(f"  {sign} best: {shortened(chart.labels[chart.best], screen.columns - 12)}")
    if missing:
        lines.append(f"  {missing} of {len(chart.labels)} runs have not both values")
    return lines


class _Marked(_Plane):
    """A plane whose cells show a mark in place of dots."""

    def __init__(self, plane: _Plane, screen: Screen) -> None:
        super().__init__(plane.columns, plane.rows)
        self.owner = plane.owner
        self.signs = "●★" if screen.signs else "o*"

    def sign(self, row: int, column: int) -> str:
        return self.signs[self.owner[row][column] or 0]


def _parallel(chart: Parallel, screen: Screen) -> list[str]:
    """Return a table of what the lines go through, sorted by the metric."""
    metric = chart.axes[-1]
    places = [math.inf if one is None else one for one in metric.places]
    down = chart.best is not None and places[chart.best] > min(places)
    order = sorted(
        range(len(places)),
        key=lambda number: (
            math.isinf(places[number]), -places[number] if down else places[number],
            number != chart.best,
        ),
    )  # fmt: skip
    head = ["run", *(shortened(axis.name, _LABEL) for axis in chart.axes), ""]
    rows = [[screen.style.bold(one) for one in head]]
    for number in order[:_RUNS]:
        label = shortened(chart.labels[number], _LABEL)
        cells = [shortened(as_text(axis.values[number]), _LABEL) for axis in chart.axes]
        strip = _strip(metric.places[number], _STRIP, screen)
        best = number == chart.best
        tail = strip + (screen.style.green(" best") if best else "")
        rows.append([screen.style.bold(label) if best else label, *cells, tail])
    lines = table(rows, indent="  ").splitlines()
    if len(order) > _RUNS:
        lines.append(f"  and {len(order) - _RUNS} more")
    return lines
