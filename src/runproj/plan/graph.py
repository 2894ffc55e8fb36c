"""Questions about the order of steps.

Plain ordering is the standard library's. The rarer questions are networkx's, which is imported
inside of the functions that ask them: it costs more than all the rest of a small run.
"""

import graphlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from runproj.spec.matrix import group_of

if TYPE_CHECKING:
    import networkx

_SHOWN = 4  # paths that are named where there are many


def order(after: Mapping[str, Iterable[str]]) -> list[str]:
    """Return names so that each comes after those it depends on; else as declared.

    >>> order({"b": ["a"], "a": [], "c": ["a"]})
    ['a', 'b', 'c']

    Raises:
        graphlib.CycleError: there is none; its second argument is the cycle.
    """
    sorter = graphlib.TopologicalSorter(after)
    sorter.prepare()
    position = {name: index for index, name in enumerate(after)}
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda name: position.get(name, 0))
        ordered += ready
        sorter.done(*ready)
    return ordered


def with_ancestors(after: Mapping[str, Iterable[str]], names: Collection[str]) -> set[str]:
    """Return these names and all that they depend on, directly or not."""
    found, open_ = set(names), list(names)
    while open_:
        new = [name for name in after[open_.pop()] if name not in found]
        found.update(new)
        open_ += new
    return found


def reduced(after: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return the same order with the fewest edges, for drawing."""
    import networkx  # noqa: PLC0415 -- see the module docstring

    graph = networkx.transitive_reduction(_graph(after))
    position = {name: index for index, name in enumerate(after)}
    return {name: sorted(graph.predecessors(name), key=position.__getitem__) for name in after}


Flows: TypeAlias = Mapping[tuple[str, str], Sequence[str]]
"""What a step takes from another: (maker, taker) → paths."""


def together(
    after: Mapping[str, Sequence[str]], flows: Flows
) -> tuple[dict[str, list[str]], dict[tuple[str, str], list[str]]]:
    """Return the same with one name for all instances of a step, for drawing.

    Where instances of two steps come after each other by turns, they stay apart.

    >>> together({"a[x=1]": [], "a[x=2]": [], "b": ["a[x=1]", "a[x=2]"]}, {})[0]
    {'a (2 instances)': [], 'b': ['a (2 instances)']}
    """
    counts = Counter(map(group_of, after))
    names = {name: _named(name, counts[group_of(name)]) for name in after}
    found: dict[str, dict[str, None]] = {name: {} for name in names.values()}
    for name, others in after.items():
        found[names[name]].update((names[one], None) for one in others if names[one] != names[name])
    try:
        ordered = order(found)
    except graphlib.CycleError:
        return (
            {name: list(others) for name, others in after.items()},
            {pair: list(paths) for pair, paths in flows.items()},
        )
    taken: dict[tuple[str, str], dict[str, None]] = {}
    for (maker, taker), paths in flows.items():
        taken.setdefault((names[maker], names[taker]), {}).update(dict.fromkeys(paths))
    return (
        {name: list(found[name]) for name in ordered},
        {pair: _few(list(paths)) for pair, paths in taken.items()},
    )


def _named(name: str, count: int) -> str:
    return name if count == 1 else f"{group_of(name)} ({count} instances)"


def _few(paths: list[str]) -> list[str]:
    more = len(paths) - _SHOWN
    return paths if more <= 1 else [*paths[:_SHOWN], f"{more} more"]


def _graph(after: Mapping[str, Iterable[str]]) -> "networkx.DiGraph[str]":
    import networkx  # noqa: PLC0415 -- see the module docstring

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(after)
    graph.add_edges_from((other, name) for name, others in after.items() for other in others)
    return graph
