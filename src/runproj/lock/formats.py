"""The formats of lockfiles, by the kind of environment."""

from collections.abc import Collection
from typing import Protocol

from runproj.lock.lock import Kind


class LockFormat(Protocol):
    """What is asked of every format; the texts are those of lockfiles."""

    NOTHING: str

    def packages(self, content: str) -> dict[str, str]:
        """Return name → version of what is locked; fails when the text is no lockfile."""

    def archives(self, content: str) -> list[frozenset[str]]:
        """Return, for each package that has any, the sha256 of all its files."""

    def difference(self, old: str, new: str) -> list[tuple[str, str | None, str | None]]:
        """Return name, old and new version of all that differs; None: it is not there."""

    def without(self, content: str, names: Collection[str]) -> str:
        """Return a lockfile without some packages, so that nothing pins them."""

    def declaration_of(self, content: str) -> str | None:
        """Return the digest of the declaration that it was made for; None: nobody knows."""


def format_of(kind: Kind) -> LockFormat | None:
    """Return the format of a kind's lockfiles; None: it has none."""
    if kind == "venv":
        from runproj.lock import pylock  # noqa: PLC0415 -- lazy: most projects have one kind

        return pylock
    if kind == "conda":
        from runproj.lock import conda  # noqa: PLC0415 -- lazy: most projects have one kind

        return conda
    if kind == "docker":
        from runproj.lock import image  # noqa: PLC0415 -- lazy: most projects have one kind

        return image
    return None


def format_of_text(content: str) -> LockFormat:
    """Return the format of a lockfile of which nobody wrote down the kind."""
    kind: Kind = "venv"
    if content.startswith("{"):
        kind = "conda" if '"packages"' in content else "docker"
    known = format_of(kind)
    assert known is not None, kind  # noqa: S101 -- for mypy: only the kind 'system' has none
    return known
