"""Passwords from a keyring, by the ``keyring`` command: what uv calls ``subprocess``.

It is asked only where the settings say so, and only for a user whose name is known:
https://docs.astral.sh/uv/concepts/authentication/http/
"""

import shutil
import subprocess
import threading
import tomllib
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

_PROVIDER = "subprocess"
_TIMEOUT_S = 60


class Keyring:
    """Asks the keyring once for each address and user; several threads may ask at once."""

    def __init__(self, caller: Mapping[str, str], settings: Iterable[str]) -> None:
        """Ask with the caller's variables, if these or texts of uv's settings want it."""
        named = caller.get("UV_KEYRING_PROVIDER")
        wanted = [named] if named else [_provider(text) for text in settings]
        program = shutil.which("keyring", path=caller.get("PATH")) if _PROVIDER in wanted else None
        self._program = program
        self._caller = caller
        self._known: dict[tuple[str, str], str | None] = {}
        self._alone = threading.Lock()

    def password(self, below: str, url: str, user: str) -> str | None:
        """Return the password of a user; None when the keyring has none, or nobody asks it.

        Args:
            below: the address that the settings name, such as that of an index.
            url: the address of a file.
            user: the user's name.
        """
        if self._program is None or not user:
            return None
        parts = urllib.parse.urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        for service in dict.fromkeys((below, host, f"{parts.scheme}://{host}")):
            with self._alone:
                if (service, user) not in self._known:
                    self._known[service, user] = self._asked(self._program, service, user)
                found = self._known[service, user]
            if found:
                return found
        return None

    def _asked(self, program: str, service: str, user: str) -> str | None:
        try:
            done = subprocess.run(
                [program, "get", service, user], env=dict(self._caller), check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                timeout=_TIMEOUT_S,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.decode("utf-8", "replace").rstrip("\r\n") or None


def _provider(text: str) -> str | None:
    """Return the keyring that a text of uv's settings names."""
    if "keyring-provider" not in text:
        return None
    try:
        read: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None  # a requirement file
    own = read.get("tool", {}).get("uv", {}) if "tool" in read else read
    pip = own.get("pip", {})
    named = own.get("keyring-provider") or pip.get("keyring-provider")
    return named if isinstance(named, str) else None
