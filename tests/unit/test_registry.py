"""What a history says of the versions, aliases and stages of a registered model."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runproj.record.registry import (
    STAGES,
    Move,
    MoveKind,
    Origin,
    RegisteredModel,
    last_move,
    next_version,
    reference,
    state,
)
from runproj.record.tracking import LoggedModel


def origin(run: str = "r1", name: str = "model") -> Origin:
    model = LoggedModel(path=name, sha256="d" * 64, size=3, name=name, flavor="generic")
    return Origin(run=run, step="train", model=model)


class History:
    """Moves, one after the other."""

    def __init__(self) -> None:
        self.moves: list[Move] = []

    def add(self, kind: MoveKind, version: int | None = None, **fields: Any) -> "History":  # noqa: ANN401 -- of a move
        number = len(self.moves) + 1
        at = f"2026-01-01T00:00:{number:02}.000Z"
        if kind == "register":
            version = next_version(self.moves)
            fields = {"origin": origin(f"r{version}"), **fields}
        move = Move(number=number, kind=kind, at=at, by="ann", version=version, **fields)
        self.moves.append(move)
        return self

    def undo(self) -> "History":
        last = last_move(self.moves)
        assert last is not None
        return self.add("undo", last.version, undoes=last.number)

    @property
    def now(self) -> RegisteredModel:
        return state("wine", self.moves)

    def stages(self) -> dict[int, str | None]:
        return {one.number: one.stage for one in self.now.versions}


def two() -> History:
    return History().add("register").add("register")


def test_versions_are_numbered_and_the_last_is_the_latest() -> None:
    history = two().add("register", description="good", tags={"team": "a"}, alias="champion")
    now = history.now
    assert [one.reference for one in now.versions] == ["wine/1", "wine/2", "wine/3"]
    assert (now.latest, now.meant("latest"), now.meant("champion")) == (now.versions[2],) * 3
    third = now.versions[2]
    assert (third.description, third.tags, third.aliases, third.stage) == (
        "good", {"team": "a"}, ("champion",), None,
    )  # fmt: skip
    assert (third.at, third.by, third.origin.run) == ("2026-01-01T00:00:03.000Z", "ann", "r3")
    assert (now.moves, now.changed_at) == (3, "2026-01-01T00:00:03.000Z")


def test_an_alias_means_one_version() -> None:
    history = two().add("alias", 1, alias="best").add("alias", 2, alias="best", before=1)
    assert history.now.aliases == {"best": 2}
    assert history.add("unalias", 2, alias="best").now.aliases == {}
    assert history.now.meant("best") is None


def test_one_version_is_in_production_and_the_one_before_is_archived() -> None:
    history = two().add("promote", 1, alias="production")
    history.add("promote", 2, alias="production", before=1, archived=(1,))
    assert history.stages() == {1: "archived", 2: "production"}
    assert history.now.aliases == {"production": 2, "archived": 1}


def test_where_several_are_in_production_the_last_that_came_is_meant() -> None:
    history = two().add("promote", 2, alias="production").add("promote", 1, alias="production")
    assert history.stages() == {1: "production", 2: "production"}
    assert history.now.aliases == {"production": 1}
    assert history.add("unalias", 1, alias="production").now.aliases == {"production": 2}


def test_what_is_undone_never_was_but_its_number_stays_taken() -> None:
    history = two().add("promote", 1, alias="production").undo().undo()
    assert history.stages() == {1: None}
    assert [one.undoes for one in history.moves] == [None, None, None, 3, 2]
    assert history.add("register").stages() == {1: None, 3: None}
    while last_move(history.moves):
        history.undo()
    assert (history.now.versions, history.now.latest, history.now.moves) == ((), None, 8)


def test_a_version_that_is_withdrawn_means_nothing_any_more() -> None:
    history = two().add("promote", 2, alias="archived").add("alias", 2, alias="a")
    history.add("alias", 1, alias="b").add("withdraw", 2)
    now = history.now
    assert [one.number for one in now.there] == [1]
    assert (now.aliases, now.latest and now.latest.number) == ({"b": 1}, 1)
    assert [one.withdrawn for one in now.versions] == [False, True]
    assert history.undo().stages() == {1: None, 2: "archived"}


def test_words_are_of_the_model_or_of_a_version() -> None:
    history = two().add("describe", description="wines").add("tag", tags={"a": "1", "b": "2"})
    history.add("describe", 1, description="first").add("tag", 1, tags={"c": "3"})
    history.add("tag", removed=("a", "z"), tags={"b": "4"})
    now = history.now
    assert (now.description, now.tags) == ("wines", {"b": "4"})
    assert (now.versions[0].description, now.versions[0].tags) == ("first", {"c": "3"})
    assert history.add("describe", 1, description="").now.versions[0].description is None
    assert history.now.versions[0].tags == {"c": "3"}


@pytest.mark.parametrize(
    ("text", "name", "alias", "number"),
    [
        ("wine", "wine", None, None),
        ("models:wine@production", "wine", "production", None),
        ("a.b-c_1/12", "a.b-c_1", None, 12),
    ],
)
def test_a_reference_is_understood(
    text: str, name: str, alias: str | None, number: int | None
) -> None:
    found = reference(text)
    assert (found.name, found.alias, found.number) == (name, alias, number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "../x",
        ".wine",
        "wine@",
        "wine/",
        "wine/0",
        "wine/x",
        "wine/-1",
        "a b",
        "wine@a/b",
        "w\n",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no name of a registered model|no number of a version"):
        reference(text)


@given(st.lists(st.tuples(st.sampled_from(["register", "place", "undo"]), st.integers(0, 9))))
def test_undoing_all_that_was_done_leads_back_to_where_it_began(
    wishes: list[tuple[str, int]],
) -> None:
    history = two()
    before = history.now.versions, history.now.aliases
    for kind, number in wishes:
        version = 1 + number % 2
        if kind == "register":
            history.add("register")
        elif kind == "place":
            alias = (*STAGES, "best")[number % 4]
            gone = tuple(
                one.number for one in history.now.versions
                if one.stage == "production" and one.number != version and alias == "production"
            )  # fmt: skip
            history.add("promote", version, alias=alias, archived=gone)
            assert sum(one.stage == "production" for one in history.now.versions) <= 1
        elif (last := last_move(history.moves)) is not None and last.number > 2:
            history.undo()
    while (last := last_move(history.moves)) is not None and last.number > 2:
        history.undo()
    assert (history.now.versions, history.now.aliases) == before
