"""Which programs of the machine are meant by their names: their files, and well-known versions.

What a file is, is kept with its size, time and inode, and holds as long as these do. No program is
started to find out, but for well-known interpreters, once for each file.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runproj.adapters.disk import write_atomically
from runproj.adapters.environments.interpreters import state
from runproj.model import digest_of
from runproj.record.program import Program

_FORMAT = 1
_INTERPRETERS = re.compile(r"(python|pypy|perl|ruby|php|lua|bash|node|Rscript|julia)[\d.]*")
"""Names of files that answer to ``--version``, and do nothing else then."""

_BINARY = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")  # a script might do anything
_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")
_PATIENCE_S = 5.0


class ProgramsOnPath:
    """Finds programs, and remembers what they are in the folder ``cache``."""

    def __init__(self, cache: Path) -> None:
        """Remember below ``cache``; it is made when something is remembered."""
        self._cache = cache / "programs"

    def find(self, names: Sequence[str], path: str) -> tuple[Program, ...]:
        """Return what names stand for on a PATH; what is not there or cannot be read is left out.

        A name may be an absolute path.
        """
        found = []
        for name in names:
            place = shutil.which(name, path=path)
            if place is not None and os.path.isabs(place):  # noqa: PTH117 -- the hot path
                try:
                    sha256, version = self._known(os.path.realpath(place))
                except OSError:
                    continue
                found.append(Program(name=name, path=place, sha256=sha256, version=version))
        return tuple(found)

    def _known(self, file: str) -> tuple[str, str | None]:
        """Return sha256 and version of a file, from memory where that still holds."""
        now = state(file)
        note = self._cache / f"{digest_of([_FORMAT, file])[:20]}.json"
        try:
            kept = json.loads(note.read_bytes())
            if kept["state"] == now:
                return kept["sha256"], kept["version"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # it was never looked at, or the memory is damaged
        with open(file, "rb") as data:  # noqa: PTH123 -- a path as text
            binary = data.read(4) in _BINARY
            data.seek(0)
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
        name = os.path.basename(file)  # noqa: PTH119 -- a path as text
        version = _version(file) if binary and _INTERPRETERS.fullmatch(name) else None
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"state": now, "sha256": sha256, "version": version})
            write_atomically(note, text.encode())
        except OSError:
            pass  # it is looked at again next time; a cache that cannot be written stops nobody
        return sha256, version


def _version(file: str) -> str | None:
    """Ask an interpreter for its version."""
    try:
        done = subprocess.run(
            [file, "--version"], env={"LC_ALL": "C", "PATH": os.defpath}, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(done.stdout.decode(errors="replace"))
    return found[0] if found and done.returncode == 0 else None
