"""What processes do with files, as strace(1) writes it down.

strace stops a process at the system calls that name files, and at no others (``--seccomp-bpf``).
It writes one line for each, with the process in front; a call that another process interrupts has
two. ``-y`` adds to a descriptor what it stands for: ``openat(AT_FDCWD</home>, "a.py", O_RDONLY) =
3</home/a.py>``.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import commonpath, dirname, isabs, join, normpath, realpath
from typing import Literal, TextIO

from runproj.ports import Accesses, Denial

_FAST = "--seccomp-bpf"
COMMAND = (
    "strace",
    "--follow-forks",
    _FAST,
    "--decode-fds=path",
    "--quiet=attach",
    "--string-limit=4096",
    "--verbose=?openat2,?clone3,connect,sendto,sendmsg,?sendmmsg",
    "--signal=!SIGCHLD,SIGALRM,SIGVTALRM,SIGPROF,SIGURG",
    (
        "--trace=%file,?getdents,?getdents64,fchdir,?fork,?vfork,clone,?clone3,connect,"
        "?io_uring_setup,?open_by_handle_at,setns,unshare{more}"
    ),
    "--inject=?io_uring_setup:error=ENOSYS",  # it opens files unseen; who wants it can do without
    "--output={log}",
    "--",
)
"""The tracer's command line before that of the step; see :func:`traced`."""

_SENDING = ",socket,sendto,sendmsg,?sendmmsg"
_CALLS = {
    "open": "open openat openat2 creat",
    "look": "stat stat64 lstat lstat64 newfstatat fstatat64 oldstat oldlstat statx access "
    "faccessat faccessat2 readlink readlinkat statfs statfs64 getxattr lgetxattr listxattr "
    "llistxattr getxattrat listxattrat file_getattr uselib getcwd inotify_add_watch "
    "name_to_handle_at "
    "execve execveat",
    "list": "getdents getdents64",
    "move": "chdir fchdir",
    "fork": "fork vfork clone clone3",
    "change": "chmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchownat truncate truncate64 "
    "utime utimes utimensat utimensat_time64 futimesat setxattr lsetxattr removexattr lremovexattr "
    "setxattrat removexattrat file_setattr unlink unlinkat rmdir mkdir mkdirat mknod mknodat "
    "symlink symlinkat rename renameat renameat2 link linkat",
    "connect": "socket connect sendto sendmsg sendmmsg",
    "unshare": "unshare",
}
_KINDS = {name: kind for kind, names in _CALLS.items() for name in names.split()}
_MAKING = frozenset({"mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"})
_RENAMING = frozenset({"rename", "renameat", "renameat2"})
_LINKING = frozenset({"link", "linkat"})
_OWNING = frozenset({"chown", "chown32", "lchown", "lchown32", "fchownat"})
_REMOVING = frozenset({"unlink", "unlinkat", "rmdir"})
_ASKING = frozenset({"access", "faccessat", "faccessat2"})

_LINE = re.compile(
    r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*)|\+\+\+ (.*)|(---) .*)", re.DOTALL
)
_FORK = re.compile(r"\d+ +(?:<\.\.\. )?(?:v?fork|clone3?)\b")
# what follows the last ") = " must be a result to its end: a name may hold such a text too
_ENDED = re.compile(
    r"(.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?:<((?:[^<>\\]|\\.)*)>(?:\(deleted\))?)?"
    r"(?: (E\w+))?(?: \([^<>]*\)| <unavailable>)?",
    re.DOTALL,
)
_UNFINISHED = " <unfinished ...>"
_RENUMBERED = re.compile(r"(.*) <pid changed to (\d+) \.\.\.>", re.DOTALL)
_SUPERSEDED = "superseded by execve"
_PLACE = re.compile(r'(?:(AT_FDCWD|-?\d+)(?:<((?:[^>\\]|\\.)*)>)?, )?"((?:[^"\\]|\\.)*)"(\.\.\.)?')
_FOLDER = re.compile(r"\d+<((?:[^>\\]|\\.)*)>")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b"}
_ABSENT = frozenset({"ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"})
_DENIED = frozenset({"EACCES", "EPERM", "EROFS", "EXDEV"})
_UNREACHABLE = frozenset({"ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EACCES", "EPERM"})
_ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr|AF_INET6, )\(?"([^"]*)"')
_UNIX = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')
_FAMILY = re.compile(r"\w+")
_OF_THE_NAMESPACE = frozenset({
    "AF_UNIX", "AF_LOCAL", "AF_NETLINK", "AF_INET", "AF_INET6", "AF_PACKET", "AF_ALG", "AF_UNSPEC",
})  # fmt: skip
"""The kinds of sockets that a network namespace keeps within itself, or that reach nobody."""
_PROCESS = re.compile(r"/proc/(self|thread-self|\d+)(?:/task/\d+)?/(\w+)(?:/(.*))?", re.DOTALL)
_OF_A_PROCESS = ("/proc/", "/dev/fd/", "/dev/std")
_DESCRIPTOR = re.compile(r"/(fd|map_files)/")
_UP = re.compile(r"/\.\.(?=/|$)")
_KEPT_ASIDE = re.compile(r".*/__pycache__(/[^/]*\.pyc(\.\d+)?)?|/var/cache/fontconfig/.*")
_SERVICES = (
    "/run/nscd", "/var/run/nscd", "/run/systemd/userdb", "/run/systemd/journal", "/dev/log",
)  # fmt: skip
"""They tell who the users of the machine are, or take a log: they belong to the system."""
_DNS = "53"
_LOCAL = ("127.", "::1", "::ffff:127.")
_SHEBANG = b"#!"
_LONGEST = 256  # bytes of a #! line that the kernel reads
_MOST_LINKS = 40  # that the kernel follows in one path
_INTERPRETERS = 4  # interpreters of interpreters that it follows


def traced(log: str, *, network: bool, filtered: bool) -> list[str]:
    """Return the tracer's command line.

    Args:
        log: takes what it sees.
        network: whether what is sent matters.
        filtered: whether a filter of system calls is in force. It answers before the kernel would
            tell the tracer, which therefore stops the process at every call: several times slower.
    """
    more = "" if network else _SENDING
    command = [part for part in COMMAND if not (filtered and part == _FAST)]
    return [part.format(log=log, more=more) for part in command]


def read(log: str, directory: str) -> Accesses:
    """Read what a tracer wrote of the processes that began in a folder.

    Raises:
        OSError: it cannot be read.
    """
    forks: dict[str, list[tuple[str, bool]]] = {}
    with _opened(log) as lines:
        for call in _whole(line for line in lines if _FORK.match(line)):
            if call.worked:
                shared = "CLONE_FS" in call.arguments
                forks.setdefault(call.result, []).append((call.process, shared))
    trace = _Trace(directory, _around(log, directory), forks)
    with _opened(log) as lines:
        for call in _whole(lines, trace.known):
            trace.take(call)
    return trace.accesses()


def _opened(log: str) -> TextIO:
    return Path(log).open(encoding="utf-8", errors="surrogateescape", newline="\n")


def _around(log: str, directory: str) -> str:
    """Return the folder that holds all that is the step's own: its log and its workspace."""
    return commonpath((dirname(realpath(log)), directory))


@dataclass(slots=True)
class _Call:
    """One system call of a process: arguments as text, result, the path of a new descriptor."""

    process: str
    name: str
    arguments: str
    result: str = "?"
    path: str | None = None
    error: str | None = None
    text: str = ""

    @property
    def worked(self) -> bool:
        return self.error is None and self.result != "?"


def _whole(lines: Iterable[str], known: Container[str] = ()) -> Iterator[_Call]:
    """Yield the calls in the order in which they ended; one without a name ends its process.

    What is ``known``, by its text without the process, is left out.
    """
    begun: dict[str, tuple[str, str]] = {}
    for line in lines:
        text = line.partition(" ")[2]
        if text in known:
            continue
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            if line.strip():
                yield _Call("", "?", line)
            continue
        process, name, rest, resumed, more, ended, signal = match.groups()
        if signal is not None or (ended or "").startswith(_SUPERSEDED):
            continue
        if ended is not None:
            begun.pop(process, None)
            yield _Call(process, "", ended)
        elif resumed is not None:
            name, first = begun.pop(process, (resumed, ""))
            yield _ended(process, name, first + more)
        elif rest.endswith(_UNFINISHED):
            begun[process] = (name, rest.removesuffix(_UNFINISHED))
        elif (renumbered := _RENUMBERED.fullmatch(rest)) is not None:
            begun[renumbered[2]] = (name, renumbered[1])
            yield _Call(process, "", "it goes on as another")
        else:
            yield _ended(process, name, rest, text)


def _ended(process: str, name: str, rest: str, text: str = "") -> _Call:
    found = _ENDED.fullmatch(rest)
    if found is None:
        return _Call(process, "?", f"{name}({rest}")
    arguments, result, path, error = found.groups()
    return _Call(process, name, arguments, result, path and unescaped(path), error, text)


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
    return plain.decode("utf-8", "surrogateescape")


@dataclass
class _Trace:
    """What is known after some calls.

    ``start`` is the folder in which the first process began, ``near`` holds all that is the step's
    own. ``forks`` maps a process to who made it and whether they share the current folder, for each
    life: the system uses a number again. ``known`` are calls that tell nothing when they come
    again. ``made`` is what the processes made, ``files`` what they wrote to; ``links`` they made
    too, and may have removed since. ``parents`` and ``real`` keep where paths lead.
    """

    start: str
    near: str
    forks: dict[str, list[tuple[str, bool]]]
    known: set[str] = field(default_factory=set)
    folders: dict[str, list[str]] = field(default_factory=dict)
    lives: Counter[str] = field(default_factory=Counter)
    born: Counter[str] = field(default_factory=Counter)
    present: dict[str, None] = field(default_factory=dict)
    absent: dict[str, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    unanswered: dict[Denial, None] = field(default_factory=dict)
    answered: set[Denial] = field(default_factory=set)
    denied: dict[Denial, None] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    real: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    alive: set[str] = field(default_factory=set)
    relative: bool = False
    gap: str | None = None

    def accesses(self) -> Accesses:
        """Return all of it."""
        if not self.lives and not self.alive:
            self.missed("the tracer wrote nothing")
        if self.alive:
            self.missed("the tracer lost sight of a process")
        return Accesses(
            present=tuple(map(_text, self.present)),
            absent=tuple(map(_text, self.absent)),
            listed=tuple(map(_text, self.listed)),
            denied=tuple(
                denial._replace(place=_text(denial.place))
                for denial in (*self.denied, *self._out_of_reach())
            ),
            gap=self.gap,
        )

    def _out_of_reach(self) -> list[Denial]:
        return [denial for denial in self.unanswered if denial not in self.answered]

    def missed(self, why: str) -> None:
        """Note that something cannot be known."""
        self.gap = self.gap or why

    def take(self, call: _Call) -> None:
        """Take the next call."""
        if call.name == "?":
            self.missed(f"the tracer wrote what is not understood: {_text(call.arguments[:80])}")
            return
        process = call.process
        if not call.name:
            self.alive.discard(process)
            self.folders.pop(process, None)
            self.lives[process] += 1
            return
        self.alive.add(process)
        self._folder(process)
        self.relative = False
        kind = _KINDS.get(call.name)
        if kind is None:
            self.hidden(call)
            return
        _TAKERS[kind](self, call)
        if call.text and kind in _REPEATED and not self.relative:
            self.known.add(call.text)

    def forked(self, call: _Call) -> None:
        """Take the beginning of a process, unless it has already come to its end."""
        if not call.worked:
            return
        if "CLONE_UNTRACED" in call.arguments:
            self.missed("it made a process that cannot be traced")
        if self.born[call.result] >= self.lives[call.result]:
            self._folder(call.result)
        self.born[call.result] += 1

    def hidden(self, call: _Call) -> None:
        """Take what makes the trace blind."""
        if call.worked:
            self.missed(f"it called {call.name}, behind which files cannot be seen")

    def unshared(self, call: _Call) -> None:
        """Take a process that leaves what it shared."""
        if not call.worked:
            return
        self.folders[call.process] = list(self._folder(call.process))
        if "CLONE_NEWNS" in call.arguments:
            self.hidden(call)

    def _folder(self, process: str) -> list[str]:
        """Return the current folder of a process, in a list that threads share."""
        known = self.folders.get(process)
        if known is None:
            forks, life = self.forks.get(process, ()), self.lives[process]
            parent, shared = forks[life] if life < len(forks) else ("", False)
            if parent in self.folders:
                known = self.folders[parent] if shared else list(self.folders[parent])
            else:
                known = [self.start]
            self.folders[process] = known
        return known

    def _places(self, call: _Call) -> list[str]:
        """Return the absolute paths that a call names, as they are written."""
        found = []
        for descriptor, folder, text, cut in _PLACE.findall(call.arguments):
            if cut and call.error is None:
                self.missed("a path was too long for the tracer")
            path = unescaped(text)
            if not path:
                continue  # it is about a descriptor, which was opened by name
            if isabs(path):
                base = ""
            elif folder and call.name != "inotify_add_watch":
                base = unescaped(folder)
                if descriptor == "AT_FDCWD":
                    self._folder(call.process)[0] = base
            else:
                self.relative = True
                base = self._folder(call.process)[0]
            found.append(self._plain(call, join(base, path)))
        return found

    def _plain(self, call: _Call, path: str) -> str:
        """Return an absolute path without ``..``, and without the detours of /proc (proc(5))."""
        while (up := _UP.search(path)) is not None:  # from where a link leads
            path = dirname(self._followed(normpath(path[: up.start()]))) + path[up.end() :]
        path = normpath(path)
        if path.startswith("//"):
            path = path[1:]
        match = _PROCESS.fullmatch(path) if path.startswith("/proc/") else None
        if match is None:
            return path
        process, what, rest = match.groups()
        if what == "root":
            return self._plain(call, "/" + (rest or ""))
        if what == "cwd":
            self.relative = True
            who = process if process.isdigit() else call.process
            if who in self.folders:
                return self._plain(call, join(self.folders[who][0], rest or ""))
        elif what not in ("fd", "map_files") or rest is None or "/" not in rest:
            return path
        self.missed(f"it went by way of {path.partition(what)[0]}{what}")
        return path

    def _followed(self, path: str) -> str:
        """Return where a path leads; what /proc says of a process is of that process only."""
        if path.startswith(_OF_A_PROCESS):
            return path
        known = self.real.get(path)
        if known is None:
            known = self.real[path] = _target(self._beside(self._unlinked(path)))
        return known

    def _beside(self, path: str) -> str:
        """Return a path with the links of its folders followed, and not its own."""
        outer, _, name = path.rpartition("/")
        if not outer:
            return path
        known = self.parents.get(outer)
        if known is None:
            known = self.parents[outer] = realpath(self._unlinked(outer))
        return f"{known}/{name}" if known != "/" else f"/{name}"

    def _unlinked(self, path: str) -> str:
        """Follow the links that the processes made."""
        for _ in range(_MOST_LINKS if self.links else 0):
            link = path
            while link and link not in self.links:
                link = link[: link.rfind("/")]
            if not link:
                break
            path = normpath(self.links[link] + path[len(link) :])
        return path

    def _own(self, path: str) -> bool:
        """Tell whether the processes made something themselves, or a folder around it."""
        made = self.made
        if not made:
            return False
        while path not in made:
            path = path[: path.rfind("/")]
            if not path:
                return False
        return True

    def _near(self, path: str) -> bool:
        return path.startswith(f"{self.near}/")

    def _there(self, path: str) -> None:
        """Note that something that was not made by the processes was found."""
        if path not in self.present and path != "/" and not self._own(path):
            self.present[path] = None

    def _missing(self, path: str) -> None:
        """Note that nothing was found, neither there nor where links lead."""
        self.absent[path] = None
        self.absent[self._followed(path)] = None

    def _new(self, path: str) -> None:
        """Note what the processes made, where nothing was before."""
        if self._near(path) and not self._own(path):
            self.absent[path] = None
        self.made.add(path)

    def _refused(self, path: str, kind: Literal["read", "write"]) -> None:
        """Note what was denied, where it really is; what is kept for next time harms nobody."""
        if kind == "write" and _KEPT_ASIDE.fullmatch(path):
            return
        if path.startswith(_OF_A_PROCESS) and _DESCRIPTOR.search(path):
            self.missed(f"it was denied {_text(path)}")
        self.denied[Denial(self._followed(path), kind)] = None

    def opened(self, call: _Call) -> None:
        """Take an open(2) and its like."""
        places = self._places(call)
        if not places:
            return
        path, flags = places[0], call.arguments
        writing = "O_WRONLY" in flags or "O_RDWR" in flags or "O_CREAT" in flags
        writing = writing or call.name == "creat"
        if call.error in _ABSENT:
            self._missing(path)
        elif call.error in _DENIED:
            self._refused(path, "write" if writing else "read")
        elif not call.worked:
            self._there(path)
        else:
            self._entered(call, path, writing=writing)

    def _entered(self, call: _Call, path: str, *, writing: bool) -> None:
        flags, real = call.arguments, call.path or path
        if real.startswith("/proc/") or not real.startswith("/"):  # a pipe has no path
            real = path
        if writing and "O_TMPFILE" in flags:
            return
        if writing:
            self.files.update((path, real))
        if "O_CREAT" in flags and "O_EXCL" in flags:
            self._new(real)
            self.made.add(path)
        elif "O_TRUNC" in flags or call.name == "creat":
            if path != real and self._near(path):  # the link is looked at
                self._there(path)
            self.made.update((path, real))
        elif "O_WRONLY" not in flags or self._near(real):  # who only appends elsewhere reads not
            self._there(path)
            self._there(real)

    def looked(self, call: _Call) -> None:
        """Take a look at a path, or the execution of one."""
        places = self._places(call)
        if not places:
            return
        path = places[0]
        if call.name.startswith("execve"):
            self._interpreted(call, path)
        self._tried(call, path, follow="NOFOLLOW" not in call.arguments and call.name[0] != "l")

    def _tried(self, call: _Call, path: str, *, follow: bool = True) -> None:
        if call.error in _ABSENT:
            self._missing(path)
        elif call.error in ("EACCES", "EPERM") and call.name not in _ASKING:
            self._refused(path, "read")
        elif call.result != "?":
            self._found(path, follow=follow)

    def _found(self, path: str, *, follow: bool = True) -> None:
        self._there(path)
        if not path.startswith(_OF_A_PROCESS):
            self._there(self._followed(path) if follow else self._beside(path))

    def _interpreted(self, call: _Call, path: str) -> None:
        """Note the interpreters of a script, which the kernel opens unseen."""
        for _ in range(_INTERPRETERS):
            try:
                with Path(path).open("rb") as file:
                    first = file.read(_LONGEST).split(b"\n")[0]
            except (OSError, ValueError):
                return
            words = first.removeprefix(_SHEBANG).split()
            if not first.startswith(_SHEBANG) or not words:
                return
            base = self._folder(call.process)[0]
            path = self._plain(call, join(base, os.fsdecode(words[0])))
            self._tried(call, path)

    def listing(self, call: _Call) -> None:
        """Take the reading of a folder's names."""
        match = _FOLDER.match(call.arguments)
        if match is not None and call.worked:
            path = unescaped(match[1])
            if not self._own(path):
                self.listed[path] = None

    def moved(self, call: _Call) -> None:
        """Take a change of the current folder."""
        if not call.worked:
            self.looked(call)
        elif call.name == "chdir":
            for path in self._places(call):
                self._found(path)
                self._folder(call.process)[0] = self._followed(path)
        else:
            match = _FOLDER.match(call.arguments)
            if match is not None:
                self._folder(call.process)[0] = unescaped(match[1])

    def changed(self, call: _Call) -> None:
        """Take a call that makes, moves or changes what has a name."""
        places = self._places(call)
        if call.name.startswith("symlink") and call.worked:
            self._links(call)
        if call.name.startswith("symlink"):
            places = places[-1:]  # the first text is what the link says
        if not places:
            return
        if call.error in _DENIED:
            self._unchanged(call, places)
        elif not call.worked:
            self._in_the_way(call, places)
        elif call.name in _RENAMING or call.name in _LINKING:
            self._renamed(call, places)
        elif call.name in _MAKING:
            self._new(self._beside(places[0]))
            self.made.add(places[0])
        else:
            follow = call.name not in _REMOVING and call.name[0] != "l"
            self._found(places[0], follow=follow)
            real = (self._followed if follow else self._beside)(places[0])
            if not self._own(real) and not self._near(real):
                self._refused(real, "write")  # no kernel forbids all of these

    def _in_the_way(self, call: _Call, places: list[str]) -> None:
        """Take a change that what is there did not allow, such as names in a folder."""
        for path in places:
            if call.error in _ABSENT:
                self._missing(path)
            else:
                self._there(path)
            if call.error in ("ENOTEMPTY", "EEXIST") and not self._own(path):
                self.listed[path] = None

    def _unchanged(self, call: _Call, places: list[str]) -> None:
        """Take a change that was refused."""
        if call.error == "EPERM" and call.name in _OWNING:
            return
        if call.name in _LINKING:
            self._refused(places[0], "read")
            places = places[1:]
        for path in places:
            self._refused(path, "write")

    def _renamed(self, call: _Call, places: list[str]) -> None:
        """Take a file that has another name, or two."""
        old, new = places[0], places[-1]
        own = self._own(old)
        self._found(old, follow=False)
        if "RENAME_EXCHANGE" in call.arguments and not (own and self._own(new)):
            self.missed("it exchanged two files")
        elif call.name in _RENAMING and not own and old not in self.files:
            self.missed(f"it renamed {_text(old)}, in which there may be files")
        if old in self.links:
            self._linked(new, self.links[old])
        self.made.update((new, self._beside(new)))

    def _linked(self, link: str, path: str) -> None:
        self.links[link] = path
        self.real.clear()
        self.parents.clear()

    def _links(self, call: _Call) -> None:
        """Note what a new link leads to: whoever follows it may be seen at the link only."""
        texts = _PLACE.findall(call.arguments)
        link = self._places(call)[-1]
        path = normpath(join(dirname(link), unescaped(texts[0][2])))
        self._linked(link, path)
        self._there(path)
        if not self._own(path):
            self.absent[path] = None

    def connected(self, call: _Call) -> None:
        """Take what leads out of the process: a connection, or a socket."""
        if call.name == "socket":
            family = _FAMILY.match(call.arguments)
            kind = family[0] if family is not None else call.arguments
            if call.error == "EACCES" or (call.worked and kind not in _OF_THE_NAMESPACE):
                self.denied[Denial(f"a socket ({kind})", "network")] = None
            return
        unix = _UNIX.search(call.arguments)
        if unix is not None:
            if unix[1]:
                self._knocked(call, Denial(f"@{unescaped(unix[2])}", "socket"))
            if call.error in (None, "EINPROGRESS", "EACCES", "EPERM", "EAGAIN"):
                self._served(call, unix[1], unescaped(unix[2]))
            return
        address = _ADDRESS.search(call.arguments)
        if address is None:
            return
        port, host = address.groups()
        if host.startswith(_LOCAL):
            self._knocked(call, Denial(f"{host}:{port}", "network"))
        if call.error in _UNREACHABLE or (port == _DNS and host.startswith(_LOCAL)):
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            self.denied[Denial(shown, "network")] = None

    def _knocked(self, call: _Call, denial: Denial) -> None:
        """Note a service of this machine that nobody answers for, as long as nobody does.

        One of the step's own answers in the end; one from outside is out of reach.
        """
        if call.error == "ECONNREFUSED":
            self.unanswered.setdefault(denial)
        elif call.error in (None, "EINPROGRESS"):
            self.answered.add(denial)

    def _served(self, call: _Call, abstract: str, name: str) -> None:
        """Note a service of the machine."""
        if abstract or not name:
            place = f"@{name}"
        else:
            place = self._plain(call, join(self._folder(call.process)[0], name))
            services = [path for path in _SERVICES if f"{place}/".startswith(f"{path}/")]
            if services or self._own(place):
                return
        self.denied[Denial(place, "socket")] = None


def _target(path: str) -> str:
    """Return where a path leads whose folder is no link."""
    try:
        text = os.readlink(path)  # noqa: PTH115 -- thousands of times
    except (OSError, ValueError):
        return path
    next_ = join(dirname(path), text)
    return next_ if next_.startswith(_OF_A_PROCESS[0]) else realpath(next_)


def _text(path: str) -> str:
    r"""Return a path as it can be recorded: what is not UTF-8 has escapes.

    >>> _text("\udcff")
    '\\udcff'
    """
    return path.encode("utf-8", "backslashreplace").decode()


_REPEATED = frozenset({"open", "look", "list"})
_TAKERS: dict[str, Callable[[_Trace, _Call], None]] = {
    "open": _Trace.opened,
    "look": _Trace.looked,
    "list": _Trace.listing,
    "move": _Trace.moved,
    "fork": _Trace.forked,
    "change": _Trace.changed,
    "connect": _Trace.connected,
    "unshare": _Trace.unshared,
}
