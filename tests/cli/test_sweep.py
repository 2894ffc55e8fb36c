"""Sweeps as a user sees them: grids, chance, TPE, failures, Ctrl-C and going on."""

import os
import re
import signal
from collections.abc import Callable

import pytest
from tests.cli.commandline import Computer, Files, Project

MakeProject = Callable[[Files], Project]

YAML = """
runproj: 1
environments:
  default: {kind: system}
entry_points:
  main:
    parameters:
      lr: {type: float, default: 0.1, max: 1}
      depth: {type: int, default: 3}
      how: {type: choice, choices: [sgd, adam], default: adam}
    steps:
      load:
        command: [python, load.py, "{depth}"]
        outputs: [data.txt]
      train:
        command: [python, train.py, "{lr}", "{how}"]
        inputs: [data.txt]
        outputs: [m.json]
        metrics: [m.json]
"""
LOAD = "import sys; open('data.txt', 'w').write(sys.argv[1])"
TRAIN = """
import json, sys, time
lr, depth = float(sys.argv[1]), int(open("data.txt").read())
if lr == 0.9:
    sys.exit("diverged")
time.sleep(lr if lr == 0.5 else 0)
rmse = abs(lr - 0.2) + abs(depth - 2) + (sys.argv[2] == "sgd")
json.dump({"rmse": rmse}, open("m.json", "w"))
"""


@pytest.fixture
def demo(computer: Computer) -> Project:
    return computer.project({"runproj.yaml": YAML, "load.py": LOAD, "train.py": TRAIN})


def test_a_grid_is_tried_and_the_best_is_told(demo: Project) -> None:
    done = demo.run(
        "sweep", ".", "-P", "lr=0.1,0.2", "-P", "depth=1..3", "-P", "how=*", "--minimize", "rmse",
        "-j", "2",
    ).ok()  # fmt: skip
    first, second = done.err.splitlines()[:2]
    assert re.fullmatch(
        r"sweep \w{8}: 12 trials, a grid of lr \(2 values\), depth \(1 to 3\), how \(2 values\)",
        first,
    )
    assert re.search(r"✓ +\d+ of 12  lr=0\.2 depth=2 how=adam  \w{8}  rmse 0 ", done.err)
    head, best, *_ = done.out.splitlines()
    assert head.split() == ["trial", "run", "lr", "depth", "how", "train.rmse", "status", "took"]
    assert re.fullmatch(r"★  10 +\w{8} +0\.2 +2 +adam +0 +succeeded .*", best)
    assert "12 of 12 trials succeeded\nbest: lr=0.2 depth=2 how=adam, rmse 0\n" in done.out
    assert demo.run(*done.out.splitlines()[-1].split()[1:]).ok().out.count("depth = 2") == 1

    experiment = second.removeprefix("experiment ")
    listed = demo.run("list", "--experiment", experiment, "--json").ok().json["runs"]
    assert {(one["sweep"], one["trial"]) for one in listed} == {
        (first[6:14], number) for number in range(1, 13)
    }
    runs = [demo.run("show", one["id"], "--json").ok().run for one in listed]
    loads = [step["status"] for run in runs for step in run["steps"] if step["name"] == "load"]
    assert sorted(loads) == ["cached"] * 9 + ["succeeded"] * 3


def test_a_trial_that_fails_is_told_and_does_not_end_the_rest(demo: Project) -> None:
    done = demo.run(
        "sweep", ".", "-P", "lr=0.1,0.9,0.2", "--maximize", "metrics.rmse", "--json"
    ).ok(1)
    assert "the step 'train' failed: it ended with exit code 1" in done.err
    assert "| diverged" in done.err
    sweep = done.json["sweep"]
    assert [one["status"] for one in sweep["trials"]] == ["succeeded", "failed", "succeeded"]
    assert (sweep["best"], sweep["goal"]) == (1, {"metric": "rmse", "direction": "maximize"})
    assert (sweep["sampler"], sweep["planned"], sweep["trials"][1]["score"]) == ("grid", 3, None)
    again = demo.run("sweep", "--resume", sweep["id"], "-q").ok(1)
    assert "2 of 3 trials succeeded, 1 did not" in again.out
    assert f"runproj sweep --resume {sweep['id']}" in again.out


def test_the_same_seed_chooses_the_same_trials(demo: Project) -> None:
    command = ("sweep", ".", "-P", "lr=1e-4..1:log", "-P", "depth=1..9", "--seed", "7", "--json")
    random = [demo.run(*command, "--random", "3", *more).ok() for more in ((), ("-n",))]
    done, planned = ([one["values"] for one in each.json["sweep"]["trials"]] for each in random)
    assert done == planned
    assert len({tuple(values.items()) for values in done}) == 3
    tpe = (*command, "--sampler", "tpe", "--trials", "4", "--minimize", "rmse", "-j", "1")
    chosen = [demo.run(*tpe).ok().json["sweep"] for _ in range(2)]
    first, second = ([one["values"] for one in each["trials"]] for each in chosen)
    assert first == second
    assert chosen[0]["best"] == min(chosen[0]["trials"], key=lambda one: one["score"])["number"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_sweep_that_was_ended_goes_on_as_it_was_begun(
    demo: Project, number: signal.Signals
) -> None:
    values = ("-P", "lr=0.1,0.2,0.5,0.3", "-P", "depth=1,2", "--minimize", "rmse", "-j", "1")
    process = demo.start("sweep", ".", *values)
    assert process.stderr is not None
    name = process.stderr.readline().decode()[6:14]
    for line in process.stderr:
        if b"3 of 8" in line:
            break
    os.kill(process.pid, number)
    _, rest = process.communicate()
    code = process.returncode
    if number == signal.SIGINT:
        assert (code, f"runproj sweep --resume {name}".encode() in rest) == (130, True)
    (demo.folder / "train.py").write_text("raise SystemExit('other code')")
    done = demo.run("sweep", "--resume", name, "--json").ok()
    sweep = done.json["sweep"]
    assert [one["number"] for one in sweep["trials"]] == list(range(1, 9))
    assert sweep["best"] == 4
    again = demo.run("sweep", "--resume", "latest").ok()
    assert "of 8  " not in again.err
    assert "8 of 8 trials succeeded" in again.out


@pytest.mark.parametrize(("options", "message", "hint"), [
    (["-P", "lr=0.1"], "nothing is swept: every parameter has one value", "-P lr=0.1,0.01 gives it two"),
    (["-P", "lr=0..1"], "lr: a grid of real numbers needs a step", "-P lr=0..1..STEP, or --random N"),
    (["-P", "dept=1,2"], "there is no parameter 'dept'", "did you mean 'depth'?"),
    (["-P", "lr=0.5,7"], "lr: 7.0 is larger than the maximum, 1", "lr is a float of at most 1"),
    (["-P", "lr=0.1,0.2", "--minimize", "loss"], "has no metric 'loss'", "its metrics: train.rmse"),
    (["-P", "lr=0.1,0.2", "--minimize", "a", "--maximize", "b"], "--minimize and --maximize exclude each other", ""),
    (["-P", "lr=0.1,0.2", "--trials", "3"], "a grid has as many trials as it has points", "--random N"),
    (["-P", "lr=0.1,0.2", "--random", "3", "--trials", "3"], "--random N stands for --sampler random --trials N", ""),
    (["-P", "lr=0.1,0.2", "--sampler", "random"], "the sampler random needs --trials N", "--trials 20"),
    (["-P", "lr=0.1,0.2", "--sampler", "tpe", "--trials", "3"], "the sampler tpe needs to know what is good", "--minimize METRIC"),
    (["--resume", "x", "-P", "lr=1"], "-P does not go with --resume", "without --resume it is another sweep"),
    (["--resume", "x", "--seed", "0"], "--seed does not go with --resume", "without --resume it is another sweep"),
])  # fmt: skip
def test_what_makes_no_sense_is_said(
    demo: Project, options: list[str], message: str, hint: str
) -> None:
    done = demo.run("sweep", ".", *options)
    assert message in done.err
    assert hint in done.err
    assert done.code == 2


def test_a_dry_run_shows_the_trials(demo: Project) -> None:
    done = demo.run("sweep", ".", "-P", "lr=0.1,0.2", "-P", "how=*", "-n").ok()
    assert [line.split() for line in done.out.splitlines()] == [
        ["trial", "lr", "how"], ["1", "0.1", "sgd"], ["2", "0.1", "adam"], ["3", "0.2", "sgd"],
        ["4", "0.2", "adam"],
    ]  # fmt: skip
    assert not (demo.folder / ".runproj" / "runs").exists()
    demo.run("run", ".", "load").ok()
    missing = demo.run("sweep", "--resume", "nothing").ok(2)
    assert "there is no sweep 'nothing'" in missing.err


def test_two_trials_go_on_at_once(demo: Project) -> None:
    demo.run("sweep", ".", "-P", "lr=0.5", "-P", "depth=1..4", "-j", "4").ok()
    listed = demo.run("list", "--json").ok().json["runs"]
    spans = [(one["started_at"], one["finished_at"]) for one in listed]
    assert max(sum(a[0] <= b[0] < a[1] for a in spans) for b in spans) == 4
