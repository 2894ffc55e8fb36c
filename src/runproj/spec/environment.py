"""Environments: where a step executes, by kind."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from runproj.model import Model
from runproj.spec.fields import FilledText, Text, Texts, Whole, wrong_at

_PYTHON = re.compile(r"\s*(?:(?:===?|[<>]=?|!=|~=)\s*)?\d+(?:\.\d+)*(?:\.\*)?\s*")


class PyprojectSource(Model):
    """What to take from the project's own pyproject.toml."""

    extras: Texts = Field((), description="Optional dependencies to include.")
    groups: Texts = Field((), description="Dependency groups (PEP 735) to include.")


def _pyproject(data: Any) -> Any:  # noqa: ANN401 -- raw YAML
    if data is True:
        return {}
    if data is False:
        return None
    return data


class VenvEnvironment(Model):
    """A virtual environment; packages come from a lock with hashes."""

    kind: Literal["venv"] = Field(description="A Python virtual environment.")
    python: Text | None = Field(
        None,
        description='The Python version, "3.12" or ">=3.10,<3.14"; default: runproj\'s own.',
        examples=["3.12", ">=3.10,<3.14"],
    )
    requirements: Texts = Field(
        (), description="Requirement files; `-r` and `-c` lines inside them work."
    )
    packages: Texts = Field((), description="Requirements written here, `scikit-learn==1.5.*`.")
    pyproject: Annotated[PyprojectSource | None, BeforeValidator(_pyproject)] = Field(
        None,
        description="The project's own pyproject.toml: its dependencies, and its package made "
        "importable. `true`, or a choice of extras and groups. Its uv.lock is the lock when "
        "nothing else is listed.",
    )

    @model_validator(mode="after")
    def _version(self) -> "VenvEnvironment":
        if self.python is not None and not all(map(_PYTHON.fullmatch, self.python.split(","))):
            raise wrong_at(
                "python", f'{self.python!r} is not a version; examples: "3.12", ">=3.10,<3.14"'
            )
        return self


class CondaEnvironment(Model):
    """A conda environment, from a file or written here."""

    kind: Literal["conda"] = Field(description="A conda environment; conda itself is not needed.")
    file: FilledText | None = Field(None, description="An environment.yaml of the project.")
    channels: Texts = Field((), description="Channels, strongest first.")
    dependencies: tuple[str | dict[Literal["pip"], tuple[Text, ...]], ...] = Field(
        (), description="Match specs, and one `pip:` list."
    )
    virtual_packages: dict[str, Text] = Field(
        default_factory=dict, description='Virtual packages to solve for, `__cuda: "12.4"`.'
    )

    @model_validator(mode="after")
    def _one_source(self) -> "CondaEnvironment":
        if self.file and (self.channels or self.dependencies):
            raise ValueError("give either 'file', or 'channels' and 'dependencies'")
        if not self.file and not self.dependencies:
            raise ValueError("needs 'file', or 'channels' and 'dependencies'")
        return self


class DockerBuild(Model):
    """How to build an image from the project."""

    context: Text = Field(".", description="The folder sent to the build, relative to the project.")
    dockerfile: Text = Field("Dockerfile", description="The Dockerfile, relative to the context.")
    args: dict[str, Text] = Field(default_factory=dict, description="Build arguments.")
    target: Text | None = Field(None, description="The stage of a multi-stage Dockerfile.")


class DockerEnvironment(Model):
    """A container made from an image that is locked to its digest."""

    kind: Literal["docker"] = Field(description="A Docker container.")
    image: FilledText | None = Field(None, description="An image to pull, locked to its digest.")
    build: DockerBuild | None = Field(None, description="Or: how to build the image.")
    gpus: Literal["all"] | Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="GPUs given to the container."
    )
    shm_size: Text | None = Field(None, description="Size of /dev/shm, `2GB`.")
    network: Text | None = Field(None, description="Docker network; `none` cuts the network.")
    volumes: Texts = Field(
        (), description="Folders of the host, `/data:/data`; read-only unless `:rw` is added."
    )

    @model_validator(mode="after")
    def _one_source(self) -> "DockerEnvironment":
        if (self.image is None) == (self.build is None):
            raise ValueError("needs either 'image' or 'build'")
        return self


class SystemEnvironment(Model):
    """Whatever is on PATH; recorded, and not reproducible."""

    kind: Literal["system"] = Field(description="The programs of this machine, as they are.")


Environment: TypeAlias = Annotated[
    VenvEnvironment | CondaEnvironment | DockerEnvironment | SystemEnvironment,
    Field(discriminator="kind"),
]
