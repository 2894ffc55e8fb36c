"""A machine with virtual environments, and indexes on it; all packages are made here."""

import contextlib
import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.wheels import build_index

from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.built import BuiltEnvironments
from runproj.adapters.environments.venv import PreparedVenv, VenvBackend
from runproj.adapters.store.objects import FolderObjects
from runproj.lock.lock import Declaration, Lock
from runproj.record.artifact import Artifact


@dataclass
class Machine:
    """A user's machine with an index of tiny wheels, and no network."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    objects: FolderObjects | None = None
    packages: tuple[Artifact, ...] = ()

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    @property
    def caller(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.folder),
            "UV_DEFAULT_INDEX": self.folder.as_uri(), "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(self.folder / "uv"),
            "UV_HTTP_RETRIES": "0", **self.more,
        }  # fmt: skip

    @property
    def backend(self) -> VenvBackend:
        archives = FolderArchives(str(self.archives), self.objects, self.packages)
        return VenvBackend(str(self.folder / "cache"), archives, self.caller)

    @property
    def archives(self) -> Path:
        return self.folder / "data" / "archives"

    @property
    def built(self) -> BuiltEnvironments:
        return BuiltEnvironments(self.folder / "cache" / "environments")

    def lock(self, declaration: Declaration, previous: Lock | None = None) -> Lock:
        return self.backend.lock(declaration, previous, self.said.append)

    def prepare(self, declaration: Declaration, lock: Lock | None = None) -> PreparedVenv:
        return self.backend.prepare(declaration, lock or self.lock(declaration), self.said.append)

    def fill_index(self) -> Path:
        """Write an index of all files that were made; return the folder to be served."""
        build_index(self.folder / "index" / "simple", sorted(self.wheels.iterdir()))
        return self.folder / "index"

    def reach(self, index: str) -> None:
        self.more = {"UV_DEFAULT_INDEX": index, "UV_FIND_LINKS": ""}


def run(ready: PreparedVenv, *argv: str, folder: Path | str = "/") -> str:
    variables = {**ready.variables(str(folder)), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        ["/usr/bin/env", *argv],
        env=variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Print nothing."""


@contextlib.contextmanager
def serving(
    folder: Path, handler: type[http.server.SimpleHTTPRequestHandler] = Quiet
) -> Iterator[str]:
    """Serve a folder; give the address."""
    made = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
