"""Makes the project's own package look installed, without building it.

A small folder in the cache has its metadata (so that ``importlib.metadata`` knows it) and its
scripts. The modules themselves are imported from the workspace, always the snapshot's code.
"""

import shutil
import tempfile
from pathlib import Path

from runproj.lock.package import ProjectPackage
from runproj.model import digest_of

# A shebang line may be too short for the interpreter's path, so sh starts it.
_SCRIPT = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys
from {module} import {first}
sys.exit({call}())
"""


def write_package(folder: Path, package: ProjectPackage, python: Path) -> Path:
    """Return the folder for a package; it is made once for each content."""
    place = folder / digest_of([package.model_dump(mode="json"), str(python)])[:32]
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder))
        try:
            _write(new, package, python)
            new.chmod(0o755)
            new.rename(place)
        except OSError:
            if not place.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return place


def _write(place: Path, package: ProjectPackage, python: Path) -> None:
    name = package.name.replace("-", "_").replace(".", "_")
    metadata = place / "metadata" / f"{name}-{package.version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {package.version}\n",
        encoding="utf-8",
    )
    lines = []
    for group, points in package.entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {target}" for key, target in points.items()), ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    scripts = place / "bin"
    scripts.mkdir()
    for group in ("console_scripts", "gui_scripts"):
        for key, target in package.entry_points.get(group, {}).items():
            _write_script(scripts / key, target, python)


def _write_script(path: Path, target: str, python: Path) -> None:
    module, _, called = target.partition("[")[0].strip().partition(":")
    called = called or "main"
    first = called.partition(".")[0]
    text = _SCRIPT.format(python=python, module=module, first=first, call=called)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
