"""Who is at the keyboard, as git knows it."""

from collections.abc import Mapping

from runproj.adapters.source.plumbing import ask, looking
from runproj.errors import StoreError

_ASKED = r"^user\.(name|email)$"


def author_of(folder: str, caller: Mapping[str, str]) -> str | None:
    """Return ``NAME <EMAIL>`` as git would write it into a commit; None: git knows nobody.

    Args:
        folder: the one whose repository is asked, if it is in one.
        caller: the caller's environment variables.
    """
    known = {}
    try:
        found = ask(looking(folder, "config", "-z", "--get-regexp", _ASKED))[0].out
    except (StoreError, OSError):
        found = b""
    for line in found.decode("utf-8", "backslashreplace").split("\0")[:-1]:
        key, _, value = line.partition("\n")
        known[key.lower()] = value
    name = caller.get("GIT_AUTHOR_NAME") or known.get("user.name", "")
    email = caller.get("GIT_AUTHOR_EMAIL") or known.get("user.email", "")
    return f"{name} <{email}>" if name and email else name or email or None
