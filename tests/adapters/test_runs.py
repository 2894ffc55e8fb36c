"""What is special about runs that are folders."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.processes import as_nobody, at_once, start
from tests.fakes.records import a_run, a_step, ended, found

from runproj.adapters.disk import is_locked
from runproj.adapters.store.runs import FolderJournal, FolderRuns, step_folder
from runproj.errors import NoSuchRun, StoreError
from runproj.record.verdict import Annotation, Stability, Verdict, VerdictWord

IMPORTS = """
import sys
from pathlib import Path
from runproj.adapters.store.runs import FolderRuns
from runproj.errors import StoreError
from tests.fakes.records import a_run, a_step, ended, found
run, step = a_run("warm"), a_step()
"""
UNTIL_KILLED = (
    IMPORTS
    + """
journal = FolderRuns(sys.argv[1]).create(a_run("r1"))
journal.started(a_step("one", "running"))
journal.finished(a_step("one", digest="f"))
journal.started(a_step("two", "running"))
journal.log("two").write("stdout", b"half a line")
print("started", flush=True)
sys.stdin.readline()
"""
)
MANY_RUNS = (
    IMPORTS
    + """
store = FolderRuns(sys.argv[1])
for number in range(10):
    run = a_run(f"p{sys.argv[2]}r{number}")
    journal = store.create(run)
    step = a_step(digest=run.id)
    journal.started(step.replace(status="running"))
    journal.finished(step)
    journal.close(ended(run, step))
    assert found(store, run.id) == (run.id, step)
"""
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FolderRuns]:
    store = FolderRuns(str(tmp_path / "store"))
    yield store
    store._index.close()


@pytest.fixture
def journal(store: FolderRuns) -> Iterator[FolderJournal]:
    journal = store.create(a_run("r1"))
    yield journal
    journal._events.close()
    if is_locked(store.runs / "r1" / "lock"):
        journal._lock.close()


def killed(store: FolderRuns) -> subprocess.Popen[str]:
    """Start a run in another process, and kill it."""
    process = start(UNTIL_KILLED, str(store.folder))
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


# ── what is on disk ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("journal")
def test_a_run_is_on_disk_before_anything_happens(store: FolderRuns) -> None:
    text = (store.runs / "r1" / "run.json").read_text()
    assert json.loads(text)["status"] == "running"
    assert is_locked(store.runs / "r1" / "lock")


def test_every_event_is_on_disk_when_it_is_noted(store: FolderRuns, journal: FolderJournal) -> None:
    place = store.runs / "r1" / "events.jsonl"
    journal.started(a_step("one", "running"))
    assert [json.loads(line)["event"] for line in place.read_text().splitlines()] == ["started"]
    journal.finished(a_step("one"))
    assert [json.loads(line)["event"] for line in place.read_text().splitlines()] == [
        "started",
        "finished",
    ]


def test_the_lock_is_free_when_the_run_has_ended(store: FolderRuns, journal: FolderJournal) -> None:
    journal.close(ended(a_run("r1")))
    assert not is_locked(store.runs / "r1" / "lock")
    assert json.loads((store.runs / "r1" / "run.json").read_text())["status"] == "succeeded"


@pytest.mark.usefixtures("journal")
def test_a_store_ignores_itself_in_git(store: FolderRuns) -> None:
    assert (store.folder / ".gitignore").read_text().splitlines()[-1] == "*"


def test_a_log_stands_in_a_folder_of_its_step(store: FolderRuns, journal: FolderJournal) -> None:
    log = journal.log("cv@[fold=1,lr=0.1]/a b")
    log.write("stdout", b"x")
    log.close()
    assert Path(log.path).parent == store.runs / "r1/steps/cv%40[fold=1,lr=0.1]%2Fa%20b"


def test_no_two_steps_share_a_folder() -> None:
    names = ["a b", "a%20b", "a/b", "a%2Fb", "..", "ü", "a"]
    assert len({step_folder(Path(), name) for name in names}) == len(names)


def test_looking_makes_no_store(store: FolderRuns) -> None:
    assert found(store, "f") is None
    assert store.last("p", "main", "train") is None
    assert list(store.ids("latest")) == []
    assert store.summaries("1", (), None) == []
    with pytest.raises(NoSuchRun):
        store.load("r1")
    assert not store.folder.exists()


# ── runs that died ───────────────────────────────────────────────────────────────────────────────


def test_a_run_whose_process_was_killed_reads_interrupted(store: FolderRuns) -> None:
    process = killed(store)
    assert store.load("r1").status == "running"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = store.load("r1")
    assert run.status == "interrupted"
    assert [(step.name, step.status) for step in run.steps] == [
        ("one", "succeeded"),
        ("two", "interrupted"),
    ]
    assert [row["status"] for row in store.summaries("1", (), None)] == ["interrupted"]
    assert found(store, "f") == ("r1", a_step("one", digest="f"))


def test_a_run_that_was_killed_is_found_by_its_status(store: FolderRuns) -> None:
    process = killed(store)
    assert store.summaries("status = ?", ("interrupted",), None) == []
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(store.summaries("status = ?", ("interrupted",), None)) == 1
    assert store.summaries("status = ?", ("running",), None) == []


def kill(journal: FolderJournal) -> None:
    journal._events.close()
    journal._lock.close()


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_of_the_events_is_no_event(
    store: FolderRuns, journal: FolderJournal, cut: int
) -> None:
    journal.started(a_step("one", "running"))
    journal.finished(a_step("one", error="é" * 100))
    kill(journal)
    place = store.runs / "r1" / "events.jsonl"
    place.write_bytes(place.read_bytes()[:-cut])
    assert [(step.name, step.status) for step in store.load("r1").steps] == [("one", "interrupted")]


def test_events_torn_at_any_byte_can_be_read(store: FolderRuns, journal: FolderJournal) -> None:
    journal.started(a_step("one", "running", error="ü\u2028\x85\x0b"))
    kill(journal)
    place = store.runs / "r1" / "events.jsonl"
    whole = place.read_bytes()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert store.load("r1").steps == ()
    place.write_bytes(whole)
    assert len(store.load("r1").steps) == 1


def test_text_with_line_separators_is_one_line(store: FolderRuns, journal: FolderJournal) -> None:
    step = a_step("one", argv=("a\u2028b\u2029c\x85d\x0be\x1cf\ng",))
    journal.finished(step)
    kill(journal)
    assert store.load("r1").steps == (step,)


def test_a_run_without_events_has_no_steps(store: FolderRuns, journal: FolderJournal) -> None:
    kill(journal)
    (store.runs / "r1" / "events.jsonl").unlink()
    run = store.load("r1")
    assert (run.status, run.steps) == ("interrupted", ())


def test_a_damaged_line_of_the_events_is_named(store: FolderRuns, journal: FolderJournal) -> None:
    journal.finished(a_step("one"))
    kill(journal)
    with (store.runs / "r1" / "events.jsonl").open("ab") as file:
        file.write(b'{"event":"fin\n')
    with pytest.raises(StoreError, match="line 2 is damaged") as raised:
        store.load("r1")
    assert raised.value.problems[0].where == str(store.runs / "r1" / "events.jsonl")
    assert [row["status"] for row in store.summaries("1", (), None)] == ["interrupted"]


# ── damage ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "r1"}', '{"format": 7}'])
def test_a_damaged_record_is_an_error_with_a_hint_and_the_list_still_works(
    store: FolderRuns, journal: FolderJournal, text: str
) -> None:
    kill(journal)
    (store.runs / "r1" / "run.json").write_text(text)
    with pytest.raises(StoreError, match="the record of the run r1 cannot be read") as raised:
        store.load("r1")
    problem = raised.value.problems[0]
    assert problem.where == str(store.runs / "r1" / "run.json")
    assert problem.hint is not None
    assert problem.hint.startswith("it was damaged, or written by another version of runproj; ")
    assert [row["status"] for row in store.summaries("1", (), None)] == ["interrupted"]


def test_a_run_whose_folder_was_removed_does_not_break_the_list(
    store: FolderRuns, journal: FolderJournal
) -> None:
    kill(journal)
    shutil.rmtree(store.runs / "r1")
    with pytest.raises(NoSuchRun):
        store.load("r1")
    assert len(store.summaries("1", (), None)) == 1


def test_a_folder_with_a_lock_of_nobody_can_be_loaded_without_the_lock(
    store: FolderRuns, journal: FolderJournal
) -> None:
    kill(journal)
    (store.runs / "r1" / "lock").unlink()
    assert store.load("r1").status == "interrupted"


def test_a_store_that_is_a_file_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(StoreError, match="the store cannot be written: "):
        FolderRuns(str(tmp_path / "store")).create(a_run("r1"))


def test_a_run_that_could_not_be_begun_leaves_nothing(store: FolderRuns) -> None:
    store.runs.mkdir(parents=True)
    (store.folder / "index.db").mkdir()
    with pytest.raises(StoreError, match="the index cannot be"):
        store.create(a_run("r1"))
    assert list(store.runs.iterdir()) == []


def test_a_full_disk_is_said_in_words_and_the_run_can_be_closed(store: FolderRuns) -> None:
    (store.runs / "r1").parent.mkdir(parents=True)
    journal = store.create(a_run("r1"))
    journal._events.close()
    (store.runs / "r1" / "events.jsonl").unlink()
    (store.runs / "r1" / "events.jsonl").symlink_to("/dev/full")
    journal._events = (store.runs / "r1" / "events.jsonl").open("ab", buffering=0)
    with pytest.raises(StoreError, match="no space left on device") as raised:
        journal.started(a_step("one", "running"))
    assert raised.value.problems[0].hint == "free some space, or use another --store"
    journal.close(ended(a_run("r1"), status="failed"))
    assert store.load("r1").status == "failed"


def test_the_lock_is_freed_even_when_the_outcome_cannot_be_written(
    store: FolderRuns, journal: FolderJournal
) -> None:
    (store.runs / "r1" / "run.json").unlink()
    (store.runs / "r1" / "run.json").mkdir()
    with pytest.raises(StoreError, match="the record cannot be written"):
        journal.close(ended(a_run("r1")))
    assert not is_locked(store.runs / "r1" / "lock")


DENIED = """
folder = Path(sys.argv[1])
uses = [
    lambda: FolderRuns(str(folder / "new")).create(a_run("r1")),
    lambda: FolderRuns(str(folder / "store")).create(a_run("r2")),
    lambda: FolderRuns(str(folder / "store")).load("r1"),
    lambda: FolderRuns(str(folder / "store")).summaries("1", (), None),
    lambda: FolderRuns(str(folder / "closed" / "store")).ids("latest"),
]
for use in uses:
    try:
        use()
    except StoreError as error:
        print(error)
"""


def test_a_missing_permission_is_said_in_words() -> None:
    with tempfile.TemporaryDirectory() as name:
        store = FolderRuns(f"{name}/store")
        kill(store.create(a_run("r1")))
        store._index.close()
        (store.runs / "r1" / "run.json").chmod(0)
        Path(name, "closed").mkdir(mode=0)
        folders = (Path(name), store.folder, store.runs, store.runs / "r1")
        for folder in folders:
            folder.chmod(0o555)
        printed = as_nobody(IMPORTS, DENIED, name).splitlines()
        for folder in folders:
            folder.chmod(0o700)
        Path(name, "closed").chmod(0o700)
    assert printed == [
        "the store cannot be written: permission denied",
        "the store cannot be written: permission denied",
        "the record of the run r1 cannot be read: permission denied",
        "the store cannot be read: permission denied",
    ]


# ── many at once ─────────────────────────────────────────────────────────────────────────────────


def test_many_processes_can_begin_a_store_at_once_and_nothing_is_lost(store: FolderRuns) -> None:
    at_once(8, MANY_RUNS, str(store.folder))
    expected = {f"p{process}r{number}" for process in range(8) for number in range(10)}
    assert {row["id"] for row in store.summaries("1", (), None)} == expected
    assert {row["status"] for row in store.summaries("1", (), None)} == {"succeeded"}
    assert {path.name for path in store.runs.iterdir()} == expected
    for run_id in expected:
        assert store.load(run_id).status == "succeeded"
        assert found(store, run_id) == (run_id, a_step(digest=run_id))


def test_one_id_goes_to_one_of_many(store: FolderRuns) -> None:
    script = (
        IMPORTS
        + """
try:
    journal = FolderRuns(sys.argv[1]).create(a_run("r1", tags={"by": sys.argv[2]}))
    print("mine")
    sys.stdin.readline()
except StoreError as error:
    print(error)
"""
    )
    printed = at_once(4, script, str(store.folder))
    assert sorted(printed) == ["mine\n", *["there is a run r1 already\n"] * 3]
    assert store.load("r1").tags == {"by": str(printed.index("mine\n"))}


# ── what is said later ───────────────────────────────────────────────────────────────────────────


def said(word: VerdictWord) -> Annotation:
    return Annotation(kind="verdict", verdict=Verdict(word=word, at="t", runproj_version="1"))


def test_the_latest_verdict_is_in_the_list_and_survives_a_new_index(tmp_path: Path) -> None:
    store = FolderRuns(str(tmp_path / "store"))
    store.create(a_run("r1")).close(ended(a_run("r1")))
    store.annotate("r1", said("different"))
    store.annotate("r1", said("identical"))
    assert store.summaries("1", (), None)[0]["verdict"] == "identical"
    assert store.reindex() == 1
    assert store.summaries("1", (), None)[0]["verdict"] == "identical"


def test_what_is_said_of_outputs_leaves_the_verdict_alone(tmp_path: Path) -> None:
    store = FolderRuns(str(tmp_path / "store"))
    store.create(a_run("r1")).close(ended(a_run("r1")))
    store.annotate("r1", said("different"))
    store.annotate("r1", Annotation(kind="stability", stability=Stability(labels=())))
    assert store.summaries("1", (), None)[0]["verdict"] == "different"
    assert store.reindex() == 1
    assert store.summaries("1", (), None)[0]["verdict"] == "different"


def test_a_run_says_which_one_it_repeats_and_what_was_perturbed(tmp_path: Path) -> None:
    store = FolderRuns(str(tmp_path / "store"))
    again = a_run("r2").replace(rerun_of="r1", perturbed=("locale",))
    for run in (a_run("r1"), again):
        store.create(run).close(ended(run))
    assert [store.rerun_of(name) for name in ("r1", "r2", "none")] == [None, "r1", None]
    rows = {row["id"]: row["perturbed"] for row in store.summaries("1", (), None)}
    assert rows == {"r1": [], "r2": ["locale"]}


def test_a_torn_annotation_was_never_said_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    store = FolderRuns(str(tmp_path / "store"))
    store.create(a_run("r1")).close(ended(a_run("r1")))
    store.annotate("r1", said("identical"))
    place = store.runs / "r1" / "annotations.jsonl"
    place.write_bytes(place.read_bytes() + b'{"kind"')
    assert list(store.annotations("r1")) == [said("identical")]
    store.annotate("r1", said("different"))
    assert list(store.annotations("r1")) == [said("identical"), said("different")]
    place.write_bytes(b"{}\n")
    assert store.load("r1").status == "succeeded"
    with pytest.raises(StoreError, match="what was said of the run r1 cannot be read") as raised:
        store.annotations("r1")
    assert raised.value.problems[0].where == str(place)
    assert store.reindex() == 1
