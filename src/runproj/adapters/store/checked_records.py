"""Reading all records of a store, and comparing the index with them."""

import json
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from runproj.adapters.disk import is_left, is_locked
from runproj.adapters.store.index import SAID, Index, row_of
from runproj.adapters.store.runs import FolderRuns, events_of, step_folder
from runproj.errors import NoSuchRun, RunprojError, StoreError
from runproj.lock.formats import format_of_text
from runproj.model import from_json
from runproj.ports import SeenRun
from runproj.record.health import Damage, DamageKind, Note, Use
from runproj.record.organising import organised
from runproj.record.run import Run, StepRun
from runproj.record.verdict import Annotation

_LEFT = "a file of a process that was ended"
_AS_IT_BEGAN = "a run that was ended as it began"
_REINDEX = "'runproj fsck --repair' makes it anew from the runs"


class CheckedRecords:
    """Looks at the runs of a folder, see :class:`~runproj.ports.RecordChecks`."""

    def __init__(self, runs: FolderRuns) -> None:
        """Look at what ``runs`` remembers."""
        self._runs = runs

    def ids(self) -> Sequence[str]:
        """Return the ids of all runs that have a folder."""
        try:
            return sorted(place.name for place in self._runs.runs.iterdir() if place.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            where = str(self._runs.runs)
            raise StoreError(f"the store cannot be read: {reason}", where=where) from error

    def look(self, run_id: str) -> SeenRun:
        """Read all that is recorded of a run, its logs included."""
        folder = self._runs.runs / run_id
        notes = [Note(message=_LEFT, where=str(one)) for one in folder.glob(".*") if is_left(one)]
        try:
            run = self._runs.load(run_id)
        except NoSuchRun as error:
            return self._nothing(folder, error, notes)
        except StoreError as error:
            return SeenRun(None, [_damage("record", error, run_id)], notes)
        if run.id != run_id:
            wrong = StoreError(
                f"the record of the run {run_id} is that of {run.id}",
                where=str(folder / "run.json"), hint="bring it back from a copy of the store",
            )  # fmt: skip
            return SeenRun(None, [_damage("record", wrong, run_id)], notes)
        said: Sequence[Annotation] | None = None
        damages = list(self._events(run, folder))
        try:
            said = self._runs.annotations(run.id)
        except StoreError as error:
            damages.append(_damage("annotations", error, run.id))
        for step in run.steps:
            damages += _log(run, step, folder)
        return SeenRun(run, damages, notes, said)

    def _nothing(self, folder: Path, error: RunprojError, notes: list[Note]) -> SeenRun:
        """Return what a folder without a record is: perhaps a run that just begins."""
        if is_locked(folder / "lock"):
            return SeenRun(None, (), notes)
        if (folder / "events.jsonl").exists() or (folder / "steps").exists():
            error = StoreError(
                f"the record of the run {folder.name} is gone", where=str(folder / "run.json"),
                hint="bring it back from a copy of the store; "
                "to be rid of this run, remove its folder",
            )  # fmt: skip
            return SeenRun(None, [_damage("record", error, folder.name)], notes)
        if is_left(folder):
            notes = [*notes, Note(message=_AS_IT_BEGAN, where=str(folder))]
        return SeenRun(None, (), notes)

    def _events(self, run: Run, folder: Path) -> Iterator[Damage]:
        try:
            events_of(folder, alive=True)
        except StoreError as error:
            yield _damage("events", error, run.id)
            return
        executed = any(step.outcome is not None for step in run.steps)
        if executed and not (folder / "events.jsonl").exists():
            gone = StoreError(
                f"the events of the run {run.id} are gone", where=str(folder / "events.jsonl"),
                hint="nothing needs them: the record of a run that has ended is complete",
            )  # fmt: skip
            yield _damage("events", gone, run.id)

    def index(self, runs: Sequence[Run]) -> SeenRun:
        """Compare the index with the runs."""
        place = self._runs.folder / "index.db"
        if not self.ids() and not place.exists():
            return SeenRun(None)
        if not Index(place).readable:
            what = "cannot be used" if place.exists() else "is not there"
            note = Note(
                message=f"the index {what}: the next command makes it anew", where=str(place)
            )
            return SeenRun(None, (), [note])
        try:
            with closing(
                sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True, timeout=60)
            ) as base:
                wrong = next(self._differences(base, runs), None)
        except (sqlite3.Error, RunprojError, ValueError) as error:
            wrong = f"it cannot be read: {error}"
        if wrong is None:
            return SeenRun(None)
        message = f"the index does not agree with the runs: {wrong}"
        damage = Damage(kind="index", message=message, where=str(place), hint=_REINDEX)
        return SeenRun(None, [damage])

    def _differences(self, base: sqlite3.Connection, runs: Sequence[Run]) -> Iterator[str]:
        [checked] = base.execute("pragma quick_check(1)").fetchone()
        if checked != "ok":
            yield f"its pages are damaged: {' '.join(checked.split())}"
        base.row_factory = sqlite3.Row
        rows = {row["id"]: dict(row) for row in base.execute("select * from run")}
        ended = [run for run in runs if not self._goes_on(run)]
        deleted = {run_id for run_id, row in rows.items() if row["deleted_at"] is not None}
        for run in ended:
            found = rows.pop(run.id, None)
            if found is None:
                yield f"the run {run.id} is not in it"
                continue
            besides = {name: found.pop(name) for name in SAID}
            expected = row_of(run)
            died = run.status == "interrupted" and found["status"] == "running"
            if not died and tuple(found.values()) != expected:
                yield f"the row of the run {run.id} differs from its record"
            yield from self._said_differently(run, besides)
        for run_id in rows:
            if not (self._runs.runs / run_id).exists():
                yield f"there is no run {run_id}"
        yield from _steps(base, {run.id: run for run in ended}, deleted)

    def _goes_on(self, run: Run) -> bool:
        return run.status == "running" or is_locked(self._runs.runs / run.id / "lock")

    def _said_differently(self, run: Run, besides: Mapping[str, object]) -> Iterator[str]:
        """Yield how the index differs from what is said of a run."""
        try:
            said = self._runs.annotations(run.id)
        except StoreError:
            return
        words = [one.verdict.word for one in said if one.verdict is not None]
        if words and besides["verdict"] != words[-1]:
            yield f"the verdict on the run {run.id} is {words[-1]!r}, not {besides['verdict']!r}"
        found = organised(run, said)
        if (
            (len(json.loads(str(besides["notes"]))), besides["archived_at"], besides["deleted_at"])
            != (len(found.notes), found.archived_at, found.deleted_at)
        ):  # fmt: skip
            yield f"what is said of the run {run.id} differs from its annotations"

    def reindex(self) -> int:
        """Make the index anew, see :class:`~runproj.ports.RecordChecks`."""
        for run_id in self.ids():
            if is_locked(self._runs.runs / run_id / "lock"):
                raise StoreError(
                    f"the run {run_id} goes on: try again when it has ended",
                    where=str(self._runs.folder / "index.db"),
                )
        return self._runs.reindex()

    def left(self) -> list[Path]:
        """Return what processes left that were killed: files, and runs that had not begun."""
        folder = self._runs.folder
        files = [*folder.glob(".*-*-*"), *folder.glob("locks/.*"), *folder.glob("runs/*/.*")]
        begun = [
            Path(note.where)
            for run_id in self.ids()
            for note in self.look(run_id).notes
            if note.message == _AS_IT_BEGAN
        ]
        # what belongs to the source store is told there
        own = [one for one in files if is_left(one) and not one.name.startswith(".source-")]
        return sorted({*own, *begun})

    def others(self) -> SeenRun:
        """Look at the locks that were made without being asked for."""
        damages: list[Damage] = []
        notes: list[Note] = []
        folder = self._runs.folder / "locks"
        for place in sorted(folder.iterdir()) if folder.is_dir() else ():
            if place.name.startswith("."):
                notes += [Note(message=_LEFT, where=str(place))] if is_left(place) else []
            elif re.fullmatch("[0-9a-f]{64}", place.name):
                damages += _lock(place)
        notes += [
            Note(message=_LEFT, where=str(one))
            for one in self._runs.folder.glob(".*-*-*")
            if is_left(one)
        ]
        return SeenRun(None, damages, notes)


def _damage(kind: DamageKind, error: RunprojError, run_id: str) -> Damage:
    problem = error.problems[0]
    return Damage(
        kind=kind, message=problem.message, where=problem.where or "",
        hint=problem.hint or "see that you may read it",
        uses=(Use(run=run_id, role="record"),),
    )  # fmt: skip


def _log(run: Run, step: StepRun, folder: Path) -> Iterator[Damage]:
    """Yield what is wrong with the log of a step that was executed here."""
    if step.outcome is None or step.cached_from is not None:
        return
    place = step_folder(folder, step.name) / "output.log"
    try:
        size = place.stat().st_size
        lines = place.with_name("output.idx").read_bytes().split(b"\n")[:-1]
        said = sum(int(line.split()[2]) for line in lines)
    except FileNotFoundError:
        what = "is gone"
    except OSError as error:
        what = f"cannot be read: {(error.strerror or str(error)).lower()}"
    except (ValueError, IndexError):
        place, what = place.with_name("output.idx"), "has an index that cannot be read"
    else:
        if said <= size:
            return
        what = "is shorter than what was printed"
    yield Damage(
        kind="log", message=f"the log of {run.id}/{step.name} {what}", where=str(place),
        hint="bring it back from a copy of the store; nothing else needs it",
        uses=(Use(run=run.id, step=step.name, role="log"),),
    )  # fmt: skip


def _lock(place: Path) -> Iterator[Damage]:
    try:
        content = place.read_bytes().decode()
        form = format_of_text(content)
        form.packages(content)
        if form.declaration_of(content) == place.name:
            return
    except (OSError, UnicodeDecodeError, RunprojError):
        pass
    yield Damage(
        kind="lock", message=f"the lock for the declaration {place.name[:12]}… is damaged",
        where=str(place),
        hint="remove that file: the next run makes it again, perhaps with newer versions; "
        "past runs have locks of their own",
    )  # fmt: skip


def _steps(
    base: sqlite3.Connection, runs: dict[str, Run], deleted: Collection[str]
) -> Iterator[str]:
    """Yield how the step runs that can be found differ from those of the runs."""
    expected = {
        (run.id, step.name): step
        for run in runs.values()
        for step in run.steps
        if step.status == "succeeded" and step.reusable and run.id not in deleted
    }
    steps = {run.id: {step.name: step for step in run.steps} for run in runs.values()}
    for row in base.execute("select run_id, name, fingerprint, record from step"):
        run_id, name, digest, record = row
        if run_id not in runs:
            continue
        step = expected.pop((run_id, name), None)
        if step is None or not _same(step, digest, record):
            yield f"the step run {run_id}/{name} differs from its record"
    for run_id, name in expected:
        yield f"the step run {run_id}/{name} is not in it"
    for run_id, name, record in base.execute("select run_id, name, record from last"):
        if run_id in runs:
            step = steps[run_id].get(name)
            if step is None or not _same(step, None, record):
                yield f"the latest run of the step {name!r} differs from its record"


def _same(step: StepRun, digest: str | None, record: str) -> bool:
    found = from_json(StepRun, record)
    own = step.fingerprint.digest if step.fingerprint else None
    return found.outputs == step.outputs and digest in (None, own)
