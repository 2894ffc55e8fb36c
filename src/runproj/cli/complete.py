"""What a shell is told when somebody presses Tab. Whatever is wrong, it is told nothing."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from runproj.cli.group import place_options
from runproj.errors import RunprojError

if TYPE_CHECKING:
    from runproj.app.stores import Store
    from runproj.spec.project import Project

Items: TypeAlias = list[CompletionItem]
Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], Items]
_MANY = 200  # runs: whoever looks for an older one knows the beginning of its id


def _completer(find: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Completer:
    """Make a completer of what finds names with their descriptions."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> Items:
        items: Items = []
        with contextlib.suppress(RunprojError, OSError, LookupError):
            for value, text in find(ctx, incomplete):
                if value.startswith(incomplete) and not _splits(value):
                    items.append(CompletionItem(value, help=text or None))
        return items

    return complete


def _splits(value: str) -> bool:
    """Tell whether a shell would take a value for something else; it is typed by hand then."""
    return any(one.isspace() or one in ",:'\"\\$`;&|<>()" for one in value)


def _store(ctx: click.Context) -> "Store":
    from runproj.app import stores  # noqa: PLC0415 -- lazy

    given: dict[str, Any] = {**ctx.find_root().params, **ctx.params}
    return stores.find_store(".", given.get("store"))


def _project(ctx: click.Context) -> "Project":
    from runproj.app import projects  # noqa: PLC0415 -- lazy

    given = ctx.params.get("project")
    return projects.open_project(given if isinstance(given, str) else ".", None).project


def _rows(ctx: click.Context) -> list[dict[str, Any]]:
    return _store(ctx).runs.summaries("1", (), _MANY)


def _runs(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    rows = _rows(ctx)
    if rows:
        yield "latest", ""
    for row in rows:
        yield row["id"], f"{row['status']} {row['entry_point']}"
        if row["name"]:
            yield row["name"], row["id"]


def _steps_of_runs(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    name, slash, _ = incomplete.partition("/")
    if not slash:
        yield from _runs(ctx, incomplete)
        return
    for step in _store(ctx).lookup.run(name).steps:
        yield f"{name}/{step.name}", step.status


def _entry(ctx: click.Context) -> str:
    return str(ctx.params.get("entry_point") or "main")


def _steps(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    entry = _entry(ctx)
    for name, step in _project(ctx).entry_points[entry].all_steps(entry).items():
        yield name, step.description or ""


def _values(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    run_name = ctx.params.get("run_name")
    if isinstance(run_name, str):
        for value in _store(ctx).lookup.run(run_name.partition("/")[0]).plan.values:
            yield f"{value.name}=", str(value.value)
        return
    for name, parameter in _project(ctx).parameters_of(_entry(ctx)).items():
        yield f"{name}=", parameter.help or ""


def _entry_points(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    for name in _project(ctx).entry_points:
        yield name, ""


def _environments(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    for name, environment in _project(ctx).environments.items():
        yield name, environment.kind


def _experiments(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys(row["experiment"] for row in _rows(ctx)):
        yield name, ""


def _outputs(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    run, step = _store(ctx).lookup.split(ctx.params.get("name") or "latest")
    for one in run.steps if step is None else (step,):
        for output in one.outputs:
            yield output.name or output.path, one.name


def _runs_and_experiments(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    yield from _runs(ctx, incomplete)
    yield from _experiments(ctx, incomplete)


runs_and_experiments = _completer(_runs_and_experiments)


def _models(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    for one in _store(ctx).models.all():
        yield one.name, one.description or ""


def _versions(ctx: click.Context, _: str) -> Iterator[tuple[str, str]]:
    for model in _store(ctx).models.all():
        for alias, number in model.aliases.items():
            yield f"{model.name}@{alias}", f"{model.name}/{number}"
        for one in reversed(model.there):
            yield one.reference, one.stage or one.description or ""


runs = _completer(_runs)
models = _completer(_models)
versions = _completer(_versions)
steps_of_runs = _completer(_steps_of_runs)
steps = _completer(_steps)
values = _completer(_values)
entry_points = _completer(_entry_points)
environments = _completer(_environments)
experiments = _completer(_experiments)
outputs = _completer(_outputs)


def folders(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Let the shell complete a folder."""
    return [CompletionItem(incomplete, type="dir")]


def files(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Let the shell complete a file."""
    return [CompletionItem(incomplete, type="file")]


_BASH = """\
_runproj_completion() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                COMPREPLY+=("$value")
                if [[ $value == *= ]]; then compopt -o nospace; fi ;;
        esac
    done < <(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
        _RUNPROJ_COMPLETE=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F _runproj_completion runproj
"""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@place_options
def completion(shell: str, store: str | None) -> int:
    """Print what makes a shell complete runproj's commands, options, runs, steps and names.

    In ~/.bashrc: eval "$(runproj completion bash)". In ~/.zshrc, after compinit: eval "$(runproj
    completion zsh)". For fish: runproj completion fish > ~/.config/fish/completions/runproj.fish
    """
    from click.shell_completion import FishComplete, ZshComplete  # noqa: PLC0415 -- lazy

    del store  # the script is the same wherever it is printed
    if shell == "bash":  # click's own asks for the version of bash first, and splits names
        print(_BASH, end="")
        return 0
    kind = ZshComplete if shell == "zsh" else FishComplete
    made = kind(click.Command("runproj"), {}, "runproj", "_RUNPROJ_COMPLETE")
    print(made.source())
    return 0
