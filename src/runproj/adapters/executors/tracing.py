"""What processes do with files, as strace(1) writes it down.

strace stops a process at the system calls that name files, and at no others (``--seccomp-bpf``).
It writes one line for each, with the process in front; a call that another process interrupts has
two. ``-y`` adds to a descriptor what it stands for: ``openat(AT_FDCWD</work>, "a.py", O_RDONLY) =
3</work/a.py>``.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import isabs, join, normpath, realpath

from runproj.ports import Accesses, Denial

_FAST = "--seccomp-bpf"
COMMAND = (
    "strace",
    "--follow-forks",
    _FAST,
    "--decode-fds=path",
    "--quiet=attach",
    "--string-limit=4096",
    "--signal=!SIGCHLD,SIGALRM,SIGVTALRM,SIGPROF,SIGURG",
    (
        "--trace=%file,?getdents,?getdents64,fchdir,?fork,?vfork,clone,?clone3,connect,"
        "?io_uring_setup,?open_by_handle_at,setns,unshare{more}"
    ),
    "--output={log}",
    "--",
)
"""The tracer's command line before that of the step; see :func:`traced`."""

_SENDING = ",sendto,sendmsg,sendmmsg"
_CALLS = {
    "open": "open openat openat2 creat",
    "look": "stat stat64 lstat lstat64 newfstatat fstatat64 statx access faccessat faccessat2 "
    "readlink readlinkat statfs statfs64 getxattr lgetxattr listxattr llistxattr uselib "
    "inotify_add_watch name_to_handle_at execve execveat",
    "list": "getdents getdents64",
    "move": "chdir fchdir",
    "fork": "fork vfork clone clone3",
    "change": "chmod fchmodat fchmodat2 chown lchown fchownat truncate truncate64 utime utimes "
    "utimensat futimesat setxattr lsetxattr removexattr lremovexattr unlink unlinkat rmdir "
    "mkdir mkdirat mknod mknodat symlink symlinkat rename renameat renameat2 link linkat",
    "connect": "socket connect sendto sendmsg sendmmsg",
    "hide": "chroot pivot_root mount umount2 move_mount open_tree fspick setns unshare "
    "open_by_handle_at io_uring_setup",
}
_KINDS = {name: kind for kind, names in _CALLS.items() for name in names.split()}
_FORKING = frozenset(_CALLS["fork"].split())
_MAKING = frozenset({"mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"})
_MOVING = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})
_OWNING = frozenset({"chown", "lchown", "fchownat"})

_LINE = re.compile(
    r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*)|\+\+\+ (.*)|(---) .*)", re.DOTALL
)
_ENDED = re.compile(r"(.*)\) += (-?\d+|\?)(?:<((?:[^>\\]|\\.)*)>)?(?: (E\w+))?", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
_PLACE = re.compile(r'(?:(AT_FDCWD|-?\d+)(?:<((?:[^>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)"(\.\.\.)?')
_FOLDER = re.compile(r"\d+<((?:[^>\\]|\\.)*)>")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}
_ABSENT = frozenset({"ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"})
_DENIED = frozenset({"EACCES", "EPERM", "EROFS", "EXDEV"})
_UNREACHABLE = frozenset({"ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EACCES", "EPERM"})
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr|AF_INET6, )\(?"([^"]*)"')
_UNIX = re.compile(r'sun_path="((?:[^"\\]|\\.)*)"')
_DNS = "53"
_LOCAL = ("127.", "::1", "::ffff:127.")


def traced(log: str, *, network: bool, filtered: bool) -> list[str]:
    """Return the tracer's command line.

    Args:
        log: takes what it sees.
        network: whether what is sent matters.
        filtered: whether a filter of system calls is in force. It answers before the kernel would
            tell the tracer, which therefore stops the process at every call: several times slower.
    """
    more = "" if network else _SENDING
    if filtered:
        more += ",socket"
    command = [part for part in COMMAND if not (filtered and part == _FAST)]
    return [part.format(log=log, more=more) for part in command]


def read(log: str, directory: str) -> Accesses:
    """Read what a tracer wrote of the processes that began in a folder.

    Raises:
        OSError: it cannot be read.
    """
    lines = Path(log).read_bytes().decode("utf-8", "surrogateescape").split("\n")
    calls = list(_whole(lines))
    trace = _Trace(directory, parents=dict(_parents(calls)))
    for call in calls:
        trace.take(call)
    return trace.accesses()


@dataclass(slots=True)
class _Call:
    """One system call of a process: arguments as text, result, the path of a new descriptor."""

    process: str
    name: str
    arguments: str
    result: str = "?"
    path: str | None = None
    error: str | None = None

    @property
    def worked(self) -> bool:
        return self.error is None and self.result != "?"


def _whole(lines: Iterable[str]) -> Iterator[_Call]:
    """Yield the calls in the order in which they ended; one without a name ends its process."""
    begun: dict[str, tuple[str, str]] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            if line:
                yield _Call("", "?", line)
            continue
        process, name, rest, resumed, more, ended, signal = match.groups()
        if signal is not None:
            continue
        if ended is not None:
            begun.pop(process, None)
            yield _Call(process, "", ended)
        elif name is not None and rest.endswith(_UNFINISHED):
            begun[process] = (name, rest.removesuffix(_UNFINISHED))
        else:
            if resumed is not None:
                name, first = begun.pop(process, (resumed, ""))
                rest = first + more
            found = _ENDED.match(rest)
            if found is None:
                yield _Call(process, "?", line)
            else:
                arguments, result, path, error = found.groups()
                yield _Call(process, name, arguments, result, path and unescaped(path), error)


def _parents(calls: Iterable[_Call]) -> Iterator[tuple[str, tuple[str, bool]]]:
    """Yield process → who made it, and whether they share the current folder."""
    for call in calls:
        if call.name in _FORKING and call.worked:
            yield call.result, (call.process, "CLONE_FS" in call.arguments)


def unescaped(text: str) -> str:
    r"""Return a text of strace as it was; what is not UTF-8 keeps its escapes.

    >>> unescaped(r"a\"b\303\251\n")
    'a"bé\n'
    """
    if "\\" not in text:
        return text

    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1] in b"01234567":
            return bytes([int(code, 8) & 0xFF])
        if code[:1] == b"x":
            return bytes([int(code[1:], 16)])
        return _PLAIN.get(code, code)

    plain = _ESCAPE.sub(byte, text.encode("utf-8", "surrogateescape"))
    return plain.decode("utf-8", "backslashreplace")


@dataclass
class _Trace:
    """What is known after some calls."""

    start: str
    parents: dict[str, tuple[str, bool]]
    folders: dict[str, list[str]] = field(default_factory=dict)
    present: dict[str, None] = field(default_factory=dict)
    absent: dict[str, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    denied: dict[Denial, None] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    gap: str | None = None

    def accesses(self) -> Accesses:
        """Return all of it."""
        if self.alive:
            self.gap = self.gap or "the tracer lost sight of a process"
        return Accesses(
            present=tuple(path for path in self.present if not self._own(path)),
            absent=tuple(self.absent),
            listed=tuple(path for path in self.listed if not self._own(path)),
            denied=tuple(self.denied),
            gap=self.gap,
        )

    def take(self, call: _Call) -> None:
        """Take the next call."""
        if call.name == "?":
            self.gap = self.gap or f"the tracer wrote what is not understood: {call.arguments[:80]}"
            return
        if not call.name:
            self.alive.discard(call.process)
            return
        self.alive.add(call.process)
        self._folder(call.process)
        kind = _KINDS.get(call.name)
        if kind is not None:
            _TAKERS[kind](self, call)

    def forked(self, call: _Call) -> None:
        """Take the beginning of a process."""
        if call.worked:
            self._folder(call.result)

    def hidden(self, call: _Call) -> None:
        """Take what makes the trace blind."""
        if call.worked and (call.name != "unshare" or "CLONE_NEWNS" in call.arguments):
            self.gap = self.gap or f"it called {call.name}, behind which files cannot be seen"

    def _folder(self, process: str) -> list[str]:
        """Return the current folder of a process, in a list that threads share."""
        known = self.folders.get(process)
        if known is None:
            parent, shared = self.parents.get(process, ("", False))
            if parent in self.folders:
                known = self.folders[parent] if shared else list(self.folders[parent])
            else:
                known = [self.start]
            self.folders[process] = known
        return known

    def _places(self, call: _Call) -> Iterator[str]:
        """Yield the absolute paths that a call names, as they are written."""
        for match in _PLACE.finditer(call.arguments):
            descriptor, folder, text, cut = match.groups()
            if cut:
                self.gap = self.gap or "a path was too long for the tracer"
            path = unescaped(text)
            if not path:
                continue  # it is about a descriptor, which was opened by name
            if isabs(path):
                yield normpath(path)
            elif folder is not None:
                base = unescaped(folder)
                if descriptor == "AT_FDCWD":
                    self._folder(call.process)[0] = base
                yield normpath(join(base, path))
            else:
                yield normpath(join(self._folder(call.process)[0], path))

    def _own(self, path: str) -> bool:
        """Tell whether the processes made something themselves, or a folder around it."""
        made = self.made
        return path in made or any(str(one) in made for one in PurePosixPath(path).parents)

    def _there(self, path: str) -> None:
        """Note that something that was not made by the processes was found."""
        if not self._own(path):
            self.present[path] = None

    def opened(self, call: _Call) -> None:
        """Take an open(2) and its like."""
        for path in self._places(call):
            writing = "O_WRONLY" in call.arguments or "O_RDWR" in call.arguments
            if call.error in _ABSENT:
                self.absent[path] = None
            elif call.error in _DENIED:
                fresh = writing or "O_CREAT" in call.arguments or call.name == "creat"
                self.denied[Denial(path, "write" if fresh else "read")] = None
            elif call.worked and self._emptied(call):
                self.made.update((path, call.path or path))
            elif "O_WRONLY" not in call.arguments or not call.worked:
                self._there(path)
                if call.path is not None and call.worked:
                    self._there(call.path)
            return

    def _emptied(self, call: _Call) -> bool:
        """Tell whether a file is new, or its old content is gone."""
        if call.name == "creat":
            return True
        return "O_TRUNC" in call.arguments or (
            "O_CREAT" in call.arguments and "O_EXCL" in call.arguments
        )

    def looked(self, call: _Call) -> None:
        """Take a look at a path, or the execution of one."""
        for path in self._places(call):
            if call.error in _ABSENT:
                self.absent[path] = None
            elif call.error in ("EACCES", "EPERM"):
                self.denied[Denial(path, "read")] = None
            elif call.result != "?" and path not in self.present:
                self._there(path)
                own = path.startswith("/proc/")  # such as self/exe: it leads us elsewhere
                if "NOFOLLOW" not in call.arguments and call.name[0] != "l" and not own:
                    self._there(realpath(path))
            return

    def listing(self, call: _Call) -> None:
        """Take the reading of a folder's names."""
        match = _FOLDER.match(call.arguments)
        if match is not None and call.worked:
            self.listed[unescaped(match[1])] = None

    def moved(self, call: _Call) -> None:
        """Take a change of the current folder."""
        if not call.worked:
            self.looked(call)
        elif call.name == "chdir":
            for path in self._places(call):
                self._there(path)
                self._folder(call.process)[0] = path
        else:
            match = _FOLDER.match(call.arguments)
            if match is not None:
                self._folder(call.process)[0] = unescaped(match[1])

    def changed(self, call: _Call) -> None:
        """Take a call that makes, moves or changes what has a name."""
        places = list(self._places(call))
        if call.name in ("symlink", "symlinkat"):
            places = places[-1:]  # the first text is what the link says
        if not places:
            return
        if call.error in _DENIED:
            if call.error != "EPERM" or call.name not in _OWNING:
                self.denied[Denial(places[-1], "write")] = None
        elif call.error in _ABSENT:
            self.absent.update(dict.fromkeys(places))
        elif not call.worked:
            for path in places:
                self._there(path)
        elif call.name in _MOVING:
            self._there(places[0])
            self.made.add(places[-1])
        elif call.name in _MAKING:
            self.made.add(places[-1])
        else:
            self._there(places[0])

    def connected(self, call: _Call) -> None:
        """Take what leads out of the process: a connection, or a socket."""
        if call.name == "socket":
            if call.error == "EACCES":
                self.denied[Denial("a socket", "network")] = None
            return
        unix = _UNIX.search(call.arguments)
        if unix is not None:
            path = unescaped(unix[1])
            if path and call.error in (None, "EINPROGRESS", "EACCES", "EAGAIN"):
                place = normpath(join(self._folder(call.process)[0], path))
                if not self._own(place):
                    self.denied[Denial(place, "socket")] = None
            return
        address = _ADDRESS.search(call.arguments)
        if address is None:
            return
        port, host = address.groups()
        if call.error in _UNREACHABLE or (port == _DNS and host.startswith(_LOCAL)):
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self.denied[Denial(shown, "network")] = None


_TAKERS: dict[str, Callable[[_Trace, _Call], None]] = {
    "open": _Trace.opened,
    "look": _Trace.looked,
    "list": _Trace.listing,
    "move": _Trace.moved,
    "fork": _Trace.forked,
    "change": _Trace.changed,
    "connect": _Trace.connected,
    "hide": _Trace.hidden,
}
