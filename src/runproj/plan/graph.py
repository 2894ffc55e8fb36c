"""Questions about the order of steps.

Plain ordering is the standard library's. The rarer questions are networkx's, which is imported
inside of the functions that ask them: it costs more than all the rest of a small run.
"""

import graphlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx


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
    return {name: [other for other in after if graph.has_edge(other, name)] for name in after}


def _graph(after: Mapping[str, Iterable[str]]) -> "networkx.DiGraph[str]":
    import networkx  # noqa: PLC0415 -- see the module docstring

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(after)
    graph.add_edges_from((other, name) for name, others in after.items() for other in others)
    return graph
