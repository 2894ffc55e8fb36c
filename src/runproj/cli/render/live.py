"""Shows a run while it goes: the plan, what the steps print, what takes time."""

import shlex
import sys

from runproj.cli.render.errors import error_text
from runproj.cli.render.style import stderr_style, visible
from runproj.cli.render.text import duration, plan_text, status_word
from runproj.errors import Problem
from runproj.record.events import (
    Event,
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


class LiveReporter:
    """Writes to standard error. ``quiet`` leaves only what went wrong."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Write in colour where the terminal wants it."""
        self.quiet = quiet
        self.style = stderr_style()
        self.terminal = sys.stderr.isatty()
        self._passing = False
        self._mid_line = False
        self._deaf = False

    def report(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StepPrinted():
                self._printed(event.chunk)
            case Progress() if not self.quiet:
                self._progress(f"{event.about}: {event.text}")
            case Warned():
                self._write(error_text([Problem(event.text, hint=event.hint)], "warning"))
            case Planned() if not self.quiet:
                self._write(plan_text(event.decisions, self.style) + "\n")
            case StepStarted() if not self.quiet:
                self._write(f"{self.style.cyan('▶')} {self.style.bold(event.step)}\n")
            case StepFinished():
                self._finished(event)
            case RunFinished():
                self._settle()
                if event.run.status == "interrupted":
                    self._write(f"{self.style.yellow('•')} the run {event.run.id} is interrupted\n")
            case _:
                pass

    def clear(self) -> None:
        """Take a passing line away; what follows is the result."""
        self._settle()

    def _finished(self, event: StepFinished) -> None:
        step = event.step_run
        if step.status == "failed":
            self._write(failure_text(step, event.log_path, event.log_tail))
        elif not self.quiet and step.status != "cached":
            took = f" in {duration(step.duration_s)}" if step.outcome else ""
            mark = self.style.green("✓") if step.done else self.style.yellow("•")
            self._write(f"{mark} {step.name} {status_word(step.status, self.style)}{took}\n")

    def _printed(self, chunk: bytes) -> None:
        self._settle_passing()
        self._put(chunk)
        self._mid_line = not chunk.endswith(b"\n")

    def _progress(self, text: str) -> None:
        if self.terminal:
            self._settle_mid_line()
            self._put(f"\r\x1b[K{self.style.dim(text)}")
            self._passing = True
        else:
            self._write(f"{text}\n")

    def _put(self, what: str | bytes) -> None:
        """Write at once; when nobody reads any more the run goes on without a word."""
        if self._deaf:
            return
        data = what if isinstance(what, bytes) else what.encode("utf-8", "backslashreplace")
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
            self._put("\n")
            self._mid_line = False


def failure_text(step: StepRun, log_path: str | None, log_tail: str) -> str:
    """Return what a user must know about a step that failed."""
    style = stderr_style()
    lines = [f"the step {step.name!r} failed: {step.error}"]
    rows = [("command", shlex.join(step.argv))]
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
    shown = error_text([Problem(lines[0], hint=None)]) + text + "\n"
    return shown + (f"\n{style.cyan('hint')}: {step.hint}\n" if step.hint else "")
