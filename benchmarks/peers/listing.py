"""Finding runs among many: runproj's list beside MLflow's search on SQLite."""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.case import OURS, Bench, Case, Entry, Goal, above, times_less

_HERE = Path(__file__).parent
_IMPORT = "mlflow, import alone"
_FIRST = "mlflow.search_runs(['1'], max_results=100)"
_FAILED = 'mlflow.search_runs(["1"], "attributes.status = \'FAILED\'", max_results=100)'
_ALL = """\
page = mlflow.search_runs(['1'], max_results=1000)
while page.token:
    page = mlflow.search_runs(['1'], max_results=1000, page_token=page.token)"""
_START = "from mlflow import MlflowClient; mlflow = MlflowClient()\n"
PROJECT = """\
runproj: 1
entry_points:
  main:
    parameters: {lr: 0.1, depth: 3, seed: 42, epochs: 10, model: forest}
    command: >-
      python3 -c "import json; json.dump(dict(loss=0.1, rmse=0.2, r2=0.3, mae=0.4, auc=0.5),
      open('metrics.json', 'w'))" {lr} {depth} {seed} {epochs} {model}
    metrics: [metrics.json]
"""


def cases(bench: Bench, peers: Sequence[str], sizes: Sequence[int]) -> list[Case]:
    """Return the cases; the runs have five parameters and five metrics."""
    work = _Runs(bench, with_mlflow="mlflow" in peers)
    less = times_less("mlflow", 10)
    searching = Goal(
        "at least 10 x less than mlflow, without its import",
        lambda found: above(found, "mlflow", _IMPORT) / found.cpu(), 10, at_least=True,
    )  # fmt: skip
    made = [
        Case("list", f"the latest 100 of {size:,} runs", work.entries(size, ["--limit", "100"],
             _FIRST), size, [less])
        for size in sizes
    ]  # fmt: skip
    size = max(sizes)
    failed = ["--status", "failed", "--limit", "100"]
    return [
        *made,
        Case("filter", f"the latest 100 that failed of {size:,} runs",
             work.entries(size, failed, _FAILED), size, [less]),
        Case("list-all", f"all of {size:,} runs, as JSON",
             work.entries(size, ["--all", "--json"], _ALL), size, [less, searching]),
    ]  # fmt: skip


class _Runs:
    """Stores of many runs, made by each tool's own library out of one run that happened."""

    def __init__(self, bench: Bench, *, with_mlflow: bool) -> None:
        self.bench = bench
        self.with_mlflow = with_mlflow

    def entries(self, size: int, options: list[str], search: str) -> Callable[[], list[Entry]]:
        """Return what makes the entries: a list with options, beside a search."""
        tools = self.bench.tools

        def make() -> list[Entry]:
            ours = self._folder(OURS, size)
            made = [Entry(OURS, [tools.program(OURS), "list", *options], ours)]
            if self.with_mlflow:
                theirs, python = self._folder("mlflow", size), tools.program("mlflow", "python")
                made.append(Entry("mlflow", [python, "-c", _START + search], theirs))
                made.append(Entry(_IMPORT, [python, "-c", _START], theirs))
            return made

        return make

    def _folder(self, tool: str, size: int) -> Path:
        folder = self.bench.folder / "runs" / str(size) / tool
        if not folder.exists():
            folder.mkdir(parents=True)
            tools = self.bench.tools
            if tool == OURS:
                (folder / "runproj.yaml").write_text(PROJECT, encoding="utf-8")
                self.bench.do([tools.program(OURS), "run", "."], folder)
            script = str(_HERE / "past" / f"{tool}_runs.py")
            self.bench.do([tools.program(tool, "python"), script, str(size)], folder)
        return folder
