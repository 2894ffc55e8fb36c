"""A lock: the exact content of an environment, and for which declaration it was made."""

import hashlib
import tomllib
from functools import cached_property
from typing import Literal, TypeAlias

from pydantic import Field

from runproj.model import Model, digest_of

Kind: TypeAlias = Literal["venv", "conda", "docker", "system"]


class Declaration(Model):
    """All that decides what a lock may hold: what was declared, with the text of every file of it.

    ``files`` maps paths relative to the project (posix) to their text: requirement files with those
    that they include, ``pyproject.toml``, ``uv.lock``.
    """

    kind: Kind
    python: str | None = None
    requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    pyproject: bool = False
    files: dict[str, str] = Field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the declaration; two equal declarations may share a lock.

        Of a pyproject.toml only what decides which packages there are counts, so that the settings
        of other tools may change.
        """
        data = self.model_dump(mode="json")
        if "pyproject.toml" in self.files and "pyproject.toml" not in self.requirements:
            data["files"]["pyproject.toml"] = _deciding(self.files["pyproject.toml"])
        return digest_of(data)


_DECIDING = ("name", "dependencies", "optional-dependencies", "requires-python", "dynamic")


def _deciding(pyproject: str) -> dict[str, object]:
    """Return the part of a pyproject.toml that decides which packages there are."""
    data = tomllib.loads(pyproject)
    project = data.get("project", {})
    return {
        "project": {key: project[key] for key in _DECIDING if key in project},
        "groups": data.get("dependency-groups", {}),
        "uv": data.get("tool", {}).get("uv", {}),
    }


class Lock(Model):
    """The text of a lockfile.

    ``declaration`` is the digest of the declaration it was made for; None when nobody knows (a
    lockfile written by another tool).
    """

    kind: Kind
    content: str
    declaration: str | None = None

    @cached_property
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
