"""A case: the same work for several tools, measured in turn, and what runproj is to reach in it."""

import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.peers.measure import Cost, Failed, TimedOut, measured
from benchmarks.peers.tools import Tools

OURS = "runproj"
_SLOW = 10.0  # seconds: a first run as long as this counts, nothing was left to warm
_ENOUGH = 45.0  # seconds: no more repetitions of a tool in one case


@dataclass(frozen=True)
class Entry:
    """What a tool does in a case: its command, and what is done, unmeasured, before it.

    ``mark`` is the letter of a footnote.
    """

    tool: str
    command: Sequence[str]
    folder: Path
    before: Callable[[], None] = lambda: None
    mark: str = ""


@dataclass(frozen=True)
class Goal:
    """What is to be reached; ``value`` computes it from what was found."""

    text: str
    value: "Callable[[Found], float]"
    limit: float
    unit: str = "x"
    at_least: bool = False


@dataclass(frozen=True)
class Case:
    """A work of a kind and a size; ``make`` gets everything ready and returns the entries.

    ``once`` is for what takes too long to be repeated.
    """

    kind: str
    title: str
    make: Callable[[], list[Entry]]
    size: int | None = None
    goals: Sequence[Goal] = ()
    once: bool = False

    @property
    def name(self) -> str:
        """Its name in results: ``fan-1000``."""
        return self.kind if self.size is None else f"{self.kind}-{self.size}"


@dataclass
class Figure:
    """What a tool cost, as medians; ``shown`` says in words why there are none.

    ``ended`` says that it was ended at the time limit: it would have cost more than that.
    """

    tool: str
    cpu: float | None = None
    wall: float | None = None
    memory: float | None = None
    runs: int = 0
    ended: bool = False
    shown: str = ""
    mark: str = ""


@dataclass
class Found:
    """The figures of a case, by tool; ``bound`` once a time limit was given for a cost."""

    limit: float
    figures: dict[str, Figure] = field(default_factory=dict)
    bound: bool = False

    def cpu(self, tool: str = OURS) -> float:
        """CPU seconds of a tool; the time limit where it was ended at that.

        Raises:
            KeyError: it was not measured, or failed.
        """
        figure = self.figures[tool]
        if figure.ended:
            self.bound = True
            return self.limit
        if figure.cpu is None:
            raise KeyError(tool)
        return figure.cpu

    def memory(self, tool: str = OURS) -> float:
        """Megabytes of a tool's largest process."""
        return self.figures[tool].memory or 0.0


class Bench:
    """Measures cases, and knows what was found already."""

    def __init__(self, tools: Tools, folder: Path, repeat: int, limit: float) -> None:
        """Work below ``folder``; repeat so often; end a peer after ``limit`` seconds."""
        self.tools = tools
        self.folder = folder
        self.repeat = repeat
        self.limit = limit
        self.found: dict[tuple[str, int], Found] = {}

    def fresh(self, *names: str) -> Path:
        """Return a new, empty folder."""
        folder = self.folder.joinpath(*names)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def do(self, command: Sequence[str], folder: Path) -> None:
        """Run something that is not measured."""
        done = subprocess.run(
            command, cwd=folder, env=self.tools.variables, check=False, capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"error: {' '.join(command)} failed in {folder}\n{done.stderr[-2000:]}")

    def measure(self, case: Case) -> dict[str, object]:
        """Measure a case; return what was found as a document."""
        found = Found(self.limit)
        costs: dict[str, list[Cost]] = {}
        going = []
        for entry in case.make():
            figure = found.figures[entry.tool] = Figure(entry.tool, mark=entry.mark)
            if self._too_slow(case, entry.tool):
                figure.shown = f"> {self.limit:.0f} s, by a smaller size"
                continue
            going.append(entry)
            costs[entry.tool] = []
        for turn in range(1 if case.once else self.repeat + 1):
            for entry in list(going):
                done = costs[entry.tool]
                try:
                    cost = self._once(entry)
                except Failed as failure:
                    figure = found.figures[entry.tool]
                    figure.ended = isinstance(failure, TimedOut)
                    figure.shown = str(failure) if figure.ended else f"fails: {failure}"
                    going.remove(entry)
                    continue
                if turn or case.once or cost.wall > _SLOW:
                    done.append(cost)
                if len(done) == self.repeat or sum(one.wall for one in done) > _ENOUGH:
                    going.remove(entry)
        for tool, done in costs.items():
            _fill(found.figures[tool], done)
        if case.size is not None:
            self.found[case.kind, case.size] = found
        return _document(case, found)

    def _once(self, entry: Entry) -> Cost:
        entry.before()
        ours = entry.tool.startswith((OURS, "bare"))
        log = self.folder / "last.log"
        try:
            return measured(
                entry.command, entry.folder, self.tools.variables,
                self.limit * 5 if ours else self.limit, log,
            )  # fmt: skip
        except Failed as failure:
            if ours:
                sys.exit(f"error: {entry.command} failed in {entry.folder}: {failure}; see {log}")
            raise

    def _too_slow(self, case: Case, tool: str) -> bool:
        """Whether a tool was so slow at a smaller size that it will not be done in time."""
        if case.size is None or tool.startswith((OURS, "bare")):
            return False
        smaller = {size: found.figures[tool] for (kind, size), found in self.found.items()
                   if kind == case.kind and size < case.size and tool in found.figures}  # fmt: skip
        if not smaller:
            return False
        size = max(smaller)  # of the least ones most is start-up
        wall = smaller[size].wall
        slow = wall is not None and wall * case.size / size > self.limit
        return slow or smaller[size].ended or smaller[size].shown.startswith(">")


def _fill(figure: Figure, costs: Sequence[Cost]) -> None:
    if costs:
        figure.cpu, figure.wall, figure.memory = (
            round(statistics.median(column), 4) for column in zip(*costs, strict=True)
        )
        figure.runs = len(costs)


def _document(case: Case, found: Found) -> dict[str, object]:
    goals = []
    for goal in case.goals:
        found.bound = False
        try:
            value = goal.value(found)
        except KeyError:  # a tool that was not asked for, not started, or failed
            continue
        met = value >= goal.limit if goal.at_least else value <= goal.limit
        if found.bound and not met:
            continue  # it may be met, or not: the peer was ended before it showed
        goals.append({"text": goal.text, "value": value, "unit": goal.unit, "met": met,
                      "bound": found.bound})  # fmt: skip
    return {
        "name": case.name, "kind": case.kind, "size": case.size, "title": case.title,
        "goals": goals, "figures": [asdict(one) for one in found.figures.values()],
    }  # fmt: skip


def above(found: Found, tool: str = OURS, base: str = "bare") -> float:
    """Return the CPU seconds of a tool above another's; a thousandth at least."""
    return max(0.001, found.cpu(tool) - found.cpu(base))


def times_less(peer: str, least: float) -> Goal:
    """Return the goal to need so many times less CPU time than a peer."""
    return Goal(
        f"at least {least:g} x less than {peer}",
        lambda found: found.cpu(peer) / found.cpu(),
        least,
        at_least=True,
    )
