"""What differs between two runs."""

import pytest
from tests.engine.world import Process, World, both, training, writes

from runproj.engine.diff import Differ
from runproj.errors import StoreError
from runproj.ports import Accesses
from runproj.record.difference import Difference
from runproj.record.run import Run
from runproj.record.verdict import Annotation


@pytest.fixture
def w() -> World:
    return training()


def between(w: World, a: Run, b: Run) -> Difference:
    return Differ(w.control, w.objects, w.runs).difference(a, b)


def said(found: Difference) -> dict[str, list[str]]:
    return {
        name: [f"{one.about or ''}/{one.name}: {one.before} → {one.after}" for one in group]
        for name, group in found.groups.items()
    }


def test_a_run_does_not_differ_from_itself_or_its_rerun(w: World) -> None:
    run = w.run()
    assert between(w, run, run).groups == {}
    assert between(w, run, w.rerun(run)).groups == {}


def test_a_value_is_named_with_what_came_of_it(w: World) -> None:
    a, b = w.run(lr=0.1), w.run(lr=0.2)
    found = said(between(w, a, b))
    assert found["params"] == ["/lr: 0.1 → 0.2"]
    assert next(one.partition(":")[0] for one in found["outputs"]).startswith("train/")
    assert "source" not in found
    assert "machine" not in found


def test_what_is_said_of_runs_is_named_as_far_as_it_can_be_read(w: World) -> None:
    a, b = w.run(), w.run()
    w.runs.annotate(a.id, Annotation(kind="note", at="t", note="slow"))
    w.runs.annotate(b.id, Annotation(kind="tags", at="t", tags={"q": "1"}))
    assert said(between(w, a, b))["annotations"] == ["tag/q: None → 1", "/note: slow → None"]
    w.runs.damaged.add(a.id)
    assert said(between(w, a, b))["annotations"] == ["tag/q: None → 1"]


def test_files_of_the_code_are_named_and_shown_line_by_line(w: World) -> None:
    w.source["lib.py"] = b"one\ntwo"
    w.source["image.bin"] = b"\0"
    w.source["latin.txt"] = b"\xff"
    a = w.run()
    w.source["lib.py"] = b"one\n2\n"
    w.source["image.bin"] = b"\0\0"
    w.source["latin.txt"] = b"\xfe"
    w.source["new.py"] = b"x\n"
    b = w.run()
    found = between(w, a, b)
    changed = {one.name: (one.before is None, one.after is None) for one in found.source}
    assert changed == {
        "image.bin": (False, False), "latin.txt": (False, False), "lib.py": (False, False),
        "new.py": (True, False),
    }  # fmt: skip
    patch = "".join(Differ(w.control, w.objects, w.runs).patch(a, b))
    assert "Binary files a/image.bin and b/image.bin differ\n" in patch
    assert "Binary files a/latin.txt and b/latin.txt differ\n" in patch
    assert "-two\n\\ No newline at end of file\n+2\n" in patch
    assert "--- a/new.py\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n" in patch


def test_files_above_the_project_folder_are_found(w: World) -> None:
    w.source["p/x"] = b"1\n"
    w.source["y"] = b"1\n"
    a = w.run()
    w.source["y"] = b"2\n"
    w.source["p/x"] = b"2\n"
    b = w.run()
    a, b = (run.replace(source=run.source.replace(project_path="p")) for run in (a, b))
    found = between(w, a, b)
    assert [one.name for one in found.source] == ["../y", "x"]
    patch = "".join(Differ(w.control, w.objects, w.runs).patch(a, b))
    assert patch.count("-1\n+2\n") == 2


VENV = """
    runproj: 1
    environments:
      default: {kind: venv, packages: [a]}
    entry_points:
      main: {command: [go], outputs: [m]}
"""


def two_locks(w: World) -> tuple[Run, Run]:
    a = w.run()
    w.shelf.kept.clear()
    w.venv.version = "2.0"
    return a, w.run()


def test_packages_and_the_interpreter_of_an_environment_are_named() -> None:
    w = World(VENV, {"main": writes(m="m")})
    a, b = two_locks(w)
    assert said(between(w, a, b))["environment"] == ["default/a: 1.0 → 2.0"]
    w.venv.python = "3.1"
    w.yaml = w.yaml.replace("[m]", "[m, m]").replace(", m]", "]").replace("[go]", "[go, x]")
    c = w.run()
    found = said(between(w, b, c))
    assert found["environment"] == ["default/python: 3.0 → 3.1"]
    assert found["steps"] == ["/main: go → go x"]


def test_a_lock_that_is_gone_or_says_the_same_is_told_by_its_digest() -> None:
    w = World(VENV, {"main": writes(m="m")})
    a, b = two_locks(w)
    use = b.steps[0].environment
    assert use is not None
    same = w.objects.keep(w.objects.read(use.lock) + b"# the same")
    other = b.replace(steps=(b.steps[0].replace(environment=use.replace(lock=same)),))
    assert said(between(w, b, other))["environment"][0].startswith("default/lock: ")
    del w.objects.contents[use.lock]
    assert said(between(w, a, b))["environment"][0].startswith("default/lock: ")


def test_another_kind_of_environment_is_named() -> None:
    w = World(VENV, {"main": writes(m="m")})
    a = w.run()
    w.yaml = w.yaml.replace("{kind: venv, packages: [a]}", "{kind: system}")
    assert said(between(w, a, w.run()))["environment"] == ["default/kind: venv → system"]


def test_metrics_inputs_steps_and_machines_are_compared(w: World) -> None:
    a = w.run()
    (first, *rest) = a.steps
    b = a.replace(
        id="r9",
        host=a.host.replace(cores=99),
        steps=(first.replace(metrics={"m": 1.0}, inputs=()), *rest[:-1]),
        plan=a.plan.replace(steps=a.plan.steps[:-1]),
    )
    found = said(between(w, a, b))
    assert found["metrics"][0] == f"{first.name}/m: None → 1.0"
    assert found["machine"] == [f"/cores: {a.host.cores} → 99"]
    assert [one.rpartition("→ ")[2] for one in found["steps"]] == ["None"]
    assert found["outputs"]


def test_a_snapshot_that_is_gone_is_an_error(w: World) -> None:
    a = w.run()
    w.source["new.py"] = b"x\n"
    b = w.run()
    w.control.trees.clear()
    with pytest.raises(StoreError):
        between(w, a, b)


def test_that_one_run_repeats_the_other_is_said(w: World) -> None:
    a = w.run()
    b = w.rerun(a).replace(rerun_of=a.id, variation=("lr",))
    sentence = f"{b.id} is a variation of {a.id}: lr"
    assert [between(w, *pair).relation for pair in ((a, b), (b, a), (a, a))] == [
        sentence, sentence, None,
    ]  # fmt: skip


def test_an_undeclared_input_that_changed_is_named() -> None:
    def reads(process: Process) -> None:
        process.is_seen(Accesses(present=("/data/x", "/data/y"), absent=("/data/z",)))

    w = World(
        "runproj: 1\nentry_points: {main: {command: [a], outputs: [o], trace: true}}",
        {"main": both(reads, writes(o="1"))},
    )
    w.disk.write("/data/x", b"1")
    w.disk.write("/data/y", b"1")
    a = w.run()
    w.disk.write("/data/x", b"2")
    b = w.run()
    [line] = said(between(w, a, b))["inputs"]
    assert line.startswith("main//data/x (undeclared): ")
    assert a.steps[0].trace is not None
    del w.objects.contents[a.steps[0].trace.observation]
    assert "inputs" not in said(between(w, a, b))
    w.disk.remove("/data/x")
    assert said(between(w, b, w.run())) == {}
