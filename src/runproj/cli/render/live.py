"""Shows a run while it goes: the plan, what the steps print, what takes time."""

import os
import shlex
import sys
import time
from collections.abc import Callable

from runproj.cli.render.errors import error_text
from runproj.cli.render.lines import Lines
from runproj.cli.render.standing import Standing
from runproj.cli.render.style import stderr_style, visible, wants_movement
from runproj.cli.render.text import duration, instances, plan_text, status_word
from runproj.errors import Problem
from runproj.record.events import (
    Event,
    Grown,
    Planned,
    Progress,
    RunFinished,
    StepFinished,
    StepPrinted,
    StepStarted,
    Warned,
)
from runproj.record.run import StepRun

_LAST_LINES = 12
_REDRAW_S = 0.25
_SHOWN: list["LiveReporter"] = []


class LiveReporter:
    """Writes to standard error. ``quiet`` leaves only what went wrong.

    On a terminal the last lines tell how the run stands. They are taken away before anything else
    is written, and stand below it again afterwards.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        """Write in colour where the terminal wants it."""
        self.quiet = quiet
        self.place: Callable[[], str] = str  # what a command needs to find the store from here
        self.style = stderr_style()
        self.terminal = wants_movement(sys.stderr)
        self._standing: Standing | None = None
        self._lines: Lines | None = None
        self._drawn: list[str] = []
        self._drawn_at = 0.0
        _SHOWN.append(self)
        self._passing = False
        self._mid_line = False
        self._deaf = False

    def report(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StepPrinted():
                self._printed(event.step, event.chunk)
            case Progress() if not self.quiet:
                self._progress(f"{event.about}: {event.text}")
            case Warned():
                self._write(error_text([Problem(event.text, hint=event.hint)], "warning"))
            case Planned():
                self._planned(event)
            case Grown():
                self._grown(event)
            case StepStarted():
                self._started(event)
            case StepFinished():
                self._finished(event)
            case RunFinished():
                self.clear()
                if event.run.status == "interrupted":
                    text = f"the run {event.run.id} is interrupted"
                    if not event.run.perturbed:  # a repeat is not resumed
                        text += f"; it goes on with: runproj resume {event.run.id}{self.place()}"
                    self._write(f"{self.style.yellow('•')} {text}\n")
            case _:
                pass

    def clear(self) -> None:
        """Take away what passes; what follows is the result."""
        self._standing = None
        self._draw([])
        self._settle()

    def tick(self) -> float | None:
        """Show what is due: how long steps execute, the beginnings of lines.

        Returns:
            In how many seconds there is something to show again; None: only when something happens.
        """
        now = time.monotonic()
        if self._lines is not None and (late := self._lines.due(now)):
            self._put(late)
        wait = None if self._lines is None else self._lines.due_in(now)
        if not self.terminal or self._standing is None or self.quiet:
            return wait
        if now - self._drawn_at >= _REDRAW_S and not self._mid_line and not self._passing:
            self._drawn_at = now
            self._draw(self._standing_lines(self._standing, now))
        return _REDRAW_S

    def _standing_lines(self, standing: Standing, now: float) -> list[str]:
        if not standing.running:
            return []
        try:
            columns, rows = os.get_terminal_size(sys.stderr.fileno())
        except OSError:
            columns, rows = 80, 24
        begun = self._lines.begun if self._lines is not None else lambda _: ""
        return standing.lines(now, columns or 80, rows or 24, self.style, begun)

    def _planned(self, event: Planned) -> None:
        self._standing = Standing(event)
        self._drawn_at = time.monotonic()
        self._lines = None
        if event.side_by_side:
            executed = (one.step for one in event.decisions if one.action != "cached")
            self._lines = Lines(executed, self.style)
        if not self.quiet:
            self._write(plan_text(event.decisions, self.style) + "\n")

    def _grown(self, event: Grown) -> None:
        if self._standing is not None:
            self._standing.grown(event)
        if self._lines is not None:
            self._lines.know(one.step for one in event.decisions)
        if not self.quiet:
            count = len(event.decisions)
            name = self.style.bold(visible(event.step, painted=False))
            self._write(f"{self.style.cyan('+')} {name} has {instances(count)}\n")

    def _started(self, event: StepStarted) -> None:
        if self._standing is not None:
            self._standing.started(event.step, time.monotonic())
            self._drawn_at = 0.0 if self._drawn else self._drawn_at
        if not self.quiet:
            self._write(f"{self.style.cyan('▶')} {self.style.bold(event.step)}\n")

    def _finished(self, event: StepFinished) -> None:
        step = event.step_run
        if self._standing is not None:
            self._standing.finished(step.name)
            self._drawn_at = 0.0 if self._drawn else self._drawn_at
        if self._lines is not None and (rest := self._lines.end(step.name)):
            self._put(rest)
        if step.status == "failed":
            self._write(failure_text(step, event.log_path, event.log_tail))
        elif not self.quiet and step.status != "cached":
            took = f" in {duration(step.duration_s)}" if step.outcome else ""
            mark = self.style.green("✓") if step.done else self.style.yellow("•")
            self._write(f"{mark} {step.name} {status_word(step.status, self.style)}{took}\n")

    def _printed(self, step: str, chunk: bytes) -> None:
        if self._lines is not None:
            chunk = self._lines.add(step, chunk, time.monotonic())
        if chunk:
            self._settle_passing()
            self._mid_line = not chunk.endswith(b"\n")
            self._put(chunk)

    def _progress(self, text: str) -> None:
        if self.terminal:
            self._draw([])
            self._settle_mid_line()
            self._put(f"\r\x1b[K{self.style.dim(text)}")
            self._passing = True
        else:
            self._write(f"{text}\n")

    def _put(self, what: str | bytes) -> None:
        """Write at once; when nobody reads any more the run goes on without a word."""
        data = what if isinstance(what, bytes) else what.encode("utf-8", "backslashreplace")
        if self._drawn:
            erased, again = self._erasing(), "\n".join(self._drawn).encode()
            if self._mid_line:
                self._drawn, again = [], b""
            data = erased + data + again
        self._send(data)

    def _draw(self, lines: list[str]) -> None:
        """Let these be the last lines, in place of those that are."""
        if lines or self._drawn:
            data = self._erasing() + "\n".join(lines).encode()
            self._drawn = lines
            self._send(data)

    def _erasing(self) -> bytes:
        """Return what takes the last lines away; it goes no further up than they were written."""
        if not self._drawn:
            return b""
        up = len(self._drawn) - 1
        return b"\r" + (f"\x1b[{up}A".encode() if up else b"") + b"\x1b[J"

    def _send(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            sys.stderr.flush()
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
        except OSError:
            self._deaf = True

    def _write(self, text: str) -> None:
        self._settle()
        self._put(text)

    def _settle(self) -> None:
        """Leave the cursor at the beginning of an empty line."""
        self._settle_passing()
        self._settle_mid_line()

    def _settle_passing(self) -> None:
        if self._passing:
            self._put("\r\x1b[K")
            self._passing = False

    def _settle_mid_line(self) -> None:
        if self._mid_line:
            self._mid_line = False
            self._put("\n")


def clear_all() -> None:
    """Take away all that passes, so that a last word can be said."""
    for reporter in _SHOWN:
        reporter.clear()


def failure_text(step: StepRun, log_path: str | None, log_tail: str) -> str:
    """Return what a user must know about a step that failed."""
    style = stderr_style()
    lines = [f"the step {step.name!r} failed: {step.error}"]
    rows = [("command", shlex.join(step.argv))] if step.argv else []
    if log_path:
        rows.append(("log", log_path))
    if step.workspace:
        rows.append(("workspace", step.workspace))
    text = "\n".join(
        f"  {style.dim(f'{name:<9}')} {visible(value, painted=False)}" for name, value in rows
    )
    last = log_tail.splitlines()[-_LAST_LINES:]
    if last:
        text += f"\n  {style.dim('last lines')}\n" + "\n".join(
            f"  {style.dim('|')} {line}" for line in last
        )
    shown = error_text([Problem(lines[0], hint=None)]) + (f"{text}\n" if text else "")
    return shown + (f"\n{style.cyan('hint')}: {step.hint}\n" if step.hint else "")
