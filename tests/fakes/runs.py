"""A memory of runs that forgets when the process ends."""

import re
from collections.abc import Iterator, Sequence

from runproj.errors import NoSuchRun, StoreError
from runproj.plan.fingerprint import Fingerprint
from runproj.ports import Stream
from runproj.record.organising import Organised, as_said, organised
from runproj.record.run import Run, StepRun
from runproj.record.verdict import Annotation


class FakeLog:
    """Keeps what a step prints as ``pieces``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.pieces: list[tuple[Stream, bytes]] = []
        self.closed = False

    def write(self, stream: Stream, chunk: bytes) -> None:
        self.pieces.append((stream, chunk))

    def tail(self, limit: int) -> str:
        content = b"".join(chunk for _, chunk in self.pieces)
        text = content[max(0, len(content) - limit) :].decode(errors="replace")
        if len(content) > limit:
            text = text.partition("\n")[2] or text
        return text

    def close(self) -> None:
        self.closed = True


class FakeJournal:
    """Keeps what happens in a run; ``die`` plays the end of its process."""

    def __init__(self, owner: "FakeRuns", run: Run) -> None:
        self.run = run
        self.alive = True
        self.steps: dict[str, StepRun] = {}
        self.events: list[tuple[str, str]] = []
        self.logs: dict[str, FakeLog] = {}
        self._owner = owner

    def started(self, step: StepRun) -> None:
        self.steps[step.name] = step
        self.events.append(("started", step.name))

    def finished(self, step: StepRun) -> None:
        self.steps[step.name] = step
        self.events.append(("finished", step.name))
        if step.status == "succeeded":
            self._owner.note(self.run, [step])

    def log(self, step: str) -> FakeLog:
        self.logs[step] = FakeLog(f"/runs/{self.run.id}/{step}/output.log")
        return self.logs[step]

    def close(self, run: Run) -> None:
        self.run = run
        self.alive = False
        self._owner.note(run, [step for step in run.steps if step.done])

    def die(self) -> None:
        self.alive = False


class FakeRuns:
    """Keeps runs as their journals, in ``journals`` by id.

    What is said of those that are ``damaged`` cannot be read.
    """

    def __init__(self) -> None:
        self.journals: dict[str, FakeJournal] = {}
        self.damaged: set[str] = set()
        self.make_journal = FakeJournal
        self._said: dict[str, list[Annotation]] = {}
        self._found: dict[tuple[str, str], StepRun] = {}
        self._last: dict[tuple[str, str, str], tuple[str, str, StepRun]] = {}

    def create(self, run: Run) -> FakeJournal:
        if run.id in self.journals:
            raise StoreError(f"there is a run {run.id} already")
        self.journals[run.id] = self.make_journal(self, run)
        return self.journals[run.id]

    def note(self, run: Run, steps: Sequence[StepRun]) -> None:
        """Remember step runs that later ones can ask for."""
        if self._put_away(run).deleted_at is not None:
            return
        for step in steps:
            if step.status == "succeeded" and step.reusable:
                self._found[run.id, step.name] = step
            else:
                self._found.pop((run.id, step.name), None)
            key = (run.project, run.entry_point, step.name)
            if key not in self._last or self._last[key][:2] <= (run.started_at, run.id):
                self._last[key] = (run.started_at, run.id, step)

    def load(self, run_id: str) -> Run:
        return as_said(self._written(run_id), self.annotations(run_id))

    def _written(self, run_id: str) -> Run:
        if run_id not in self.journals:
            raise NoSuchRun(f"there is no run {run_id!r}")
        journal = self.journals[run_id]
        if journal.run.status != "running":
            return journal.run
        steps = tuple(journal.steps.values())
        if journal.alive:
            return journal.run.replace(steps=steps)
        ended = tuple(
            step.replace(status="interrupted") if step.status == "running" else step
            for step in steps
        )
        error = "runproj itself was ended from outside"
        update = {"status": "interrupted", "error": error, "steps": ended}
        return journal.run.replace(**update)

    def annotate(self, run_id: str, annotation: Annotation) -> None:
        self._said.setdefault(run_id, []).append(annotation)
        self._find_again()

    def _put_away(self, run: Run) -> Organised:
        return organised(run, self.annotations(run.id))

    def _find_again(self) -> None:
        """Note anew what later runs can ask for: some runs were deleted, or restored."""
        self._found.clear()
        self._last.clear()
        for journal in self.journals.values():
            steps = journal.run.steps or tuple(journal.steps.values())
            self.note(journal.run, [step for step in steps if step.done])

    def annotations(self, run_id: str) -> Sequence[Annotation]:
        if run_id in self.damaged:
            raise StoreError(f"what was said of the run {run_id} cannot be read")
        return self._said.get(run_id, [])

    def find(self, fingerprint: Fingerprint) -> Iterator[tuple[str, StepRun]]:
        latest_first = sorted(
            self._found.items(), key=lambda item: (item[1].finished_at or "", item[0]), reverse=True
        )
        for same in (True, False):
            for (run_id, _), step in latest_first:
                made = step.fingerprint
                if made is None or (made.digest == fingerprint.digest) != same:
                    continue
                traced = step.trace is not None and step.trace.gap is None
                if same or (traced and made.rest == fingerprint.rest):
                    yield run_id, step

    def last(self, project: str, entry_point: str, step: str) -> tuple[str, StepRun] | None:
        found = self._last.get((project, entry_point, step))
        return None if found is None else found[1:]

    def ids(self, name: str) -> Sequence[str]:
        latest_first = sorted(
            (self.load(run_id) for run_id in self.journals),
            key=lambda run: (run.started_at, run.id),
            reverse=True,
        )
        away = {run.id: self._put_away(run) for run in latest_first}
        there = [run for run in latest_first if away[run.id].deleted_at is None]
        listed = [run for run in there if away[run.id].archived_at is None]
        match = re.fullmatch(r"latest(?:~(\d+))?", name)
        if match:
            back = int(match[1] or 0)
            ordinary = [run.id for run in listed if not run.perturbed]
            return ordinary[back : back + 1]
        exact = [run.id for run in there if run.name == name]
        if name in self.journals:
            exact = [name, *(one for one in exact if one != name)]
        return exact if exact or not name else [one.id for one in there if one.id.startswith(name)]
