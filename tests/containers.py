"""A container engine for tests, where there is one, and images made on the spot."""

import contextlib
import gc
import io
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import docker
import pytest
import requests
from docker.errors import DockerException

from runproj.adapters.executors.keeper import KEEPER

BUSYBOX = "/bin/busybox"
DEADLINE_S = 20

APPLETS = (
    "sh", "cat", "chmod", "cp", "echo", "env", "false", "head", "id", "kill", "ls", "mkdir", "mv",
    "printf", "pwd", "rm", "sleep", "sort", "test", "touch", "tr", "true", "wc", "wget",
)  # fmt: skip


@dataclass
class Engine:
    """The engine of this machine."""

    client: docker.APIClient

    @cached_property
    def busybox(self) -> str:
        """The id of an image with a shell, that came from no registry."""
        return self.named(f"runproj-test-{os.getpid()}/busybox:1", {})

    def named(self, name: str, files: Mapping[str, str]) -> str:
        """Make an image with a shell and some files at its root; return its id."""
        repository, _, tag = name.rpartition(":")
        with io.BytesIO(root(files)) as data:
            said = self.client.import_image_from_data(data.read())
        made = json.loads(said.splitlines()[-1])["status"]
        self.client.tag(made, repository, tag=tag)  # Podman's import takes no tag
        return str(self.client.inspect_image(name)["Id"])

    def containers(self) -> list[str]:
        """Return the names of the steps that have a container, whatever it does."""
        found = self.client.containers(all=True, filters={"label": KEEPER})
        return [one["Labels"].get("io.runproj.step", "") for one in found]

    def commands(self) -> str:
        """Return the commands of all containers, those of builds included."""
        return "\n".join(one["Command"] for one in self.client.containers(all=True))

    def forget(self, name: str) -> None:
        """Remove an image, if it is there."""
        with contextlib.suppress(DockerException):
            self.client.remove_image(name, force=True)


@dataclass
class Registry:
    """A registry at an address of the loopback, where none needs TLS."""

    engine: Engine
    address: str

    def push(self, name: str, files: Mapping[str, str]) -> str:
        """Make an image and push it; return its name. The engine forgets all of it."""
        full = f"{self.address}/{name}"
        self.engine.named(full, files)
        repository, _, tag = full.rpartition(":")
        for line in self.engine.client.push(repository, tag=tag, stream=True, decode=True):
            assert "error" not in line, line
        self.engine.forget(full)
        return full


def serving(engine: Engine, folder: Path) -> Iterator[Registry]:
    """Yield a registry; without the program the test is skipped."""
    program = shutil.which("docker-registry")
    need(None if program else "no docker-registry, which serves images to tests")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), "serve", str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    host, _, port = address.partition(":")
    for _ in range(DEADLINE_S * 20):
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
            break
        time.sleep(0.05)
    yield Registry(engine, address)
    process.terminate()
    process.wait()


def root(files: Mapping[str, str]) -> bytes:
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
    why = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves a socket when it fails
        try:
            how = docker.utils.kwargs_from_env()
            with contextlib.closing(docker.APIClient(version="1.40", **how)) as client:
                client.version(api_version=False)
        except (DockerException, requests.RequestException) as error:
            why = f"no container engine: {error}"
        gc.collect()
    return why


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
    own = re.compile(rf"(runproj-test|127\.0\.0\.1:).*-{os.getpid()}\b")
    names = [name for image in client.images() for name in image["RepoTags"] or ()]
    for name in filter(own.match, names):
        Engine(client).forget(name)
    client.close()
