"""The big benchmark: runproj and its peers, on the same work, in one run.

Each case is done by all tools in turn, after a warm-up, several times. What counts is the median
of the CPU seconds of the whole process tree: others who use the machine show up mostly in wall
time. The results are written to OUTPUT: results.json, and made from it RESULTS.md and growth.svg.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import (
    data,
    environment,
    listing,
    points,
    report,
    source,
    start_up,
    steps,
)
from benchmarks.peers.case import Bench, Case
from benchmarks.peers.measure import adopt_orphans
from benchmarks.peers.tools import PEERS, Tools, machine

GROUPS = ("start-up", "steps", "data", "source", "listing", "environment", "points")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and write the results."""
    asked = _parsed(arguments)
    output = Path(asked.output)
    if asked.report:
        report.write(json.loads((output / "results.json").read_text(encoding="utf-8")), output)
        return
    output.mkdir(parents=True, exist_ok=True)
    adopt_orphans()
    scratch = Path(asked.scratch).resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    peers = [] if asked.peers == ["none"] else asked.peers
    tools = Tools(scratch)
    _say(f"installing {', '.join(('runproj', *peers))} below {scratch}")
    tools.install(peers)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="work-") as folder:
        bench = Bench(tools, Path(folder), asked.repeat, asked.limit)
        began = time.monotonic()
        found: list[dict[str, object]] = []
        document = {
            "machine": machine(tools), "repeat": asked.repeat, "limit": asked.limit,
            "cases": found,
        }  # fmt: skip
        for case in _cases(bench, peers, asked.cases, quick=asked.quick):
            _say(case.title)
            found.append(bench.measure(case))
            for line in report.lines(found[-1]):
                _say(f"    {line}")
            document["minutes"] = round((time.monotonic() - began) / 60, 1)
            _keep(document, output)
    _say(f"written to {output}, after {document['minutes']} minutes")


def _keep(document: dict[str, object], output: Path) -> None:
    """Write what was found so far: nothing is lost when it is ended."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (output / "results.json").write_text(f"{text}\n", encoding="utf-8")
    report.write(document, output)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python benchmarks/peers", description=__doc__)
    place = Path(tempfile.gettempdir(), "runproj-peers")
    add = parser.add_argument
    add("--cases", nargs="+", choices=GROUPS, default=GROUPS, help="default: all")
    add("--peers", nargs="+", choices=(*PEERS, "none"), default=list(PEERS), help="default: all")
    add("--quick", action="store_true", help="small sizes: to see that it works")
    add("--repeat", type=int, default=3, metavar="N", help="default: 3")
    add("--limit", type=float, default=120, metavar="SECONDS", help="of a peer; default: 120")
    add(
        "--scratch",
        default=str(place),
        metavar="DIR",
        help="for tools and work, best on the disk that is used otherwise; default: %(default)s",
    )
    add("--output", default=str(place / "results"), metavar="DIR", help="default: %(default)s")
    add("--report", action="store_true", help="measure nothing, write OUTPUT/RESULTS.md anew")
    return parser.parse_args(arguments)  # fmt: skip


def _cases(bench: Bench, peers: list[str], groups: Sequence[str], *, quick: bool) -> list[Case]:
    sizes = (10, 100) if quick else (10, 100, 1000, 10_000)
    runs = (20, 50) if quick else (100, 1000, 10_000)
    makers = {
        "start-up": lambda: start_up.cases(bench, peers),
        "steps": lambda: steps.cases(bench, peers, sizes),
        "data": lambda: data.cases(bench, peers, small=quick),
        "source": lambda: source.cases(bench, 100 if quick else 10_000),
        "listing": lambda: listing.cases(bench, peers, runs),
        "environment": lambda: environment.cases(bench, peers, small=quick),
        "points": lambda: points.cases(bench, peers, 10_000 if quick else 10_000_000),
    }
    return [case for group in groups for case in makers[group]()]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
