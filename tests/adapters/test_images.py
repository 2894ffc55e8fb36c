"""What the backend of containers promises beyond its port."""

import gc
import http.server
import json
import os
import socketserver
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers import Engine as ContainerEngine
from tests.fakes.source import LINK, FakeFile, FakeSource

from runproj.adapters.environments.engine import connect
from runproj.adapters.environments.images import DockerBackend, UsedImages
from runproj.errors import EnvironmentFailed
from runproj.lock.container import Code
from runproj.lock.declaration import declare
from runproj.lock.lock import Declaration, Lock
from runproj.spec.environment import DockerEnvironment
from runproj.spec.fields import validated


def quiet(_: str) -> None:
    """Say nothing."""


def declaration(**fields: object) -> Declaration:
    return declare(validated(DockerEnvironment, {"kind": "docker", **fields}), lambda _: None)


class Answering(http.server.BaseHTTPRequestHandler):
    """An engine that knows its version and nothing else."""

    version = "1.24"

    def do_GET(self) -> None:
        body = f'{{"ApiVersion": "{self.version}"}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def address_string(self) -> str:
        return "a socket"


@pytest.fixture
def old(tmp_path: Path) -> Iterator[str]:
    """Where an engine of another time answers."""
    place = str(tmp_path / "old.sock")
    with socketserver.UnixStreamServer(place, Answering) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"unix://{place}"
        server.shutdown()
        thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves a socket when it fails
        gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as above
@pytest.mark.parametrize("version", ["1.20", "1.24", "1.39"])
def test_an_engine_that_is_too_old_is_refused(
    old: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answering, "version", version)
    with pytest.raises(EnvironmentFailed, match="the container engine is too old") as raised:
        connect({"DOCKER_HOST": old})
    assert raised.value.problems[0].where == old
    assert "1.40" in (raised.value.problems[0].hint or "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_an_engine_that_may_not_be_used_is_an_error_with_a_hint(old: str) -> None:
    Path(old.removeprefix("unix://")).chmod(0)
    with pytest.raises(EnvironmentFailed, match="permission denied") as raised:
        connect({"DOCKER_HOST": old})
    assert "group 'docker'" in (raised.value.problems[0].hint or "")


def test_no_engine_is_needed_for_a_key(tmp_path: Path) -> None:
    backend = DockerBackend(str(tmp_path), None, {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    plain, cut = declaration(image="x:1"), declaration(image="x:1", network="none")
    lock = Lock(
        kind="docker",
        content='{"declaration": null, "image": "x:1", "digest": "sha256:1", "id": "sha256:2"}',
    )
    other = lock.replace(content=lock.content.replace("sha256:1", "sha256:3"))

    keys = {
        backend.key(plain, lock), backend.key(cut, lock), backend.key(plain, other),
        backend.key(declaration(image="x:1", volumes=["/a:/b"]), lock),
    }  # fmt: skip

    assert len(keys) == 4
    assert backend.key(declaration(image="x:1", gpus="all", shm_size="2GB"), lock) in keys
    assert backend.facts(declaration(image="x", volumes=["/a:/b:rw"], network="none")) == {
        "network": "none", "volumes": "/a:/b:rw",
    }  # fmt: skip


def test_a_damaged_lock_is_an_error(tmp_path: Path) -> None:
    backend = DockerBackend(str(tmp_path), None, {})
    with pytest.raises(EnvironmentFailed, match="the lock of an image is damaged"):
        backend.key(declaration(image="x"), Lock(kind="docker", content="{}"))


@pytest.mark.parametrize("settings", [{}, {"UV_OFFLINE": "1"}])
def test_an_image_that_came_in_an_archive_is_known_by_its_id(
    engine: ContainerEngine, tmp_path: Path, settings: dict[str, str]
) -> None:
    name = f"127.0.0.1:1/loaded-{os.getpid()}:1"  # no registry answers there
    identity = engine.named(f"runproj-test/loaded-{os.getpid()}:1", {"x": str(tmp_path)})
    content = {"declaration": None, "image": name, "digest": f"sha256:{'0' * 64}", "id": identity}
    backend = DockerBackend(str(tmp_path), None, {**os.environ, **settings})
    lock = Lock(kind="docker", content=json.dumps(content))
    told: list[str] = []

    ready = backend.prepare(declaration(image=name), lock, told.append)

    assert ready.container.image == identity
    assert ready.key == backend.key(declaration(image=name), lock)
    assert f"taken by its id, as it was locked: {identity.partition(':')[2][:12]}" in told
    gone = Lock(kind="docker", content=json.dumps({**content, "id": f"sha256:{'1' * 64}"}))
    with pytest.raises(EnvironmentFailed, match=r"cannot be pulled|would have to be pulled"):
        backend.prepare(declaration(image=name), gone, quiet)


def test_a_build_is_known_by_content_and_keeps_its_output(
    engine: ContainerEngine, tmp_path: Path
) -> None:
    files = {
        "runproj.yaml": b"", "img/Dockerfile": b"ARG WORD\nFROM scratch\nCOPY x /x\nCOPY link /l\n",
        "img/x": str(tmp_path).encode(),
    }  # fmt: skip
    source = FakeSource({**files, "img/link": FakeFile(b"x", LINK)})
    tree = source.snapshot("/p", "/p").tree
    code = Code(tree, "", source.manifest(tree))
    environment = validated(
        DockerEnvironment,
        {"kind": "docker", "build": {"context": "img", "args": {"WORD": "w"}}, "network": "none"},
    )
    wanted = declare(environment, lambda _: None, code)
    backend = DockerBackend(str(tmp_path), source, {})
    said: list[str] = []

    lock = backend.lock(wanted, None, said.append)
    ready = backend.prepare(wanted, lock, said.append)

    assert any("COPY x /x" in line for line in said)
    (log,) = (tmp_path / "images").glob("*.log")
    assert "COPY x /x" in log.read_text()
    assert ready.key == backend.key(wanted, lock)
    assert ready.variables("/")["PATH"]
    again: list[str] = []
    assert DockerBackend(str(tmp_path), source, {}).lock(wanted, None, again.append) == lock
    assert again == []
    (used,) = UsedImages(tmp_path / "images").all()
    backend.forget(used)
    rebuilt = backend.prepare(wanted, lock, quiet)
    assert rebuilt.container.image == backend.prepare(wanted, lock, quiet).container.image
    assert rebuilt.key == backend.key(wanted, lock)
    engine.forget(rebuilt.container.image)
