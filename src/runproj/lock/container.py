"""What is declared of an image and its containers, as a declaration keeps it."""

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from runproj.errors import Problem, ProjectError
from runproj.lock import dockerignore
from runproj.lock.lock import Declaration
from runproj.model import EMPTY, canonical, digest_of
from runproj.spec.environment import DockerBuild, DockerEnvironment

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = ("", "k", "m", "g", "t")
_SUBMODULE = "160000 "
_VOLUME = re.compile(r"(?P<host>/[^:]*):(?P<place>/[^:]*)(?::(?P<mode>ro|rw))?")


class Code(NamedTuple):
    """The code of a project: a git tree, where the project stands in it, and its files.

    ``files`` has ``"MODE OBJECTID"`` by path relative to the project, without the project file and
    lockfiles: what these say is declared.
    """

    tree: str
    folder: str
    files: Mapping[str, str]


NO_CODE = Code("", "", EMPTY)


class Build(NamedTuple):
    """How an image is built.

    ``folder`` is the context relative to the tree's root, ``paths`` its files relative to that;
    ``content`` the digest of their content, of ``dockerfile``, ``args`` and ``target``.
    """

    content: str
    tree: str
    folder: str
    paths: tuple[str, ...]
    dockerfile: str
    args: Mapping[str, str]
    target: str | None


class Shape(NamedTuple):
    """How a container is made; ``shm_size`` in bytes, volumes are (host, place, writable)."""

    network: str | None = None
    gpus: Literal["all"] | int | None = None
    shm_size: int | None = None
    volumes: tuple[tuple[str, str, bool], ...] = ()


def declare(
    environment: DockerEnvironment, read: Callable[[str], str | None], code: Code
) -> Declaration:
    """Return the declaration of an image and its containers.

    Raises:
        ProjectError: a volume or a size is none, or the Dockerfile is not there; with all of them.
    """
    problems: list[Problem] = []
    shape = Shape(
        environment.network, environment.gpus, _size(environment.shm_size, problems),
        tuple(_volumes(environment.volumes, problems)),
    )  # fmt: skip
    more: dict[str, Any] = {}
    image: dict[str, Any] = {"image": environment.image}
    if environment.build is not None:
        image, more = _build(environment.build, read, code, problems)
    if problems:
        raise ProjectError.of(problems)
    return Declaration(
        kind="docker",
        image=canonical(image).decode(),
        container=canonical({**shape._asdict(), **more}).decode(),
    )


def _build(
    build: DockerBuild, read: Callable[[str], str | None], code: Code, problems: list[Problem]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what decides the image, and where its context is."""
    context = posixpath.normpath(build.context)
    dockerfile = posixpath.normpath(build.dockerfile)
    if context.startswith(("/", "..")) or dockerfile.startswith(("/", "..")):
        problems.append(
            Problem(
                "the context and the Dockerfile of a build are in the project's folder",
                where="build",
            )
        )
        return {}, {}
    prefix = "" if context == "." else f"{context}/"
    inside = {
        path.removeprefix(prefix): entry
        for path, entry in code.files.items()
        if path.startswith(prefix) and not entry.startswith(_SUBMODULE)
    }
    if dockerfile not in inside:
        problems.append(
            Problem(
                f"there is no {prefix}{dockerfile} in the project's source", where="build",
                hint="'dockerfile' is relative to 'context'; ignored files are no source",
            )
        )  # fmt: skip
    always = {dockerfile, dockerignore.FILE} & inside.keys()
    ignored = read(f"{prefix}{dockerignore.FILE}") if dockerignore.FILE in inside else None
    try:
        kept = {*dockerignore.kept(inside, ignored or ""), *always}
    except ProjectError as error:
        place = f"{prefix}{dockerignore.FILE}"
        problems += [one._replace(where=f"{place}:{one.where}") for one in error.problems]
        return {}, {}
    content = digest_of([
        sorted((path, inside[path]) for path in kept), dockerfile, dict(build.args), build.target
    ])  # fmt: skip
    image = {"dockerfile": dockerfile, "args": dict(build.args), "target": build.target}
    folder = posixpath.normpath(posixpath.join(code.folder, context))
    where = {"tree": code.tree, "folder": folder, "paths": sorted(kept)}
    return {"content": content, **image}, where


def _volumes(texts: tuple[str, ...], problems: list[Problem]) -> list[tuple[str, str, bool]]:
    found = []
    for index, text in enumerate(texts):
        match = _VOLUME.fullmatch(text)
        if match is None:
            problems.append(
                Problem(
                    f"{text!r} is not a volume: HOST:PLACE or HOST:PLACE:rw, both absolute paths",
                    where=f"volumes[{index}]",
                )
            )
            continue
        host, place = posixpath.normpath(match["host"]), posixpath.normpath(match["place"])
        found.append((host, place, match["mode"] == "rw"))
    return found


def _size(text: str | None, problems: list[Problem]) -> int | None:
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        problems.append(
            Problem(f"{text!r} is not a size; examples: 512MB, 2GB, 2GiB", where="shm_size")
        )
        return None
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** _POWERS.index(match[2].lower()))


def image_of(declaration: Declaration) -> str | None:
    """Return the image that is declared; None: one is built."""
    found: str | None = json.loads(declaration.image or "{}").get("image")
    return found


def build_of(declaration: Declaration) -> Build | None:
    """Return how an image is built; None: it is not built."""
    image, where = json.loads(declaration.image or "{}"), json.loads(declaration.container or "{}")
    if "content" not in image:
        return None
    return Build(
        image["content"], where["tree"], where["folder"], tuple(where["paths"]),
        image["dockerfile"], image["args"], image["target"],
    )  # fmt: skip


def shape_of(declaration: Declaration) -> Shape:
    """Return how the containers of an environment are made."""
    found = json.loads(declaration.container or "{}")
    volumes = tuple((host, place, writable) for host, place, writable in found.get("volumes", ()))
    return Shape(found.get("network"), found.get("gpus"), found.get("shm_size"), volumes)
