import copy
import dataclasses
import json
import pickle
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.model import (
    Key,
    Model,
    WrongData,
    as_lines,
    canonical,
    compact,
    field,
    from_data,
    from_json,
    to_json,
)
from runproj.spec.fields import adapter


class Leaf(Model):
    name: str
    size: int = 0


class Wide(Leaf):
    ratio: float = 0.5


class Tree(Model):
    leaf: Leaf
    kind: Literal["a", "b", 1] = "a"
    flag: bool = False
    leaves: tuple[Leaf, ...] = ()
    pair: tuple[str, int | None] = ("x", None)
    by_name: dict[str, Leaf] = field(default_factory=dict)
    ratios: Mapping[str, float] = field(default_factory=dict)
    either: Annotated[str | int | float | bool | None, Key("from")] = None
    anything: Any = None
    nested: "Tree | None" = None


LEAF = Leaf(name="l")
FULL = Tree(
    leaf=LEAF, kind=1, flag=True, leaves=(LEAF, Leaf(name="m", size=2)), pair=("y", 3),
    by_name={"k": LEAF}, ratios={"r": 1.5}, either=1.0, anything={"a": [1, None]},
    nested=Tree(leaf=LEAF),
)  # fmt: skip


def test_a_model_has_its_fields_and_their_defaults() -> None:
    tree = Tree(leaf=LEAF)
    assert (tree.leaf, tree.kind, tree.leaves, tree.by_name) == (LEAF, "a", (), {})
    assert Wide(name="w").ratio == 0.5
    assert list(vars(Wide(name="w"))) == ["name", "size", "ratio"]


def test_a_default_made_anew_is_shared_with_nobody() -> None:
    assert Tree(leaf=LEAF).by_name is not Tree(leaf=LEAF).by_name


def test_a_missing_and_an_unknown_field_are_refused() -> None:
    with pytest.raises(TypeError, match="Leaf needs 'name'"):
        Leaf(size=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Leaf has no sise"):
        Leaf(name="x", sise=1)  # type: ignore[call-arg]


def test_a_model_is_frozen() -> None:
    with pytest.raises(AttributeError, match="Leaf is frozen: 'name' cannot be set"):
        setattr(LEAF, "name", "y")  # noqa: B010 -- mypy refuses it as well
    with pytest.raises(AttributeError, match="cannot be deleted"):
        del LEAF.name


def test_equal_fields_make_equal_models_of_one_class_only() -> None:
    assert Leaf(name="l") == LEAF
    assert hash(Leaf(name="l")) == hash(LEAF)
    assert Leaf(name="m") != LEAF
    assert Wide(name="l") != LEAF
    assert LEAF != {"name": "l", "size": 0}


def test_a_model_is_shown_with_its_fields() -> None:
    assert repr(LEAF) == "Leaf(name='l', size=0)"


def test_a_copy_has_other_values() -> None:
    assert LEAF.replace(size=3) == Leaf(name="l", size=3)
    assert LEAF.size == 0
    with pytest.raises(TypeError, match="has no sise"):
        LEAF.replace(sise=3)


def test_a_model_is_made_of_the_fields_of_another() -> None:
    assert Leaf.of(Wide(name="w", size=2)) == Leaf(name="w", size=2)
    assert Wide.of(LEAF, ratio=1.0) == Wide(name="l", ratio=1.0)
    assert Leaf.of(LEAF, size=7).size == 7


def test_a_model_can_be_pickled_and_copied() -> None:
    assert pickle.loads(pickle.dumps(FULL)) == FULL  # noqa: S301 -- our own
    assert copy.deepcopy(FULL) == FULL


def test_a_model_is_a_dataclass_for_whoever_asks() -> None:
    assert [one.name for one in dataclasses.fields(Leaf)] == ["name", "size"]
    assert adapter(Tree).validate_python({"leaf": {"name": "l"}, "from": 2}).either == 2
    assert set(adapter(Tree).json_schema()["$defs"]["Tree"]["properties"]) >= {"leaf", "from"}


def test_json_is_read_as_it_was_written() -> None:
    assert from_json(Tree, to_json(FULL)) == FULL
    assert from_json(Tree, "".join(as_lines(FULL))) == FULL
    assert json.loads(canonical(FULL)) == json.loads(to_json(FULL))


def test_a_key_stands_for_its_field_in_json() -> None:
    assert '"from":1.0' in to_json(FULL)
    assert "either" not in to_json(FULL)


def test_every_model_of_a_tuple_has_its_line() -> None:
    lines = "".join(as_lines(FULL)).splitlines()
    assert '  {"name":"l"},' in lines
    assert '  {"name":"m","size":2}' in lines
    assert lines[0] == "{"
    assert lines[1] == ' "leaf": {"name":"l"},'


def test_what_is_json_already_is_taken_as_it_is() -> None:
    field = next(name for name, value in vars(FULL).items() if value and type(value) is tuple)
    known = [compact(one) for one in getattr(FULL, field)]
    lines = "".join(as_lines(FULL, leaf=compact(FULL.leaf), **{field: known}))
    assert lines == "".join(as_lines(FULL))


def test_what_is_compact_leaves_out_what_is_as_always() -> None:
    assert compact(LEAF) == '{"name":"l"}'
    assert from_json(Leaf, compact(LEAF)) == LEAF
    assert from_json(Tree, compact(FULL)) == FULL
    assert compact([Leaf(name="l", size=1)]) == '[{"name":"l","size":1}]'


def test_a_whole_number_is_a_number() -> None:
    found = from_data(Tree, {"leaf": {"name": "l"}, "ratios": {"r": 1}}).ratios["r"]
    assert (found, type(found)) == (1.0, float)


def test_what_is_not_finite_is_not_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Wide(name="w", ratio=float("nan")))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "must be a mapping"),
        ({}, "the key 'leaf' is missing"),
        ({"leaf": {"name": 1}}, "leaf.name: must be text"),
        ({"leaf": {"name": "l", "size": True}}, "leaf.size: must be a whole number"),
        ({"leaf": {"name": "l", "size": 1.5}}, "leaf.size: must be a whole number"),
        ({"leaf": {"name": "l", "sise": 1}}, "leaf.sise: unknown key"),
        ({"leaf": {"name": "l"}, "either": 1}, "either: unknown key"),
        ({"leaf": {"name": "l"}, "kind": "c"}, "kind: must be one of a, b, 1"),
        ({"leaf": {"name": "l"}, "kind": True}, "kind: must be one of a, b, 1"),
        ({"leaf": {"name": "l"}, "kind": []}, "kind: must be one of a, b, 1"),
        ({"leaf": {"name": "l"}, "flag": 1}, "flag: must be true or false"),
        ({"leaf": {"name": "l"}, "leaves": {}}, "leaves: must be a list"),
        ({"leaf": {"name": "l"}, "leaves": [{"name": "l"}, {}]},
         "leaves[1]: the key 'name' is missing"),
        ({"leaf": {"name": "l"}, "pair": ["x"]}, "pair: must be a list of 2"),
        ({"leaf": {"name": "l"}, "pair": ["x", "y"]}, "pair[1]: must be a whole number"),
        ({"leaf": {"name": "l"}, "by_name": []}, "by_name: must be a mapping"),
        ({"leaf": {"name": "l"}, "by_name": {"k": {"name": 0}}}, "by_name.k.name: must be text"),
        ({"leaf": {"name": "l"}, "ratios": {"r": "1"}}, "ratios.r: must be a number"),
        ({"leaf": {"name": "l"}, "from": []}, "from: must be text"),
        ({"leaf": {"name": "l"}, "nested": {"leaf": 1}}, "nested.leaf: must be a mapping"),
        ({"leaf": None}, "leaf: must be a mapping"),
    ],
)  # fmt: skip
def test_wrong_data_is_named_with_its_place(data: object, said: str) -> None:
    with pytest.raises(WrongData) as caught:
        from_data(Tree, data)
    assert str(caught.value) == said


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(WrongData, match=r"not JSON|nested too deeply"):
        from_json(Tree, text)


@given(
    st.builds(
        Tree,
        leaf=st.builds(Leaf, name=st.text(), size=st.integers()),
        kind=st.sampled_from(["a", "b", 1]),
        either=st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        anything=st.recursive(st.none() | st.booleans() | st.text(), st.lists),
        by_name=st.dictionaries(st.text(), st.builds(Leaf, name=st.text())),
    )
)  # fmt: skip
def test_any_model_comes_back_as_it_was(tree: Tree) -> None:
    assert from_json(Tree, to_json(tree)) == tree
    assert adapter(Tree).validate_json(to_json(tree)) == tree
