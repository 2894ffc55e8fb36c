"""What steps tell of themselves, by way of files in a folder beside their workspace."""

import contextlib
import json
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from runproj.adapters.disk import remove_all
from runproj.errors import StoreError
from runproj.ports import Told
from runproj.record.points import Points, told

_PACKAGE = Path(__file__).resolve().parents[1]
_CLIENT = {
    "__init__.py": "_inside.py", "_client.py": "_client.py", "_models.py": "_models.py",
    "_flavors.py": "_flavors.py", "_schema.py": "_schema.py",
}  # fmt: skip
_CONTEXT = "context.json"
_UNFINISHED = ".~"


class TrackingFolders:
    """Makes and reads these folders, see :class:`runproj.ports.Tracking`."""

    def begin(self, folder: str, context: Mapping[str, object], client: str | None) -> None:
        """Make a folder with the context, and the client unless it is there."""
        with _translated(folder):
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 -- for each step: a Path takes longer
            with open(f"{folder}/{_CONTEXT}", "w", encoding="utf-8") as file:  # noqa: PTH123
                file.write(json.dumps(context))
            if client is not None and not os.path.exists(client):  # noqa: PTH110
                _write_client(Path(client))

    def end(self, folder: str) -> Told:
        """Return what was told; a folder in which nothing was goes."""
        with _translated(folder):
            try:
                names = sorted(os.listdir(folder))  # noqa: PTH208 -- names only
            except FileNotFoundError:
                return Told()
            if names == [_CONTEXT]:  # as most steps leave it
                os.unlink(f"{folder}/{_CONTEXT}")  # noqa: PTH108 -- as above
                os.rmdir(folder)  # noqa: PTH106
                return Told()
            place = Path(folder)
            return Told(
                (place / "events.jsonl").read_bytes() if "events.jsonl" in names else b"",
                _points([place / name for name in names if name.startswith("points-")]),
                tuple(_logged(place / "artifacts")) if "artifacts" in names else (),
                tuple(_models(place / "models")) if "models" in names else (),
            )

    def write(self, folder: str, chunks: Iterable[bytes]) -> str:
        """Write a file."""
        with _translated(folder):
            place = Path(folder, "kept")
            with place.open("wb") as file:
                file.writelines(chunks)
            return str(place)


def _write_client(place: Path) -> None:
    (place / "python" / "runproj").mkdir(parents=True, exist_ok=True)
    for name, source in _CLIENT.items():
        shutil.copyfile(_PACKAGE / source, place / "python" / "runproj" / name)
    (place / "bin").mkdir(exist_ok=True)
    program = place / "bin" / "runproj"
    shutil.copyfile(_PACKAGE / "adapters" / "telling.sh", program)
    program.chmod(0o755)


def _points(places: Iterable[Path]) -> dict[str, Points]:
    """Return the points of all processes, those of one after those of another."""
    every: dict[str, Points] = {}
    for place in places:
        with place.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                continue
            with (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                memoryview(mapped) as data,
            ):
                for name, points in told(data):
                    if name in every:
                        every[name].extend(points)
                    elif points.steps:
                        every[name] = points
    return every


def _logged(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield name and place of what was logged; what was not written to its end goes."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if name.startswith(_UNFINISHED):
                _remove(Path(parent, name))
        folders[:] = [name for name in folders if not name.startswith(_UNFINISHED)]
    for place in sorted(folder.iterdir()):
        yield place.name, str(place)


def _models(folder: Path) -> Iterator[tuple[str, str, str]]:
    for name, place in _logged(folder):
        try:
            about = json.loads(Path(place, "model.json").read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(about, dict):
            yield name, str(about.get("flavor", "generic")), place


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_all(place)
    else:
        place.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"what a step logs cannot be kept: {error}", where=folder) from error
