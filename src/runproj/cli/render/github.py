"""GitHub Actions: groups in the log, annotations, and a summary of the job.

The commands are those of
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from runproj.cli.render.live import LiveReporter
from runproj.cli.render.text import duration, number
from runproj.errors import Problem
from runproj.record.events import Event, Planned, RunFinished, StepFinished, StepStarted, Warned
from runproj.record.run import Run

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>[0-9]+)(?::(?P<col>[0-9]+))?")
_HELD = 1 << 20  # bytes of a step's output that are held in memory; more wait on the disk
_LONGEST = 1_000_000  # bytes of a summary; GitHub takes a mebibyte
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


def command(name: str, message: str, **properties: str | None) -> str:
    r"""Return a workflow command, as a line.

    >>> command("error", "50 %\nof it", file="a,b.yaml", line="3", col=None)
    '::error file=a%2Cb.yaml,line=3::50 %25%0Aof it\n'
    """
    given = {key: value for key, value in properties.items() if value is not None}
    listed = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in given.items())
    return f"::{name}{' ' * bool(listed)}{listed}::{_escaped(message)}\n"


def _escaped(text: str, more: str = "") -> str:
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text.encode("utf-8", "backslashreplace").decode()


def annotation(kind: str, problem: Problem, folders: Sequence[str], workspace: str | None) -> str:
    """Return a problem as an annotation, at its place where that is a file.

    Args:
        kind: ``error`` or ``warning``.
        problem: the problem.
        folders: what its place may be relative to.
        workspace: the folder of the checkout, to which places are relative for GitHub.
    """
    message = problem.message + (f"\nhint: {problem.hint}" if problem.hint else "")
    found = _PLACE.fullmatch(problem.where or "")
    if found is None:
        return command(kind, message)
    paths = (os.path.join(folder, found["file"]) for folder in folders)  # noqa: PTH118 -- strings
    path = next(filter(os.path.isfile, paths), None)
    if path is None:
        return command(kind, message)
    file = os.path.relpath(path, workspace) if workspace else path
    return command(kind, message, file=file, line=found["line"], col=found["col"])


class GithubReporter(LiveReporter):
    """Writes what each step prints as a group that can be opened.

    Groups do not nest, so that of a step that executes beside others is written when it has ended.
    Nothing that a step prints is taken for a command.
    """

    def __init__(
        self, where: Callable[[str], str | None], folder: str, variables: Mapping[str, str], *,
        quiet: bool = False,
    ) -> None:  # fmt: skip
        """Write; ``where`` returns the place of a step in the project file, in ``folder``."""
        super().__init__(quiet=quiet)
        self._where, self._folder = where, folder
        self._workspace = variables.get("GITHUB_WORKSPACE")
        self._summary = variables.get("GITHUB_STEP_SUMMARY")
        self._held: dict[str, IO[bytes]] | None = None
        self._opened: str | None = None
        self._token = f"runproj-{os.urandom(16).hex()}"
        self.base: Callable[[Run], Run | None] = lambda _: None

    def report(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunFinished):
            for step in list(self._held or ()):
                self._show(step)
            self._close()
        super().report(event)
        if isinstance(event, Planned):
            self._held = {} if event.side_by_side else None
            self._lines = None  # a group has the name of its step
        elif isinstance(event, Warned):
            self._annotate("warning", Problem(event.text, hint=event.hint))
        elif isinstance(event, RunFinished) and self._summary:
            self._append(summary(event.run, self.base(event.run)))

    def _annotate(self, kind: str, problem: Problem) -> None:
        text = annotation(kind, problem, [self._folder], self._workspace)
        if self._opened is not None:  # there, commands are stopped
            text = command(self._token, "") + text + command("stop-commands", self._token)
        self._write(text)

    def _started(self, event: StepStarted) -> None:
        if self._held is None:
            self._open(event.step)
        else:
            super()._started(event)
            if event.step not in self._held:  # else it is tried again
                self._held[event.step] = tempfile.SpooledTemporaryFile(_HELD)  # noqa: SIM115 -- closed at its end

    def _printed(self, step: str, chunk: bytes) -> None:
        if self._held is None:
            super()._printed(step, chunk)
        elif step in self._held:
            self._held[step].write(chunk)

    def _finished(self, event: StepFinished) -> None:
        step = event.step_run
        if step.name in (self._held or ()):
            self._show(step.name)
        self._close()
        if step.status == "failed":  # the last lines are the step's own words, too
            self._write(command("stop-commands", self._token))
        super()._finished(event)
        if step.status == "failed":
            self._write(command(self._token, ""))
            message = f"the step {step.name!r} failed: {step.error}"
            place = self._where(step.name)
            self._annotate("error", Problem(message, where=place, hint=step.hint))

    def _show(self, step: str) -> None:
        """Show the group of a step whose output was held back."""
        if self._held is None:
            return
        with self._held.pop(step) as held:
            self._open(step)
            held.seek(0)
            while chunk := held.read(_HELD):
                super()._printed(step, chunk)

    def _open(self, step: str) -> None:
        self._close()  # of an earlier attempt
        self._opened = step
        self._write(command("group", step))
        self._write(command("stop-commands", self._token))

    def _close(self) -> None:
        if self._opened is None:
            return
        self._opened = None
        self._write(command(self._token, ""))
        self._write(command("endgroup", ""))

    def _append(self, text: str) -> None:
        try:
            with open(self._summary or "", "a", encoding="utf-8") as file:  # noqa: PTH123 -- a string
                file.write(text)
        except OSError as error:
            self._write(command("warning", f"the summary cannot be written: {error}"))


def summary(run: Run, base: Run | None) -> str:
    """Return what came out of a run as Markdown, compared with another one."""
    rows = [
        f"| {_text(step.name)} | {step.status} | "
        f"{_text(step.why)} | "
        f"{duration(step.duration_s) if step.outcome and step.status != 'cached' else ''} |"
        for step in run.steps
    ]
    mark = "✅" if run.status == "succeeded" else "❌"
    took = f" in {duration(run.duration_s)}" if run.duration_s is not None else ""
    parts = [
        f"### {mark} {_text(run.project)}: {run.status}{took}",
        f"Run `{run.id}` of entry point {_text(run.entry_point)}.",
        *([_text(run.error)] if run.error else []),
        "\n".join(["| step | status | reason | took |", "|---|---|---|---|", *rows]),
        *(_text(f"{one.name}: {one.error}") for one in run.steps if one.status == "failed"),
        "\n".join(_metrics(run, base)),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n\n"
    if len(text.encode()) <= _LONGEST:
        return text
    return text.encode()[:_LONGEST].decode(errors="ignore").rpartition("\n")[0] + "\n\n…\n"


def _metrics(run: Run, base: Run | None) -> Iterator[str]:
    before = {} if base is None else base.metrics
    names = list(dict.fromkeys([*run.metrics, *before]))
    if not names:
        return
    if base is None:
        yield "| metric | value |\n|---|---|"
    else:
        branch = _text(base.source.branch or "")
        yield f"Compared with run `{base.id}` of {branch}:\n"
        yield "| metric | value | before | change |\n|---|---|---|---|"
    for name in names:
        new, old = run.metrics.get(name), before.get(name)
        cells = [_text(name), "" if new is None else number(new)]
        if base is not None:
            cells += ["" if old is None else number(old), _change(old, new)]
        yield f"| {' | '.join(cells)} |"


def _change(old: float | None, new: float | None) -> str:
    if old is None or new is None or old == new:
        return ""
    share = f" ({(new - old) / abs(old):+.1%})" if old else ""
    return f"{new - old:+.6g}{share}"


def _text(text: str) -> str:
    """Return text that is no Markdown and no HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).encode("utf-8", "replace").decode()
