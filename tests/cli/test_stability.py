"""Repeats under perturbation: each kind of non-determinism is planted, and named rightly."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from tests.cli.commandline import GIT, Done, Files, Project, plain, until

from runproj.adapters.perturbing import faketime

MakeProject = Callable[[Files], Project]
SCHEMA = Path(__file__).parents[2] / "schemas/output.schema.json"
CHANCE = "unstable: on a plain repeat: random numbers, thread timing or something outside"
THREADS = """\
import concurrent.futures, os
cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
count = int(os.environ.get("OMP_NUM_THREADS", cpus))
values = [1 / (n + 1) ** 1.5 for n in range(20000)]
total = 0.0
with concurrent.futures.ThreadPoolExecutor(count) as pool:
    parts = [pool.submit(sum, values[n::count]) for n in range(count)]
    for part in concurrent.futures.as_completed(parts):
        total += part.result()
text = repr(total)
"""
PLANTED = {
    "same": "text = 'always the same'",
    "seed": "text = str({f'word {n}' for n in range(100)})",
    "zone": "import time; text = time.strftime('%F %T', time.localtime(946684800))",
    "place": "import os; text = os.getcwd()",
    "deep": "import os; text = str(' ' in os.getcwd())",
    "order": "import os; text = str(os.listdir('data'))",
    "words": "import os; text = os.environ.get('LC_ALL', '')",
    "threads": THREADS,
    "stamp": "import time; text = str(time.time())",
    "dice": "import os; text = os.urandom(9).hex()",
    "near": "import os; text = '[1.0]' if os.environ.get('TZ') == 'UTC' else '[1.0001]'",
}
STABLE = {"same": "stable", "near": "stable within rtol"}
NAMED = {
    **STABLE,
    "seed": "unstable: hash seed",
    "zone": "unstable: time zone",
    "place": "unstable: workspace path",
    "deep": "unstable: workspace path",
    "order": "unstable: directory order",
    "words": "unstable: locale",
    "stamp": "unstable: clock",
    "dice": CHANCE,
}
WRITE = "\nwith open('{name}.txt', 'w') as file:\n    file.write(text)\n"


def planted(make: MakeProject, *names: str) -> Project:
    """Return a project with a step for each of these."""
    files: dict[str, str | bytes] = {f"data/entry-{n}.txt": "" for n in range(12)}
    text = "runproj: 1\nentry_points:\n  main:\n    steps:\n"
    for name in names:
        files[f"do_{name}.py"] = PLANTED[name] + WRITE.format(name=name)
        outputs = f"{{o: {{path: {name}.txt, compare: json, rtol: 0.01}}}}"
        outputs = outputs if name == "near" else f"[{name}.txt]"
        text += f"      {name}: {{command: [{sys.executable}, do_{name}.py], outputs: {outputs}}}\n"
    return make({"runproj.yaml": text, **files})


def verified(project: Project, *options: str, code: int = 6, path: str | None = None) -> Done:
    project.run("run", ".", "-q").ok()
    env = {"PATH": path} if path else None
    done = project.run("verify", "latest", "--json", *options, env=env).ok(code)
    jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
    return done


def labels(done: Done) -> dict[str, str]:
    return {
        one["path"].removesuffix(".txt"): ": ".join(filter(None, (one["label"], one["cause"])))
        for one in done.json["verify"]["stability"]["outputs"]
    }


def must(there: object, why: str) -> None:
    """Skip a test where this machine lacks something, but not in CI."""
    if not there:
        assert "RUNPROJ_CI" not in os.environ, why
        pytest.skip(why)


@pytest.mark.parametrize("times", ["1", "2", "4"])
def test_each_kind_of_non_determinism_is_named(project: MakeProject, times: str) -> None:
    must(*faketime())
    done = verified(planted(project, *PLANTED), "--times", times)
    found = labels(done)
    threads = found.pop("threads")
    assert threads == "unstable: thread count" or threads.startswith("unstable: on a plain repeat")
    unperturbed = done.json["verify"]["stability"]["unperturbed"]
    if unperturbed:  # a machine where entries keep their order
        assert [one.partition(": ")[0] for one in unperturbed] == ["directory order"]
        assert found.pop("order") == "stable"
    assert found == {name: label for name, label in NAMED.items() if name in found}
    assert done.json["verify"]["verdict"] == "different"
    assert "verify: naming the cause: seed with hash seed changed" in done.err


def test_without_the_library_a_clock_is_not_perturbed_and_that_is_said(
    project: MakeProject, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").symlink_to(GIT)  # no program with which the library could be tried
    done = verified(planted(project, "stamp", "same"), "--times", "2", path=str(folder))
    assert labels(done) == {"stamp": "unstable: on a plain repeat", "same": "stable"}
    (said,) = (
        one for one in done.json["verify"]["stability"]["unperturbed"] if one.startswith("clock: ")
    )
    assert "libfaketime" in said


def test_what_is_deterministic_is_stable(project: MakeProject) -> None:
    stable = planted(project, *STABLE)
    done = verified(stable, "--times", "3", code=0)
    found = done.json["verify"]
    assert (found["verdict"], labels(done)) == ("equivalent", STABLE)
    repeats = found["stability"]["repeats"]
    assert [one["step"] for one in repeats] == [None, None, None]
    assert repeats[0]["perturbed"] == []
    listed = {one["id"]: one for one in stable.run("list", "--repeats", "--json").ok().json["runs"]}
    assert {run: one["perturbed"] for run, one in listed.items()} == {
        found["run"]: [], **{one["run"]: one["perturbed"] or ["nothing"] for one in repeats},
    }  # fmt: skip
    assert {one["rerun_of"] for one in listed.values()} == {None, found["run"]}
    assert "hash seed, locale" in stable.run("list", "--repeats").ok().out
    shown = stable.run("show", repeats[1]["run"]).ok().out
    assert f"rerun of    {found['run']}" in shown
    assert "perturbed   hash seed, locale" in shown
    stable.run("verify", found["run"], "--strict", "--times", "2").ok(6)


def test_a_person_is_told_what_is_unstable_now_and_later(project: MakeProject) -> None:
    unstable = planted(project, "seed", "same")
    run = unstable.run("run", ".", "--json").ok().run["id"]
    done = unstable.run("verify", run, "--times", "2", "--junit", "../report.xml").ok(6)
    out = plain(done.out)
    assert "note     seed seed.txt is unstable: hash seed" in out
    assert "  seed  seed.txt  unstable  hash seed: byte " in out
    assert "  same  same.txt  stable\n" in out
    assert f"run      {run}, repeated 2 times: " in out
    suite = ET.parse(unstable.folder.parent / "report.xml").getroot()[0]  # noqa: S314 -- our own
    (failure,) = suite.iter("failure")
    assert str(failure.get("message")).startswith("unstable: hash seed: byte ")
    assert [one.get("value") for one in suite.iter("property")] == ["unstable", "stable"]

    shown = plain(unstable.run("show", run).ok().out)
    assert "unstable    seed seed.txt is unstable: hash seed" in shown
    told = {
        one["path"]: one["label"] for one in unstable.run("show", run, "--json").run["stability"]
    }
    assert told == {"seed.txt": "unstable", "same.txt": "stable"}

    again = unstable.run("run", ".", "--json").ok()
    warning = f"seed.txt, taken from {run}, is unstable: hash seed"
    assert again.step("seed")["cached_from"] == f"{run}/seed"
    assert again.step("seed")["warnings"] == [warning]
    assert again.step("same")["warnings"] == []
    assert plain(again.err).count(f"warning: seed: {warning}") == 1
    assert f"seed: {warning}" in unstable.run("show", again.run["id"]).ok().out
    assert warning in unstable.run("show", f"{again.run['id']}/seed").ok().out


def test_what_a_step_declares_stays_as_it_is(project: MakeProject) -> None:
    declared = planted(project, "seed")
    text = (declared.folder / "runproj.yaml").read_text()
    declared.write({"runproj.yaml": text.replace("}\n", ", env: {PYTHONHASHSEED: '3'}}\n")})
    done = verified(declared, "--times", "2", code=0)
    assert labels(done) == {"seed": "stable"}
    assert (
        "hash seed of seed: its variables are declared there"
        in (done.json["verify"]["stability"]["unperturbed"])
    )


def test_what_follows_from_an_unstable_step_is_told_apart(project: MakeProject) -> None:
    chain = planted(project, "seed")
    text = (chain.folder / "runproj.yaml").read_text()
    text += "      copy: {command: cp seed.txt copy.txt, inputs: [seed.txt], outputs: [copy.txt]}\n"
    chain.write({"runproj.yaml": text})
    assert labels(verified(chain, "--times", "1")) == {
        "seed": "unstable: hash seed", "copy": "unstable: from seed",
    }  # fmt: skip


@pytest.mark.parametrize("times", ["0", "-1", "many"])
def test_a_number_of_repeats_is_positive(project: MakeProject, times: str) -> None:
    same = planted(project, "same")
    same.run("run", ".").ok()
    assert "--times" in same.run("verify", "latest", "--times", times).ok(2).err


def test_nothing_is_said_of_a_run_whose_verification_is_interrupted(project: MakeProject) -> None:
    slow = planted(project, "same")
    script = "import os, time\nif os.environ['TZ'] != 'UTC':\n    print('slow', flush=True)\n    time.sleep(60)\n"
    slow.write({"do_same.py": script + "text = ''" + WRITE.format(name="same")})
    run = slow.run("run", ".", "--json").ok().run["id"]
    process = slow.start("verify", run, "--times", "3")
    logs = slow.folder / ".runproj/runs"
    until(
        lambda: any("slow" in log.read_text() for log in logs.glob("*/steps/*/output.log")), "slow"
    )
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    shown = slow.run("show", run, "--json").ok().run
    assert (shown["verdict"], shown["stability"]) == (None, [])
    statuses = [one["status"] for one in slow.run("list", "--repeats", "--json").json["runs"]]
    assert sorted(set(statuses)) == ["interrupted", "succeeded"]
    assert slow.run("run", ".", "--json").ok().step("same")["cached_from"] == f"{run}/same"


def test_a_program_that_another_clock_breaks_is_not_blamed(project: MakeProject) -> None:
    must(*faketime())
    broken = planted(project, "same")
    script = "import os, sys\nif 'FAKETIME' in os.environ:\n    sys.exit('no such time')\n"
    broken.write({"do_same.py": script + "text = ''" + WRITE.format(name="same")})
    done = verified(broken, "--times", "2", code=0)
    assert labels(done) == {"same": "stable"}
    (said,) = done.json["verify"]["stability"]["unperturbed"]
    assert said.startswith("clock: the step 'same' failed under libfaketime")
    kept = broken.computer.home / ".cache/runproj/workspaces"
    assert list(kept.iterdir()) == []


SLEEPS = """\
import concurrent.futures, time
def part(number):
    try:
        time.sleep(0.05 * number)
    except OSError:
        pass
    return 1 / 3 ** number
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    parts = [pool.submit(part, number) for number in range(4)]
    total = 0.0
    for one in concurrent.futures.as_completed(parts):
        total = (total + one.result()) / 1.1
text = "[1.0" + str(len(repr(total))) + "]"
"""
WAITS = """\
import time
try:
    time.sleep(0.1)
    text = 'waited'
except OSError:
    text = 'did not wait'
"""


@pytest.mark.parametrize("times", ["1", "2", "9"])
def test_a_program_that_another_clock_leads_astray_is_not_blamed_on_it(
    project: MakeProject, times: str
) -> None:
    must(*faketime())
    astray = planted(project, "same", "near", "stamp")
    astray.write({
        "do_same.py": WAITS + WRITE.format(name="same"),
        "do_near.py": SLEEPS + WRITE.format(name="near"),
    })  # fmt: skip
    done = verified(astray, "--times", times)
    found = labels(done)
    assert found.pop("near").startswith("stable")
    assert found == {"same": "stable", "stamp": "unstable: clock"}
    verdicts = {one["step"]: one["likeness"] for one in done.json["verify"]["outputs"]}
    assert (verdicts["same"], verdicts["stamp"]) == ("identical", "different")
    stability = done.json["verify"]["stability"]
    if any("right clock" in one["perturbed"] for one in stability["repeats"]):  # it breaks sleep
        assert (
            "clock: libfaketime itself changes what the step 'same' does"
            in (stability["unperturbed"])
        )


def test_a_program_that_another_clock_leads_astray_is_verified(project: MakeProject) -> None:
    must(*faketime())
    astray = planted(project, "same")
    astray.write({"do_same.py": WAITS + WRITE.format(name="same")})
    done = verified(astray, "--times", "2", code=0)
    assert (done.json["verify"]["verdict"], labels(done)) == ("identical", {"same": "stable"})


def test_what_cannot_be_done_again_has_a_verdict_and_no_labels(project: MakeProject) -> None:
    gone = planted(project, "same")
    gone.run("run", ".").ok()
    shutil.rmtree(gone.folder / ".runproj/source.git")
    done = gone.run("verify", "latest", "--times", "2", "--json").ok(7)
    found = done.json["verify"]
    assert (found["verdict"], found["stability"]) == ("cannot rerun", None)
    jsonschema.validate(done.json, json.loads(SCHEMA.read_text()))
    assert "the source snapshot is gone" in gone.run("verify", "latest", "--times", "2").ok(7).out


def test_repeats_are_neither_the_latest_run_nor_listed(project: MakeProject) -> None:
    stable = planted(project, *STABLE)
    verified(stable, "--times", "1", code=0)
    [listed] = stable.run("list", "--json").ok().json["runs"]
    assert stable.run("show", "--json").ok().run["id"] == listed["id"]
