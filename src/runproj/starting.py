"""Tracked runs without a project: what ``runproj.start_run`` does outside of a run.

The run has one step, which is the command line of this process. So a script can be done again by
``runproj rerun``; it joins the run that it is a step of then. A notebook cannot.
"""

import atexit
import contextlib
import importlib.metadata
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runproj import _client
from runproj.app import places, running, stores
from runproj.errors import UsageError

if TYPE_CHECKING:
    from runproj.engine.session import Session

_RECORDED = ("PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "LANG", "LC_ALL", "TZ")
"""Variables of this process that are recorded; others may hold anything."""


def start_run(
    experiment: str,
    name: str | None,
    tags: Mapping[str, Any],
    params: Mapping[str, Any],
    store: str | None,
) -> _client.ActiveRun:
    """Record a run from here on, see :func:`runproj.start_run`.

    Raises:
        RunprojError: the code cannot be kept, or the store cannot be written.
    """
    began, used = time.time(), _cpu_s()
    script = _script()
    folder = _folder(script)
    temporary = tempfile.mkdtemp(prefix="runproj-")
    try:
        session = _started(script, folder, temporary, _options(experiment, name, tags), store)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    before = {variable: os.environ.get(variable) for variable in session.variables}
    os.environ.update(session.variables)
    _client.forget()

    def end(error: BaseException | None = None) -> None:
        """Write down how it ended, whatever it was."""
        atexit.unregister(end)
        with contextlib.suppress(Exception):  # what is missing here is no reason to lose the run
            _log_surroundings(script)
        _client.forget()
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
        try:
            _end(session, error, began, used)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    atexit.register(end)
    _client.log_params(params)
    return _client.ActiveRun(session.run.id, end)


def _script() -> Path | None:
    """Return the file that Python was started with; None in a notebook, a shell, or with -c."""
    place = getattr(sys.modules.get("__main__"), "__file__", None)
    interactive = hasattr(sys, "ps1") or "ipykernel" in sys.modules
    return Path(place).resolve() if place and not interactive else None


def _folder(script: Path | None) -> Path:
    """Return the folder of the code: the git repository around it, else where it stands."""
    here = script.parent if script else Path.cwd()
    return next((one for one in (here, *here.parents) if (one / ".git").exists()), here)


def _command(script: Path | None, folder: Path) -> list[str]:
    if script is None:
        return ["python"]
    given = sys.argv[1:]
    found = shutil.which("python")
    python = "python" if found and Path(found).samefile(sys.executable) else sys.executable
    return [python, os.path.relpath(script, _directory(folder)), *given]


def _directory(folder: Path) -> Path:
    """Return where the command runs: here, if that is in the folder of the code."""
    here = Path.cwd().resolve()
    return here if here.is_relative_to(folder) else folder


def _options(experiment: str, name: str | None, tags: Mapping[str, Any]) -> running.Options:
    texts = {str(key): str(value) for key, value in tags.items()}
    return running.Options(experiment=experiment, name=name, tags=texts, command=tuple(sys.argv))


def _started(
    script: Path | None, folder: Path, temporary: str, options: running.Options, store: str | None
) -> "Session":
    command = [text.replace("{", "{{").replace("}", "}}") for text in _command(script, folder)]
    where = _directory(folder).relative_to(folder).as_posix()
    project = {
        "runproj": 1,
        "entry_points": {
            "main": {"command": command, "working_directory": where, "cache": False},
        },
    }
    first = str(Path(sys.executable).parent)
    caller = {**os.environ, "PATH": f"{first}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    recorded = {name: os.environ[name] for name in _RECORDED if name in os.environ}
    return running.start_session(
        str(folder), json.dumps(project), caller, options,
        temporary=temporary, store=store or _store(folder), variables=recorded,
        interactive=script is None,
    )  # fmt: skip


def _store(folder: Path) -> str:
    """Return the store: the nearest one upwards, else one beside the code, if that is around us."""
    given = os.environ.get("RUNPROJ_STORE")
    if given:
        return given
    try:
        return str(stores.find_store(str(Path.cwd()), None).folder)
    except UsageError:
        here = Path.cwd().resolve()
        return str((folder if here.is_relative_to(folder) else here) / places.STORE)


def _end(session: "Session", error: BaseException | None, began: float, used: float) -> None:
    from runproj.record.outcome import Outcome  # noqa: PLC0415 -- lazy

    status, code = "succeeded", 0
    if isinstance(error, SystemExit) and not error.code:
        error = None
    if error is not None:
        interrupted = isinstance(error, KeyboardInterrupt)
        status, code = ("interrupted", 130) if interrupted else ("failed", 1)
    now = time.time()
    outcome = Outcome(
        exit_code=code, duration_s=now - began, cpu_s=_cpu_s() - used,
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )  # fmt: skip
    text = None if error is None else f"{type(error).__name__}: {error}".removesuffix(": ")
    session.end(status, outcome, text, now)  # type: ignore[arg-type] # one of these


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _log_surroundings(script: Path | None) -> None:
    """Keep what is installed, and of a notebook what was typed."""
    _client.log_text("".join(f"{one}\n" for one in sorted(_installed())), "packages.txt")
    shell = sys.modules.get("IPython")
    if script is None and shell is not None and shell.get_ipython() is not None:
        cells = [cell for cell in shell.get_ipython().user_ns.get("In", ()) if cell.strip()]
        _client.log_text("\n\n".join(cells) + "\n", "session.py")


def _installed() -> Iterator[str]:
    for one in importlib.metadata.distributions():
        yield f"{one.name}=={one.version}"
