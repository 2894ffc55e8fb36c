"""Runs a process that has the caller's terminal, for a person who looks around."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType

from runproj.errors import UsageError

_OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


def run_in_foreground(argv: Sequence[str], directory: str, variables: Mapping[str, str]) -> int:
    """Run it to its end; return its exit code, 128 and its number for a signal.

    Ctrl-C is for the process alone, which is in the group of this one and hears it anyway.

    Raises:
        UsageError: it cannot be started.
    """
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        for process in started:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    # a handler, for what is ignored stays so in the process
    before |= {number: signal.signal(number, lambda *_: None) for number in _OF_THE_TERMINAL}
    try:
        process = subprocess.Popen(list(argv), cwd=directory, env=dict(variables))
        started.append(process)
        code = process.wait()
    except FileNotFoundError as error:
        raise UsageError(f"command not found: {argv[0]}", where=directory) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{argv[0]} cannot be started: {reason}", where=directory) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code
