"""From the results as JSON: tables in Markdown, and the plot of growth."""

import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.case import OURS
from benchmarks.peers.plot import growth

_TOOLS = (OURS, "doit", "snakemake", "dvc", "mlflow", "ninja", "bare")
_MISSED = Path(__file__).with_name("missed.toml")
_DIGITS = 10  # from here on, a figure needs no further digit
_NOTES = """\
CPU is user and system time of all processes of a command, in seconds; wall is what passed; memory
is that of the largest process. Medians. In brackets: how many times what runproj needed; `(0.5 x)`
is less than runproj.

- *bare*: the same commands started by a loop in Python that keeps nothing; for data, the step, a
  SHA-256 and one copy. *ninja* keeps times of files only. Both are limits, not peers.
- doit keeps digests of inputs, and looks at outputs no further than that they are there;
  Snakemake keeps a record for each output, and times; DVC keeps digests of inputs and outputs,
  and outputs; MLflow keeps a run, and skips nothing. runproj keeps the source, inputs, outputs,
  environment and output of every step, in a workspace of its own.
- Snakemake uses its greedy scheduler, DVC hard links in place of copies, doit threads; none of
  them reports anything, and bytecode is compiled for all. DVC executes one step at a time, the
  others two.
- `> 120 s`: ended at that limit; a goal beside it says *more than*, or is left out where that is
  not enough to tell. *By a smaller size*: not started, as a smaller size took so long that growth
  in proportion is over the limit; no goal is told from that.
- ᵃ: the first time would be over the limit or nearly so; its state was written by the benchmark.
"""


def write(document: dict[str, Any], folder: Path) -> None:
    """Write RESULTS.md and growth.svg into a folder."""
    cases = document["cases"]
    missed = [(case, goal) for case in cases for goal in case["goals"] if not goal["met"]]
    parts = [
        "# runproj beside its peers", _machine(document), "## Goals", _goals(cases),
        *(["## Missed goals", *_reasons(missed)] if missed else []),
        "## How to read the tables", _NOTES.strip(),
        "## CPU", _table(cases, "cpu", _seconds),
        "## Wall time", _table(cases, "wall", _seconds),
        "## Memory", _table(cases, "memory", lambda value: f"{value:.0f} MB"),
        "## Beside others", _others(cases),
    ]  # fmt: skip
    if svg := growth(cases):
        (folder / "growth.svg").write_text(svg, encoding="utf-8")
        parts += ["## Growth", "![CPU seconds over the number of steps or runs](growth.svg)",
                  _slopes(cases)]  # fmt: skip
    text = "\n\n".join(part for part in parts if part) + "\n"
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")


def lines(case: dict[str, Any]) -> Iterable[str]:
    """Yield what was found in a case, for somebody who waits."""
    for figure in case["figures"]:
        if figure["cpu"] is None:
            yield f"{figure['tool']:<26}{figure['shown']}"
        else:
            yield (f"{figure['tool']:<26}{figure['cpu']:9.3f} s CPU{figure['wall']:9.3f} s"
                   f"{figure['memory']:7.0f} MB")  # fmt: skip
    for goal in case["goals"]:
        yield f"{'met' if goal['met'] else 'MISSED'}: {goal['text']}: {_value(goal)}"


def _machine(document: dict[str, Any]) -> str:
    it = document["machine"]
    versions = ", ".join(f"{tool} {version}" for tool, version in it["versions"].items())
    return (
        f"{it['cpu']}, {it['cores']} cores, {it['memory_gb']} GB of memory, {it['file_system']}; "
        f"{it['os']}; Python {it['python']}. {versions}. Commit {it['commit']}. "
        f"Load at the beginning: {it['load']}. Every case {document['repeat']} times, the tools in "
        f"turn; {document['minutes']:.0f} minutes in all."
    )


def _goals(cases: Sequence[dict[str, Any]]) -> str:
    rows = [
        [case["title"], goal["text"], _value(goal), "yes" if goal["met"] else "**no**"]
        for case in cases
        for goal in case["goals"]
    ]
    return _markdown(["work", "goal", "measured", "met"], rows)


def _value(goal: dict[str, Any]) -> str:
    value = goal["value"]
    more = "more than " if goal["bound"] else ""
    return f"{more}{value:.{2 if abs(value) < _DIGITS else 0}f} {goal['unit']}"


def _reasons(missed: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Iterable[str]:
    """Yield a paragraph for each case with a missed goal; the reasons are written by hand."""
    known = tomllib.loads(_MISSED.read_text(encoding="utf-8"))
    for case in {id(case): case for case, _ in missed}.values():
        goals = "; ".join(f"{goal['text']}: {_value(goal)}" for one, goal in missed if one is case)
        why = known.get(case["name"], "Why is not known yet.").strip()
        yield f"**{case['title']}** ({goals}). {why}"


def _table(cases: Sequence[dict[str, Any]], column: str, shown: Callable[[float], str]) -> str:
    present = [tool for tool in _TOOLS if any(_figure(case, tool) for case in cases)]
    rows = []
    for case in cases:
        ours = (_figure(case, OURS) or {}).get(column)
        cells = []
        for tool in present:
            figure = _figure(case, tool)
            if figure is None:
                cells.append("")
            elif figure[column] is None:
                cells.append(figure["shown"])
            else:
                mark = "ᵃ" if figure["mark"] else ""
                ratio = f" ({_ratio(figure[column] / ours)})" if ours and tool != OURS else ""
                cells.append(f"{shown(figure[column])}{mark}{ratio}")
        rows.append([case["title"], *cells])
    return _markdown(["work", *present], rows)


def _others(cases: Sequence[dict[str, Any]]) -> str:
    """Return what was measured besides: what goals subtract, and limits that are no tool."""
    rows = [
        [case["title"], figure["tool"], _seconds(figure["cpu"]), _seconds(figure["wall"])]
        for case in cases
        for figure in case["figures"]
        if figure["tool"] not in _TOOLS and figure["cpu"] is not None
    ]
    return _markdown(["work", "", "CPU", "wall"], rows) if rows else ""


def _slopes(cases: Sequence[dict[str, Any]]) -> str:
    rows = []
    for kind in ("chain", "fan", "unchanged", "list"):
        sized = [case for case in cases if case["kind"] == kind]
        costs = [(case["size"], figure["cpu"]) for case in sized if (figure := _figure(case, OURS))]
        cells = [f"{cpu / size * 1000:.2f} ms at {size:,}" for size, cpu in costs]
        if cells:
            rows.append([kind, ", ".join(cells)])
    return "What one of them costs runproj, start-up included:\n\n" + _markdown(["", "each"], rows)


def _figure(case: dict[str, Any], tool: str) -> dict[str, Any] | None:
    return next((figure for figure in case["figures"] if figure["tool"] == tool), None)


def _seconds(value: float) -> str:
    return f"{value:.{3 if value < 1 else 2 if value < _DIGITS else 1}f}"


def _ratio(value: float) -> str:
    return f"{value:.0f} x" if value >= _DIGITS else f"{value:.2g} x"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))
