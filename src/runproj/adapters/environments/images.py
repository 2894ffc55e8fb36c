"""Containers: images that are locked to their digests, pulled or built.

What a run needs when nothing changed is done here without the engine; what asks the engine stands
in :mod:`runproj.adapters.environments.engine`, which is imported when it is needed.

::

    images/
      <20 digits of the key>.json   an image that was used here: its key, name, id, size
      <64 digits>.instead           the id of what was built here in place of the image of a lock
      <20 digits of content>.log    what the build of an image printed last
      <20 digits of content>.lock   held by who builds it
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runproj.adapters.disk import write_atomically
from runproj.adapters.environments.offline import ONCE, WITHOUT, is_offline
from runproj.errors import EnvironmentFailed, RunprojError
from runproj.lock import container as declared
from runproj.lock import image
from runproj.lock.container import Build, Shape
from runproj.lock.image import ImageLock
from runproj.lock.lock import Declaration, Lock
from runproj.model import Model, digest_of
from runproj.ports import Archive, Container, Held, Say, SourceControl, Volume
from runproj.spec.environment import IMAGE_ID

if TYPE_CHECKING:
    from runproj.adapters.environments.engine import Engine, Image

_FORMAT = 1
_DIGITS = 20
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILT = "runproj-build"
"""The repository of the images that are built here; their tag is the digest of the content."""


class UsedImage(Model):
    """An image as ``runproj env list`` shows it; ``used_at`` in seconds since 1970."""

    key: str
    image: str
    id: str
    size: int
    used_at: float


class PreparedImage(NamedTuple):
    """An image that is there, see :class:`runproj.ports.PreparedEnvironment`."""

    key: str
    description: str
    container: Container
    defined: Mapping[str, str]

    @property
    def folders(self) -> Sequence[str]:
        """Nothing: it has no folders of this machine."""
        return ()

    def variables(self, project_folder: str) -> Mapping[str, str]:  # noqa: ARG002 -- a port's
        """Return the variables that the image defines."""
        return {"PATH": _PATH, **self.defined}

    def is_intact(self) -> bool:
        """Return True: an image never changes."""
        return True


class DockerBackend:
    """Locks, pulls and builds images, see :class:`runproj.ports.EnvironmentBackend`."""

    def __init__(self, cache: str, source: SourceControl | None, caller: Mapping[str, str]) -> None:
        """Note what was used below ``cache``; build from the trees of ``source``.

        ``caller`` are the caller's variables: ``DOCKER_HOST`` and its like.
        """
        self.used = UsedImages(Path(cache) / "images")
        self.source = source
        self.caller = caller
        self._engine: Engine | None = None

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Find the digest of an image, or build it; what ``previous`` has of this name stays."""
        wanted = declared.image_of(declaration)
        build = declared.build_of(declaration)
        if build is not None:
            found = self._built(build, self._shape(declaration), say)
            made = ImageLock(declaration.digest, None, None, found.id)
        else:
            name = str(wanted)
            before = None if previous is None else image.parse(previous.content)
            if before is not None and before.image == name:
                made = before._replace(declaration=declaration.digest)
            else:
                digest, identity = self._resolved(name, say)
                made = ImageLock(declaration.digest, name, digest, identity)
        return Lock(kind="docker", content=made.text, declaration=declaration.digest)

    def key(self, declaration: Declaration, lock: Lock) -> str:
        """Return the digest of the image, the network and the volumes; nobody is asked."""
        found = image.parse(lock.content)
        identity = found.id if found.image else self.used.instead_of(found.id) or found.id
        return self._key(declaration, found.digest or identity)

    def facts(self, declaration: Declaration) -> Mapping[str, str]:
        """Return what is declared besides the image."""
        shape = self._shape(declaration)
        facts = {"network": shape.network} if shape.network else {}
        volumes = [f"{host}:{place}{':rw' * rw}" for host, place, rw in shape.volumes]
        return facts | ({"volumes": " ".join(volumes)} if volumes else {})

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> PreparedImage:
        """Take the image that is there, or pull or build it."""
        locked, shape = image.parse(lock.content), self._shape(declaration)
        for host, _, _ in shape.volumes:
            if not os.path.exists(host):  # noqa: PTH110 -- a string
                raise EnvironmentFailed(f"the volume {host} is not there", where="volumes")
        build = declared.build_of(declaration)
        if build is None:
            found = self._taken(locked, say)
        else:
            found = self._connected().find(locked.id) or self._again(locked, build, shape, say)
        key = self._key(declaration, locked.digest or found.id)
        name = locked.image or f"{BUILT}:{build.content[:_DIGITS] if build else ''}"
        self.used.note(key, name, found)
        container = Container(
            image=found.id, network=shape.network, gpus=shape.gpus, shm_size=shape.shm_size,
            volumes=tuple(Volume(*one) for one in shape.volumes),
        )  # fmt: skip
        return PreparedImage(key, f"{name}, image {_short(found.id)}", container, found.variables)

    def archives(
        self,
        declaration: Declaration,  # noqa: ARG002 -- a port's
        lock: Lock,  # noqa: ARG002 -- a port's
        say: Say,  # noqa: ARG002 -- a port's
    ) -> Sequence[Archive]:
        """Return nothing: an image is kept by the engine, and by its registry."""
        return ()

    def forget(self, used: UsedImage) -> None:
        """Let an image be listed no longer; one that was built here is removed.

        Raises:
            EnvironmentFailed: the engine does not remove it.
        """
        if used.image.startswith(f"{BUILT}:"):
            self._connected().remove(used.id)
        self.used.forget(used.key)

    def _taken(self, locked: ImageLock, say: Say) -> "Image":
        """Return a locked image; pull it when it is not there."""
        engine = self._connected()
        if locked.name is None:
            found = engine.find(locked.id)
            if found is None:
                raise EnvironmentFailed(
                    f"the image {locked.image} is not there as it was locked: {locked.id}",
                    hint="it came from no registry, so it cannot be pulled: bring it back "
                    "('docker load'), or take what has the name now: 'runproj lock --upgrade'",
                )
            return found
        found = engine.find(locked.name)
        if found is not None:
            return found
        try:
            self._check_network(f"the image {locked.image} is not here as it was locked", "pulled")
            return engine.pull(locked.name, say)
        except EnvironmentFailed:
            # from an archive ('docker load') it has its id only, which is as good a digest
            found = engine.find(locked.id)
            if found is None:
                raise
            say(f"taken by its id, as it was locked: {_short(found.id)}")
            return found

    def _resolved(self, name: str, say: Say) -> tuple[str | None, str]:
        """Return digest and id of what has a name now; without the network, of what is here."""
        engine = self._connected()
        known = IMAGE_ID.fullmatch(name) is not None
        here = engine.find(name) if known or is_offline(self.caller) else None
        if here is not None:
            return min(here.own(name), default=None), here.id
        if known:
            raise EnvironmentFailed(
                f"the image {name} is not here", hint="an id cannot be pulled: bring the image "
                "('docker load'), or give its name",
            )  # fmt: skip
        self._check_network(f"the image {name} is not here", "pulled")
        return engine.resolve(name, say)

    def _check_network(self, problem: str, what: str) -> None:
        """Make sure that the network may be asked for an image.

        Raises:
            EnvironmentFailed: it may not.
        """
        if is_offline(self.caller):
            raise EnvironmentFailed(
                f"{problem}: it would have to be {what}, and {WITHOUT}", hint=ONCE
            )

    def _again(self, locked: ImageLock, build: Build, shape: Shape, say: Say) -> "Image":
        """Return what was or is built here in place of an image that is not here."""
        known = self.used.instead_of(locked.id)
        found = None if known is None else self._connected().find(known)
        if found is None:
            say(f"the image {_short(locked.id)} is not here: it is built again from its context")
            found = self._built(build, shape, say)
            self.used.note_instead(locked.id, found.id)
        return found

    def _built(self, build: Build, shape: Shape, say: Say) -> "Image":
        """Return the image with this content; build it when there is none."""
        from runproj.adapters.environments.built import BuildLock, Slot  # noqa: PLC0415 -- lazy

        engine = self._connected()
        name = f"{BUILT}:{build.content[:_DIGITS]}"
        slot = Slot(self.used.folder, build.content)
        try:
            with BuildLock(slot, lambda: say("waiting for another runproj that builds it")):
                found = engine.find(name)
                if found is None:
                    self._check_network("the image with this content is not here", "built")
                    if self.source is None:
                        raise EnvironmentFailed("nothing is at hand to build the image from")
                    log = slot.folder.with_suffix(".log")
                    network = None if shape.network == "none" else shape.network
                    found = engine.build(build, name, self.source, network, log, say)
        except OSError as error:
            raise EnvironmentFailed(
                f"the image cannot be built: {error.strerror}", where=str(error.filename)
            ) from error
        return found

    @property
    def gone(self) -> str | None:
        """Why the engine does not answer; None: it does."""
        try:
            self._connected()
        except RunprojError as error:
            return str(error)
        return None

    def _connected(self) -> "Engine":
        if self._engine is None:
            from runproj.adapters.environments.engine import connect  # noqa: PLC0415 -- lazy

            self._engine = connect(self.caller)
        return self._engine

    def _key(self, declaration: Declaration, identity: str) -> str:
        shape = self._shape(declaration)
        return digest_of([_FORMAT, "docker", identity, shape.network, shape.volumes])

    @staticmethod
    def _shape(declaration: Declaration) -> Shape:
        return declared.shape_of(declaration)


class HeldImages:
    """Images that were built here, as what takes room, see :class:`~runproj.ports.Holdings`.

    Those of registries belong to the engine, and to whoever else uses them there.
    """

    place = "the container engine"

    def __init__(self, backend: DockerBackend) -> None:
        """Look at what a backend noted; the engine is asked whether it is there, and to remove."""
        self._backend = backend

    def _built(self) -> dict[str, UsedImage]:
        known = self._backend.used.all()
        return {one.key: one for one in known if one.image.startswith(f"{BUILT}:")}

    def all(self) -> Sequence[Held]:
        """Return the images by their keys; layers that several share count in each."""
        built = self._built().values()
        stuck = self._backend.gone if built else None
        return [Held(one.key, one.size, one.used_at, stuck=stuck) for one in built]

    def remove(self, one: Held) -> bool:
        """Remove an image, unless it was used since."""
        image = self._built().get(one.name)
        if image is None:
            return True
        if image.used_at != one.used_at:
            return False
        self._backend.forget(image)
        return True


class UsedImages(NamedTuple):
    """What is known of the images that were used on this machine."""

    folder: Path

    def all(self) -> list[UsedImage]:
        """Return them, the last used first."""
        found = []
        for file in self.folder.glob("*.json"):
            try:
                data = json.loads(file.read_bytes())
                found.append(UsedImage(**data, used_at=file.stat().st_mtime))
            except (OSError, ValueError, TypeError):
                continue  # removed in this moment, or damaged
        return sorted(found, key=lambda one: (-one.used_at, one.key))

    def note(self, key: str, name: str, found: "Image") -> None:
        """Note that an image is used now."""
        data = {"key": key, "image": name, "id": found.id, "size": found.size}
        self._write(self._file(key), json.dumps(data))

    def forget(self, key: str) -> None:
        """List an image no longer."""
        self._file(key).unlink(missing_ok=True)

    def instead_of(self, identity: str) -> str | None:
        """Return the id of what was built here in place of an image."""
        try:
            return self._instead(identity).read_text("ascii").strip()
        except (OSError, ValueError):
            return None

    def note_instead(self, identity: str, built: str) -> None:
        """Note what was built in place of an image; nothing, if it came out the same."""
        if identity != built:
            self._write(self._instead(identity), built)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key[:_DIGITS]}.json"

    def _instead(self, identity: str) -> Path:
        return self.folder / f"{identity.rpartition(':')[2]}.instead"

    def _write(self, file: Path, text: str) -> None:
        with contextlib.suppress(OSError):  # it is a list for people, and known again next time
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(file, text.encode())


def _short(identity: str) -> str:
    return identity.rpartition(":")[2][:12]
