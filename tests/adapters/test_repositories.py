"""Packages from git repositories: the commit is locked, and kept."""

import base64
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.adapters.machine import Machine, Quiet, run, serving
from tests.wheels import BACKEND, build_wheel

from runproj.adapters.environments.archives import HeldArchives, kept
from runproj.adapters.store.objects import FolderObjects
from runproj.errors import EnvironmentFailed
from runproj.lock import export, pylock
from runproj.lock.lock import Declaration, Lock
from runproj.model import canonical
from runproj.record.artifact import Artifact, FolderManifest, FolderMember

ASKS_GIT = (
    "import subprocess; tag = subprocess.run(['git', 'describe', '--tags'], check=True,"
    " capture_output=True, text=True).stdout.strip(); pathlib.Path('tag.txt').write_text(tag)"
)


class Repository:
    """A git repository of a package on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, word: str, *, below: str = "", meanwhile: str = "pass") -> str:
        """Commit a version of the package that knows a word; return the commit."""
        backend = BACKEND.replace("NAME", "rocky").replace("VERSION", "1.0")
        backend = backend.replace("MEANWHILE", meanwhile).replace(
            "'1.0'", f"'1.0'; word = {word!r}"
        )
        project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        files = {
            "PKG-INFO": "Metadata-Version: 2.2\nName: rocky\nVersion: 1.0\n",
            "pyproject.toml": f'{project}[project]\nname = "rocky"\nversion = "1.0"\n',
            "backend.py": backend,
        }
        for name, text in files.items():
            place = self.folder / below / name
            place.parent.mkdir(exist_ok=True, parents=True)
            place.write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", word)
        return self.git("rev-parse", "HEAD")

    def requirement(self, rest: str = "@main") -> str:
        return f"rocky @ git+{self.folder.as_uri()}{rest}"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    build_wheel(tmp_path / "wheels", "tiny", "2.0")
    return Machine(tmp_path)


@pytest.fixture
def repository(machine: Machine) -> Repository:
    return Repository(machine.folder / "repository")


def declared(repository: Repository, rest: str = "@main") -> Declaration:
    return Declaration(kind="venv", packages=("tiny", repository.requirement(rest)))


def word_of(machine: Machine, declaration: Declaration, lock: Lock) -> str:
    ready = machine.prepare(declaration, lock)
    return run(ready, "python", "-c", "import rocky, tiny; print(rocky.word)")


def forget_all_but_the_archives(machine: Machine) -> None:
    for name in ("cache", "uv", "wheels", "repository"):
        shutil.rmtree(machine.folder / name, ignore_errors=True)


def test_a_lock_names_the_commit(machine: Machine, repository: Repository) -> None:
    commit = repository.commit("one")

    lock = machine.lock(declared(repository))

    assert f'commit-id = "{commit}"' in lock.content
    assert pylock.packages(lock.content)["rocky"] == f"1.0 ({commit[:12]})"
    assert f"@{commit}" in export.requirements(lock.content)
    assert commit in export.cyclonedx(lock.content, "x")


def test_a_branch_that_moved_does_not_move_the_lock(
    machine: Machine, repository: Repository
) -> None:
    repository.commit("one")
    old = machine.lock(declared(repository))
    repository.git("checkout", "--quiet", "--orphan", "other")
    repository.commit("two")
    repository.git("branch", "--quiet", "-M", "main")
    shutil.rmtree(machine.folder / "uv")
    new = machine.lock(declared(repository))

    assert word_of(machine, declared(repository), old) == "one"
    assert word_of(machine, declared(repository), new) == "two"
    assert len(machine.built.all()) == 2


def test_a_repository_that_vanished_is_not_missed(machine: Machine, repository: Repository) -> None:
    count = machine.folder / "count"
    repository.commit("one", meanwhile=f"open({str(count)!r}, 'a').write('x')")
    lock = machine.lock(declared(repository))
    assert word_of(machine, declared(repository), lock) == "one"
    times = count.read_text()
    forget_all_but_the_archives(machine)

    assert word_of(machine, declared(repository), lock) == "one"
    assert count.read_text() == times


def test_a_wheel_for_another_interpreter_is_built_from_the_kept_archive(
    machine: Machine, repository: Repository
) -> None:
    repository.commit("one")
    lock = machine.lock(declared(repository))
    machine.prepare(declared(repository), lock)
    forget_all_but_the_archives(machine)
    machine.wheels.mkdir()
    for note in machine.archives.rglob("built/*.json"):
        if note.stem != "source":
            note.unlink()

    assert word_of(machine, declared(repository), lock) == "one"


def test_what_is_kept_nowhere_is_named(machine: Machine, repository: Repository) -> None:
    commit = repository.commit("one")
    lock = machine.lock(declared(repository))
    forget_all_but_the_archives(machine)
    build_wheel(machine.wheels, "tiny", "2.0")

    with pytest.raises(EnvironmentFailed) as raised:
        machine.prepare(declared(repository), lock)

    assert f"the commit {commit[:12]} of rocky cannot be fetched" in str(raised.value)
    assert machine.built.all() == []


def test_nothing_is_fetched_when_the_network_is_not_wanted(machine: Machine) -> None:
    vcs = '{ type = "git", url = "https://127.0.0.1:9/x.git", commit-id = "%s" }' % ("a" * 40)
    lock = Lock(
        kind="venv",
        content=f'lock-version = "1.0"\n[[packages]]\nname = "rocky"\nvcs = {vcs}\n',
    )
    machine.more["UV_OFFLINE"] = "1"

    with pytest.raises(EnvironmentFailed, match="nothing asks the network"):
        machine.prepare(Declaration(kind="venv"), lock)


def test_a_build_may_ask_git_for_the_version(machine: Machine, repository: Repository) -> None:
    tag = machine.folder / "tag.txt"
    asks = ASKS_GIT.replace("'tag.txt'", repr(str(tag)))
    repository.commit("one", meanwhile=asks)
    repository.git("tag", "v1.0")
    lock = machine.lock(declared(repository))
    shutil.rmtree(machine.folder / "uv")

    machine.prepare(declared(repository), lock)

    assert tag.read_text() == "v1.0"


def test_a_folder_of_a_repository_is_a_package(machine: Machine, repository: Repository) -> None:
    repository.commit("deep", below="python/rocky")
    declaration = declared(repository, "#subdirectory=python/rocky")
    lock = machine.lock(declaration)
    assert 'subdirectory = "python/rocky"' in lock.content

    assert word_of(machine, declaration, lock) == "deep"


def test_the_pin_of_a_commit_stays_until_it_is_freed(
    machine: Machine, repository: Repository
) -> None:
    repository.commit("one")
    old = machine.lock(declared(repository))
    repository.commit("two")
    more = Declaration(kind="venv", packages=(repository.requirement(),))
    freed = Lock(kind="venv", content=pylock.without(old.content, ["rocky"]))

    assert word_of(machine, declared(repository), machine.lock(declared(repository), old)) == "one"
    assert pylock.packages(machine.lock(more, freed).content) != pylock.packages(old.content)


def test_a_store_serves_when_repository_and_archives_are_gone(
    machine: Machine, repository: Repository
) -> None:
    repository.commit("one")
    declaration = declared(repository)
    lock = machine.lock(declaration)
    objects = FolderObjects(str(machine.folder / "objects"))
    members = [
        (one.path, objects.put(one.place, one.path))
        for one in machine.backend.archives(declaration, lock, machine.said.append)
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

    assert word_of(machine, declaration, lock) == "one"


def test_the_archive_of_a_commit_counts_and_is_needed(
    machine: Machine, repository: Repository
) -> None:
    repository.commit("one")
    lock = machine.lock(declared(repository))
    machine.prepare(declared(repository), lock)

    digests = pylock.archives(lock.content)
    count, size = kept(str(machine.archives), digests)
    held = {one.name: one for one in HeldArchives(str(machine.archives)).all()}
    commit = next(one for several in digests for one in several if held[one].needs)

    assert count == 2
    assert size > sum(held[one].size for several in digests for one in several)
    assert len(held[commit].needs) == 2


@pytest.fixture
def guarded(repository: Repository) -> Iterator[str]:
    """The repository behind a password, as plain files (git's dumb protocol)."""
    token = "Basic " + base64.b64encode(b"me:very-secret").decode()

    class Guarded(Quiet):
        def do_GET(self) -> None:  # noqa: N802 -- the library's name
            if self.headers.get("Authorization") == token:
                super().do_GET()
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()

    repository.commit("guarded")
    repository.git("update-server-info")
    with serving(repository.folder / ".git", Guarded) as address:
        yield address


def test_a_password_from_the_environment_is_used_and_kept_nowhere(
    machine: Machine, guarded: str
) -> None:
    address = guarded.replace("://", "://me:${TOKEN}@")
    declaration = Declaration(kind="venv", packages=(f"rocky @ git+{address}/@main",))
    machine.more |= {"TOKEN": "very-secret", "NO_PROXY": "*"}

    lock = machine.lock(declaration)
    shutil.rmtree(machine.folder / "uv")
    ready = machine.prepare(declaration, lock)

    assert run(ready, "python", "-c", "import rocky; print(rocky.word)") == "guarded"
    assert "very-secret" not in lock.content + str(declaration) + "".join(machine.said)
    assert traces(machine, {"data", "cache"}) == []


def traces(machine: Machine, folders: set[str], secret: bytes = b"very-secret") -> list[str]:
    """Return the files below folders that hold a secret."""
    found: Mapping[Path, bytes] = {
        place: place.read_bytes()
        for folder in folders
        for place in (machine.folder / folder).rglob("*")
        if place.is_file()
    }
    return [str(place) for place, data in found.items() if secret in data]
