"""Whose a store is: the user's own, or one that came from elsewhere.

A store that is made gets a token, and the user's state folder remembers it. A store that somebody
else made, and that was copied here, has a token that is not known.
"""

import contextlib
import hashlib
import os
from pathlib import Path

_TOKEN = "token"  # noqa: S105 -- the name of a file
_KNOWN = "stores"


def claim(store: Path, state: Path) -> None:
    """Remember a store that was just made as the user's own; where that cannot be, it is not."""
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError), (store / _TOKEN).open("x") as file:
            file.write(os.urandom(16).hex())
        mark = _mark(store, state)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def is_own(store: Path, state: Path, run_id: str) -> bool:
    """Tell whether this user made a store, and wrote the record of a run in it."""
    try:
        owner = (store / "runs" / run_id / "run.json").stat().st_uid
        return owner == os.geteuid() and _mark(store, state).exists()
    except OSError:
        return False


def _mark(store: Path, state: Path) -> Path:
    token = (store / _TOKEN).read_bytes()
    return state / _KNOWN / hashlib.sha256(token).hexdigest()[:32]
