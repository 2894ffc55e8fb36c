"""What the tracer's log says: planted lines, and real programs under a real strace."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from runproj.adapters.executors import tracing
from runproj.errors import Refused
from runproj.ports import Accesses, Denial

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace is of Linux")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

Planted: TypeAlias = Callable[..., Accesses]
W = "/w/own"  # where the processes begin; it does not exist
E = "EACCES (Permission denied)"
N = "ENOENT (No such file or directory)"
OPEN = f"openat(AT_FDCWD<{W}>, "
END = "1 +++ exited with 0 +++"


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """Read lines as if the tracer had written them."""

    def read(*lines: str, directory: str = W) -> Accesses:
        log = tmp_path / "log"
        text = "".join(f"{line}\n" for line in lines)
        log.write_bytes(text.encode("utf-8", "surrogateescape"))
        return tracing.read(str(log), directory)

    return read


def test_what_is_opened_is_present_as_written_and_as_it_is(planted: Planted) -> None:
    seen = planted(f'1 {OPEN}"link/a", O_RDONLY|O_CLOEXEC) = 3<{W}/dir/a>', END)
    assert seen == Accesses(present=(f"{W}/link/a", f"{W}/dir/a"))


def test_what_is_not_found_is_absent(planted: Planted) -> None:
    seen = planted(f'1 {OPEN}"a", O_RDONLY) = -1 {N}', f'1 access("b/c", R_OK) = -1 {N}', END)
    assert seen == Accesses(absent=(f"{W}/a", f"{W}/b/c"))


def test_a_folder_whose_names_are_read_is_listed(planted: Planted) -> None:
    seen = planted(f"1 getdents64(3<{W}/d>, 0x55 /* 3 entries */, 32768) = 72", END)
    assert seen.listed == (f"{W}/d",)


@pytest.mark.parametrize("flags", ["O_WRONLY|O_CREAT|O_TRUNC", "O_RDWR|O_CREAT|O_EXCL"])
def test_what_the_processes_made_is_their_own(planted: Planted, flags: str) -> None:
    seen = planted(
        f'1 {OPEN}"new", {flags}, 0666) = 3<{W}/new>',
        f'1 {OPEN}"new", O_RDONLY) = 3<{W}/new>',
        '1 mkdir("d", 0777) = 0',
        f'1 {OPEN}"d/x", O_RDONLY) = 3<{W}/d/x>',
        f"1 getdents64(3<{W}/d>, 0x55 /* 3 entries */, 32768) = 72",
        END,
    )
    assert (seen.present, seen.listed) == ((), ())


def test_what_was_read_before_it_was_made_anew_was_read(planted: Planted) -> None:
    seen = planted(
        f'1 {OPEN}"count", O_RDONLY) = 3<{W}/count>',
        f'1 {OPEN}"count", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3<{W}/count>',
        END,
    )
    assert seen.present == (f"{W}/count",)


def test_what_is_appended_to_depends_on_what_was_there(planted: Planted, tmp_path: Path) -> None:
    own = str(tmp_path / "own")
    seen = planted(
        f'1 openat(AT_FDCWD<{own}>, "f", O_WRONLY|O_CREAT|O_APPEND, 0666) = 3<{own}/f>',
        f'1 openat(AT_FDCWD<{own}>, "/log", O_WRONLY|O_CREAT|O_APPEND, 0666) = 3</log>',
        END,
        directory=own,
    )
    assert seen.present == (f"{own}/f",)


def test_a_call_that_another_process_interrupts_is_put_together(planted: Planted) -> None:
    seen = planted(
        f'1 {OPEN}"a", O_RDONLY <unfinished ...>',
        f'2 {OPEN}"b", O_RDONLY) = -1 {N}',
        f"1 <... openat resumed>)             = 3<{W}/a>",
        "2 +++ killed by SIGKILL +++",
        END,
    )
    assert (seen.present, seen.absent, seen.gap) == ((f"{W}/a",), (f"{W}/b",), None)


def test_a_child_begins_in_the_folder_of_its_parent(planted: Planted) -> None:
    seen = planted(
        '1 chdir("d") = 0',
        "1 vfork( <unfinished ...>",
        f'2 access("a", R_OK) = -1 {N}',
        '2 chdir("/elsewhere") = 0',
        f'2 access("b", R_OK) = -1 {N}',
        "2 +++ exited with 0 +++",
        "1 <... vfork resumed>) = 2",
        f'1 access("c", R_OK) = -1 {N}',
        END,
    )
    assert seen.absent == (f"{W}/d/a", "/elsewhere/b", f"{W}/d/c")


def test_threads_share_the_folder_until_they_leave_it(planted: Planted) -> None:
    flags = "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD"
    seen = planted(
        f"1 clone3({{flags={flags}, exit_signal=0}} => {{parent_tid=[2]}}, 88) = 2",
        '2 chdir("d") = 0',
        f'1 access("a", R_OK) = -1 {N}',
        "2 unshare(CLONE_FS) = 0",
        '2 chdir("e") = 0',
        f'1 access("b", R_OK) = -1 {N}',
        "2 +++ exited with 0 +++",
        END,
    )
    assert seen.absent == (f"{W}/d/a", f"{W}/d/b")


def test_the_number_of_a_process_comes_again(planted: Planted) -> None:
    seen = planted(
        "1 vfork( <unfinished ...>",
        '2 chdir("/first") = 0',
        "2 +++ exited with 0 +++",
        "1 <... vfork resumed>) = 2",
        '1 chdir("d") = 0',
        "1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 2",
        '1 chdir("/later") = 0',
        f'2 access("a", R_OK) = -1 {N}',
        "2 +++ exited with 0 +++",
        END,
    )
    assert seen.absent == (f"{W}/d/a",)


def test_a_thread_that_executes_goes_on_as_its_process(planted: Planted) -> None:
    seen = planted(
        '1 chdir("d") = 0',
        "1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_THREAD}, 88) = 2",
        '2 execve("/bin/true", 0x1, 0x2 <pid changed to 1 ...>',
        "1 +++ superseded by execve in pid 2 +++",
        "1 <... execve resumed>) = -1 (errno 18446744073709551595)",
        f'1 access("a", R_OK) = -1 {N}',
        END,
    )
    assert (seen.absent, seen.gap) == ((f"{W}/d/a",), None)


def test_descriptors_of_folders_are_followed(planted: Planted) -> None:
    seen = planted(
        f'1 openat(5<{W}/d>, "a", O_RDONLY) = 3<{W}/d/a>',
        f"1 fchdir(5<{W}/e>) = 0",
        f'1 access("b", R_OK) = -1 {N}',
        '1 inotify_add_watch(3<anon_inode:inotify>, "c", IN_MODIFY) = 1',
        f'1 newfstatat(3<{W}/d/a>, "", 0x7ff, AT_EMPTY_PATH) = 0',
        END,
    )
    assert seen.present == (f"{W}/d/a", f"{W}/e/c")
    assert seen.absent == (f"{W}/e/b",)


def test_names_can_hold_anything(planted: Planted) -> None:
    odd = r"a) = 5\74b\76\"q"
    seen = planted(
        rf'1 openat(AT_FDCWD<{W}>, "a) = 5<b>\"q", O_RDONLY) = 3<{W}/{odd}>',
        rf'1 {OPEN}"x) = 3", O_RDONLY) = -1 {N}',
        rf'1 {OPEN}"\303\244\n\377", O_RDONLY) = 3<{W}/\303\244\n\377>',
        rf'1 {OPEN}"gone", O_RDONLY) = 3<{W}/gone>(deleted)',
        END,
    )
    assert seen.present == (f'{W}/a) = 5<b>"q', f"{W}/ä\n\\udcff", f"{W}/gone")
    assert seen.absent == (f"{W}/x) = 3",)


def test_links_are_followed_as_they_are(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a").touch()
    (tmp_path / "link").symlink_to("dir")
    seen = planted(
        '1 stat("link/a", 0x1) = 0',
        '1 lstat("link", 0x1) = 0',
        f'1 stat("link/b", 0x1) = -1 {N}',
        '1 stat("link/../dir/a", 0x1) = 0',
        END,
        directory=str(tmp_path),
    )
    assert seen.present == (f"{tmp_path}/link/a", f"{tmp_path}/dir/a", f"{tmp_path}/link")
    assert seen.absent == (f"{tmp_path}/link/b", f"{tmp_path}/dir/b")


def test_a_link_that_was_made_and_removed_is_followed(planted: Planted) -> None:
    seen = planted(
        '1 symlink("data", "s") = 0', '1 stat("s/a", 0x1) = 0',
        '1 rename("s", "t") = 0', '1 stat("t/b", 0x1) = 0', '1 unlink("t") = 0', END,
    )  # fmt: skip
    assert {f"{W}/data/a", f"{W}/data/b"} <= set(seen.present)


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/proc/self/root/data/x", "/data/x"),
        ("/proc/1/task/1/root/data/x", "/data/x"),
        ("/proc/self/cwd/x", f"{W}/x"),
        ("/proc/self/exe", "/proc/self/exe"),
    ],
)
def test_the_detours_of_proc_lead_nowhere_else(planted: Planted, path: str, real: str) -> None:
    assert planted(f'1 stat("{path}", 0x1) = 0', END).present == (real,)


def test_a_script_is_read_by_its_interpreter(planted: Planted, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#! ./tool -x\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    seen = planted(
        '1 execve("./script", 0x1, 0x2) = 0', f'1 execve("./script", 0x1, 0x2) = -1 {E}', END,
        directory=str(tmp_path),
    )  # fmt: skip
    assert {f"{tmp_path}/script", f"{tmp_path}/tool", "/bin/sh"} <= set(seen.present)
    assert Denial(f"{tmp_path}/tool", "read") in seen.denied


@pytest.mark.parametrize(
    ("line", "denial"),
    [
        (f'{OPEN}"/data/x", O_RDONLY) = -1 {E}', Denial("/data/x", "read")),
        (f'{OPEN}"/data/x", O_RDWR|O_CREAT, 0666) = -1 {E}', Denial("/data/x", "write")),
        (f'creat("/data/x", 0666) = -1 {E}', Denial("/data/x", "write")),
        (f'execve("/data/x", 0x1, 0x2) = -1 {E}', Denial("/data/x", "read")),
        (f'mkdir("/data/x", 0777) = -1 {E}', Denial("/data/x", "write")),
        (f'link("/data/x", "y") = -1 {E}', Denial("/data/x", "read")),
        (f'rename("/data/x", "y") = -1 {E}', Denial("/data/x", "write")),
        ('rename("y", "/data/x") = -1 EXDEV (Invalid cross-device link)',
         Denial("/data/x", "write")),
        ('chmod("/data/x", 0777) = 0', Denial("/data/x", "write")),
        ('utimensat(AT_FDCWD</w>, "/data/x", NULL, 0) = 0', Denial("/data/x", "write")),
        ('connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80), '
         'sin_addr=inet_addr("192.0.2.1")}, 16) = -1 ENETUNREACH (Network is unreachable)',
         Denial("192.0.2.1:80", "network")),
        ('sendto(3<socket:[1]>, "x", 1, 0, {sa_family=AF_INET6, sin6_port=htons(53), '
         'sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28)'
         " = 1", Denial("[::1]:53", "network")),
        (f"socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = -1 {E}",
         Denial("a socket (AF_INET)", "network")),
        ("socket(AF_VSOCK, SOCK_STREAM, 0) = 3<socket:[1]>",
         Denial("a socket (AF_VSOCK)", "network")),
        ('connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/run/x.sock"}, 110) = 0',
         Denial("/run/x.sock", "socket")),
        ('connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path=@"x"}, 110) = 0',
         Denial("@x", "socket")),
    ],
)  # fmt: skip
def test_what_is_denied_is_told(planted: Planted, line: str, denial: Denial) -> None:
    seen = planted(f"1 {line}", END)
    assert denial in seen.denied
    assert seen.gap is None


def test_a_denial_is_told_of_the_file_that_a_link_leads_to(
    planted: Planted, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/data/x")
    line = f'1 openat(AT_FDCWD<{tmp_path}>, "link", O_RDONLY) = -1 {E}'
    assert planted(line, END, directory=str(tmp_path)).denied == (Denial("/data/x", "read"),)


@pytest.mark.parametrize(
    "line",
    [
        f'{OPEN}"/e/__pycache__/a.cpython-311.pyc.1234", O_WRONLY|O_CREAT|O_EXCL, 0644) = -1 {E}',
        f'mkdir("/e/__pycache__", 0777) = -1 {E}',
        f'access("/data", W_OK) = -1 {E}',
        'connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = 0',
        f'connect(3<socket:[1]>, {{sa_family=AF_UNIX, sun_path="/run/x"}}, 110) = -1 {N}',
        "socket(AF_UNIX, SOCK_STREAM, 0) = 3<socket:[1]>",
        'chown("/data", 0, 0) = -1 EPERM (Operation not permitted)',
    ],
)  # fmt: skip
def test_what_harms_nobody_is_no_denial(planted: Planted, line: str) -> None:
    assert planted(f"1 {line}", END).denied == ()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["garbage"],
        ["\0\0\0\0" + f'1 {OPEN}"a", O_RDONLY) = 3<{W}/a>', END],
        [f'1 {OPEN}"a", O_RDONLY'],
        [f'1 {OPEN}"a", O_RDONLY) = 3<{W}/a>'],
        [f'1 {OPEN}"{"a" * 10}"..., O_RDONLY) = 3<{W}/a>', END],
        ["1 io_uring_setup(8, 0x1) = 3<anon_inode:[io_uring]>", END],
        ['1 mount("a", "b", "ext4", 0, NULL) = 0', END],
        ['1 chroot("/x") = 0', END],
        ["1 setns(3, CLONE_NEWNS) = 0", END],
        ["1 unshare(CLONE_NEWNS) = 0", END],
        ["1 open_by_handle_at(3, 0x1, O_RDONLY) = 4</x>", END],
        ["1 some_call_of_tomorrow(0x1) = 0", END],
        ["1 clone(child_stack=NULL, flags=CLONE_UNTRACED|SIGCHLD) = 2", END],
        ['1 rename("folder", "other") = 0', END],
        ['1 renameat2(3</a>, "x", 3</a>, "y", RENAME_EXCHANGE) = 0', END],
        ['1 stat("/proc/self/fd/5/x", 0x1) = 0', END],
        [f'1 {OPEN}"/proc/self/fd/5", O_RDONLY) = -1 {E}', END],
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_a_gap(planted: Planted, lines: list[str]) -> None:
    assert planted(*lines).gap is not None


@pytest.mark.parametrize(
    "line",
    [
        "io_uring_setup(8, 0x1) = -1 ENOSYS (Function not implemented)",
        "unshare(CLONE_FILES) = 0",
        'getcwd("/w/own", 4096) = 7',
        f"execve(0x7f, 0x1, 0x2) = -1 {N}",
        "--- SIGSEGV {si_signo=SIGSEGV} ---",
    ],
)
def test_what_leads_nowhere_is_no_gap(planted: Planted, line: str) -> None:
    assert planted(f'1 chdir("{W}") = 0', f"1 {line}", END).gap is None


def traced(folder: Path, *command: str) -> Accesses:
    """Run a program under the tracer."""
    log = folder.parent / "log"
    watched = tracing.traced(str(log), network=False, filtered=False)
    subprocess.run([*watched, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return tracing.read(str(log), str(folder))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "data/sub").mkdir(parents=True)
    for name in ("a", "data/b", "data/sub/c", "ä <\"'>\n"):
        (folder / name).write_text("text\n")
    (folder / "link").symlink_to("data")
    return folder.resolve()


PROGRAMS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "cat": (["cat", "a", "link/b"], ["a", "link/b", "data/b"], []),
    "shell": (["sh", "-c", "cd data; test -s b; cat < sub/c"], ["data/b", "data/sub/c"], []),
    "find": (["find", "data"], ["data", "data/sub"], ["data", "data/sub"]),
    "odd name": (["cat", "ä <\"'>\n"], ["ä <\"'>\n"], []),
    "python": (
        [sys.executable, "-c", "import os; os.stat('a'); os.listdir('link'); open('data/b')"],
        ["a", "data/b", "link"],
        ["data"],
    ),
    "thread": (
        [
            sys.executable, "-c",
            "import os, threading\n"
            "t = threading.Thread(target=lambda: os.chdir('data'))\n"
            "t.start(); t.join(); os.stat('b'); os.chdir('sub'); os.access('c', os.R_OK)",
        ],
        ["data/b", "data/sub/c"],
        [],
    ),
    "a thread becomes another program": (
        [
            sys.executable, "-c",
            "import os, threading\nos.chdir('data')\n"
            "t = threading.Thread(target=lambda: os.execv('/bin/cat', ['cat', 'b']))\n"
            "t.start(); t.join()",
        ],
        ["data/b"],
        [],
    ),
    "spawned": (
        [
            sys.executable, "-c",
            "import os\nos.chdir('data')\n"
            "os.posix_spawn('/bin/sh', ['sh', '-c', 'test -r sub/c'], {})\nos.wait()",
        ],
        ["data/sub/c"],
        [],
    ),
    "many processes": (
        [
            "sh", "-c",
            "i=0; while [ $i -lt 60 ]; do (cd data; test -r b; /bin/true) & i=$((i+1)); done; wait",
        ],
        ["data/b"],
        [],
    ),
}  # fmt: skip


@needs_strace
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_real_programs_read_is_seen(own: Path, name: str) -> None:
    command, present, listed = PROGRAMS[name]
    seen = traced(own, *command)
    assert seen.gap is None
    assert {f"{own}/{path}" for path in present} <= set(seen.present)
    assert {f"{own}/{path}" for path in listed} <= set(seen.listed)


@needs_strace
def test_a_program_that_is_linked_statically_is_seen(own: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a compiler")
    (own / "a.c").write_text(
        '#include <fcntl.h>\n#include <sys/stat.h>\nint main(void)'
        '{struct stat s; return open("a", O_RDONLY) < 0 || stat("data/b", &s);}\n'
    )  # fmt: skip
    made = subprocess.run([compiler, "-static", "-o", "a.out", "a.c"], cwd=own, check=False)
    if made.returncode != 0:
        pytest.skip("needs a static C library")
    seen = traced(own, "./a.out")
    assert {f"{own}/a.out", f"{own}/a", f"{own}/data/b"} <= set(seen.present)


@needs_strace
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_what_make_reads_and_makes_is_told_apart(own: Path) -> None:
    (own / "Makefile").write_text("out: a data/b\n\tcat a data/b > out\n")
    seen = traced(own, "make")
    assert {f"{own}/Makefile", f"{own}/a", f"{own}/data/b"} <= set(seen.present)
    assert f"{own}/out" not in seen.present
    assert f"{own}/out" in seen.absent


@needs_strace
def test_a_traced_program_does_without_io_uring(own: Path) -> None:
    script = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "assert libc.syscall(425, 8, ctypes.create_string_buffer(200)) == -1\n"
        "assert ctypes.get_errno() == 38, ctypes.get_errno()\n"
    )
    assert traced(own, sys.executable, "-c", script).gap is None


@needs_strace
def test_what_a_step_makes_for_itself_is_no_input(own: Path) -> None:
    script = (
        "mkdir t; echo x > t/x; cat t/x; mv t u; cat u/x; ls u; ln -s a l; rm l; echo y > n; cat n"
    )
    seen = traced(own, "sh", "-c", script)
    made = [path for path in seen.present if path.startswith((f"{own}/t", f"{own}/u", f"{own}/n"))]
    assert (made, seen.gap) == ([], None)


@needs_strace
def test_a_tracer_that_is_killed_leaves_a_gap(own: Path) -> None:
    log = own.parent / "log"
    watched = tracing.traced(str(log), network=True, filtered=False)
    script = "kill -9 $PPID; cat a"
    subprocess.run([*watched, "sh", "-c", script], cwd=own, check=False, capture_output=True)
    assert tracing.read(str(log), str(own)).gap is not None


def test_a_log_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tracing.read(str(tmp_path / "none"), str(tmp_path))


def test_a_missing_tracer_is_a_clear_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from runproj.adapters.executors import watching  # noqa: PLC0415 -- imported where it is needed

    watching.tracer.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="strace is missing"):
        watching.tracer()


@needs_strace
def test_a_tracer_that_does_not_work_is_a_clear_refusal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from runproj.adapters.executors import watching  # noqa: PLC0415 -- the same

    watching.tracer.cache_clear()
    (tmp_path / "strace").write_text("#!/bin/sh\necho 'strace: not permitted' >&2\nexit 1\n")
    (tmp_path / "strace").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(Refused, match="strace does not work here: strace: not permitted"):
        watching.tracer()
    watching.tracer.cache_clear()


KNOCK = 'connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16)'
HIDDEN = 'connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path=@"x"}, 5)'
REFUSED = "= -1 ECONNREFUSED (Connection refused)"


@pytest.mark.parametrize(
    ("call", "denial"),
    [(KNOCK, Denial("127.0.0.1:80", "network")), (HIDDEN, Denial("@x", "socket"))],
)
def test_a_service_of_the_machine_that_is_out_of_reach_is_a_denial(
    planted: Planted, call: str, denial: Denial
) -> None:
    assert planted(f"1 {call} {REFUSED}", END).denied == (denial,)


def test_a_service_of_its_own_that_is_late_is_none(planted: Planted) -> None:
    assert planted(f"1 {KNOCK} {REFUSED}", f"1 {KNOCK} = 0", END).denied == ()
