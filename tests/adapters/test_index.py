"""The index is made anew from the folders whenever it is missing or wrong."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes.processes import at_once
from tests.fakes.records import a_run, a_step, ended, found

from runproj.adapters.store.index import Index
from runproj.adapters.store.runs import FolderRuns
from runproj.errors import StoreError
from runproj.model import to_json
from runproj.record.outcome import Outcome

ASK = """
import sys
from runproj.adapters.store.runs import FolderRuns
store = FolderRuns(sys.argv[1])
print(*store.ids("latest"), len(store.summaries("1", (), None)))
"""


def fill(store: FolderRuns) -> None:
    """Record runs of every kind; times are equal where they can be."""
    for number, name in enumerate(["b", "a", "c"]):
        run = a_run(f"{name}{number}", name="best", tags={"k": name})
        journal = store.create(run)
        step = a_step(digest="f", argv=(name,), metrics={"f1": number / 10})
        journal.started(step.replace(status="running"))
        journal.finished(step)
        cached = a_step("report", status="cached", digest="g")
        journal.finished(cached)
        journal.close(ended(run, step, cached))
    journal = store.create(a_run("dead", minute=5))
    journal.started(a_step("train", "running"))
    journal.finished(a_step(digest="h", metrics={"f1": 0.9}))
    journal.started(a_step("report", "running"))
    journal._lock.close()
    journal._events.close()
    run = a_run("failed", minute=1, experiment="e")
    journal = store.create(run)
    failed = a_step(status="failed", digest="i", error="it ended with exit code 1")
    journal.finished(failed)
    journal.close(ended(run, failed, status="failed"))


def answers(store: FolderRuns) -> list[object]:
    return [
        store.summaries("1", (), None),
        store.summaries("experiment = ?", ("e",), 1),
        store.summaries("status = ?", ("interrupted",), None),
        [store.ids(name) for name in ("latest", "latest~1", "latest~2", "best", "a", "dead", "x")],
        [found(store, digest) for digest in ("f", "g", "h", "i")],
        [store.last("p", "main", step) for step in ("train", "report", "other")],
    ]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], FolderRuns]]:
    stores = []

    def make() -> FolderRuns:
        stores.append(FolderRuns(str(tmp_path / "store")))
        return stores[-1]

    yield make
    for store in stores:
        store._index.close()


@pytest.fixture
def index(open_store: Callable[[], FolderRuns], tmp_path: Path) -> Path:
    """The file of an index of a store with runs."""
    store = open_store()
    fill(store)
    store._index.close()
    return tmp_path / "store" / "index.db"


def removed(index: Path) -> None:
    index.unlink()


def removed_without_its_log(index: Path) -> None:
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("update run set name = 'x'")
        connection.commit()
        shutil.copy(f"{index}-wal", f"{index}-kept")
    index.unlink()
    index.with_name("index.db-kept").rename(f"{index}-wal")


def empty(index: Path) -> None:
    index.write_bytes(b"")


def garbage(index: Path) -> None:
    index.write_bytes(b"garbage " * 1000)


def of_another_version(index: Path) -> None:
    index.unlink()
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("create table run (id text, what_it_will_have text)")
        connection.execute("create table more (id integer primary key autoincrement)")
        connection.execute("insert into run values ('x', 'y')")
        connection.execute("pragma user_version = 999")
        connection.commit()


@pytest.mark.parametrize(
    "damage", [removed, removed_without_its_log, empty, garbage, of_another_version]
)
def test_an_index_made_anew_gives_the_same_answers(
    index: Path, open_store: Callable[[], FolderRuns], damage: Callable[[Path], None]
) -> None:
    store = open_store()
    before = answers(store)
    store._index.close()
    damage(index)
    assert answers(open_store()) == before


def test_the_answers_tell_something(index: Path, open_store: Callable[[], FolderRuns]) -> None:
    store = open_store()
    assert index.exists()
    rows = store.summaries("1", (), None)
    assert [row["id"] for row in rows] == ["dead", "failed", "c2", "b0", "a1"]
    assert rows[0]["status"] == "interrupted"
    assert rows[0]["metrics"] == {"train.f1": 0.9}
    assert rows[2]["tags"] == {"k": "c"}
    assert rows[2]["dirty"] is None
    found = store.last("p", "main", "train")
    assert found is not None
    assert found[0] == "dead"


def test_an_index_can_be_made_anew_while_it_is_good(
    index: Path, open_store: Callable[[], FolderRuns]
) -> None:
    store = open_store()
    before = answers(store)
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("update run set name = 'wrong'")
        connection.execute("delete from step")
        connection.commit()
    assert store.reindex() == 5
    assert answers(store) == before


def test_runs_whose_folders_are_gone_go_from_the_index(
    index: Path, open_store: Callable[[], FolderRuns]
) -> None:
    store = open_store()
    shutil.rmtree(index.parent / "runs" / "dead")
    store.reindex()
    assert list(store.ids("dead")) == []
    assert found(store, "h") is None


def test_an_index_made_anew_is_seen_by_who_had_it_open(
    index: Path, open_store: Callable[[], FolderRuns]
) -> None:
    old, new = open_store(), open_store()
    before = answers(old)
    new.reindex()
    assert answers(old) == before
    assert index.exists()


def test_a_damaged_run_does_not_hide_the_rest(
    index: Path, open_store: Callable[[], FolderRuns]
) -> None:
    (index.parent / "runs" / "a1" / "run.json").write_text("{")
    (index.parent / "runs" / "b0" / "run.json").unlink()
    (index.parent / "runs" / "a file").touch()
    index.unlink()
    rows = open_store().summaries("1", (), None)
    assert [row["id"] for row in rows] == ["dead", "failed", "c2"]


def test_many_processes_can_find_the_index_damaged_at_once(index: Path) -> None:
    garbage(index)
    printed = at_once(6, ASK, str(index.parent))
    assert printed == ["dead 5\n"] * 6


def test_an_index_that_is_damaged_inside_says_what_to_do(index: Path) -> None:
    content = bytearray(index.read_bytes())
    content[4096:] = b"x" * (len(content) - 4096)
    index.write_bytes(content)
    opened = Index(index)
    with pytest.raises(StoreError, match="the index cannot be") as raised:
        opened.ids("a")
    assert "may be removed" in str(raised.value.problems[0].hint)
    opened.close()


def test_a_failure_leaves_no_transaction_open(
    index: Path, open_store: Callable[[], FolderRuns]
) -> None:
    store = open_store()
    store.ids("a")
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("alter table last rename to elsewhere")
        connection.commit()
    with pytest.raises(StoreError, match="the index cannot be written"):
        store.index.put_last(a_run("r"), [(a_step(), to_json(a_step()))])
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("alter table elsewhere rename to last")
        connection.commit()
    store.index.put_last(a_run("r", minute=9), [(a_step(), to_json(a_step()))])
    found = store.last("p", "main", "train")
    assert found is not None
    assert found[0] == "r"


def test_nobody_sees_an_index_half_full(index: Path, open_store: Callable[[], FolderRuns]) -> None:
    store = open_store()
    before = answers(store)
    other = Index(index)
    with other.made_anew():
        other.put_run(a_run("new"))
        assert answers(store) == before
    other.close()
    assert [row["id"] for row in store.summaries("1", (), None)] == ["new"]


def test_durations_are_those_of_the_last_success(tmp_path: Path) -> None:
    store = FolderRuns(str(tmp_path))
    assert store.durations("p", "main", ["train"]) == {}
    for minute, seconds in ((1, 2.5), (2, 4.0)):
        run = a_run(f"r{minute}", minute=minute)
        journal = store.create(run)
        step = a_step().replace(outcome=Outcome(exit_code=0, duration_s=seconds))
        journal.finished(step)
        journal.close(ended(run, step))
    found = store.durations(a_run("r").project, a_run("r").entry_point, [a_step().name, "other"])
    assert found == {a_step().name: 4.0}
