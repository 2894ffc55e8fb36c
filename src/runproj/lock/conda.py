"""Conda environments: what is declared, in one form, and their lockfiles.

A lockfile, ``locks/conda.NAME.json``::

    {
     "format": 1,
     "declaration": "…",                  the digest of what it was made for
     "platform": "linux-64",
     "channels": ["https://…/conda-forge"],
     "virtual_packages": {"__glibc": "2.17", …},  what the solver took for given
     "solver": "py-rattler 0.28.0",
     "packages": [{"name": …, "sha256": …, "url": …, …}, …],
     "pip": [{"name": …, "version": …, "file": …, "url": …, "sha256": …}, …]
    }

``packages`` are the records of the channel (CEP 15 names their keys), each after those that it
needs; ``pip`` are the wheels that are installed after them.
"""

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from runproj.errors import EnvironmentFailed, Problem, ProjectError
from runproj.lock.pyproject import normalized
from runproj.lock.requirements import Read, RequirementFiles
from runproj.model import Model, WrongData, canonical, from_json, to_json
from runproj.spec.environment import CondaEnvironment
from runproj.spec.place import Path, dotted

_FORMAT = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREDENTIALS = re.compile(r"://[^/\s]*@|/t/[^/\s]+(?:/|$)")
_INCLUDED = re.compile(r"(?:-r|--requirement)(?:\s*=\s*|\s+|(?<=-r))(\S+)")
_IGNORED = frozenset({"name", "prefix"})
_RECORD = ("name", "version", "build", "fn", "url", "sha256")
_UNQUOTED = re.compile(r"[A-Za-z_](?:[\w.+!=/-]|:(?=/))*")
_VOLATILE = frozenset({"indexed_timestamp"})
"""Keys of a record that differ each time that the channel is indexed."""

Wrong = Callable[[Path, str, str | None], Problem]


class CondaSpec(Model):
    """What a conda environment is declared to be, wherever that is written.

    ``pip`` are requirements, and ``-r FILE`` with a path relative to the project;
    ``virtual_packages`` only those that are declared.
    """

    channels: tuple[str, ...]
    dependencies: tuple[str, ...]
    pip: tuple[str, ...] = ()
    virtual_packages: dict[str, str]


def wanted(environment: CondaEnvironment, read: Read) -> tuple[str, dict[str, str]]:
    """Return what an environment is declared to be, as canonical JSON of a :class:`CondaSpec`.

    Args:
        environment: as the project file has it.
        read: returns the text of a file of the project, None when it is not there.

    Returns:
        The JSON, and path → text of the requirement files that its ``pip:`` part includes.

    Raises:
        ProjectError: something in it is wrong; with all of it.
    """
    if environment.file is None:
        data: dict[str, Any] = {
            "channels": list(environment.channels),
            "dependencies": [
                {key: list(value) for key, value in one.items()} if isinstance(one, dict) else one
                for one in environment.dependencies
            ],
        }
        reader = _Reader(_inline, "")
    else:
        data, wrong = _parsed(environment.file, read)
        reader = _Reader(wrong, posixpath.dirname(environment.file))
    channels = tuple(reader.channels(data))
    dependencies = tuple(reader.dependencies(data))
    files = RequirementFiles(read)
    pip = tuple(reader.pip(data, files))
    problems = [*reader.problems, *(one for error in files.errors for one in error.problems)]
    problems += [
        Problem(
            f"{one.path!r} is a local path; an environment of conda takes no packages from there",
            where=one.where, hint="publish it to an index, or use an environment of kind 'venv'",
        )
        for one in files.local
    ]  # fmt: skip
    if problems:
        raise ProjectError.of(problems)
    spec = CondaSpec(
        channels=channels,
        dependencies=dependencies,
        pip=pip,
        virtual_packages=environment.virtual_packages,
    )
    return canonical(spec).decode(), files.files


def _inline(path: Path, message: str, hint: str | None) -> Problem:
    field = str(path[0])
    where = f"{field}[{path[1]}]" if len(path) > 1 else field
    return Problem(message, where=where, hint=hint)


def _parsed(file: str, read: Read) -> tuple[dict[str, Any], Wrong]:
    """Return the data of an environment file, and what makes a problem of a place in it."""
    from runproj.spec import document  # noqa: PLC0415 -- lazy: few environments are files

    path = posixpath.normpath(file)
    if path.startswith(("../", "/")):
        raise ProjectError(
            f"the environment file {file!r} is outside of the project", where="file",
            hint="copy it into the project: what is outside is no part of the recorded source",
        )  # fmt: skip
    text = read(path)
    if text is None:
        raise ProjectError(f"there is no environment file {file!r}", where="file")
    found = document.read(text, path)
    if found.problems:
        raise ProjectError.of(found.problems)

    def wrong(path: Path, message: str, hint: str | None) -> Problem:
        return found.problem(path, message, hint=hint)

    if not isinstance(found.data, dict):
        raise ProjectError.of([wrong((), "an environment file has keys: channels, …", None)])
    unknown = [
        wrong((key,), f"the key {key!r} is not supported", _hint(key))
        for key in found.data
        if key not in {*_IGNORED, "channels", "dependencies"}
    ]
    if unknown:
        raise ProjectError.of(unknown)
    return found.data, wrong


def _hint(key: str) -> str:
    if key == "variables":
        return "'env' of a step sets variables"
    return "known: channels, dependencies; name and prefix are ignored"


class _Reader:
    """Reads the parts of an environment file, and notes what is wrong with them."""

    def __init__(self, wrong: Wrong, folder: str) -> None:
        """``folder`` is what paths of requirement files are relative to."""
        self.wrong = wrong
        self.folder = folder
        self.problems: list[Problem] = []

    def _note(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(self.wrong(path, message, hint))

    def _texts(self, data: Mapping[str, Any], key: str) -> Iterator[tuple[int, Any]]:
        """Yield the items of a list, with their numbers."""
        found = data.get(key) or []
        if isinstance(found, list):
            yield from enumerate(found)
        else:
            self._note((key,), f"{key} must be a list")

    def _is_open(self, path: Path, text: str) -> bool:
        """Tell whether a text has no credentials; it is not shown when it has."""
        if _CREDENTIALS.search(text) is None:
            return True
        self.problems.append(
            Problem(
                f"{dotted(path)}: a user, password or token stands in the URL of a channel",
                hint="take it out, and put it into a file that RATTLER_AUTH_FILE names",
            )
        )
        return False

    def channels(self, data: Mapping[str, Any]) -> Iterator[str]:
        """Yield the channels."""
        count = 0
        for index, channel in self._texts(data, "channels"):
            path: Path = ("channels", index)
            count += 1
            if not isinstance(channel, str) or not channel:
                self._note(path, "a channel must be text")
            elif channel.startswith((".", "/", "~")):
                self._note(path, f"{channel!r} is a path", "write a URL: file:///…")
            elif self._is_open(path, channel) and channel != "nodefaults":
                yield channel
        if not count and "channels" not in {one.where for one in self.problems}:
            self._note(("channels",), "no channel is named", "for example: channels: [conda-forge]")

    def dependencies(self, data: Mapping[str, Any]) -> Iterator[str]:
        """Yield the match specs."""
        count = 0
        for index, one in self._texts(data, "dependencies"):
            path: Path = ("dependencies", index)
            count += 1
            if isinstance(one, dict) and list(one) == ["pip"]:
                continue
            if not isinstance(one, str) or not one.strip():
                self._note(path, "a dependency must be text, or a list under 'pip'")
            elif self._is_open(path, one):
                yield one
        if not count and "dependencies" not in {one.where for one in self.problems}:
            self._note(("dependencies",), "no dependency is named")

    def pip(self, data: Mapping[str, Any], files: RequirementFiles) -> Iterator[str]:
        """Yield requirements; files that are included are added to ``files``."""
        for index, part in self._texts(data, "dependencies"):
            if not isinstance(part, dict):
                continue
            path: Path = ("dependencies", index)
            lines = part.get("pip")
            if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
                self._note(path, "'pip' must be a list of requirements")
                continue
            for line in lines:
                yield from self._requirement(line.strip(), path, files)

    def _requirement(self, line: str, path: Path, files: RequirementFiles) -> Iterator[str]:
        included = _INCLUDED.fullmatch(line)
        if included is not None:
            file = posixpath.normpath(posixpath.join(self.folder, included[1]))
            files.add([file])
            yield f"-r {file}"
        elif line.startswith("-"):
            option = line.partition(" ")[0].partition("=")[0]
            self._note(path, f"{option} is an option, not a requirement", "use a requirement file")
        elif self._is_open(path, line):
            where = self.wrong(path, "", None).where or ""
            files.check(line, where)
            yield line


def spec_of(text: str) -> CondaSpec:
    """Return what :func:`wanted` made a text of."""
    return from_json(CondaSpec, text)


class Wheel(Model):
    """A wheel of the ``pip:`` part; ``file`` is its name."""

    name: str
    version: str
    file: str
    url: str
    sha256: str


class CondaLock(Model):
    """What a lockfile says, see the module's own description."""

    format: int
    declaration: str | None
    platform: str
    channels: tuple[str, ...]
    virtual_packages: dict[str, str]
    solver: str
    packages: tuple[dict[str, Any], ...]
    pip: tuple[Wheel, ...]

    @property
    def text(self) -> str:
        """The text of the lockfile: a line for each field, and one for each package."""
        lines = [
            f" {to_json(name)}: {_listed(value) if name in _LISTS else to_json(value)}"
            for name, value in vars(self).items()
        ]
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @property
    def needs(self) -> tuple[tuple[str, str], ...]:
        """What packages need of the machine: name of the package and match spec, sorted."""
        found = {
            (str(record["name"]), str(need))
            for record in self.packages
            for need in record.get("depends", ())
            if str(need).startswith("__")
        }
        return tuple(sorted(found))

    def version(self, name: str) -> str | None:
        """Return the version of a conda package; None when it is not in the lock."""
        return next((one["version"] for one in self.packages if one["name"] == name), None)


_LISTS = ("packages", "pip")


def _listed(items: Collection[Any]) -> str:
    return "[\n" + ",\n".join(f"  {to_json(one)}" for one in items) + "\n ]" if items else "[]"


NOTHING = CondaLock(
    format=_FORMAT, declaration=None, platform="", channels=(), virtual_packages={}, solver="",
    packages=(), pip=(),
).text  # fmt: skip
"""The lock of nothing."""


def made(
    declaration: str, platform: str, spec: CondaSpec, virtual_packages: Mapping[str, str],
    solver: str, records: Collection[Mapping[str, Any]],
) -> CondaLock:  # fmt: skip
    """Return the lock of what was solved, without its ``pip:`` part.

    Raises:
        EnvironmentFailed: a record of the channel has no sha256, or holds a credential.
    """
    kept = tuple(
        {key: value for key, value in sorted(record.items()) if key not in _VOLATILE}
        for record in records
    )
    bare = [f"{one.get('name')} {one.get('version')}" for one in kept if not one.get("sha256")]
    if bare:
        raise EnvironmentFailed(
            f"the channel has no sha256 of {', '.join(bare)}",
            hint="take the package from another channel: nothing is installed without a digest",
        )
    lock = CondaLock(
        format=_FORMAT, declaration=declaration, platform=platform, channels=spec.channels,
        virtual_packages=dict(virtual_packages), solver=solver, packages=kept, pip=(),
    )  # fmt: skip
    if any(has_credentials(str(one.get("url", ""))) for one in kept):
        raise EnvironmentFailed(
            "the channel's own list of packages has a user, password or token in its URLs",
            hint="nothing was written; tell those who keep the channel",
        )
    return lock


def has_credentials(url: str) -> bool:
    """Tell whether a URL holds a user, a password or a token."""
    return _CREDENTIALS.search(url) is not None


def read(content: str) -> CondaLock:
    """Return what a lockfile says.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    try:
        lock = from_json(CondaLock, content)
    except WrongData as error:
        raise _damaged(str(error)) from error
    if lock.format != _FORMAT:
        raise _damaged(f"its format is {lock.format}, and this version knows {_FORMAT}")
    for record in lock.packages:
        wrong = [key for key in _RECORD if not isinstance(record.get(key), str)]
        if wrong:
            raise _damaged(f"a package has no {', '.join(wrong)}")
        _check(record["name"], record["fn"], record["sha256"])
    for wheel in lock.pip:
        _check(wheel.name, wheel.file, wheel.sha256)
    return lock


def _check(name: str, file: str, sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise _damaged(f"a sha256 of {name} is not one (64 hexadecimal digits)")
    if "/" in file or file in ("", ".", ".."):
        raise _damaged(f"the file of {name} has no file's name")


def _damaged(why: str) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"the lockfile is damaged: {why}", hint="'runproj lock' writes it anew"
    )


def packages(content: str) -> dict[str, str]:
    """Return name → version of what is locked; what conda and pip both have has both versions.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    lock = read(content)
    found: dict[str, list[str]] = {}
    for record in lock.packages:
        found.setdefault(record["name"], []).append(record["version"])
    for wheel in lock.pip:
        found.setdefault(wheel.name, []).append(wheel.version)
    return {name: " | ".join(versions) for name, versions in sorted(found.items())}


def builds(content: str) -> dict[str, str]:
    """Return name → version, with the build of what conda installs."""
    lock = read(content)
    found = packages(content)
    return found | {one["name"]: f"{found[one['name']]} {one['build']}" for one in lock.packages}


def difference(old: str, new: str) -> list[tuple[str, str | None, str | None]]:
    """Return name, old and new version of all that differs; None: it is not there.

    Where the versions are equal, the builds are told.
    """
    before, after = packages(old), packages(new)
    before_builds, after_builds = builds(old), builds(new)
    found: list[tuple[str, str | None, str | None]] = []
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            found.append((name, before.get(name), after.get(name)))
        elif before_builds[name] != after_builds[name]:
            found.append((name, before_builds[name], after_builds[name]))
    return found


def archives(content: str) -> list[frozenset[str]]:
    """Return the sha256 of each package's archive."""
    lock = read(content)
    digests = [record["sha256"] for record in lock.packages] + [one.sha256 for one in lock.pip]
    return [frozenset({one}) for one in digests]


def identity(lock: CondaLock) -> list[Any]:
    """Return, as JSON, what is in an environment: files and digests, no places.

    Two lockfiles that differ in where the same files come from have the same identity.
    """
    conda = sorted([record["fn"], record["sha256"]] for record in lock.packages)
    return [lock.platform, conda, sorted([one.file, one.sha256] for one in lock.pip)]


def explicit(lock: CondaLock) -> str:
    """Return the list of URLs and digests from which conda makes an environment.

    What pip adds stands in it as a comment: the format has no place for it. See
    https://docs.conda.io/projects/conda (building identical environments).
    """
    lines = [f"# platform: {lock.platform}", "@EXPLICIT"]
    for record in lock.packages:
        md5 = record.get("md5")
        lines.append(f"{record['url']}#{md5 or 'sha256:' + record['sha256']}")
    lines += [f"# pip: {one.name}=={one.version} --hash=sha256:{one.sha256}" for one in lock.pip]
    return "".join(f"{line}\n" for line in lines)


def environment_file(lock: CondaLock) -> str:
    """Return an environment file that pins each package to its version and build.

    The format has no digests; whoever solves it needs the channels to have the packages still.
    """
    lines = [f"# platform: {lock.platform}", "channels:"]
    lines += [f"  - {_plain(channel)}" for channel in lock.channels]
    lines.append("dependencies:" if lock.packages or lock.pip else "dependencies: []")
    lines += [
        f"  - {_plain('='.join([one['name'], one['version'], one['build']]))}"
        for one in sorted(lock.packages, key=lambda one: str(one["name"]))
    ]
    if lock.pip:
        lines.append("  - pip:")
        lines += [f"      - {_plain(f'{one.name}=={one.version}')}" for one in lock.pip]
    return "".join(f"{line}\n" for line in lines)


def _plain(text: str) -> str:
    """Return a text as YAML has it, in quotes where it needs them."""
    return text if _UNQUOTED.fullmatch(text) else to_json(text)


def without(content: str, names: Collection[str]) -> str:
    """Return a lockfile without some packages, so that nothing pins them."""
    lock = read(content)
    freed = {normalized(name) for name in names}
    return lock.replace(
        packages=tuple(one for one in lock.packages if normalized(one["name"]) not in freed),
        pip=tuple(one for one in lock.pip if normalized(one.name) not in freed),
    ).text


def declaration_of(content: str) -> str | None:
    """Return the digest of the declaration that a lockfile was made for; None: nobody knows."""
    found = re.search(r'^ ?"declaration": ?"([0-9a-f]{64})",?$', content, re.MULTILINE)
    if found is not None:
        return found[1]
    try:
        return from_json(CondaLock, content).declaration
    except WrongData:
        return None
