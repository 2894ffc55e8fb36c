"""Virtual environments with the real uv and virtualenv; all packages are made here."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.adapters.machine import Machine, Quiet, run, serving
from tests.cli.commandline import until
from tests.wheels import build_index, build_sdist, build_wheel

from runproj.adapters.environments import interpreters
from runproj.adapters.environments.built import BuildLock, Slot
from runproj.adapters.environments.discovery import discover
from runproj.adapters.environments.interpreters import Interpreter
from runproj.adapters.environments.own_package import shebang
from runproj.adapters.environments.venv import PreparedVenv
from runproj.errors import EnvironmentFailed, LockStale, NotSupported
from runproj.lock import pylock
from runproj.lock.declaration import declare
from runproj.lock.lock import Declaration, Lock
from runproj.spec.environment import VenvEnvironment
from runproj.spec.fields import validated

CLOSED = "http://127.0.0.1:9/simple"
TINY = Declaration(kind="venv", packages=("tiny",))


def declared(files: Mapping[str, str], **fields: object) -> Declaration:
    return declare(validated(VenvEnvironment, {"kind": "venv", **fields}), files.get)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for version in ("1.0", "2.0"):
        build_wheel(tmp_path / "wheels", "tiny", version)
    build_wheel(tmp_path / "wheels", "top", "1.0", requires=["tiny"])
    return Machine(tmp_path)


@pytest.fixture
def index(machine: Machine) -> Iterator[str]:
    """An index on this machine; returns its address."""
    with serving(machine.fill_index()) as address:
        yield f"{address}/simple"


@pytest.fixture
def slow_index(machine: Machine) -> Iterator["SlowIndex"]:
    """An index that gives no file before it is allowed to."""
    folder = machine.fill_index()
    asked, allowed = threading.Event(), threading.Event()

    class Slow(Quiet):
        def do_GET(self) -> None:  # noqa: N802 -- the library's name
            if self.path.endswith(".whl"):
                asked.set()
                allowed.wait()
            super().do_GET()

    with serving(folder, Slow) as address:
        yield SlowIndex(f"{address}/simple", asked, allowed)
        allowed.set()


@dataclass
class SlowIndex:
    address: str
    asked: threading.Event
    allowed: threading.Event


# Locking


def test_a_lock_holds_dependencies_with_digests_and_says_how_many(machine: Machine) -> None:
    lock = machine.lock(Declaration(kind="venv", packages=("top",)))

    assert pylock.packages(lock.content) == {"tiny": "2.0", "top": "1.0"}
    assert lock.content.count("sha256") == 2
    assert machine.said[-1] == "locked 2 packages"


def test_a_lock_serves_all_patch_releases_of_its_python(machine: Machine) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"

    assert f'requires-python = ">={minor}"' in machine.lock(TINY).content


def test_requirements_packages_and_pyproject_combine(machine: Machine) -> None:
    for name in ("one", "two", "three", "four"):
        build_wheel(machine.wheels, name, "1.0")
    files = {
        "needs/a.txt": "-c ../limits.txt\none\ntiny\n",
        "limits.txt": "tiny<2\n",
        "pyproject.toml": '[project]\nname = "x"\ndynamic = ["version"]\ndependencies = ["three"]\n'
        '[project.optional-dependencies]\nmore = ["four"]\n'
        '[build-system]\nrequires = ["nothing-there"]\n',
    }

    lock = machine.lock(
        declared(files, requirements="needs/a.txt", packages="two", pyproject={"extras": "more"})
    )

    assert pylock.packages(lock.content) == {
        "four": "1.0", "one": "1.0", "three": "1.0", "tiny": "1.0", "two": "1.0"
    }  # fmt: skip


def test_groups_alone_are_enough(machine: Machine) -> None:
    files = {"pyproject.toml": '[dependency-groups]\ndev = ["tiny"]\n'}

    assert pylock.packages(machine.lock(declared(files, pyproject={"groups": "dev"})).content)


def test_nothing_declared_is_an_empty_lock(machine: Machine) -> None:
    assert pylock.packages(machine.lock(Declaration(kind="venv")).content) == {}


def test_a_freed_package_moves_and_the_others_stay(machine: Machine) -> None:
    for version in ("1.0", "2.0"):
        build_wheel(machine.wheels, "pal", version)
    both = Declaration(kind="venv", packages=("tiny", "pal"))
    old = machine.lock(Declaration(kind="venv", packages=("tiny<2", "pal<2")))
    freed = Lock(kind="venv", content=pylock.without(old.content, ["pal"]))

    assert pylock.packages(machine.lock(both, old).content) == {"pal": "1.0", "tiny": "1.0"}
    assert pylock.packages(machine.lock(both, freed).content) == {"pal": "2.0", "tiny": "1.0"}


def test_what_cannot_be_resolved_is_explained_by_uv(machine: Machine) -> None:
    with pytest.raises(EnvironmentFailed, match=r"only tiny<=2\.0 is available") as raised:
        machine.lock(Declaration(kind="venv", packages=("tiny>3",)))

    assert raised.value.exit_code == 4


def test_an_unreachable_index_is_called_so(machine: Machine) -> None:
    machine.reach(CLOSED)

    with pytest.raises(EnvironmentFailed, match="the package index cannot be reached"):
        machine.lock(TINY)


def test_credentials_of_an_index_are_not_in_the_lock(machine: Machine, index: str) -> None:
    machine.reach(index.replace("://", "://me:secret@"))

    content = machine.lock(TINY).content

    assert "secret" not in content
    assert f'index = "{index}"' in content


def test_the_configuration_around_the_temporary_folder_does_not_count(machine: Machine) -> None:
    machine.more["UV_CONSTRAINT"] = "/nowhere.txt"
    machine.more["VIRTUAL_ENV"] = "/nowhere"

    assert pylock.packages(machine.lock(TINY).content)


# The lock of uv


def uv_project(machine: Machine, text: str, name: str = "app") -> dict[str, str]:
    """A project with its own uv.lock."""
    folder = machine.folder / name
    folder.mkdir()
    (folder / "pyproject.toml").write_text(text)
    uv = Path(sys.executable).parent / "uv"
    done = subprocess.run(
        [str(uv), "lock", "--python", sys.executable],
        cwd=folder, env=machine.caller, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {"pyproject.toml": text, "uv.lock": (folder / "uv.lock").read_text()}


APP = (
    '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
    'dependencies = ["tiny<2"]\n'
    '[project.optional-dependencies]\nmore = ["top"]\n[dependency-groups]\ndev = ["pal"]\n'
)
BUILD = '[build-system]\nrequires = ["nothing-there"]\nbuild-backend = "nothing_there"\n'


@pytest.mark.parametrize("build", ["", BUILD], ids=["no package", "a package"])
def test_a_lock_of_uv_is_taken_over_without_any_network(
    machine: Machine, index: str, build: str
) -> None:
    build_wheel(machine.wheels, "pal", "1.0")
    build_index(machine.folder / "index" / "simple", sorted(machine.wheels.glob("*.whl")))
    machine.reach(index)
    files = uv_project(machine, APP + build)
    build_wheel(machine.wheels, "tiny", "1.5")
    machine.more["UV_OFFLINE"] = "1"
    machine.more["UV_CACHE_DIR"] = str(machine.folder / "empty")

    plain = machine.lock(declared(files, pyproject=True))
    more = machine.lock(declared(files, pyproject={"extras": "more", "groups": "dev"}))

    assert pylock.packages(plain.content) == {"tiny": "1.0"}
    assert pylock.packages(more.content) == {"pal": "1.0", "tiny": "1.0", "top": "1.0"}


def test_of_a_lock_of_uv_only_what_this_python_gets_is_taken_over(machine: Machine) -> None:
    needs = (
        "\"tiny<2 ; python_version >= '3.11'\", \"tiny>=2 ; python_version < '3.11'\", "
        "\"top ; sys_platform == 'win32'\""
    )
    text = APP.replace('"tiny<2"', needs).replace(">=3.11", ">=3.9").partition("[project.opt")[0]
    files = uv_project(machine, text)
    assert "2.0" in files["uv.lock"]

    lock = machine.lock(declared(files, pyproject=True))

    assert pylock.packages(lock.content) == {"tiny": "1.0"}
    assert "marker" not in lock.content
    machine.prepare(declared(files, pyproject=True), lock)


def test_hashes_of_a_requirement_file_are_demanded(machine: Machine) -> None:
    wheel = next(machine.wheels.glob("tiny-1*.whl"))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    good = {"a.txt": f"tiny==1.0 --hash=sha256:{digest}\n"}
    assert pylock.packages(machine.lock(declared(good, requirements="a.txt")).content)

    bad = {"a.txt": good["a.txt"].replace(digest, "0" * 64)}
    with pytest.raises(EnvironmentFailed, match=r"no file of tiny 1\.0 has a hash"):
        machine.lock(declared(bad, requirements="a.txt"))


def test_a_lock_of_uv_that_does_not_fit_is_stale(machine: Machine) -> None:
    build_wheel(machine.wheels, "pal", "1.0")
    files = uv_project(machine, APP)
    files["pyproject.toml"] = APP.replace("tiny<2", "tiny>=2")

    with pytest.raises(LockStale) as raised:
        machine.lock(declared(files, pyproject=True))

    assert raised.value.problems[0].hint == "uv lock"


# Building


def test_a_step_gets_the_locked_packages_and_nothing_of_ours(machine: Machine) -> None:
    ready = machine.prepare(Declaration(kind="venv", packages=("tiny<2",)))

    assert run(ready, "python", "-c", "import tiny; print(tiny.version)") == "1.0"
    code = "import importlib.util as u; print(u.find_spec('pip'), u.find_spec('pydantic'))"
    assert run(ready, "python", "-c", code) == "None None"
    assert "1 package" in ready.description


def test_a_package_that_prints_when_python_starts_is_no_damage(machine: Machine) -> None:
    build_wheel(machine.wheels, "loud", "1.0", files={"loud.pth": "import sys; print('hello')\n"})

    ready = machine.prepare(Declaration(kind="venv", packages=("loud",)))

    said = run(ready, "python", "-c", "import loud; print(loud.version)").splitlines()
    assert (said[0], said[-1]) == ("hello", "1.0")


def test_what_is_built_is_used_again_at_once(machine: Machine) -> None:
    lock = machine.lock(TINY)
    machine.prepare(TINY, lock)
    machine.said.clear()

    machine.prepare(TINY, lock)

    assert machine.said == []


def test_equal_content_shares_an_environment(machine: Machine) -> None:
    first = machine.prepare(TINY)
    second = machine.prepare(Declaration(kind="venv", packages=("tiny>=2",)))

    assert first.key == second.key
    assert len(machine.built.all()) == 1


def test_importing_is_no_damage(machine: Machine) -> None:
    lock = machine.lock(TINY)
    ready = machine.prepare(TINY, lock)
    run(ready, "python", "-c", "import tiny")
    machine.said.clear()

    assert list(ready.slot.content.rglob("tiny/__pycache__/*.pyc"))
    assert ready.is_intact()
    machine.prepare(TINY, lock)
    assert machine.said == []


def _remove_file(ready: PreparedVenv) -> None:
    next(ready.slot.content.rglob("words.txt")).unlink()


def _add_package(ready: PreparedVenv) -> None:
    (next(ready.slot.content.rglob("site-packages")) / "foreign.py").touch()


def _add_distribution(ready: PreparedVenv) -> None:
    info = next(ready.slot.content.rglob("site-packages")) / "foreign-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")


def _remove_package(ready: PreparedVenv) -> None:
    shutil.rmtree(next(ready.slot.content.rglob("site-packages")) / "tiny")


def _remove_interpreter(ready: PreparedVenv) -> None:
    (ready.slot.content / "bin" / "python").unlink()


def _remove_all(ready: PreparedVenv) -> None:
    shutil.rmtree(ready.slot.content)


def _half_built(ready: PreparedVenv) -> None:
    (ready.slot.folder / "ready.json").unlink()
    _remove_file(ready)


def _damaged_marker(ready: PreparedVenv) -> None:
    (ready.slot.folder / "ready.json").write_text('{"format": 1')
    _remove_file(ready)


@pytest.mark.parametrize(
    "damage",
    [_remove_file, _remove_package, _add_package, _add_distribution, _remove_interpreter,
     _remove_all, _half_built, _damaged_marker],
)  # fmt: skip
def test_a_damaged_environment_is_built_again(machine: Machine, damage: object) -> None:
    lock = machine.lock(TINY)
    ready = machine.prepare(TINY, lock)
    assert callable(damage)
    damage(ready)

    again = machine.prepare(TINY, lock)

    assert again.is_intact()
    assert run(again, "python", "-c", "import tiny; print(tiny.version)") == "2.0"
    assert next(again.slot.content.rglob("words.txt")).exists()
    assert not list(again.slot.content.rglob("foreign*"))


def test_a_file_that_was_written_over_is_found_by_the_thorough_check(machine: Machine) -> None:
    lock = machine.lock(TINY)
    ready = machine.prepare(TINY, lock)
    module = next(ready.slot.content.rglob("tiny/__init__.py"))
    with module.open("r+") as file:
        file.write("version = 'x.x'")

    assert not ready.is_intact()
    again = machine.prepare(TINY, lock)
    assert run(again, "python", "-c", "import tiny; print(tiny.version)") == "2.0"


def test_a_step_that_writes_into_its_environment_does_not_reach_the_cache_of_uv(
    machine: Machine, index: str
) -> None:
    machine.reach(index)
    ready = machine.prepare(TINY)
    files = [path for path in ready.slot.content.rglob("site-packages/**/*") if path.is_file()]

    assert files
    assert {path.stat().st_nlink for path in files} == {1}


def test_everything_at_hand_needs_no_network(machine: Machine, index: str) -> None:
    machine.reach(index)
    lock = machine.lock(TINY)
    first = machine.prepare(TINY, lock)
    machine.reach(CLOSED)
    closed = Lock(kind="venv", content=lock.content.replace(index, CLOSED))

    assert machine.prepare(TINY, lock).key == first.key
    machine.built.remove(first.key)
    assert machine.prepare(TINY, lock).key == machine.backend.key(TINY, closed)


def test_a_lock_is_made_from_what_is_at_hand_when_the_index_is_gone(
    machine: Machine, index: str
) -> None:
    machine.reach(index)
    lock = machine.lock(TINY)
    machine.more["NO_PROXY"] = "*"
    machine.more["UV_OFFLINE"] = "1"

    assert machine.lock(TINY).content == lock.content


def test_a_replaced_wheel_is_refused(machine: Machine) -> None:
    lock = machine.lock(TINY)
    build_wheel(machine.wheels, "tiny", "2.0", files={"tiny/evil.py": "evil = True\n"})
    shutil.rmtree(machine.folder / "uv")

    with pytest.raises(EnvironmentFailed, match="not what the lock says"):
        machine.prepare(TINY, lock)

    assert machine.built.all() == []
    assert not list((machine.folder / "cache/environments").glob("*/"))


def test_a_wheel_that_is_gone_is_told_with_the_name_of_its_package(machine: Machine) -> None:
    lock = machine.lock(TINY)
    shutil.rmtree(machine.folder / "uv")
    next(machine.wheels.glob("tiny-2.0-*")).unlink()

    with pytest.raises(EnvironmentFailed, match="a file that the lock names is gone") as raised:
        machine.prepare(TINY, lock)

    assert "tiny==2.0" in str(raised.value)
    assert machine.built.all() == []


def test_a_file_that_the_index_removed_is_not_called_a_missing_network(
    machine: Machine, index: str
) -> None:
    machine.reach(index)
    lock = machine.lock(TINY)
    shutil.rmtree(machine.folder / "uv")
    shutil.rmtree(machine.folder / "index" / "simple" / "tiny")

    with pytest.raises(EnvironmentFailed, match="a file that the lock names is gone") as raised:
        machine.prepare(TINY, lock)

    assert "tiny==2.0" in str(raised.value)
    assert "--upgrade" in (raised.value.problems[0].hint or "")


def test_what_a_step_writes_over_a_module_does_not_reach_the_next_environment(
    machine: Machine, index: str
) -> None:
    machine.reach(index)
    lock = machine.lock(TINY)
    ready = machine.prepare(TINY, lock)
    next(ready.slot.content.rglob("tiny/__init__.py")).write_text("version = 'spoiled'\n")
    machine.built.remove(ready.key)
    shutil.rmtree(machine.folder / "index")  # it comes from uv's cache

    again = machine.prepare(TINY, lock)

    assert run(again, "python", "-c", "import tiny; print(tiny.version)") == "2.0"


def test_the_environment_comes_first_on_the_path_and_no_other_leaks_in(machine: Machine) -> None:
    machine.more |= {"VIRTUAL_ENV": "/elsewhere", "PYTHONPATH": "/x", "PYTHONHOME": "/y"}
    ready = machine.prepare(TINY)

    variables = dict(ready.variables("/project"))

    assert variables.pop("VIRTUAL_ENV") == str(ready.slot.content)
    assert variables.pop("PATH").split(":")[0] == str(ready.slot.content / "bin")
    assert variables == {}
    assert run(ready, "python", "-c", "import sys; print(sys.prefix)") == str(ready.slot.content)


def test_a_lock_for_another_python_says_what_to_do(machine: Machine) -> None:
    lock = machine.lock(TINY)
    other = Lock(
        kind="venv",
        content=lock.content.replace('requires-python = ">=3', 'requires-python = ">=3.99, >=3'),
    )

    with pytest.raises(EnvironmentFailed) as raised:
        machine.prepare(TINY, other)

    assert "runproj lock" in (raised.value.problems[0].hint or "")


def test_packages_at_local_paths_are_not_installed(machine: Machine) -> None:
    local = '[[packages]]\nname = "lib"\ndirectory = { path = "lib" }\n'

    with pytest.raises(NotSupported, match="lib"):
        machine.prepare(TINY, Lock(kind="venv", content=f'lock-version = "1.0"\n{local}'))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_told_with_its_path(machine: Machine) -> None:
    lock = machine.lock(TINY)
    (machine.folder / "cache").chmod(0o500)

    with pytest.raises(EnvironmentFailed, match="cannot be built"):
        machine.prepare(TINY, lock)


def test_a_file_in_the_place_of_the_cache_is_told_with_its_path(machine: Machine) -> None:
    lock = machine.lock(TINY)
    (machine.folder / "cache" / "environments").write_text("")

    with pytest.raises(EnvironmentFailed) as raised:
        machine.prepare(TINY, lock)

    assert raised.value.problems[0].where == str(machine.folder / "cache" / "environments")


# Several at once

BUILDER = """
import json, sys
from runproj.adapters.environments.archives import FolderArchives
from runproj.adapters.environments.venv import VenvBackend
from runproj.lock.lock import Declaration, Lock
cache, data, caller, content = json.loads(sys.argv[1])
declaration = Declaration(kind="venv", packages=("tiny",))
backend = VenvBackend(cache, FolderArchives(data), caller)
backend.prepare(declaration, Lock(kind="venv", content=content), print)
"""


def builder_arguments(machine: Machine, lock: Lock) -> str:
    places = [str(machine.folder / "cache"), str(machine.archives)]
    return json.dumps([*places, machine.caller, lock.content])


def start_builder(machine: Machine, lock: Lock) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-u", "-c", BUILDER, builder_arguments(machine, lock)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def test_two_processes_at_once_build_once(machine: Machine) -> None:
    lock = machine.lock(TINY)
    builders = [start_builder(machine, lock) for _ in range(3)]
    said = [builder.communicate(timeout=60)[0] for builder in builders]

    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert sum("building:" in text for text in said) == 1
    assert len(machine.built.all()) == 1


def test_who_waits_for_another_builder_says_so(machine: Machine) -> None:
    lock = machine.lock(TINY)
    ready = machine.prepare(TINY, lock)
    ready.slot.forget()
    with BuildLock(ready.slot, lambda: None):
        builder = start_builder(machine, lock)
        assert builder.stdout is not None
        first = builder.stdout.readline()
    builder.communicate(timeout=60)

    assert first.startswith("waiting for another runproj")
    assert builder.returncode == 0


def test_a_killed_builder_leaves_nothing_that_is_used(machine: Machine) -> None:
    lock = machine.lock(TINY)
    key = machine.backend.key(TINY, lock)
    slot = Slot(machine.built.root, key)
    builder = start_builder(machine, lock)
    while not slot.content.exists():
        time.sleep(0.001)
    builder.send_signal(signal.SIGKILL)
    builder.communicate()

    assert slot.marker() is None
    assert run(machine.prepare(TINY, lock), "python", "-c", "import tiny") == ""


def test_a_builder_that_is_killed_while_packages_come_leaves_nothing_of_them(
    machine: Machine, slow_index: SlowIndex
) -> None:
    machine.reach(slow_index.address)
    slow_index.allowed.set()
    lock = machine.lock(TINY)
    slow_index.allowed.clear()
    slow_index.asked.clear()

    builder = start_builder(machine, lock)
    assert slow_index.asked.wait(60)
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    assert machine.built.all() == []
    assert list(machine.archives.rglob("incoming-*"))
    slow_index.allowed.set()

    assert run(machine.prepare(TINY, lock), "python", "-c", "import tiny") == ""
    assert not list(machine.archives.rglob("incoming-*"))


def test_a_builder_that_is_killed_while_uv_works_is_waited_for_to_the_last_writer(
    machine: Machine,
) -> None:
    begun, allowed = machine.folder / "begun", machine.folder / "allowed"
    build_sdist(
        machine.wheels, "rocky", "1.0",
        meanwhile=f"import time; open({str(begun)!r}, 'w').close()\n"
        f"    while not pathlib.Path({str(allowed)!r}).exists(): time.sleep(0.01)",
    )  # fmt: skip
    lock = machine.lock(Declaration(kind="venv", packages=("rocky",)))

    builder = start_builder(machine, lock)
    until(begun.exists, "the build begins")
    builder.send_signal(signal.SIGKILL)
    builder.communicate()
    second = start_builder(machine, lock)
    assert second.stdout is not None
    assert second.stdout.readline().startswith("waiting for another runproj")
    allowed.touch()
    said = second.communicate(timeout=60)[0]

    assert second.returncode == 0
    assert "built: 1 package" in said


# The project's own package

WINE = (
    '[project]\nname = "my-wine"\nversion = "3.1"\n[project.scripts]\nwine = "my_wine:main"\n'
    '[project.entry-points.plugins]\na = "my_wine:main"\n'
)


def wine(folder: Path, text: str) -> Path:
    (folder / "src/my_wine").mkdir(parents=True)
    (folder / "src/my_wine/__init__.py").write_text(f"def main():\n    print({text!r})\n")
    (folder / "pyproject.toml").write_text(WINE)
    return folder


def test_the_package_of_a_project_works_from_where_its_code_stands(machine: Machine) -> None:
    ready = machine.prepare(declared({"pyproject.toml": WINE}, pyproject=True))
    about = (
        "import importlib.metadata as m; "
        "points = m.entry_points(group='plugins'); "
        "print(m.version('my-wine'), *[e.load().__module__ for e in points])"
    )
    for text in ("old", "new"):
        folder = wine(machine.folder / text, text)

        assert run(ready, "python", "-c", "import my_wine; my_wine.main()", folder=folder) == text
        assert run(ready, "wine", folder=folder) == text
        assert run(ready, "python", "-c", about, folder=folder) == "3.1 my_wine"
        assert not list(folder.rglob("*.egg-info"))


def test_scripts_work_when_paths_are_long_and_have_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "a b" / ("long" * 30)
    machine = Machine(folder)
    build_wheel(machine.wheels, "tiny", "1.0")
    ready = machine.prepare(declared({"pyproject.toml": WINE}, pyproject=True))

    assert run(ready, "wine", folder=wine(folder / "x", "hello")) == "hello"


@pytest.mark.parametrize("name", ["python", "with space", "it's", "x" * 130])
def test_a_shebang_starts_the_interpreter_wherever_it_is(tmp_path: Path, name: str) -> None:
    python = tmp_path / name
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(shebang(str(python)) + "import sys\nprint(sys.argv[1])\n")
    script.chmod(0o755)

    done = subprocess.run([str(script), "a b"], capture_output=True, text=True, check=True)

    assert done.stdout == "a b\n"


def test_a_new_script_is_another_key_in_the_same_environment(machine: Machine) -> None:
    first = machine.prepare(declared({"pyproject.toml": WINE}, pyproject=True))
    more = WINE.replace("[project.scripts]\n", '[project.scripts]\ntaste = "my_wine:main"\n')
    second = machine.prepare(declared({"pyproject.toml": more}, pyproject=True))

    assert first.key != second.key
    assert first.slot.folder == second.slot.folder
    assert run(second, "taste", folder=wine(machine.folder / "x", "fine")) == "fine"


def test_without_pyproject_nothing_of_the_project_is_on_the_path(machine: Machine) -> None:
    ready = machine.prepare(TINY)

    assert "PYTHONPATH" not in ready.variables(str(wine(machine.folder / "x", "x")))


# The list


def test_environments_are_listed_last_used_first_and_removed(machine: Machine) -> None:
    first = machine.prepare(TINY)
    second = machine.prepare(Declaration(kind="venv", packages=("top",)))
    os.utime(first.slot.folder / "used", (1, 1))

    assert [one.key for one in machine.built.all()] == [second.key, first.key]
    assert [one.packages for one in machine.built.all()] == [2, 1]
    assert all(one.size > 0 for one in machine.built.all())
    machine.built.remove(second.key)
    machine.built.remove(second.key)
    assert [one.key for one in machine.built.all()] == [first.key]
    assert not second.slot.folder.exists()


def test_an_environment_that_is_being_built_is_not_removed(machine: Machine) -> None:
    ready = machine.prepare(TINY)

    with (
        BuildLock(ready.slot, lambda: None),
        pytest.raises(EnvironmentFailed, match="building it"),
    ):
        machine.built.remove(ready.key)


def test_using_an_environment_is_noted(machine: Machine) -> None:
    ready = machine.prepare(TINY)
    os.utime(ready.slot.folder / "used", (1, 1))

    machine.prepare(TINY)

    assert machine.built.all()[0].used_at > 1


# Interpreters


def own_minor() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize("spec", [None, own_minor(), f">={own_minor()}", f"=={own_minor()}.*"])
def test_the_interpreter_of_runproj_is_taken_when_it_fits(machine: Machine, spec: str) -> None:
    found = discover(spec, machine.caller, machine.folder)

    assert found.version.startswith(own_minor())
    assert found.implementation == "CPython"
    assert Path(found.executable).samefile(Path(sys.executable).resolve())


def test_a_missing_python_is_told_with_those_that_are_there(machine: Machine) -> None:
    caller = {"PATH": str(machine.folder), "HOME": str(machine.folder)}

    with pytest.raises(
        EnvironmentFailed, match=r"no Python 3\.99 on this machine; found: 3\."
    ) as raised:
        discover("3.99", caller, machine.folder)

    assert raised.value.exit_code == 4


def test_a_found_interpreter_is_remembered_until_it_changes(machine: Machine) -> None:
    python = machine.folder / "python"
    python.write_text("one")
    asked: list[str | None] = []

    def slow(spec: str | None, _: Mapping[str, str], __: Path) -> Interpreter:
        asked.append(spec)
        return Interpreter(str(python), "3.12.1", "CPython", "linux-x86_64")

    def find(path: str = "/bin") -> Interpreter:
        return interpreters.find("3.12", "/own", {"PATH": path}, machine.folder, slow)

    assert find() == find()
    assert len(asked) == 1
    find("/usr/bin")
    assert len(asked) == 2
    python.write_text("another")
    find()
    assert len(asked) == 3
    for file in (machine.folder / "interpreters").glob("*.json"):
        file.write_text("{")
    assert find().minor == "3.12"


def test_what_is_there_already_is_answered_without_heavy_imports(machine: Machine) -> None:
    lock = machine.lock(TINY)
    machine.prepare(TINY, lock)
    code = BUILDER + (
        "heavy = {'virtualenv', 'python_discovery', 'subprocess', 'uv', 'packaging'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, builder_arguments(machine, lock)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip

    assert done.stdout == "[]\n"
