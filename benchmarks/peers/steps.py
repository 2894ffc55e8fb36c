"""Chains and fans of trivial steps: the first time, with nothing changed, with one file changed."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers import projects
from benchmarks.peers.case import OURS, Bench, Case, Entry, Found, Goal, above, times_less
from benchmarks.peers.works import Work, chain, fan

_LARGE = 10_000
_SLOW_FIRST = 1000
"""From this size on, what DVC and Snakemake leave behind is written by us, not by them."""
_SIMPLE = ("runproj", "bare", "ninja", "doit")
_changes = itertools.count()


def cases(bench: Bench, peers: list[str], sizes: Sequence[int]) -> list[Case]:
    """Return the cases, small ones first; the first time, a chain has a thousand steps at most."""
    tools = [OURS, *(peer for peer in peers if peer != "mlflow")]
    made = []
    for size in sizes:
        if size < _LARGE:
            made.append(_first(bench, "chain", chain, size, [*tools, "bare"]))
        made.append(_first(bench, "fan", fan, size, [*tools, "bare"]))
    for size in sizes:
        if size > min(sizes):
            made += _later(bench, size, tools)
    return made


def _first(
    bench: Bench, kind: str, shape: Callable[[int], Work], size: int, tools: Sequence[str]
) -> Case:
    def make() -> list[Entry]:
        work = shape(size)
        entries = []
        for tool in tools:
            folder = bench.folder / kind / str(size) / tool

            def anew(tool: str = tool, names: Sequence[str] = (kind, str(size), tool)) -> None:
                lay_out(bench, tool, work, bench.fresh(*names))

            anew()
            command = projects.command(bench.tools, tool)
            entries.append(Entry(tool, command, folder, before=anew))
        return entries

    goals: list[Goal] = []
    if size >= _SLOW_FIRST:
        goals.append(Goal("overhead of a step: at most 10 ms",
                          lambda found: above(found) / size * 1000, 10, "ms"))  # fmt: skip
        goals += [times_less(peer, 1) for peer in ("snakemake", "dvc", "doit")]
    if size >= _LARGE:
        goals.append(_small())
    return Case(kind, f"{kind} of {size:,} steps, first time", make, size, goals,
                once=size >= _LARGE)  # fmt: skip


def _later(bench: Bench, size: int, tools: Sequence[str]) -> list[Case]:
    work = fan(size)

    def entries(before: Callable[[Path], Callable[[], None]]) -> list[Entry]:
        made = []
        for tool in tools:
            folder = bench.folder / "fan" / str(size) / tool
            written = tool in ("dvc", "snakemake") and size >= _SLOW_FIRST
            _leave_behind(bench, tool, work, folder)
            command = projects.command(bench.tools, tool)
            made.append(Entry(tool, command, folder, before(folder), "a" if written else ""))
        return made

    goals: list[Goal] = []
    if size >= _SLOW_FIRST:
        goals = [times_less("dvc", 10), times_less("snakemake", 10)]
    if size >= _LARGE:
        goals += [Goal("under 2 s", lambda found: found.cpu(), 2, "s"), _small()]
    return [
        Case("unchanged", f"fan of {size:,} steps, nothing changed",
             lambda: entries(lambda _: lambda: None), size, goals),
        Case("leaf", f"fan of {size:,} steps, one file changed",
             lambda: entries(_change), size, goals),
    ]  # fmt: skip


def _small() -> Goal:
    return Goal("memory: under 300 MB", Found.memory, 300, "MB")


def _change(folder: Path) -> Callable[[], None]:
    place = folder / "data" / "0.txt"
    return lambda: _fill(place, f"change {next(_changes)}")


def _fill(place: Path, text: str) -> None:
    place.write_text(text, encoding="utf-8")


def lay_out(bench: Bench, tool: str, work: Work, folder: Path) -> None:
    """Write a work's project and data into a folder."""
    projects.write(projects.WRITERS[tool](work), folder)
    for path in work.data:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        _fill(folder / path, f"data of {path}\n")
    for parent in {Path(path).parent for step in work.steps for path in step.outputs}:
        (folder / parent).mkdir(exist_ok=True)
    if tool == OURS:
        bench.do(["git", "init", "--quiet"], folder)


def _leave_behind(bench: Bench, tool: str, work: Work, folder: Path) -> None:
    """Bring a folder into the state after a first time, unless it is in it."""
    if (folder / work.target).exists() or (folder / ".runproj").exists():
        return
    lay_out(bench, tool, work, bench.fresh(*folder.relative_to(bench.folder).parts))
    if tool not in ("dvc", "snakemake") or len(work.steps) < _SLOW_FIRST:
        bench.do(projects.command(bench.tools, tool), folder)
        return
    for step in work.steps:
        contents = (folder.joinpath(path).read_bytes() for path in step.inputs)
        (folder / step.outputs[0]).write_bytes(b"".join(contents))
    if tool == "dvc":
        (folder / "dvc.lock").write_text(_dvc_lock(work, folder), encoding="utf-8")


def _dvc_lock(work: Work, folder: Path) -> str:
    lines = ["schema: '2.0'", "stages:"]
    for step in work.steps:
        lines += [f"  {step.name}:", f"    cmd: {step.command}"]
        for key, paths in (("deps", step.inputs), ("outs", step.outputs)):
            lines.append(f"    {key}:")
            for path in paths:
                content = (folder / path).read_bytes()
                digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
                lines += [f"    - path: {path}", "      hash: md5", f"      md5: {digest}",
                          f"      size: {len(content)}"]  # fmt: skip
    return "\n".join(lines) + "\n"
