"""From a declaration to a lock: py-rattler solves the packages of conda, uv those of pip."""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.environments import uv as pip
from runproj.adapters.environments.choosing import choose, tags_of
from runproj.adapters.environments.conda_building import CondaInstaller
from runproj.adapters.environments.offline import WITHOUT, is_offline
from runproj.adapters.environments.rattler import RattlerFailed, this_platform
from runproj.errors import EnvironmentFailed, NotSupported
from runproj.lock import conda, pylock
from runproj.lock.conda import CondaLock, CondaSpec, Wheel
from runproj.lock.lock import Declaration, Lock
from runproj.ports import Say

_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
_CHANGE = re.compile(r" ([-+~]) (\S+?)==(\S+)(?: \(from (\S+)\))?")
_UNREACHABLE = re.compile(
    r"error sending request|tcp connect error|dns error|Connection refused|timed out"
    r"|failed to (?:fetch|download)",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:401|403|407)\b")


class CondaLocker(NamedTuple):
    """Makes locks for this machine's platform."""

    installer: CondaInstaller
    cache: Path
    say: Say

    def lock(self, declaration: Declaration, previous: Lock | None) -> Lock:
        """Return the lock of a declaration, see :meth:`runproj.ports.EnvironmentBackend.lock`."""
        spec = conda.spec_of(declaration.conda or "{}")
        before = _known(previous)
        lock = self._solved(declaration.digest, spec, before)
        if spec.pip:
            lock = lock.replace(pip=self._wheels(declaration, spec, lock, before))
        count = len(lock.packages) + len(lock.pip)
        self.say(f"locked {count} package{'s' * (count != 1)}")
        return Lock(kind="conda", content=lock.text, declaration=declaration.digest)

    def _solved(self, digest: str, spec: CondaSpec, before: CondaLock | None) -> CondaLock:
        platform = this_platform()
        channels = [one for name in spec.channels for one in named(name)]
        self.say(f"solving for {platform}")
        _check_folders(channels)
        if is_offline(self.installer.caller):
            _check_here(channels)
        virtual = virtual_packages(platform, spec.virtual_packages)
        same = before is not None and before.platform == platform
        try:
            answer = self.installer.rattler.ask(
                "solve",
                channels=channels,
                dependencies=spec.dependencies,
                platform=platform,
                virtual_packages=[parts(name, text) for name, text in virtual.items()],
                previous=before.packages if before is not None and same else (),
                cache=str(self.cache / "repodata"),
            )
        except RattlerFailed as error:
            raise _unsolvable(error) from error
        return conda.made(digest, platform, spec, virtual, answer["solver"], answer["packages"])

    def _wheels(
        self, declaration: Declaration, spec: CondaSpec, lock: CondaLock, before: CondaLock | None
    ) -> tuple[Wheel, ...]:
        """Resolve what pip adds, in an environment that has the packages of conda."""
        if lock.version("python") is None:
            raise EnvironmentFailed(
                "'pip' needs a python among the dependencies", hint="add it: - python"
            )
        self.say("resolving the part of pip")
        self.cache.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="conda-lock-", dir=self.cache))
        try:
            _lay_out(folder, declaration, spec, before)
            places = [one.place for one in self.installer.provide(lock)]
            prefix = folder / "conda"
            self.installer.install(lock, places, prefix)
            self.installer.check_health(lock, prefix)
            wheels = self._resolved(prefix, folder)
            added = lock.replace(packages=(), pip=wheels)
            archives = [one.place for one in self.installer.provide(added)]
            self.installer.install_wheels(archives, prefix, folder)
            return wheels
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _resolved(self, prefix: Path, folder: Path) -> tuple[Wheel, ...]:
        from runproj.adapters.environments.conda_building import interpreter_of  # noqa: PLC0415

        uv = pip.find_uv(self.installer.caller)
        python = str(prefix / "bin/python")
        done = pip.tried(uv, ("-r", "pip.in", "-c", "previous.txt"), python, folder)
        if done.returncode != 0:  # what was pinned before may not fit any more
            done = pip.tried(uv, ("-r", "pip.in"), python, folder)
        if done.returncode != 0:
            pip.fail(done, "the part of pip cannot be resolved")
        pins = list(_pins(done.stderr))
        if not pins:
            return ()
        (folder / "pins.txt").write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
        content = pip.pinned(uv, "pins.txt", python, folder)
        interpreter = interpreter_of(prefix)
        chosen = choose(pylock.without_credentials(content), interpreter, tags_of(interpreter))
        other = [str(one.table["name"]) for one in chosen if one.wanted is None or not one.is_wheel]
        if other:
            raise NotSupported(
                f"no wheel with a digest: {', '.join(other)}; in a conda environment nothing is "
                "built from source",
                hint="take a version that has one, or the package of conda",
            )
        found = [
            Wheel(
                name=str(one.table["name"]),
                version=str(one.table.get("version", "?")),
                file=one.wanted.name,
                url=one.wanted.url or "",
                sha256=one.wanted.sha256,
            )
            for one in chosen
            if one.wanted is not None
        ]
        return tuple(sorted(found, key=lambda one: one.name))


def virtual_packages(platform: str, declared: Mapping[str, str]) -> dict[str, str]:
    """Return what a solver takes for given on a platform: what is declared, and what all have.

    A version may have a build behind it, ``1=x86_64_v3``.
    """
    if platform.startswith("osx"):
        usual = {"__unix": "0", "__osx": "11.0"}
    else:
        usual = {"__unix": "0", "__linux": "0", "__glibc": "2.17"}
    return dict(sorted({**usual, **declared}.items()))


def parts(name: str, text: str) -> tuple[str, str, str]:
    """Return name, version and build of a virtual package."""
    version, _, build = text.partition("=")
    return name, version, build or "0"


def named(channel: str) -> tuple[str, ...]:
    """Return the channels that a name stands for."""
    return _DEFAULTS if channel == "defaults" else (channel,)


def _check_folders(channels: list[str]) -> None:
    """Make sure that channels in folders are there: rattler takes a missing one for an empty one.

    Raises:
        EnvironmentFailed: one is not.
    """
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 -- lazy

    for channel in channels:
        if channel.startswith("file:") and not Path(unquote(urlsplit(channel).path)).is_dir():
            raise EnvironmentFailed(f"there is no channel {channel}", hint="is the disk mounted?")


def _check_here(channels: list[str]) -> None:
    """Make sure that no channel is on the network.

    Raises:
        EnvironmentFailed: some are, and may not be asked.
    """
    remote = [one for one in channels if not one.startswith("file:")]
    if remote:
        raise EnvironmentFailed(
            f"locking asks the channels {', '.join(remote)}, and {WITHOUT}",
            hint="lock it once without --offline; with a lock and its packages here, a run asks "
            "nobody",
        )


def _known(previous: Lock | None) -> CondaLock | None:
    """Return what a lock pins; a damaged lockfile pins nothing."""
    if previous is None:
        return None
    try:
        return conda.read(previous.content)
    except EnvironmentFailed:
        return None


def _unsolvable(error: RattlerFailed) -> EnvironmentFailed:
    said = str(error)
    if error.kind == "SolverError":
        hint = "change a dependency; a driver is there only when it is declared: virtual_packages"
        if "strict channel priority" in said and "__" not in said:
            hint = (
                "the first channel that has a package gives it: change the order of the channels, "
                "or write CHANNEL::PACKAGE"
            )
        return EnvironmentFailed(f"the environment cannot be solved:\n{said}", hint=hint)
    if _DENIED.search(said):
        return EnvironmentFailed(
            f"the channel does not let us in:\n{said}",
            hint="put the credentials into a file that RATTLER_AUTH_FILE names",
        )
    if _UNREACHABLE.search(said):
        return EnvironmentFailed(
            f"the channel cannot be reached:\n{said}",
            hint="check the channel's name, the network and the proxy variables",
        )
    return EnvironmentFailed(f"the environment cannot be solved:\n{said}")


def _lay_out(
    folder: Path, declaration: Declaration, spec: CondaSpec, before: CondaLock | None
) -> None:
    """Write what is declared for pip, with what was pinned before."""
    for name, text in declaration.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "pip.in").write_text("".join(f"{one}\n" for one in spec.pip), encoding="utf-8")
    pins = [f"{one.name}=={one.version}\n" for one in (before.pip if before else ())]
    (folder / "previous.txt").write_text("".join(pins), encoding="utf-8")
    # an own (empty) configuration: what lies in folders above does not count
    (folder / "uv.toml").touch()


def _pins(said: str) -> Iterator[str]:
    """Yield what uv would install, pinned.

    Raises:
        EnvironmentFailed: it would replace a package of conda.
    """
    changes = [found.groups() for line in said.splitlines() if (found := _CHANGE.fullmatch(line))]
    gone = [f"{name} {version}" for sign, name, version, _ in changes if sign != "+"]
    if gone:
        raise EnvironmentFailed(
            f"'pip' would replace packages of conda: {', '.join(gone)}",
            hint="ask for another version in one of the two lists",
        )
    for _, name, version, place in changes:
        yield f"{name} @ {place}" if place else f"{name}=={version}"
