import graphlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.plan.graph import order, reduced, together, with_ancestors


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw steps that depend on those before them in some hidden order."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), unique=True))
    graph = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    return {name: graph[name] for name in draw(st.permutations(names))}


@given(graphs())
def test_each_step_comes_after_those_it_depends_on(graph: dict[str, list[str]]) -> None:
    found = order(graph)
    assert sorted(found) == sorted(graph)
    assert all(
        found.index(other) < found.index(name) for name, others in graph.items() for other in others
    )


def test_steps_that_are_free_keep_their_order() -> None:
    assert order({"c": [], "a": [], "b": []}) == ["c", "a", "b"]


def test_a_cycle_is_told() -> None:
    with pytest.raises(graphlib.CycleError) as caught:
        order({"a": ["b"], "b": ["a"]})
    assert sorted(set(caught.value.args[1])) == ["a", "b"]


@given(graphs(), st.data())
def test_ancestors_are_all_that_is_needed_and_no_more(
    graph: dict[str, list[str]], data: st.DataObject
) -> None:
    chosen = set(data.draw(st.lists(st.sampled_from(sorted(graph))))) if graph else set()
    found = with_ancestors(graph, chosen)
    needed = set(chosen)
    while missing := {other for name in needed for other in graph[name]} - needed:
        needed |= missing
    assert found == needed


@given(graphs())
def test_a_reduced_graph_has_the_same_order_with_fewer_edges(graph: dict[str, list[str]]) -> None:
    small = reduced(graph)
    assert list(small) == list(graph)
    assert all(set(small[name]) <= set(graph[name]) for name in graph)
    assert all(with_ancestors(small, [name]) == with_ancestors(graph, [name]) for name in graph)


def test_an_edge_that_others_imply_is_not_drawn() -> None:
    assert reduced({"a": [], "b": ["a"], "c": ["a", "b"]}) == {"a": [], "b": ["a"], "c": ["b"]}


MANY = {
    "a": [], "m[x=1]": ["a"], "m[x=2]": ["a", "m[x=1]"],
    "b": ["m[x=1]", "m[x=2]"],
}  # fmt: skip


def test_instances_are_drawn_as_one() -> None:
    paths = [f"p{index}" for index in range(6)]
    after, flows = together(MANY, {("m[x=1]", "b"): paths[:3], ("m[x=2]", "b"): paths[2:]})
    assert after == {"a": [], "m (2 instances)": ["a"], "b": ["m (2 instances)"]}
    assert flows == {("m (2 instances)", "b"): ["p0", "p1", "p2", "p3", "2 more"]}


def test_instances_that_come_after_each_other_by_turns_stay_apart() -> None:
    turns = {"m[x=1]": [], "n": ["m[x=1]"], "m[x=2]": ["n"]}
    assert together(turns, {("m[x=1]", "n"): ["p"]}) == (turns, {("m[x=1]", "n"): ["p"]})
