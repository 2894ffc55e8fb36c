"""Locks of other tools: an ``@EXPLICIT`` list, a ``pixi.lock``, a ``conda-lock.yml`` (version 1).

Nothing is solved: each archive is fetched and checked by the digest that the file has, and what
is said of a package is what stands in its archive. Only this machine's platform is taken.
"""

import hashlib
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from runproj.adapters.environments.archives import FolderArchives, Incoming, Wanted
from runproj.adapters.environments.conda import CondaBackend
from runproj.adapters.environments.conda_building import CondaInstaller
from runproj.adapters.environments.conda_locking import named, parts, virtual_packages
from runproj.adapters.environments.rattler import RattlerFailed, this_platform
from runproj.errors import EnvironmentFailed, Problem, UsageError
from runproj.lock import conda
from runproj.lock.conda import CondaSpec, Wheel
from runproj.lock.lock import Declaration, Lock
from runproj.lock.pyproject import normalized
from runproj.ports import Say

_MD5, _SHA256 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


class _Listed(NamedTuple):
    """A package of conda in the file; one of the digests may be empty. ``where`` it stands."""

    url: str
    md5: str
    sha256: str
    where: str

    @property
    def file(self) -> str:
        return _file_of(self.url)


class _Content(NamedTuple):
    """What a file has for this machine's platform."""

    packages: tuple[_Listed, ...]
    wheels: tuple[Wheel, ...] = ()


class ImportingConda(CondaBackend):
    """Takes a lock from a file instead of solving."""

    def __init__(
        self, cache: str, archives: FolderArchives, caller: Mapping[str, str], file: str
    ) -> None:
        """Take it from ``file``; the rest is that of :class:`CondaBackend`."""
        super().__init__(cache, archives, caller)
        self.file = file

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:  # noqa: ARG002 -- a port's
        """Return the lock that the file has, if it fits what is declared.

        Raises:
            EnvironmentFailed: it does not fit, with all that is wrong; or an archive is not to be
                had, or not what the file says.
            UsageError: the file cannot be read.
        """
        spec = conda.spec_of(declaration.conda or "{}")
        installer = self._installer(declaration, say)
        content = _read(self.file, installer)
        _check_open(content, self.file)
        platform = this_platform()
        packages = [_with_sha256(one, installer) for one in content.packages]
        wanted = [Wanted(one.file, one.file, one.sha256, one.url) for one in packages]
        found = installer.archives.provide(wanted, installer.fetch_packages(), say)
        places = [one.place for one in found]
        virtual = virtual_packages(platform, spec.virtual_packages)
        answer = _described(installer, packages, places, spec, platform, virtual)
        problems = [*answer["problems"], *_misfits(declaration, spec, answer, content.wheels)]
        if problems:
            raise EnvironmentFailed.of(
                [
                    Problem(
                        text, where=self.file,
                        hint="change what is declared, or 'runproj lock' without --from",
                    )
                    for text in problems
                ]
            )  # fmt: skip
        lock = conda.made(
            declaration.digest, platform, spec, virtual, "another tool", answer["packages"]
        ).replace(pip=tuple(sorted(content.wheels, key=lambda one: one.name)))
        installer.provide(lock.replace(packages=()))
        return Lock(kind="conda", content=lock.text, declaration=declaration.digest)


def _read(file: str, installer: CondaInstaller) -> _Content:
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"the lock cannot be read: {why}", where=file) from error
    if any(line.strip() == "@EXPLICIT" for line in text.splitlines()):
        return _Content(tuple(_explicit(text, file)))
    platform = this_platform()
    try:
        answer = installer.rattler.ask(
            "foreign", path=str(Path(file).absolute()), platform=platform
        )
    except RattlerFailed as error:
        raise EnvironmentFailed(
            f"it is no @EXPLICIT list, pixi.lock or conda-lock.yml: {error}", where=file
        ) from error
    if platform not in answer["platforms"]:
        raise EnvironmentFailed(
            f"it has no packages for this machine, {platform}; it has: "
            + (", ".join(answer["platforms"]) or "none"),
            where=file,
        )
    packages = [_Listed(url, md5, sha256, file) for url, md5, sha256 in answer["packages"]]
    _check_digests(packages)
    return _Content(tuple(packages), tuple(_wheels(answer["wheels"], file)))


def _explicit(text: str, file: str) -> Iterator[_Listed]:
    """Yield the packages of a list, see https://docs.conda.io (identical environments)."""
    found = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith(("#", "@")):
            continue
        url, _, digest = line.partition("#")
        digest = digest.lower().removeprefix("sha256:")
        md5 = digest if _MD5.fullmatch(digest) else ""
        sha256 = digest if _SHA256.fullmatch(digest) else ""
        if "://" not in url:
            raise EnvironmentFailed("a package must have a URL", where=f"{file}:{number}")
        found.append(_Listed(url, md5, sha256, f"{file}:{number}"))
    _check_digests(found)
    yield from found


def _check_digests(packages: Sequence[_Listed]) -> None:
    bare = [
        Problem(
            f"{one.file} has no digest", where=one.where,
            hint="nothing is installed without one: 'conda list --explicit --md5' writes them",
        )
        for one in packages
        if not one.md5 and not one.sha256
    ]  # fmt: skip
    if bare:
        raise EnvironmentFailed.of(bare)


def _wheels(found: Sequence[Sequence[str]], file: str) -> Iterator[Wheel]:
    """Yield the packages of pip.

    Raises:
        EnvironmentFailed: some are no wheels at a URL, or have no digest.
    """
    problems = []
    for name, version, place, sha256 in found:
        url = Path(place).as_uri() if place.startswith("/") else place
        kind = urlsplit(url)
        if not sha256:
            problems.append(f"{name} of pip has no sha256")
        elif not kind.scheme or not kind.path.endswith(".whl"):
            problems.append(f"{name} of pip is no wheel, and nothing is built from source: {url}")
        else:
            yield Wheel(
                name=normalized(name), version=version, file=_file_of(url),
                url=url.partition("#")[0], sha256=sha256,
            )  # fmt: skip
    if problems:
        raise EnvironmentFailed.of([Problem(text, where=file) for text in problems])


def _check_open(content: _Content, file: str) -> None:
    """Refuse credentials: they would stand in the lock."""
    urls = [one.url for one in content.packages] + [one.url for one in content.wheels]
    if any(map(conda.has_credentials, urls)):
        raise EnvironmentFailed(
            "a user, password or token stands in a URL", where=file,
            hint="take it out, and put it into a file that RATTLER_AUTH_FILE names",
        )  # fmt: skip


def _with_sha256(one: _Listed, installer: CondaInstaller) -> _Listed:
    """Return a package with its sha256; where only its md5 is known, its archive is fetched.

    The archive is kept then, as if it had been known before.

    Raises:
        EnvironmentFailed: it is not what the file says.
    """
    if one.sha256:
        return one
    with tempfile.TemporaryFile() as file:
        incoming = _Unknown(file)
        fetch = installer.fetch_packages()
        installer.say(f"fetching {one.file}")
        fetch(Wanted(one.file, one.file, "", one.url), incoming)
        if incoming.md5.hexdigest() != one.md5:
            raise EnvironmentFailed(
                f"a package is not what the list says: {one.file}\n"
                f"  expected md5 {one.md5}\n  got      md5 {incoming.md5.hexdigest()}",
                where=one.where,
            )
        sha256 = incoming.sha256.hexdigest()

        def copied(_: Wanted, target: Any) -> None:  # noqa: ANN401 -- what takes the bytes
            file.seek(0)
            while chunk := file.read(_CHUNK):
                target.write(chunk)

        wanted = Wanted(one.file, one.file, sha256, one.url)
        installer.archives.provide([wanted], copied, lambda _: None)
    return one._replace(sha256=sha256)


class _Unknown(Incoming):
    """Takes the bytes of an archive whose sha256 nobody knows yet."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file  # no visit counts them, so nothing of the other is set
        self.restart()

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self.md5.update(data)
        self.sha256.update(data)
        self.written += len(data)
        return self.file.write(data)

    def restart(self) -> None:
        """Forget what came."""
        self.written = 0
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self.file.seek(0)
        self.file.truncate()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def _described(
    installer: CondaInstaller, packages: Sequence[_Listed], places: Sequence[str],
    spec: CondaSpec, platform: str, virtual: Mapping[str, str],
) -> Any:  # noqa: ANN401 -- JSON  # fmt: skip
    try:
        return installer.rattler.ask(
            "describe",
            packages=[[one.url, one.file, one.md5, one.sha256] for one in packages],
            places=list(places), platform=platform, dependencies=spec.dependencies,
            channels=[one for name in spec.channels for one in named(name)],
            virtual_packages=[parts(name, text) for name, text in virtual.items()],
        )  # fmt: skip
    except RattlerFailed as error:
        raise EnvironmentFailed(f"an archive is no package of conda: {error}") from error


def _misfits(
    declaration: Declaration, spec: CondaSpec, answer: Mapping[str, Any], wheels: Sequence[Wheel]
) -> Iterator[str]:
    """Yield what of the part of pip is not as it is declared."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 -- lazy

    there = {normalized(one["name"]): one["version"] for one in answer["packages"]}
    for wheel in wheels:
        if wheel.name in there:
            yield f"both conda and pip have {wheel.name}"
    there |= {one.name: one.version for one in wheels}
    if wheels and not spec.pip:
        yield f"it has packages of pip, and none is declared: {', '.join(x.name for x in wheels)}"
    for line in _requirements(declaration, spec):
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue  # an option of a file, or what only uv understands
        version = there.get(normalized(wanted.name))
        if version is None:
            if wanted.marker is None:
                yield f"the requirement {line!r} of pip is not met: it is not there"
        elif not wanted.specifier.contains(version, prereleases=True):
            yield f"the requirement {line!r} of pip is not met by {version}"


def _requirements(declaration: Declaration, spec: CondaSpec) -> Iterator[str]:
    yield from (one for one in spec.pip if not one.startswith("-"))
    for text in declaration.files.values():
        lines = (line.partition(" #")[0].strip() for line in text.splitlines())
        yield from (line for line in lines if line and not line.startswith(("#", "-")))


def _file_of(url: str) -> str:
    return unquote(urlsplit(url).path).rpartition("/")[2]
