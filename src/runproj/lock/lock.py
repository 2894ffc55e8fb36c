"""A lock: the exact content of an environment, and for which declaration it was made."""

import hashlib
from typing import Literal, TypeAlias

from runproj.model import Model, digest_of, field

Kind: TypeAlias = Literal["venv", "conda", "docker", "system"]

_OF_NO_LOCK = ("package", "container", "local")
_ADDED_LATER = ("conda", "image", "libraries", "constraints", "no_binary", "platforms")


class Declaration(Model):
    """All that decides what a lock may hold: what was declared, with the text of every file of it.

    ``files`` maps paths relative to the project (posix) to their text: requirement files with those
    that they include, ``pyproject.toml``, ``uv.toml``, ``uv.lock``; only what decides a resolution
    is left of them. ``package`` is what the project's own package is made of (JSON, see
    :mod:`runproj.lock.package`): part of the environment, but of no lock, so not of the digest.
    ``conda`` is what is wanted of conda (JSON, see :mod:`runproj.lock.conda`).
    ``image`` is which image is wanted (JSON, see :mod:`runproj.lock.container`), ``container`` how
    its containers are made, and where the code stands that it is built from: of no lock either.
    ``libraries`` maps packages at paths of the project to the digest of what of them decides a
    lock, ``local`` is what they are and where they stand (JSON, see :mod:`runproj.lock.libraries`).
    ``constraints`` are files and requirements; ``no_binary`` are the packages that are built from
    source; ``platforms`` are those that the lock is for, none: that where it is made.
    """

    kind: Kind
    python: str | None = None
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    pyproject: bool = False
    files: dict[str, str] = field(default_factory=dict)
    package: str | None = None
    conda: str | None = None
    image: str | None = None
    container: str | None = None
    libraries: dict[str, str] = field(default_factory=dict)
    local: str | None = None
    constraints: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The sha256 of the declaration; two equal declarations may share a lock."""
        parts = {name: value for name, value in vars(self).items() if name not in _OF_NO_LOCK}
        for name in _ADDED_LATER:  # so that locks from before there were these still fit
            if not parts[name]:
                del parts[name]
        return digest_of(parts)


class Lock(Model):
    """The text of a lockfile.

    ``declaration`` is the digest of the declaration it was made for; None when nobody knows (a
    lockfile written by another tool).
    """

    kind: Kind
    content: str
    declaration: str | None = None

    @property
    def sha256(self) -> str:
        """The sha256 of the lockfile's bytes (UTF-8)."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def fits(self, declaration: Declaration) -> bool:
        """Tell whether the lock was made for this declaration."""
        return self.declaration == declaration.digest


def lockfile_path(environment: str, kind: Kind) -> str | None:
    """Return where the lockfile of an environment stands in a project; None: it has none.

    >>> lockfile_path("default", "venv")
    'locks/pylock.default.toml'
    """
    if kind == "system":
        return None
    return (
        f"locks/pylock.{environment}.toml" if kind == "venv" else f"locks/{kind}.{environment}.json"
    )
