"""Running uv: resolving, exporting its lock, installing; and what its failures mean."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from runproj.errors import EnvironmentFailed, LockStale
from runproj.lock.pylock import without_credentials

# Variables that would turn uv to something else than what is asked of it.
_TURNING = re.compile(
    r"UV_(PYTHON|SYSTEM_PYTHON|PROJECT|PROJECT_ENVIRONMENT|WORKING_DIR|WORKING_DIRECTORY|FROZEN"
    r"|LOCKED|NO_SYNC|NO_VERIFY_HASHES|REQUIRE_HASHES|LINK_MODE|COMPILE_BYTECODE|NO_EDITABLE"
    r"|CUSTOM_COMPILE_COMMAND|PYTHON_DOWNLOADS|MANAGED_PYTHON|NO_MANAGED_PYTHON|NO_DEV|DEV"
    r"|NO_DEFAULT_GROUPS|NO_GROUP|CONSTRAINT|OVERRIDE|EXCLUDE|BUILD_CONSTRAINT"
    r"|BREAK_SYSTEM_PACKAGES|NO_BUILD_ISOLATION)"
    r"|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV|PYTHONPATH|PYTHONHOME|PYTHONSTARTUP"
)
# Variables that say where packages come from.
_CHOOSING = re.compile(
    r"UV_(NO_BINARY|NO_BUILD|INDEX|DEFAULT_INDEX|EXTRA_INDEX|FIND_LINKS|NO_INDEX|CONFIG)"
)
_ALWAYS = (
    "--color", "never", "--no-progress", "--no-python-downloads", "--preview-features", "pylock"
)  # fmt: skip
# What uv says when the build itself failed, and nothing had to be fetched for it any more.
_BUILT = "The build backend returned an error"
_LINES_OF_A_BUILD = 30
_NOISE = re.compile(r"(warning:|Using |Resolved |Prepared |Uninstalled |Audited |Building wheel).*")
_UNREACHABLE = re.compile(
    r"error sending request|tcp connect error|dns error|Connection refused|Could not connect"
    r"|Failed to (?:fetch|download)|timed out|Name or service not known",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"HTTP status client error \((?:404|410)\b|failed to query metadata of file .*No such file"
)
_DENIED = re.compile(
    r"HTTP status client error \((?:401|403|407)\b|lack of valid authentication credentials"
)
_OFFLINE = re.compile(r"network (?:was|is|connectivity is) disabled", re.IGNORECASE)


class Uv(NamedTuple):
    """uv, with the caller's variables: they hold indexes, certificates and proxies.

    ``kept_open`` are descriptors that it inherits: a lock must last as long as the last writer.
    """

    executable: str
    variables: Mapping[str, str]
    kept_open: tuple[int, ...] = ()

    def run(self, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run uv in a folder; return how it ended.

        Raises:
            EnvironmentFailed: it cannot be started.
        """
        try:
            return subprocess.run(
                [self.executable, *arguments, *_ALWAYS],
                cwd=folder,
                env=dict(self.variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                pass_fds=self.kept_open,
            )
        except OSError as error:
            raise EnvironmentFailed(
                f"uv cannot be started: {error.strerror}", where=self.executable
            ) from error

    def holding(self, descriptor: int) -> "Uv":
        """Return the same that inherits a descriptor."""
        return Uv(self.executable, self.variables, (descriptor,))


def find_uv(caller: Mapping[str, str]) -> Uv:
    """Return the uv that was installed with runproj.

    Raises:
        EnvironmentFailed: it is gone.
    """
    variables = {name: value for name, value in caller.items() if not _TURNING.fullmatch(name)}
    try:
        from uv import find_uv_bin  # noqa: PLC0415 -- may be missing, and that has a hint

        executable = os.fsdecode(find_uv_bin())
    except (ImportError, FileNotFoundError) as error:
        raise EnvironmentFailed(
            "uv is missing: it resolves and installs packages",
            hint="it comes with runproj; install runproj again, or 'pip install uv' beside it",
        ) from error
    return Uv(executable, variables)


def compiled(uv: Uv, sources: Sequence[str], python: str, minor: str, folder: Path) -> str:
    """Resolve; return the lockfile, with the index of each package.

    Args:
        uv: the resolver.
        sources: requirement files and options, relative to the folder.
        python: the interpreter to resolve for.
        minor: its version without the last number: the lock serves every patch release.
        folder: holds the declared files, and in ``pylock.toml`` pins to be preferred.

    Raises:
        EnvironmentFailed: with uv's explanation.
    """
    command = ("pip", "compile", *sources, "--python", python, "--python-version", minor)
    made = (*command, "--no-header", "--format", "pylock.toml", "-o", "pylock.toml", "--quiet")
    done = uv.run(*made, folder=folder)
    if done.returncode != 0 and _UNREACHABLE.search(done.stderr):
        again = uv.run(*made, "--offline", folder=folder)
        done = again if again.returncode == 0 else done
    if done.returncode != 0:
        fail(done, "the environment cannot be resolved")
    return (folder / "pylock.toml").read_text(encoding="utf-8")


def indexes(
    uv: Uv, sources: Sequence[str], pins: Mapping[str, str], python: str, minor: str, folder: Path
) -> dict[str, str]:
    """Return from which index each package came; empty when uv cannot tell.

    uv tells it only in its other format, so the same is resolved once more from its cache.
    """
    lines = "".join(f"{name}=={version}\n" for name, version in pins.items())
    (folder / "runproj-pins.txt").write_text(lines, encoding="utf-8")
    done = uv.run(
        "pip", "compile", *sources, "-c", "runproj-pins.txt", "--python", python,
        "--python-version", minor, "--no-header", "--no-annotate", "--emit-index-annotation",
        "--offline", "--quiet", folder=folder,
    )  # fmt: skip
    return dict(_annotations(done.stdout)) if done.returncode == 0 else {}


def _annotations(text: str) -> Iterator[tuple[str, str]]:
    name = ""
    for line in text.splitlines():
        found = re.match(r"\s+# from (https?://\S+)$", line)
        if found and name:
            yield name, found[1]
        elif not line.startswith(" "):
            name = line.partition("==")[0] if "==" in line else ""


def exported(uv: Uv, chosen: Sequence[str], python: str, folder: Path, *, check: bool) -> str:
    """Return the lockfile that uv's own lock holds for these extras and groups.

    ``check`` makes sure that it fits ``pyproject.toml``; that needs no network.

    Raises:
        LockStale: it does not.
        EnvironmentFailed: with uv's explanation.
    """
    command = (
        "export", "--format", "pylock.toml", "--no-header", "--no-emit-project",
        "--no-default-groups", *chosen, "--python", python, "-o", "pylock.toml", "--quiet",
    )  # fmt: skip
    if check:
        # What fits is known without asking anybody; what does not fit is resolved, and fails here.
        checked = uv.run(*command, "--locked", "--offline", folder=folder)
        if checked.returncode != 0:
            raise LockStale(
                "uv.lock does not fit pyproject.toml any more", where="uv.lock", hint="uv lock"
            )
    else:
        done = uv.run(*command, "--frozen", "--offline", folder=folder)
        if done.returncode != 0:
            fail(done, "uv.lock cannot be read")
    return (folder / "pylock.toml").read_text(encoding="utf-8")


def installed(
    uv: Uv, python: str, folder: Path, lockfile: str, *, offline: bool, own: bool
) -> "subprocess.CompletedProcess[str]":
    """Install what a lockfile in a folder says; return how it ended.

    Files are copied (cloned where the file system can), never linked: what a step writes into its
    environment does not reach uv's cache. Digests are verified. ``own`` leaves out the settings of
    the user: all that is installed is at hand.
    """
    if own:
        kept = {name: text for name, text in uv.variables.items() if not _CHOOSING.match(name)}
        uv = uv._replace(variables=kept)
    return uv.run(
        "pip", "sync", lockfile, "--python", python, "--link-mode", "copy",
        "--allow-empty-requirements", "--quiet", *(("--offline",) if offline else ()),
        *(("--no-config", "--no-index") if own else ()), folder=folder,
    )  # fmt: skip


def tried(
    uv: Uv, sources: Sequence[str], python: str, folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Resolve beside what is installed already, and install nothing; uv says what it would do."""
    return uv.run(
        "pip", "install", "--dry-run", *sources, "--python", python, "--no-build", folder=folder
    )


def pinned(uv: Uv, pins: str, python: str, folder: Path) -> str:
    """Return the lockfile of exactly these packages.

    Raises:
        EnvironmentFailed: with uv's explanation.
    """
    done = uv.run(
        "pip", "compile", pins, "--no-deps", "--python", python, "--no-header", "--no-build",
        "--format", "pylock.toml", "-o", "pylock.toml", "--quiet", folder=folder,
    )  # fmt: skip
    if done.returncode != 0:
        fail(done, "the digests of the packages cannot be had")
    return (folder / "pylock.toml").read_text(encoding="utf-8")


def added(
    uv: Uv, wheels: Sequence[str], python: str, folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Install wheels of this machine beside what is installed already; return how it ended."""
    kept = {name: text for name, text in uv.variables.items() if not _CHOOSING.match(name)}
    return uv._replace(variables=kept).run(
        "pip", "install", *wheels, "--no-deps", "--no-index", "--no-config", "--offline",
        "--python", python, "--link-mode", "copy", "--quiet", folder=folder,
    )  # fmt: skip


def built(uv: Uv, package: str, source: Path, python: str, target: Path, *, closed: bool) -> Path:
    """Build a wheel from a source archive, or a folder, into a folder; return it.

    ``closed``: no index is asked for what the build needs.

    Raises:
        EnvironmentFailed: with uv's explanation.
    """
    command = [
        "build", "--wheel", str(source), "--out-dir", str(target), "--python", python,
        *(["--no-index"] if closed else []),
    ]  # fmt: skip
    target.mkdir(parents=True, exist_ok=True)
    # an own (empty) configuration: what lies in folders above does not count
    (target / "uv.toml").touch()
    done = uv.run(*command, "--offline", folder=target)
    if done.returncode != 0 and (_OFFLINE.search(done.stderr) or _BUILT not in done.stderr):
        done = uv.run(*command, folder=target)
    wheels = sorted(target.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        last = "\n".join(done.stderr.splitlines()[-_LINES_OF_A_BUILD:])
        fail(subprocess.CompletedProcess(done.args, 1, "", last), f"{package} cannot be built")
    return wheels[0]


def fail(done: "subprocess.CompletedProcess[str]", what: str) -> NoReturn:
    """Raise what a failure of uv means.

    Raises:
        EnvironmentFailed: always.
    """
    said = explanation(done.stderr)
    hint: str | None = None
    if "No space left on device" in said:
        hint = "make room on the disk; 'runproj env remove' removes environments"
    elif "Permission denied" in said:
        hint = "let the folder be writable, or set XDG_CACHE_HOME and UV_CACHE_DIR to others"
    elif "Hash mismatch" in said:
        what = "a package is not what the lock says"
        hint = (
            "the lockfile was changed by hand, or a published file was replaced: "
            "'runproj lock --upgrade' takes what is there"
        )
    elif "Python requirement" in said or "no wheels with a matching" in said:
        hint = "the lock was made for another Python or platform: 'runproj lock' makes it for this"
    elif _GONE.search(said):
        what = "a file that the lock names is gone"
        hint = "the index removed it: 'runproj lock --upgrade' takes what is there"
    elif _DENIED.search(said):
        what = "the package index does not let us in"
        hint = (
            "check user and password of the index: in its URL, UV_INDEX_*, a netrc file, or the "
            "keyring (UV_KEYRING_PROVIDER=subprocess)"
        )
    elif _OFFLINE.search(said):
        what += ": it would have to ask the package index, and nothing asks the network"
        hint = "do it once without --offline (or UV_OFFLINE): what it needs is kept"
    elif _UNREACHABLE.search(said):
        what = "the package index cannot be reached"
        hint = "check the network, the proxy variables and uv's index settings"
    elif "No solution found" in said or "parse requirement" in said:
        hint = "change a requirement, or the Python version of the environment"
    raise EnvironmentFailed(f"{what}:\n{said}", hint=hint)


def explanation(stderr: str) -> str:
    """Return what uv says about a failure, without what it says about its progress."""
    lines = [line for line in stderr.splitlines() if not _NOISE.match(line)]
    text = "\n".join(lines).strip().removeprefix("error: ")
    return without_credentials(text) or "uv said nothing"
