"""The SQLite index over run folders: what makes looking things up fast, and can be made anew."""

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runproj.errors import StoreError
from runproj.model import compact, from_json, plain
from runproj.plan.fingerprint import Fingerprint
from runproj.record.organising import Organised
from runproj.record.run import Run, StepRun

if TYPE_CHECKING:
    from runproj.record.query import Order, Query

_VERSION = 10
_SCHEMA = """
create table run (
    id text primary key, name text, project text, entry_point text, experiment text, status text,
    started_at text, finished_at text, duration_s real, exit_code integer, dirty integer,
    source_commit text, rerun_of text, variation text, perturbed text, current_code integer,
    resume_of text, sweep text, trial integer, branch text,
    params text, metrics text, tags text, error text, tree text, host text, user text, author text,
    environments text, summaries text, verdict text,
    notes text not null default '[]', archived_at text, deleted_at text
) strict;
create index run_started on run (started_at desc);
create index run_name on run (name);
create index run_sweep on run (sweep) where sweep is not null;
create table step (
    fingerprint text, rest text, run_id text, name text, finished_at text, record text,
    primary key (run_id, name)
) strict;
create index step_fingerprint on step (fingerprint, finished_at desc);
create index step_rest on step (rest, finished_at desc) where rest is not null;
create table last (
    project text, entry_point text, name text, started_at text, run_id text, record text,
    primary key (project, entry_point, name)
) strict;
"""
_COLUMNS = (
    "id", "name", "project", "entry_point", "experiment", "status", "started_at", "finished_at",
    "duration_s", "exit_code", "dirty", "source_commit", "rerun_of", "variation", "perturbed",
    "current_code", "resume_of", "sweep", "trial", "branch", "params", "metrics", "tags",
    "error", "tree", "host", "user", "author", "environments", "summaries", "verdict", "notes",
    "archived_at", "deleted_at",
)  # fmt: skip
SAID = ("verdict", "notes", "archived_at", "deleted_at")
"""The columns that are no part of a run's record: see its annotations."""

_JSON = frozenset(
    ("variation", "perturbed", "params", "metrics", "tags", "environments", "summaries", "notes")
)
_BOOLEAN = frozenset(("current_code", "dirty"))
# ids decide where times are equal, so that an index made anew gives the same order
_LATEST_FIRST = "started_at desc, id desc"
_CANDIDATES = 16
_MANY = 2**62  # SQLite counts no further


class Index:
    """An index in one file; it opens when it is first asked."""

    def __init__(self, path: Path | None) -> None:
        """Use the file ``path``; None: stay in memory."""
        self.path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def usable(self) -> bool:
        """Whether it is there and of this version."""
        if self.path is None or not self.path.exists():
            return False
        try:
            row = self._connect().execute("pragma user_version").fetchone()
        except sqlite3.DatabaseError:
            self.close()
            return False
        return bool(row[0] == _VERSION)

    @property
    def readable(self) -> bool:
        """Whether it is there and of this version; asking changes nothing, not even its mode."""
        if self.path is None:
            return False
        try:
            with contextlib.closing(
                sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
            ) as connection:
                return bool(connection.execute("pragma user_version").fetchone()[0] == _VERSION)
        except sqlite3.DatabaseError:
            return False

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self.path or ":memory:", timeout=60, isolation_level=None
            )
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
        return self._connection

    def close(self) -> None:
        """Close the file; it opens again when it is asked."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # of another thread, or half made
            self.close()

    @property
    def _sound(self) -> bool:
        """Whether its pages are as SQLite wrote them."""
        try:
            [said] = self._connect().execute("pragma quick_check(1)").fetchone()
        except sqlite3.DatabaseError:
            return False
        return bool(said == "ok")

    @contextlib.contextmanager
    def made_anew(self) -> Iterator[None]:
        """Empty the index for a block that fills it; nobody sees it half full.

        What is no index of this version is replaced: nobody else may do that at the same time.
        """
        if self.path is not None and not (self.usable and self._sound):
            self.close()
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        with self.transaction() as connection:
            if connection.execute("pragma user_version").fetchone()[0] == _VERSION:
                for table in ("run", "step", "last"):
                    connection.execute(f"delete from {table}")  # noqa: S608 -- our own names
            else:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {_VERSION}")
            yield

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all of a block or nothing of it; a block in a block is a part of it."""
        with self._translated("written"):
            connection = self._connect()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"the index cannot be {what}: {error}",
                where=str(self.path or "in memory"),
                hint="it may be removed: it is made anew from the runs' folders",
            ) from error

    def _write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        with self.transaction() as connection:
            connection.executemany(statement, rows)

    def _read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._translated("read"):
            return self._connect().execute(query, values).fetchall()

    def put_run(self, run: Run) -> None:
        """Insert or replace the row of a run; what is said of it besides stays."""
        names = [name for name in _COLUMNS if name not in SAID]
        values = ", ".join("?" * len(names))
        changed = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        self._write(
            f"insert into run ({', '.join(names)}) values ({values}) "  # noqa: S608 -- our own names
            f"on conflict (id) do update set {changed}",
            [row_of(run)],
        )

    def put_success(self, run: Run, step: StepRun, record: str) -> None:
        """Note a step run that just succeeded; ``record`` is it as JSON."""
        with self.transaction():
            if step.reusable:
                self.put_step(run.id, step, record)
            else:
                self.drop_step(run.id, step.name)
            self.put_last(run, [(step, record)])

    def put_step(self, run_id: str, step: StepRun, record: str | None = None) -> None:
        """Note a step run that succeeded."""
        made = step.fingerprint
        traced = made is not None and step.trace is not None and step.trace.gap is None
        row = (
            made.digest if made else None, made.rest if made and traced else None,
            run_id, step.name, step.finished_at, record or compact(step),
        )  # fmt: skip
        self._write("insert or replace into step values (?, ?, ?, ?, ?, ?)", [row])

    def run_ids(self) -> set[str]:
        """Return the ids of all runs that it knows."""
        return {row[0] for row in self._read("select id from run")}

    def drop_runs(self, ids: Iterable[str]) -> None:
        """Forget runs that are gone, with their steps."""
        gone = [(run_id,) for run_id in ids]
        if gone:
            with self.transaction():
                for query in (
                    "delete from run where id = ?", "delete from step where run_id = ?",
                    "delete from last where run_id = ?",
                ):  # fmt: skip
                    self._write(query, gone)

    def put_verdict(self, run_id: str, word: str) -> None:
        """Note the latest verdict on a run."""
        self._write("update run set verdict = ? where id = ?", [(word, run_id)])

    def put_organised(self, run_id: str, found: Organised) -> None:
        """Note what is said of a run, but for name and tags, which :meth:`put_run` does."""
        notes = json.dumps([plain(one) for one in found.notes])
        self._write(
            "update run set notes = ?, archived_at = ?, deleted_at = ? where id = ?",
            [(notes, found.archived_at, found.deleted_at, run_id)],
        )

    def is_deleted(self, run_id: str) -> bool:
        """Tell whether a run was deleted."""
        query = "select 1 from run where id = ? and deleted_at is not null"
        return bool(self._read(query, (run_id,)))

    def rerun_of(self, run_id: str) -> str | None:
        """Return the id of the run that a run repeats."""
        rows = self._read("select rerun_of from run where id = ?", (run_id,))
        return rows[0][0] if rows else None

    def drop_steps(self, run_id: str) -> list[tuple[str, str, str]]:
        """Let none of a run's step runs be found.

        Returns:
            Project, entry point and name of those that were the latest of their steps.
        """
        rows = self._read("select project, entry_point, name from last where run_id = ?", (run_id,))
        with self.transaction():
            for table in ("step", "last"):
                self._write(f"delete from {table} where run_id = ?", [(run_id,)])  # noqa: S608 -- our own names
        return [(project, entry_point, name) for project, entry_point, name in rows]

    def earlier(self, project: str, entry_point: str) -> list[str]:
        """Return the ids of the latest runs of an entry point that were not deleted."""
        query = (
            "select id from run where project = ? and entry_point = ? and deleted_at is null "  # noqa: S608 -- our own names
            f"order by {_LATEST_FIRST} limit {_CANDIDATES}"
        )
        return [row[0] for row in self._read(query, (project, entry_point))]

    def drop_step(self, run_id: str, name: str) -> None:
        """Let a step run no longer be found."""
        self._write("delete from step where run_id = ? and name = ?", [(run_id, name)])

    def put_last(self, run: Run, steps: Iterable[tuple[StepRun, str]]) -> None:
        """Note step runs that are the latest of their steps, unless a later run has them too.

        Each comes with itself as JSON.
        """
        rows = [
            (run.project, run.entry_point, step.name, run.started_at, run.id, record)
            for step, record in steps
        ]
        self._write(
            "insert into last values (?, ?, ?, ?, ?, ?) on conflict do update set "
            "started_at = excluded.started_at, run_id = excluded.run_id, record = excluded.record "
            "where (excluded.started_at, excluded.run_id) >= (last.started_at, last.run_id)",
            rows,
        )

    def find(self, fingerprint: Fingerprint) -> Iterator[tuple[str, StepRun]]:
        """Yield run id and step run of the latest successes with a fingerprint.

        What was traced, and differs in the source alone, follows.
        """
        same = "select run_id, record from step where fingerprint = ?"
        alike = "select run_id, record from step where rest = ? and fingerprint <> ?"
        order = f" order by finished_at desc, run_id desc limit {_CANDIDATES}"
        for run_id, record in self._read(same + order, (fingerprint.digest,)):
            yield run_id, from_json(StepRun, record)
        traced = self._read("select exists (select 1 from step where rest is not null)")[0][0]
        if traced:
            values = (fingerprint.rest, fingerprint.digest)
            for run_id, record in self._read(alike + order, values):
                yield run_id, from_json(StepRun, record)

    def last(self, project: str, entry_point: str, step: str) -> tuple[str, StepRun] | None:
        """Return the latest successful step run of a step."""
        rows = self._read(
            "select run_id, record from last where project = ? and entry_point = ? and name = ?",
            (project, entry_point, step),
        )
        return (rows[0][0], from_json(StepRun, rows[0][1])) if rows else None

    def durations(self, project: str, entry_point: str, steps: Iterable[str]) -> dict[str, float]:
        """Return how many seconds steps took when they were last executed, as far as is known."""
        query = (
            "select name, json_extract(record, '$.outcome.duration_s') from json_each(?) as wanted "
            "cross join last on project = ? and entry_point = ? and name = wanted.value"
        )
        rows = self._read(query, (json.dumps(list(steps)), project, entry_point))
        return {name: seconds for name, seconds in rows if seconds is not None}

    def ids(self, name: str) -> list[str]:
        """Return ids that are this name or start with it, or whose run has it; latest first.

        A run that was deleted answers to its whole id only.
        """
        rows = self._read(
            "select id from run where id = ? or (name = ? and deleted_at is null) "
            "order by id = ? desc, started_at desc, id desc",
            (name, name, name),
        )
        if not rows and name:
            query = (
                "select id from run where substr(id, 1, ?) = ? and deleted_at is null "  # noqa: S608 -- our own names
                f"order by {_LATEST_FIRST}"
            )
            rows = self._read(query, (len(name), name))
        return [row[0] for row in rows]

    def latest(self, back: int) -> str | None:
        """Return the id of the latest run, or of one before it.

        Perturbed ones do not count, nor those that are put away.
        """
        query = (
            "select id from run where perturbed = '[]' and archived_at is null "  # noqa: S608 -- our own names
            f"and deleted_at is null order by {_LATEST_FIRST} limit 1 offset ?"
        )
        rows = self._read(query, (min(back, _MANY),))
        return rows[0][0] if rows else None

    def mark_interrupted(self, run_id: str) -> None:
        """Note that a run did not come to its end, when nothing more is known of it."""
        self._write("update run set status = 'interrupted' where id = ?", [(run_id,)])

    def unfinished(self) -> list[str]:
        """Return the ids of the runs that had not ended when they were last written."""
        return [row[0] for row in self._read("select id from run where status = 'running'")]

    def rows(self, where: str, values: Sequence[object], limit: int | None) -> list[dict[str, Any]]:
        """Return rows of runs, latest first; ``where`` is SQL of ours with ``?`` for values."""
        query = f"select {', '.join(_COLUMNS)} from run where {where} "  # noqa: S608 -- our own names
        query += f"order by {_LATEST_FIRST}"
        if limit is not None:
            query += f" limit {int(limit)}"
        return _parsed(_COLUMNS, self._read(query, values))

    def search(
        self, where: str, values: Sequence[object], query: "Query", orders: "Sequence[Order]",
        limit: int | None, only: Collection[str] = (),
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Return rows of the runs that a query asks for, in an order, else the latest first.

        Only what the query looks at is read of all runs. ``only`` are columns that are enough.
        """
        from runproj.record.query import ordered  # noqa: PLC0415 -- lazy: few commands search

        wanted = {*query.columns, *(name for one in orders for name in one.field.columns), *only}
        wanted.add("id")
        columns = [name for name in _COLUMNS if name in wanted]
        select = f"select {', '.join(columns)} from run where {where} order by {_LATEST_FIRST}"  # noqa: S608 -- our own names
        found = filter(query.test, _parsed(columns, self._read(select, values)))
        chosen: list[Any] = ordered(found, orders)[:limit]
        if only:
            return chosen
        ids = [row["id"] for row in chosen]
        rows = self.rows("id in (select value from json_each(?))", [json.dumps(ids)], None)
        by_id = {row["id"]: row for row in rows}
        return [by_id[one] for one in ids if one in by_id]  # another process may remove runs

    def names(self, column: str) -> list[str]:
        """Return the names that runs have in a column of many, such as ``metrics``."""
        query = f"select distinct key from run, json_each(run.{column}) order by key"  # noqa: S608 -- our own name
        return [row[0] for row in self._read(query)]


def _parsed(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return rows as dictionaries; JSON of a column is parsed at once, which is quicker by far."""
    by_column = list(zip(*rows, strict=True)) or [() for _ in columns]
    for at, name in enumerate(columns):
        if name in _JSON:
            by_column[at] = tuple(json.loads(f"[{','.join(by_column[at])}]"))
        elif name in _BOOLEAN:
            by_column[at] = tuple(None if one is None else bool(one) for one in by_column[at])
    return [dict(zip(columns, row, strict=True)) for row in zip(*by_column, strict=True)]


def row_of(run: Run) -> tuple[object, ...]:
    """Return what the index says of a run, in the order of its columns; :data:`SAID` apart."""
    return (
        run.id, run.name, run.project, run.entry_point, run.experiment, run.status, run.started_at,
        run.finished_at, run.duration_s, run.exit_code, run.source.dirty, run.source.commit,
        run.rerun_of, json.dumps(run.variation), json.dumps(run.perturbed), run.current_code,
        run.resume_of, run.sweep and run.sweep.sweep.id, run.sweep and run.sweep.number,
        run.source.branch,
        json.dumps(run.params), json.dumps(run.metrics), json.dumps(run.tags), run.error,
        run.source.tree, run.host.name, run.host.user, run.author,
        json.dumps({pin.name: (pin.kind, pin.key) for pin in run.plan.environments}),
        json.dumps({name: (o.min, o.max, o.points) for name, o in run.summaries.items()}),
    )  # fmt: skip
