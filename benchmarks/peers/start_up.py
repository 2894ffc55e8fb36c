"""Start-up, and one trivial step whose environment is there."""

from benchmarks.peers import projects
from benchmarks.peers.case import OURS, Bench, Case, Entry, Goal, above
from benchmarks.peers.works import Step, Work


def cases(bench: Bench, peers: list[str]) -> list[Case]:
    """Return the cases."""
    beside_bare = Goal("at most 4 x bare", lambda found: found.cpu() / found.cpu("bare"), 4)
    less = [_less_overhead("mlflow", 10), _less_overhead("dvc", 4)]
    return [
        Case("version", "`--version`", lambda: _said(bench, peers, "--version"),
             goals=[beside_bare]),
        Case("help", "`--help`", lambda: _said(bench, peers, "--help"), goals=[beside_bare]),
        Case("one-step", "one trivial step, environment there", lambda: _step(bench, peers),
             goals=less),
    ]  # fmt: skip


def _less_overhead(peer: str, least: float) -> Goal:
    return Goal(
        f"overhead at least {least:g} x less than that of {peer}",
        lambda found: above(found, peer) / above(found),
        least,
        at_least=True,
    )


def _said(bench: Bench, peers: list[str], option: str) -> list[Entry]:
    folder, tools = bench.fresh("start-up"), bench.tools
    asked = {tool: [tools.program(tool), option] for tool in (OURS, *peers)}
    if option == "--help":
        asked.pop("ninja", None)  # it ends with an error
        if "doit" in asked:
            asked["doit"][1:] = ["help"]
    bare = Entry("bare", [tools.python, "-c", "pass"], folder)
    return [bare, *(Entry(tool, command, folder) for tool, command in asked.items())]


def _step(bench: Bench, peers: list[str]) -> list[Entry]:
    tools = bench.tools
    work = Work((Step("one", f"{tools.python} -c pass"),))
    entries = [Entry("bare", [tools.python, "-c", "pass"], bench.fresh("one-step", "bare"))]
    for tool in (OURS, *peers):
        folder = bench.fresh("one-step", tool)
        command = projects.command(tools, tool)
        files = projects.WRITERS[tool](work)
        if tool == OURS:  # with an environment of its own
            work_there = Work((Step("one", "python -c pass"),))
            head = f"environments: {{default: {{kind: venv, python: '{tools.minor}'}}}}"
            files = projects.runproj(work_there, head=head, more=", cache: false")
        projects.write(files, folder)
        more = {"dvc": ["--force"], "snakemake": ["--forceall"]}.get(tool, [])
        entries.append(Entry(tool, [*command, *more], folder))
    return entries
