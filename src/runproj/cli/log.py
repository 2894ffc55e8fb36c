"""The command by which shells in a step tell of it."""

import os
from collections.abc import Callable

import click

from runproj import _client
from runproj.cli import complete
from runproj.errors import UsageError

_MISTAKES = (OSError, TypeError, ValueError)


@click.group()
def log() -> None:
    """Tell of a step while it executes: metrics, parameters, tags, artifacts.

    Outside of a step nothing is done. In a step, 'runproj log' is there without being installed.
    """


@log.command()
@click.argument("values", metavar="NAME=VALUE...", nargs=-1, required=True)
@click.option("--step", type=int, help="Of the training, such as an epoch; default: they count.")
def metric(values: tuple[str, ...], step: int | None) -> int:
    """Log points of metrics: runproj log metric loss=0.5 --step 3."""
    for name, text in _pairs(values):
        try:
            number = float(text)
        except ValueError as error:
            raise UsageError(f"{name}={text}: not a number") from error
        _told(_client.log_metric, name, number, step)
    return 0


@log.command()
@click.argument("values", metavar="NAME=VALUE...", nargs=-1, required=True)
def param(values: tuple[str, ...]) -> int:
    """Log values that the step was done with: runproj log param optimizer=adam."""
    for name, text in _pairs(values):
        _told(_client.log_param, name, text)
    return 0


@log.command()
@click.argument("values", metavar="NAME=VALUE...", nargs=-1, required=True)
def tag(values: tuple[str, ...]) -> int:
    """Give the run tags: runproj log tag team=vision."""
    for name, text in _pairs(values):
        _told(_client.set_tag, name, text)
    return 0


@log.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, shell_complete=complete.files)
@click.option("--name", help="What it is called in the run.")
def artifact(paths: tuple[str, ...], name: str | None) -> int:
    """Keep files or folders as artifacts of the step, as they are now."""
    if name is not None and len(paths) > 1:
        raise UsageError("--name is for one artifact", hint="log them one by one")
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{path}: no such file or folder")
        _told(_client.log_artifact, path, name)
    return 0


def _pairs(values: tuple[str, ...]) -> list[tuple[str, str]]:
    pairs = []
    for one in values:
        name, between, text = one.partition("=")
        if not (between and name):
            raise UsageError(f"{one}: say NAME=VALUE")
        pairs.append((name, text))
    return pairs


def _told(tell: Callable[..., object], *arguments: object) -> None:
    try:
        tell(*arguments)
    except _MISTAKES as error:
        raise UsageError(str(error)) from error
