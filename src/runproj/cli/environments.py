"""The commands about environments: lock, and env list, build, export, remove."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from runproj.app import building, projects, shells, stores
from runproj.cli import complete
from runproj.cli.group import (
    CommandAfterDashes,
    after_dashes,
    json_option,
    offline_option,
    place_options,
    reason_of,
)
from runproj.cli.render.live import LiveReporter
from runproj.cli.render.style import stdout_style
from runproj.cli.render.text import duration, size, table
from runproj.engine.lock import (
    Lockable,
    LockChange,
    check_lock,
    is_locked,
    lock_environment,
    lockable,
)
from runproj.engine.pin import pointing_at
from runproj.errors import Stale, UsageError
from runproj.lock.container import NO_CODE, Code
from runproj.lock.declaration import uses_code
from runproj.ports import ContainedEnvironment
from runproj.record.events import Progress
from runproj.spec.suggest import did_you_mean

_ALL = "*"
_FORMS = {
    "venv": ("requirements", "pylock", "cyclonedx"),
    "conda": ("explicit", "environment", "pixi", "cyclonedx"),
    "docker": ("image",),
}


def _chosen(project: projects.OpenProject, names: tuple[str, ...]) -> dict[str, Lockable]:
    """Return the environments that are named, or all that can be locked."""
    known = lockable(project.project.environments)
    for name in names:
        if name not in known:
            there = project.project.environments.get(name)
            if there is not None:
                raise UsageError(
                    f"the environment {name!r} is of kind {there.kind!r}, which has no lock here",
                    where=project.file,
                )
            raise UsageError(
                f"there is no environment {name!r}", where=project.file,
                hint=did_you_mean(name, known) or "the project file declares none that has a lock",
            )  # fmt: skip
    return {name: known[name] for name in names or known}


def _code(project: projects.OpenProject, environments: Iterable[Lockable]) -> Code:
    """Return the code that images and packages are built from, where some are."""
    read = projects.project_files(project).read
    for one in environments:
        if uses_code(one, read):
            return project.preparer(dict(os.environ), LiveReporter(quiet=True), "auto").code()
    return NO_CODE


@click.command("lock")
@click.argument("names", metavar="[ENV]...", nargs=-1, shell_complete=complete.environments)
@click.option(
    "--upgrade", metavar="[PACKAGE]", multiple=True, is_flag=False, flag_value=_ALL,
    help="Take the newest of a package, or of all packages.",
)  # fmt: skip
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 5 when a lock is not current."
)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    shell_complete=complete.files,
    help="Take the lock of a conda environment from another tool: an @EXPLICIT list, a pixi.lock "
    "or a conda-lock.yml.",
)
@offline_option
@json_option
@place_options
def lock(
    names: tuple[str, ...], store: str | None, upgrade: tuple[str, ...], source: str | None,
    *, check: bool, as_json: bool,
) -> int:  # fmt: skip
    """Write the lockfiles of the environments (default: of all) into locks/.

    What a lockfile pins stays, as far as what is declared allows.
    """
    opened = projects.open_project(".", store)
    chosen = _chosen(opened, names)
    if source is not None:
        _check_import(names, chosen, alone=not check and not upgrade)
    if check:
        return _check(opened, chosen, as_json=as_json)
    read = projects.project_files(opened).read
    for package in upgrade:
        if package != _ALL and not is_locked(package, chosen, read):
            raise UsageError(
                f"--upgrade {package}: no lock of these environments has such a package",
                hint=f"runproj lock {package} --upgrade" if package in chosen else "runproj lock",
            )
    reporter = LiveReporter(quiet=as_json)
    code = _code(opened, chosen.values())
    variables = dict(os.environ)
    backends = (
        building.backends(variables, opened.store)
        if source is None
        else building.importing_backends(variables, opened.store, source)
    )
    changes = []
    for name, environment in chosen.items():
        with pointing_at(name, opened.point):
            change = lock_environment(
                name, environment, read, backends,
                None if _ALL in upgrade or source is not None else upgrade,
                lambda text, name=name: reporter.report(Progress(name, text)),  # type: ignore[misc] # a default binds the name now
                code,
            )  # fmt: skip
        projects.write_lockfile(opened, change.path, change.content)
        changes.append(change)
        if not as_json:  # at once: a mistake in the next one does not undo it
            reporter.clear()
            print(_text(change), end="", flush=True)
    reporter.clear()
    if as_json:
        _print_locks(changes)
    elif not changes:
        print("no environment has a lock")
    return 0


def _check_import(names: tuple[str, ...], chosen: dict[str, Lockable], *, alone: bool) -> None:
    """Make sure that there is one conda environment to take a lock for.

    Raises:
        UsageError: there is none, or several; or more is asked than to take it.
    """
    if not alone:
        raise UsageError("--from goes neither with --check nor with --upgrade")
    if len(names) != 1:
        raise UsageError("which environment is the lock for?", hint="runproj lock ENV --from FILE")
    [(name, environment)] = chosen.items()
    if environment.kind != "conda":
        raise UsageError(
            f"the environment {name!r} is of kind {environment.kind!r}: only a lock of a conda "
            "environment can be taken from another tool"
        )


def _check(opened: projects.OpenProject, chosen: dict[str, Lockable], *, as_json: bool) -> int:
    found = []
    code = _code(opened, chosen.values())
    backends = building.backends(dict(os.environ), opened.store)
    for name, environment in chosen.items():
        with pointing_at(name, opened.point):
            read = projects.project_files(opened).read
            found.append(check_lock(name, environment, read, backends, code))
    if as_json:
        _print_locks(found)
    else:
        print(table(((one.environment, one.state, one.path) for one in found), indent=""), end="")
    return Stale.exit_code if any(one.state != "current" for one in found) else 0


def _print_locks(changes: Iterable[LockChange]) -> None:
    from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

    locks = [
        documents.LockDocument(
            environment=change.environment, path=change.path, state=change.state,
            changed=[
                documents.VersionDocument(name=name, before=old, after=new)
                for name, old, new in change.packages
            ],
        )
        for change in changes
    ]  # fmt: skip
    print(documents.as_text(documents.LocksResult(locks=locks)))


def _text(change: LockChange) -> str:
    style = stdout_style()
    rows = [
        (style.green("+") if old is None else style.red("-") if new is None else style.yellow("~"),
         name, new if old is None else old if new is None else f"{old} → {new}")
        for name, old, new in change.packages
    ]  # fmt: skip
    what = "is current" if change.state == "current" and not rows else "written"
    return f"{change.path} {what}\n" + table((mark, name, text or "") for mark, name, text in rows)


@click.group("env")
def env() -> None:
    """List, build, export and remove environments."""


@env.command("list")
@json_option
@place_options
def list_environments(store: str | None, *, as_json: bool) -> int:
    """List the environments that are built on this machine, the last used first; then images."""
    import time  # noqa: PLC0415 -- lazy

    del store
    found = building.built_environments().all()
    images = building.used_images(dict(os.environ)).used.all()
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        shown = [documents.BuiltDocument.of(one, image=None, id=None) for one in found]
        shown += [
            documents.BuiltDocument.of(one, kind="docker", path=None, python=None, packages=None)
            for one in images
        ]
        shown.sort(key=lambda one: -one.used_at)
        print(documents.as_text(documents.EnvironmentsResult(environments=shown)))
        return 0
    if not found and not images:
        print("no environments")
        return 0
    now = time.time()
    rows = [
        (one.key[:12], one.kind, f"Python {one.python}" if one.python else "no Python",
         _counted(one.packages), size(one.size),
         f"used {duration(max(0.0, now - one.used_at))} ago", one.path)
        for one in found
    ] + [
        (one.key[:12], "docker", one.id.rpartition(":")[2][:12], "", size(one.size),
         f"used {duration(max(0.0, now - one.used_at))} ago", one.image)
        for one in images
    ]  # fmt: skip
    print(table(rows, indent=""), end="")
    return 0


def _counted(packages: int) -> str:
    return "1 package" if packages == 1 else f"{packages} packages"


@env.command("build")
@click.argument("names", metavar="[ENV]...", nargs=-1, shell_complete=complete.environments)
@offline_option
@json_option
@place_options
def build(names: tuple[str, ...], store: str | None, *, as_json: bool) -> int:
    """Build environments of the project in this folder (default: all), before a run needs them."""
    opened = projects.open_project(".", store)
    reporter = LiveReporter(quiet=as_json)
    preparer = opened.preparer(dict(os.environ), reporter, "auto")
    built = []
    chosen = _chosen(opened, names)
    code = _code(opened, chosen.values())
    for name, environment in chosen.items():
        pinned = preparer.pin(name, environment, code)
        ready = preparer.pinner.backends[environment.kind].prepare(
            pinned.declaration, pinned.lock,
            lambda text, name=name: reporter.report(Progress(name, text)),  # type: ignore[misc] # a default binds the name now
        )  # fmt: skip
        built.append((name, environment.kind, ready))
    reporter.clear()
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        ready_now = [
            documents.ReadyDocument(name=name, kind=kind, key=ready.key)
            for name, kind, ready in built
        ]
        print(documents.as_text(documents.BuildResult(built=ready_now)))
    else:
        rows = [(name, ready.key[:12], ready.description) for name, _, ready in built]
        print(table(rows, indent="") or "no environment has to be built\n", end="")
    return 0


@env.command("shell", cls=CommandAfterDashes)
@click.argument(
    "name", metavar="[ENV] [-- COMMAND...]", default="", shell_complete=complete.environments
)
@offline_option
@place_options
def env_shell(name: str, store: str | None) -> int:
    """Open a shell in an environment of the project in this folder; it is built if it has to be.

    Your own variables stay; the environment's programs come first. After -- stands a command that
    is run instead of a shell: runproj env shell default -- python.
    """
    command = after_dashes()
    opened = projects.open_project(".", store)
    known = lockable(opened.project.environments)
    name = name or (next(iter(known)) if len(known) == 1 else "default")
    [(name, environment)] = _chosen(opened, (name,)).items()
    reporter = LiveReporter(quiet=bool(command))
    preparer = opened.preparer(dict(os.environ), reporter, "auto")
    pinned = preparer.pin(name, environment, _code(opened, [environment]))
    ready = preparer.pinner.backends[environment.kind].prepare(
        pinned.declaration, pinned.lock, lambda text: reporter.report(Progress(name, text))
    )
    reporter.clear()
    if not command:
        sys.stderr.write(f"{name}  {ready.description}\n  leave: exit, or Ctrl-D\n")
        sys.stderr.flush()
    folder = str(opened.folder)
    container = ready.container if isinstance(ready, ContainedEnvironment) else None
    variables = dict(ready.variables(folder))
    if container is not None:
        container = container._replace(folders=(folder,))
    else:
        path = [one for one in (variables.get("PATH"), os.environ.get("PATH")) if one]
        variables = {**os.environ, **variables, "PATH": os.pathsep.join(path)}
    if not command and sys.stdin.isatty():
        variables["PS1"] = f"({name}) \\w $ "
    return shells.in_foreground(command, folder, variables, container)


@env.command("export")
@click.argument("name", metavar="[ENV]", default="default", shell_complete=complete.environments)
@click.option(
    "--format", "form",
    type=click.Choice(
        ["requirements", "pylock", "cyclonedx", "explicit", "environment", "pixi", "image"]
    ),
    help="Of a venv: requirements (default; with hashes), pylock (PEP 751), cyclonedx (a bill of "
    "materials). Of conda: explicit (default; a list of URLs), environment (an environment.yaml "
    "with pins), pixi, cyclonedx. Of docker: image (what 'docker run' takes).",
)  # fmt: skip
@click.option(
    "--run", "run_name", metavar="RUN", shell_complete=complete.runs, help="The lock of a past run."
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=complete.files,
    help="Write to FILE instead of the terminal.",
)
@place_options
def export(
    name: str, form: str | None, run_name: str | None, output: str | None, store: str | None
) -> int:
    """Write the lock of an environment for other tools: of this project, or of a past run."""
    project, kind, content = _locked(name, run_name, store)
    form = form or _FORMS[kind][0]
    if form not in _FORMS[kind]:
        raise UsageError(
            f"the environment {name!r} is of kind {kind!r}, which has no format {form!r}",
            hint=f"--format {' or '.join(_FORMS[kind])}",
        )
    text = _exported(kind, content, form, project)
    if output is None:
        print(text, end="")
        return 0
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"it cannot be written: {reason_of(error)}", where=output) from error
    return 0


def _exported(kind: str, content: str, form: str, project: str) -> str:
    if kind == "conda" and form != "cyclonedx":
        return building.exported_lock(content, form, dict(os.environ))
    if kind == "docker":
        from runproj.lock import image  # noqa: PLC0415 -- lazy

        lock = image.parse(content)
        return f"{lock.name or lock.id}\n"
    from runproj.lock import export as exporting  # noqa: PLC0415 -- lazy
    from runproj.lock import pylock  # noqa: PLC0415 -- lazy

    if form == "pylock":
        return pylock.body_of(content)
    if form == "cyclonedx":
        bill = exporting.conda_cyclonedx if kind == "conda" else exporting.cyclonedx
        return bill(content, project)
    return exporting.requirements(content)


def _locked(name: str, run_name: str | None, store: str | None) -> tuple[str, str, str]:
    """Return the name of a project, and kind and text of the lock of an environment of it."""
    if run_name is not None:
        opened = stores.find_store(str(Path.cwd()), store)
        run = opened.lookup.run(run_name)
        pins = {pin.name: pin for pin in run.plan.environments if pin.kind in _FORMS}
        if name not in pins:
            raise UsageError(
                f"the run {run.id} has no environment {name!r} with a lock",
                hint=did_you_mean(name, pins) or "its steps used the programs of the machine",
            )
        return run.project, pins[name].kind, opened.objects.read(pins[name].lock).decode()
    project = projects.open_project(".", store)
    [(known, environment)] = _chosen(project, (name,)).items()
    reporter = LiveReporter(quiet=True)
    code = _code(project, [environment])
    pinned = project.preparer(dict(os.environ), reporter, "auto").pin(known, environment, code)
    reporter.clear()
    return project.name, environment.kind, pinned.lock.content


@env.command("remove")
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Remove all of them.")
@json_option
@place_options
def remove(keys: tuple[str, ...], store: str | None, *, everything: bool, as_json: bool) -> int:
    """Remove built environments by KEY, or the beginning of one.

    They are built again when they are needed. An image that was pulled is only listed no longer.
    """
    del store
    built = building.built_environments()
    backend = building.used_images(dict(os.environ))
    images = {one.key: one for one in backend.used.all()}
    sizes = {one.key: one.size for one in built.all()}
    sizes |= {key: one.size for key, one in images.items()}
    chosen = list(sizes) if everything else []
    for key in keys:
        matching = [one for one in sizes if one.startswith(key)]
        if len(matching) != 1:
            what = "several environments have" if matching else "no environment has"
            raise UsageError(f"{what} a key that begins with {key!r}", hint="runproj env list")
        chosen += matching
    if not everything and not keys:
        raise UsageError(
            "which environments?", hint="name their keys (runproj env list), or use --all"
        )
    for one in chosen:
        if one in images:
            backend.forget(images[one])
        else:
            built.remove(one)
    if as_json:
        from runproj.cli.render import documents  # noqa: PLC0415 -- lazy

        print(documents.as_text(documents.RemoveResult(removed=chosen)))
    else:
        total = size(sum(sizes[one] for one in chosen))
        print(f"removed {len(chosen)} environment{'s' * (len(chosen) != 1)}, {total}")
    return 0
