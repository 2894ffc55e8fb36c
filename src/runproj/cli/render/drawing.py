"""The steps as a drawing for other programs: Mermaid, Graphviz, SVG.

A name may be anything that YAML can say: each form writes it so that it stays a name.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runproj.cli.render.escaping import safe
from runproj.cli.render.layout import Node, layout
from runproj.cli.render.style import visible
from runproj.model import EMPTY
from runproj.plan.plan import PlannedStep

_REDUCED = 500  # steps; looking for superfluous edges takes time that grows with their square
_MANY = 60  # from so many steps on, instances of the same are drawn as one
_LABELS = 80  # so many edges can be read with what flows along them
_LONGEST = 28
_CHAR, _BOX, _ROW, _PAD, _SPACE, _MARGIN = 7.3, 34, 54, 14, 56, 24  # pixels


class Drawing(NamedTuple):
    """Boxes, what each comes after, and what flows along an edge."""

    after: Mapping[str, Sequence[str]]
    flows: Mapping[tuple[str, str], Sequence[str]]

    def label(self, name: str) -> str:
        """Return what stands in a box."""
        return visible(name, painted=False)

    def taken(self, edge: tuple[str, str]) -> str:
        """Return what flows along an edge, shortened."""
        text = visible(", ".join(self.flows.get(edge, ())), painted=False)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

    @property
    def edges(self) -> list[tuple[str, str]]:
        """All edges, from what comes before."""
        return [(other, name) for name, others in self.after.items() for other in others]


def of_steps(steps: Sequence[PlannedStep]) -> Drawing:
    """Return a drawing of planned steps: which come after others, and what flows."""
    flows: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        for item in step.inputs:
            if item.step is not None:
                flows.setdefault((item.step, step.name), []).append(item.path)
        if step.foreach is not None:
            flows.setdefault((step.foreach.step, step.name), []).append(step.foreach.path)
    return Drawing({step.name: list(step.after) for step in steps}, flows)


def fewest(drawing: Drawing) -> Drawing:
    """Return a drawing without edges that say nothing new, as long as that is quick."""
    if len(drawing.after) > _REDUCED:
        return drawing
    from runproj.plan.graph import reduced  # noqa: PLC0415 -- lazy

    shown = {name: {*others} for name, others in reduced(drawing.after).items()}
    after = {  # an edge that carries files is always drawn
        consumer: [o for o in others if o in shown[consumer] or (o, consumer) in drawing.flows]
        for consumer, others in drawing.after.items()
    }
    return drawing._replace(after=after)


def grouped(
    after: Mapping[str, Sequence[str]], flows: Mapping[tuple[str, str], Sequence[str]]
) -> Drawing:
    """Return a drawing; where there are many steps, instances of the same are one box."""
    if len(after) <= _MANY:
        return Drawing(after, flows)
    from runproj.plan.graph import together  # noqa: PLC0415 -- lazy

    return Drawing(*together(after, flows))


def mermaid(drawing: Drawing) -> str:
    """Return a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    ids = {name: f"n{number}" for number, name in enumerate(drawing.after)}
    lines = ["flowchart LR"]
    lines += [f'  {ids[name]}["{_entities(drawing.label(name))}"]' for name in drawing.after]
    for a, b in drawing.edges:
        taken = drawing.taken((a, b))
        arrow = f'-->|"{_entities(taken)}"|' if taken else "-.->"
        lines.append(f"  {ids[a]} {arrow} {ids[b]}")
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Write all but letters, digits and a few signs as Mermaid's entities."""
    return re.sub(r"[^\w ./…=,-]", lambda found: f"#{ord(found[0])};", text)


def dot(drawing: Drawing) -> str:
    """Return a graph in the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""
    ids = {name: f"n{number}" for number, name in enumerate(drawing.after)}
    lines = [
        "digraph steps {", "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]  # fmt: skip
    lines += [f"  {ids[name]} [label={_quoted(drawing.label(name))}];" for name in drawing.after]
    for a, b in drawing.edges:
        taken = drawing.taken((a, b))
        said = f"label={_quoted(taken)}" if taken else "style=dashed"
        lines.append(f"  {ids[a]} -> {ids[b]} [{said}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


STYLE = """\
.dag { --ink: #1f2328; --line: #6e7781; --box: #f0f3f6; --edge: #8c959f; --paper: #ffffff;
--good: #1a7f37; --bad: #c5221f; --odd: #9a6700; --busy: #0a57c2; }
@media (prefers-color-scheme: dark) {
.dag { --ink: #e6edf3; --line: #8b949e; --box: #21262d; --edge: #6e7681; --paper: #0d1117;
--good: #4cc364; --bad: #ff7b72; --odd: #dba524; --busy: #6cb0ff; } }
.dag .paper { fill: var(--paper); }
.dag .box rect { fill: var(--box); stroke: var(--edge); }
.dag .succeeded rect { stroke: var(--good); stroke-width: 2; }
.dag .cached rect { stroke: var(--good); stroke-width: 2; stroke-dasharray: 4 3; }
.dag .failed rect { stroke: var(--bad); stroke-width: 3; }
.dag .running rect { stroke: var(--busy); stroke-width: 2; }
.dag .skipped rect, .dag .interrupted rect { stroke: var(--odd); stroke-width: 2; }
.dag text { font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
fill: var(--ink); text-anchor: middle; dominant-baseline: central; }
.dag .edge path { fill: none; stroke: var(--line); stroke-width: 1.3; }
.dag .edge.only path { stroke-dasharray: 5 4; }
.dag .edge text { font-size: 11px; fill: var(--line); stroke: var(--paper); stroke-width: 5px;
paint-order: stroke; }
.dag marker path { fill: var(--line); }
"""
"""The style sheet of an SVG, for the document that it stands in."""

_HEAD = """\
<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"
orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>"""


def svg(drawing: Drawing, statuses: Mapping[str, str] = EMPTY, *, alone: bool = True) -> str:
    """Return a drawing, to be read on a light and on a dark ground.

    Args:
        drawing: the steps.
        statuses: of steps; one that is not there has a plain box.
        alone: it needs nothing else; otherwise it takes :data:`STYLE` from the page around it.
    """
    made = layout(drawing.after)
    place, sizes, width = _places(drawing, made.columns, made.row)
    height = _MARGIN * 2 + _BOX + max(made.row.values(), default=0.0) * _ROW
    size = f'width="{width:.0f}" height="{height:.0f}"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" class="dag" {size} role="img" viewBox="0 0 '
    lines = [
        f'{opening}{width:.0f} {height:.0f}">',
        f"<title>{len(drawing.after)} steps</title>",
        *([f"<style>{STYLE}</style>"] if alone else []),
        _HEAD,
        *([f'<rect class="paper" {size}/>'] if alone else []),
    ]
    labelled = len(made.edges) <= _LABELS
    for edge, nodes in made.edges.items():
        lines.append(_edge(drawing, edge, nodes, place, sizes, labelled=labelled))
    for name in drawing.after:
        x, y = place[name]
        box = sizes[name]
        kind = f"box {statuses[name]}" if name in statuses else "box"
        lines.append(
            f'<g class="{kind}"><rect x="{x:.1f}" y="{y - _BOX / 2:.1f}" width="{box:.1f}" '
            f'height="{_BOX}" rx="6"/><text x="{x + box / 2:.1f}" y="{y:.1f}">'
            f"{safe(name)}</text></g>"
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _places(
    drawing: Drawing, columns: Sequence[Sequence[Node]], row: Mapping[Node, float]
) -> tuple[dict[Node, tuple[float, float]], dict[Node, float], float]:
    """Return the left end of each node, its width, and the width of the whole drawing."""
    gaps = [float(_SPACE)] * len(columns)
    level = {node: number for number, column in enumerate(columns) for node in column}
    if len(drawing.edges) <= _LABELS:  # there is room for what flows
        for edge in drawing.edges:
            need = len(drawing.taken(edge)) * _CHAR * 0.9 + _SPACE
            gaps[level[edge[0]]] = max(gaps[level[edge[0]]], need)
    place: dict[Node, tuple[float, float]] = {}
    sizes: dict[Node, float] = {}
    x = float(_MARGIN)
    for number, column in enumerate(columns):
        widest = 0.0
        for node in column:
            own = len(drawing.label(node)) * _CHAR + 2 * _PAD if isinstance(node, str) else 0.0
            sizes[node] = own
            widest = max(widest, own)
        for node in column:
            place[node] = (x, _MARGIN + _BOX / 2 + row[node] * _ROW)
            sizes[node] = sizes[node] if isinstance(node, str) else widest
        x += widest + (gaps[number] if number < len(columns) - 1 else 0.0)
    return place, sizes, x + _MARGIN


def _edge(
    drawing: Drawing, edge: tuple[str, str], nodes: Sequence[Node],
    place: Mapping[Node, tuple[float, float]], sizes: Mapping[Node, float], *, labelled: bool,
) -> str:  # fmt: skip
    """Return an edge, a curve from box to box through what it passes."""
    path, middle = "", (0.0, 0.0)
    for a, b in itertools.pairwise(nodes):
        x1, y1 = place[a][0] + sizes[a], place[a][1]
        x2, y2 = place[b]
        bend = (x1 + x2) / 2
        if not path:
            path, middle = f"M{x1:.1f} {y1:.1f}", (bend, (y1 + y2) / 2)
        else:
            path += f" L{x1:.1f} {y1:.1f}"
        path += f" C{bend:.1f} {y1:.1f} {bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    whole = visible(", ".join(drawing.flows.get(edge, ())), painted=False)
    taken = drawing.taken(edge) if labelled else ""
    text = ""
    if taken:
        text = f'<text x="{middle[0]:.1f}" y="{middle[1]:.1f}">{safe(taken)}</text>'
    said = safe(whole or f"{edge[0]} → {edge[1]}")
    kind = "edge" if whole else "edge only"
    return (
        f'<g class="{kind}"><title>{said}</title>'
        f'<path d="{path}" marker-end="url(#head)"/>{text}</g>'
    )
