"""The lockfile of an image: ``locks/docker.NAME.json``.

::

    {
      "declaration": "…",          the digest of what it was made for
      "image": "registry/name:tag",  as declared; null for an image that is built
      "digest": "sha256:…",        by which the registry knows it; null when it came from none
      "id": "sha256:…"             by which the engine knows it, on the platform of the lock
    }
"""

import json
from collections.abc import Collection
from typing import NamedTuple

from runproj.errors import EnvironmentFailed

NOTHING = ""
"""A lockfile that locks nothing."""


class ImageLock(NamedTuple):
    """What a lockfile says."""

    declaration: str | None
    image: str | None
    digest: str | None
    id: str

    @property
    def name(self) -> str | None:
        """The name by which a registry gives exactly this image; None: none has it."""
        if self.image is None or self.digest is None:
            return None
        return f"{repository_of(self.image)}@{self.digest}"

    @property
    def text(self) -> str:
        """The lockfile."""
        return json.dumps(self._asdict(), indent=2) + "\n"


def parse(content: str) -> ImageLock:
    """Return what the text of a lockfile says.

    Raises:
        EnvironmentFailed: it is damaged.
    """
    try:
        found = ImageLock(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise EnvironmentFailed(
            f"the lock of an image is damaged: {error}", hint="runproj lock writes it anew"
        ) from error
    if any(not isinstance(one, str | None) for one in found) or found[-1] is None:
        raise EnvironmentFailed(
            "the lock of an image is damaged: not the keys that it has",
            hint="runproj lock writes it anew",
        )
    return found


def declaration_of(content: str) -> str | None:
    """Return the digest of the declaration that a lockfile was made for; None: it is damaged."""
    try:
        return parse(content).declaration
    except EnvironmentFailed:
        return None


def packages(content: str) -> dict[str, str]:
    """Return that no packages are locked: they are in the image.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    parse(content)
    return {}


def archives(content: str) -> list[frozenset[str]]:
    """Return that an image has no archives of packages.

    Raises:
        EnvironmentFailed: the text is no lockfile.
    """
    parse(content)
    return []


def without(content: str, names: Collection[str]) -> str:  # noqa: ARG001 -- a format's
    """Return the lockfile: it lists no packages to choose from."""
    return content


def repository_of(reference: str) -> str:
    """Return the repository of a reference to an image: without tag and digest.

    >>> repository_of("127.0.0.1:5000/a/b:1.0@sha256:12"), repository_of("python")
    ('127.0.0.1:5000/a/b', 'python')
    """
    name = reference.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]


def difference(old: str, new: str) -> list[tuple[str, str | None, str | None]]:
    """Return what changes from one lockfile to another: name, what it was and will be."""
    after = parse(new)
    name, now = after.image or "the image that is built", after.digest or after.id
    try:
        before = parse(old)
    except EnvironmentFailed:
        before = None
    then = None if before is None else before.digest or before.id
    return [] if then == now else [(name, then, now)]
