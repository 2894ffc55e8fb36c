"""Shows a sweep while it goes, and what came out of it."""

import time
from collections.abc import Iterator

from runproj.cli.render.live import LiveReporter, failure_text
from runproj.cli.render.standing import Standing, clock
from runproj.cli.render.style import Style, visible
from runproj.cli.render.text import duration, number, status_word, table
from runproj.record.events import (
    Event,
    Planned,
    Progress,
    RunFinished,
    StepFinished,
    StepStarted,
    Warned,
)
from runproj.record.sweep import Goal, Sweep, SweepResult, SweepTrial, TrialResult, meant

_MOST_ROWS = 30
_MOST_METRICS = 4


class _SweepStanding(Standing):
    """Follows a sweep: how many trials are done, and which is the best."""

    def __init__(self, sweep: Sweep, done: int) -> None:
        super().__init__(Planned(()))
        self.total, self.done = sweep.trials, done
        self._began, self._began_with = time.monotonic(), done
        self.best = ""

    def left_s(self, now: float) -> float | None:
        ended = self.done - self._began_with
        return (now - self._began) / ended * (self.total - self.done) if ended else None

    def finished(self, step: str) -> None:
        self.running.pop(step, None)

    def _summary(self, now: float) -> Iterator[str]:
        yield f"{self.done} of {self.total} trials done"
        if self.best:
            yield f"best {self.best}"
        left = self.left_s(now)
        if left is not None and left >= 1:
            yield f"about {clock(left)} left"


class SweepReporter(LiveReporter):
    """Writes a line for each trial, and what went wrong; the logs of the runs have the rest."""

    def __init__(self, sweep: Sweep, past: int, *, quiet: bool = False) -> None:
        """Begin with so many trials done ``past``."""
        super().__init__(quiet=quiet)
        self._sweep = sweep
        self._standing = self._trials = _SweepStanding(sweep, past)
        self._best: float | None = None
        self._said: set[str] = set()
        self._width = len(str(sweep.trials))

    def of(self, trial: SweepTrial) -> "_TrialReporter":
        """Return who is told what happens in a trial."""
        return _TrialReporter(self, trial)

    def began(self, trial: SweepTrial, step: str) -> None:
        """Show that a step of a trial executes."""
        self._trials.started(_label(trial, step), time.monotonic())

    def ended(self, trial: SweepTrial, event: StepFinished) -> None:
        """Show that a step of a trial ended; what went wrong in full."""
        step = event.step_run
        self._trials.finished(_label(trial, step.name))
        if step.status == "failed" and (step.outcome is not None or not step.hint):
            self._write(failure_text(step, event.log_path, event.log_tail))

    def say_once(self, event: Event) -> None:
        """Show what many trials may say, once."""
        if isinstance(event, Progress | Warned) and event.text not in self._said:
            self._said.add(event.text)
            self.report(event)

    def done(self, result: TrialResult) -> None:
        """Show what came out of a trial."""
        self._trials.done += 1
        score = self._scored(result)
        ok = result.status == "succeeded"
        if self.quiet and ok:
            return
        mark = self.style.green("✓") if ok else self.style.red("✗")
        values = " ".join(f"{name}={text}" for name, text in result.values.items())
        parts = [
            f"{mark} {result.number:>{self._width}} of {self._sweep.trials}",
            self.style.bold(visible(values, painted=False)), result.run_id,
            *([] if ok else [status_word(result.status, self.style)]), *score,
            self.style.dim(duration(result.duration_s)),
        ]  # fmt: skip
        self._write("  ".join(parts) + "\n")

    def _scored(self, result: TrialResult) -> list[str]:
        """Return the score of a trial in words, and remember the best."""
        goal = self._sweep.goal
        if goal is None or result.score is None:
            return []
        score = f"{goal.metric} {number(result.score)}"
        sign = 1 if goal.direction == "minimize" else -1
        if self._best is None or sign * result.score < sign * self._best:
            self._best, self._trials.best = result.score, score
        return [score]


class _TrialReporter:
    """Told what happens in one trial; see :class:`~runproj.ports.Reporter`."""

    def __init__(self, sweep: SweepReporter, trial: SweepTrial) -> None:
        self._sweep, self._trial = sweep, trial

    def report(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StepStarted():
                self._sweep.began(self._trial, event.step)
            case StepFinished():
                self._sweep.ended(self._trial, event)
            case Progress() | Warned():
                self._sweep.say_once(event)
            case RunFinished():
                pass  # the sweep shows the result
            case _:
                pass


def _label(trial: SweepTrial, step: str) -> str:
    return f"{trial.number} {trial.text}  {step}"


def opening(sweep: Sweep, experiment: str, style: Style) -> str:
    """Return the first lines of a sweep: its name, and what it does."""
    how = {"grid": "a grid of", "random": "by chance from", "tpe": "a TPE over"}[sweep.sampler]
    axes = ", ".join(
        f"{axis.name} ({len(axis.values)} values)"
        if axis.values
        else f"{axis.name} ({axis.low} to {axis.high})"
        for axis in sweep.axes
    )
    text = f"sweep {style.bold(sweep.id)}: {sweep.trials} trials, {how} {axes}"
    return f"{text}\nexperiment {experiment}\n\n"


def points_text(sweep: Sweep, points: list[dict[str, str]], style: Style) -> str:
    """Return the points that a sweep would try."""
    names = [axis.name for axis in sweep.axes]
    rows = [[style.bold(cell) for cell in ("trial", *names)]]
    rows += [
        [str(index), *(point[name] for name in names)] for index, point in enumerate(points, 1)
    ]
    return table(rows, indent="")


def result_text(result: SweepResult, style: Style, place: str) -> str:
    """Return the table of a sweep, the best first, and how to go on with it."""
    goal = result.sweep.goal
    trials = sorted(result.trials, key=lambda one: _rank(one, goal))
    shown = trials[:_MOST_ROWS]
    names = [axis.name for axis in result.sweep.axes]
    metrics = _metrics(trials, goal)
    rows = [[style.bold(cell) for cell in ("", "trial", "run", *names, *metrics, "status", "took")]]
    for one in shown:
        best = one.number == result.best
        rows.append([
            style.green("★") if best else "", str(one.number), one.run_id,
            *(visible(one.values.get(name, ""), painted=False) for name in names),
            *(number(one.metrics[name]) if name in one.metrics else "" for name in metrics),
            status_word(one.status, style), duration(one.duration_s),
        ])  # fmt: skip
    text = table(rows, indent="")
    if len(trials) > len(shown):
        listed = f"runproj list{place} --experiment {result.experiment} --all"
        text += f"and {len(trials) - len(shown)} more: {listed}\n"
    text += f"\n{_summary(result)}\n"
    found = next((one for one in trials if one.number == result.best), None)
    if found is not None and goal is not None:
        values = " ".join(f"{name}={text}" for name, text in found.values.items())
        said = f"{goal.metric} {number(found.score)}" if found.score is not None else ""
        text += f"best: {style.bold(visible(values, painted=False))}, {said}\n"
        text += f"  runproj show{place} {found.run_id}\n"
    if len(trials) < result.sweep.trials or result.failed:
        text += f"go on: runproj sweep{place} --resume {result.sweep.id}\n"
    return text


def _summary(result: SweepResult) -> str:
    text = f"{len(result.trials) - result.failed} of {result.sweep.trials} trials succeeded"
    return f"{text}, {result.failed} did not" if result.failed else text


def _rank(one: TrialResult, goal: Goal | None) -> tuple[bool, float, int]:
    """Return the place of a trial in the table: the best first, then in order."""
    if goal is None:
        return False, 0.0, one.number
    sign = 1 if goal.direction == "minimize" else -1
    return one.score is None, sign * (one.score or 0.0), one.number


def _metrics(trials: list[TrialResult], goal: Goal | None) -> list[str]:
    """Return the names of the metrics that are shown, that of the goal first."""
    names = list(dict.fromkeys(name for one in trials for name in one.metrics))
    if goal is not None:
        first = meant(goal.metric, dict.fromkeys(names, 0.0))
        names = [*first, *(name for name in names if name not in first)]
    return names[:_MOST_METRICS]
