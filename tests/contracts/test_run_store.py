"""What every RunStore, Journal and StepLog promises."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.fakes.records import a_run, a_step, ended, found
from tests.fakes.runs import FakeJournal, FakeRuns

from runproj.adapters.store.runs import FolderJournal, FolderRuns
from runproj.errors import NoSuchRun, StoreError
from runproj.ports import StepLog
from runproj.record.run import Run, Status, StepRun
from runproj.record.verdict import Annotation, Verdict, VerdictWord


@dataclass
class World:
    """A store, and how the process of a run dies in it."""

    store: FakeRuns | FolderRuns
    journals: list[FakeJournal | FolderJournal] = field(default_factory=list)
    dead: list[FakeJournal | FolderJournal] = field(default_factory=list)

    def create(self, run: Run) -> FakeJournal | FolderJournal:
        self.journals.append(self.store.create(run))
        return self.journals[-1]

    def die(self, journal: FakeJournal | FolderJournal) -> None:
        """Free what the kernel frees when a process ends."""
        self.dead.append(journal)
        if isinstance(journal, FakeJournal):
            journal.die()
        else:
            journal._lock.close()
            journal._events.close()

    def log(self) -> StepLog:
        return self.create(a_run("r1")).log("train")

    def finish(self, run: Run, *steps: StepRun) -> Run:
        journal = self.store.create(run)
        for step in steps:
            journal.started(step.replace(status="running"))
            journal.finished(step)
        closed = ended(run, *steps)
        journal.close(closed)
        return closed


@pytest.fixture(params=["fake", "folder"])
def w(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "fake":
        yield World(FakeRuns())
        return
    store = FolderRuns(str(tmp_path / "store"))
    world = World(store)
    yield world
    for journal in world.journals:
        if journal not in world.dead:
            world.die(journal)
    store._index.close()


def test_a_run_can_be_loaded_as_soon_as_it_is_created(w: World) -> None:
    w.create(a_run("r1"))
    assert w.store.load("r1") == a_run("r1")


def test_an_id_can_be_taken_once(w: World) -> None:
    w.create(a_run("r1"))
    with pytest.raises(StoreError, match="there is a run r1 already"):
        w.create(a_run("r1"))
    assert w.store.load("r1").status == "running"


def test_a_living_run_shows_its_steps_as_they_are(w: World) -> None:
    journal = w.create(a_run("r1"))
    journal.started(a_step("one", "running"))
    journal.finished(a_step("one"))
    journal.started(a_step("two", "running"))
    run = w.store.load("r1")
    assert [(step.name, step.status) for step in run.steps] == [
        ("one", "succeeded"),
        ("two", "running"),
    ]
    assert run.status == "running"


def test_a_run_that_ended_is_what_was_written_at_its_end(w: World) -> None:
    closed = w.finish(a_run("r1"), a_step(metrics={"f1": 0.5}, argv=("a", "\u2028", "ü")))
    assert w.store.load("r1") == closed


def test_a_run_that_died_reads_interrupted(w: World) -> None:
    journal = w.create(a_run("r1"))
    journal.started(a_step("one", "running"))
    journal.finished(a_step("one"))
    journal.started(a_step("two", "running"))
    w.die(journal)
    run = w.store.load("r1")
    assert run.status == "interrupted"
    assert run.error == "runproj itself was ended from outside"
    assert [(step.name, step.status) for step in run.steps] == [
        ("one", "succeeded"),
        ("two", "interrupted"),
    ]


def test_a_run_that_is_not_there_is_said_to_be(w: World) -> None:
    with pytest.raises(NoSuchRun, match="there is no run 'r1'"):
        w.store.load("r1")


def test_an_empty_store_knows_nothing(w: World) -> None:
    assert found(w.store, "f") is None
    assert w.store.last("p", "main", "train") is None
    assert list(w.store.ids("latest")) == []
    assert list(w.store.ids("r")) == []


def test_a_success_is_found_by_its_fingerprint_while_its_run_goes_on(w: World) -> None:
    step = a_step(digest="f")
    journal = w.create(a_run("r1"))
    journal.started(step.replace(status="running"))
    assert found(w.store, "f") is None
    journal.finished(step)
    assert found(w.store, "f") == ("r1", step)


def test_a_success_of_a_run_that_died_is_found(w: World) -> None:
    step = a_step(digest="f")
    journal = w.create(a_run("r1"))
    journal.finished(step)
    w.die(journal)
    assert found(w.store, "f") == ("r1", step)
    assert w.store.last("p", "main", "train") == ("r1", step)


def test_the_latest_run_is_none_in_which_something_was_perturbed(w: World) -> None:
    w.finish(a_run("r1"), a_step())
    w.finish(a_run("r2").replace(perturbed=("hash seed",)), a_step())
    assert list(w.store.ids("latest")) == ["r1"]
    assert list(w.store.ids("latest~1")) == []
    assert list(w.store.ids("r2")) == ["r2"]


def test_what_is_said_of_a_run_is_kept_in_order(w: World) -> None:
    w.finish(a_run("r1"), a_step())
    words: list[VerdictWord] = ["different", "identical"]
    said = [
        Annotation(kind="verdict", verdict=Verdict(word=word, at="t", runproj_version="1"))
        for word in words
    ]
    assert list(w.store.annotations("r1")) == []
    for one in said:
        w.store.annotate("r1", one)
    assert list(w.store.annotations("r1")) == said
    assert w.store.load("r1").steps == (a_step(),)


def test_a_run_has_the_name_and_tags_that_were_given_last(w: World) -> None:
    closed = w.finish(a_run("r1", name="old", tags={"a": "1", "b": "2"}), a_step())
    for said in (
        Annotation(kind="name", at="t", name="new"),
        Annotation(kind="tags", at="t", tags={"a": None, "c": "3"}),
        Annotation(kind="note", at="t", note="a note"),
    ):
        w.store.annotate("r1", said)
    assert w.store.load("r1") == closed.replace(name="new", tags={"b": "2", "c": "3"})
    assert list(w.store.ids("new")) == ["r1"]
    assert list(w.store.ids("old")) == []


def test_what_is_said_of_a_run_that_goes_on_is_not_lost_at_its_end(w: World) -> None:
    journal = w.store.create(a_run("r1", tags={"a": "1"}))
    w.store.annotate("r1", Annotation(kind="tags", at="t", tags={"b": "2"}))
    w.store.annotate("r1", Annotation(kind="name", at="t", name="good"))
    journal.close(ended(a_run("r1", tags={"a": "1", "own": "x"})))
    assert w.store.load("r1").tags == {"a": "1", "own": "x", "b": "2"}
    assert list(w.store.ids("good")) == ["r1"]


def test_an_archived_run_is_not_the_latest_and_is_found_all_the_same(w: World) -> None:
    step = a_step(digest="f")
    w.finish(a_run("r1"), a_step())
    w.finish(a_run("r2", minute=1, name="good"), step)
    w.store.annotate("r2", Annotation(kind="archived", at="t"))
    assert list(w.store.ids("latest")) == ["r1"]
    assert list(w.store.ids("good")) == ["r2"]
    assert found(w.store, "f") == ("r2", step)
    w.store.annotate("r2", Annotation(kind="restored", at="t"))
    assert list(w.store.ids("latest")) == ["r2"]


def test_a_deleted_run_answers_to_its_id_alone_until_it_is_restored(w: World) -> None:
    old, new = a_step(digest="f", minute=1), a_step(digest="f", minute=2)
    w.finish(a_run("r1"), old)
    w.finish(a_run("r2", minute=1, name="good"), new)
    w.store.annotate("r2", Annotation(kind="deleted", at="t"))
    assert [list(w.store.ids(name)) for name in ("latest", "good", "r", "r2")] == [
        ["r1"], [], ["r1"], ["r2"],
    ]  # fmt: skip
    assert found(w.store, "f") == ("r1", old)
    assert w.store.last("p", "main", "train") == ("r1", old)
    assert w.store.load("r2").steps == (new,)
    w.store.annotate("r2", Annotation(kind="restored", at="t"))
    assert list(w.store.ids("good")) == ["r2"]
    assert found(w.store, "f") == ("r2", new)
    assert w.store.last("p", "main", "train") == ("r2", new)


def test_a_step_of_which_all_runs_are_deleted_has_no_last(w: World) -> None:
    w.finish(a_run("r1"), a_step("other"))
    w.finish(a_run("r2", minute=1), a_step(digest="f"))
    w.store.annotate("r2", Annotation(kind="deleted", at="t"))
    assert found(w.store, "f") is None
    assert w.store.last("p", "main", "train") is None


def test_a_success_that_is_not_reusable_is_found_no_longer(w: World) -> None:
    step = a_step(digest="f")
    journal = w.create(a_run("r1"))
    journal.finished(step)
    marked = step.replace(reusable=False)
    journal.finished(marked)
    assert found(w.store, "f") is None
    assert w.store.last("p", "main", "train") == ("r1", marked)
    w.die(journal)
    assert found(w.store, "f") is None
    assert w.store.load("r1").steps == (marked,)


@pytest.mark.parametrize("status", ["failed", "cached", "interrupted", "skipped"])
def test_what_did_not_succeed_by_itself_is_not_found(w: World, status: Status) -> None:
    w.finish(a_run("r1"), a_step(status=status, digest="f"))
    assert found(w.store, "f") is None


def test_the_latest_success_is_found(w: World) -> None:
    late, early = a_step(digest="f", minute=2), a_step(digest="f", minute=1)
    w.finish(a_run("r2"), late)
    w.finish(a_run("r1"), early)
    assert found(w.store, "f") == ("r2", late)


def test_the_last_step_run_is_that_of_the_latest_run(w: World) -> None:
    late, early = a_step(digest="f2"), a_step(digest="f1")
    w.finish(a_run("r2", minute=2), late)
    w.finish(a_run("r1", minute=1), early)
    assert w.store.last("p", "main", "train") == ("r2", late)


def test_the_last_step_run_may_have_been_cached(w: World) -> None:
    cached = a_step(status="cached", digest="f")
    w.finish(a_run("r1", minute=1), a_step(digest="f"))
    w.finish(a_run("r2", minute=2), cached)
    assert w.store.last("p", "main", "train") == ("r2", cached)


def test_a_failure_does_not_become_the_last(w: World) -> None:
    good = a_step(digest="f")
    w.finish(a_run("r1", minute=1), good)
    w.finish(a_run("r2", minute=2), a_step(status="failed", digest="g"))
    assert w.store.last("p", "main", "train") == ("r1", good)


def test_projects_entry_points_and_steps_are_kept_apart(w: World) -> None:
    w.finish(a_run("r1"), a_step(digest="f"))
    assert w.store.last("other", "main", "train") is None
    assert w.store.last("p", "other", "train") is None
    assert w.store.last("p", "main", "other") is None


def test_runs_are_named_by_how_late_they_are(w: World) -> None:
    for number in (2, 1, 3):
        w.finish(a_run(f"r{number}", minute=number))
    found = [w.store.ids(f"latest{back}") for back in ("", "~0", "~1", "~2", "~3", "~99")]
    assert [list(ids) for ids in found] == [["r3"], ["r3"], ["r2"], ["r1"], [], []]


def test_a_number_beyond_all_numbers_names_no_run(w: World) -> None:
    w.finish(a_run("r1"))
    assert list(w.store.ids("latest~99999999999999999999999")) == []


def test_a_prefix_names_all_that_begin_with_it_latest_first(w: World) -> None:
    for name, minute in (("ab1", 1), ("ab2", 3), ("ac1", 2)):
        w.finish(a_run(name, minute=minute))
    assert list(w.store.ids("ab")) == ["ab2", "ab1"]
    assert list(w.store.ids("a")) == ["ab2", "ac1", "ab1"]
    assert list(w.store.ids("b1")) == []
    assert list(w.store.ids("")) == []


def test_a_whole_id_is_not_the_beginning_of_another(w: World) -> None:
    w.finish(a_run("ab"))
    w.finish(a_run("abc", minute=1))
    assert list(w.store.ids("ab")) == ["ab"]


def test_case_counts(w: World) -> None:
    w.finish(a_run("ab"))
    assert list(w.store.ids("A")) == []


@pytest.mark.parametrize("name", ["100%", "a_b", "a\\b", "ü ' \"", "*"])
def test_a_run_answers_to_its_name_and_no_other_does(w: World, name: str) -> None:
    w.finish(a_run("r1", name=name))
    w.finish(a_run("100x"))
    w.finish(a_run("axb"))
    assert list(w.store.ids(name)) == ["r1"]


@pytest.mark.parametrize("name", ["%", "_", "r_", "\\", "[a-z]", "?"])
def test_a_prefix_is_no_pattern(w: World, name: str) -> None:
    w.finish(a_run("r1"))
    assert list(w.store.ids(name)) == []


def test_a_name_may_be_given_again_and_means_the_latest_first(w: World) -> None:
    w.finish(a_run("r1", name="best", minute=1))
    w.finish(a_run("r2", name="best", minute=2))
    assert list(w.store.ids("best")) == ["r2", "r1"]


def test_an_id_comes_before_a_name(w: World) -> None:
    w.finish(a_run("r1"))
    w.finish(a_run("r2", name="r1", minute=1))
    assert list(w.store.ids("r1")) == ["r1", "r2"]


def test_a_log_tells_its_end_in_whole_lines(w: World) -> None:
    log = w.log()
    log.write("stdout", b"first\nsec")
    log.write("stderr", b"ond\nlast\n")
    assert log.tail(1000) == "first\nsecond\nlast\n"
    assert log.tail(10) == "last\n"
    log.close()


def test_a_line_that_is_longer_than_the_limit_is_told_by_its_end(w: World) -> None:
    log = w.log()
    log.write("stderr", b"x" * 100 + b"the reason")
    assert log.tail(10) == "the reason"
    log.close()


def test_the_end_of_a_log_is_text_whatever_was_printed(w: World) -> None:
    log = w.log()
    log.write("stdout", b"\xff\xfe\0")
    assert log.tail(100) == "\ufffd\ufffd\0"
    log.close()
