"""Where the boxes of a drawing stand: in columns, each right of those it comes after.

Columns by the longest path, order within them by the mean of the neighbours (Sugiyama, Tagawa and
Toda 1981). Time and room grow with the number of boxes and edges alone.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

Node: TypeAlias = str | tuple[str, str, int]  # a box, or where an edge passes a column
_SWEEPS = 4
_MOST_PASSES = 20_000  # more places where edges pass columns would cost more than they show


class Layout(NamedTuple):
    """Boxes in columns, and where each stands in its own, in rows from 0; edges by their nodes."""

    columns: Sequence[Sequence[Node]]
    row: Mapping[Node, float]
    edges: Mapping[tuple[str, str], Sequence[Node]]


def layout(after: Mapping[str, Sequence[str]]) -> Layout:
    """Return where boxes stand; those in ``after`` come after those that they depend on."""
    level: dict[str, int] = {}
    for name, others in after.items():
        level[name] = max((level[other] + 1 for other in others), default=0)
    columns: list[list[Node]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name, number in level.items():
        columns[number].append(name)
    pairs = [(other, name) for name, others in after.items() for other in others]
    bent = sum(level[b] - level[a] - 1 for a, b in pairs) <= _MOST_PASSES
    edges: dict[tuple[str, str], list[Node]] = {}
    left: dict[Node, list[Node]] = {}
    right: dict[Node, list[Node]] = {}
    for a, b in pairs:
        passes: list[Node] = [(a, b, number) for number in range(level[a] + 1, level[b])]
        for one in passes if bent else ():
            columns[one[2]].append(one)  # type: ignore[index] # these are no boxes
        chain = [a, *(passes if bent else ()), b]
        edges[a, b] = chain
        for one, other in itertools.pairwise(chain):
            right.setdefault(one, []).append(other)
            left.setdefault(other, []).append(one)
    _order(columns, left, right)
    return Layout(columns, _rows(columns, left, right), edges)


def _order(
    columns: list[list[Node]], left: Mapping[Node, list[Node]], right: Mapping[Node, list[Node]]
) -> None:
    """Bring each column into an order in which few edges cross."""
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        near = left if forth else right
        place = {node: index for column in columns for index, node in enumerate(column)}
        for column in columns if forth else reversed(columns):
            wanted = {node: _mean(near.get(node, ()), place, place[node]) for node in column}
            column.sort(key=wanted.__getitem__)
            place.update({node: index for index, node in enumerate(column)})


def _rows(
    columns: list[list[Node]], left: Mapping[Node, list[Node]], right: Mapping[Node, list[Node]]
) -> dict[Node, float]:
    """Place each node near its neighbours, and none nearer to another than a row."""
    row: dict[Node, float] = {
        node: float(index) for column in columns for index, node in enumerate(column)
    }
    for sweep in range(_SWEEPS + 1):
        forth = sweep % 2 == 0
        near = left if forth else right
        for column in columns if forth else reversed(columns):
            wanted = [_mean(near.get(node, ()), row, row[node]) for node in column]
            placed: list[float] = []
            for one in wanted:
                placed.append(max(one, placed[-1] + 1) if placed else one)
            shift = sum(a - b for a, b in zip(wanted, placed, strict=True)) / max(len(column), 1)
            row.update(zip(column, (one + shift for one in placed), strict=True))
    first = min(row.values(), default=0.0)
    return {node: one - first for node, one in row.items()}


def _mean(nodes: Sequence[Node], place: Mapping[Node, float], otherwise: float) -> float:
    return sum(place[node] for node in nodes) / len(nodes) if nodes else otherwise
