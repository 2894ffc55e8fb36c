"""Observed reads: what narrows, what is undeclared, what is denied."""

import pytest
from tests.engine.world import Process, Program, World, both, fails, statuses, told, writes
from tests.fakes.reporter import FakeReporter
from tests.fakes.source import FakeFile

from runproj.engine.observe import (
    SHARED_MEMORY,
    Surroundings,
    line_to_add,
    observation,
    shown,
    violations,
    words,
)
from runproj.errors import Refused, StoreError
from runproj.plan.plan import PlannedInput, PlannedStep
from runproj.ports import Accesses, Confinement, Denial
from runproj.record.audit import Audit
from runproj.record.events import Warned
from runproj.record.observation import SeenSource
from runproj.record.outcome import Outcome

ONE = """
    runproj: 1
    entry_points:
      main:
        steps:
          a:
            command: [python, a.py]
            inputs: [data.csv]
            outputs: [out.txt]
"""


def sees(
    *,
    inside: tuple[str, ...] = ("a.py",),
    absent: tuple[str, ...] = (),
    listed: tuple[str, ...] = (),
    denied: tuple[Denial, ...] = (),
    gap: str | None = None,
) -> Program:
    """Return a program that looks at files of the source, and at what else is given."""
    accesses = Accesses(("data.csv", *inside), absent, listed, denied, gap)

    def program(process: Process) -> None:
        process.is_seen(accesses)

    return program


def world(program: Program, yaml: str = ONE, **source: bytes) -> World:
    files = {name.replace("_", "."): content for name, content in source.items()}
    found = {"a.py": b"1", "data.csv": b"2", "README": b"3", **files}
    return World(yaml, {"a": both(program, writes(out_txt="x"))}, dict(found))


def run(w: World, *, trace: bool = False, hermetic: bool = False) -> dict[str, str]:
    return told(w.execute(w.prepare(trace=trace, hermetic=hermetic)))


def warnings(reporter: FakeReporter) -> list[tuple[str, str | None]]:
    return [(one.text, one.hint) for one in reporter.events if isinstance(one, Warned)]


class TestNarrowing:
    def test_a_change_of_what_was_not_read_reruns_nothing(self) -> None:
        w = world(sees())
        run(w, trace=True)
        w.source["README"] = b"new"
        assert run(w) == {"a": "cached: nothing that it read changed since r1"}

    def test_a_change_of_what_was_read_does(self) -> None:
        w = world(sees())
        run(w, trace=True)
        w.source["README"] = w.source["a.py"] = b"new"
        assert run(w) == {"a": "succeeded: source: a.py"}

    def test_so_does_a_file_that_was_looked_for_and_appears(self) -> None:
        w = world(sees(absent=("config.ini",)))
        run(w, trace=True)
        w.source["config.ini"] = b""
        assert run(w) == {"a": "succeeded: source: config.ini"}

    def test_and_a_new_name_in_a_folder_that_was_listed(self) -> None:
        w = world(sees(listed=("parts",)), parts__1=b"")
        w.source["parts/1"] = b""
        run(w, trace=True)
        w.source["parts/1"] = b"changed, and only listed"
        assert run(w)["a"].startswith("cached")
        w.source["parts/2"] = b""
        assert run(w) == {"a": "succeeded: source: parts/2"}

    def test_what_nobody_saw_narrows_nothing(self) -> None:
        w = world(sees(gap="the tracer lost sight of a process"))
        run(w, trace=True)
        assert warnings(w.reporter)[0][0] == (
            "a: what it read is not known in full: the tracer lost sight of a process"
        )
        w.source["README"] = b"new"
        assert run(w) == {"a": "succeeded: source: README"}

    def test_nor_does_a_trace_that_cannot_be_read(self) -> None:
        def program(process: Process) -> None:
            process.is_seen(StoreError("the trace cannot be read"))

        w = world(program)
        run(w, trace=True)
        assert "the trace cannot be read" in warnings(w.reporter)[0][0]

    def test_an_observation_that_is_gone_narrows_nothing(self) -> None:
        w = world(sees())
        first = w.execute(w.prepare(trace=True))
        assert first.steps[0].trace is not None
        del w.objects.contents[first.steps[0].trace.observation]
        w.source["README"] = b"new"
        assert run(w) == {"a": "succeeded: source: README"}

    def test_other_values_are_not_overlooked(self) -> None:
        w = world(sees())
        run(w, trace=True)
        w.yaml = ONE.replace("a.py]", "a.py, x]")
        assert run(w) == {"a": "succeeded: command changed"}

    def test_what_was_not_traced_is_executed_when_a_trace_is_wanted(self) -> None:
        w = world(sees())
        run(w)
        assert run(w, trace=True) == {"a": "succeeded: not traced yet"}
        assert run(w, trace=True) == {"a": "cached: unchanged since r2"}

    def test_a_step_may_ask_for_it_itself(self) -> None:
        w = world(sees(), ONE + "            trace: true\n")
        assert w.execute(w.prepare()).steps[0].trace is not None

    def test_each_step_is_seen_by_itself(self) -> None:
        two = ONE + "          b: {command: [python, b.py], outputs: [b.txt]}\n"
        w = world(sees(), two)
        w.programs["b"] = both(sees(inside=("README",)), writes(b_txt="x"))
        run(w, trace=True)
        w.source["README"] = b"new"
        assert run(w) == {
            "a": "cached: nothing that it read changed since r1",
            "b": "succeeded: source: README",
        }


class TestUndeclared:
    def outside(self) -> World:
        w = world(sees(inside=("/data/x.csv", "a.py"), absent=("/data/none", "/made")))
        w.disk.write("/data/x.csv", b"1")
        w.disk.write("/made", b"")
        return w

    def test_what_is_read_outside_is_named(self) -> None:
        w = self.outside()
        run(w, trace=True)
        assert warnings(w.reporter) == [
            (
                "a: it reads /data/x.csv, which it does not declare",
                "add to runproj.yaml: parameters: {x: {type: path, default: /data/x.csv}}, put {x} into "
                "the command of the step 'a', and let the program read that path",
            )
        ]

    def test_it_counts_from_then_on(self) -> None:
        w = self.outside()
        run(w, trace=True)
        assert run(w) == {"a": "cached: unchanged since r1"}
        w.disk.write("/data/x.csv", b"2")
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/x.csv"}
        assert run(w) == {"a": "cached: unchanged since r3"}
        w.disk.write("/data/x.csv", b"3")  # the step was watched again without being asked to
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/x.csv"}
        w.disk.write("/data/x.csv", b"2")
        assert run(w) == {"a": "cached: unchanged since r3"}

    def test_so_does_what_was_not_there(self) -> None:
        w = self.outside()
        run(w, trace=True)
        w.disk.write("/data/none", b"")
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/none"}

    def test_without_what_was_seen_it_cannot_be_told(self) -> None:
        w = self.outside()
        first = w.execute(w.prepare(trace=True))
        assert first.steps[0].trace is not None
        del w.objects.contents[first.steps[0].trace.observation]
        assert run(w) == {"a": "succeeded: not traced yet"}

    def test_where_it_can_be_watched_no_longer_nothing_is_used_again(self) -> None:
        w = self.outside()
        run(w, trace=True)
        w.disk.write("/data/x.csv", b"2")
        w.watcher.unable = "strace is missing"
        again = w.execute(w.prepare())
        assert not again.steps[0].reusable
        assert warnings(w.reporter) == [
            (
                "a: its undeclared inputs cannot be watched (strace is missing), so its results "
                "are not used again",
                "install it",
            )
        ]
        assert run(w)["a"].startswith("succeeded")

    def test_a_declared_input_that_is_not_read_is_named(self) -> None:
        def program(process: Process) -> None:
            process.is_seen(Accesses(present=("a.py",)))

        w = world(program)
        done = w.execute(w.prepare(trace=True))
        assert warnings(w.reporter) == [("a: it does not read its declared input data.csv", None)]
        assert done.steps[0].trace is not None
        assert done.steps[0].trace.unused == ("data.csv",)


class TestSilentStaleness:
    """What a trace has learned is not forgotten."""

    def outside(self, text: bytes = b"1") -> World:
        w = world(sees(inside=("/data/x.csv", "a.py")))
        w.disk.write("/data/x.csv", text)
        return w

    def test_an_older_result_that_was_not_traced_does_not_win(self) -> None:
        w = self.outside()
        run(w)
        run(w, trace=True)
        w.disk.write("/data/x.csv", b"2")
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/x.csv"}
        w.disk.write("/data/x.csv", b"3")
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/x.csv"}

    def test_nor_does_one_that_an_audit_refuted(self) -> None:
        w = self.outside()
        run(w)
        w.disk.write("/data/x.csv", b"2")
        w.execute(w.prepare(audit=Audit(share=1.0, seed=1)))
        w.disk.write("/data/x.csv", b"3")
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/x.csv"}

    def test_what_was_absent_is_watched_when_it_is_there(self) -> None:
        w = world(sees(absent=("/data/flag",)))
        run(w, trace=True)
        w.disk.write("/data/flag", b"1")
        w.programs["a"] = both(sees(inside=("/data/flag", "a.py")), writes(out_txt="x"))
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/flag"}
        w.disk.write("/data/flag", b"2")
        assert run(w) == {"a": "succeeded: undeclared input changed: /data/flag"}

    def test_where_an_interpreter_looks_for_itself_is_no_input(self) -> None:
        w = world(sees(absent=("/opt/lib/python311.zip", "/opt/pyvenv.cfg")))
        done = w.execute(w.prepare(trace=True))
        assert done.steps[0].trace is not None
        assert done.steps[0].trace.outside == 0

    def test_a_file_that_was_refused_was_looked_at(self) -> None:
        def refused(process: Process) -> None:
            place = f"{process.project}/run.sh"
            process.is_seen(Accesses(present=("a.py", "data.csv"), denied=(Denial(place, "read"),)))

        w = world(refused)
        w.source["run.sh"] = FakeFile(b"1")
        run(w, trace=True)
        w.source["run.sh"] = FakeFile(b"1", "100755")
        assert run(w) == {"a": "succeeded: source: run.sh"}

    def test_the_network_of_a_result_must_be_that_of_the_step(self) -> None:
        w = world(sees(), ONE + "            network: false\n")
        run(w)
        w.yaml = ONE
        assert run(w) == {"a": "succeeded: network: False → True"}
        assert run(w, hermetic=True) == {"a": "succeeded: not hermetic yet"}
        assert run(w) == {"a": "cached: unchanged since r3"}


class TestHermetic:
    def test_the_step_is_confined(self) -> None:
        w = world(sees())
        run(w, hermetic=True)
        confinement = w.executor.started[0].confinement
        assert confinement.readable is not None
        assert {"/usr", "/env"} <= set(confinement.readable)
        assert not confinement.network
        assert w.executor.started[0].trace is not None

    def test_the_home_of_the_caller_is_not_its_home(self) -> None:
        w = world(sees())
        w.caller["HOME"] = "/home/user"
        run(w, hermetic=True)
        variables = w.executor.started[0].variables
        assert variables["HOME"] == variables["TMPDIR"]
        w.yaml = ONE + "            env: {HOME: /mine}\n"
        run(w, hermetic=True)
        assert w.executor.started[0].variables["HOME"] == "/mine"

    def test_the_network_is_there_when_it_is_declared(self) -> None:
        w = world(sees(), ONE + "            network: true\n")
        run(w, hermetic=True)
        assert w.executor.started[0].confinement.network

    def test_it_can_be_taken_from_any_step(self) -> None:
        w = world(sees(), ONE + "            network: false\n")
        run(w)
        assert w.executor.started[0].confinement == Confinement(network=False)
        assert w.watcher.checked == [(Confinement(network=False), False)]

    def test_what_was_denied_fails_the_step_though_it_succeeded(self) -> None:
        w = world(sees(denied=(Denial("/data/x.csv", "read"),)))
        done = w.execute(w.prepare(hermetic=True))
        step = done.steps[0]
        assert (done.status, done.exit_code, step.status) == ("failed", 8, "failed")
        assert step.error == "it reads /data/x.csv, which it does not declare"
        assert step.denied == (step.error,)
        assert step.hint is not None
        assert step.hint.startswith("add to runproj.yaml: parameters: {x: ")

    def test_a_step_that_failed_of_it_says_both(self) -> None:
        w = world(both(sees(denied=(Denial("1.2.3.4:80", "network"),)), fails(code=3)))
        w.programs["a"] = both(sees(denied=(Denial("1.2.3.4:80", "network"),)), fails(code=3))
        done = w.execute(w.prepare(hermetic=True))
        assert done.steps[0].error == "it uses the network: 1.2.3.4:80; it ended with exit code 3"
        assert done.exit_code == 8

    def test_what_was_only_looked_at_outside_is_no_less_undeclared(self) -> None:
        w = world(sees(inside=("/data/x.csv",), listed=("/data",)))
        w.disk.write("/data/x.csv", b"1")
        done = w.execute(w.prepare(hermetic=True))
        assert done.steps[0].denied == (
            "it lists /data/, which it does not declare",
            "it reads /data/x.csv, which it does not declare",
        )

    def test_one_that_was_not_hermetic_does_not_serve(self) -> None:
        w = world(sees())
        run(w, trace=True)
        assert run(w, hermetic=True) == {"a": "succeeded: not hermetic yet"}
        assert run(w, trace=True) == {"a": "cached: unchanged since r2"}

    def test_what_could_not_be_seen_in_full_is_not_hermetic(self) -> None:
        w = world(sees(gap="the tracer lost sight of a process"))
        done = w.execute(w.prepare(hermetic=True))
        assert done.exit_code == 8
        assert done.steps[0].error == (
            "what it did is not known in full: the tracer lost sight of a process"
        )
        w.programs["a"] = both(sees(gap="the tracer lost sight of a process"), fails())
        assert w.execute(w.prepare(hermetic=True)).exit_code == 1

    def test_what_cannot_be_forbidden_is_refused_before_anything_is_done(self) -> None:
        w = world(sees())
        w.watcher.unable = "the kernel has no Landlock"
        with pytest.raises(Refused, match="no Landlock"):
            w.execute(w.prepare(hermetic=True))
        assert w.runs.journals == {}

    def test_a_step_that_could_not_be_started_was_not_observed(self) -> None:
        w = world(sees())
        w.programs["a"] = lambda _: Outcome(start_error="command not found: python")
        done = w.execute(w.prepare(hermetic=True))
        assert done.steps[0].trace is None
        assert done.exit_code == 1


STEP = PlannedStep(
    name="a", argv=("a",), environment="default",
    inputs=(PlannedInput(path="inputs/y/z", kind="file", origin="/data/z"),),
)  # fmt: skip
SHM = f"{SHARED_MEMORY}/x"
AROUND = Surroundings("/w/1", "/w/1/sub", "/w/1.tmp", ("/env",), "/home/me/project")


def outside_of(accesses: Accesses) -> dict[str, str | None]:
    return dict(observation(accesses, AROUND, SeenSource({}), lambda _: "1").outside)


def test_what_belongs_to_the_step_and_the_machine_is_not_outside() -> None:
    known = ("/w/1/x", "/w/1.tmp/y", "/env/lib", "/usr/lib/x", "/etc/passwd", "/dev/null")
    assert outside_of(Accesses(present=known, listed=known)) == {}
    assert outside_of(Accesses(present=(SHM, "/usr2/x"))) == {
        SHM: "1", "/usr2/x": "1",
    }  # fmt: skip


def test_folders_outside_count_when_they_were_listed() -> None:
    seen = observation(
        Accesses(present=("/data",), listed=("/data", "/gone")), AROUND, SeenSource({}),
        lambda path: "1" if path == "/data/" else None,
    )  # fmt: skip
    assert seen.outside == {"/data/": "1"}


def test_a_folder_that_was_looked_for_counts_unless_it_is_around_the_step() -> None:
    accesses = Accesses(present=("/flag", "/w", "/w/1", "/"))
    seen = observation(accesses, AROUND, SeenSource({}), lambda _: "folder")
    assert seen.outside == {"/flag": "folder"}
    assert seen.undeclared == ()


def test_paths_are_relative_to_the_project_folder() -> None:
    accesses = Accesses(present=("/w/1/sub/a.py", "/w/1/lib/b.py"), listed=("/w/1/sub",))
    seen = observation(accesses, AROUND, SeenSource({}), lambda _: None)
    assert (seen.paths, seen.listings) == (("../lib/b.py", "a.py"), (".",))


@pytest.mark.parametrize(
    ("denial", "counts"),
    [
        (Denial("/data/x", "read"), True), (Denial("/etc/shadow", "read"), False),
        (Denial(SHM, "read"), False), (Denial("/usr/lib/x.txt", "write"), True),
        (Denial("/w/1/sub/x", "write"), False), (Denial("/proc/self/task/7/comm", "write"), False),
        (Denial("/usr/lib/__pycache__/x.pyc", "write"), False),
        (Denial("/var/cache/fontconfig/x", "write"), False),
        (Denial("1.2.3.4:53", "network"), True), (Denial("/run/x.sock", "socket"), True),
        (Denial("/w/1.tmp/x.sock", "socket"), False),
    ],
)  # fmt: skip
def test_which_denials_count(denial: Denial, *, counts: bool) -> None:
    accesses = Accesses(denied=(denial,))
    seen = observation(accesses, AROUND, SeenSource({}), lambda _: None)
    assert bool(violations(accesses, seen, AROUND, network=False)) is counts


@pytest.mark.parametrize("denial", [Denial("1.2.3.4:53", "network"), Denial("/run/x", "socket")])
def test_with_a_network_talking_is_allowed(denial: Denial) -> None:
    accesses = Accesses(denied=(denial,))
    seen = observation(accesses, AROUND, SeenSource({}), lambda _: None)
    assert violations(accesses, seen, AROUND, network=True) == []


@pytest.mark.parametrize(
    ("denial", "said", "line"),
    [
        (Denial("/data/my wine.csv", "read"), "it reads /data/my wine.csv, which it does not",
         "parameters: {my_wine: {type: path, default: /data/my wine.csv}}, put {my_wine}"),
        (Denial("/data/2024.csv", "read"), "it reads", "parameters: {data_2024: "),
        (Denial("/data/z", "read"), "it reads", "stands at inputs/y/z in the workspace"),
        (Denial("/home/me/project/x/y.csv", "read"), "it reads", "inputs: [x/y.csv], and read it"),
        (Denial("/data/", "read"), "it lists /data/", "parameters: {data: "),
        (Denial("/srv/out.txt", "write"), "it writes /srv/out.txt, outside of its workspace",
         "declared in runproj.yaml: outputs: [out.txt]; what is temporary"),
        (Denial("/run/x.sock", "socket"), "it talks to the service at /run/x.sock",
         "network: true"),
        (Denial("1.2.3.4:80", "network"), "it uses the network: 1.2.3.4:80", "network: true"),
    ],
)  # fmt: skip
def test_what_is_said_and_what_mends_it(denial: Denial, said: str, line: str) -> None:
    assert words(denial).startswith(said)
    assert line in line_to_add(denial, STEP, "runproj.yaml", "/home/me/project")


def test_of_many_some_are_named() -> None:
    many = [Denial(f"/data/{number}", "read") for number in range(8)]
    assert shown(many[:2]).endswith("which it does not declare (and /data/1)")
    assert shown(many).endswith("(and /data/1, /data/2, /data/3, /data/4, /data/5 and 2 more)")


def test_a_failed_step_is_told_with_what_was_seen() -> None:
    w = world(sees())
    w.programs["a"] = both(sees(inside=("/data/x",)), fails())
    w.disk.write("/data/x", b"")
    done = w.execute(w.prepare(trace=True))
    assert statuses(done) == {"a": "failed"}
    assert done.steps[0].trace is not None
    assert done.steps[0].trace.undeclared == ("/data/x",)
