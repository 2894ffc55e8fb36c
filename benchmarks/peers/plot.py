"""The plot of cost over size, as SVG: both axes logarithmic, a panel for each kind of work."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

_PANELS = {
    "chain": "chain, first time", "fan": "fan, first time", "unchanged": "fan, nothing changed",
    "list": "latest 100 of all runs",
}  # fmt: skip
_COLOURS = {
    "runproj": "#c2185b", "doit": "#00897b", "snakemake": "#5e35b1", "dvc": "#ef6c00",
    "mlflow": "#1e88e5", "ninja": "#757575", "bare": "#b0a080",
}  # fmt: skip
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 300, 220, 60, 40, 80


def growth(cases: Sequence[dict[str, Any]]) -> str:
    """Return the plot, "" when no kind of work was measured at two sizes."""
    panels = []
    for kind, title in _PANELS.items():
        lines = _lines([case for case in cases if case["kind"] == kind])
        if any(len(points) > 1 for points in lines.values()):
            panels.append((title, lines))
    if not panels:
        return ""
    width = _LEFT + len(panels) * (_WIDTH + _GAP)
    shapes = [shape for number, panel in enumerate(panels) for shape in _panel(number, *panel)]
    legend = _legend({tool for _, lines in panels for tool in lines})
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 80}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([
        head, '<rect width="100%" height="100%" fill="white"/>', *shapes, *legend, "</svg>\n",
    ])  # fmt: skip


def _lines(cases: Iterable[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Return points (size, CPU seconds) by tool."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for case in cases:
        for figure in case["figures"]:
            if figure["tool"] in _COLOURS and figure["cpu"]:
                lines.setdefault(figure["tool"], []).append((case["size"], figure["cpu"]))
    return lines


def _panel(number: int, title: str, lines: dict[str, list[tuple[float, float]]]) -> Iterable[str]:
    """Yield a panel: frame, grid, a line of slope one, and a line for each tool."""
    left = _LEFT + number * (_WIDTH + _GAP)
    sizes, costs = zip(*(point for points in lines.values() for point in points), strict=True)
    xs, ys = _decades(sizes), _decades(costs)

    def place(size: float, cost: float) -> tuple[float, float]:
        along = (math.log10(size) - xs[0]) / (xs[-1] - xs[0])
        up = (math.log10(cost) - ys[0]) / (ys[-1] - ys[0])
        return left + along * _WIDTH, _TOP + (1 - up) * _HEIGHT

    yield f'<text x="{left}" y="{_TOP - 14}" font-weight="bold">{title}: CPU seconds</text>'
    for x in xs:
        at, _ = place(10**x, 10 ** ys[0])
        yield _line([(at, _TOP), (at, _TOP + _HEIGHT)], "#e0e0e0")
        yield f'<text x="{at}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">{10**x:,}</text>'
    for y in ys:
        _, at = place(10 ** xs[0], 10**y)
        yield _line([(left, at), (left + _WIDTH, at)], "#e0e0e0")
        yield f'<text x="{left - 6}" y="{at + 4}" text-anchor="end">{10.0**y:g}</text>'
    rise = min(xs[-1] - xs[0], ys[-1] - ys[0])
    proportional = [place(10 ** xs[0], 10 ** ys[0]),
                    place(10 ** (xs[0] + rise), 10 ** (ys[0] + rise))]  # fmt: skip
    yield _line(proportional, "#bdbdbd", 'stroke-dasharray="4 4"')
    for tool, points in lines.items():
        at_points = [place(*point) for point in points]
        yield _line(at_points, _COLOURS[tool], f'stroke-width="{3 if tool == "runproj" else 1.5}"')
        for x_at, y_at in at_points:
            yield f'<circle cx="{x_at:.1f}" cy="{y_at:.1f}" r="3" fill="{_COLOURS[tool]}"/>'


def _line(points: Iterable[tuple[float, float]], colour: str, more: str = "") -> str:
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{told}" fill="none" stroke="{colour}" {more}/>'


def _legend(tools: Iterable[str]) -> Iterable[str]:
    y = _TOP + _HEIGHT + 50
    for number, tool in enumerate(name for name in _COLOURS if name in tools):
        x = _LEFT + number * 100
        yield _line([(x, y), (x + 24, y)], _COLOURS[tool], 'stroke-width="3"')
        yield f'<text x="{x + 30}" y="{y + 4}">{tool}</text>'
    x = _LEFT + len(_COLOURS) * 100
    yield _line([(x, y), (x + 24, y)], "#bdbdbd", 'stroke-dasharray="4 4"')
    yield f'<text x="{x + 30}" y="{y + 4}">growth in proportion</text>'


def _decades(values: Iterable[float]) -> list[int]:
    """Return the powers of ten around some values, two at least."""
    logs = [math.log10(value) for value in values]
    first, last = math.floor(min(logs)), math.ceil(max(logs))
    return list(range(first, max(last, first + 1) + 1))
