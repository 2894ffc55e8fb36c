"""What activating a conda environment sets: variables of its packages' scripts.

The scripts run once, when the environment is built. Where their result depends on more than the
environment, such as the home folder, they run again for each process.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from runproj.adapters.disk import write_atomically
from runproj.errors import EnvironmentFailed

_BASH = "/bin/bash"
# what scripts print is no answer
_ASKED = "exec 3>&1 1>&2\n%s\nexec /usr/bin/env -0 1>&3 3>&-"
_TIMEOUT_S = 120
_OWN = frozenset({"_", "SHLVL", "PWD", "OLDPWD", "HOME", "TMPDIR", "LANG"})


class Activation(NamedTuple):
    """Variables, or (None) the script that tells them."""

    variables: Mapping[str, str] | None
    script: str

    def resolved(self, path: str, home: str) -> Mapping[str, str]:
        """Return the variables of a process; ``path`` is what its PATH goes on with.

        Raises:
            EnvironmentFailed: the script fails.
        """
        if self.variables is not None:
            return self.variables
        return activated(self.script, {"PATH": path, "HOME": home}, "/")

    def write(self, file: Path) -> None:
        """Keep it."""
        write_atomically(file, json.dumps(self._asdict()).encode())


def read(file: Path) -> Activation:
    """Return what was kept.

    Raises:
        EnvironmentFailed: it is gone or damaged.
    """
    try:
        return Activation(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise EnvironmentFailed(
            "the environment is damaged: how it is activated is not known any more",
            where=str(file), hint="'runproj env remove' removes it; it is built again",
        ) from error  # fmt: skip


def tried(script: str, path: str) -> Activation:
    """Run a script twice, in different circumstances; equal results hold always.

    Raises:
        EnvironmentFailed: it fails.
    """
    with tempfile.TemporaryDirectory(prefix="runproj-a-") as one:
        first = activated(script, {"PATH": path, "HOME": one}, one)
    with tempfile.TemporaryDirectory(prefix="runproj-b-") as two:
        other = {"PATH": path, "HOME": two, "TMPDIR": two, "LANG": "C.UTF-8"}
        second = activated(script, other, two)
    return Activation(first if first == second else None, script)


def activated(script: str, variables: Mapping[str, str], folder: str) -> dict[str, str]:
    """Run a script in bash; return the variables that it set.

    Raises:
        EnvironmentFailed: it fails.
    """
    command = [_BASH, "--noprofile", "--norc", "-c", _ASKED % script]
    try:
        done = subprocess.run(
            command, env=dict(variables), cwd=folder, stdin=subprocess.DEVNULL,
            capture_output=True, check=True, timeout=_TIMEOUT_S,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise EnvironmentFailed(
            "bash is missing: packages of conda have scripts for it", where=_BASH
        ) from error
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
        raise EnvironmentFailed(f"the environment cannot be activated: {said or error}") from error
    found = {}
    for line in done.stdout.split(b"\0"):
        name, equals, value = line.decode("utf-8", "surrogateescape").partition("=")
        if equals and name not in _OWN and variables.get(name) != value:
            found[name] = value
    if "PATH" in found:  # what it goes on with is there twice
        found["PATH"] = ":".join(dict.fromkeys(found["PATH"].split(":")))
    return found
