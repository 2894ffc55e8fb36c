"""What the kernel forbids a confined process, as root and as an ordinary user."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from runproj.adapters.executors import confinement
from runproj.adapters.executors.watching import LocalWatcher
from runproj.ports import Confinement

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or confinement.landlock_version() < 3, reason="needs Landlock"
)
ROOT = os.geteuid() == 0
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc", "/proc", "/sys")
START = """\
import os, runpy, sys
confine = runpy.run_path(sys.argv[1])["confine"]
readable = [os.fsencode(path) for path in sys.argv[4].split(":")]
writable = [os.fsencode(path) for path in sys.argv[5].split(":")]
confine(readable if sys.argv[3] == "files" else None, writable, sys.argv[2])
os.execv(sys.argv[6], sys.argv[6:])
"""


def interpreter() -> str | None:
    """Return a Python that every user of the machine can run."""
    system = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
    return system and str(Path(system).resolve())


class Place(NamedTuple):
    """A folder of the process, and one beside it; what starts the process."""

    own: Path
    outside: Path
    prefix: tuple[str, ...]
    python: str

    def run(
        self, script: str, *, means: str = "", files: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a Python script under limits; no exception of it is swallowed."""
        about = [str(self.own.parent / "confinement.py"), means, "files" if files else "all"]
        places = [":".join(SYSTEM), f"{self.own}:/dev/null"]
        code = f"import ctypes, os, socket, subprocess\nout = {str(self.outside)!r}\n{script}"
        return subprocess.run(
            [*self.prefix, self.python, "-I", "-S", "-c", START, *about, *places,
             self.python, "-I", "-S", "-c", code],
            cwd=self.own, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip


@pytest.fixture(params=["self", "nobody"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    python = interpreter()
    if python is None:
        pytest.skip("needs a Python of the system")
    prefix = NOBODY if request.param == "nobody" else ()
    if prefix and (not ROOT or shutil.which("setpriv") is None):
        pytest.skip("needs root and setpriv")
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to others
        folder = Path(name).resolve()
        folder.chmod(0o755)
        shutil.copy(confinement.__file__, folder / "confinement.py")
        own, outside = folder / "own", folder / "outside"
        own.mkdir()
        (outside / "sub").mkdir(parents=True)
        (own / "mine").write_text("mine")
        for file in (outside / "file", outside / "sub/file"):
            file.write_text("hidden")
        (outside / "program").write_text("#!/bin/sh\necho hidden\n")
        (outside / "program").chmod(0o755)
        (own / "link").symlink_to(outside / "file")
        if prefix:
            for one in (own, outside, *own.rglob("*"), *outside.rglob("*")):
                shutil.chown(one, "nobody", "nogroup") if not one.is_symlink() else None
        yield Place(own, outside, prefix, python)


ALLOWED = [
    "open('mine').read()",
    "open('new', 'w').write('x'); os.rename('new', 'newer'); os.unlink('newer')",
    "os.mkdir('d'); open('d/x', 'w').close(); os.rename('d/x', 'x'); os.symlink('x', 'y')",
    "open('/etc/passwd').read(); os.listdir('/usr')",
    "open('/dev/null', 'r+').close()",
    "subprocess.run(['/bin/sh', '-c', 'cat mine'], check=True)",
    "os.stat(out + '/file')",  # which no kernel forbids: it is observed instead
]
DENIED = [
    "open(out + '/file').read()",
    "os.listdir(out)",
    "open('link').read()",
    "open('/proc/self/root' + out + '/file').read()",
    "open('/proc/1/root' + out + '/file').read()",
    "os.chdir(out); open('file').read()",
    "fd = os.open(out + '/file', os.O_PATH); open(f'/proc/self/fd/{fd}').read()",
    "fd = os.open(out, os.O_PATH); os.open('file', os.O_RDONLY, dir_fd=fd)",
    "open(out + '/new', 'w')",
    "open(out + '/file', 'a')",
    "os.truncate(out + '/file', 0)",
    "os.unlink(out + '/file')",
    "os.mkdir(out + '/new')",
    "os.rmdir(out + '/sub')",
    "os.symlink('x', out + '/new')",
    "os.mkfifo(out + '/new')",
    "os.link(out + '/file', 'stolen')",
    "os.rename(out + '/file', 'stolen')",
    "os.rename('mine', out + '/new')",
    "os.link('mine', out + '/new')",
    "os.execv(out + '/program', ['program'])",
    "open('s', 'w').write('#!' + out + '/program'); os.chmod('s', 0o755); os.execv('./s', ['s'])",
    "open('/etc/new-file', 'w')",
    "s = socket.socket(socket.AF_UNIX); s.bind(out + '/socket')",
]


@pytest.mark.parametrize("script", ALLOWED)
def test_what_is_declared_can_be_used(place: Place, script: str) -> None:
    done = place.run(script)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", DENIED)
def test_what_is_not_declared_is_denied(place: Place, script: str) -> None:
    before = sorted(place.outside.rglob("*"))
    done = place.run(script)
    assert done.returncode != 0
    assert "PermissionError" in done.stderr or "Invalid cross-device link" in done.stderr
    assert sorted(place.outside.rglob("*")) == before
    assert (place.outside / "file").read_text() == "hidden"


def test_children_are_under_the_same_limits(place: Place) -> None:
    script = "raise SystemExit(subprocess.run(['/bin/cat', out + '/file'], env={}).returncode)"
    done = place.run(script)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_limits_cannot_be_left(place: Place) -> None:
    script = """
libc = ctypes.CDLL(None, use_errno=True)
assert libc.ptrace(16, os.getppid(), 0, 0) == -1, 'attached'
assert libc.mount(out.encode(), b'.', None, 4096, None) == -1, 'mounted'
libc.chroot(out.encode())
open('/file' if os.path.exists('/file') else out + '/file').read()
"""
    done = place.run(script)
    assert "PermissionError" in done.stderr, done.stderr


@pytest.fixture(params=[confinement.NAMESPACE, confinement.FILTER])
def means(request: pytest.FixtureRequest, place: Place) -> str:
    name = str(request.param)
    fault = place.run("", means=name, files=False)
    if fault.returncode != 0:
        pytest.skip(fault.stderr.strip().splitlines()[-1])
    return name


UNREACHABLE = [
    "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "socket.socket().connect(('192.0.2.1', 80))",
    "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "socket.getaddrinfo('example.org', 80)",
    "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).sendto(b'x', ('192.0.2.1', 0))",
    "libc = ctypes.CDLL(None); fd = os.open('/proc/1/ns/net', 0); assert libc.setns(fd, 0) == 0",
]


@pytest.mark.parametrize("script", UNREACHABLE)
def test_there_is_no_network(place: Place, means: str, script: str) -> None:
    assert place.run(script, means=means).returncode != 0


def test_a_service_on_this_machine_is_not_reached(place: Place, means: str) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        where = server.getsockname()
        assert place.run(f"socket.socket().connect({where!r})", means=means).returncode != 0


def test_sockets_of_this_machine_still_work(place: Place, means: str) -> None:
    script = """
one, other = socket.socketpair()
one.send(b'x')
assert other.recv(1) == b'x'
server = socket.socket(socket.AF_UNIX)
server.bind('socket')
server.listen()
socket.socket(socket.AF_UNIX).connect('socket')
"""
    done = place.run(script, means=means)
    assert done.returncode == 0, done.stderr


def test_packets_leave_no_namespace(place: Place) -> None:
    if place.run("", means=confinement.NAMESPACE, files=False).returncode != 0:
        pytest.skip("no network namespace here")
    script = "print([name for _, name in socket.if_nameindex()])"
    assert "eth" not in place.run(script, means=confinement.NAMESPACE).stdout


def test_processes_in_a_namespace_talk_to_each_other(place: Place) -> None:
    if place.run("", means=confinement.NAMESPACE, files=False).returncode != 0:
        pytest.skip("no network namespace here")
    script = """
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
socket.create_connection(server.getsockname())
"""
    done = place.run(script, means=confinement.NAMESPACE)
    assert done.returncode == 0, done.stderr


def test_abstract_sockets_of_others_are_out_of_reach_of_a_namespace(place: Place) -> None:
    if place.run("", means=confinement.NAMESPACE, files=False).returncode != 0:
        pytest.skip("no network namespace here")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        name = f"\0runproj-test-{os.getpid()}"
        server.bind(name)
        server.listen()
        script = f"socket.socket(socket.AF_UNIX).connect({name!r})"
        assert place.run(script, means=confinement.NAMESPACE).returncode != 0


def test_memory_of_system_v_is_not_shared(place: Place) -> None:
    if place.run("", means=confinement.NAMESPACE, files=False).returncode != 0:
        pytest.skip("no network namespace here")
    key = os.getpid()
    get = f"ctypes.CDLL(None).shmget({key}, 100, 0o1666)"  # IPC_CREAT
    script = f"assert {get} >= 0\nprint(len(open('/proc/sysvipc/shm').readlines()))"
    assert place.run(script, means=confinement.NAMESPACE).stdout == "2\n"
    assert str(key) not in Path("/proc/sysvipc/shm").read_text().split()


@pytest.mark.parametrize(
    "script",
    [
        "assert ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(200)) >= 0",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket(40, socket.SOCK_STREAM)",
        "os.execv('/bin/sh', ['sh', '-c', 'exec 3<>/dev/tcp/127.0.0.1/1'])",
    ],
)
def test_the_filter_lets_no_other_kind_of_socket_be(place: Place, script: str) -> None:
    assert place.run(script, means=confinement.FILTER).returncode != 0


def watcher() -> LocalWatcher:
    return LocalWatcher(lambda path: path)


def test_a_machine_that_can_do_it_is_not_refused() -> None:
    watcher().check(Confinement((), (), network=False), trace=shutil.which("strace") is not None)


ASK = """\
import os, sys
from runproj.adapters.executors.watching import LocalWatcher
from runproj.errors import Refused
from runproj.ports import Confinement
files = () if sys.argv[1] == "files" else None
try:
    LocalWatcher(str).check(Confinement(files, files, network=sys.argv[2] == "network"), trace=False)
except Refused as refused:
    sys.exit(f"{refused} ({refused.problems[0].hint})")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    ("faults", "wanted", "code", "words"),
    [
        ((), ("files", "none"), 0, ""),
        (("landlock_create_ruleset:error=EOPNOTSUPP",), ("files", "network"), 1, "has no Landlock"),
        (("landlock_restrict_self:error=EPERM",), ("files", "network"), 1, "not permitted"),
        (("unshare:error=EPERM",), ("files", "none"), 0, ""),
        (("unshare:error=EPERM", "prctl:error=EINVAL"), ("all", "none"), 1, "take the network"),
    ],
)
def test_a_machine_that_cannot_do_it_is_refused(
    faults: tuple[str, ...], wanted: tuple[str, str], code: int, words: str
) -> None:
    strace = ["strace", "-f", "-o", "/dev/null", *(f"--inject={fault}" for fault in faults)]
    done = subprocess.run(
        [*(strace if faults else ()), sys.executable, "-c", ASK, *wanted],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


def test_the_state_of_a_file_a_folder_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state: Callable[[str], str | None] = watcher().state
    file = tmp_path / "file"
    file.chmod(0o644)
    assert state(f"{file}") == f"{file} 644"
    file.chmod(0o755)
    assert state(f"{file}") == f"{file} 755"
    link = tmp_path / "link"
    for target, said in (
        ("file", f"{file} 755 by a link to file"), ("nothing", "None by a link to nothing"),
        (".", "folder by a link to ."),
    ):  # fmt: skip
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert state(f"{link}") == said
    link.unlink()
    file.chmod(0o644)
    assert state(f"{tmp_path}") == "folder"
    assert state(f"{tmp_path}/none") is None
    before = state(f"{tmp_path}/")
    (tmp_path / "other").touch()
    assert before != state(f"{tmp_path}/")
