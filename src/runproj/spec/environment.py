"""Environments: where a step executes, by kind."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from runproj.model import field
from runproj.spec.fields import (
    Before,
    ByKey,
    Count,
    Declared,
    Doc,
    FilledText,
    Text,
    Texts,
    wrong_at,
)

_PYTHON = re.compile(r"\s*(?:(?:===?|[<>]=?|!=|~=)\s*)?\d+(?:\.\d+)*(?:\.\*)?\s*")

_PATH = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9-]+"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})+(?::\d+)?|{_HOST}:\d+|\[[0-9a-fA-F:]+\](?::\d+)?)"
_IMAGE = re.compile(
    rf"(?!sha256:)(?:{_DOMAIN}/)?{_PATH}(?:/{_PATH})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?",
    re.ASCII,
)
"""A name of an image: https://pkg.go.dev/github.com/distribution/reference."""
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
"""What names an image by its content; no registry knows it."""
_VIRTUAL = re.compile(r"__[a-z0-9_.-]+")
_CONDA_VERSION = re.compile(r"(?:\d+!)?[A-Za-z0-9_.+-]*[A-Za-z0-9_]")

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class PyprojectSource(Declared):
    """What to take from the project's own pyproject.toml."""

    extras: Annotated[Texts, Doc("Optional dependencies to include.")] = ()
    groups: Annotated[Texts, Doc("Dependency groups (PEP 735) to include.")] = ()


def _pyproject(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if data is True:
        return {}
    if data is False:
        return None
    return data


class VenvEnvironment(Declared):
    """A virtual environment; packages come from a lock with hashes."""

    kind: Annotated[Literal["venv"], Doc("A Python virtual environment.")]
    python: Annotated[
        Text | None,
        Doc(
            'The Python version, "3.12" or ">=3.10,<3.14"; default: runproj\'s own.',
            examples=["3.12", ">=3.10,<3.14"],
        ),
    ] = None
    requirements: Annotated[
        Texts, Doc("Requirement files; `-r` and `-c` lines inside them work.")
    ] = ()
    packages: Annotated[Texts, Doc("Requirements written here, `scikit-learn==1.5.*`.")] = ()
    constraints: Annotated[
        Texts,
        Doc(
            "Limits for what is installed, which install nothing: constraint files, or "
            "requirements written here (`numpy<2`)."
        ),
    ] = ()
    no_binary: Annotated[
        Texts, Doc("Packages that are built from source, whatever wheels there are.")
    ] = ()
    platforms: Annotated[
        tuple[Literal["linux", "macos", "windows"], ...],
        Doc("The systems that the lock is for; default: the one where it is made."),
    ] = ()
    pyproject: Annotated[
        PyprojectSource | None,
        Before(_pyproject),
        Doc(
            "The project's own pyproject.toml: its dependencies, and its package made "
            "importable. `true`, or a choice of extras and groups. Its uv.lock is the lock when "
            "nothing else is listed."
        ),
    ] = None

    def check(self) -> None:
        """Refuse a Python version that is none."""
        if self.python is not None and not all(map(_PYTHON.fullmatch, self.python.split(","))):
            raise wrong_at(
                "python", f'{self.python!r} is not a version; examples: "3.12", ">=3.10,<3.14"'
            )
        for name in self.no_binary:
            if not _NAME.fullmatch(name):
                raise wrong_at("no_binary", f"{name!r} is not the name of a package")


class CondaEnvironment(Declared):
    """A conda environment, from a file or written here."""

    kind: Annotated[Literal["conda"], Doc("A conda environment; conda itself is not needed.")]
    file: Annotated[FilledText | None, Doc("An environment.yaml of the project.")] = None
    channels: Annotated[Texts, Doc("Channels, strongest first.")] = ()
    dependencies: Annotated[
        tuple[str | dict[Literal["pip"], tuple[Text, ...]], ...],
        Doc("Match specs, and one `pip:` list."),
    ] = ()
    virtual_packages: Annotated[
        dict[str, Text], Doc('Virtual packages to solve for, `__cuda: "12.4"`.')
    ] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse none or several descriptions of its content."""
        if self.file and (self.channels or self.dependencies):
            raise ValueError("give either 'file', or 'channels' and 'dependencies'")
        if not self.file and not self.dependencies:
            raise ValueError("needs 'file', or 'channels' and 'dependencies'")
        for name, version in self.virtual_packages.items():
            if not _VIRTUAL.fullmatch(name):
                raise wrong_at(
                    "virtual_packages",
                    f"{name!r} is no virtual package: those begin with '__', as __cuda and __glibc",
                )
            if not _CONDA_VERSION.fullmatch(version):
                raise wrong_at(
                    "virtual_packages", f'{version!r} is not a version of {name}; example: "12.4"'
                )


class DockerBuild(Declared):
    """How to build an image from the project."""

    context: Annotated[Text, Doc("The folder sent to the build, relative to the project.")] = "."
    dockerfile: Annotated[Text, Doc("The Dockerfile, relative to the context.")] = "Dockerfile"
    args: Annotated[dict[str, Text], Doc("Build arguments.")] = field(default_factory=dict)
    target: Annotated[Text | None, Doc("The stage of a multi-stage Dockerfile.")] = None


class DockerEnvironment(Declared):
    """A container made from an image that is locked to its digest."""

    kind: Annotated[Literal["docker"], Doc("A Docker container.")]
    image: Annotated[FilledText | None, Doc("An image to pull, locked to its digest.")] = None
    build: Annotated[DockerBuild | None, Doc("Or: how to build the image.")] = None
    gpus: Annotated[Literal["all"] | Count | None, Doc("GPUs given to the container.")] = None
    shm_size: Annotated[Text | None, Doc("Size of /dev/shm, `2GB`.")] = None
    network: Annotated[Text | None, Doc("Docker network; `none` cuts the network.")] = None
    volumes: Annotated[
        Texts, Doc("Folders of the host, `/data:/data`; read-only unless `:rw` is added.")
    ] = ()

    def check(self) -> None:
        """Refuse none or several descriptions of its content."""
        if (self.image is None) == (self.build is None):
            raise ValueError("needs either 'image' or 'build'")
        if self.image and not (_IMAGE.fullmatch(self.image) or IMAGE_ID.fullmatch(self.image)):
            raise wrong_at(
                "image",
                f"{self.image!r} is not the name of an image, which is in lower case as in "
                "'registry:5000/folder/name:tag', nor an id ('sha256:' and 64 digits)",
            )


class SystemEnvironment(Declared):
    """Whatever is on PATH; recorded, and not reproducible."""

    kind: Annotated[Literal["system"], Doc("The programs of this machine, as they are.")]


Environment: TypeAlias = Annotated[
    VenvEnvironment | CondaEnvironment | DockerEnvironment | SystemEnvironment,
    ByKey("kind"),
]
