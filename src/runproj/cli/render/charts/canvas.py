"""What SVG charts are made of: marks, texts and axes, for a light and a dark ground.

Every colour is an attribute, so that programs without style sheets draw them too; a style sheet
changes those of the ground where it is dark.
"""

import unicodedata
from collections.abc import Iterable, Sequence

from runproj.cli.render.charts.scale import Tick
from runproj.cli.render.escaping import plain, safe

INK, FAINT, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
STYLE = """\
@media (prefers-color-scheme: dark) {
.chart .ink { fill: #e6edf3; } .chart .faint { fill: #9198a1; }
.chart .grid { stroke: #333a42; } .chart .axis { stroke: #656c76; }
.chart .paper { fill: #0d1117; }
.chart .halo { stroke: #0d1117; } }
"""
"""The style sheet of charts, for the document that they stand in."""

COLOURS = (
    "#2f6fd0", "#e0722b", "#2e9a5b", "#c93c4a", "#8a5cd1", "#9a6f4c", "#d05fae", "#78828c",
    "#a8950f", "#159fb3",
)  # fmt: skip
DASHES = ("", "6 3", "2 3", "9 3 2 3")
"""How lines are told apart that have the same colour."""

BEST = "#d4a106"
_RAMP = ((68, 66, 160), (42, 120, 178), (34, 163, 132), (122, 190, 70), (226, 190, 44))
FONT = (
    "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', 'Liberation Sans', "
    "'Noto Sans', Ubuntu, Cantarell, sans-serif"
)
"""Families of fonts of which every usual system has one."""


def colour(number: int) -> str:
    """Return the colour of the nth line."""
    return COLOURS[number % len(COLOURS)]


def ramp(place: float) -> str:
    """Return a colour between those of 0 and 1, which also differ in lightness."""
    at = min(max(place, 0.0), 1.0) * (len(_RAMP) - 1)
    left = min(int(at), len(_RAMP) - 2)
    rest = at - left
    mixed = (round(a + (b - a) * rest) for a, b in zip(_RAMP[left], _RAMP[left + 1], strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def shortened(value: str, most: int) -> str:
    """Return a text in so many columns at most; the middle of a longer one is left out.

    >>> shortened("abcdefgh", 5)
    'ab…gh'
    """
    cut = len(value) > 4 * most  # what takes no room may be without end, too
    value = plain(f"{value[: 2 * most]}{value[-2 * most :]}" if cut else value)
    if width(value) <= most and not cut:
        return value
    end = (most - 1) // 2
    begin, tail = value[: most - 1 - end], value[-end:] if end else ""
    while width(begin) + width(tail) > most - 1:
        begin, tail = (begin[:-1], tail) if width(begin) >= width(tail) else (begin, tail[1:])
    return f"{begin}…{tail}"


def width(value: str) -> int:
    """Return how many columns a text takes in a terminal."""
    if value.isascii():
        return len(value)
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in value
    )


def text(  # noqa: PLR0913 -- what a text may be
    x: float, y: float, value: str, *, kind: str = "ink", anchor: str = "start", size: float = 12,
    bold: bool = False, halo: bool = False, title: str | None = None,
) -> str:  # fmt: skip
    """Return a text in ``ink`` or ``faint``; ``title`` is what a pointer over it shows.

    One with a ``halo`` can be read on top of lines.
    """
    fill = INK if kind == "ink" else FAINT
    kinds = f"{kind} halo" if halo else kind
    around = f' stroke="{PAPER}" stroke-width="3.5" paint-order="stroke"' if halo else ""
    weight = ' font-weight="600"' if bold else ""
    told = f"<title>{safe(title)}</title>" if title else ""
    return (
        f'<text class="{kinds}" x="{x:.1f}" y="{y:.1f}" fill="{fill}"{around} '
        f'font-size="{size:g}" text-anchor="{anchor}"{weight}>{told}{safe(value)}</text>'
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    """Return a straight line of the ``grid`` or an ``axis``."""
    stroke = GRID if kind == "grid" else FAINT
    return (
        f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{stroke}"/>'
    )


def circle(x: float, y: float, radius: float, fill: str, *, ring: bool = False) -> str:
    """Return a mark; with a ``ring`` it stands out."""
    around = f' stroke="{BEST}" stroke-width="2.5"' if ring else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"{around}/>'


def path(
    strokes: Iterable[Sequence[tuple[float, float]]], stroke: str, *, wide: float = 1.6,
    dash: str = "", opacity: float = 1.0,
) -> str:  # fmt: skip
    """Return a line through points, in one piece or several."""
    data = "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) for points in strokes if points
    )
    if not data:
        return ""
    style = f' stroke-dasharray="{dash}"' if dash else ""
    style += f' stroke-opacity="{opacity:g}"' if opacity < 1 else ""
    return (
        f'<path{style} d="{data}" fill="none" stroke="{stroke}" stroke-width="{wide:g}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def group(title: str, marks: Iterable[str]) -> str:
    """Return marks that belong together; a pointer over them shows the title."""
    return f"<g><title>{safe(title)}</title>{''.join(marks)}</g>"


class Frame:
    """The place where two axes meet: turns places on these into those of the drawing."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        """Take the four sides, in pixels."""
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def x(self, place: float) -> float:
        """Return how far to the right a place stands, from 0 to 1."""
        return self.left + place * (self.right - self.left)

    def y(self, place: float) -> float:
        """Return how far below the top a place stands: 1 is above."""
        return self.bottom - place * (self.bottom - self.top)

    def drawn(self, xs: Sequence[Tick], ys: Sequence[Tick], x: str) -> list[str]:
        """Return the axes with their ticks, and the name of the lower one."""
        marks = []
        for tick in ys:
            at = self.y(tick.place)
            marks.append(line(self.left, at, self.right, at))
            said = shortened(tick.text, 14)
            marks.append(text(self.left - 7, at + 4, said, kind="faint", anchor="end", size=11.5))
        marks.append(line(self.left, self.bottom, self.right, self.bottom, "axis"))
        end = -1e9
        for tick in xs:
            at, said = self.x(tick.place), shortened(tick.text, 16)
            half = wide(said, 11.5) / 2
            if at - half < end:
                continue
            end = at + half + 8
            marks.append(line(at, self.bottom, at, self.bottom + 4, "axis"))
            marks.append(text(at, self.bottom + 17, said, kind="faint", anchor="middle", size=11.5))
        middle, said = (self.left + self.right) / 2, shortened(x, 60)
        marks.append(text(middle, self.bottom + 35, said, kind="faint", anchor="middle"))
        return marks


def wide(value: str, size: float = 12) -> float:
    """Return about how wide a text is, in pixels."""
    return width(value) * size * 0.58


def document(parts: Sequence[tuple[str, float]], wide_px: float, name: str, *, alone: bool) -> str:
    """Return an SVG of drawings with their heights, one below the other.

    One that is ``alone`` is a file of its own, with its own ground and style sheet.
    """
    height = sum(one for _, one in parts)
    shape = f'width="{wide_px:.0f}" height="{height:.0f}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" {shape}'
    box = f'viewBox="0 0 {wide_px:.0f} {height:.0f}" font-family="{FONT}">'
    lines = [f"{opening} {box}", f"<title>{safe(name)}</title>"]
    if alone:
        lines.append(f"<style>{STYLE}</style>")
        lines.append(f'<rect class="paper" {shape} fill="{PAPER}"/>')
    top = 0.0
    for drawn, part in parts:
        lines.append(f'<g transform="translate(0 {top:.0f})">{drawn}</g>' if top else drawn)
        top += part
    return "\n".join([*lines, "</svg>"]) + "\n"
