"""From a declaration to a lock: uv resolves it in a folder that holds what is declared, only."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from runproj.adapters.environments import uv as resolver
from runproj.adapters.environments.interpreters import Interpreter
from runproj.adapters.environments.library_files import lay_out
from runproj.errors import EnvironmentFailed
from runproj.lock import libraries, pylock, pyproject
from runproj.lock.declaration import UV_LOCK, check_packages, is_file
from runproj.lock.lock import Declaration, Lock
from runproj.lock.requirements import demanded_hashes
from runproj.ports import SourceControl

_INLINE = "runproj-packages.txt"
_CONSTRAINTS = "runproj-constraints.txt"


class Platform(NamedTuple):
    """A system as markers (PEP 508) see it."""

    name: str
    system: str
    os_name: str
    machines: tuple[str, ...]

    @property
    def marker(self) -> str:
        """What holds there only."""
        return f"sys_platform == '{self.name}'"


_PLATFORMS = {
    "linux": Platform("linux", "Linux", "posix", ("x86_64", "aarch64")),
    "macos": Platform("darwin", "Darwin", "posix", ("arm64", "x86_64")),
    "windows": Platform("win32", "Windows", "nt", ("AMD64", "ARM64")),
}


class Resolver(NamedTuple):
    """Makes locks for one interpreter; the files of libraries come from ``source``."""

    uv: resolver.Uv
    interpreter: Interpreter
    say: Callable[[str], None]
    source: SourceControl | None = None

    def lock(self, declaration: Declaration, previous: Lock | None) -> Lock:
        """Return the lock of a declaration, see :meth:`runproj.ports.EnvironmentBackend.lock`."""
        check_packages(declaration)
        with tempfile.TemporaryDirectory(prefix="runproj-lock-") as name:
            folder = Path(name)
            found = libraries.parse(declaration.local)
            lay_out(self.source, found, found.all, folder)
            _lay_out(folder, declaration)
            if UV_LOCK in declaration.files:
                content = self._exported(declaration, folder)
            else:
                _prefer(folder, previous)
                content = self._resolved(declaration, folder)
        content = pylock.below_locks(pylock.without_credentials(content))
        count = len(pylock.packages(content))
        systems = f" for {', '.join(declaration.platforms)}" if declaration.platforms else ""
        self.say(f"locked {count} package{'s' * (count != 1)}{systems}")
        return Lock(
            kind="venv",
            content=pylock.with_declaration(content, declaration.digest),
            declaration=declaration.digest,
        )

    def _resolved(self, declaration: Declaration, folder: Path) -> str:
        self.say(f"resolving for Python {self.interpreter.minor}")
        sources = _sources(declaration)
        python, minor = self.interpreter.executable, self.interpreter.minor
        content = resolver.compiled(self.uv, sources, python, minor, folder)
        if declaration.platforms:
            markers = [_PLATFORMS[one].marker for one in declaration.platforms]
            test = _platforms_test(self.interpreter, declaration.platforms)
            content = pylock.for_platforms(content, markers, test)
        # uv does not look at the digests of a requirement file when it resolves
        others = pylock.missing_hashes(content, demanded_hashes(declaration.files))
        if others:
            raise EnvironmentFailed(
                f"no file of {', '.join(others)} has a hash that the requirements demand",
                hint="somebody replaced the file, or the hash is that of another version",
            )
        pins = pylock.unconditional(content)
        if not pins:
            return content
        where = resolver.indexes(self.uv, sources, pins, python, minor, folder)
        return pylock.with_index(content, where)

    def _exported(self, declaration: Declaration, folder: Path) -> str:
        self.say("taking over uv.lock")
        own = pyproject.parse(declaration.files[pyproject.FILE])
        dynamic = bool(own.get("project", {}).get("dynamic"))
        if dynamic:
            self.say("uv.lock is not checked against pyproject.toml: the version is dynamic")
        content = resolver.exported(
            self.uv, _chosen(declaration), self.interpreter.executable, folder, check=not dynamic
        )
        # uv's lock is for every Python that the project allows, ours is for one
        return pylock.narrowed(content, _marker_test(self.interpreter))


def marker_environment(interpreter: Interpreter) -> dict[str, str]:
    """Return what markers (PEP 508) ask for, of an interpreter of this machine."""
    from packaging.markers import default_environment  # noqa: PLC0415 -- lazy

    implementation = interpreter.implementation.removesuffix("t")
    return {
        **cast("dict[str, str]", default_environment()),
        "python_version": interpreter.minor,
        "python_full_version": interpreter.version,
        "implementation_version": interpreter.version,
        "implementation_name": implementation.lower(),
        "platform_python_implementation": implementation,
    }


def _marker_test(interpreter: Interpreter) -> Callable[[str], bool]:
    """Return what tells whether a marker (PEP 508) holds for an interpreter of this machine."""
    from packaging.markers import Marker  # noqa: PLC0415 -- lazy

    environment = marker_environment(interpreter)
    return lambda text: Marker(text).evaluate(environment)


def _platforms_test(interpreter: Interpreter, platforms: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether a marker holds for an interpreter on any of some platforms."""
    from packaging.markers import Marker  # noqa: PLC0415 -- lazy

    environments = [
        {
            **marker_environment(interpreter), "os_name": one.os_name, "sys_platform": one.name,
            "platform_system": one.system, "platform_machine": machine,
            "platform_release": "", "platform_version": "",
        }
        for one in map(_PLATFORMS.__getitem__, platforms)
        for machine in one.machines
    ]  # fmt: skip
    return lambda text: any(Marker(text).evaluate(one) for one in environments)


def _lay_out(folder: Path, declaration: Declaration) -> None:
    """Write the declared files as they stand in the project."""
    for name, text in declaration.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if _INLINE in _sources(declaration):
        text = "".join(f"{requirement}\n" for requirement in declaration.packages)
        (folder / _INLINE).write_text(text, encoding="utf-8")
    limits = "".join(f"{one}\n" for one in declaration.constraints if not is_file(one))
    (folder / _CONSTRAINTS).write_text(limits, encoding="utf-8")
    if pyproject.FILE not in declaration.files:
        # an own (empty) configuration: what lies in folders above does not count
        (folder / "uv.toml").touch()


def _prefer(folder: Path, previous: Lock | None) -> None:
    """Put the pins of the previous lock where uv looks for them."""
    if previous is None:
        return
    try:
        pins = pylock.packages(previous.content)
    except EnvironmentFailed:
        return  # a damaged lockfile pins nothing
    if pins:
        text = pylock.body_of(previous.content)
        (folder / "pylock.toml").write_text(text, encoding="utf-8")


def _sources(declaration: Declaration) -> list[str]:
    """Return what uv resolves: files of the folder, and options that choose of them."""
    sources = list(declaration.requirements)
    own = pyproject.parse(declaration.files.get(pyproject.FILE, ""))
    if "project" in own:
        sources.append(pyproject.FILE)
    if declaration.packages or not (sources or declaration.groups):
        sources.append(_INLINE)
    return [*sources, *_chosen(declaration), *_limits(declaration)]


def _limits(declaration: Declaration) -> list[str]:
    """Return the options that limit what may be chosen."""
    files = [one for one in declaration.constraints if is_file(one)]
    if len(files) < len(declaration.constraints):
        files.append(_CONSTRAINTS)
    options = [part for name in files for part in ("--constraint", name)]
    if declaration.platforms:
        options.append("--universal")
    return options + [part for name in declaration.no_binary for part in ("--no-binary", name)]


def _chosen(declaration: Declaration) -> list[str]:
    extras = [part for name in declaration.extras for part in ("--extra", name)]
    return extras + [part for name in declaration.groups for part in ("--group", name)]
