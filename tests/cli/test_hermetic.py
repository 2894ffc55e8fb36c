"""``--hermetic``: a step that reads or writes what it does not declare fails, and says what."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.cli.commandline import Computer, Files, Project, digests

from runproj.adapters.executors import confinement

MakeProject = Callable[[Files], Project]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None or confinement.landlock_version() < 3,
    reason="needs strace and Landlock",
)


@pytest.fixture(autouse=True)
def plain_python(computer: Computer) -> None:
    """Let no virtual environment stand on PATH: these tests' own reads their sources."""
    folders = os.environ["PATH"].split(os.pathsep)
    kept = [one for one in folders if not os.path.exists(Path(one, "..", "pyvenv.cfg"))]  # noqa: PTH110 -- pathlib raises where one may not look
    computer.variables["PATH"] = os.pathsep.join(kept)


def steps(*lines: str, more: str = "") -> str:
    """Return a project file with steps, one a line."""
    shown = "".join(f"      {line}\n" for line in lines)
    return f"runproj: 1\nname: closed\nentry_points:\n  main:\n    steps:\n{shown}{more}"


def one(script: str, more: str = "", **files: str) -> dict[str, str]:
    """Return a project of one step, which swallows all errors of its script."""
    step = f"one: {{command: sh step.sh, outputs: [out]{more}}}"
    text = f"( {script} ) 2>/dev/null || :\necho done > out\n"
    return {"runproj.yaml": steps(step), "step.sh": text, "data/a": "a\n", **files}


def python(script: str, more: str = "") -> dict[str, str]:
    """Return the same of a Python script."""
    step = f"one: {{command: python3 step.py, outputs: [out]{more}}}"
    return {"runproj.yaml": steps(step), "step.py": f"open('out', 'w').close()\n{script}"}


QUIET: Mapping[str, dict[str, str]] = {
    "reading what is declared": one("cat data/a"),
    "temporary files": one('echo x > "$TMPDIR/t"; mv "$TMPDIR/t" t; cat t; mkdir d; rm -r d t'),
    "the system": one("cat /etc/passwd /proc/cpuinfo; ls /usr; id; date; echo x > /dev/null"),
    "what is not there": one("cat /nowhere/x; test -e /nowhere; ls ~/none"),
    "processes": python(
        "import multiprocessing as m\n"
        "if __name__ == '__main__':\n"
        "    with m.get_context('spawn').Pool(2) as pool: assert pool.map(abs, [-1]) == [1]\n"
        "    from multiprocessing import shared_memory as s\n"
        "    x = s.SharedMemory(create=True, size=10); x.close(); x.unlink()\n"
    ),
    "sockets of its own": python(
        "import socket\none, other = socket.socketpair(); one.send(b'x'); other.recv(1)\n"
        "s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen()\n"
        "socket.socket(socket.AF_UNIX).connect('s'); import os; os.unlink('s')\n"
    ),
    "modules": python("import json, sqlite3, ctypes.util, subprocess, tempfile, uuid, getpass\n"),
}


@pytest.mark.parametrize("name", QUIET)
def test_a_step_that_keeps_to_itself_succeeds(project: MakeProject, name: str) -> None:
    closed = project(QUIET[name])
    done = closed.run("run", ".", "--hermetic", "--json").ok()
    assert done.steps() == {"one": "succeeded"}


READS: Mapping[str, str] = {
    "by name": "cat {hidden}",
    "its size": "stat {hidden}",
    "as a script": "sh {hidden}",
    "by a link that is removed": "ln -s {hidden} l; cat l; rm l",
    "by a folder that is a link": "ln -s {folder} l; test -s l/hidden.csv; rm l",
    "by the root of the process": "cat /proc/self/root{hidden}",
    "by the folder of the process": "cd {folder}; cat hidden.csv",
    "as a hard link": "ln {hidden} l",
    "in the background": "(sleep 0.1; cat {hidden}) & wait",
    "after it lost its parent": "setsid sh -c 'sleep 0.1; cat {hidden}' & :",
    "without variables": "env -i /bin/cat {hidden}",
}


@pytest.mark.parametrize("name", READS)
def test_a_hidden_input_fails_the_step_that_swallows_the_denial(
    project: MakeProject, tmp_path: Path, name: str
) -> None:
    hidden = tmp_path / "elsewhere/hidden.csv"
    hidden.parent.mkdir()
    hidden.write_text("1\n")
    closed = project(one(READS[name].format(hidden=hidden, folder=hidden.parent)))
    done = closed.run("run", ".", "--hermetic").ok(8)
    assert f"it reads {hidden}, which it does not declare" in done.err
    assert f"parameters: {{hidden: {{type: path, default: {hidden}}}}}" in done.err
    assert closed.run("show", "latest", "--json").ok().steps() == {"one": "failed"}


def test_a_folder_whose_names_are_read_is_a_hidden_input(
    project: MakeProject, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = project(one(f"ls {tmp_path}/elsewhere")).run("run", ".", "--hermetic").ok(8)
    assert f"{tmp_path}/elsewhere" in done.err


@pytest.mark.parametrize(
    "script",
    [
        "echo x > {folder}/new", "echo x >> {folder}/file", "rm {folder}/file",
        "mkdir {folder}/d", "ln -s x {folder}/l", "mv {folder}/file .", "touch {folder}/file",
        "chmod 777 {folder}", "mv data/a {folder}/a",
    ],
)  # fmt: skip
def test_a_write_outside_of_the_workspace_fails_the_step(
    project: MakeProject, tmp_path: Path, script: str
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "file").write_text("here\n")
    done = project(one(script.format(folder=folder))).run("run", ".", "--hermetic").ok(8)
    assert f"{folder}" in done.err
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == "here\n"


NETWORK: Mapping[str, str] = {
    "UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    "TCP": "socket.create_connection(('192.0.2.1', 80), 1)",
    "IPv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "DNS": "socket.getaddrinfo('example.org', 80)",
    "a virtual machine's socket": "socket.socket(40, socket.SOCK_STREAM).connect((2, 9))",
}


@pytest.mark.parametrize("name", NETWORK)
def test_the_network_fails_the_step_that_swallows_the_denial(
    project: MakeProject, name: str
) -> None:
    script = f"import socket\ntry: {NETWORK[name]}\nexcept OSError: pass\n"
    done = project(python(script)).run("run", ".", "--hermetic").ok(8)
    assert "it uses the network" in done.err
    assert "add to the step 'one' in runproj.yaml: network: true" in done.err


def connecting(port: int) -> str:
    return f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)\n"


def test_a_step_that_declares_the_network_has_it(project: MakeProject) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        script = connecting(server.getsockname()[1])
        project(python(script, ", network: true")).run("run", ".", "--hermetic").ok()


def test_a_step_without_a_network_need_not_be_hermetic(project: MakeProject) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        script = connecting(server.getsockname()[1])
        closed = project(python(script, ", network: false"))
        closed.run("run", ".").ok(1)
        closed.write(python(script))
        closed.run("run", ".").ok()


def test_a_service_of_the_machine_fails_the_step(project: MakeProject, tmp_path: Path) -> None:
    where = tmp_path / "service"
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        try:
            os.chdir(tmp_path)  # a socket's path must be short
            server.bind("service")
        finally:
            os.chdir(here)
        server.listen()
        script = (
            f"import socket, os\nos.chdir({str(tmp_path)!r})\n"
            "try: socket.socket(socket.AF_UNIX).connect('service')\nexcept OSError: pass\n"
        )
        done = project(python(script)).run("run", ".", "--hermetic").ok(8)
    assert f"it talks to the service at {where}" in done.err


def test_a_file_of_the_project_that_is_not_given_is_missing(
    project: MakeProject,
) -> None:
    """By default too: the workspace has what is declared and nothing else."""
    files = one("true", ", sources: [step.sh]", other="x\n")
    closed = project({**files, "step.sh": "cat other > out\n"})
    assert "other" in closed.run("run", ".").ok(1).err


def test_what_was_not_hermetic_is_executed_again(project: MakeProject) -> None:
    closed = project(one("cat data/a"))
    closed.run("run", ".").ok()
    assert closed.run("run", ".", "--json").ok().steps() == {"one": "cached"}
    first = closed.run("run", ".", "--hermetic", "--json").ok()
    assert first.steps() == {"one": "succeeded"}
    assert first.step("one")["reason"] == "not hermetic yet"
    assert closed.run("run", ".", "--hermetic", "--json").ok().steps() == {"one": "cached"}
    assert closed.run("run", ".", "--json").ok().steps() == {"one": "cached"}


def test_the_project_file_can_ask_for_it(project: MakeProject, tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("1\n")
    closed = project(one(f"cat {tmp_path}/hidden", ", hermetic: true"))
    assert f"it reads {tmp_path}/hidden" in closed.run("run", ".").ok(8).err


def test_the_line_that_is_proposed_mends_it(project: MakeProject, tmp_path: Path) -> None:
    (tmp_path / "hidden.csv").write_text("1\n")
    closed = project(one(f"cat {tmp_path}/hidden.csv"))
    closed.run("run", ".", "--hermetic").ok(8)
    text = steps(
        "one: {command: 'cat {hidden} > out', outputs: [out]}",
        more=f"parameters: {{hidden: {{type: path, default: {tmp_path}/hidden.csv}}}}\n",
    )
    closed.write({"runproj.yaml": text})
    closed.run("run", ".", "--hermetic").ok()
    (tmp_path / "hidden.csv").write_text("2\n")
    done = closed.run("run", ".", "--hermetic", "--json").ok()
    assert done.steps() == {"one": "succeeded"}


def test_a_hermetic_run_can_be_done_again_and_verified(project: MakeProject) -> None:
    closed = project(one("cat data/a"))
    closed.run("run", ".", "--hermetic").ok()
    again = closed.run("rerun", "latest", "--json").ok()
    assert again.steps() == {"one": "succeeded"}
    assert "identical" in closed.run("verify", "latest").ok().out


def test_a_repository_stays_as_it_is(computer: Computer) -> None:
    closed = computer.project(one("cat data/a; echo x > data/a"), git=True)
    before = digests(closed.folder)
    closed.run("run", ".", "--hermetic")
    assert digests(closed.folder) == before
    assert closed.git("status", "--porcelain") == ""


def test_a_machine_that_cannot_confine_is_said_before_anything_is_done(
    project: MakeProject, tmp_path: Path
) -> None:
    """It pretends nothing: without strace a denial that is swallowed would be missed."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "sh", "cat"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    closed = project(one("cat data/a"))
    done = closed.run("run", ".", "--hermetic", env={"PATH": str(programs)}).ok(8)
    assert "strace is missing" in done.err


def test_a_step_in_an_environment_of_its_own_is_confined(
    computer: Computer, tmp_path: Path
) -> None:
    (tmp_path / "hidden").write_text("1\n")
    quiet = python("import json, sqlite3, ssl, ctypes.util, email, unittest\n")
    text = quiet["runproj.yaml"].replace("python3", "python")
    text += "environments: {default: {kind: venv}}\n"
    closed = computer.project({**quiet, "runproj.yaml": text})
    closed.run("run", ".", "--hermetic").ok()
    closed.write({"step.py": f"open('out', 'w').close()\nopen('{tmp_path}/hidden').read()\n"})
    assert f"it reads {tmp_path}/hidden" in closed.run("run", ".", "--hermetic").ok(8).err
