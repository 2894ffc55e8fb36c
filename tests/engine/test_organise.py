"""Saying something of runs: what may be said, and what is refused."""

from collections.abc import Callable

import pytest
from tests.fakes.records import a_run, ended
from tests.fakes.runs import FakeRuns

from runproj.engine.organise import LONGEST_NOTE, Organiser
from runproj.errors import UsageError
from runproj.ports import Claim
from runproj.record.organising import Note
from runproj.record.run import Run


class World:
    """A store with two runs, and who says something of them."""

    def __init__(self) -> None:
        self.runs = FakeRuns()
        self.claims: list[Claim] = []
        self.organiser = Organiser(
            self.runs, self.runs, "Ada", lambda: "2026-01-02T00:00:00.000Z", lambda: self.claims
        )
        self.a, self.b = self.run("aaaa"), self.run("bbbb")

    def run(self, run_id: str) -> Run:
        self.runs.create(a_run(run_id)).close(ended(a_run(run_id)))
        return self.runs.load(run_id)

    def refused(self, asked: Callable[[], None]) -> tuple[str, ...]:
        before = {one: list(self.runs.annotations(one)) for one in self.runs.journals}
        with pytest.raises(UsageError) as raised:
            asked()
        assert {one: list(self.runs.annotations(one)) for one in self.runs.journals} == before
        return tuple(problem.message for problem in raised.value.problems)


@pytest.fixture
def w() -> World:
    return World()


def test_a_note_has_its_time_and_author(w: World) -> None:
    w.organiser.note(w.a, " it works\n\n")
    note = Note(text="it works", at="2026-01-02T00:00:00.000Z", author="Ada")
    assert w.organiser.known(w.a).notes == (note,)


def test_a_note_says_something_and_is_no_file(w: World) -> None:
    assert w.refused(lambda: w.organiser.note(w.a, " \n")) == ("the note is empty",)
    [said] = w.refused(lambda: w.organiser.note(w.a, "x" * (LONGEST_NOTE + 1)))
    assert said == "the note is too long: 100,001 characters, and 100,000 may be"


def test_tags_are_set_and_taken_away_together(w: World) -> None:
    w.organiser.tag(w.a, {"quality": "good", "team": "x"})
    w.organiser.tag(w.a, {"quality": "bad"}, ["team"])
    assert w.organiser.known(w.a).tags == {"quality": "bad"}
    assert w.refused(
        lambda: w.organiser.tag(w.a, {"n": "1", "quality": "2"}, ["quailty", "n"])
    ) == (
        "the run aaaa has no tag 'quailty'",
        "the run aaaa has no tag 'n'",
        "the tag 'n' is set and removed",
    )


def test_a_name_is_that_of_one_run(w: World) -> None:
    w.organiser.name(w.a, "best")
    w.organiser.name(w.a, "best")
    assert w.refused(lambda: w.organiser.name(w.b, "best")) == (
        "'best' means the run aaaa already: the run has it",
    )
    assert w.refused(lambda: w.organiser.name(w.b, "aaaa")) == (
        "'aaaa' means the run aaaa already: that is its id",
    )
    w.organiser.name(w.b, "aa")  # the beginning of an id: the name goes first
    w.organiser.name(w.a, None)
    w.organiser.name(w.b, "best")
    assert list(w.runs.ids("best")) == ["bbbb"]


@pytest.mark.parametrize(
    "name",
    ["", "latest", "latest~1", "a/b", "a:b", "-x", " x", "x ", "a\nb", "a\x1b[31m", "x" * 201],
)
def test_a_name_can_be_written_wherever_a_run_is_meant(w: World, name: str) -> None:
    [said] = w.refused(lambda: w.organiser.name(w.a, name))
    assert said.endswith("cannot be the name of a run")


@pytest.mark.parametrize("name", ["x", "latest2", "two words", "ü-1", "100%"])
def test_other_names_will_do(w: World, name: str) -> None:
    w.organiser.name(w.a, name)
    assert list(w.runs.ids(name)) == ["aaaa"]


def test_runs_are_put_away_and_brought_back(w: World) -> None:
    both = [w.a, w.b]
    for _ in range(2):  # who says it twice has said it
        w.organiser.archive(both)
        w.organiser.delete([w.b])
    assert [len(w.runs.annotations(one.id)) for one in both] == [1, 2]
    assert w.refused(lambda: w.organiser.restore(both, deleted=False)) == (
        "the run bbbb is deleted",
    )
    assert w.refused(lambda: w.organiser.restore(both, deleted=True)) == (
        "the run aaaa is not deleted",
    )
    w.organiser.restore([w.b], deleted=True)
    w.organiser.restore(both, deleted=False)
    assert w.refused(lambda: w.organiser.restore(both, deleted=False)) == (
        "the run aaaa is not archived",
        "the run bbbb is not archived",
    )
    assert list(w.runs.ids("latest")) == ["bbbb"]


def test_a_run_that_goes_on_is_not_put_away(w: World) -> None:
    w.runs.create(a_run("cccc"))
    going = w.runs.load("cccc")
    assert w.refused(lambda: w.organiser.archive([w.a, going])) == ("the run cccc goes on",)
    assert w.refused(lambda: w.organiser.delete([w.a, going])) == ("the run cccc goes on",)
    w.organiser.note(going, "slow")


def test_what_is_kept_beside_the_runs_keeps_theirs_from_being_deleted(w: World) -> None:
    w.claims = [Claim("the model 'wine' 3", ("aaaa", "zzzz"))]
    assert w.refused(lambda: w.organiser.delete([w.a, w.b])) == (
        "the run aaaa is not deleted: the model 'wine' 3 needs it",
    )
    w.organiser.delete([w.b])
    w.organiser.archive([w.a])
