"""The container engine, by Docker's SDK; Podman's socket speaks the same language."""

import contextlib
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.utils import kwargs_from_env

from runproj.errors import EnvironmentFailed
from runproj.lock.container import Build
from runproj.lock.image import repository_of
from runproj.ports import Say, SourceControl

OLDEST = (1, 40)
"""The version of the engine's API that knows all that is asked of it: Docker 19.03."""

CONTENT = "io.runproj.content"
_WHERE = "start it (Docker Desktop, or the service docker), or let DOCKER_HOST say where it is"
_RIGHT = "it is for root and for members of the group 'docker'; an engine without root is for all"
_DEFAULT = "unix:///var/run/docker.sock"
_TAIL = 12  # lines of a build that failed


class Image(NamedTuple):
    """An image that is there; ``size`` in bytes."""

    id: str
    digests: tuple[str, ...]
    size: int
    variables: Mapping[str, str]

    def own(self, name: str) -> list[str]:
        """Return the digests that the registry of a name has for it."""
        repository = _plain(repository_of(name))
        found = (one.partition("@") for one in self.digests)
        return [digest for own, _, digest in found if _plain(own) == repository]


def connect(caller: Mapping[str, str]) -> "Engine":
    """Connect to the engine that the caller's variables, or the usual socket, lead to.

    Raises:
        EnvironmentFailed: there is none, it may not be used, or is too old.
    """
    where = caller.get("DOCKER_HOST") or _DEFAULT
    try:
        how = kwargs_from_env(environment=dict(caller))
        oldest = ".".join(map(str, OLDEST))
        with contextlib.closing(docker.APIClient(version=oldest, **how)) as asking:
            known = str(asking.version(api_version=False)["ApiVersion"])
        if tuple(map(int, known.split("."))) < OLDEST:
            raise _too_old(where)
        return Engine(docker.APIClient(version=known, **how), where)
    except (DockerException, requests.RequestException) as error:
        raise _unreachable(error, where) from error
    except (KeyError, ValueError) as error:
        raise EnvironmentFailed("what answers is no container engine", where=where) from error


def _too_old(where: str) -> EnvironmentFailed:
    return EnvironmentFailed(
        "the container engine is too old", where=where,
        hint=f"it has to know version {OLDEST[0]}.{OLDEST[1]} of Docker's API: Docker 19.03",
    )  # fmt: skip


def _unreachable(error: Exception, where: str) -> EnvironmentFailed:
    causes = list(_causes(error))
    if any(isinstance(one, PermissionError) for one in causes) or "Permission denied" in str(error):
        return EnvironmentFailed(
            "the container engine may not be used: permission denied", where=where, hint=_RIGHT
        )
    if "FileNotFoundError" in str(error) or "refused" in str(error):
        return EnvironmentFailed("there is no container engine", where=where, hint=_WHERE)
    return EnvironmentFailed(f"the container engine does not answer: {error}", where=where)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class Engine(NamedTuple):
    """A connection to an engine, which has the images."""

    client: docker.APIClient
    where: str

    def find(self, name: str) -> Image | None:
        """Return an image by name, digest or id; None when it is not there."""
        with self._translated(f"the image {name} cannot be looked at"):
            try:
                found = self.client.inspect_image(name)
            except ImageNotFound:
                return None
        texts = (found.get("Config") or {}).get("Env") or []
        pairs = (text.partition("=") for text in texts)
        return Image(
            found["Id"], tuple(found.get("RepoDigests") or ()), found.get("Size") or 0,
            {name: value for name, _, value in pairs},
        )  # fmt: skip

    def resolve(self, name: str, say: Say) -> tuple[str | None, str]:
        """Return the digest and the id of the image that has a name now; it is there then.

        An image that is here and came from no registry is taken as it is: a registry may have a
        stranger's of the same name. Otherwise the registry is asked, if it answers.
        """
        here = self.find(name)
        if here is not None and not here.own(name):
            return None, here.id
        newest = self._newest(name)
        if here is None or (newest is not None and newest not in here.own(name)):
            here = self.pull(name, say)
        digests = here.own(name)
        return newest if newest in digests else min(digests, default=None), here.id

    def _newest(self, name: str) -> str | None:
        """Return the digest that the registry has for a name; None: it does not say."""
        try:
            found = self.client.inspect_distribution(name)
        except (DockerException, requests.RequestException):
            return None
        digest: str | None = (found.get("Descriptor") or {}).get("digest")
        return digest

    def pull(self, name: str, say: Say) -> Image:
        """Pull an image from its registry."""
        say(f"pulling {name}")
        repository = repository_of(name)
        tag = name.partition("@")[2] or name.removeprefix(repository).lstrip(":") or "latest"
        problem = f"the image {name} cannot be pulled"
        with self._translated(problem):
            for line in self.client.pull(repository, tag=tag, stream=True, decode=True):
                _check(line, problem)
        found = self.find(name)
        if found is None:
            raise EnvironmentFailed(f"{problem}: the engine does not have it then")
        return found

    def build(
        self, build: Build, name: str, source: SourceControl, network: str | None, log: Path,
        say: Say,
    ) -> Image:  # fmt: skip
        """Build an image from the code of a tree, and give it a name.

        Raises:
            EnvironmentFailed: the build failed; ``log`` has what it printed.
        """
        problem = "the image cannot be built"
        printed: list[str] = []
        with tempfile.TemporaryFile() as context, log.open("w", encoding="utf-8") as kept:
            pack(build, source, context)
            with self._translated(problem):
                answers = self.client.build(
                    fileobj=context, custom_context=True, dockerfile=build.dockerfile, tag=name,
                    buildargs=dict(build.args), target=build.target, rm=True, forcerm=True,
                    network_mode=network, labels={CONTENT: build.content}, decode=True,
                )  # fmt: skip
                for answer in answers:
                    for line in _said(answer):
                        printed.append(line)
                        kept.write(f"{line}\n")
                        say(line)
                    if "error" in answer:
                        kept.flush()
                        tail = "\n".join(printed[-_TAIL:])
                        raise EnvironmentFailed(
                            f"{problem}: {answer['error'].strip()}\n{tail}".strip(),
                            where=str(log),
                        )
        found = self.find(name)
        if found is None:
            raise EnvironmentFailed(f"{problem}: the engine does not have it then", where=str(log))
        return found

    def remove(self, identity: str) -> None:
        """Remove an image; nothing happens when it is not there."""
        with self._translated("the image cannot be removed"), contextlib.suppress(NotFound):
            self.client.remove_image(identity, force=True)

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except NotFound as error:
            raise EnvironmentFailed(f"{what}: {error.explanation}", where=self.where) from error
        except APIError as error:
            raise EnvironmentFailed(f"{what}: {_words(error)}", where=self.where) from error
        except (DockerException, requests.RequestException) as error:
            raise EnvironmentFailed(
                f"{what}: the container engine does not answer", where=self.where, hint=_WHERE
            ) from error


def _words(error: APIError) -> str:
    return str(error.explanation or error).strip()


def _check(line: Mapping[str, Any], problem: str) -> None:
    if "error" in line:
        raise EnvironmentFailed(f"{problem}: {str(line['error']).strip()}")


def _said(answer: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that an answer of a build has for a person."""
    text = str(answer.get("stream") or answer.get("status") or "")
    yield from (line.rstrip() for line in text.splitlines() if line.strip())


def _plain(repository: str) -> str:
    """Return a repository without what Docker adds by itself."""
    return repository.removeprefix("docker.io/").removeprefix("library/")


def pack(build: Build, source: SourceControl, archive: Any) -> None:  # noqa: ANN401 -- a file
    """Write the context of a build as a tar archive."""
    prefix = "" if build.folder == "." else f"{build.folder}/"
    with (
        tempfile.TemporaryDirectory(prefix="runproj-context-") as folder,
        tarfile.open(fileobj=archive, mode="w") as packed,
    ):
        source.checkout(build.tree, folder, [f"{prefix}{path}" for path in build.paths])
        for path in build.paths:
            packed.add(f"{folder}/{prefix}{path}", arcname=path, recursive=False, filter=_anonymous)
    archive.seek(0)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Let a file be root's, of no special time: where it was packed says nothing."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member
