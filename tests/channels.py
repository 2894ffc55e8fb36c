"""Small conda channels in a folder, with packages that work; made of what this machine has.

Its Python is the one that runs the tests, packed anew so that it can stand anywhere. The list of
packages is written here, not by the library under test. Archives are the same bytes each time.
"""

import bz2
import functools
import hashlib
import io
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

PLATFORM = f"linux-{ {'x86_64': '64'}.get(platform.machine(), platform.machine()) }"
TIME_S = 1_700_000_000
PREFIX = ("/home/builder/feedstock_root/_h_env_" + "placehold_" * 30)[:255]
"""Stands in files for where an environment will be; as long as the longest place may be."""

_ASIDE = frozenset({
    "site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "tkinter",
    "lib2to3", "ensurepip", "pydoc_data", "__pycache__", "__phello__",
})  # fmt: skip
_DYNAMIC, _LOAD = 2, 1
_STRING_TABLE, _RPATH, _RUNPATH = 5, 15, 29


@dataclass(frozen=True)
class File:
    """A file of a package; ``prefix`` (text or binary) says that it holds :data:`PREFIX`."""

    data: bytes = b""
    mode: int = 0o644
    link: str | None = None
    prefix: str | None = None


@dataclass
class Package:
    """A package of conda, see https://docs.conda.io/projects/conda-build (package specification).

    One for every platform (``noarch: python``) has its modules in ``site-packages``.
    """

    name: str
    version: str
    depends: Sequence[str] = ()
    scripts: Sequence[str] = ()
    noarch: bool = False
    extension: str = ".conda"
    build: str = "0"
    files: dict[str, File] = field(default_factory=dict)

    def add(self, path: str, text: str, mode: int = 0o644, prefix: str | None = None) -> None:
        """Add a file."""
        self.files[path] = File(text.encode(), mode, prefix=prefix)

    @property
    def subdir(self) -> str:
        """The folder of a channel in which it stands."""
        return "noarch" if self.noarch else PLATFORM

    @property
    def stem(self) -> str:
        """The name of its archive, without what says the format."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def index(self) -> dict[str, Any]:
        """What a channel tells of it."""
        known = {
            "name": self.name, "version": self.version, "build": self.build, "build_number": 0,
            "depends": list(self.depends), "subdir": self.subdir, "timestamp": TIME_S * 1000,
        }  # fmt: skip
        return {**known, "noarch": "python"} if self.noarch else known

    def archive(self) -> bytes:
        """Return its archive."""
        about = {name: File(json.dumps(data).encode()) for name, data in self._about()}
        about["info/files"] = File("".join(f"{path}\n" for path in sorted(self.files)).encode())
        if self.extension == ".tar.bz2":
            return bz2.compress(_tar({**about, **self.files}), 1)
        packed = zstandard.ZstdCompressor(level=3)
        parts = {
            "metadata.json": b'{"conda_pkg_format_version": 2}',
            f"pkg-{self.stem}.tar.zst": packed.compress(_tar(self.files)),
            f"info-{self.stem}.tar.zst": packed.compress(_tar(about)),
        }
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for name, data in parts.items():
                archive.writestr(zipfile.ZipInfo(name, (2023, 11, 14, 0, 0, 0)), data)
        return target.getvalue()

    def _about(self) -> Iterator[tuple[str, object]]:
        yield "info/index.json", self.index
        yield "info/about.json", {"summary": "a package of tests"}
        paths = []
        for path, file in sorted(self.files.items()):
            told: dict[str, object] = {
                "_path": path,
                "path_type": "softlink" if file.link else "hardlink",
                "sha256": hashlib.sha256(file.data).hexdigest(),
                "size_in_bytes": len(file.data),
            }
            if file.prefix is not None:
                told |= {"file_mode": file.prefix, "prefix_placeholder": PREFIX}
            paths.append(told)
        yield "info/paths.json", {"paths_version": 1, "paths": paths}
        if self.noarch:
            how = {"type": "python", "entry_points": list(self.scripts)}
            yield "info/link.json", {"noarch": how, "package_metadata_version": 1}


@dataclass
class Channel:
    """A channel in a folder."""

    folder: Path

    @property
    def url(self) -> str:
        """Where it is."""
        return self.folder.as_uri()

    def add(self, *packages: Package) -> "Channel":
        """Add packages; one that is there already is replaced."""
        for package in packages:
            data = _python_archive() if package is python() else package.archive()
            place = self.place(package)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            digests = {
                "sha256": hashlib.sha256(data).hexdigest(),
                "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
                "size": len(data),
            }
            self._list(package, {**package.index, **digests})
        for subdir in ("noarch", PLATFORM):
            if not (self.folder / subdir).exists():
                self._write(subdir, _nothing(subdir))
        return self

    def place(self, package: Package) -> Path:
        """Return where the archive of a package is."""
        return self.folder / package.subdir / f"{package.stem}{package.extension}"

    def _list(self, package: Package, record: Mapping[str, object]) -> None:
        place = self.folder / package.subdir / "repodata.json"
        known = json.loads(place.read_bytes()) if place.exists() else _nothing(package.subdir)
        kind = "packages" if package.extension == ".tar.bz2" else "packages.conda"
        known[kind][self.place(package).name] = record
        self._write(package.subdir, known)

    def _write(self, subdir: str, known: Mapping[str, object]) -> None:
        place = self.folder / subdir / "repodata.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(known), encoding="utf-8")


def _nothing(subdir: str) -> dict[str, Any]:
    return {
        "info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "repodata_version": 1
    }  # fmt: skip


def _tar(files: Mapping[str, File]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, file in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.mtime, entry.mode, entry.size = TIME_S, file.mode, len(file.data)
            if file.link is not None:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
            archive.addfile(entry, io.BytesIO(file.data))
    return target.getvalue()


# ------------------------------------------------------------------ packages


def module(
    name: str, version: str, *, depends: Sequence[str] = (), extension: str = ".conda"
) -> Package:
    """Return a module for every platform, and a program that tells its version."""
    package = Package(
        name, version, ["python >=3.8", *depends], [f"{name} = {name}:main"], noarch=True,
        extension=extension,
    )  # fmt: skip
    text = f"version = {version!r}\n\ndef main():\n    print({name!r}, version)\n"
    package.add(f"site-packages/{name}/__init__.py", text)
    info = f"site-packages/{name}-{version}.dist-info"
    package.add(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    package.add(f"{info}/RECORD", "")
    return package


def tool(activation: str = 'export TOOL_HOME="$CONDA_PREFIX/share/tool"') -> Package:
    """Return a program with its own place in it, as text and in a binary; and an activation."""
    package = Package("tool", "2.0", ["__glibc >=2.17"])
    package.add("bin/tool", f'#!/bin/sh\necho "{PREFIX} $TOOL_HOME $TOOL_SET"\n', 0o755, "text")
    package.add("lib/tool.bin", f"\0HEAD\0{PREFIX}/share\0TAIL\0", prefix="binary")
    package.add("etc/conda/activate.d/tool.sh", f"{activation}\n")
    package.add("etc/conda/env_vars.d/tool.json", json.dumps({"TOOL_SET": "by a file"}))
    return package


def hook() -> Package:
    """Return a package with a script for the moment after it was installed."""
    package = Package("hook", "1.0")
    package.add("share/hook.txt", "hook\n")
    package.add("bin/.hook-post-link.sh", '#!/bin/sh\ntouch "$PREFIX/share/it-ran"\n', 0o755)
    return package


def gpu() -> Package:
    """Return a package that needs a driver."""
    return Package("gpu", "1.0", ["__cuda >=12"])


@functools.cache
def python() -> Package:
    """Return the Python of this machine, so that it can stand anywhere."""
    version = platform.python_version()
    minor = f"python{version.rpartition('.')[0]}"
    package = Package("python", version, ["__glibc >=2.17"])
    base, stdlib = sys.base_prefix, Path(sysconfig.get_path("stdlib"))
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    package.files[f"bin/{minor}"] = File(_movable(executable, base, "../lib"), 0o755)
    for name in ("python", "python3"):
        package.files[f"bin/{name}"] = File(link=minor)
    library = Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME") or "")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and library.is_file() and base != "/usr":
        package.files[f"lib/{library.name}"] = File(_movable(library, base, "."), 0o755)
    for source in _library_files(stdlib):
        path = f"lib/{minor}/{source.relative_to(stdlib)}"
        if ".so" in source.name:
            package.files[path] = File(_movable(source, base, "../.."), 0o755)
        elif source.name.startswith("_sysconfigdata") and base != "/usr":
            data = source.read_bytes().replace(base.encode(), PREFIX.encode())
            package.files[path] = File(data, prefix="text")
        else:
            package.files[path] = File(source.read_bytes())
    package.add(f"lib/{minor}/site-packages/README.txt", "other packages\n")
    # a Python of Debian looks for packages elsewhere
    package.add(
        f"lib/{minor}/sitecustomize.py",
        "import os, site, sys\n"
        f"there = os.path.join(sys.prefix, 'lib', {minor!r}, 'site-packages')\n"
        "if there not in sys.path:\n    site.addsitedir(there)\n",
    )
    return package


@functools.cache
def _python_archive() -> bytes:
    return python().archive()


def _library_files(stdlib: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(stdlib):
        names[:] = sorted(
            name for name in names if name not in _ASIDE and not name.startswith("config-")
        )
        for name in sorted(files):
            aside = name.endswith((".pyc", ".a")) or "_tkinter" in name or "_test" in name
            if not aside and name not in ("sitecustomize.py", "EXTERNALLY-MANAGED"):
                yield Path(folder, name)


def _movable(source: Path, base: str, libraries: str) -> bytes:
    """Return a binary that looks for its libraries beside itself, without debug information."""
    data = source.read_bytes()
    strip = shutil.which("strip")
    if strip is not None:
        with tempfile.NamedTemporaryFile() as target:
            command = [strip, "-S", "-o", target.name, str(source)]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                data = Path(target.name).read_bytes()
    return _relocated(data, base, libraries)


def _relocated(data: bytes, base: str, libraries: str) -> bytes:
    """Return an ELF file (64 bit) with other places of libraries in it, each of the same length.

    Many slashes are one to the loader, so nothing in the file has to move.
    """
    if data[:6] != b"\x7fELF\x02\x01":
        return data
    loads, dynamic = _segments(data)
    if dynamic is None:
        return data
    strings, paths = 0, []
    for at in range(dynamic[0], sum(dynamic), 16):
        tag, value = struct.unpack_from("<qQ", data, at)
        if tag == _STRING_TABLE:
            strings = next(
                offset + value - address
                for offset, address, size in loads
                if address <= value < address + size
            )
        elif tag in (_RPATH, _RUNPATH):
            paths.append(value)
        elif tag == 0:
            break
    changed = bytearray(data)
    for value in paths:
        start = strings + value
        old = bytes(changed[start : changed.index(b"\0", start)])
        if old.startswith(base.encode()):
            slashes = len(old) - len("$ORIGIN") - len(libraries)
            assert slashes > 0, f"{old!r} is too short to be replaced"
            changed[start : start + len(old)] = f"$ORIGIN{'/' * slashes}{libraries}".encode()
    return bytes(changed)


def _segments(data: bytes) -> tuple[list[tuple[int, int, int]], tuple[int, int] | None]:
    """Return offset, address and size of what is loaded; offset and size of the dynamic part."""
    (table,) = struct.unpack_from("<Q", data, 32)
    width, count = struct.unpack_from("<HH", data, 54)
    loads, dynamic = [], None
    for number in range(count):
        kind, _, offset, address, _, size = struct.unpack_from(
            "<IIQQQQ", data, table + number * width
        )
        if kind == _LOAD:
            loads.append((offset, address, size))
        elif kind == _DYNAMIC:
            dynamic = (offset, size)
    return loads, dynamic
