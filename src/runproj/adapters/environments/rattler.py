"""Asking py-rattler, which solves and installs conda environments, in a process of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runproj.errors import EnvironmentFailed, NotSupported
from runproj.lock.conda import CondaLock
from runproj.lock.pylock import without_credentials

_WORKER = Path(__file__).with_name("rattler_worker.py")
_OTHERS = ("CONDA_", "MAMBA_", "PIXI_")
_SAID = 2000
_TOKEN = re.compile(r"/t/[^/\s]+/")


class RattlerFailed(EnvironmentFailed):
    """Rattler cannot do what is asked of it; ``kind`` is the class of its own error."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Rattler(NamedTuple):
    """Py-rattler, with the caller's variables: they hold proxies, and where credentials are.

    ``kept_open`` are descriptors that it inherits: a lock must last as long as the last writer.
    """

    variables: Mapping[str, str]
    kept_open: tuple[int, ...] = ()

    def ask(self, verb: str, **request: Any) -> Any:  # noqa: ANN401 -- JSON
        """Return the answer of the process in :mod:`~runproj.adapters.environments.rattler_worker`.

        Raises:
            RattlerFailed: rattler says no.
            EnvironmentFailed: it is not installed, or its process ended without an answer.
        """
        try:
            # not the worker's own folder: modules there have names of libraries
            done = subprocess.run(
                [sys.executable, "-P", str(_WORKER)],
                input=json.dumps({"do": verb, **request}).encode(),
                env=dict(self.variables),
                capture_output=True,
                check=False,
                pass_fds=self.kept_open,
            )
        except OSError as error:
            raise EnvironmentFailed(
                f"py-rattler's process cannot be started: {error.strerror}", where=sys.executable
            ) from error
        try:  # whatever its exit code is: it may crash after its work is done
            answer = json.loads(done.stdout)
        except ValueError as error:
            said = _shown(done.stderr.decode(errors="replace"))[-_SAID:]
            raise EnvironmentFailed(
                f"py-rattler's process ended without an answer ({done.returncode}): "
                f"{said or 'it said nothing'}"
            ) from error
        if "done" in answer:
            return answer["done"]
        if answer["kind"] == "ImportError":
            raise EnvironmentFailed(
                "py-rattler is missing: it solves and installs conda environments",
                hint="pip install 'runproj[conda]'",
            )
        said = _shown(answer["failed"])
        raise RattlerFailed(said or answer["kind"], answer["kind"])

    def holding(self, descriptor: int) -> "Rattler":
        """Return the same that inherits a descriptor."""
        return Rattler(self.variables, (descriptor,))


def _shown(text: str) -> str:
    """Return what rattler said, without credentials that an auth file has put into its URLs."""
    return _TOKEN.sub("/t/***/", without_credentials(text)).strip()


def find_rattler(caller: Mapping[str, str]) -> Rattler:
    """Return py-rattler, without settings of conda and its like: nothing declared them."""
    return Rattler(
        {
            name: value
            for name, value in caller.items()
            if not name.startswith(_OTHERS) or name.startswith("CONDA_OVERRIDE_")
        }
    )


def pixi_lock(lock: CondaLock, caller: Mapping[str, str]) -> str:
    """Return a lock as the text of a ``pixi.lock``.

    Raises:
        NotSupported: it has packages of pip, whose digests that file would lack.
        EnvironmentFailed: py-rattler is missing, or refuses.
    """
    if lock.pip:
        raise NotSupported(
            "the packages of pip cannot be exported to pixi.lock: it would not have their digests",
            hint="--format explicit has them as comments",
        )
    text: str = find_rattler(caller).ask(
        "pixi", platform=lock.platform, channels=lock.channels, packages=lock.packages,
        virtual_packages=lock.virtual_packages,
    )  # fmt: skip
    return text


def this_platform() -> str:
    """Return conda's name of this machine's platform, ``linux-64``."""
    machine = os.uname().machine
    if sys.platform == "darwin":
        return "osx-arm64" if machine == "arm64" else "osx-64"
    return f"linux-{ {'x86_64': '64', 'arm64': 'aarch64'}.get(machine, machine) }"
