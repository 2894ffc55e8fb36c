"""The front door: help and version without a single heavy import, then one command.

``runproj --help`` must not cost more than a bare interpreter does a few times over, so the list of
commands stands here as text, and click is imported only when a command is really run.
"""

import contextlib
import os
import signal
import sys

from runproj.cli.table import help_text

_WELCOME = """\
runproj runs projects that are declared in a YAML file, and records every run exactly.

First steps:
  runproj init           write a small runproj.yaml for the folder you are in
  runproj run .          run it
  runproj list           see what ran
  runproj show latest    see everything about the last run

Then: 'runproj --help' for all commands, 'runproj COMMAND --help' for one."""


def main() -> None:
    """Run the command line of this process."""
    _open_streams()
    try:
        _main(sys.argv[1:])
    except BrokenPipeError:
        _leave(128 + signal.SIGPIPE)  # the reader is gone; there is nobody to tell
    _leave(0)


def _open_streams() -> None:
    """Let no file that is opened later become a standard stream that the caller closed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115, PTH123 -- it stays open


def _main(arguments: list[str]) -> None:
    if os.name == "nt":
        sys.stderr.write("error: runproj does not run on Windows yet; WSL 2 works\n")
        sys.exit(2)
    completing = "_RUNPROJ_COMPLETE" in os.environ
    if not arguments and not completing:
        print(_WELCOME)
    elif arguments in (["--help"], ["-h"], ["help"]):
        print(help_text())
    elif arguments in (["--version"], ["-V"]):
        from runproj.version import VERSION  # noqa: PLC0415 -- nothing is imported before it is needed

        print(f"runproj {VERSION}")
    else:
        import gc  # noqa: PLC0415 -- see below

        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them takes time
        gc.disable()  # a short life makes little garbage; looking for it costs a tenth of the time
        from runproj.cli.group import run_command  # noqa: PLC0415 -- nothing comes too early

        _leave(run_command(arguments))


def _leave(code: int) -> None:
    """End this process at once: taking everything apart first costs a tenth of a small run."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 128 + signal.SIGPIPE
    except OSError as error:
        code = code or 1
        said = (error.strerror or str(error)).lower()
        with contextlib.suppress(OSError):
            sys.stderr.write(f"error: what was printed could not be written: {said}\n")
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(code)
