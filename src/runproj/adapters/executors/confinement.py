"""Puts the calling process under limits that it cannot leave: Landlock, and no network.

It is imported by the supervisor, in the child that becomes the step; it imports little, like the
supervisor itself. The calls are those of landlock(7), network_namespaces(7) and seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PORTABLE, NAMESPACE, FILTER = "", "namespace", "filter"

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS, _SECCOMP = 38, 22
_NEWUSER, _NEWNET, _NEWIPC = 0x10000000, 0x40000000, 0x08000000
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _REFER = 1 << 14, 1 << 13
_ALL = (1 << 13) - 1  # what the first version knows
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_OLDEST = 3  # knows how to keep files from being emptied
_FORMAT, _FOLDER = 0o170000, 0o040000  # of a file's mode, inode(7)

# system call numbers: socket, io_uring_setup; and the audit number of the architecture
_MACHINES = {
    "x86_64": (0xC000003E, 41, 425),
    "aarch64": (0xC00000B7, 198, 425),
    "riscv64": (0xC00000F3, 198, 425),
}
_ALLOWED_FAMILIES = (1, 16)  # AF_UNIX, AF_NETLINK
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _DENY = 0x7FFF0000, 0x00050000
_EACCES, _ENOSYS = 13, 38
_X32 = 0x40000000


class CannotConfineError(Exception):
    """The words for what this system cannot do."""


def landlock_version() -> int:
    """Return which version of Landlock the kernel has; 0: none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def confine(
    readable: Iterable[bytes] | None, writable: Iterable[bytes] | None, network: str
) -> None:
    """Limit this process and all that it starts.

    Args:
        readable: files and folders that may be read and executed; None: no limits on files.
        writable: those that may also be written.
        network: how to take the network away: in a ``namespace`` of its own, with a loopback
            interface; by a ``filter`` of system calls; an empty text leaves it.

    Raises:
        CannotConfineError: the kernel does not let it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if network == NAMESPACE:
        _leave_network(libc, alone=readable is not None)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise CannotConfineError(f"no_new_privs: {_reason()}")
    if readable is not None:
        _forbid_files(libc, readable, writable or ())
    if network == FILTER:
        _filter_sockets(libc)


def _reason() -> str:
    return os.strerror(ctypes.get_errno()).lower()


def _forbid_files(libc: ctypes.CDLL, readable: Iterable[bytes], writable: Iterable[bytes]) -> None:
    version = landlock_version()
    if version < _OLDEST:
        raise CannotConfineError("the kernel has no Landlock of version 3 (Linux 6.2) or newer")
    rights = _ALL | _REFER | _TRUNCATE
    attributes = struct.pack("Q", rights)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise CannotConfineError(f"Landlock: {_reason()}")
    try:
        for paths, allowed in ((readable, _READING), (writable, rights)):
            for path in paths:
                _allow(libc, ruleset, path, allowed)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise CannotConfineError(f"Landlock: {_reason()}")
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: bytes, allowed: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if os.fstat(place).st_mode & _FORMAT != _FOLDER:
            allowed &= _OF_FILES
        rule = struct.pack("=Qi", allowed, place)
        if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
            raise CannotConfineError(f"Landlock: {_reason()}: {os.fsdecode(path)}")
    finally:
        os.close(place)


def _leave_network(libc: ctypes.CDLL, *, alone: bool) -> None:
    """Go into a network namespace of its own; who is not root needs a user namespace for it.

    ``alone``: share no memory of System V with others either, where the kernel can do so.
    """
    uid, gid = os.geteuid(), os.getegid()
    kinds = [_NEWNET | _NEWIPC, _NEWNET] if alone else [_NEWNET]
    if all(libc.unshare(kind) != 0 for kind in kinds):
        if all(libc.unshare(_NEWUSER | kind) != 0 for kind in kinds):
            raise CannotConfineError(f"a network namespace: {_reason()}")
        try:
            _write(b"/proc/self/setgroups", b"deny")
            _write(b"/proc/self/uid_map", b"%d %d 1" % (uid, uid))
            _write(b"/proc/self/gid_map", b"%d %d 1" % (gid, gid))
        except OSError as error:
            raise CannotConfineError(f"a user namespace: {error.strerror}") from error
    _raise_loopback(libc)


def _write(path: bytes, text: bytes) -> None:
    file = os.open(path, os.O_WRONLY)
    try:
        os.write(file, text)
    finally:
        os.close(file)


def _raise_loopback(libc: ctypes.CDLL) -> None:
    """Bring the loopback interface up (netdevice(7)): programs talk to themselves over it."""
    file = libc.socket(2, 2, 0)  # AF_INET, SOCK_DGRAM
    if file >= 0:
        request = struct.pack("16sH22x", b"lo", 1 | 0x40)  # IFF_UP | IFF_RUNNING
        libc.ioctl(file, 0x8914, request)  # SIOCSIFFLAGS
        os.close(file)


def _filter_sockets(libc: ctypes.CDLL) -> None:
    """Let sockets be made for this machine only; io_uring, which makes them unseen, is not there.

    The filter sees ``struct seccomp_data``: number at 0, architecture at 4, first argument at 16.
    """
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        raise CannotConfineError(f"no filter for the machine {os.uname().machine}")
    architecture, socket, ring = machine
    allowed = [(_EQUAL, len(_ALLOWED_FAMILIES) - index, 0, family)
               for index, family in enumerate(_ALLOWED_FAMILIES)]  # fmt: skip
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _DENY | _ENOSYS),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _DENY | _ENOSYS),
        (_EQUAL, 0, 1, ring),
        (_RETURN, 0, 0, _DENY | _ENOSYS),
        (_EQUAL, 0, 2 + len(allowed), socket),
        (_LOAD, 0, 0, 16),
        *allowed,
        (_RETURN, 0, 0, _DENY | _EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    if libc.prctl(_SECCOMP, 2, header, 0, 0) != 0:
        raise CannotConfineError(f"a filter of system calls: {_reason()}")


def main(network: str) -> None:
    """Try all of it, and say what fails."""
    try:
        confine([b"/"], [], network)
    except CannotConfineError as error:
        os.write(1, str(error).encode())
        os._exit(1)


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
