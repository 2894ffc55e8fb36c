"""The project's own package in an environment: its code from the snapshot, shown as installed.

Nothing is built. PYTHONPATH leads to the code where it stands for the step, and to a small folder
with the metadata (``importlib.metadata``, entry points); PATH to scripts that start its functions.
"""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from runproj.lock.package import ProjectPackage
from runproj.model import digest_of

_FORMAT = 1
_SHEBANG_LIMIT = 127
"""Linux's limit of old, in bytes, ``#!`` included; newer kernels allow 255."""


def shebang(python: str) -> str:
    r"""Return the first lines of a script for an interpreter, whatever its path is.

    >>> shebang("/usr/bin/python3")
    '#!/usr/bin/python3\n'
    """
    if " " not in python and len(os.fsencode(python)) + 3 <= _SHEBANG_LIMIT:
        return f"#!{python}\n"
    quoted = "'" + python.replace("'", "'\"'\"'") + "'" if "'" not in python else f'"{python}"'
    # sh runs the second line; Python sees a string there
    return f"#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''\n"


def script(python: str, target: str) -> str:
    """Return a script that calls ``module:function``."""
    module, _, attribute = target.partition("[")[0].strip().partition(":")
    first = attribute.partition(".")[0]
    return (
        f"{shebang(python)}import sys\n\nfrom {module.strip()} import {first}\n\n"
        f'if __name__ == "__main__":\n    sys.exit({attribute}())\n'
    )


def _files(package: ProjectPackage, python: str) -> Iterator[tuple[str, str]]:
    yield f"{package.folder}/METADATA", package.metadata
    yield f"{package.folder}/entry_points.txt", package.entry_points_text
    yield f"{package.folder}/INSTALLER", "runproj\n"
    for name, target in {**package.gui_scripts, **package.scripts}.items():
        yield f"bin/{name}", script(python, target)


def metadata_folder(package: ProjectPackage, python: str, cache: Path) -> Path:
    """Return the folder with metadata and scripts of a package, made when it is not there.

    Args:
        package: the project's package.
        python: the environment's interpreter.
        cache: where such folders are kept, by their content.

    Raises:
        OSError: it cannot be written.
    """
    files = dict(_files(package, python))
    folder = cache / digest_of([_FORMAT, files])[:20]
    if _is_there(folder, files):
        return folder
    new = cache / f".{folder.name}-{secrets.token_hex(4)}"
    try:
        _write(new, files)
        if folder.exists():  # damaged
            shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    except OSError:
        if not _is_there(folder, files):  # else another process was faster
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _is_there(folder: Path, files: Mapping[str, str]) -> bool:
    try:
        return all((folder / name).read_text("utf-8") == text for name, text in files.items())
    except (OSError, ValueError):
        return False


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if name.startswith("bin/"):
            path.chmod(0o755)


def code_files(folder: str) -> list[str]:
    """Return paths of Python code at the top of a project and in its ``src``, enough to tell roots.

    Data folders are not looked into: they may be huge.
    """
    return [*_code(folder, "", deep=False), *_code(folder, "src/", deep=True)]


def _code(folder: str, prefix: str, *, deep: bool) -> Iterator[str]:
    try:
        with os.scandir(os.path.join(folder, prefix)) as entries:  # noqa: PTH118 -- for every step
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        if entry.name.endswith(".py"):
            yield prefix + entry.name
        elif entry.name.isidentifier() and entry.is_dir():
            if os.path.exists(os.path.join(entry.path, "__init__.py")):  # noqa: PTH110, PTH118 -- same
                yield f"{prefix}{entry.name}/__init__.py"
            elif deep:  # a namespace package
                yield from (
                    f"{prefix}{entry.name}/{path}" for path in _code(entry.path, "", deep=False)
                )
