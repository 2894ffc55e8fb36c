"""What the executor promises of containers beyond its port."""

import fcntl
import io
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commandline import until
from tests.containers import BUSYBOX, Engine

from runproj.adapters.executors.keeper import KEEPER, is_dead
from runproj.adapters.executors.local import LocalExecutor
from runproj.errors import RunprojError
from runproj.ports import Container, Execution, Stream, Volume
from runproj.record.outcome import Outcome

MEGABYTE = 1_000_000


class Bench:
    """Runs scripts in containers, and keeps what they print."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.containers = folder / "containers"
        self.executor = LocalExecutor(containers=str(self.containers), timeout_grace_s=0.5)
        self.printed: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}

    def listen(self, stream: Stream, chunk: bytes) -> None:
        self.printed[stream] += chunk

    def execution(self, script: str, name: str = "step", **more: object) -> Execution:
        container = Container(
            self.engine.busybox, (str(self.folder),), network="none", **more  # type: ignore[arg-type] # fields of it
        )  # fmt: skip
        return Execution(
            name, ("/bin/sh", "-c", script), str(self.folder), {"PATH": "/bin"}, self.listen,
            container=container,
        )  # fmt: skip

    def run(self, script: str, **more: object) -> Outcome:
        self.executor.start(self.execution(script, "step", **more))
        return self.executor.wait()[1]


@pytest.fixture
def bench(engine: Engine, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(engine, tmp_path)
    yield made
    made.executor.close()
    assert not list(made.containers.glob("*"))


def bare() -> bytes:
    """Return the root of an image that has one program, and no shell."""
    with io.BytesIO() as data:
        with tarfile.open(fileobj=data, mode="w") as archive:
            archive.add(BUSYBOX, "bin/busybox")
        return data.getvalue()


def test_running_out_of_memory_is_told_from_being_killed(bench: Bench) -> None:
    hungry = "x=x; while true; do x=$x$x$x$x; done"

    outcome = bench.run(hungry, memory=20 * MEGABYTE)

    assert (outcome.signal, outcome.out_of_memory) == ("SIGKILL", True)
    assert not bench.run("kill -KILL $$", memory=20 * MEGABYTE).out_of_memory


@pytest.mark.parametrize("code", [1, 77, 126, 127, 128, 255])
def test_an_exit_code_that_is_no_signal_stays_what_it_is(bench: Bench, code: int) -> None:
    outcome = bench.run(f"exit {code}")
    assert (outcome.exit_code, outcome.signal, outcome.start_error) == (code, None, None)


def test_a_program_that_may_not_be_executed_is_a_start_error(bench: Bench) -> None:
    (bench.folder / "plain").write_text("no program")
    execution = bench.execution("")._replace(argv=(str(bench.folder / "plain"),))
    bench.executor.start(execution)
    outcome = bench.executor.wait()[1]
    assert outcome.start_error == f"not executable: {bench.folder}/plain"
    assert bench.printed["stderr"] == b""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"directory": "/no/such"}, "directory missing: /no/such"),
        ({"stdin": "/no/such"}, "standard input: no such file or directory: /no/such"),
        ({"stdout": "/no/such"}, "standard output: permission denied|no such file"),
        ({"argv": ()}, "no command"),
    ],
)
def test_what_keeps_a_container_from_starting_is_said(
    bench: Bench, change: dict[str, object], said: str
) -> None:
    if change.get("stdout"):
        change = {"stdout": str(bench.folder / "no" / "such")}
    bench.executor.start(bench.execution("true")._replace(**change))  # type: ignore[arg-type] # fields of it
    error = bench.executor.wait()[1].start_error or ""
    assert any(one in error for one in said.split("|")), error


def test_an_image_that_is_not_there_is_a_start_error(bench: Bench) -> None:
    execution = bench.execution("true")
    gone = Container(
        f"sha256:{'0' * 64}", execution.container.folders if execution.container else ()
    )
    bench.executor.start(execution._replace(container=gone))
    assert bench.executor.wait()[1].start_error == "its image is not there any more"


def test_a_volume_that_is_not_there_is_a_start_error(bench: Bench) -> None:
    outcome = bench.run("true", volumes=(Volume("/no/such", "/data"),))
    assert "/no/such" in (outcome.start_error or "")


def test_much_output_comes_whole_and_in_its_streams(bench: Bench) -> None:
    lines = 20_000
    count = f"i=0; while [ $i -lt {lines} ]; do echo line $i; echo other $i >&2; i=$((i+1)); done"
    assert bench.run(count).succeeded
    assert bench.printed["stdout"].splitlines()[-1] == f"line {lines - 1}".encode()
    assert len(bench.printed["stdout"].splitlines()) == lines
    assert len(bench.printed["stderr"].splitlines()) == lines


def test_variables_do_not_show_in_any_command_line(bench: Bench) -> None:
    value = f"visible-to-nobody-{os.getpid()}"
    execution = bench.execution("sleep 1000")._replace(variables={"WORD": value, "PATH": "/bin"})
    bench.executor.start(execution)
    name = execution.name
    until(lambda: name in bench.engine.containers(), "the container is there")
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert value.encode() not in file.read_bytes()
        except OSError:
            continue


def test_processes_and_containers_run_side_by_side(bench: Bench) -> None:
    here = Execution("here", ("/bin/sh", "-c", "exit 3"), "/", {"PATH": "/bin"}, bench.listen)
    bench.executor.start(bench.execution("sleep 0.3; exit 4", name="there"))
    bench.executor.start(here)
    ended = [bench.executor.wait(), bench.executor.wait()]
    assert {name: outcome.exit_code for name, outcome in ended} == {"here": 3, "there": 4}


def test_the_containers_of_the_living_are_left_alone(bench: Bench, tmp_path: Path) -> None:
    name = f"neighbour-{os.getpid()}"
    bench.executor.start(bench.execution("sleep 1000", name=name))
    until(lambda: name in bench.engine.containers(), "the container is there")

    other = Bench(bench.engine, tmp_path)
    assert other.run("sleep 1").succeeded
    other.executor.close()

    assert name in bench.engine.containers()


def test_a_keeper_that_is_killed_is_an_error_and_its_containers_go_later(
    bench: Bench, tmp_path: Path
) -> None:
    name = f"left-{os.getpid()}"
    bench.executor.start(bench.execution("sleep 1000", name=name))
    until(lambda: name in bench.engine.containers(), "the container is there")
    bench.executor._links["keeper"].process.kill()

    with pytest.raises(RunprojError, match="the keeper of the containers was ended by SIGKILL"):
        bench.executor.wait()

    other = Bench(bench.engine, tmp_path)
    assert other.run("true").succeeded
    until(lambda: name not in bench.engine.containers(), "it is removed")
    other.executor.close()


def test_who_cannot_be_asked_may_live(tmp_path: Path) -> None:
    assert not is_dead(tmp_path / "not there")
    file = tmp_path / "held.lock"
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not is_dead(file)
    assert is_dead(file)


def test_a_foreign_container_is_not_touched(bench: Bench) -> None:
    client = bench.engine.client
    made = client.create_container(
        bench.engine.busybox, ["sh"], labels={KEEPER: "/on/another/machine.lock"}
    )
    try:
        assert bench.run("sleep 0.5").succeeded
        assert made["Id"] in {one["Id"] for one in client.containers(all=True)}
    finally:
        client.remove_container(made["Id"])


def test_an_engine_that_is_not_there_is_a_start_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    executor = LocalExecutor(containers=str(tmp_path))
    container = Container("x", (str(tmp_path),))
    executor.start(
        Execution("one", ("true",), str(tmp_path), {}, lambda *_: None, container=container)
    )
    error = executor.wait()[1].start_error or ""
    executor.close()
    assert error.startswith("the container engine does not answer")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_container_gets_no_more_cpu_than_it_may(bench: Bench) -> None:
    assert bench.run("cat /sys/fs/cgroup/cpu.max || true", cores=0.5).exit_code == 0
    said = bench.printed["stdout"].decode().split()
    assert not said or int(said[0]) * 2 == int(said[1])
    assert bench.run("true", cores=1000.0).exit_code == 0  # more than any machine has


def test_no_devices_are_asked_for_where_there_are_none_to_have(bench: Bench) -> None:
    assert bench.run("true", gpus="all", devices=()).exit_code == 0


def test_a_secret_reaches_a_container_and_the_engine_shows_it_nowhere(bench: Bench) -> None:
    secrets = {"TOKEN": 'it\'s "one"\n$secret', "OTHER": "x" * 100_000}
    script = 'printf %s "$TOKEN"; printf %s "$OTHER" | wc -c; pwd; ls -a; exec sleep 60'
    execution = bench.execution(script)._replace(secrets=secrets)
    bench.executor.start(execution)
    while b"100000" not in bench.printed["stdout"]:
        bench.executor.wait_for(0.05)
    client = bench.engine.client
    [one] = [
        each for each in client.containers(filters={"label": KEEPER})
        if each["Labels"][KEEPER].startswith(str(bench.containers))
    ]  # fmt: skip
    assert "xyzzy" not in repr(client.inspect_container(one["Id"]))
    assert not [file for file in bench.folder.iterdir() if file.name == ".secrets"]
    bench.executor.cancel()
    assert bench.printed["stdout"].startswith(b'it\'s "one"\n$secret100000\n')


def test_secrets_and_an_exit_code_go_through_the_shell_that_hands_them_over(bench: Bench) -> None:
    bench.executor.start(bench.execution('exit "$CODE"')._replace(secrets={"CODE": "7"}))
    assert bench.executor.wait()[1].exit_code == 7
    assert bench.printed["stderr"] == b""


def test_an_image_without_a_shell_cannot_have_secrets(bench: Bench) -> None:
    name = f"runproj-test-{os.getpid()}/bare:1"
    bench.engine.client.import_image_from_data(bare(), repository=name[:-2], tag="1")
    try:
        image = str(bench.engine.client.inspect_image(name)["Id"])
        execution = bench.execution("true")
        assert execution.container is not None
        wanted = execution._replace(
            argv=("/bin/busybox", "true"), secrets={"A": "b"},
            container=execution.container._replace(image=image),
        )  # fmt: skip
        bench.executor.start(wanted)
        outcome = bench.executor.wait()[1]
    finally:
        bench.engine.forget(name)
    assert outcome.start_error == "/bin/sh is not in its image, and hands secrets over"
