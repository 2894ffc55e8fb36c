"""Environments come back from the archives of their packages, whatever became of the index."""

import base64
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.adapters.machine import Machine, Quiet, run, serving
from tests.wheels import build_sdist, build_wheel

from runproj.adapters.environments import archives as module
from runproj.adapters.environments.archives import FolderArchives, Incoming, Wanted
from runproj.adapters.environments.choosing import choose, tags_of
from runproj.adapters.environments.fetching import Fetcher
from runproj.adapters.environments.interpreters import Interpreter
from runproj.adapters.store.objects import FolderObjects
from runproj.errors import EnvironmentFailed
from runproj.lock import pylock
from runproj.lock.lock import Declaration, Lock
from runproj.model import canonical
from runproj.record.artifact import Artifact, FolderManifest, FolderMember

BOTH = Declaration(kind="venv", packages=("tiny", "rocky"))
TINY = Declaration(kind="venv", packages=("tiny",))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    build_wheel(tmp_path / "wheels", "tiny", "2.0")
    build_sdist(tmp_path / "wheels", "rocky", "1.0")
    return Machine(tmp_path)


@pytest.fixture
def index(machine: Machine) -> Iterator[str]:
    with serving(machine.fill_index()) as address:
        machine.reach(f"{address}/simple")
        yield address


def forget_all_but_the_archives(machine: Machine) -> None:
    """Let the index be gone, and all caches."""
    for name in ("cache", "uv", "index", "wheels"):
        shutil.rmtree(machine.folder / name, ignore_errors=True)


def archives_of(machine: Machine) -> dict[str, Path]:
    return {
        path.name: path for path in machine.archives.rglob("*")
        if path.suffix in (".whl", ".gz") and path.is_file()
    }  # fmt: skip


def versions(machine: Machine, lock: Lock, declaration: Declaration) -> str:
    ready = machine.prepare(declaration, lock)
    names = ", ".join(declaration.packages)
    return run(ready, "python", "-c", f"import {names}; print({names}.version)")


def test_what_vanished_from_the_index_is_built_again(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(TINY)
    versions(machine, lock, TINY)
    forget_all_but_the_archives(machine)

    assert versions(machine, lock, TINY) == "2.0"


def test_an_archive_is_fetched_once_for_all_environments(machine: Machine, index: str) -> None:
    assert index
    machine.prepare(BOTH)
    shutil.rmtree(machine.folder / "cache")
    machine.said.clear()
    machine.prepare(TINY, machine.lock(TINY))

    assert not any("fetch" in text for text in machine.said)


def test_a_source_archive_comes_back_without_being_built_again(
    machine: Machine, index: str
) -> None:
    count = machine.folder / "count"
    build_sdist(machine.wheels, "rocky", "1.0", meanwhile=f"open({str(count)!r}, 'a').write('x')")
    machine.fill_index()
    assert index
    lock = machine.lock(BOTH)
    machine.prepare(BOTH, lock)
    assert set(archives_of(machine)) == {
        "rocky-1.0.tar.gz", "rocky-1.0-py3-none-any.whl", "tiny-2.0-py3-none-any.whl"
    }  # fmt: skip
    forget_all_but_the_archives(machine)
    times = count.read_text()

    ready = machine.prepare(BOTH, lock)

    assert run(ready, "python", "-c", "import rocky; print(rocky.version)") == "1.0"
    assert count.read_text() == times


@pytest.mark.parametrize("name", ["tiny-2.0-py3-none-any.whl", "rocky-1.0.tar.gz"])
def test_a_damaged_archive_is_set_aside_and_fetched_again(
    machine: Machine, index: str, name: str
) -> None:
    assert index
    lock = machine.lock(BOTH)
    machine.prepare(BOTH, lock)
    place = archives_of(machine)[name]
    good = place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(good[:-1] + b"?")
    shutil.rmtree(machine.folder / "cache")
    machine.said.clear()

    machine.prepare(BOTH, lock)

    assert place.read_bytes() == good
    assert place.with_name(f"damaged-{name}").exists()
    assert f"{name} was damaged, and is replaced" in machine.said


def test_a_damaged_wheel_that_was_built_here_is_built_again(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(BOTH)
    machine.prepare(BOTH, lock)
    place = archives_of(machine)["rocky-1.0-py3-none-any.whl"]
    place.chmod(0o644)
    place.write_bytes(b"?")
    shutil.rmtree(machine.folder / "cache")

    ready = machine.prepare(BOTH, lock)

    assert run(ready, "python", "-c", "import rocky; print(rocky.version)") == "1.0"


def test_a_damaged_archive_that_nobody_has_any_more_is_told(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(TINY)
    machine.prepare(TINY, lock)
    place = archives_of(machine)["tiny-2.0-py3-none-any.whl"]
    place.chmod(0o644)
    place.write_bytes(b"?")
    forget_all_but_the_archives(machine)

    with pytest.raises(EnvironmentFailed, match=r"gone: tiny==2\.0"):
        machine.prepare(TINY, lock)


def test_all_packages_that_are_gone_are_named(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(BOTH)
    forget_all_but_the_archives(machine)

    with pytest.raises(EnvironmentFailed) as raised:
        machine.prepare(BOTH, lock)

    assert ["tiny==2.0" in str(raised.value), "rocky==1.0" in str(raised.value)] == [True, True]
    assert len(raised.value.problems) == 2


def test_a_wrong_digest_is_refused_and_leaves_nothing(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(TINY)
    wheel = next((machine.folder / "index").rglob("tiny-*.whl"))
    expected = hashlib.sha256(wheel.read_bytes()).hexdigest()
    wheel.write_bytes(b"something else")
    got = hashlib.sha256(b"something else").hexdigest()

    with pytest.raises(EnvironmentFailed) as raised:
        machine.prepare(TINY, lock)

    said = str(raised.value)
    assert all(word in said for word in ("tiny==2.0", expected, got))
    assert not [path for path in machine.archives.rglob("*") if path.is_file()]


def test_an_archive_that_was_removed_since_is_fetched_for_who_asks(
    machine: Machine, index: str
) -> None:
    assert index
    lock = machine.lock(BOTH)
    machine.prepare(BOTH, lock)
    shutil.rmtree(machine.archives)
    machine.said.clear()

    machine.prepare(BOTH, lock)
    assert machine.said == []  # what is built is used, and no archive is looked at
    found = machine.backend.archives(BOTH, lock, machine.said.append)

    assert {Path(one.path).suffix for one in found} == {".whl", ".gz", ".json"}
    for one in found:
        assert hashlib.sha256(Path(one.place).read_bytes()).hexdigest() == one.sha256


def test_a_store_serves_when_the_folder_of_archives_is_gone(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(BOTH)
    objects = FolderObjects(str(machine.folder / "objects"))
    members = [
        (one.path, objects.put(one.place, one.path))
        for one in machine.backend.archives(BOTH, lock, machine.said.append)
    ]
    manifest = FolderManifest(
        members=tuple(
            FolderMember(path=path, sha256=one.sha256, size=one.size) for path, one in members
        )
    )
    folder = Artifact(path="x", kind="folder", sha256=objects.keep(canonical(manifest)), size=0)
    forget_all_but_the_archives(machine)
    shutil.rmtree(machine.archives)
    machine.objects, machine.packages = objects, (folder,)
    machine.said.clear()

    ready = machine.prepare(BOTH, lock)

    assert run(ready, "python", "-c", "import rocky, tiny; print(rocky.version)") == "1.0"
    assert not any("from source" in text for text in machine.said)


FETCH = """
import json, sys
from pathlib import Path
from runproj.adapters.environments.archives import FolderArchives, Wanted
from runproj.adapters.environments.fetching import Fetcher
folder, url, sha256 = sys.argv[1:]
wanted = Wanted("big==1", "big.whl", sha256, url)
fetch = Fetcher({}, {}).fetch
print(FolderArchives(folder).provide([wanted], fetch, lambda text: None)[0].place)
"""


def test_two_processes_fetch_an_archive_once(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "big.whl").write_bytes(data)
    asked: list[str] = []

    class Counting(Quiet):
        def do_GET(self) -> None:  # noqa: N802 -- the library's name
            asked.append(self.path)
            super().do_GET()

    with serving(tmp_path / "served", Counting) as address:
        several = [
            subprocess.Popen(
                [sys.executable, "-c", FETCH, str(tmp_path / "archives"), f"{address}/big.whl",
                 hashlib.sha256(data).hexdigest()],
                stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            for _ in range(3)
        ]  # fmt: skip
        places = {process.communicate(timeout=60)[0].strip() for process in several}

    assert len(places) == 1
    assert Path(places.pop()).read_bytes() == data
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["tiny-2.0-py3-none-any.whl", "rocky-1.0.tar.gz"])
def test_an_archive_at_an_address_of_its_own_comes_back(
    machine: Machine, index: str, name: str
) -> None:
    package = name.partition("-")[0]
    declaration = Declaration(
        kind="venv", packages=(f"{package} @ {index}/simple/{package}/{name}",)
    )
    lock = machine.lock(declaration)
    assert "archive = " in lock.content
    machine.prepare(declaration, lock)
    forget_all_but_the_archives(machine)

    ready = machine.prepare(declaration, lock)

    assert run(ready, "python", "-c", f"import {package}; print({package}.version)") in "2.0 1.0"


def test_a_lock_may_name_files_of_this_machine(machine: Machine) -> None:
    lock = machine.lock(TINY)
    place = next(machine.wheels.glob("tiny-*"))
    local = Lock(
        kind="venv", content=lock.content.replace(f'url = "{place.as_uri()}"', f'path = "{place}"')
    )
    assert local.content != lock.content

    assert versions(machine, local, TINY) == "2.0"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_is_no_trouble_of_the_network(tmp_path: Path) -> None:
    def much(_: Wanted, incoming: Incoming) -> None:
        with Path("/dev/full").open("wb") as full:
            incoming._file = full
            incoming.write(b"x" * 1_000_000)

    wanted = Wanted("x==1", "x.whl", "0" * 64, "http://nowhere")
    with pytest.raises(EnvironmentFailed, match="x==1 cannot be kept: No space left"):
        FolderArchives(str(tmp_path)).provide([wanted], much, lambda _: None)


# Fetching


class Sink:
    """Archives with one file that a test fetches."""

    def __init__(self, folder: Path) -> None:
        self.archives = FolderArchives(str(folder / "archives"))

    def fetch(
        self, url: str, data: bytes, caller: Mapping[str, str],
        declared: Mapping[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        wanted = Wanted("x==1", "x.whl", hashlib.sha256(data).hexdigest(), url)
        fetch = Fetcher({"HOME": "/nowhere", **caller}, declared or {}).fetch
        found = self.archives.provide([wanted], fetch, lambda _: None)
        return Path(found[0].place).read_bytes()


Answer = Callable[[http.server.SimpleHTTPRequestHandler], None]


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    return Sink(tmp_path)


def answering(answer: Answer) -> type[http.server.SimpleHTTPRequestHandler]:
    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 -- the library's name
            answer(self)

    return Handler


def reply(
    handler: http.server.SimpleHTTPRequestHandler, status: int, body: bytes = b"", **headers: str
) -> None:
    handler.send_response(status)
    for name, text in headers.items():
        handler.send_header(name.replace("_", "-"), text)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_passing_trouble_is_tried_again(sink: Sink, tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(handler: http.server.SimpleHTTPRequestHandler) -> None:
        asked.append(1)
        if len(asked) == 1:
            reply(handler, 503, b"busy", Retry_After="1")
        elif len(asked) == 2:
            handler.send_response(200)
            handler.send_header("Content-Length", "100")
            handler.end_headers()
            handler.wfile.write(b"half")
            handler.close_connection = True
        else:
            reply(handler, 200, b"whole")

    with serving(tmp_path, answering(answer)) as address:
        assert sink.fetch(f"{address}/x.whl", b"whole", {}) == b"whole"
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "is gone: x==1"),
        (403, "does not let us in for x==1"),
        (500, "cannot be reached for x==1"),
    ],
)
def test_an_answer_that_helps_nobody_is_told_in_words(
    sink: Sink, tmp_path: Path, status: int, words: str
) -> None:
    handler = answering(lambda one: reply(one, status))
    with serving(tmp_path, handler) as address, pytest.raises(EnvironmentFailed, match=words):
        sink.fetch(f"{address}/x.whl", b"", {"UV_HTTP_RETRIES": "0"})


def test_no_network_is_wanted(sink: Sink) -> None:
    with pytest.raises(EnvironmentFailed, match="UV_OFFLINE"):
        sink.fetch("http://127.0.0.1:9/x.whl", b"", {"UV_OFFLINE": "1"})


def test_no_more_is_said_to_be_fetched_than_came(sink: Sink, tmp_path: Path) -> None:
    def answer(handler: http.server.SimpleHTTPRequestHandler) -> None:
        whole = handler.path == "/a.whl"
        reply(handler, 200 if whole else 404, b"x" * 1_000_000 if whole else b"")

    said: list[str] = []
    right, wrong = (hashlib.sha256(data).hexdigest() for data in (b"x" * 1_000_000, b""))
    with serving(tmp_path, answering(answer)) as address:
        wanted = [
            Wanted("a==1", "a.whl", right, f"{address}/a.whl"),
            Wanted("b==1", "b.whl", wrong, f"{address}/b.whl"),
            Wanted("c==1", "a.whl", "0" * 64, f"{address}/a.whl"),
        ]
        fetch = Fetcher({"HOME": "/nowhere"}, {}).fetch
        with pytest.raises(EnvironmentFailed, match="b==1"):
            sink.archives.provide(wanted, fetch, said.append)
        assert said[-1] == "fetched 1 archive, 1.0 MB"
        said.clear()
        with pytest.raises(EnvironmentFailed, match="b==1"):
            sink.archives.provide(wanted, fetch, said.append)
    assert not [text for text in said if text.startswith("fetched")]


def _netrc(folder: Path, _: str) -> dict[str, str]:
    (folder / "netrc").write_text("machine 127.0.0.1 login me password a/secret\n")
    return {"NETRC": str(folder / "netrc")}


def _url(_: Path, address: str) -> dict[str, str]:
    return {"UV_INDEX": address.replace("://", "://me:a%2Fsecret@") + "/simple"}


def _named(_: Path, address: str) -> dict[str, str]:
    named = {"UV_INDEX": f"my-own={address}/simple"}
    return {**named, "UV_INDEX_MY_OWN_USERNAME": "me", "UV_INDEX_MY_OWN_PASSWORD": "a/secret"}


def _configured(folder: Path, address: str) -> dict[str, str]:
    (folder / "uv.toml").write_text(f'[[index]]\nname = "mine"\nurl = "{address}/simple"\n')
    named = {"UV_INDEX_MINE_USERNAME": "me", "UV_INDEX_MINE_PASSWORD": "a/secret"}
    return {**named, "UV_CONFIG_FILE": str(folder / "uv.toml")}


@pytest.mark.parametrize("settings", [_netrc, _url, _named, _configured])
def test_credentials_are_found_where_uv_finds_them(
    sink: Sink, tmp_path: Path, settings: Callable[[Path, str], dict[str, str]]
) -> None:
    token = "Basic " + base64.b64encode(b"me:a/secret").decode()

    def answer(handler: http.server.SimpleHTTPRequestHandler) -> None:
        given = handler.headers.get("Authorization")
        reply(handler, 200 if given == token else 401, b"whole")

    with serving(tmp_path, answering(answer)) as address:
        caller = settings(tmp_path, address)
        assert sink.fetch(f"{address}/files/x.whl", b"whole", caller) == b"whole"


def test_a_redirect_elsewhere_does_not_get_the_password(sink: Sink, tmp_path: Path) -> None:
    given: list[str | None] = []

    def last(handler: http.server.SimpleHTTPRequestHandler) -> None:
        given.append(handler.headers.get("Authorization"))
        reply(handler, 200, b"whole")

    with serving(tmp_path, answering(last)) as other:
        handler = answering(lambda one: reply(one, 302, Location=f"{other}/x.whl"))
        with serving(tmp_path, handler) as address:
            caller = {"UV_INDEX": address.replace("://", "://me:secret@")}
            assert sink.fetch(f"{address}/x.whl", b"whole", caller) == b"whole"
    assert given == [None]


def test_a_proxy_of_the_caller_is_asked(sink: Sink, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(handler: http.server.SimpleHTTPRequestHandler) -> None:
        asked.append(handler.path)
        reply(handler, 200, b"whole")

    with serving(tmp_path, answering(answer)) as proxy:
        url = "http://files.example.org/x.whl"
        assert sink.fetch(url, b"whole", {"HTTP_PROXY": proxy}) == b"whole"
    assert asked == ["http://files.example.org/x.whl"]


def test_who_stops_waiting_stops_the_fetching(tmp_path: Path) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(_: Wanted, incoming: Incoming) -> None:
        begun.set()
        try:
            while True:
                incoming.write(b"x")
                incoming.pause(0.01)
        finally:
            ended.set()

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    wanted = Wanted("x==1", "x.whl", "0" * 64, "http://nowhere")
    with pytest.raises(KeyboardInterrupt):
        FolderArchives(str(tmp_path)).provide([wanted], endless, interrupted)
    assert begun.is_set()
    assert ended.wait(10)


# Choosing


def test_an_interpreter_gets_the_best_wheel_of_its_tags() -> None:
    names = ["x-1-py3-none-any", "x-1-cp311-cp311-linux_x86_64", "x-1-cp39-abi3-linux_x86_64"]
    wheels = "".join(
        f'{{ url = "https://h/{name}.whl", hashes = {{ sha256 = "{number}{"0" * 63}" }} }},'
        for number, name in enumerate(names)
    )
    content = (
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "x"\nversion = "1"\n'
        f"wheels = [{wheels}]\n"
    )
    interpreter = Interpreter("/python", "3.11.7", "CPython", "linux-x86_64")
    tags = ["cp311-cp311-linux_x86_64", "cp39-abi3-linux_x86_64", "py3-none-any"]

    def chosen(*tags: str) -> str:
        wanted = choose(content, interpreter, tags)[0].wanted
        return "" if wanted is None else wanted.name

    assert [chosen(*tags), chosen(*tags[1:]), chosen(*tags[2:])] == [
        f"{names[1]}.whl", f"{names[2]}.whl", f"{names[0]}.whl"
    ]  # fmt: skip
    with pytest.raises(EnvironmentFailed, match="'x'"):
        chosen("cp38-cp38-linux_x86_64")


def test_another_interpreter_is_asked_for_its_tags() -> None:
    own = Interpreter(sys.executable, "0", "CPython", "?")

    assert tags_of(own)[0].startswith(f"cp{sys.version_info[0]}{sys.version_info[1]}-")


def test_kept_archives_are_counted_by_package(machine: Machine, index: str) -> None:
    assert index
    lock = machine.lock(BOTH)
    digests = pylock.archives(lock.content)
    assert module.kept(str(machine.archives), digests) == (0, 0)

    machine.prepare(BOTH, lock)

    count, size = module.kept(str(machine.archives), digests)
    assert count == 2
    assert size > 0
