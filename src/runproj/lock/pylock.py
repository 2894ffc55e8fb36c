"""Lockfiles of virtual environments: PEP 751, ``pylock.toml``.

The format is https://packaging.python.org/en/latest/specifications/pylock-toml/. What is added to a
text that uv wrote is added line by line, so that equal content stays equal bytes.
"""

import itertools
import posixpath
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from runproj.errors import EnvironmentFailed
from runproj.lock.pyproject import normalized
from runproj.model import digest_of

_OWN = re.compile(r'\n*\[tool\.runproj\]\ndeclaration = "([0-9a-f]{64})"\s*\Z')
_USERINFO = re.compile(r'(?<=://)(?<!ssh://)[^/\s"\']+@')
_SSH_PASSWORD = re.compile(r'(?<=ssh://)([^/\s"\'@:]*):[^/\s"\']*@')
_PACKAGE = "[[packages]]\n"
_MARKER = re.compile(r"^marker = .*\n", re.MULTILINE)
_LOCAL = re.compile(r'^((?:directory|archive) = \{ path = ")([^/"])', re.MULTILINE)
_FILES = ("sdist", "archive")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SOME_DIGEST = "0" * 64
NOTHING = 'lock-version = "1.0"\npackages = []\n'
"""The lock of nothing."""


class Repository(NamedTuple):
    """A commit of a git repository from which a package is built; ``below`` is a folder of it."""

    url: str
    commit: str
    below: str = ""

    @property
    def digest(self) -> str:
        """What its archive is known by, as others are by their sha256."""
        return digest_of(["git", without_credentials(self.url), self.commit, self.below])


def repository(package: Mapping[str, Any]) -> Repository | None:
    """Return the commit that a package of a lockfile comes from; None: it comes from none."""
    vcs = package.get("vcs", {})
    if vcs.get("type") != "git" or "url" not in vcs or "commit-id" not in vcs:
        return None
    return Repository(vcs["url"], vcs["commit-id"], vcs.get("subdirectory", ""))


def packages(content: str) -> dict[str, str]:
    """Return name → version of what is locked.

    One of the project has its folder (``./libs/x``); one from a repository has its commit behind
    its version (``1.0 (0e5f7e2778bb)``), or in its place; one from an archive may have ``?``; one
    with several, by platform, has them all: ``1.0 | 2.0``.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    found: dict[str, list[str]] = {}
    for package in tables(content):
        found.setdefault(normalized(package["name"]), []).append(_shown(package))
    return {name: " | ".join(sorted(versions)) for name, versions in sorted(found.items())}


def unconditional(content: str) -> dict[str, str]:
    """Return name → version of what every interpreter gets: no marker stands in the way."""
    return {
        normalized(package["name"]): package["version"]
        for package in tables(content)
        if "marker" not in package and "version" in package
    }


def local(content: str, known: Collection[str] = ()) -> list[str]:
    """Return the names of packages that would be installed from paths of nobody knows what.

    ``known`` are the folders and archives of the project that are known.
    """
    return [
        package["name"]
        for package in tables(content)
        if any(place not in known for place in _places(package))
    ]


def folder_of(package: Mapping[str, Any]) -> str | None:
    """Return the folder of the project that a package is; None: it is none.

    A lockfile stands in ``locks/``, and its paths are relative to that.
    """
    if "directory" not in package:
        return None
    return _in_project(package["directory"].get("path", ""))


def archive_of(package: Mapping[str, Any]) -> str | None:
    """Return the archive of the project that a package is; None: it is none."""
    path = str(package.get("archive", {}).get("path", "/"))
    return None if path.startswith("/") else _in_project(path)


def _in_project(path: object) -> str:
    return posixpath.normpath(posixpath.join("locks", str(path)))


def _places(package: Mapping[str, Any]) -> list[str]:
    """Return all paths of a package that are relative."""
    folder = folder_of(package)
    paths = (str(one.get("path", "/")) for one in files(package))
    archives = [_in_project(path) for path in paths if not path.startswith("/")]
    return archives if folder is None else [folder, *archives]


def below_locks(content: str) -> str:
    """Return a lockfile that was made in the project's folder for its place in ``locks/``."""
    return _LOCAL.sub(r"\1../\2", content)


def archives(content: str) -> list[frozenset[str]]:
    """Return, for each package that has any, the sha256 of all its files.

    A commit of a repository has the digest that its archive is known by.
    """
    found = (_sha256s(package) for package in tables(content))
    return [digests for digests in found if digests]


def identity(content: str) -> list[Any]:
    """Return, as JSON, what is in an environment: names, versions and digests, no places.

    Two lockfiles that differ in where the same files come from have the same identity.
    """
    return sorted(
        ([*_basics(package), sorted(digests(package))] for package in tables(content)),
        key=repr,
    )


def missing_hashes(content: str, demanded: Mapping[str, Collection[str]]) -> list[str]:
    """Return the packages of which no file has a digest that is demanded.

    Args:
        content: a lockfile.
        demanded: name → ``sha256:DIGEST``… of which one has to be there.
    """
    return [
        f"{package['name']} {version_of(package)}"
        for package in tables(content)
        if (wanted := demanded.get(normalized(package["name"])))
        and not set(wanted) & set(digests(package))
    ]


def with_declaration(content: str, digest: str) -> str:
    """Note for which declaration a lockfile was made; an earlier note is replaced."""
    bare = body_of(content).rstrip("\n")
    return f'{bare}\n\n[tool.runproj]\ndeclaration = "{digest}"\n'


def body_of(content: str) -> str:
    """Return the lockfile as another tool wrote it."""
    return _OWN.sub("\n", content)


def declaration_of(content: str) -> str | None:
    """Return the digest of the declaration that a lockfile was made for; None: nobody knows.

    The note stands at the end where we wrote it; parsing is only for files that others touched.
    """
    found = _OWN.search(content)
    if found is not None:
        return found[1]
    if "runproj" not in content:
        return None
    import tomllib  # noqa: PLC0415 -- lazy: this module is on the hot path

    try:
        own = tomllib.loads(content).get("tool", {}).get("runproj", {})
    except tomllib.TOMLDecodeError:
        return None
    digest = own.get("declaration")
    return digest if isinstance(digest, str) else None


def with_index(content: str, indexes: Mapping[str, str]) -> str:
    """Note from which index each package came, name → URL; what is noted already stays.

    uv writes it when it exports its own lock, but not when it compiles one; without it, an
    installation asks the index about every file even when it has it.
    """
    lines: list[str] = []
    name, inside = "", False
    for line, after in itertools.pairwise([*content.split("\n"), ""]):
        lines.append(line)
        key, _, value = line.partition(" = ")
        if line.startswith("["):
            inside = line == "[[packages]]"
        elif inside and key == "name":
            name = normalized(value.strip('"'))
        elif inside and key == "version" and name in indexes and not after.startswith("index = "):
            lines.append(f'index = "{without_credentials(indexes[name])}"')
    return "\n".join(lines)


def without_credentials(text: str) -> str:
    """Return a text with user names, passwords and tokens taken out of its URLs.

    The user of an SSH address stays: it is no secret, and nobody gets in without it.

    >>> without_credentials('url = "https://me:secret@host/x.whl"')
    'url = "https://host/x.whl"'
    >>> without_credentials("ssh://git:secret@host/x.git")
    'ssh://git@host/x.git'
    """
    return _SSH_PASSWORD.sub(r"\1@", _USERINFO.sub("", text))


def without(content: str, names: Collection[str]) -> str:
    r"""Return a lockfile without some packages, so that nothing pins them.

    >>> without('a = 1\n[[packages]]\nname = "x"\n[[packages]]\nname = "y"\n', ["x"])
    'a = 1\n[[packages]]\nname = "y"\n'
    """
    head, *blocks = content.split(_PACKAGE)
    freed = {normalized(name) for name in names}
    kept = [block for block in blocks if normalized(_name(block)) not in freed]
    return _PACKAGE.join([head, *kept])


def narrowed(content: str, holds: Callable[[str], bool]) -> str:
    """Return a lockfile with only the packages whose markers hold, and without the markers.

    ``holds`` tells it of a marker (PEP 508).
    """
    head, *blocks = content.split(_PACKAGE)
    kept = []
    for block, package in zip(blocks, tables(content), strict=True):
        marker = package.get("marker")
        if marker is None:
            kept.append(block)
        elif holds(marker):
            kept.append(_MARKER.sub("", block, count=1))
    return _PACKAGE.join([head, *kept])


def for_platforms(content: str, markers: Sequence[str], holds: Callable[[str], bool]) -> str:
    """Return a lockfile for some platforms: what none of them gets is left out.

    Args:
        content: a lockfile for all platforms.
        markers: one of each platform.
        holds: tells of a marker whether it holds on any of them.
    """
    head, *blocks = content.split(_PACKAGE)
    kept = [
        block
        for block, package in zip(blocks, tables(content), strict=True)
        if "marker" not in package or holds(package["marker"])
    ]
    listed = ", ".join(f'"{marker}"' for marker in markers)
    first, separator, rest = head.partition("\n\n")
    return _PACKAGE.join([f"{first}\nenvironments = [{listed}]{separator}{rest}", *kept])


def _name(block: str) -> str:
    found = re.search(r'^name = "([^"]*)"', block, re.MULTILINE)
    return found[1] if found else ""


def difference(old: str, new: str) -> list[tuple[str, str | None, str | None]]:
    """Return name, old version and new version of all that differs; None: it is not there."""
    before, after = packages(old), packages(new)
    return [
        (name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def tables(content: str) -> list[dict[str, Any]]:
    """Return the packages of a lockfile as they stand there.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    import tomllib  # noqa: PLC0415 -- lazy: this module is on the hot path

    try:
        read = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise _damaged(str(error)) from error
    version = read.get("lock-version")
    if not isinstance(version, str) or not version.startswith("1."):
        raise _damaged("it has no lock-version 1.x")
    found = read.get("packages", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _damaged("'packages' are no tables")
    for package in found:
        _check(package)
    return found


def _damaged(why: str) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"the lockfile is damaged: {why}", hint="'runproj lock' writes it anew"
    )


def _check(package: Mapping[str, Any]) -> None:
    """Refuse a package without a name, and digests that cannot be any."""
    name = package.get("name")
    if not isinstance(name, str):
        raise _damaged("a package has no name")
    for one in files(package):
        digest = one.get("hashes", {}).get("sha256", _SOME_DIGEST)
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise _damaged(f"a sha256 of {name} is not one (64 hexadecimal digits)")


def version_of(package: Mapping[str, Any]) -> str:
    """Return the version of a package, or its commit, or ``?``."""
    commit = package.get("vcs", {}).get("commit-id", "?")
    return str(package.get("version", commit))


def _shown(package: Mapping[str, Any]) -> str:
    """Return the version of a package, with 12 digits of its commit; or its folder."""
    commit = repository(package)
    folder = folder_of(package)
    if folder is not None and "version" not in package:
        return f"./{folder}"
    if commit is None or "version" not in package:
        return version_of(package)
    return f"{package['version']} ({commit.commit[:12]})"


def _basics(package: Mapping[str, Any]) -> list[str]:
    commit = repository(package)
    editable = package.get("directory", {}).get("editable", False)
    return [
        normalized(package["name"]),
        version_of(package) if commit is None else commit.digest,
        package.get("marker", ""),
        *(["editable"] if editable else []),
    ]


def digests(package: Mapping[str, Any]) -> list[str]:
    """Return ``ALGORITHM:DIGEST`` of every file of a package."""
    hashes = [pair for one in files(package) for pair in one.get("hashes", {}).items()]
    return [f"{name}:{digest}" for name, digest in hashes]


def _sha256s(package: Mapping[str, Any]) -> frozenset[str]:
    hashes = (one.get("hashes", {}) for one in files(package))
    found = frozenset(one["sha256"].lower() for one in hashes if "sha256" in one)
    commit = repository(package)
    return found if commit is None else found | {commit.digest}


def files(package: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the files that a package may be installed from."""
    return [*(package[kind] for kind in _FILES if kind in package), *package.get("wheels", [])]
