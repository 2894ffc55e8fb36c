"""Packages from an index behind a password, which is recorded nowhere."""

import base64
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.adapters.machine import Quiet, serving
from tests.cli.commandline import Computer, Project
from tests.wheels import build_index, build_sdist, build_wheel

SECRET = "hush+hush/very secret"
QUOTED = "hush%2Bhush%2Fvery%20secret"
PROJECT = """\
runproj: 1
environments: {default: {kind: venv, requirements: requirements.txt}}
entry_points:
  main:
    command: python -c "import tiny, rocky; print(tiny.version, rocky.version)"
"""


@dataclass
class Private:
    """A project that needs packages of an index that lets only ``me`` in."""

    project: Project
    folder: Path
    address: str
    asked: list[str]

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def index(self, user: str) -> str:
        return f"http://{user}@{self.host}/simple" if user else f"{self.address}/simple"

    def variables(self, **more: str) -> dict[str, str]:
        return {
            "UV_CACHE_DIR": str(self.folder / "uv"), "UV_HTTP_RETRIES": "0",
            "NO_PROXY": "127.0.0.1", **more,
        }  # fmt: skip

    def traces(self) -> list[str]:
        """Return the files of ours that hold the password in some form."""
        token = base64.b64encode(f"me:{SECRET}".encode())
        forms = (SECRET.encode(), QUOTED.encode(), token)
        folders = [self.project.folder, self.project.computer.home / ".cache/runproj",
                   self.project.computer.home / ".local"]  # fmt: skip
        return [
            str(place)
            for folder in folders
            for place in folder.rglob("*")
            if place.is_file() and any(form in place.read_bytes() for form in forms)
        ]


@pytest.fixture
def private(computer: Computer, tmp_path: Path) -> Iterator[Private]:
    files = [
        build_wheel(tmp_path / "made", "tiny", "2.0"),
        build_sdist(tmp_path / "made", "rocky", "1.0"),
    ]
    build_index(tmp_path / "index" / "simple", files)
    token = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    asked: list[str] = []

    class Guarded(Quiet):
        def do_GET(self) -> None:  # noqa: N802 -- the library's name
            asked.append(self.path)
            if self.headers.get("Authorization") == token:
                super().do_GET()
                return
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 -- the library's name

    with serving(tmp_path / "index", Guarded) as address:
        project = computer.project({"runproj.yaml": PROJECT}, git=True)
        yield Private(project, tmp_path, address, asked)


def _in_the_file(private: Private) -> dict[str, str]:
    index = private.index("me:${PASSWORD}")
    private.project.write({"requirements.txt": f"--index-url {index}\ntiny\nrocky\n"})
    return {"PASSWORD": QUOTED}


def _in_variables(private: Private) -> dict[str, str]:
    private.project.write({"requirements.txt": "tiny\nrocky\n"})
    return {
        "UV_INDEX": f"my-own={private.index('')}", "UV_DEFAULT_INDEX": private.index(""),
        "UV_INDEX_MY_OWN_USERNAME": "me", "UV_INDEX_MY_OWN_PASSWORD": SECRET,
    }  # fmt: skip


def _in_the_address(private: Private) -> dict[str, str]:
    private.project.write({"requirements.txt": "tiny\nrocky\n"})
    return {"UV_DEFAULT_INDEX": private.index(f"me:{QUOTED}")}


def _in_netrc(private: Private) -> dict[str, str]:
    private.project.write({"requirements.txt": f"-i {private.index('')}\ntiny\nrocky\n"})
    place = private.project.computer.home / ".netrc"
    place.write_text(f'machine 127.0.0.1 login me password "{SECRET}"\n')
    place.chmod(0o600)
    return {}


def _in_the_keyring(private: Private) -> dict[str, str]:
    private.project.write({"requirements.txt": f"-i {private.index('me')}\ntiny\nrocky\n"})
    place = private.folder / "bin" / "keyring"
    place.parent.mkdir()
    place.write_text(
        f'#!/bin/sh\n[ "$1 $2 $3" = "get {private.host} me" ] && printf "%s\\n" "{SECRET}"\n'
    )
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    path = private.project.computer.variables["PATH"]
    return {"PATH": f"{place.parent}:{path}", "UV_KEYRING_PROVIDER": "subprocess"}


@pytest.mark.parametrize(
    "settings", [_in_the_file, _in_variables, _in_the_address, _in_netrc, _in_the_keyring]
)
def test_a_password_opens_the_index_and_is_recorded_nowhere(
    private: Private, settings: Callable[[Private], dict[str, str]]
) -> None:
    more = private.variables(**settings(private))

    locked = private.project.run("lock", env=more).ok()
    done = private.project.run("run", ".", env=more).ok()

    assert "2.0 1.0" in done.err
    shown = private.project.run("show", "latest", "--json", env=more).ok()
    assert SECRET not in locked.said + done.said + shown.out
    assert private.traces() == []
    assert "@" not in (private.project.folder / "locks/pylock.default.toml").read_text()


def test_a_wrong_password_is_told_without_it(private: Private) -> None:
    more = private.variables(**_in_the_file(private))
    private.project.run("lock", env=more).ok()
    more |= {"PASSWORD": "other-secret", "UV_CACHE_DIR": str(private.folder / "uv2")}

    done = private.project.run("run", ".", env=more).ok(4)
    again = private.project.run("lock", "--upgrade", env=more).ok(4)

    for said in (done.err, again.err):
        assert "does not let us in" in said
        assert "keyring" in said
        assert "other-secret" not in said
    assert "tiny==2.0" in done.err
    assert private.traces() == []
