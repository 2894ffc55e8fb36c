"""What a conda environment promises beyond its port; each trap of py-rattler has a test."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.channels import PLATFORM, Channel, Package, gpu, hook, module, python, tool
from tests.wheels import build_wheel

from runproj.adapters.environments import rattler_worker
from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.built import BuiltEnvironments
from runproj.adapters.environments.channels import auth_file
from runproj.adapters.environments.conda import CondaBackend, PreparedConda
from runproj.adapters.environments.rattler import Rattler, this_platform
from runproj.errors import EnvironmentFailed, RunprojError
from runproj.lock import conda
from runproj.lock.conda import CondaSpec
from runproj.lock.lock import Declaration, Lock
from runproj.model import canonical

SECRET = "hunter22-is-a-secret"


@dataclass
class Home:
    """A user's folders, with a channel beside them; ``said`` is what was told of progress."""

    root: Path
    caller: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def channel(self) -> Channel:
        return Channel(self.root / "channel")

    @property
    def backend(self) -> CondaBackend:
        caller = {
            "PATH": os.environ["PATH"], "HOME": str(self.root), "UV_DEFAULT_INDEX": self.root.as_uri(),
            "UV_FIND_LINKS": str(self.root / "wheels"), "UV_CACHE_DIR": str(self.root / "uv"),
            **self.caller,
        }  # fmt: skip
        archives = FolderArchives(str(self.root / "data"))
        return CondaBackend(str(self.root / "cache"), archives, caller)

    def declare(
        self, *dependencies: str, pip: Sequence[str] = (), channels: Sequence[str] = (),
        virtual: Mapping[str, str] | None = None,
    ) -> Declaration:  # fmt: skip
        spec = CondaSpec(
            channels=tuple(channels) or (self.channel.url,),
            dependencies=dependencies,
            pip=tuple(pip),
            virtual_packages=dict(virtual or {}),
        )
        return Declaration(kind="conda", conda=canonical(spec).decode())

    def lock(self, *dependencies: str, previous: Lock | None = None, **more: Any) -> Lock:  # noqa: ANN401 -- as declare
        declaration = self.declare(*dependencies, **more)
        return self.backend.lock(declaration, previous, self.said.append)

    def prepare(self, lock: Lock) -> PreparedConda:
        return self.backend.prepare(self.declare("x"), lock, self.said.append)

    def ready(self, *dependencies: str, **more: Any) -> PreparedConda:  # noqa: ANN401 -- as declare
        return self.prepare(self.lock(*dependencies, **more))

    def archive(self, name: str) -> Path:
        return next((self.root / "data").rglob(f"{name}-*"))

    def lose_data(self) -> None:
        subprocess.run(["rm", "-rf", str(self.root / "data"), str(self.root / "cache")], check=True)

    def left(self) -> list[str]:
        """Return what of environments is there, but locks."""
        found = (self.root / "cache" / "environments").glob("*")
        return [one.name for one in found if one.is_dir()]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.channel.add(python(), module("tiny", "1.0"), module("tiny", "2.0"), tool())
    return home


def run(ready: PreparedConda, *command: str) -> str:
    variables = dict(ready.variables("/nowhere"))
    done = subprocess.run(
        ["/usr/bin/env", *command], env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def versions(lock: Lock) -> dict[str, str]:
    return conda.packages(lock.content)


def failure(call: Callable[[], object]) -> RunprojError:
    with pytest.raises(EnvironmentFailed) as raised:
        call()
    return raised.value


def ask(*command: str, request: Mapping[str, Any]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, input=json.dumps(request).encode(), capture_output=True, check=False
    )


# ------------------------------------------------------------------ traps of py-rattler


def test_the_exit_code_of_its_process_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 1: a process that used rattler may crash at its end, with its work done."""
    worker = tmp_path / "worker.py"
    worker.write_text("import os,sys\nprint('{\"done\": 7}', flush=True)\nos.abort()\n")
    monkeypatch.setattr("runproj.adapters.environments.rattler._WORKER", worker)

    assert Rattler(dict(os.environ)).ask("solve") == 7


def test_its_process_ends_without_crashing(home: Home) -> None:
    """Trap 1, the other half: it never ends by itself."""
    request = {
        "do": "solve", "channels": [home.channel.url], "dependencies": ["tiny"],
        "platform": this_platform(), "previous": [], "cache": str(home.root / "repodata"),
        "virtual_packages": [["__glibc", "2.17", "0"]],
    }  # fmt: skip
    for _ in range(6):
        done = ask(sys.executable, "-P", str(rattler_worker.__file__), request=request)
        assert done.returncode == 0
        assert [one["name"] for one in json.loads(done.stdout)["done"]["packages"]] == [
            "python",
            "tiny",
        ]


def test_a_process_without_an_answer_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import sys\nsys.exit('no memory')\n")
    monkeypatch.setattr("runproj.adapters.environments.rattler._WORKER", worker)

    with pytest.raises(EnvironmentFailed, match=r"without an answer .*no memory"):
        Rattler(dict(os.environ)).ask("solve")


def test_an_archive_that_was_replaced_in_a_folder_is_refused(home: Home) -> None:
    """Trap 2: rattler checks no digest of what it takes from a folder."""
    lock = home.lock("tiny")
    old, new = module("tiny", "1.0"), module("tiny", "2.0")
    home.channel.place(new).write_bytes(home.channel.place(old).read_bytes())

    error = failure(lambda: home.prepare(lock))

    assert "a package is not what the lock says: tiny=2.0=0 (tiny-2.0-0.conda)" in str(error)
    assert home.left() == []
    home.channel.add(new)
    assert run(home.prepare(lock), "tiny") == "tiny 2.0"


def test_an_archive_that_was_damaged_here_is_fetched_again(home: Home) -> None:
    lock = home.lock("tiny")
    home.prepare(lock)
    (key,) = (one.key for one in BuiltEnvironments(home.backend.root).all())
    BuiltEnvironments(home.backend.root).remove(key)
    place = home.archive("tiny")
    place.chmod(0o644)
    place.write_bytes(b"rotten")

    assert run(home.prepare(lock), "tiny") == "tiny 2.0"
    assert "tiny-2.0-0.conda was damaged, and is replaced" in home.said


def test_what_is_written_into_an_environment_reaches_no_other(home: Home) -> None:
    """Trap 3: rattler links files of environments to its cache."""
    first = home.ready("tiny")
    written = [
        one for one in first.slot.content.rglob("*") if one.is_file() and not one.is_symlink()
    ]
    assert {one.stat().st_nlink for one in written} == {1}
    source = next(first.slot.content.rglob("tiny/__init__.py"))
    with source.open("a") as file:
        file.write("raise SystemExit('poisoned')\n")

    assert not first.is_intact()
    assert run(home.ready("tiny", "tool"), "tiny") == "tiny 2.0"
    assert run(home.ready("tiny"), "tiny") == "tiny 2.0"


def test_of_a_failed_installation_nothing_is_left(home: Home) -> None:
    """Trap 4: rattler leaves what it began, and it looks like an environment."""
    lock = home.lock("tiny")
    good = home.channel.place(module("tiny", "2.0"))
    data = b"no archive"
    (text,) = [line for line in lock.content.splitlines() if '"fn":"tiny-' in line]
    sha = json.loads(text.rstrip(","))["sha256"]
    good.write_bytes(data)
    broken = Lock(kind="conda", content=lock.content.replace(sha, hashlib.sha256(data).hexdigest()))

    error = failure(lambda: home.prepare(broken))

    assert "the environment cannot be installed" in str(error)
    assert home.left() == []


def test_a_killed_builder_leaves_nothing_that_is_used(home: Home) -> None:
    lock = home.lock("tiny", "tool")
    slot = home.backend.root / home.backend.key(home.declare("x"), lock)[:20]
    half = slot / "conda" / "conda-meta"
    half.mkdir(parents=True)
    (half / "history").touch()

    ready = home.prepare(lock)

    assert run(ready, "tiny") == "tiny 2.0"


def test_programs_have_an_absolute_place_in_them(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 5: rattler writes a relative place of the environment into its programs."""
    lock = home.lock("tiny", "tool")
    monkeypatch.chdir(home.root)
    archives = FolderArchives(str(home.root / "data"))
    relative = CondaBackend("cache", archives, home.backend.caller)
    ready = relative.prepare(home.declare("x"), lock, home.said.append)
    place = str(ready.slot.content)

    assert place.startswith("/")
    assert run(ready, "tool").startswith(place)
    assert f"{place}/share\0".encode() in (ready.slot.content / "lib/tool.bin").read_bytes()
    assert run(ready, "tiny") == "tiny 2.0"


# ------------------------------------------------------------------ solving


def test_the_lock_keeps_its_versions_until_it_is_let_go(home: Home) -> None:
    old = home.lock("tiny")
    home.channel.add(module("tiny", "3.0"))

    assert versions(home.lock("tiny", previous=old))["tiny"] == "2.0"
    assert versions(home.lock("tiny", "tool", previous=old))["tiny"] == "2.0"
    assert versions(home.lock("tiny"))["tiny"] == "3.0"
    freed = Lock(kind="conda", content=conda.without(old.content, ["tiny"]))
    assert versions(home.lock("tiny", previous=freed))["tiny"] == "3.0"
    damaged = Lock(kind="conda", content="{")
    assert versions(home.lock("tiny", previous=damaged))["tiny"] == "3.0"


def test_what_conda_exports_is_understood(home: Home) -> None:
    assert versions(home.lock("tiny=1.0=0"))["tiny"] == "1.0"


def test_packages_stand_after_those_that_they_need(home: Home) -> None:
    home.channel.add(module("above", "1", depends=["tiny"], extension=".tar.bz2"))
    names = [one["name"] for one in conda.read(home.lock("above").content).packages]

    assert names.index("python") < names.index("tiny") < names.index("above")


def test_the_first_channel_that_has_a_package_gives_it(home: Home) -> None:
    other = Channel(home.root / "other").add(module("tiny", "9.0"), module("more", "1.0"))

    lock = home.lock("tiny", "more", channels=[home.channel.url, other.url])

    assert versions(lock)["tiny"] == "2.0"
    assert versions(lock)["more"] == "1.0"


@pytest.mark.parametrize("wanted", ["tiny=9.0", "tiny>=3", "tiny[version='>=3']", "above"])
def test_a_weaker_channel_gives_no_version_that_the_first_lacks(home: Home, wanted: str) -> None:
    """Rattler by itself takes a declared version from wherever it is."""
    other = Channel(home.root / "other").add(
        module("tiny", "9.0"), module("above", "1.0", depends=["tiny >=3"])
    )
    channels = [home.channel.url, other.url]

    error = failure(lambda: home.lock(wanted, channels=channels))

    assert "tiny 9.0 is excluded" in str(error)
    assert "CHANNEL::PACKAGE" in (error.problems[0].hint or "")
    assert versions(home.lock(wanted, channels=channels[::-1]))["tiny"] == "9.0"


def test_a_dependency_may_name_its_channel(home: Home) -> None:
    other = Channel(home.root / "other").add(module("tiny", "9.0"))
    channels = [home.channel.url, other.url]

    old = home.lock("tool", f"{other.url}::tiny", channels=channels)

    assert versions(old)["tiny"] == "9.0"
    error = failure(lambda: home.lock("tiny>=3", channels=channels, previous=old))
    assert "tiny 9.0 is excluded" in str(error)  # what was locked once is no reason
    assert versions(home.lock("tiny", channels=channels, previous=old))["tiny"] == "2.0"


def test_what_a_weaker_channel_gave_stays_until_a_stronger_one_has_it(home: Home) -> None:
    other = Channel(home.root / "other").add(module("more", "1.0"))
    channels = [home.channel.url, other.url]
    old = home.lock("more", channels=channels)
    other.add(module("more", "2.0"))
    assert versions(home.lock("more", channels=channels, previous=old))["more"] == "1.0"

    home.channel.add(module("more", "0.5"))

    assert versions(home.lock("more", channels=channels, previous=old))["more"] == "0.5"


def test_what_the_machine_is_said_to_have_does_not_change_the_lock(home: Home) -> None:
    home.channel.add(gpu(), Package("newest", "1", ["__glibc >=2.99"]))
    plain = home.lock("tiny").content
    home.caller |= {"CONDA_OVERRIDE_CUDA": "12.6", "CONDA_OVERRIDE_GLIBC": "3.0"}

    assert home.lock("tiny").content == plain
    assert "__cuda >=12" in str(failure(lambda: home.lock("gpu")))
    assert "__glibc >=2.99" in str(failure(lambda: home.lock("newest")))


def test_a_driver_is_there_only_when_it_is_declared(home: Home) -> None:
    home.channel.add(gpu())

    error = failure(lambda: home.lock("gpu"))

    assert "__cuda >=12" in str(error)
    assert "virtual_packages" in (error.problems[0].hint or "")
    assert "gpu" in versions(home.lock("gpu", virtual={"__cuda": "12.4"}))


def test_a_driver_that_the_machine_lacks_is_missed_before_anything_runs(home: Home) -> None:
    home.channel.add(gpu())
    lock = home.lock("gpu", virtual={"__cuda": "12.4"})

    error = failure(lambda: home.prepare(lock))

    assert "gpu needs __cuda >=12, and this machine has none" in str(error)
    assert home.left() == []
    home.caller["CONDA_OVERRIDE_CUDA"] = "11.8"
    assert "and this machine has 11.8" in str(failure(lambda: home.prepare(lock)))
    home.caller["CONDA_OVERRIDE_CUDA"] = "12.6"
    assert home.prepare(lock).is_intact()
    del home.caller["CONDA_OVERRIDE_CUDA"]
    failure(lambda: home.prepare(lock))


def test_an_old_libc_is_missed(home: Home) -> None:
    home.channel.add(
        Package("newer", "1", ["__glibc >=2.17,<2.99"]), Package("newest", "1", ["__glibc >=2.99"])
    )

    home.prepare(home.lock("newer"))
    error = failure(lambda: home.prepare(home.lock("newest", virtual={"__glibc": "3.0"})))

    assert "newest needs __glibc >=2.99, and this machine has 2." in str(error)


def test_a_lock_for_another_platform_is_refused(home: Home) -> None:
    lock = home.lock("tiny")
    other = Lock(kind="conda", content=lock.content.replace(PLATFORM, "osx-arm64"))

    error = failure(lambda: home.prepare(other))

    assert f"the lock is for osx-arm64, and this machine is {PLATFORM}" in str(error)


def test_a_channel_that_is_gone_is_named(home: Home) -> None:
    assert "there is no channel file:///nowhere" in str(
        failure(lambda: home.lock("tiny", channels=["file:///nowhere"]))
    )
    assert "the channel cannot be reached" in str(
        failure(lambda: home.lock("tiny", channels=["http://127.0.0.1:9/c"]))
    )


def test_a_dependency_that_is_none_is_named(home: Home) -> None:
    error = failure(lambda: home.lock("tiny", "tiny[version="))

    assert "'tiny[version=' is no match spec" in str(error)


def test_py_rattler_that_is_not_installed_is_said_to_be(home: Home) -> None:
    (home.root / "rattler.py").write_text("raise ImportError('not here')\n")
    home.caller["PYTHONPATH"] = str(home.root)

    error = failure(lambda: home.lock("tiny"))

    assert "py-rattler is missing" in str(error)
    assert error.problems[0].hint == "pip install 'runproj[conda]'"


def test_settings_of_conda_change_nothing(home: Home) -> None:
    home.caller["CONDA_CHANNELS"] = "file:///elsewhere"
    home.caller["CONDA_PREFIX"] = "/elsewhere"

    assert run(home.ready("tiny"), "tiny") == "tiny 2.0"


# ------------------------------------------------------------------ building


def test_the_same_archives_from_elsewhere_are_the_same_environment(home: Home) -> None:
    first = home.ready("tiny", "tool")
    (home.root / "channel").rename(home.root / "moved")
    moved = Channel(home.root / "moved")

    second = home.lock("tiny", "tool", channels=[moved.url])

    assert home.prepare(second).key == first.key


def test_a_package_that_vanished_is_installed_from_what_is_kept(home: Home) -> None:
    lock = home.lock("tiny")
    home.prepare(lock)
    subprocess.run(["rm", "-rf", str(home.channel.folder), str(home.root / "cache")], check=True)

    assert run(home.prepare(lock), "tiny") == "tiny 2.0"


def test_a_package_that_is_nowhere_is_named_and_nothing_is_left(home: Home) -> None:
    lock = home.lock("tiny")
    home.lose_data()
    home.channel.place(module("tiny", "2.0")).unlink()

    error = failure(lambda: home.prepare(lock))

    assert "a file that the lock names is gone: tiny=2.0=0 (tiny-2.0-0.conda)" in str(error)
    assert home.left() == []
    home.channel.add(module("tiny", "2.0"))
    assert run(home.prepare(lock), "tiny") == "tiny 2.0"


def test_two_who_need_it_build_it_once(home: Home) -> None:
    lock = home.lock("tiny")

    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda _: home.prepare(lock), range(2)))

    assert both[0].key == both[1].key
    assert sum(line.startswith("built:") for line in home.said) == 1


def test_what_a_builder_who_is_killed_began_is_built_anew(home: Home) -> None:
    lock = home.lock("tiny")
    (home.root / "lock.json").write_text(lock.content)
    code = (
        "import os,sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]\n"
        "from tests.adapters.test_conda import Home; from runproj.lock.lock import Lock\n"
        "root = Path(sys.argv[1])\n"
        "Home(root).prepare(Lock(kind='conda', content=(root / 'lock.json').read_text()))\n"
    )
    paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    process = subprocess.Popen([sys.executable, "-c", code, str(home.root), *paths])
    until = time.monotonic() + 60
    while not home.left() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert run(home.prepare(lock), "tiny") == "tiny 2.0"


def test_an_environment_that_was_changed_is_built_again(home: Home) -> None:
    lock = home.lock("tiny")
    first = home.prepare(lock)
    next(first.slot.content.rglob("tiny/__init__.py")).unlink()

    again = home.prepare(lock)

    assert run(again, "tiny") == "tiny 2.0"
    assert again.is_intact()


def test_an_environment_needs_no_python(home: Home) -> None:
    ready = home.ready("tool")

    assert ready.description.startswith("conda, 1 package, in ")
    (listed,) = BuiltEnvironments(home.backend.root).all()
    assert (listed.kind, listed.python, listed.packages) == ("conda", "", 1)


def test_scripts_that_would_run_at_installation_are_named(home: Home) -> None:
    home.channel.add(hook())

    ready = home.ready("hook")

    assert "not run, scripts of packages: .hook-post-link.sh" in home.said
    assert not (ready.slot.content / "share/it-ran").exists()


def test_all_archives_are_told(home: Home) -> None:
    lock = home.lock("tiny")
    archives = home.backend.archives(home.declare("tiny"), lock, home.said.append)

    assert {Path(one.path).name for one in archives} == {
        "tiny-2.0-0.conda",
        f"{python().stem}.conda",
    }


# ------------------------------------------------------------------ activation


def test_activation_sets_what_packages_want(home: Home) -> None:
    ready = home.ready("tool")
    variables = ready.variables("/nowhere")
    place = str(ready.slot.content)

    assert variables["CONDA_PREFIX"] == place
    assert variables["TOOL_HOME"] == f"{place}/share/tool"
    assert variables["TOOL_SET"] == "by a file"
    assert variables["PYTHONNOUSERSITE"] == "1"
    assert (
        variables["PATH"]
        == f"{place}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )
    assert run(ready, "tool") == f"{place} {place}/share/tool by a file"


def test_scripts_are_not_run_again_when_they_say_the_same_anywhere(home: Home) -> None:
    home.channel.add(
        tool(f'echo loud; echo . >> {home.root}/ran; export TOOL_HOME="$CONDA_PREFIX"')
    )
    ready = home.ready("tool")
    before = (home.root / "ran").read_text()

    assert ready.variables("/a") == ready.variables("/b")
    assert (home.root / "ran").read_text() == before


def test_scripts_that_depend_on_more_are_run_each_time(home: Home) -> None:
    home.channel.add(tool('export TOOL_HOME="$HOME/tool"'))
    ready = home.ready("tool")

    assert ready.variables("/nowhere")["TOOL_HOME"] == f"{home.root}/tool"


def test_scripts_that_fail_leave_no_environment(home: Home) -> None:
    home.channel.add(tool("echo this is no good; exit 3"))

    error = failure(lambda: home.ready("tool"))

    assert "cannot be activated: this is no good" in str(error)
    assert home.left() == []


# ------------------------------------------------------------------ what pip adds


@pytest.fixture
def wheels(home: Home) -> Path:
    folder = home.root / "wheels"
    build_wheel(folder, "word", "1.0")
    build_wheel(folder, "word", "2.0")
    build_wheel(folder, "sentence", "1.0", requires=["word", "tiny>=2"])
    return folder


def test_what_pip_adds_is_locked_with_digests(home: Home, wheels: Path) -> None:
    lock = home.lock("tiny", pip=["sentence"])
    (sentence, word) = conda.read(lock.content).pip

    assert (sentence.name, word.name, word.version) == ("sentence", "word", "2.0")
    subprocess.run(["rm", "-rf", str(wheels)], check=True)
    ready = home.prepare(lock)
    code = "import word, sentence, tiny; print(word.version, tiny.version)"
    assert run(ready, "python", "-c", code) == "2.0 2.0"


@pytest.mark.usefixtures("wheels")
def test_pins_of_pip_stay_where_they_can(home: Home) -> None:
    old = home.lock("tiny", pip=["word==1.0"])

    assert versions(home.lock("tiny", pip=["word"], previous=old))["word"] == "1.0"
    assert versions(home.lock("tiny", pip=["word>1"], previous=old))["word"] == "2.0"


def test_a_wheel_that_was_replaced_is_refused(home: Home, wheels: Path) -> None:
    lock = home.lock("tiny", pip=["word"])
    home.lose_data()
    build_wheel(wheels, "word", "2.0", files={"word/more.py": "1"})

    assert "a package is not what the lock says: word==2.0" in str(
        failure(lambda: home.prepare(lock))
    )
    assert home.left() == []


def test_pip_does_not_replace_what_conda_installed(home: Home, wheels: Path) -> None:
    build_wheel(wheels, "tiny", "3.0")

    assert "'pip' would replace packages of conda: tiny 2.0" in str(
        failure(lambda: home.lock("tiny", pip=["tiny>2"]))
    )


@pytest.mark.usefixtures("wheels")
def test_a_requirement_of_pip_that_cannot_be_met_is_explained(home: Home) -> None:
    assert "the part of pip cannot be resolved" in str(
        failure(lambda: home.lock("tiny=1.0", pip=["sentence"]))
    )


@pytest.mark.usefixtures("wheels")
def test_pip_needs_a_python(home: Home) -> None:
    assert "needs a python" in str(failure(lambda: home.lock("tool", pip=["word"])))


# ------------------------------------------------------------------ private channels


class Private(SimpleHTTPRequestHandler):
    """Serves files to those who know the password or the token."""

    asked: list[str]
    how = "basic"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        given = self.headers.get("Authorization", "")
        if self.how == "token":
            prefix = f"/t/{SECRET}"
            allowed = self.path.startswith(prefix)
            self.path = self.path.removeprefix(prefix)
        else:
            allowed = given in (f"Bearer {SECRET}", "Basic dXNlcjpodW50ZXIyMi1pcy1hLXNlY3JldA==")
        if allowed:
            super().do_GET()
        else:
            self.send_error(401)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(home: Home) -> Iterator[str]:
    Private.asked = []
    Private.how = "basic"
    handler = partial(Private, directory=str(home.channel.folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


CREDENTIALS = {
    "basic": {"BasicHTTP": {"username": "user", "password": SECRET}},
    "bearer": {"BearerToken": SECRET},
    "token": {"CondaToken": SECRET},
}


@pytest.mark.parametrize("how", CREDENTIALS)
def test_credentials_come_from_the_auth_file_and_go_nowhere(
    home: Home, served: str, how: str
) -> None:
    Private.how = how
    auth = home.root / "auth.json"
    auth.write_text(json.dumps({"127.0.0.1": CREDENTIALS[how]}))
    home.caller["RATTLER_AUTH_FILE"] = str(auth)

    lock = home.lock("tiny", channels=[served])
    ready = home.prepare(lock)

    assert run(ready, "tiny") == "tiny 2.0"
    assert SECRET not in lock.content + repr(home.said) + repr(ready)
    kept = subprocess.run(
        ["grep", "-rl", SECRET, str(home.root / "cache"), str(home.root / "data")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert kept.stdout == ""
    count = len(Private.asked)
    home.prepare(lock)
    assert len(Private.asked) == count


@pytest.mark.parametrize("how", CREDENTIALS)
def test_wrong_credentials_are_not_shown(home: Home, served: str, how: str) -> None:
    Private.how = "token" if how == "token" else "basic"
    auth = home.root / "auth.json"
    text = json.dumps({"127.0.0.1": CREDENTIALS[how]})
    auth.write_text(text.replace(SECRET, f"wrong-{SECRET}"))
    home.caller["RATTLER_AUTH_FILE"] = str(auth)

    error = failure(lambda: home.lock("tiny", channels=[served]))

    assert "let us in" in str(error)
    assert SECRET not in repr(error.problems)


def test_who_has_no_credentials_is_told_where_they_go(home: Home, served: str) -> None:
    error = failure(lambda: home.lock("tiny", channels=[served]))

    assert "the channel does not let us in" in str(error)
    assert "RATTLER_AUTH_FILE" in (error.problems[0].hint or "")


def test_an_auth_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    place = tmp_path / "auth.json"
    place.write_text(f"[{SECRET}]")

    error = failure(lambda: auth_file({"RATTLER_AUTH_FILE": str(place)}))

    assert error.problems[0].where == str(place)
    assert SECRET not in repr(error.problems)
    assert auth_file({}) == {}
