"""Opened projects: found, fetched, parsed and checked, with what prepares their runs."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runproj.adapters.host import platform_tag
from runproj.adapters.remembered import RememberedValues
from runproj.app.building import pinner_of
from runproj.app.places import PROJECT_FILES, STORE, cache_folder
from runproj.app.stores import Store, aside, project_store
from runproj.errors import NotSupported, Problem, ProjectError, UsageError
from runproj.model import digest_of

if TYPE_CHECKING:
    from runproj.engine.pin import Policy
    from runproj.engine.prepare import Preparer
    from runproj.ports import ProjectFiles, Reporter
    from runproj.record.run import Run
    from runproj.spec import place
    from runproj.spec.project import Project


class OpenProject(NamedTuple):
    """A project that was read, with its store."""

    folder: Path
    file: str
    text: str
    project: "Project"
    store: Store
    default_name: str

    @property
    def name(self) -> str:
        """The project's name, or that of its folder."""
        return self.project.name or self.default_name

    def point(self, path: "place.Path", message: str, hint: str | None) -> Problem:
        """Return a problem that shows a place of the project file."""
        return point_at(self.text, self.file)(path, message, hint)

    def preparer(
        self, caller: Mapping[str, str], reporter: "Reporter", policy: "Policy"
    ) -> "Preparer":
        """Return what prepares runs of this project."""
        from runproj.adapters.project_files import FolderFiles  # noqa: PLC0415 -- lazy
        from runproj.engine.prepare import Preparer  # noqa: PLC0415 -- lazy
        from runproj.engine.remember import PlanMemory  # noqa: PLC0415 -- lazy
        from runproj.plan.binding import Folders  # noqa: PLC0415 -- lazy

        store = self.store.share()
        return Preparer(
            self.project,
            self.file,
            self.point,
            self.name,
            Folders(str(self.folder), os.path.realpath(Path.cwd()), str(Path.home())),
            FolderFiles(str(self.folder)),
            store.source,
            store.objects,
            store.objects,
            store.runs,
            pinner_of(store, caller, reporter, policy),
            caller,
            platform_tag(),
            store.look,
            memory=PlanMemory(_plans(), digest_of(self.text)),
        )  # fmt: skip


def _plans() -> RememberedValues:
    """Return where plans are remembered; those of ten thousand steps have 3 MB."""
    from runproj.plan import plan  # noqa: PLC0415 -- lazy

    parts = plan.PlannedStep, plan.PlannedInput, plan.PlannedOutput, plan.Retry, plan.Items
    return RememberedValues(cache_folder() / "plans", parts, 16)


def project_file(path: str) -> Path:
    """Return the project file that a user means by a folder or file.

    Raises:
        UsageError: there is none.
    """
    given = Path(path)
    if given.is_file():
        return given.resolve()
    if not given.exists():
        if path.endswith(".zip"):
            raise NotSupported(
                "a project in a zip file is not supported yet", where=path,
                hint="unpack it, and run the folder",
            )  # fmt: skip
        raise UsageError(
            "there is no such folder", where=path,
            hint="the first argument of run is the project's folder: runproj run . STEP",
        )  # fmt: skip
    for name in PROJECT_FILES:
        if (given / name).is_file():
            return (given / name).resolve()
    raise UsageError(
        "there is no runproj.yaml", where=str(given.resolve()), hint="'runproj init' writes one"
    )


def fetch_project(path: str, revision: str | None) -> Path | None:
    """Fetch a project that is named by a git URI, or by a revision of a repository.

    Returns:
        Its folder in the user's cache; None for a project that is a folder.
    """
    if revision is None and "://" not in path and "@" not in path:
        return None
    from runproj.adapters.source.remote import RemoteProjects, is_remote  # noqa: PLC0415 -- lazy

    if revision is None and not is_remote(path):
        return None
    offline = bool(os.environ.get("RUNPROJ_OFFLINE"))
    return RemoteProjects(cache_folder() / "repositories", offline).fetch(path, revision)


def open_project(path: str, store: str | None, revision: str | None = None) -> OpenProject:
    """Read a project file.

    Args:
        path: a folder, a project file, or a git URI (with ``#FOLDER`` for a folder in it).
        store: the store to use; default: the project's own, for a fetched project the user's.
        revision: the revision of the repository at ``path``; default: the folder as it is.

    Raises:
        UsageError: there is none.
        ProjectError: with everything that is wrong with it.
    """
    fetched = fetch_project(path, revision)
    file = project_file(str(fetched or path))
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProjectError(
            f"the project file is not UTF-8 text: byte {error.start} is no character",
            where=str(file), hint="save it as UTF-8",
        ) from error  # fmt: skip
    except OSError as error:
        raise ProjectError(
            f"the project file cannot be read: {error.strerror}", where=str(file)
        ) from error
    project = parse_project(text, file.name)
    name = file.parent.name
    if fetched is not None:
        _check_root(file.parent, project.source.root)
        local = Path(path).resolve()
        local = local.parent if local.is_file() else local
        if local.is_dir():
            name, beside = local.name, project_store(local, None).folder
        else:
            name = (
                path.partition("#")[0].rstrip("/").rpartition("/")[2].removesuffix(".git") or name
            )
            beside = aside(local, name)
        store = store or str(beside)
    return OpenProject(
        file.parent, file.name, text, project, project_store(file.parent, store), name
    )


def parse_project(text: str, name: str) -> "Project":
    """Return a project from its text, which is remembered."""
    from runproj.spec.fields import Declared  # noqa: PLC0415 -- lazy
    from runproj.spec.project import Project  # noqa: PLC0415 -- lazy

    parsed = RememberedValues(cache_folder() / "parsed", Declared.__subclasses__(), 64)
    project = parsed.get(text)
    if not isinstance(project, Project):
        from runproj.spec.load import load  # noqa: PLC0415 -- lazy

        project, _ = load(text, name)
        parsed.put(text, project)
    return project


def point_at(text: str, name: str) -> "place.Point":
    """Return what makes a problem that shows a place of a project file."""

    def point(path: "place.Path", message: str, hint: str | None) -> Problem:
        from runproj.spec.document import read  # noqa: PLC0415 -- lazy

        return read(text, name).problem(path, message, hint=hint)

    return point


def _check_root(folder: Path, root: str) -> None:
    """Make sure that the root of a fetched project is not outside of its repository.

    Raises:
        ProjectError: it is.
    """
    top = next(above for above in (folder, *folder.parents) if (above / ".git").exists())
    if not (folder / root).resolve().is_relative_to(top):
        raise ProjectError(
            f"source.root: {root!r} is outside of the repository", where=str(folder),
            hint="-v REV and URIs give what is in the repository, and nothing around it",
        )  # fmt: skip


def current_project(store: Store, run: "Run", given: str | None) -> OpenProject:
    """Open the project of a past run as it is today; its runs are recorded in the same store.

    Args:
        store: the store; the project is the folder beside it, or the nearest one upwards that
            has the name of the run's project.
        run: the past run.
        given: the project's folder, where the user names it.

    Raises:
        UsageError: it is not there.
    """
    if given is not None:
        return open_project(given, str(store.folder))
    here = Path.cwd().resolve()
    beside = (store.folder.parent,) if store.folder.name == STORE else ()
    for folder in (*beside, here, *here.parents):
        for name in dict.fromkeys((run.project_file, *PROJECT_FILES)):
            if (folder / name).is_file():
                opened = open_project(str(folder / name), str(store.folder))
                if folder in beside or opened.name == run.project:
                    return opened
    raise UsageError(
        f"the project {run.project!r} is not there: no {run.project_file}",
        where=str((*beside, here)[0]), hint="--project DIR says where it is today",
    )  # fmt: skip


@cache
def author_of(folder: str) -> str | None:
    """Return who is at the keyboard, as git knows them; the trials of a sweep ask once."""
    from runproj.adapters.source.author import author_of  # noqa: PLC0415 -- lazy

    return author_of(folder, os.environ)


def project_folder_of(store: Store) -> Path | None:
    """Return the folder of the project that a store belongs to: beside it, or where we are."""
    here = Path.cwd().resolve()
    places = (store.folder.parent,) if store.folder.name == STORE else (here, *here.parents)
    known = (one for one in places if any((one / name).is_file() for name in PROJECT_FILES))
    return next(known, None)


def project_files(project: OpenProject) -> "ProjectFiles":
    """Return what reads the files of a project."""
    from runproj.adapters.project_files import FolderFiles  # noqa: PLC0415 -- lazy

    return FolderFiles(str(project.folder))


def write_lockfile(project: OpenProject, path: str, content: str) -> None:
    """Write a lockfile into a project; one that has this content already is left alone."""
    from runproj.adapters.disk import write_atomically  # noqa: PLC0415 -- lazy

    place = project.folder / path
    try:
        if place.exists() and place.read_bytes() == content.encode():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, content.encode())
    except OSError as error:
        raise UsageError(
            f"the lockfile cannot be written: {error.strerror}", where=str(place)
        ) from error


def lock_problems(project: OpenProject) -> list[Problem]:
    """Return what is wrong with the lockfiles that a project has; a missing one is not."""
    from runproj.engine.pin import check_lockfiles  # noqa: PLC0415 -- lazy

    return check_lockfiles(project.project.environments, project_files(project).read, project.point)
