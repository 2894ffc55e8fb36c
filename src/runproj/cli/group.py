"""The commands as one click group that imports a command only when it is run."""

import errno
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import click

from runproj.cli.render.errors import error_json, error_text
from runproj.cli.table import ALIASES, COMMANDS, help_text
from runproj.errors import Interrupted, Problem, RunprojError, UsageError
from runproj.spec.settings import VARIABLE
from runproj.spec.suggest import did_you_mean
from runproj.version import VERSION


class Commands(click.Group):
    """Finds commands in the table of :mod:`runproj.cli.table`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        entry = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if entry is None:
            return None
        module, _, name = entry[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named first; suggest the nearest one."""
        if ctx.resilient_parsing:  # for a completion
            return super().resolve_command(ctx, args)
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(
                f"there is no command {args[0]!r}\n\nhint: {did_you_mean(args[0], COMMANDS)}"
            )
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and name is not None:
            ctx.default_map = {name: _configured(ctx, command, rest)}
        return name, command, rest

    def get_help(self, ctx: click.Context) -> str:
        """Return the help without importing every command."""
        del ctx
        return help_text()


def _configured(ctx: click.Context, command: click.Command, args: list[str]) -> dict[str, Any]:
    """Return the defaults of a command's options that settings decide.

    They are those of the folder that the command line names, so it is looked at before.
    """
    if isinstance(command, click.Group):
        inner = command.get_command(ctx, args[0]) if args else None
        return {args[0]: _configured(ctx, inner, args[1:])} if inner is not None else {}
    names = {one.name for one in command.params}
    try:
        opened = click.Context(command, parent=ctx)
        given = command.make_parser(opened).parse_args(list(_split(args)[0]))[0]
    except click.UsageError:
        return {}  # it is told when the command is really parsed
    folder = given.get("directory") or ctx.params.get("directory")
    start: str | None = folder if isinstance(folder, str) else os.curdir
    project = given.get("project") if "project" in names else None
    if isinstance(project, str):
        start = os.path.join(str(start), project)  # noqa: PTH118 -- strings
        start = start if os.path.exists(start) else None  # noqa: PTH110 -- the same
    from runproj.app import places  # noqa: PLC0415 -- every command needs it, and help does not
    from runproj.cli.render import style  # noqa: PLC0415 -- as above

    found = places.settings(start, os.environ)
    colour, plain = found["colour"], {"NO_COLOR", "FORCE_COLOR"} & set(os.environ)
    if not plain or colour.origin.startswith(VARIABLE):  # these are for all programs
        style.choose(str(colour.value))
    said = {key: one for key, one in found.items() if one.origin != "default"}
    return {
        key.replace("-", "_"): one.value
        for key, one in said.items()
        if key.replace("-", "_") in names
    }


@click.command("runproj", cls=Commands)
@click.option("-C", "directory", metavar="DIR", help="Run as if started in DIR.")
@click.option("--store", metavar="DIR", help="Use the store DIR.")
@click.version_option(VERSION, message="runproj %(version)s")
def runproj(directory: str | None, store: str | None) -> None:
    """Run projects reproducibly."""
    del directory, store  # commands look for them here, see place_options


def offline_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--offline`` to a command: nothing asks the network, for packages or repositories."""

    def stay(_: click.Context, __: click.Parameter, value: bool) -> None:  # noqa: FBT001 -- click's
        if value:  # whatever is started from here on is told in its own way
            os.environ["RUNPROJ_OFFLINE"] = os.environ["UV_OFFLINE"] = "1"
        else:
            os.environ.pop("RUNPROJ_OFFLINE", None)

    return click.option(
        "--offline/--no-offline", envvar="RUNPROJ_OFFLINE", callback=stay, expose_value=False,
        help="Ask no network: use what is here, or say what is missing.",
    )(function)  # fmt: skip


def place_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-C`` and ``--store`` to a command; before or after its name, they mean the same."""

    def change_directory(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        folder = value or ctx.find_root().params.get("directory")
        if folder:
            try:
                os.chdir(folder)
            except OSError as error:
                raise UsageError(
                    f"the folder of -C cannot be entered: {reason_of(error)}", where=folder,
                    hint="-C DIR runs a command as if it were started in DIR",
                ) from error  # fmt: skip

    def choose_store(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
        chosen = value or ctx.find_root().params.get("store")
        return os.path.abspath(os.path.expanduser(chosen)) if chosen else None  # noqa: PTH100, PTH111 -- before -C changes the folder

    function = click.option(
        "-C", "directory", metavar="DIR", callback=change_directory, expose_value=False,
        help="Run as if started in DIR.",
    )(function)  # fmt: skip
    return click.option(
        "--store", metavar="DIR", envvar="RUNPROJ_STORE", callback=choose_store, is_eager=True,
        help="Use the store DIR instead of the project's own.",
    )(function)  # fmt: skip


class CommandAfterDashes(click.Command):
    """A command that takes another one after ``--``, see :func:`after_dashes`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave what stands after ``--`` as it is."""
        own, *rest = _split(args)
        ctx.meta[_AFTER_DASHES] = tuple(rest)
        return super().parse_args(ctx, own)


_AFTER_DASHES = "runproj.after_dashes"


def _split(args: list[str]) -> tuple[Any, ...]:
    if "--" not in args:
        return (args,)
    at = args.index("--")
    return (args[:at], *args[at + 1 :])


def after_dashes() -> tuple[str, ...]:
    """Return what stands after ``--`` on the command line."""
    found: tuple[str, ...] = click.get_current_context().meta[_AFTER_DASHES]
    return found


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def reason_of(error: OSError) -> str:
    """Return in words why the operating system refused something."""
    return (error.strerror or str(error)).lower()


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; return its exit code. Whatever goes wrong is told in words."""
    as_json = "--json" in arguments
    _obey_signals()
    try:
        _check_folder()
        result = _main(arguments)
    except RunprojError as error:
        return _tell(error.problems, error.exit_code, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        return _tell([_which_command(error)], 2, as_json=as_json)
    except click.UsageError as error:
        return _tell([_usage_problem(error, _typed(arguments))], 2, as_json=as_json)
    except click.ClickException as error:
        return _tell([Problem(error.format_message())], error.exit_code, as_json=as_json)
    except Interrupted as error:
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # the reader of our output is gone; there is nobody to tell
    except OSError as error:
        return _failed_by_the_system(error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 -- the last line of defence; the traceback is kept
        return _unexpected(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _main(arguments: Sequence[str]) -> object:
    """Run a command; what is said of an error stands on a line of its own."""
    try:
        return runproj.main(list(arguments), prog_name="runproj", standalone_mode=False)
    except BaseException:
        live = sys.modules.get("runproj.cli.render.live")
        if live is not None:
            live.clear_all()
        raise


def _check_folder() -> None:
    try:
        os.getcwd()  # noqa: PTH109 -- whether there is one
    except FileNotFoundError:
        raise UsageError(
            "the folder you are in is not there any more", hint="cd to another one"
        ) from None


def _failed_by_the_system(error: OSError, *, as_json: bool) -> int:
    if error.errno != errno.ENOSPC or error.filename is not None:
        return _unexpected(error, as_json=as_json)
    message = "what was printed could not be written: no space left on device"
    sys.stderr.write(error_text([Problem(message)]))
    return 1


def _typed(arguments: Sequence[str]) -> str:
    """Return the command that was typed, as far as there is one."""
    name = next((one for one in arguments if ALIASES.get(one, one) in COMMANDS), None)
    return f"runproj {name}" if name else "runproj"


def _tell(problems: Sequence[Problem], exit_code: int, *, as_json: bool) -> int:
    if as_json:
        print(error_json(problems, exit_code))
    else:
        sys.stderr.write(error_text(problems))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from runproj.cli.render.github import annotation  # noqa: PLC0415 -- lazy

        folders = [".", *(one for one in sys.argv[1:] if not one.startswith("-"))]
        workspace = os.environ.get("GITHUB_WORKSPACE")
        for problem in problems:
            sys.stderr.write(annotation("error", problem, folders, workspace))
    return exit_code


def _usage_problem(error: click.UsageError, command: str) -> Problem:
    message, _, hint = error.format_message().partition("\n\nhint: ")
    message, _, meant = message.partition(" Did you mean ")
    message = (message[:1].lower() + message[1:]).rstrip(".")
    if meant:
        hint = f"did you mean {meant}"
    return Problem(
        message, hint=hint or f"{command if error.ctx is None else error.ctx.command_path} --help"
    )


def _which_command(error: click.exceptions.NoArgsIsHelpError) -> Problem:
    """Say what may follow a group's name."""
    context = error.ctx
    group = context.command
    known = ", ".join(group.list_commands(context)) if isinstance(group, click.Group) else ""
    return Problem(f"which command? {known}", hint=f"{context.command_path} --help")


def _unexpected(error: Exception, *, as_json: bool) -> int:
    import tempfile  # noqa: PLC0415 -- only here, where everything is lost already
    import traceback  # noqa: PLC0415 -- the same

    with tempfile.NamedTemporaryFile(
        "w", prefix="runproj-error-", suffix=".log", delete=False
    ) as file:
        file.write(f"runproj {VERSION}, Python {sys.version}\n{' '.join(sys.argv)}\n\n")
        traceback.print_exception(error, file=file)
    problem = Problem(
        f"something unexpected happened: {type(error).__name__}: {error}",
        where=file.name,
        hint="this is a mistake in runproj; the file has the details",
    )
    return _tell([problem], 70, as_json=as_json)


def _obey_signals() -> None:
    """Turn the signals that ask a program to end into an exception, so that runs are recorded."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
