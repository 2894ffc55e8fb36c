"""Tiny wheels, built on the spot, and an index of them in a folder."""

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_TIME = (2023, 11, 14, 0, 0, 0)


def build_wheel(
    folder: Path, name: str, version: str, *, requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write a pure Python wheel; its module tells its version."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    content = {
        f"{name}/__init__.py": f"version = {version!r}\n",
        f"{name}/data/words.txt": "words\n",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    lines = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,\n"])
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path, _TIME), text)  # the same bytes each time
    return wheel


BACKEND = """\
import pathlib, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    MEANWHILE
    name, info = "NAME-VERSION-py3-none-any.whl", "NAME-VERSION.dist-info"
    content = {
        "NAME/__init__.py": "version = 'VERSION'",
        f"{info}/METADATA": pathlib.Path("PKG-INFO").read_text(),
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    content[f"{info}/RECORD"] = "".join(f"{path},,\\n" for path in [*content, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text)
    return name
"""


def build_sdist(folder: Path, name: str, version: str, *, meanwhile: str = "pass") -> Path:
    """Write a source archive that builds itself, and executes ``meanwhile`` when it does."""
    backend = BACKEND.replace("NAME", name).replace("VERSION", version)
    content = {
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        f'backend-path = ["."]\n[project]\nname = "{name}"\nversion = "{version}"\n',
        "backend.py": backend.replace("MEANWHILE", meanwhile),
    }
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for path, text in content.items():
            about = tarfile.TarInfo(f"{name}-{version}/{path}")
            about.size = len(text.encode())
            archive.addfile(about, io.BytesIO(text.encode()))
    return source


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def build_index(folder: Path, wheels: Sequence[Path]) -> None:
    """Write the pages of an index (PEP 503) that holds these wheels below ``folder``."""
    for wheel in wheels:
        place = folder / wheel.name.partition("-")[0]
        place.mkdir(parents=True, exist_ok=True)
        (place / wheel.name).write_bytes(wheel.read_bytes())
        page = "".join(
            f'<a href="{path.name}#sha256={hashlib.sha256(path.read_bytes()).hexdigest()}">'
            f"{path.name}</a>\n"
            for path in sorted(place.iterdir())
            if path.name != "index.html"
        )
        (place / "index.html").write_text(page)
