"""Running uv: resolving, exporting and installing."""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runproj.errors import EnvironmentFailed

_OFFLINE = re.compile(
    r"network was disabled|error sending request|dns error|connection refused|timed out"
    r"|Failed to fetch|tcp connect error|Could not connect",
    re.IGNORECASE,
)
_COMMON = ("--no-python-downloads", "--no-progress", "--color", "never", "--no-config")


class UvFailed(Exception):
    """What uv printed; ``unreachable`` tells that the network was the reason."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.unreachable = bool(_OFFLINE.search(text))


@dataclass(frozen=True, slots=True)
class Uv:
    """Runs uv with the caller's variables, so that the caller's index and proxy are used."""

    caller: Mapping[str, str]

    def run(self, arguments: Sequence[str], folder: Path | None = None) -> str:
        """Run uv; return what it printed on standard output.

        Raises:
            UvFailed: it ended with another code than 0.
            EnvironmentFailed: it is not there.
        """
        done = subprocess.run(
            [find_uv(), *arguments, *_COMMON],
            cwd=folder, env=self._variables(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise UvFailed(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def _variables(self) -> dict[str, str]:
        dropped = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT")
        kept = {name: text for name, text in self.caller.items() if name not in dropped}
        return {**kept, "UV_PREVIEW_FEATURES": "pylock"}


def find_uv() -> str:
    """Return where uv is: beside this interpreter, where the package ``uv`` put it, or on PATH.

    Raises:
        EnvironmentFailed: nowhere.
    """
    beside = Path(sysconfig.get_path("scripts"), "uv")
    if beside.exists():
        return str(beside)
    try:
        import uv  # noqa: PLC0415 -- only where the quick look failed

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        pass
    for folder in (str(Path(sys.executable).parent), *os.environ.get("PATH", "").split(os.pathsep)):
        if os.access(f"{folder}/uv", os.X_OK):
            return f"{folder}/uv"
    raise EnvironmentFailed("uv is not there", hint="it comes with runproj: pip install uv")


def explained(text: str) -> str:
    r"""Return uv's own explanation without its word ``error:`` in front.

    >>> explained("error: No solution found\n  cause: Because …")
    'No solution found\n  cause: Because …'
    """
    kept = [line for line in text.splitlines() if not line.startswith(("Using ", "warning: "))]
    text = "\n".join(kept).strip()
    return text.removeprefix("error:").lstrip("\u00d7 ").strip() or "uv failed without a word"
