"""Other processes that use the same store: real ones, with the interpreter of the tests."""

import os
import subprocess
import sys

_READY = "import sys; print('ready', flush=True); sys.stdin.readline()\n"

_BECOME_NOBODY = """
import os
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python script that can import what the tests can."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process that must end well; return what it printed."""
    printed, errors = process.communicate("\n")
    assert process.returncode == 0, errors
    return printed


def at_once(count: int, script: str, *arguments: str) -> list[str]:
    """Let processes do the same at the same time; each also gets its number. Return the prints."""
    processes = [start(_READY + script, *arguments, str(number)) for number in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [finish(process) for process in processes]


def as_nobody(imports: str, script: str, *arguments: str) -> str:
    """Run a script as a user whom permissions stop, also when the tests run as root."""
    return finish(start(f"{imports}\n{_BECOME_NOBODY}\n{script}", *arguments))
