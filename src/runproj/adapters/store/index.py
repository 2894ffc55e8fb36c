"""The SQLite index over run folders: what makes looking things up fast, and can be made anew."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from runproj.errors import StoreError
from runproj.record.run import Run, StepRun

_VERSION = 1
_SCHEMA = """
create table run (
    id text primary key, name text, project text, entry_point text, experiment text, status text,
    started_at text, finished_at text, duration_s real, exit_code integer, dirty integer,
    source_commit text, rerun_of text, params text, metrics text, tags text, error text
) strict;
create index run_started on run (started_at desc);
create index run_name on run (name);
create table step (
    fingerprint text, run_id text, name text, finished_at text, record text,
    primary key (run_id, name)
) strict;
create index step_fingerprint on step (fingerprint, finished_at desc);
create table last (
    project text, entry_point text, name text, run_id text, record text,
    primary key (project, entry_point, name)
) strict;
"""
_COLUMNS = (
    "id", "name", "project", "entry_point", "experiment", "status", "started_at", "finished_at",
    "duration_s", "exit_code", "dirty", "source_commit", "rerun_of", "params", "metrics", "tags",
    "error",
)  # fmt: skip


class Index:
    """An index in one file; it opens when it is first asked."""

    def __init__(self, path: Path) -> None:
        """Use the file ``path``."""
        self.path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def usable(self) -> bool:
        """Whether it is there and of this version."""
        if not self.path.exists():
            return False
        try:
            row = self._connect().execute("pragma user_version").fetchone()
        except sqlite3.DatabaseError:
            return False
        return bool(row[0] == _VERSION)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._connection.execute("pragma journal_mode=wal")
            self._connection.execute("pragma synchronous=normal")
        return self._connection

    def create(self) -> None:
        """Make an empty index of this version, unless another process just did."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._create()
        except sqlite3.DatabaseError:
            self._discard()
            self._create()

    def _create(self) -> None:
        connection = self._connect()
        connection.execute("begin immediate")
        try:
            version = connection.execute("pragma user_version").fetchone()[0]
            if version != _VERSION:
                for (name,) in connection.execute(
                    "select name from sqlite_master where type = 'table'"
                ).fetchall():
                    connection.execute(f"drop table {name}")
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    connection.execute(statement)
                connection.execute(f"pragma user_version = {_VERSION}")
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._connect().executemany(statement, rows)
        except sqlite3.Error as error:
            raise StoreError(
                f"the index cannot be written: {error}", where=str(self.path)
            ) from error

    def _read(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connect().execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"the index cannot be read: {error}", where=str(self.path)) from error

    def put_run(self, run: Run) -> None:
        """Insert or replace the row of a run."""
        values = ", ".join("?" * len(_COLUMNS))
        self._write(
            f"insert or replace into run ({', '.join(_COLUMNS)}) values ({values})",  # noqa: S608 -- our own names
            [_row(run)],
        )

    def put_step(self, run_id: str, step: StepRun) -> None:
        """Note a step run that succeeded."""
        digest = step.fingerprint.digest if step.fingerprint else None
        row = (digest, run_id, step.name, step.finished_at, step.model_dump_json(by_alias=True))
        self._write("insert or replace into step values (?, ?, ?, ?, ?)", [row])

    def put_last(self, run: Run, steps: Iterable[StepRun]) -> None:
        """Note the latest successful step runs of a project."""
        rows = [
            (run.project, run.entry_point, step.name, run.id, step.model_dump_json(by_alias=True))
            for step in steps
        ]
        self._connect().execute("begin immediate")
        self._write("insert or replace into last values (?, ?, ?, ?, ?)", rows)
        self._connect().execute("commit")

    def find(self, fingerprint: str) -> tuple[str, StepRun] | None:
        """Return run id and step run of the latest success with a fingerprint."""
        rows = self._read(
            "select run_id, record from step where fingerprint = ? "
            "order by finished_at desc limit 1",
            (fingerprint,),
        )
        return (rows[0][0], StepRun.model_validate_json(rows[0][1])) if rows else None

    def last(self, project: str, entry_point: str, step: str) -> tuple[str, StepRun] | None:
        """Return the latest successful step run of a step."""
        rows = self._read(
            "select run_id, record from last where project = ? and entry_point = ? and name = ?",
            (project, entry_point, step),
        )
        return (rows[0][0], StepRun.model_validate_json(rows[0][1])) if rows else None

    def ids(self, name: str) -> list[str]:
        """Return ids that are this name or start with it, or whose run has it; latest first."""
        exact = self._read(
            "select id from run where id = ? or name = ? order by started_at desc, rowid desc",
            (name, name),
        )
        if exact or not name:
            return [row[0] for row in exact]
        pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._read(
            "select id from run where id like ? escape '\\' order by started_at desc", (pattern,)
        )
        return [row[0] for row in rows]

    def latest(self, back: int, project: str | None = None) -> str | None:
        """Return the id of the latest run, or of one some runs before it."""
        rows = self._read(
            "select id from run where ?1 is null or project = ?1 "
            "order by started_at desc, rowid desc limit 1 offset ?2",
            (project, back),
        )
        return rows[0][0] if rows else None

    def rows(self, where: str, values: Sequence[object], limit: int | None) -> list[dict[str, Any]]:
        """Return rows of runs, latest first; ``where`` is SQL of ours with ``?`` for values."""
        query = f"select {', '.join(_COLUMNS)} from run where {where} "  # noqa: S608 -- our own names
        query += "order by started_at desc, rowid desc"
        if limit is not None:
            query += f" limit {int(limit)}"
        found = [dict(zip(_COLUMNS, row, strict=True)) for row in self._read(query, values)]
        for row in found:
            for name in ("params", "metrics", "tags"):
                row[name] = json.loads(row[name])
            row["dirty"] = None if row["dirty"] is None else bool(row["dirty"])
        return found


def _row(run: Run) -> tuple[object, ...]:
    return (
        run.id, run.name, run.project, run.entry_point, run.experiment, run.status, run.started_at,
        run.finished_at, run.duration_s, run.exit_code, run.source.dirty, run.source.commit,
        run.rerun_of, json.dumps(run.params), json.dumps(run.metrics), json.dumps(run.tags),
        run.error,
    )  # fmt: skip
