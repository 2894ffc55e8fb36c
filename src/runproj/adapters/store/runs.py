"""Runs as folders: plain files are the truth, the index only finds them.

::

    runs/ID/run.json        written when the run starts and when it ends, atomically
    runs/ID/events.jsonl    one line per event; a run that died is read from here
    runs/ID/annotations.jsonl  what is said besides, such as a verdict or a note
    runs/ID/lock            held as long as the run lives
    runs/ID/steps/NAME/     output.log, output.idx
    index.lock              held by the process that makes the index anew
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runproj.adapters.disk import (
    FolderLock,
    append,
    is_locked,
    remove_all,
    taking_turns,
    write_atomically,
)
from runproj.adapters.store.index import Index
from runproj.adapters.store.log import FolderLog
from runproj.errors import NoSuchRun, StoreError
from runproj.model import Model, WrongData, as_lines, compact, from_json, to_json
from runproj.plan.fingerprint import Fingerprint
from runproj.record.organising import as_said, organised
from runproj.record.run import Run, StepRun
from runproj.record.verdict import Annotation

if TYPE_CHECKING:
    from runproj.record.query import Order, Query

_IGNORE = "# made by runproj; this folder ignores itself\n*\n"


class FolderRuns:
    """A run store in a folder; many processes may use it at once."""

    def __init__(self, folder: str, make: Callable[[Path], object] | None = None) -> None:
        """Use the store ``folder`` (the one that is called ``.runproj``).

        ``make`` makes that folder where it is not there.
        """
        self.folder = Path(folder)
        self._make = make or make_store
        self.runs = self.folder / "runs"
        self._index = Index(self.folder / "index.db")
        self._ready = False

    @property
    def index(self) -> Index:
        """The index, made anew from the folders when it is missing or of another version."""
        if not self._ready:
            try:
                with self._one_at_a_time():  # nobody opens what another process is making
                    if not self._index.usable:
                        self._fill_index()
                    else:
                        self._catch_up()
            except StoreError:
                if os.access(self.folder, os.W_OK):
                    raise
                self._index = Index(None)  # somebody else's store can be looked at
                self._fill_index()
            self._ready = True
        return self._index

    @property
    def _begun(self) -> bool:
        """Whether there is a store; looking makes none."""
        if self._ready:
            return True
        with _translated("the store cannot be read", self.folder):
            return self.runs.exists()

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        turn = taking_turns(self.folder / "index.lock")
        with _translated("the index cannot be made", self.folder), turn:
            yield

    def create(self, run: Run) -> "FolderJournal":
        """Write a run before anything of it happens, see :class:`~runproj.ports.RunStore`."""
        folder = self.runs / run.id
        with _translated("the store cannot be written", self.folder):
            self._make(self.folder)
            self.runs.mkdir(exist_ok=True)
            try:
                folder.mkdir()
            except FileExistsError:
                raise StoreError(f"there is a run {run.id} already", where=str(folder)) from None
            lock = FolderLock(folder / "lock")
            try:
                plan = compact(run.plan)
                write_run(folder, run, plan=plan)
                self.index.put_run(run)
                return FolderJournal(folder, run, plan, lock, self.index)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)  # nothing of it has happened
                lock.close()
                raise

    def load(self, run_id: str) -> Run:
        """Return a run, see :class:`~runproj.ports.RunStore`."""
        folder = self.runs / run_id
        run = self._written(folder)
        if run.status == "running":
            run = self._as_it_is(run, folder)
        return _as_said(run, folder)

    def _written(self, folder: Path) -> Run:
        with _translated(f"the record of the run {folder.name} cannot be read", folder):
            try:
                text = (folder / "run.json").read_bytes()
            except FileNotFoundError:
                raise NoSuchRun(
                    f"there is no run {folder.name!r}", where=str(self.folder)
                ) from None
        return _parse(text, folder)

    def _as_it_is(self, run: Run, folder: Path) -> Run:
        """Complete a run that has not ended by what its events say."""
        alive = is_locked(folder / "lock")
        if not alive and (ended := self._written(folder)).status != "running":
            return ended  # it ended between the two looks
        steps = events_of(folder, alive=alive)
        update: dict[str, object] = {"steps": steps}
        if not alive:
            began, seen = datetime.fromisoformat(run.started_at), _last_sign_of_life(folder)
            update |= {
                "status": "interrupted",
                "error": "runproj itself was ended from outside",
                "finished_at": seen.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "duration_s": max(0.0, round((seen - began).total_seconds(), 3)),
            }
        return run.replace(**update)

    def find(self, fingerprint: Fingerprint) -> Iterable[tuple[str, StepRun]]:
        """Yield the latest successes with a fingerprint, see :class:`~runproj.ports.RunStore`."""
        return self.index.find(fingerprint) if self._begun else ()

    def last(self, project: str, entry_point: str, step: str) -> tuple[str, StepRun] | None:
        """Return the latest success of a step, see :class:`~runproj.ports.RunStore`."""
        return self.index.last(project, entry_point, step) if self._begun else None

    def durations(self, project: str, entry_point: str, steps: Iterable[str]) -> dict[str, float]:
        """Return how many seconds steps took when they were last executed, as far as is known."""
        return self.index.durations(project, entry_point, steps) if self._begun else {}

    def ids(self, name: str) -> Sequence[str]:
        """Return what a name may mean, see :class:`~runproj.ports.RunStore`."""
        if not self._begun:
            return []
        match = re.fullmatch(r"latest(?:~(\d+))?", name)
        if match:
            found = self.index.latest(int(match[1] or 0))
            return [found] if found else []
        return self.index.ids(name)

    def summaries(
        self, where: str, values: Sequence[object], limit: int | None, *, deleted: bool = False
    ) -> list[dict[str, Any]]:
        """Return rows of runs, latest first; those that died read ``interrupted``.

        Runs that were deleted are among them only where that is wanted.
        """
        if not self._begun:
            return []
        self._notice_the_dead()
        if not deleted:
            where = f"({where}) and deleted_at is null"
        return self.index.rows(where, values, limit)

    def search(
        self, where: str, values: Sequence[object], query: "Query", orders: "Sequence[Order]",
        limit: int | None, only: Collection[str] = (), *, deleted: bool = False,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Return rows of the runs that a query asks for, see :meth:`summaries`.

        ``only`` are columns that are enough.
        """
        if not self._begun:
            return []
        self._notice_the_dead()
        if not deleted:
            where = f"({where}) and deleted_at is null"
        return self.index.search(where, values, query, orders, limit, only)

    def names(self, column: str) -> list[str]:
        """Return the names that runs have in a column of many, such as ``metrics``."""
        return self.index.names(column) if self._begun else []

    def annotate(self, run_id: str, annotation: Annotation) -> None:
        """Add what is said of a run, see :class:`~runproj.ports.Annotations`."""
        place = self.runs / run_id / "annotations.jsonl"
        with (
            _translated("the record cannot be written", place),
            taking_turns(place),
            place.open("r+b", 0) as file,
        ):
            file.truncate(file.seek(file.read().rfind(b"\n") + 1))  # torn by who is gone
            append(file, f"{to_json(annotation)}\n".encode())
        if annotation.verdict is not None:
            self.index.put_verdict(run_id, annotation.verdict.word)
        if annotation.kind not in ("verdict", "stability"):
            with self.index.transaction():  # what others say now is either seen, or comes after
                self._organise(self.load(run_id))

    def _organise(self, run: Run) -> None:
        """Let the index know what is said of a run by now; what was deleted is not taken."""
        found = organised(run, self.annotations(run.id))
        was_deleted = self.index.is_deleted(run.id)
        self.index.put_run(run)
        self.index.put_organised(run.id, found)
        if found.deleted_at is not None:
            for project, entry_point, name in self.index.drop_steps(run.id):
                self._put_earlier(project, entry_point, name)
        elif was_deleted:
            self._put_steps(run)

    def _put_earlier(self, project: str, entry_point: str, name: str) -> None:
        """Let the latest step run be found that is left of a step."""
        for run_id in self.index.earlier(project, entry_point):
            with contextlib.suppress(StoreError, NoSuchRun):
                run = self.load(run_id)
                step = run.step(name)
                if step is not None and step.done:
                    self.index.put_last(run, [(step, compact(step))])
                    return

    def rerun_of(self, run_id: str) -> str | None:
        """Return the id of the run that a run repeats, None when it repeats none."""
        return self.index.rerun_of(run_id)

    def annotations(self, run_id: str) -> Sequence[Annotation]:
        """Return what was said of a run, see :class:`~runproj.ports.Annotations`."""
        return _said_of(self.runs / run_id)

    def _notice_the_dead(self) -> None:
        """Bring the rows of runs up to date whose processes were ended from outside."""
        for run_id in self.index.unfinished():
            if not is_locked(self.runs / run_id / "lock"):
                try:
                    self.index.put_run(self.load(run_id))
                except (StoreError, NoSuchRun):  # 'show' says what is wrong
                    self.index.mark_interrupted(run_id)

    def remove(self, run_id: str) -> None:
        """Remove a run: it is gone as a whole, or there as a whole, whenever this is ended.

        Raises:
            StoreError: it cannot be removed.
        """
        folder = self.runs / run_id
        aside = self.folder / f".{run_id}-gone-{os.getpid()}"  # is left, should this be ended
        with _translated(f"the run {run_id} cannot be removed", folder):
            with contextlib.suppress(FileNotFoundError):
                folder.rename(aside)
            self.index.drop_runs([run_id])
            remove_all(aside)

    def reindex(self) -> int:
        """Make the index anew from the folders; return how many runs there are."""
        with self._one_at_a_time():
            count = self._fill_index()
        self._ready = True
        return count

    def _fill_index(self) -> int:
        count = 0
        with self._index.made_anew():
            for run in self._all():
                count += 1
                self._put(run)
        return count

    def _put(self, run: Run) -> None:
        self._index.put_run(run)
        said: Sequence[Annotation] = ()
        with contextlib.suppress(StoreError):
            said = self.annotations(run.id)
        for annotation in said:
            if annotation.verdict is not None:
                self._index.put_verdict(run.id, annotation.verdict.word)
        found = organised(run, said)
        self._index.put_organised(run.id, found)
        if found.deleted_at is None:
            self._put_steps(run)

    def _put_steps(self, run: Run) -> None:
        for step in run.steps:
            if step.status == "succeeded" and step.reusable:
                self._index.put_step(run.id, step)
        self._index.put_last(run, [(step, compact(step)) for step in run.steps if step.done])

    def _catch_up(self) -> None:
        """Bring in runs that the index does not know, and drop those that are gone.

        It may be an older copy, or have come from elsewhere without them.
        """
        known = self._index.run_ids()  # first: a run has its folder before it is known
        try:
            there = set(os.listdir(self.runs))  # noqa: PTH208 -- names, quickly
        except OSError:
            return
        self._index.drop_runs(known - there)
        for run_id in sorted(there - known):
            with contextlib.suppress(StoreError, NoSuchRun):  # damaged, or about to be written
                self._put(self.load(run_id))

    def _all(self) -> Iterator[Run]:
        for folder in sorted(self.runs.glob("*")):
            with contextlib.suppress(StoreError, NoSuchRun):  # a damaged one does not hide the rest
                yield self.load(folder.name)


def make_store(folder: Path) -> bool:
    """Make the store's folder, which ignores itself in git; tell whether it was not there."""
    ignore = folder / ".gitignore"
    if ignore.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(ignore, _IGNORE.encode())
    return True


def write_run(folder: Path, run: Run, **known: str | Sequence[str]) -> None:
    """Write ``run.json`` as a whole: a line for each field, and one for each step run.

    ``known`` is JSON of the plan and the step runs, where somebody has it already.
    """
    write_atomically(folder / "run.json", (line.encode() for line in as_lines(run, **known)))


_LONGEST_NAME = 200  # bytes; file systems have room for 255


def step_folder(run_folder: Path, step: str) -> Path:
    """Return the folder of a step run; characters that folders cannot have are encoded."""
    safe = re.sub(r"[^\w.=,\[\]-]", lambda match: f"%{ord(match[0]):02X}", step)
    if len(safe.encode()) > _LONGEST_NAME:
        safe = f"{safe[:40]}~{hashlib.sha256(step.encode()).hexdigest()[:16]}"
    return run_folder / "steps" / safe


def _parse(text: bytes, folder: Path) -> Run:
    try:
        return from_json(Run, text)
    except WrongData as error:
        raise StoreError(
            f"the record of the run {folder.name} cannot be read: {error}",
            where=str(folder / "run.json"),
            hint="it was damaged, or written by another version of runproj; "
            "to be rid of this run, remove its folder",
        ) from error


def _said_of(folder: Path) -> Sequence[Annotation]:
    """Return what was said of the run in a folder.

    Raises:
        StoreError: it cannot be read.
    """
    place = folder / "annotations.jsonl"
    with _translated("the record cannot be read", place):
        try:
            *lines, _ = place.read_bytes().split(b"\n")  # a torn last line was never said
        except FileNotFoundError:
            return ()
    try:
        return [from_json(Annotation, line) for line in lines]
    except WrongData as error:
        raise StoreError(
            f"what was said of the run {folder.name} cannot be read: {error}",
            where=str(place),
            hint="without the damaged line the rest can be read",
        ) from error


def _as_said(run: Run, folder: Path) -> Run:
    """Return a run with name and tags as they were given last; damage hides no record."""
    with contextlib.suppress(StoreError):
        return as_said(run, _said_of(folder))
    return run


def _last_sign_of_life(folder: Path) -> datetime:
    """Return when a run that died was last seen to write something."""
    files = [folder / "run.json", folder / "events.jsonl", *folder.glob("steps/*/output.log")]
    times = []
    for file in files:
        with contextlib.suppress(OSError):
            times.append(file.stat().st_mtime)
    return datetime.fromtimestamp(max(times), tz=UTC)


class _Line(Model):
    """A line of ``events.jsonl``."""

    event: Literal["started", "finished"]
    step: StepRun


def events_of(folder: Path, *, alive: bool) -> tuple[StepRun, ...]:
    """Return the step runs that the events tell of; one that had not ended was interrupted.

    Raises:
        StoreError: a line is damaged; a torn last one was never written.
    """
    steps: dict[str, StepRun] = {}
    place = folder / "events.jsonl"
    with _translated(f"the events of the run {folder.name} cannot be read", place):
        try:
            *lines, _ = place.read_bytes().split(b"\n")  # a torn last line is no event
        except FileNotFoundError:
            return ()
    for number, line in enumerate(lines, start=1):
        try:
            step = from_json(_Line, line).step
        except WrongData as error:
            raise StoreError(
                f"the events of the run {folder.name} cannot be read: line {number} is damaged",
                where=str(place),
                hint="without that line the rest can be read",
            ) from error
        steps[step.name] = step
    return tuple(
        step.replace(status="interrupted") if step.status == "running" and not alive else step
        for step in steps.values()
    )


class FolderJournal:
    """The record of a run under way."""

    def __init__(self, folder: Path, run: Run, plan: str, lock: FolderLock, index: Index) -> None:
        """Write below ``folder``, and free ``lock`` at the end; ``plan`` is the plan as JSON."""
        self._folder = folder
        self._run = run
        self._plan = plan
        self._lock = lock
        self._index = index
        self._place = folder / "events.jsonl"
        self._events = self._place.open("ab", buffering=0)
        self._texts: dict[str, tuple[StepRun, str]] = {}

    def started(self, step: StepRun) -> None:
        """Note that a step starts."""
        self._append("started", step)

    def finished(self, step: StepRun) -> None:
        """Note how a step ended; a success can be found by other runs from now on.

        What turns out not to be reusable is noted once more, and found no longer.
        """
        record = self._append("finished", step)
        self._texts[step.name] = step, record
        if step.status == "succeeded":
            self._index.put_success(self._run, step, record)

    def _text(self, step: StepRun) -> str:
        """Return a step run as JSON; that of one that is as it was written is at hand."""
        written, text = self._texts.get(step.name, (None, ""))
        return text if written is step else compact(step)

    def _append(self, event: str, step: StepRun) -> str:
        record = compact(step)
        line = f'{{"event":"{event}","step":{record}}}\n'
        with _translated("the record cannot be written", self._place):
            append(self._events, line.encode())
        return record

    def log(self, step: str) -> FolderLog:
        """Open the log of a step."""
        return FolderLog(step_folder(self._folder, step))

    def close(self, run: Run) -> None:
        """Write the outcome and end the record."""
        self._events.close()
        try:
            with _translated("the record cannot be written", self._folder):
                texts = [self._text(step) for step in run.steps]
                plan = self._plan if run.plan is self._run.plan else compact(run.plan)
                write_run(self._folder, run, plan=plan, steps=texts)
            with self._index.transaction():  # see annotate
                self._index.put_run(_as_said(run, self._folder))
            done = zip(run.steps, texts, strict=True)
            self._index.put_last(run, [one for one in done if one[0].done])
        finally:
            self._lock.close()


@contextlib.contextmanager
def _translated(what: str, place: Path) -> Iterator[None]:
    """Turn what the operating system says into words."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StoreError(
            f"{what}: {(error.strerror or str(error)).lower()}",
            where=str(error.filename or place),
            hint="free some space, or use another --store" if full else None,
        ) from error
