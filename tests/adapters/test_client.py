"""What programs call while they are steps, with the real client and real files."""

import ast
import importlib.util
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import runproj
from runproj import _client
from runproj.adapters.tracking import TrackingFolders
from runproj.errors import StoreError
from runproj.record.points import Points

CONTEXT = {
    "params": {"lr": 0.1}, "others": ["depth"],
    "inputs": {"in.csv": "/w/in.csv"}, "outputs": {"model": "OUT/deep/model"},
}  # fmt: skip


class Step:
    """A step that is under way: the folder by which it tells, and a fresh client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tracking = TrackingFolders()
        out = str(folder.parent)
        context = json.loads(json.dumps(CONTEXT).replace("OUT", out))
        self.client = folder.with_name("client")
        self.tracking.begin(str(folder), context, str(self.client))

    @property
    def variables(self) -> dict[str, str]:
        return {
            "RUNPROJ_EVENTS": str(self.folder / "events.jsonl"),
            "PYTHONPATH": str(self.client / "python"),
            "PATH": f"{os.environ['PATH']}:{self.client / 'bin'}",
        }

    def python(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program in a Python of its own."""
        return subprocess.run(
            [sys.executable, *arguments, "-c", program],
            env=self.variables, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def shell(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        program = self.client / "bin" / "runproj"
        return subprocess.run(
            [program, *arguments], env=self.variables, cwd=cwd,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    @property
    def events(self) -> list[dict[str, object]]:
        lines = self.tracking.end(str(self.folder)).events.splitlines()
        return [json.loads(line) for line in lines]

    @property
    def points(self) -> dict[str, Points]:
        return dict(self.tracking.end(str(self.folder)).points)

    @property
    def artifacts(self) -> dict[str, bytes]:
        list(self.tracking.end(str(self.folder)).artifacts)
        root = self.folder / "artifacts"
        return {
            str(place.relative_to(root)): place.read_bytes()
            for place in root.rglob("*")
            if place.is_file()
        }


def fresh_client() -> ModuleType:
    """Return the client as a program finds it that has just started."""
    spec = importlib.util.spec_from_file_location("fresh", str(_client.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    made = Step(tmp_path / "tracking")
    monkeypatch.setenv("RUNPROJ_EVENTS", made.variables["RUNPROJ_EVENTS"])
    return made


@pytest.fixture
def client(step: Step) -> ModuleType:
    assert step.folder.is_dir()
    return fresh_client()


def test_metrics_have_values_steps_and_times(step: Step, client: ModuleType) -> None:
    assert client.log_metric("loss", 0.5, step=7, timestamp=12.5) == 0.5
    client.log_metric("loss", True, 3)
    client.log_metric("loss", "0.25")
    client.log_metrics({"a": math.nan, "b": -math.inf}, step=1, timestamp=0)
    loss = step.points["loss"]
    assert (list(loss.values), list(loss.steps)) == ([0.5, 1, 0.25], [7, 3, 2])
    assert loss.times[0] == 12.5
    assert math.isnan(step.points["a"].values[0])
    assert list(step.points["b"].values) == [-math.inf]


def test_many_points_of_many_metrics_are_all_there(step: Step, client: ModuleType) -> None:
    for at in range(100_000):
        client.log_metric("often", at)
        if not at % 100:
            client.log_metric(f"metric {at % 7000}", at, at)
    found = step.points
    assert list(found["often"].values) == list(map(float, range(100_000)))
    assert len(found) == 71
    assert sum(len(one.values) for one in found.values()) == 101_000


def test_a_step_that_64_bits_cannot_hold_is_told_as_an_event(
    step: Step, client: ModuleType
) -> None:
    client.log_metric("a", math.nan, step=2**70)
    client.log_metric("a", 5, step=3.0, timestamp=8)
    assert [(one["value"], one["step"]) for one in step.events] == [("NaN", 2**70), (5, 3)]
    assert step.events[1]["time"] == 8


@pytest.mark.parametrize(("value", "at"), [("much", 1), (None, 1), (1, "x"), (1, 0.5)])
def test_what_is_no_number_is_refused(client: ModuleType, value: object, at: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        client.log_metric("a", value, at)


def test_threads_log_at_once(step: Step, client: ModuleType) -> None:
    def log() -> None:
        for at in range(5000):
            client.log_metric("a", at)

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(step.points["a"].values) == sorted([*range(5000)] * 4)


def test_a_process_that_was_forked_has_a_file_of_its_own(step: Step) -> None:
    done = step.python(
        "import os, runproj\n"
        "runproj.log_metric('a', 1)\n"
        "pid = os.fork()\n"
        "for n in range(1000): runproj.log_metric('a' if pid else 'b', n)\n"
        "pid and os.waitpid(pid, 0)\n"
    )
    assert done.returncode == 0, done.stderr
    assert {name: len(one.values) for name, one in step.points.items()} == {"a": 1001, "b": 1000}


def test_of_a_process_that_is_killed_nothing_is_lost(step: Step) -> None:
    done = step.python(
        "import os, runproj\n"
        "for n in range(12345): runproj.log_metric('a', n)\n"
        "runproj.log_param('b', 1)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert done.returncode == -signal.SIGKILL
    assert len(step.points["a"].values) == 12345
    assert step.events == [{"param": "b", "value": 1}]


def test_a_full_disk_is_an_error_and_kills_nobody(step: Step) -> None:
    done = step.python(
        "import resource, runproj\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    for n in range(100_000): runproj.log_metric('a', n)\n"
        "except OSError: print(n)\n"
    )
    assert done.returncode == 0, done.stderr
    assert len(step.points["a"].values) == int(done.stdout)


def test_importing_it_imports_next_to_nothing(step: Step) -> None:
    program = (
        "import sys; before = set(sys.modules); import runproj\n"
        "runproj.log_metric('a', 1, 1); print(*set(sys.modules) - before)"
    )
    done = step.python(program)
    assert set(done.stdout.split()) <= {
        "runproj",
        "runproj._client",
        "__future__",
        "mmap",
        "_struct",
        "struct",
    }


def test_it_is_python_3_8(step: Step) -> None:
    for place in sorted((step.client / "python" / "runproj").glob("*.py")):
        ast.parse(place.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_parameters_and_tags_are_events(step: Step, client: ModuleType) -> None:
    class Scalar:
        ndim = 0

        def item(self) -> float:
            return 0.5

    assert client.log_params({"a": [1, None], "b": Path("x"), "c": {1, 2}, "d": Scalar()})
    assert client.set_tags({"team": "Müller\n"}) == {"team": "Müller\n"}
    assert step.events == [
        {"param": "a", "value": [1, None]}, {"param": "b", "value": "x"},
        {"param": "c", "value": "{1, 2}"}, {"param": "d", "value": 0.5},
        {"tag": "team", "value": "Müller\n"},
    ]  # fmt: skip


def test_artifacts_are_kept_as_they_were_when_they_were_logged(
    step: Step, client: ModuleType, tmp_path: Path
) -> None:
    file, folder = tmp_path / "a.txt", tmp_path / "plots"
    file.write_text("then")
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "b.txt").write_text("b")
    assert client.log_artifact(file) == file
    client.log_artifact(str(file), "logs/copy.txt")
    client.log_artifact(folder)
    client.log_artifacts(str(folder), "all")
    client.log_artifacts(str(folder))
    client.log_artifact(str(folder), "deep")  # takes the place of another folder
    file.write_text("now")
    assert step.artifacts == {
        "a.txt": b"then", "logs/copy.txt": b"then", "plots/deep/b.txt": b"b",
        "all/deep/b.txt": b"b", "deep/deep/b.txt": b"b",
    }  # fmt: skip


def test_texts_and_data_are_artifacts(step: Step, client: ModuleType) -> None:
    assert client.log_text("Müller", "a/b.txt") == "Müller"
    assert client.log_dict({"a": Path("x")}, "d.json") == {"a": Path("x")}
    assert step.artifacts["a/b.txt"] == "Müller".encode()
    assert json.loads(step.artifacts["d.json"]) == {"a": "x"}


def test_figures_are_saved_by_what_they_are(step: Step, client: ModuleType) -> None:
    def save(self: object, place: str) -> None:
        Path(place).write_text(type(self).__name__)

    kinds = {
        "Matplotlib": "savefig",
        "Pillow": "save",
        "Page": "write_html",
        "Image": "write_image",
    }
    for kind, method in kinds.items():
        name = f"{kind}.html" if kind == "Page" else f"{kind}.png"
        client.log_figure(type(kind, (), {method: save})(), name)
    assert sorted(step.artifacts.values()) == sorted(kind.encode() for kind in kinds)
    with pytest.raises(TypeError, match=r"object cannot be saved"):
        client.log_figure(object(), "a.png")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "", ".", "a//b", "a\0b", ".~a"])
def test_no_name_leads_out_of_the_artifacts(step: Step, client: ModuleType, name: str) -> None:
    with pytest.raises(ValueError, match=r"is no name"):
        client.log_text("x", name)
    assert [one.name for one in step.folder.iterdir()] == ["context.json"]


def test_what_was_not_written_to_its_end_is_no_artifact(step: Step, client: ModuleType) -> None:
    client.log_text("x", "a/b.txt")
    (step.folder / "artifacts" / ".~9-c").write_text("half")
    (step.folder / "artifacts" / "a" / ".~9-c").mkdir()
    told = step.tracking.end(str(step.folder))
    assert [name for name, _ in told.artifacts] == ["a"]
    assert step.artifacts == {"a/b.txt": b"x"}


def test_a_model_that_is_none_is_left_out(step: Step) -> None:
    for name, content in {"a": "{", "b": "[]", "c": '{"flavor": "onnx"}'}.items():
        place = step.folder / "models" / name
        place.mkdir(parents=True)
        (place / "model.json").write_text(content)
    assert [one[:2] for one in step.tracking.end(str(step.folder)).models] == [("c", "onnx")]


def test_a_step_asks_for_its_parameters(client: ModuleType) -> None:
    assert client.params == {"lr": 0.1}
    assert client.params.get("lr") == 0.1
    assert client.params.get("what", 5) == 5
    with pytest.raises(KeyError, match=r"put \{depth\} into its command or env"):
        client.params["depth"]
    with pytest.raises(KeyError, match=r"depth"):
        client.params.get("depth", 3)
    with pytest.raises(KeyError, match=r"has: lr"):
        client.params["what"]


def test_a_step_asks_for_its_paths(client: ModuleType, tmp_path: Path) -> None:
    assert client.input_path("in.csv") == "/w/in.csv"
    assert client.output_path("model") == str(tmp_path / "deep" / "model")
    assert (tmp_path / "deep").is_dir()
    with pytest.raises(ValueError, match=r"no output 'x'; it has: model"):
        client.output_path("x")


def outside(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delenv("RUNPROJ_EVENTS", raising=False)
    return fresh_client()


def over(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("RUNPROJ_EVENTS", "/gone/events.jsonl")
    return fresh_client()


@pytest.mark.parametrize("outside", [outside, over])
def test_outside_of_a_run_nothing_is_done_and_what_is_useful_comes_back(
    outside: Callable[[pytest.MonkeyPatch], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    client = outside(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert client.log_metric("a", 1) == 1
    assert client.log_metrics({"a": 1}) == {"a": 1}
    assert client.log_param("a", 2) == 2
    assert client.log_params({"a": 2}) == {"a": 2}
    assert client.set_tag("a", "b") == "b"
    assert client.log_artifact("none") == "none"
    assert client.log_artifacts("none") == "none"
    assert client.log_text("t", "../x") == "t"
    assert client.log_dict({}, "x") == {}
    assert client.log_figure(None, "x.png") is None
    assert client.params == {}
    assert client.params.get("lr", 0.5) == 0.5
    assert client.input_path("in.csv") == str(tmp_path / "in.csv")
    assert client.output_path("out/m") == str(tmp_path / "out" / "m")
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_the_package_has_what_the_client_has(step: Step) -> None:
    assert set(_client.__all__) < set(runproj.__all__)
    for name in runproj.__all__:
        assert getattr(runproj, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'what'"):
        _ = runproj.what
    done = step.python("import runproj; print(runproj.params); runproj.what")
    assert done.stdout == "{'lr': 0.1}\n"
    assert "module 'runproj' has no attribute 'what'" in done.stderr


def test_what_needs_the_whole_of_runproj_says_so(step: Step) -> None:
    done = step.python("import runproj; runproj.runs", "-S")
    assert "runproj.runs needs runproj in this environment: pip install runproj" in done.stderr


def test_where_runproj_is_installed_the_rest_of_it_is_there(step: Step) -> None:
    source = str(Path(str(runproj.__file__)).parents[1])
    done = step.python(
        f"import sys; sys.path.append({source!r}); import runproj.version as v; print(v.__file__)\n"
        "import runproj; runproj.log_metric('a', 1)"
    )
    assert done.stdout == f"{source}/runproj/version.py\n", done.stderr
    assert list(step.points) == ["a"]


def test_shells_log_without_python(step: Step, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a b.txt").write_text("x")
    for arguments in (
        ["metric", "loss=0.5", "acc=NaN", "--step", "3"],
        ["metric", "--step=-4", "step=1"],
        ["param", 'we"ird\\=a\tb\nc=d', "empty="],
        ["tag", "team=Müller"],
        ["artifact", "plots", "plots/a b.txt"],
        ["artifact", "plots/a b.txt", "--name", "b"],
        ["artifact", "plots", "--name=b"],
    ):
        done = step.shell("log", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert step.events == [
        {"metric": "loss", "value": "0.5", "step": 3}, {"metric": "acc", "value": "NaN", "step": 3},
        {"metric": "step", "value": "1", "step": -4},
        {"param": 'we"ird\\', "value": "a\tb\nc=d"}, {"param": "empty", "value": ""},
        {"tag": "team", "value": "Müller"},
    ]  # fmt: skip
    assert step.artifacts == {"plots/a b.txt": b"x", "a b.txt": b"x", "b/a b.txt": b"x"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "this is the runproj of a step"),
        (["run"], "knows 'runproj log' alone"),
        (["log"], "usage: runproj log metric NAME=VALUE"),
        (["log", "what", "a=1"], "usage:"),
        (["log", "metric"], "usage:"),
        (["log", "metric", "a"], "a: say NAME=VALUE"),
        (["log", "metric", "=1"], "=1: say NAME=VALUE"),
        (["log", "metric", "a=1", "--step", "x"], "--step x: not a whole number"),
        (["log", "artifact", "none"], "none: no such file or folder"),
        (["log", "artifact", ".", "--name", "../x"], "--name ../x: a name without /"),
    ],
    ids=str,
)
def test_mistakes_in_shells_are_told(step: Step, arguments: list[str], why: str) -> None:
    done = step.shell(*arguments)
    assert done.returncode == 2
    assert re.match("error: ", done.stderr)
    assert why in done.stderr


def test_a_folder_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"what a step logs cannot be kept"):
        TrackingFolders().begin(str(tmp_path / "file" / "x"), {}, None)
