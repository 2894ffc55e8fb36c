"""The kinds of environments, each with its adapter."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runproj.app.places import archive_folder, cache_folder
from runproj.app.stores import Store

if TYPE_CHECKING:
    from runproj.adapters.environments.archives import FolderArchives
    from runproj.adapters.environments.built import BuiltEnvironments
    from runproj.adapters.environments.images import DockerBackend
    from runproj.engine.pin import Pinner, Policy
    from runproj.lock.lock import Kind
    from runproj.ports import EnvironmentBackend, Reporter
    from runproj.record.artifact import Artifact

_KINDS: tuple["Kind", ...] = ("venv", "conda", "docker", "system")


def backends(
    caller: Mapping[str, str], store: Store | None = None, packages: "Sequence[Artifact]" = ()
) -> "Mapping[Kind, EnvironmentBackend]":
    """Return the kinds of environment that can be built.

    Args:
        caller: the caller's environment variables.
        store: may hold archives of packages that the user's folder of archives lacks.
        packages: the folders of archives that a run kept in it.
    """
    return _Backends(caller, store, packages)


def importing_backends(
    caller: Mapping[str, str], store: Store | None, file: str
) -> "Mapping[Kind, EnvironmentBackend]":
    """Return a backend that takes the lock of a conda environment from a file of another tool.

    Args:
        caller: the caller's environment variables.
        store: may hold archives of packages that the user's folder of archives lacks.
        file: an ``@EXPLICIT`` list, a ``pixi.lock`` or a ``conda-lock.yml``.
    """
    from runproj.adapters.environments.conda_importing import ImportingConda  # noqa: PLC0415 -- lazy

    return {"conda": ImportingConda(str(cache_folder()), _archives(store), caller, file)}


@dataclass(frozen=True)
class _Backends(Mapping["Kind", "EnvironmentBackend"]):
    """Makes a backend when it is first asked for."""

    caller: Mapping[str, str]
    store: Store | None = None
    packages: "Sequence[Artifact]" = ()
    made: dict[str, "EnvironmentBackend"] = field(default_factory=dict)

    def __getitem__(self, kind: "Kind") -> "EnvironmentBackend":
        if kind not in self.made:
            self.made[kind] = self._make(kind)
        return self.made[kind]

    def _make(self, kind: "Kind") -> "EnvironmentBackend":
        if kind == "system":
            from runproj.adapters.environments.system import SystemBackend  # noqa: PLC0415 -- lazy

            return SystemBackend(self.caller)
        if kind == "venv":
            from runproj.adapters.environments.venv import VenvBackend  # noqa: PLC0415 -- lazy

            source = None if self.store is None else self.store.source
            return VenvBackend(
                str(cache_folder()), _archives(self.store, self.packages), self.caller, source
            )
        if kind == "conda":
            from runproj.adapters.environments.conda import CondaBackend  # noqa: PLC0415 -- lazy

            return CondaBackend(
                str(cache_folder()), _archives(self.store, self.packages), self.caller
            )
        if kind == "docker":
            from runproj.adapters.environments.images import DockerBackend  # noqa: PLC0415 -- lazy

            source = None if self.store is None else self.store.source
            return DockerBackend(str(cache_folder()), source, self.caller)
        raise KeyError(kind)

    def __iter__(self) -> Iterator["Kind"]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)


def _archives(store: Store | None, packages: "Sequence[Artifact]" = ()) -> "FolderArchives":
    from runproj.adapters.environments.archives import FolderArchives  # noqa: PLC0415 -- lazy

    return FolderArchives(str(archive_folder()), None if store is None else store.objects, packages)


def pinner_of(
    store: Store, caller: Mapping[str, str], reporter: "Reporter", policy: "Policy"
) -> "Pinner":
    """Return what pins environments of this store, with the lockfiles that it keeps."""
    from runproj.adapters.store.locks import FolderLocks  # noqa: PLC0415 -- lazy
    from runproj.engine.pin import Pinner  # noqa: PLC0415 -- lazy

    shelf = FolderLocks(str(store.folder / "locks"))
    return Pinner(backends(caller, store), shelf, store.objects, reporter, policy)


def built_environments() -> "BuiltEnvironments":
    """Return the environments that are built on this machine."""
    from runproj.adapters.environments.built import BuiltEnvironments  # noqa: PLC0415 -- lazy

    return BuiltEnvironments(cache_folder() / "environments")


def used_images(caller: Mapping[str, str]) -> "DockerBackend":
    """Return what knows the images that were used on this machine."""
    from runproj.adapters.environments.images import DockerBackend  # noqa: PLC0415 -- lazy

    return DockerBackend(str(cache_folder()), None, caller)


def exported_lock(content: str, form: str, caller: Mapping[str, str]) -> str:
    """Return the lock of a conda environment in the form of another tool.

    Args:
        content: the lockfile.
        form: ``explicit``, a list for conda; ``environment``, an environment file; ``pixi``, the
            text of a ``pixi.lock``.
        caller: the caller's environment variables.

    Raises:
        NotSupported: the form has no place for what is in the lock.
        EnvironmentFailed: the lockfile is damaged, or py-rattler is missing.
    """
    from runproj.lock import conda  # noqa: PLC0415 -- lazy

    lock = conda.read(content)
    if form == "explicit":
        return conda.explicit(lock)
    if form == "environment":
        return conda.environment_file(lock)
    from runproj.adapters.environments.rattler import pixi_lock  # noqa: PLC0415 -- lazy

    return pixi_lock(lock, caller)
