"""A source of many files: its snapshot, the first workspace of it, and a further step in it."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import projects
from benchmarks.peers.case import OURS, Bench, Case, Entry, Found, Goal
from benchmarks.peers.works import Step, Work

_ONE_FILE, _ONE_STEP = "runproj, one file", "runproj, one step"
_STEPS = 5


def cases(bench: Bench, files: int) -> list[Case]:
    """Return the cases; in each, what is subtracted is the same with one file, or with one step."""
    source = _Source(bench, files)
    shown = f"source of {files:,} files"
    return [
        Case("source-unchanged", f"{shown}: snapshot, nothing changed", source.unchanged,
             goals=[_twice("git status", lambda found: found.cpu() - found.cpu(_ONE_FILE))]),
        Case("source-workspace", f"{shown}: first workspace", source.workspace,
             goals=[_twice("cp -a", lambda found: found.cpu() - found.cpu(_ONE_FILE))]),
        Case("source-step", f"{shown}: {_STEPS} steps", source.steps,
             goals=[_twice("git status", lambda found: (found.cpu() - found.cpu(_ONE_STEP))
                           / (_STEPS - 1), "each further step: ")]),
    ]  # fmt: skip


def _twice(peer: str, cost: Callable[[Found], float], what: str = "") -> Goal:
    return Goal(f"{what}at most 2 x {peer}", lambda found: cost(found) / found.cpu(peer), 2)


class _Source:
    """A repository of many files, and one of a single file."""

    def __init__(self, bench: Bench, files: int) -> None:
        self.bench = bench
        self.files = files
        self.program = bench.tools.program(OURS)

    def unchanged(self) -> list[Entry]:
        """Return what looks at the source, when nothing changed."""
        many, one = self._folders()
        status = [self.program, "status"]
        return [
            Entry(OURS, status, many),
            Entry(_ONE_FILE, status, one),
            Entry("git status", ["git", "status", "--porcelain"], many),
        ]

    def workspace(self) -> list[Entry]:
        """Return what makes a copy of the source, which is in the store already."""
        many, one = self._folders()
        run = [self.program, "run", ".", "-q"]
        return [
            Entry(OURS, run, many, self._snapshot(many)),
            Entry(_ONE_FILE, run, one, self._snapshot(one)),
            Entry("cp -a", ["cp", "-a", "files", str(many.parent / "copy")], many,
                  lambda: self.bench.do(["rm", "-rf", str(many.parent / "copy")], many)),
        ]  # fmt: skip

    def steps(self) -> list[Entry]:
        """Return what executes some steps, one after the other, in the source."""
        many, _ = self._folders()
        run = [self.program, "run", ".", "-q", "-j", "1"]
        return [
            Entry(OURS, [*run, "-e", "more"], many),
            Entry(_ONE_STEP, run, many),
            Entry("git status", ["git", "status", "--porcelain"], many),
        ]

    def _snapshot(self, folder: Path) -> Callable[[], None]:
        def fresh() -> None:
            self.bench.do(["rm", "-rf", ".runproj"], folder)
            self.bench.do([self.program, "status"], folder)

        return fresh

    def _folders(self) -> tuple[Path, Path]:
        many, one = (self.bench.folder / "source" / name for name in ("many", "one"))
        if not many.exists():
            self._make(many, self.files)
            self._make(one, 1)
        return many, one

    def _make(self, folder: Path, files: int) -> None:
        for number in range(files):
            place = folder / "files" / str(number // 100) / f"{number}.py"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"number = {number}\n" * 100, encoding="utf-8")
        more = Work(tuple(Step(f"s{number}", "true") for number in range(_STEPS)))
        text = projects.runproj(Work(more.steps[:1]), more=", cache: false")["runproj.yaml"]
        steps = projects.runproj(more, more=", cache: false")["runproj.yaml"]
        text += steps.partition("entry_points:\n")[2].replace("main", "more", 1)
        (folder / "runproj.yaml").write_text(text, encoding="utf-8")
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "All"]):
            self.bench.do(["git", *command], folder)
