"""Virtual environments: interpreter by virtualenv's discovery, lock and packages by uv."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runproj.adapters.environments.built import (
    BuiltEnvironments,
    check_files,
)
from runproj.adapters.environments.interpreters import Interpreter, Interpreters
from runproj.adapters.environments.own_package import write_package
from runproj.adapters.environments.uv import Uv, UvFailed, explained
from runproj.errors import EnvironmentFailed
from runproj.lock import pylock
from runproj.lock.lock import Declaration, Lock
from runproj.lock.package import ProjectPackage, project_package
from runproj.model import digest_of
from runproj.ports import Say

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOMEBREW = "/opt/homebrew/bin:"
_FORMAT = 1  # of how an environment is built


@dataclass
class VenvBackend:
    """Locks and builds virtual environments below the user's cache folder."""

    cache: str
    caller: Mapping[str, str]
    uv: Uv = field(init=False)
    interpreters: Interpreters = field(init=False)
    built: BuiltEnvironments = field(init=False)

    def __post_init__(self) -> None:
        self.uv = Uv(self.caller)
        self.interpreters = Interpreters(Path(self.cache, "interpreters"), self.caller)
        self.built = BuiltEnvironments(Path(self.cache, "environments"))

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Resolve a declaration, see :class:`~runproj.ports.EnvironmentBackend`."""
        interpreter = self.interpreters.find(declaration.python)
        with tempfile.TemporaryDirectory(prefix="runproj-lock-") as name:
            folder = Path(name)
            _write_files(declaration, folder)
            if "uv.lock" in declaration.files:
                say("taking the lock from uv.lock")
                content = self._exported(declaration, interpreter, folder)
            else:
                say(f"resolving for Python {interpreter.minor} …")
                content = self._resolved(declaration, interpreter, previous, folder)
        content = pylock.with_declaration(content, declaration.digest)
        count = len(pylock.packages(content))
        say(f"locked {count} package{'s' * (count != 1)}")
        return Lock(kind="venv", content=content, declaration=declaration.digest)

    def _resolved(
        self,
        declaration: Declaration,
        interpreter: Interpreter,
        previous: Lock | None,
        folder: Path,
    ) -> str:
        target = folder / "pylock.runproj.toml"
        if previous is not None:
            target.write_text(pylock.body_of(previous.content), encoding="utf-8")
        sources = list(_sources(declaration, folder))
        if not sources:
            return 'lock-version = "1.0"\ncreated-by = "runproj"\npackages = []\n'
        arguments = [
            "pip", "compile", *sources, "--format", "pylock.toml", "--no-header", "--quiet",
            "--python", interpreter.path, "--python-version", interpreter.minor,
            "-o", target.name,
        ]  # fmt: skip
        try:
            self.uv.run(arguments, folder)
        except UvFailed as error:
            raise _unresolved(error) from error
        return target.read_text(encoding="utf-8")

    def _exported(self, declaration: Declaration, interpreter: Interpreter, folder: Path) -> str:
        """Return uv.lock as a lockfile of the standard's format.

        Whether it fits pyproject.toml is asked without the network; where that cannot be told
        offline, uv.lock is taken as it is.
        """
        arguments = [
            "export", "--format", "pylock.toml", "--no-emit-project", "--no-header", "--quiet",
            "--no-default-groups", "--python", interpreter.path,
            *(f"--extra={name}" for name in declaration.extras),
            *(f"--group={name}" for name in declaration.groups),
        ]  # fmt: skip
        try:
            return self.uv.run([*arguments, "--locked", "--offline"], folder)
        except UvFailed as error:
            if "needs to be updated" in str(error):
                raise EnvironmentFailed(
                    "uv.lock does not fit pyproject.toml any more", where="uv.lock", hint="uv lock"
                ) from error
        try:
            return self.uv.run([*arguments, "--frozen"], folder)
        except UvFailed as error:
            raise _unresolved(error) from error

    def key(self, declaration: Declaration, lock: Lock) -> str:
        """Return the digest of what the environment would hold: packages and interpreter."""
        interpreter = self.interpreters.find(declaration.python)
        return digest_of(
            [
                _FORMAT, interpreter.implementation, interpreter.version, interpreter.platform,
                pylock.body_of(lock.content).strip(),
            ]
        )  # fmt: skip

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> "Venv":
        """Build or take an environment, see :class:`~runproj.ports.EnvironmentBackend`."""
        key = self.key(declaration, lock)
        interpreter = self.interpreters.find(declaration.python)
        place = self.built.get_or_build(
            key, lambda place: self._build(place, interpreter, lock, say), say
        )
        package = None
        if declaration.pyproject:
            package = project_package(declaration.files["pyproject.toml"])
        return Venv(key, place, interpreter.version, package, Path(self.cache, "packages"))

    def _build(
        self, place: Path, interpreter: Interpreter, lock: Lock, say: Say
    ) -> tuple[str, int]:
        names = pylock.packages(lock.content)
        say(f"creating it with Python {interpreter.version}")
        _create(place, interpreter)
        if names:
            say(f"installing {len(names)} package{'s' * (len(names) != 1)} …")
            self._install(place, lock)
        _prove(place, interpreter, names)
        say(f"ready: {len(names)} package{'s' * (len(names) != 1)}")
        return interpreter.version, len(names)

    def _install(self, place: Path, lock: Lock) -> None:
        """Install from the cache alone when everything is there; else from the index."""
        with tempfile.TemporaryDirectory(prefix="runproj-install-") as name:
            file = Path(name, "pylock.toml")
            file.write_text(pylock.body_of(lock.content), encoding="utf-8")
            # copies, not hard links: what a step does to its environment must not reach uv's cache
            arguments = [
                "pip", "sync", str(file), "--python", str(place / "bin" / "python"),
                "--link-mode", "copy", "--require-hashes", "--quiet",
            ]  # fmt: skip
            try:
                self.uv.run([*arguments, "--offline"])
            except UvFailed:
                try:
                    self.uv.run(arguments)
                except UvFailed as error:
                    raise _uninstalled(error) from error


def _write_files(declaration: Declaration, folder: Path) -> None:
    for path, text in declaration.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def _sources(declaration: Declaration, folder: Path) -> Iterator[str]:
    """Yield what uv is to resolve; inline packages become a file."""
    yield from declaration.requirements
    if declaration.packages:
        inline = folder / "packages-of-the-project-file.txt"
        inline.write_text("\n".join(declaration.packages) + "\n", encoding="utf-8")
        yield inline.name
    if declaration.pyproject:
        yield "pyproject.toml"
        yield from (f"--extra={name}" for name in declaration.extras)
        yield from (f"--group={name}" for name in declaration.groups)


def _unresolved(error: UvFailed) -> EnvironmentFailed:
    if error.unreachable:
        return EnvironmentFailed(
            f"the package index cannot be reached: {explained(str(error))}",
            hint="a lock is made once and needs no network afterwards",
        )
    return EnvironmentFailed(
        f"the requirements cannot be met: {explained(str(error))}",
        hint="change a requirement, or the Python version of the environment",
    )


def _uninstalled(error: UvFailed) -> EnvironmentFailed:
    text = explained(str(error))
    if error.unreachable:
        return EnvironmentFailed(
            f"packages are not at hand, and the index cannot be reached: {text}",
            hint="run once with a network; what was installed before needs none",
        )
    return EnvironmentFailed(
        f"the locked packages cannot be installed: {text}", hint="lock them again: runproj lock"
    )


def _create(place: Path, interpreter: Interpreter) -> None:
    """Create an empty environment in a process of its own: it must not see ours."""
    done = subprocess.run(
        [
            sys.executable, "-I", "-m", "virtualenv", "--quiet", "--no-seed", "--no-download",
            "--no-periodic-update", "--python", interpreter.path, str(place),
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise EnvironmentFailed(
            f"virtualenv failed: {(done.stderr or done.stdout).strip()}", where=str(place)
        )


def _prove(place: Path, interpreter: Interpreter, names: Mapping[str, str]) -> None:
    """Make sure that the environment is what it should be before anybody uses it."""
    code = (
        "import importlib.metadata as m, platform, sys;"
        "print(platform.python_version(), sys.prefix);"
        "print(*(d.metadata['Name'] for d in m.distributions()))"
    )
    done = subprocess.run(
        [str(place / "bin" / "python"), "-I", "-c", code],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout.splitlines()
    healthy = (
        not done.returncode
        and said[0] == f"{interpreter.version} {place}"
        and len((said[1] if len(said) > 1 else "").split()) <= len(names)
    )
    if not healthy:
        raise EnvironmentFailed(
            f"the new environment does not work: {(done.stderr or done.stdout).strip()}",
            where=str(place),
        )


@dataclass(frozen=True, slots=True)
class Venv:
    """A virtual environment that is there, see :class:`~runproj.ports.PreparedEnvironment`."""

    key: str
    place: Path
    python: str
    package: ProjectPackage | None
    packages: Path

    @property
    def description(self) -> str:
        """One line for a person."""
        return f"a virtual environment with Python {self.python}"

    def variables(self, project_folder: str) -> Mapping[str, str]:
        """Return the variables of a process that runs in it."""
        system = _HOMEBREW * (sys.platform == "darwin") + _SYSTEM_PATH
        path = [f"{self.place}/bin", system]
        variables = {"VIRTUAL_ENV": str(self.place)}
        if self.package is not None:
            own = write_package(self.packages, self.package, self.place / "bin" / "python")
            roots = [
                os.path.normpath(f"{project_folder}/{root}")
                for root in self.package.roots
                if Path(project_folder, root).is_dir()
            ]
            path.insert(0, f"{own}/bin")
            variables["PYTHONPATH"] = os.pathsep.join([*roots, f"{own}/metadata"])
        return {**variables, "PATH": ":".join(path)}

    def is_intact(self) -> bool:
        """Tell whether every file is as it was when it was built; if not, it is not used again."""
        return check_files(self.place)
