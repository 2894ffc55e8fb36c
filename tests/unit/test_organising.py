"""What annotations make of a run, all in all."""

from tests.fakes.records import a_run

from runproj.record.difference import difference
from runproj.record.organising import UNSAID, Note, Organised, as_said, organised
from runproj.record.verdict import Annotation


def test_a_run_of_which_nothing_is_said_is_what_its_record_says() -> None:
    run = a_run(name="n", tags={"a": "1"})
    assert organised(run, ()) == Organised(name="n", tags={"a": "1"})
    assert as_said(run, [Annotation(kind="note", note="x")]) is run


def test_the_latest_word_counts() -> None:
    run = a_run(name="n", tags={"a": "1", "b": "2"})
    said = [
        Annotation(kind="name", name="m"),
        Annotation(kind="tags", tags={"a": "3", "b": None, "gone": None}),
        Annotation(kind="verdict"),
        Annotation(kind="note", at="t1", author="Ada", note="first"),
        Annotation(kind="note", at="t2", note="second"),
    ]
    found = organised(run, said)
    assert (found.name, found.tags) == ("m", {"a": "3"})
    notes = (Note(text="first", at="t1", author="Ada"), Note(text="second", at="t2"))
    assert found.notes == notes
    assert as_said(run, said) == run.replace(name="m", tags={"a": "3"})
    assert as_said(run, [Annotation(kind="name")]).name is None


def test_restoring_takes_back_the_deletion_and_then_the_archiving() -> None:
    run = a_run()
    said = [Annotation(kind="archived", at="t1"), Annotation(kind="deleted", at="t2")]
    found = organised(run, said)
    assert (found.archived_at, found.deleted_at) == ("t1", "t2")
    restored = Annotation(kind="restored", at="t3")
    found = organised(run, [*said, restored])
    assert (found.archived_at, found.deleted_at) == ("t1", None)
    assert organised(run, [*said, restored, restored]) == UNSAID
    assert organised(run, [Annotation(kind="deleted")]).deleted_at == ""


def test_two_runs_differ_by_what_is_said_of_them() -> None:
    both = Note(text="both", at="t")
    a = Organised(name="x", tags={"q": "1"}, notes=(both, Note(text="old", at="t")))
    b = Organised(tags={"q": "2"}, notes=(both, Note(text="new", at="t")))
    found = difference(a_run("a"), a_run("b"), {}, {}, (), (a, b)).annotations
    assert [(one.about, one.name, one.before, one.after) for one in found] == [
        (None, "name", "x", None),
        ("tag", "q", "1", "2"),
        (None, "note", "old", None),
        (None, "note", None, "new"),
    ]
