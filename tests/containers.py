"""A container engine for tests, where there is one, and images made on the spot."""

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from runproj.adapters.executors.keeper import KEEPER

BUSYBOX = "/bin/busybox"
REGISTRY = os.environ.get("RUNPROJ_TEST_REGISTRY", "127.0.0.1:5000")
"""Where CI serves a registry; addresses of the loopback need no TLS."""

APPLETS = (
    "sh", "cat", "chmod", "cp", "echo", "env", "false", "head", "id", "kill", "ls", "mkdir", "mv",
    "printf", "pwd", "rm", "sleep", "test", "touch", "tr", "true", "wc", "wget",
)  # fmt: skip


@dataclass
class Engine:
    """The engine of this machine."""

    client: docker.APIClient

    @cached_property
    def busybox(self) -> str:
        """The id of an image with a shell, that came from no registry."""
        return self.image("runproj-test/busybox:1")

    def image(self, name: str, **files: str) -> str:
        """Make an image with a shell and some files at its root; return its id."""
        repository, _, tag = name.rpartition(":")
        self.client.import_image_from_data(root(files), repository=repository, tag=tag)
        return str(self.client.inspect_image(name)["Id"])

    def containers(self) -> list[str]:
        """Return the names of the steps that have a container, whatever it does."""
        found = self.client.containers(all=True, filters={"label": KEEPER})
        return [one["Labels"]["io.runproj.step"] for one in found]

    def all_containers(self) -> set[str]:
        """Return the ids of all containers, those of builds included."""
        return {one["Id"] for one in self.client.containers(all=True)}

    def forget(self, name: str) -> None:
        """Remove an image, if it is there."""
        try:
            self.client.remove_image(name, force=True)
        except DockerException:
            pass


def root(files: dict[str, str]) -> bytes:
    """Return the root of an image as a tar archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("tmp", 0o1777)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        archive.add(BUSYBOX, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


def lacking() -> str | None:
    """Return why there is no engine for tests; None: there is one."""
    if not Path(BUSYBOX).exists():
        return "no busybox-static, of which images for tests are made"
    try:
        docker.APIClient(version="auto", **docker.utils.kwargs_from_env()).ping()
    except DockerException as error:
        return f"no container engine: {error}"
    return None


def need(what: str | None) -> None:
    """Skip a test that needs what is not there; CI has everything."""
    if what is not None:
        assert "RUNPROJ_CI" not in os.environ, what
        pytest.skip(what)


def running() -> Iterator[Engine]:
    """Yield the engine of this machine; without one the test is skipped."""
    need(lacking())
    client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    yield Engine(client)
    client.close()
