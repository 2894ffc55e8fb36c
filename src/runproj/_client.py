"""What a program calls while it is a step: it tells of metrics, parameters, tags and artifacts.

Standard library only, Python 3.8 and newer, quick to import: this file is put beside every step,
whatever its environment, and imports nothing of runproj but what is needed to save and load models,
which stands beside it. Outside of a run every function does nothing, and returns what it would
return in one.

``RUNPROJ_EVENTS`` is the path of a file that takes a JSON object a line; any language may append to
it. What is told often goes another way: each process has a file of its own for the points of its
metrics, which is mapped into memory. A point is a few bytes written there: no system call, nothing
that is lost when the process is killed.

A file of points is a row of blocks. All numbers are little-endian::

    block   u32 mark, u32 length of the name, u64 room for points, the name in UTF-8,
            zeros up to a multiple of 8, then the points
    point   i64 step, f64 value, f64 time in seconds since 1970; the time is never 0

The mark is written last, as is the time of a point: what a killed process did not come to its end
with reads as nothing.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False  # importing typing would take half of the time that there is
if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Collection, Mapping
    from typing import Any, TypeVar

    V = TypeVar("V")

__all__ = (
    "infer_signature",
    "input_path",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_text",
    "output_path",
    "set_tag",
    "set_tags",
    "start_run",
)

EVENTS = "RUNPROJ_EVENTS"
MARK = 0x31505052  # RPP1
HEAD = "<IIQ"
POINT = "<qdd"
_POINT_SIZE = 24
_FIRST_ROOM, _ROOM = 16, 65536  # points in the first, and at most in any block of a metric
_FIRST_SIZE, _SIZE = 1 << 16, 1 << 26  # bytes by which the file grows at first, and at most
_LEAST_TIME = 5e-324
_ELSEWHERE = {"runs": "runproj.frames", "load_model": "runproj._models"}
"""What stands in other files; those without an underscore are there where runproj is installed."""


class _Points:
    """The file of points of this process."""

    def __init__(self, folder: str) -> None:
        import mmap  # noqa: PLC0415 -- not every program logs metrics
        import struct  # noqa: PLC0415
        from _thread import allocate_lock  # noqa: PLC0415 -- threading takes longer to import

        self.mmap, self.struct = mmap, struct
        self.put_point = struct.Struct(POINT).pack_into
        self.lock = allocate_lock()
        # for each metric: where the next point goes, where its block ends, its room, what was told
        self.blocks: dict[str, list[int]] = {}
        self.file = _new_file(folder, f"points-{os.getpid()}")
        self.end = 0
        self.size = 0
        self.map: mmap.mmap | None = None

    def add(self, name: str, value: float, step: int | None, timestamp: float | None) -> None:
        """Append a point."""
        with self.lock:
            block = self.blocks.get(name)
            if block is None or block[0] == block[1]:
                block = self._new_block(name, block)
            self.put_point(
                self.map,  # type: ignore[arg-type] # it has grown
                block[0], block[3] if step is None else step, value,
                time.time() if timestamp is None else (float(timestamp) or _LEAST_TIME),
            )  # fmt: skip
            block[0] += _POINT_SIZE
            block[3] += 1

    def _new_block(self, name: str, last: list[int] | None) -> list[int]:
        room = _FIRST_ROOM if last is None else min(last[2] * 4, _ROOM)
        text = name.encode("utf-8", "replace")
        head = 16 + (len(text) + 7) // 8 * 8
        begin, points = self.end, self.end + head
        end = points + room * _POINT_SIZE
        if end > self.size:
            self._grow(end)
        assert self.map is not None  # noqa: S101 -- for mypy: it has grown
        self.struct.pack_into(HEAD, self.map, begin, 0, len(text), room)
        self.map[begin + 16 : begin + 16 + len(text)] = text
        self.struct.pack_into("<I", self.map, begin, MARK)
        self.end = end
        new = self.blocks[name] = [points, end, room, 0 if last is None else last[3]]
        return new

    def _grow(self, least: int) -> None:
        size = max(least, self.size + min(max(self.size, _FIRST_SIZE), _SIZE))
        if hasattr(os, "posix_fallocate"):  # a full disk is told here, not by a signal later
            os.posix_fallocate(self.file, self.size, size - self.size)
        else:
            os.ftruncate(self.file, size)
        grown = self.mmap.mmap(self.file, size)
        if self.map is not None:
            self.map.close()
        self.map, self.size = grown, size


_points: _Points | None = None
_context: dict[str, Any] | None = None


def forget() -> None:
    """Begin anew, in another run or in a process that was forked: points have a file for each."""
    global _context, _points  # noqa: PLW0603 -- the state of this process
    _points = _context = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)


def _folder() -> str | None:
    """Return the folder that takes what is told; None outside of a run."""
    place = os.environ.get(EVENTS)
    if not place:
        return None
    folder = os.path.dirname(place)
    return folder if os.path.isdir(folder) else None  # the run may be over


def _new_file(folder: str, name: str) -> int:
    number = 0
    while True:
        place = os.path.join(folder, f"{name}-{number}")
        try:
            return os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:  # of a process before, with the same number
            number += 1


def _tell(event: dict[str, Any]) -> None:
    """Append an event: one write, which is not torn by others."""
    place = os.environ.get(EVENTS)
    if not place or _folder() is None:
        return
    import json  # noqa: PLC0415 -- not every program tells something

    text = json.dumps(event, default=_as_json) + "\n"
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(text.encode("utf-8", "surrogateescape"))
        while rest:
            rest = rest[os.write(file, rest) :]
    finally:
        os.close(file)


def _as_json(value: Any) -> Any:
    """Return what stands for a value that is no JSON: that of a NumPy scalar, else its text."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    return os.fspath(value) if hasattr(value, "__fspath__") else str(value)


def log_metric(name: str, value: V, step: int | None = None, timestamp: float | None = None) -> V:
    """Log a point of a metric; return the value.

    Args:
        name: of the metric; the whole name in the run is ``STEP.NAME``.
        value: a number, or what ``float`` makes one of; NaN and infinities too.
        step: of the training, such as an epoch: a whole number. Without it the points of a metric
            are counted, from 0.
        timestamp: seconds since 1970; without it, now.

    Raises:
        TypeError: value or step is no number.
        OSError: the disk is full.
    """
    global _points  # noqa: PLW0603 -- the state of this process
    points = _points
    if points is None:
        folder = _folder()
        if folder is None:
            return value
        points = _points = _Points(folder)
    try:
        points.add(name, float(value), step, timestamp)  # type: ignore[arg-type] # says so itself
    except points.struct.error:  # a step that has no room in 64 bits
        step = _whole(name, step)
        event = {"metric": str(name), "value": _number(value), "step": step, "time": timestamp}
        _tell({**event, "time": time.time() if timestamp is None else timestamp})
    return value


def _whole(name: str, step: Any) -> int:
    if isinstance(step, float) and step == step // 1:
        return int(step)
    if not hasattr(step, "__index__"):
        raise TypeError(f"the step of {name!r} must be a whole number, not {step!r}")
    return int(step)


def _number(value: Any) -> float | str:
    number = float(value)
    if number != number:  # noqa: PLR0124 -- NaN
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(number, number)


def log_metrics(
    metrics: Mapping[str, Any], step: int | None = None, timestamp: float | None = None
) -> Mapping[str, Any]:
    """Log a point of several metrics at once; return them. See :func:`log_metric`."""
    for name, value in metrics.items():
        log_metric(name, value, step, timestamp)
    return metrics


def log_param(name: str, value: V) -> V:
    """Log a value that this step was done with, besides its declared parameters; return it.

    It may be anything that JSON can say; of anything else its text is kept.
    """
    _tell({"param": str(name), "value": value})
    return value


def log_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Log several values, see :func:`log_param`; return them."""
    for name, value in params.items():
        log_param(name, value)
    return params


def set_tag(name: str, value: V) -> V:
    """Give the run a tag, a word about it by which it is found; return the value."""
    _tell({"tag": str(name), "value": str(value)})
    return value


def set_tags(tags: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the run several tags; return them."""
    for name, value in tags.items():
        set_tag(name, value)
    return tags


def log_artifact(path: V, name: str | None = None) -> V:
    """Keep a file or folder with the run, as it is now; return its path.

    Args:
        path: of the file or folder.
        name: what it is called in the run, folders with ``/``; without it, as it is called here.

    Raises:
        OSError: it cannot be read, or the disk is full.
        ValueError: the name leads out of its folder.
    """
    folder = _folder()
    if folder is not None:
        source = os.fspath(path)  # type: ignore[call-overload] # says so itself
        place = _artifact_place(folder, name or os.path.basename(os.path.abspath(source)))
        _copied(source, place)
    return path


def log_artifacts(folder: V, name: str | None = None) -> V:
    """Keep all that is in a folder, below ``name`` if there is one; return the folder's path."""
    if _folder() is not None:
        for entry in sorted(os.listdir(folder)):  # type: ignore[call-overload] # says so itself
            path = os.path.join(folder, entry)  # type: ignore[call-overload]
            log_artifact(path, f"{name}/{entry}" if name else entry)
    return folder


def log_text(text: str, name: str) -> str:
    """Keep a text as an artifact; return it."""
    folder = _folder()
    if folder is not None:
        place = _artifact_place(folder, name)
        with open(_unfinished(place), "w", encoding="utf-8") as file:
            file.write(text)
        _finished(place)
    return text


def log_dict(data: V, name: str) -> V:
    """Keep data as an artifact in JSON, which is YAML, too; return it."""
    if _folder() is not None:
        import json  # noqa: PLC0415 -- not every program logs data

        log_text(json.dumps(data, indent=2, ensure_ascii=False, default=_as_json) + "\n", name)
    return data


def log_figure(figure: V, name: str) -> V:
    """Keep a figure of Matplotlib, Plotly or Pillow as an artifact; return it.

    The end of the name says the format: ``roc.png``, ``roc.svg``, ``roc.html``.

    Raises:
        TypeError: it is none of these.
    """
    folder = _folder()
    if folder is None:
        return figure
    how = ["savefig", "save"]
    how.insert(0, "write_html" if name.endswith((".html", ".htm")) else "write_image")
    write = next((getattr(figure, one) for one in how if hasattr(figure, one)), None)
    if write is None:
        kind = type(figure).__name__
        raise TypeError(f"{kind} cannot be saved: it is no figure of Matplotlib, Plotly or Pillow")
    place = _artifact_place(folder, name)
    write(_unfinished(place))
    _finished(place)
    return figure


def log_model(
    model: V,
    name: str = "model",
    flavor: str | None = None,
    signature: Any = None,
    metadata: Mapping[str, Any] | None = None,
) -> V:
    """Keep a model with the run; return it.

    Args:
        model: an object of scikit-learn, XGBoost, LightGBM, PyTorch or ONNX; or the path of a file
            or folder.
        name: what it is called in the run, where it is found as ``RUN/STEP:NAME``.
        flavor: ``sklearn``, ``xgboost``, ``lightgbm``, ``pytorch``, ``onnx`` or ``generic``;
            without it, what the object is one of.
        signature: the schema of what goes in and comes out, see ``infer_signature``.
        metadata: what else should be known of it, as JSON.

    Raises:
        ValueError: it is no name, or the flavor does not fit.
        OSError: the disk is full.
    """
    folder = _folder()
    if folder is None:
        return model
    from runproj import _models  # noqa: PLC0415 -- few programs log models

    if "/" in name or ":" in name:
        raise ValueError(f"{name!r} is no name of a model: it has no / and no :")
    place = _inner(folder, "models", name)
    about = {"run": os.environ.get("RUNPROJ_RUN_ID"), "step": os.environ.get("RUNPROJ_STEP")}
    unfinished = _unfinished(place)
    _models.save(
        model, unfinished, flavor=flavor, signature=signature, metadata=metadata,
        about={**about, "name": name},
    )  # fmt: skip
    _finished(place)
    return model


def infer_signature(inputs: Any, outputs: Any = None) -> Any:
    """Return the schema of what goes into a model and comes out, from examples of both."""
    from runproj import _schema  # noqa: PLC0415 -- few programs log models

    return _schema.infer_signature(inputs, outputs)


def _inner(folder: str, kind: str, name: str) -> str:
    parts = str(name).replace(os.sep, "/").split("/")
    if any(part in ("", ".", "..") or "\0" in part or part.startswith(".~") for part in parts):
        raise ValueError(f"{name!r} is no name: it stays within its folder, as plots/roc.png does")
    return os.path.join(folder, kind, *parts)


def _artifact_place(folder: str, name: str) -> str:
    return _inner(folder, "artifacts", name)


def _unfinished(place: str) -> str:
    """Return where something is written until it is whole: nobody takes it there."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    parent, name = os.path.split(place)
    return os.path.join(parent, f".~{os.getpid()}-{name}")


def _finished(place: str) -> None:
    _removed(place)
    os.replace(_unfinished(place), place)


def _removed(place: str) -> None:
    if os.path.isdir(place) and not os.path.islink(place):
        import shutil  # noqa: PLC0415 -- few artifacts are logged twice

        shutil.rmtree(place)


def _copied(source: str, place: str) -> None:
    import shutil  # noqa: PLC0415 -- not every program logs artifacts

    unfinished = _unfinished(place)
    if os.path.isdir(source):
        shutil.copytree(source, unfinished, symlinks=True)
    else:
        shutil.copy2(source, unfinished)
    _finished(place)


def _known() -> dict[str, Any]:
    """Return what runproj tells this step: its parameters, inputs and outputs."""
    global _context  # noqa: PLW0603 -- the state of this process
    if _context is None:
        folder = _folder()
        if folder is None:
            return {}
        import json  # noqa: PLC0415 -- not every program asks

        with open(os.path.join(folder, "context.json"), encoding="utf-8") as file:
            _context = json.load(file)
    assert _context is not None  # noqa: S101 -- for mypy: it was read
    return _context


class ActiveRun:
    """The run under way; it has the functions of this module, and ends with its block."""

    def __init__(
        self, run_id: str | None, end: Callable[[BaseException | None], None] | None
    ) -> None:
        self.id = run_id
        self._end = end

    def __enter__(self) -> ActiveRun:  # noqa: PYI034 -- Python 3.8 has no Self
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """End the run, once; with an error, as failed. A step ends by itself."""
        end, self._end = self._end, None
        if end is not None:
            end(error)

    def __getattr__(self, name: str) -> Any:
        if name in __all__:
            return globals()[name]
        raise AttributeError(f"a run has no {name!r}")


def start_run(
    experiment: str | None = None,
    name: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    store: str | None = None,
) -> ActiveRun:
    """Start a tracked run in a script or notebook: ``with runproj.start_run() as run: ...``.

    Recorded are the code (the git repository around it, else the folder of the script), the command
    line, the packages that are installed, this machine, and what is logged until it ends: with the
    block, with :meth:`ActiveRun.end`, or with the program. In a step of a run, and while another
    one is under way, it is that run that goes on, and ends by itself.

    Args:
        experiment: to which it belongs; without one, to ``default``.
        name: by which it is found, besides its id.
        tags: words about it.
        params: values that it is done with.
        store: the folder that takes the record; without one, the nearest ``.runproj`` upwards from
            here; where there is none, one is made beside the code.

    Raises:
        ModuleNotFoundError: runproj is not installed in this environment.
    """
    if _folder() is None:
        start: Callable[..., ActiveRun] = _of_the_whole("start_run", "runproj.starting")
        return start(experiment or "default", name, tags or {}, params or {}, store)
    set_tags(tags or {})
    log_params(params or {})
    return ActiveRun(os.environ.get("RUNPROJ_RUN_ID"), None)


class Params(dict):  # type: ignore[type-arg] # Python 3.8 cannot say dict[str, Any]
    """The values of the parameters that a step refers to, by name; outside of a run there are none.

    Whoever asks for another parameter of the project is told so, by :meth:`get` as well: the step
    would not be executed again when that changes.
    """

    def __init__(self, values: Mapping[str, Any], others: Collection[str]) -> None:
        super().__init__(values)
        self.others = others

    def __missing__(self, name: str) -> Any:
        there = ", ".join(self) or "none"
        hint = f"put {{{name}}} into its command or env" if name in self.others else f"has: {there}"
        raise KeyError(f"this step does not refer to the parameter {name!r}; {hint}")

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or another where the project has no such parameter."""
        return self[name] if name in self or name in self.others else default


def input_path(name: str) -> str:
    """Return the path of an input of this step, by its name or its path in the project file.

    Outside of a run: the name itself, as an absolute path.

    Raises:
        ValueError: the step has no such input.
    """
    return _path("inputs", "input", name)


def output_path(name: str) -> str:
    """Return the path of an output of this step, by its name or its path in the project file.

    The folder in which it stands is there, outside of a run too, where it is the name itself, as an
    absolute path.

    Raises:
        ValueError: the step has no such output.
    """
    place = _path("outputs", "output", name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    return place


def _path(kind: str, word: str, name: str) -> str:
    known = _known()
    if not known:
        return os.path.abspath(name)
    paths = known[kind]
    if name not in paths:
        there = ", ".join(sorted(paths)) or "none"
        raise ValueError(f"this step has no {word} {name!r}; it has: {there}")
    place: str = paths[name]
    return place


def __getattr__(name: str) -> Any:
    """Return ``params``: the values of the parameters by name, with their types.

    What needs the whole of runproj, such as ``runs``, is there where it is installed.
    """
    if name == "params":
        return Params(_known().get("params", {}), _known().get("others", ()))
    if name in _ELSEWHERE:
        return _of_the_whole(name, _ELSEWHERE[name])
    raise AttributeError(f"module 'runproj' has no attribute {name!r}")


def _of_the_whole(name: str, module: str) -> Any:
    """Return what stands in another file of runproj."""
    from importlib import import_module  # noqa: PLC0415 -- few programs ask

    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        text = f"runproj.{name} needs runproj in this environment: pip install runproj"
        raise ModuleNotFoundError(text) from error
