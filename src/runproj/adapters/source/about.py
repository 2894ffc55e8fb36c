"""What the user's repository says of the code: commit, branch, remote, uncommitted changes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.source.plumbing import Answer, Command, ask, looking, run

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEADS = "refs/heads/"
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?(?P<rest>[^?#]*)")
_CONFIGURED = r"^(remote\..*\.url|filter\..*)$"
_INERT = ("clean=", "smudge=", "process=", "required=false")


class About(NamedTuple):
    """The user's repository around a folder.

    ``tree`` is what the commit holds at that folder (None: nothing); ``prefix`` is where the
    folder stands in the repository (``b""`` or ``b"sub/"``); ``inert`` is the configuration that
    keeps the filters of the repository from being run.
    """

    commit: str | None
    tree: str | None
    branch: str | None
    remote: str | None
    prefix: bytes
    inert: tuple[str, ...]


def questions(folder: str) -> tuple[Command, Command]:
    """Return the commands whose answers :func:`understood` takes."""
    return (
        looking(
            folder, "rev-parse", "--show-cdup", "HEAD", "HEAD:./", "--symbolic-full-name", "HEAD"
        ),
        looking(folder, "config", "-z", "--get-regexp", _CONFIGURED),
    )


def understood(folder: str, position: Answer, configuration: Answer) -> About:
    """Return what the answers say."""
    up, *words = position.out.decode("utf-8", "surrogateescape").split("\n")
    commit, tree, branch = (*words, "", "", "")[:3]
    if position.code:  # no commit yet, or the folder is not in it; then the branch was not reached
        named = ask(looking(folder, "symbolic-ref", "-q", "HEAD"))[0].out
        branch = named.decode("utf-8", "surrogateescape").strip()
    settings = _settings(configuration.out)
    return About(
        commit=_id(commit),
        tree=_id(tree),
        branch=_printable(branch.removeprefix(_HEADS)) if branch.startswith(_HEADS) else None,
        remote=_remote(settings),
        prefix=_prefix(folder, up.count("../")),
        inert=_inert(settings),
    )


def uncommitted(folder: str, about: About) -> list[bytes]:
    """Return the tracked paths (relative to the folder) that differ from the commit.

    A nested repository is among them when it stands at another commit; what changed inside of it
    is its own affair. Filters do not run, so a filtered file that git has not looked at since it
    was written may be among them too.
    """
    status = ("status", "--porcelain", "-z", "-uno", "--no-renames", "--ignore-submodules=dirty")
    lines = run(looking(folder, *status, "--", ".", settings=about.inert)).split(b"\0")[:-1]
    return [line[3:].removeprefix(about.prefix) for line in lines]


def without_credentials(url: str) -> str:
    """Return a URL of a remote without what could be a password or token.

    >>> without_credentials("https://me:secret@example.org/a/b.git?private_token=x")
    'https://example.org/a/b.git'
    >>> without_credentials("ssh://git:secret@example.org/a/b.git")
    'ssh://git@example.org/a/b.git'
    >>> without_credentials("git@example.org:a/b.git")
    'git@example.org:a/b.git'
    """
    match = _URL.match(url)
    if match is None:
        return url
    scheme, user, rest = match["scheme"], match["user"], match["rest"]
    if user and "ssh" in scheme.lower():  # there the name is part of the address
        return f"{scheme}://{user.partition(':')[0]}@{rest}"
    return f"{scheme}://{rest}"


def _id(text: str) -> str | None:
    return text if _ID.fullmatch(text) else None


def _prefix(folder: str, depth: int) -> bytes:
    """Return the last parts of the folder's path: git's own answer could hold a line break."""
    parts = Path(folder).parts[-depth:] if depth else ()
    return b"".join(part.encode("utf-8", "surrogateescape") + b"/" for part in parts)


def _settings(listed: bytes) -> list[tuple[str, str]]:
    lines = listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return [(key, value) for key, _, value in (line.partition("\n") for line in lines)]


def _remote(settings: Sequence[tuple[str, str]]) -> str | None:
    urls: dict[str, str] = {}
    for key, value in settings:
        if key.startswith("remote."):
            urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), value)
    only = next(iter(urls.values())) if len(urls) == 1 else None
    url = urls.get("origin", only)
    return url and _printable(without_credentials(url))


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _inert(settings: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    filters = {key.rpartition(".")[0] for key, _ in settings if key.startswith("filter.")}
    return tuple(f"{name}.{nothing}" for name in sorted(filters) for nothing in _INERT)
