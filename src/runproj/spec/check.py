"""What a project must satisfy beyond the shape of its fields: names, quoting, makers, order."""

import graphlib
import posixpath
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from runproj.spec import template
from runproj.spec.command import ArgvCommand, CommandError
from runproj.spec.paths import Makers, is_glob, is_own
from runproj.spec.place import Path
from runproj.spec.project import Project, Step
from runproj.spec.reference import RESERVED, Scope, UnknownReference
from runproj.spec.suggest import did_you_mean
from runproj.spec.template import Reference, Template


class Finding(NamedTuple):
    """Something wrong at a path of the document; ``about`` names what is involved."""

    path: Path
    message: str
    hint: str | None = None
    key: bool = False
    about: frozenset[str] = frozenset()


def findings(project: Project) -> Iterator[Finding]:
    """Yield all that is wrong with a project whose fields have the right shape."""
    root = posixpath.normpath(project.source.root)
    if root != "." and set(root.split("/")) != {".."}:
        yield Finding(
            ("source", "root"),
            f"{project.source.root!r} is not the project's folder or one above it",
            "write '.', or '..' for a part of a larger repository",
        )  # fmt: skip
    yield from _parameter_names(("parameters",), project.parameters)
    yield from _pools(project)
    for name, entry in project.entry_points.items():
        path: Path = ("entry_points", name)
        yield from _parameter_names((*path, "parameters"), entry.parameters)
        parameters = project.parameters_of(name)
        steps = entry.all_steps(name)
        paths = entry.paths(name)
        for step_name, step in steps.items():
            yield from _Checker(paths[step_name], Scope(parameters, step, steps)).findings()
            yield from _names(project, paths[step_name], step_name, steps)
        yield from _makers(steps, paths)
        yield from _cycle(steps, paths)


def _pools(project: Project) -> Iterator[Finding]:
    """Find pools that cannot be declared, or were not where others were."""
    for name in project.resources:
        if name in ("cpus", "memory", "gpus"):
            yield Finding(
                ("resources", name), f"how many {name} there are is the machine's to say"
                if name != "memory" else "how much memory there is, is the machine's to say",
                "-j N and --resources NAME=N say it for one run", key=True,
            )  # fmt: skip
    if not project.resources:
        return
    for entry_point, entry in project.entry_points.items():
        paths = entry.paths(entry_point)
        for name, step in entry.all_steps(entry_point).items():
            for pool in step.resources.pools if step.resources is not None else ():
                if pool not in project.resources:
                    yield Finding(
                        (*paths[name], "resources", pool), f"there is no pool {pool!r}",
                        did_you_mean(pool, project.resources), key=True,
                        about=frozenset({pool}),
                    )  # fmt: skip


def _parameter_names(path: Path, parameters: Mapping[str, object]) -> Iterator[Finding]:
    for name in parameters:
        if name in RESERVED:
            yield Finding(
                (*path, name),
                f"a parameter cannot be called {name!r}, the name has a meaning of its own",
                f"call it something else, {name}_value",
                key=True,
            )


def _names(project: Project, path: Path, name: str, steps: Mapping[str, Step]) -> Iterator[Finding]:
    step = steps[name]
    for index, needed in enumerate(step.needs):
        if needed not in steps or needed == name:
            wrong = "the step needs itself" if needed == name else f"there is no step {needed!r}"
            others = [other for other in steps if other != name]
            yield Finding(
                _item(path, "needs", index), wrong, did_you_mean(needed, others),
                about=frozenset({needed}),
            )  # fmt: skip
    known = project.environments
    if step.environment is not None and step.environment not in known:
        yield Finding(
            (*path, "environment"), f"there is no environment {step.environment!r}",
            did_you_mean(step.environment, known) or "declare it under 'environments'",
            about=frozenset({step.environment}),
        )  # fmt: skip
    if step.environment is None and known and "default" not in known:
        yield Finding(
            path,
            f"the step {name!r} names no environment, and there is none called 'default'",
            f"add 'environment: {next(iter(known))}', or call one of them 'default'",
            key=True,
            about=frozenset({"default"}),
        )


def _item(path: Path, field: str, index: int) -> Path:
    return (*path, field, index)


class _Checker(NamedTuple):
    """The references and paths of one step."""

    path: Path
    scope: Scope

    def findings(self) -> Iterator[Finding]:
        step = self.scope.step
        yield from self._matrix()
        yield from self._foreach()
        yield from self._command()
        for path, text in self._inputs():
            yield from self._text(path, text, "an input path", {"run", "input", "output"})
            yield from _relative(path, text, "an input path")
        for path, text in self._outputs():
            banned = {"run", "input", "output", "step_output"}
            yield from self._text(path, text, "an output path", banned)
            yield from _relative(path, text, "an output path")
        for index, text in enumerate(step.persist):
            yield from _persisting(_item(self.path, "persist", index), text)
        for key, text in step.env.items():
            yield from self._text((*self.path, "env", key), text, "an environment variable", set())
        for field in ("stdin", "stdout", "working_directory"):
            text = getattr(step, field)
            if text is not None:
                path = (*self.path, field)
                yield from self._text(path, text, f"{field!r}", {"run"})
                yield from _relative(path, text, f"{field!r}")

    def _matrix(self) -> Iterator[Finding]:
        matrix = self.scope.step.matrix
        for key, reference in ({} if matrix is None else matrix.lists).items():
            parameter = self.scope.parameters.get(reference.name)
            if parameter is None or parameter.type != "list":
                lists = [name for name, one in self.scope.parameters.items() if one.type == "list"]
                yield Finding(
                    (*self.path, "matrix", key), f"{reference} is no list parameter",
                    did_you_mean(reference.name, lists)
                    if lists
                    else "declare one: {type: list, items: int, default: [0, 1, 2]}",
                    about=frozenset({reference.name}),
                )  # fmt: skip

    def _foreach(self) -> Iterator[Finding]:
        step, path = self.scope.step, (*self.path, "foreach")
        if step.foreach is None:
            return
        if step.items_from is None:
            yield Finding(
                path, f"{step.foreach!r} is no output of a step",
                'write the name of one that makes a list: "{steps.split.outputs.list}"',
            )  # fmt: skip
            return
        yield from self._reference(path, Reference(step.foreach[1:-1]), "'foreach'", set())
        maker = self.scope.steps.get(step.items_from[0])
        if maker is not None and maker.many:
            yield Finding(
                path, f"the step {step.items_from[0]!r} has instances, each with a list of its own",
                "let one step put them together", about=frozenset({step.items_from[0]}),
            )  # fmt: skip

    def _inputs(self) -> Iterator[tuple[Path, str]]:
        inputs = self.scope.step.inputs
        items = inputs.items() if isinstance(inputs, dict) else enumerate(inputs)
        for key, item in items:
            if not item.remote:
                yield (*self.path, "inputs", key), item.path

    def _outputs(self) -> Iterator[tuple[Path, str]]:
        outputs = self.scope.step.outputs
        items = outputs.items() if isinstance(outputs, dict) else enumerate(outputs)
        for key, item in items:
            yield (*self.path, "outputs", key), item.path
        for index, metrics in enumerate(self.scope.step.metrics):
            yield (*self.path, "metrics", index), metrics

    def _text(self, path: Path, text: str, what: str, banned: set[str]) -> Iterator[Finding]:
        parsed = template.parse(text)
        for reference in parsed.references:
            yield from self._reference(path, reference, what, banned)
            if parsed.whole is None or what != "an input path":
                yield from self._no_list(path, reference)

    def _reference(
        self, path: Path, reference: Reference, what: str, banned: set[str]
    ) -> Iterator[Finding]:
        try:
            meaning = self.scope.meaning(reference)
        except UnknownReference as error:
            yield Finding(path, str(error), error.hint, about=error.about)
        else:
            if meaning in banned:
                yield Finding(path, f"{reference} cannot stand in {what}")

    def _no_list(self, path: Path, reference: Reference) -> Iterator[Finding]:
        parameter = self.scope.parameters.get(reference.name)
        is_list = parameter is not None and parameter.type == "list"
        match reference.parts:
            case ("steps", name, "outputs", _) if name in self.scope.steps:
                is_list = self.scope.steps[name].many  # one path of each instance
        if is_list:
            yield Finding(
                path,
                f"{reference} is a list, which can only be a whole argument",
                "let it stand alone: each of its items becomes one argument",
            )

    def _command(self) -> Iterator[Finding]:
        path = (*self.path, "command")
        step = self.scope.step
        try:
            parsed = step.parsed
        except CommandError as error:
            yield Finding(path, str(error), error.hint)
            return
        for reference in parsed.references:
            yield from self._reference(path, reference, "a command", set())
        if isinstance(parsed, ArgvCommand):
            for token in parsed.tokens:
                if token.whole is None:
                    for reference in token.references:
                        yield from self._no_list(path, reference)
        else:
            for slot in parsed.partial:
                yield from self._no_list(path, slot.reference)


def _relative(path: Path, text: str, what: str) -> Iterator[Finding]:
    first = template.parse(text).parts[:1]
    start = first[0] if first and isinstance(first[0], str) else ""
    if start.startswith(("/", "~")):
        yield Finding(
            path,
            f"{what} is relative to the project, {text!r} is not",
            'a parameter of type path takes files from anywhere: inputs: ["{data}"]',
        )
    if "://" in text:
        yield Finding(path, f"{what} is a path of the project, {text!r} is a URL")
    if "\\" in text and what != "an input path":
        yield Finding(path, f"{what} uses '/' between folders")


def _persisting(path: Path, text: str) -> Iterator[Finding]:
    """Find what is wrong with a folder that persists."""
    folder = posixpath.normpath(text)
    if "{" in text or is_glob(text):
        yield Finding(
            path, f"{text!r} is no plain path",
            "write the name of the folder: each instance of a step has one of its own",
        )  # fmt: skip
    elif folder.startswith("../") or folder in ("..", "."):
        yield Finding(path, f"{text!r} is not inside the project")
    elif is_own(folder):
        yield Finding(path, f"{text!r} cannot persist: it is the project's own")
    yield from _relative(path, text, "a folder that persists")


def _makers(steps: Mapping[str, Step], paths: Mapping[str, Path]) -> Iterator[Finding]:
    makers: dict[str, str] = {}
    for name, step in steps.items():
        own: set[str] = set()
        for path, text in _Checker(paths[name], Scope({}, step, steps))._outputs():  # noqa: SLF001 -- same file
            made = posixpath.normpath(text)
            if _varies(text):
                continue  # what it becomes is known once the values are put in
            if made.startswith("../") or made in ("..", "."):
                yield Finding(path, f"the output {text!r} is not inside the project")
            if is_own(made):
                yield Finding(path, f"no step may make {text!r}: it is the project's own")
            maker = makers.get(made)
            if maker is not None and maker != name:
                yield Finding(
                    path, f"{text!r} is made by the step {maker!r} too",
                    "each output has one maker", about=frozenset({maker}),
                )  # fmt: skip
            elif made in own and path[-2] == "outputs":
                yield Finding(path, f"the output {text!r} is listed twice")
            makers.setdefault(made, name)
            own.add(made)


def _cycle(steps: Mapping[str, Step], paths: Mapping[str, Path]) -> Iterator[Finding]:
    makers = Makers({name: list(_made(step)) for name, step in steps.items()})
    graph = {name: _upstream(name, steps, makers) for name in steps}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        cycle: list[str] = error.args[1]
        yield Finding(
            paths[cycle[0]], f"the steps wait for each other: {' → '.join(cycle)}",
            "remove one of these: an input, a reference or a 'needs'", key=True,
            about=frozenset(cycle),
        )  # fmt: skip


def _made(step: Step) -> Iterator[str]:
    texts = [*(output.path for _, output in step.all_outputs), *step.metrics]
    yield from (posixpath.normpath(text) for text in texts if not _varies(text))


def _varies(text: str) -> bool:
    """Tell whether a path is another one in each instance of a step."""
    return any(one.parts[0] in ("matrix", "item") for one in template.parse(text).references)


def _upstream(name: str, steps: Mapping[str, Step], makers: Makers) -> set[str]:
    """Return the steps before one, as far as the text of the paths tells."""
    step = steps[name]
    wanted = [posixpath.normpath(item.path) for item in step.all_inputs]
    if step.stdin is not None:
        wanted.append(posixpath.normpath(step.stdin))
    before = {needed for needed in step.needs if needed in steps and needed != name}
    if step.items_from is not None and step.items_from[0] in steps:
        before.add(step.items_from[0])
    for reference in _references(step):
        match reference.parts:
            case ("steps", other, "outputs", _) if other in steps:
                before.add(other)
    before.update(maker for want in wanted for maker, _ in makers.of(want))
    return before


def _references(step: Step) -> Iterator[Reference]:
    texts = [item.path for item in step.all_inputs]
    texts += [*step.env.values(), step.stdin or ""]
    parsed: list[Template] = [template.parse(text) for text in texts]
    for one in parsed:
        yield from one.references
    try:
        yield from step.parsed.references
    except CommandError:
        return
