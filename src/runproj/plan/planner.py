"""From a project and bound values to the steps of a plan."""

import graphlib
import itertools
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runproj.errors import NotSupported, Problem, ProjectError, UsageError
from runproj.lock.lock import lockfile_path
from runproj.plan import command as rendering
from runproj.plan import graph
from runproj.plan.binding import BoundValue
from runproj.plan.command import SYMBOLS, Texts
from runproj.plan.plan import PlannedInput, PlannedOutput, PlannedStep
from runproj.spec import command, template
from runproj.spec.check import step_paths
from runproj.spec.document import Path, dotted
from runproj.spec.paths import Makers, glob_matches, is_glob, is_within
from runproj.spec.project import Input, Output, Project, Step
from runproj.spec.suggest import did_you_mean
from runproj.spec.template import Reference


@dataclass(frozen=True, slots=True)
class Facts:
    """What the planner is told about the world.

    ``manifest`` has the source files, relative to the project. ``find`` returns the files outside
    of the source (ignored by git) that a path or glob names, ``digest`` the sha256 of what stands
    at a path or ``run:…`` reference, None when nothing is there. ``caller`` is the caller's
    environment. ``point`` makes a problem that shows a place of the project file.
    """

    manifest: Mapping[str, str]
    find: Callable[[str], Sequence[str]]
    digest: Callable[[str], str | None]
    caller: Mapping[str, str]
    point: Callable[[Path, str, str | None], Problem]
    project_file: str = "runproj.yaml"


@dataclass
class Planner:
    """Plans the steps of one entry point; call :meth:`plan` once."""

    project: Project
    entry_point: str
    values: Sequence[BoundValue]
    facts: Facts
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        entry = self.project.entry_points[self.entry_point]
        self.steps: Mapping[str, Step] = entry.all_steps(self.entry_point)
        self.paths = step_paths(self.entry_point, entry)
        self.position = {name: index for index, name in enumerate(self.steps)}
        self.bound = {value.name: value for value in self.values}

    def plan(self, chosen: Iterable[str] = ()) -> tuple[PlannedStep, ...]:
        """Plan the chosen steps with what they need; none chosen means all.

        Raises:
            UsageError: a chosen step does not exist.
            NotSupported: a step asks for what cannot be executed yet.
            ProjectError: with every mistake found.
        """
        self.outputs = {name: self._outputs(name) for name in self.steps}
        self._one_maker()
        self.makers = Makers(
            {name: [output.path for output in made] for name, made in self.outputs.items()}
        )
        self.inputs = {name: list(self._inputs(name)) for name in self.steps}
        after = {name: self._after(name) for name in self.steps}
        names = self._ordered(after)
        wanted = self._selected(after, chosen)
        self._refuse_unsupported(wanted)
        planned = tuple(self._step(name, after[name]) for name in names if name in wanted)
        if self.problems:
            raise ProjectError.of(self.problems)
        return planned

    def hidden(self) -> tuple[str, ...]:
        """Return the source files that no step sees."""
        locks = (
            lockfile_path(name, environment.kind)
            for name, environment in self.project.environments.items()
        )
        made = (output.path for outputs in self.outputs.values() for output in outputs)
        every = {self.facts.project_file, *filter(None, locks), *made}
        return tuple(sorted(every))

    def _wrong(self, path: Path, message: str, hint: str | None = None) -> None:
        self.problems.append(self.facts.point(path, f"{dotted(path)}: {message}", hint))

    def _text(self, text: str, lookup: Callable[[Reference], Texts]) -> str | None:
        return rendering.fill(template.parse(text), lookup)

    def _outputs(self, name: str) -> list[PlannedOutput]:
        step = self.steps[name]
        outputs = [self._output(name, output, key) for key, output in step.all_outputs]
        made = {output.path: index for index, output in enumerate(outputs)}
        for text in step.metrics:
            planned = self._output(name, Output(path=text), None)
            if planned.path in made:
                index = made[planned.path]
                outputs[index] = outputs[index].model_copy(update={"metrics": True})
            else:
                outputs.append(planned.model_copy(update={"metrics": True}))
                made[planned.path] = len(outputs) - 1
        if step.stdout is not None:
            planned = self._output(name, Output(path=step.stdout), None)
            if planned.path not in made:
                outputs.append(planned)
        return outputs

    def _output(self, name: str, output: Output, key: str | None) -> PlannedOutput:
        text = self._text(output.path, self._place_lookup) or ""
        path = posixpath.normpath(text)
        if path.startswith(("../", "/")) or path in ("..", "."):
            self._wrong((*self.paths[name], "outputs"), f"{text!r} is not inside the project")
        return PlannedOutput(
            path=path, name=key, compare=output.compare, rtol=output.rtol, atol=output.atol
        )

    def _one_maker(self) -> None:
        """Refuse two steps that make the same once values are put in."""
        makers: dict[str, str] = {}
        for name, outputs in self.outputs.items():
            for output in outputs:
                other = makers.setdefault(output.path, name)
                if other != name:
                    self._wrong(
                        (*self.paths[name], "outputs"),
                        f"{output.path!r} is made by the step {other!r} too",
                        "each output has one maker",
                    )
        ordered = sorted(makers)
        for outer, inner in itertools.pairwise(ordered):
            if inner.startswith(outer + "/") and makers[inner] != makers[outer]:
                self._wrong(
                    (*self.paths[makers[inner]], "outputs"),
                    f"{inner!r} stands in {outer!r}, which the step {makers[outer]!r} makes",
                )

    def _place_lookup(self, reference: Reference) -> Texts:
        """Look up what may stand in a path: values, and outputs of steps."""
        match reference.parts:
            case ("steps", step, "outputs", name):
                return self._output_path(step, name)
            case (name,) if name in self.bound:
                bound = self.bound[name]
                if bound.paths:
                    return bound.paths[0] if bound.type == "path" else bound.paths
                return bound.texts
        return str(reference)

    def _output_path(self, step: str, name: str) -> str:
        return next(output.path for output in self.outputs[step] if output.name == name)

    def _inputs(self, name: str) -> Iterator[tuple[Path, str, Input]]:
        """Yield place in the file, rendered path and declaration of every input."""
        step, base = self.steps[name], self.paths[name]
        items = step.inputs.items() if isinstance(step.inputs, dict) else enumerate(step.inputs)
        for key, item in items:
            for text in rendering.tokens(template.parse(item.path), self._place_lookup):
                yield (*base, "inputs", key), posixpath.normpath(text), item
        if step.stdin is not None:
            text = self._text(step.stdin, self._any_lookup(name)) or ""
            yield (*base, "stdin"), posixpath.normpath(text), Input(path=step.stdin)
        own = {output.path for output in self.outputs[name]}
        outputs_of = [template.parse(output.path).references for _, output in step.all_outputs]
        naming = {reference.name for references in outputs_of for reference in references}
        for path, reference in self._references(name):
            match reference.parts:
                case ("steps", other, "outputs", key) if other != name:
                    text = self._output_path(other, key)
                    yield path, text, Input(path=text)
                case (value,) if value in self.bound and value not in naming:
                    for text in self.bound[value].paths:
                        if text not in own:
                            yield path, text, Input(path=text)

    def _references(self, name: str) -> Iterator[tuple[Path, Reference]]:
        step, base = self.steps[name], self.paths[name]
        if step.command is not None:
            for reference in command.parse(step.command, step.shell).references:
                yield (*base, "command"), reference
        for key, text in step.env.items():
            for reference in template.parse(text).references:
                yield (*base, "env", key), reference

    def _after(self, name: str) -> list[str]:
        """Return the steps that must be done before one, in declared order."""
        before = {step for _, path, _ in self.inputs[name] for step, _ in self.makers.of(path)}
        before.update(self.steps[name].needs)
        return sorted(before - {name}, key=self.position.__getitem__)

    def _ordered(self, after: Mapping[str, list[str]]) -> list[str]:
        try:
            return graph.order(after)
        except graphlib.CycleError as error:
            cycle = error.args[1]
            self._wrong(self.paths[cycle[0]], f"the steps wait for each other: {' → '.join(cycle)}")
            raise ProjectError.of(self.problems) from None

    def _selected(self, after: Mapping[str, list[str]], chosen: Iterable[str]) -> set[str]:
        chosen = list(chosen)
        for name in chosen:
            if name not in self.steps:
                raise UsageError(
                    f"the entry point {self.entry_point!r} has no step {name!r}",
                    hint=did_you_mean(name, self.steps),
                )
        return graph.with_ancestors(after, chosen) if chosen else set(self.steps)

    def _refuse_unsupported(self, wanted: set[str]) -> None:
        problems = []
        for name in self.steps:
            if name in wanted:
                for key, what in _unsupported(self.project, self.steps[name]):
                    path = (*self.paths[name], key)
                    problems.append(
                        self.facts.point(
                            path,
                            f"{dotted(path)}: {what} cannot be executed yet: not supported yet",
                            None,
                        )
                    )
        if problems:
            raise NotSupported.of(problems)

    def _step(self, name: str, after: list[str]) -> PlannedStep:
        step = self.steps[name]
        lookup = self._any_lookup(name)
        assert step.command is not None  # noqa: S101 -- Step refuses to be without one
        argv, values = rendering.render(command.parse(step.command, step.shell), lookup)
        if not argv:
            self._wrong((*self.paths[name], "command"), "no argument is left, all values are null")
        env = {key: self._text(text, lookup) for key, text in step.env.items()}
        return PlannedStep(
            name=name,
            description=step.description,
            argv=argv,
            environment=step.environment or ("default" if self.project.environments else "system"),
            env={**{key: text for key, text in env.items() if text is not None}, **values},
            pass_env={key: self.facts.caller.get(key) for key in step.pass_env},
            inputs=tuple(self._planned_inputs(name)),
            outputs=tuple(self.outputs[name]),
            after=tuple(after),
            sources=step.sources,
            working_directory=self._directory(name),
            stdin=self._stream(step.stdin, lookup),
            stdout=self._stream(step.stdout, lookup),
            timeout_s=step.timeout,
            cache=step.cache,
            parameters=dict(self._used_values(name)),
        )

    def _stream(self, text: str | None, lookup: Callable[[Reference], Texts]) -> str | None:
        return None if text is None else posixpath.normpath(self._text(text, lookup) or "")

    def _directory(self, name: str) -> str:
        text = self.steps[name].working_directory or "."
        return posixpath.normpath(self._text(text, self._place_lookup) or ".")

    def _used_values(self, name: str) -> Iterator[tuple[str, str]]:
        for _, reference in self._references(name):
            value = self.bound.get(reference.name)
            if value is not None:
                texts = value.texts
                shown = ",".join(texts) if isinstance(texts, tuple) else texts
                yield reference.name, "null" if shown is None else shown

    def _any_lookup(self, name: str) -> Callable[[Reference], Texts]:
        """Look up a reference in a command of a step; paths as seen from where it runs."""
        step = self.steps[name]
        directory = "." if step.working_directory is None else self._directory(name)

        def lookup(reference: Reference) -> Texts:
            match reference.parts:
                case ("run", "id") | ("workspace",):
                    return SYMBOLS[reference.name]
                case ("inputs", key):
                    path = self._text(step.inputs_by_name[key].path, self._place_lookup) or ""
                    return seen_from(directory, posixpath.normpath(path))
                case ("outputs", key):
                    return seen_from(directory, self._output_path(name, key))
            texts = self._place_lookup(reference)
            bound = self.bound.get(reference.name)
            if reference.parts[0] == "steps" or (bound is not None and bound.paths):
                many = (texts,) if isinstance(texts, str) else texts or ()
                seen = tuple(seen_from(directory, text) for text in many)
                return seen[0] if isinstance(texts, str) else seen
            return texts

        return lookup

    def _planned_inputs(self, name: str) -> Iterator[PlannedInput]:
        seen: set[tuple[str, str | None]] = set()
        for path, text, item in self.inputs[name]:
            found = list(self._resolve(name, text, item))
            if not found:
                self._wrong(
                    path, f"{text!r} is not there, and no step makes it", self._nearby(text)
                )
            for planned in found:
                if (planned.path, planned.output) not in seen:
                    seen.add((planned.path, planned.output))
                    yield planned

    def _nearby(self, text: str) -> str | None:
        known = [*self.makers.maker, *self.facts.manifest]
        return did_you_mean(text, known) if len(known) < _MANY else None

    def _resolve(self, name: str, text: str, item: Input) -> Iterator[PlannedInput]:
        """Find where an input comes from: steps, the source, elsewhere."""
        origin = self._origin(text)
        if origin is not None:
            yield from self._file(text, origin, item)
            return
        made = [(step, path) for step, path in self.makers.of(text) if step != name]
        for step, path in made:
            within = text if is_within(text, path) else path
            yield PlannedInput(path=within, kind="step", step=step, output=path)
        in_source = self._in_source(text)
        for path in in_source:
            yield PlannedInput(path=path, kind="source")
        if made and not is_glob(text):
            return
        for path in self.facts.find(text):
            if (
                path not in self.facts.manifest
                and path not in self.makers
                and path not in in_source
            ):
                yield from self._file(path, path, item)

    def _file(self, path: str, origin: str, item: Input) -> Iterator[PlannedInput]:
        sha256 = self.facts.digest(origin)
        if sha256 is not None:
            yield PlannedInput(path=path, kind="file", origin=origin, sha256=sha256, keep=item.keep)

    def _origin(self, text: str) -> str | None:
        for value in self.bound.values():
            for path, source in zip(value.paths, value.sources, strict=False):
                if path == text and source is not None:
                    return source
        return None

    def _in_source(self, text: str) -> list[str]:
        manifest = self.facts.manifest
        if text in manifest:
            return [] if text in self.makers else [text]
        if is_glob(text):
            return [
                path for path in manifest if glob_matches(text, path) and path not in self.makers
            ]
        inside = (path for path in manifest if path.startswith(text + "/") or text == ".")
        return [text] if any(path not in self.makers for path in inside) else []


def seen_from(directory: str, path: str) -> str:
    """Return a path of the project as seen from a folder of it.

    >>> seen_from("sub", "data/x.csv"), seen_from(".", "data/x.csv")
    ('../data/x.csv', 'data/x.csv')
    """
    if directory == ".":
        return path
    return posixpath.relpath(f"/{path}", f"/{directory}")


_MANY = 10_000  # comparing a name with so many others would be slow
_LATER: tuple[tuple[str, str], ...] = (
    ("matrix", "a matrix"),
    ("secrets", "a secret"),
    ("resources", "a resource request"),
    ("retries", "a retry"),
    ("persist", "a folder that persists"),
    ("trace", "tracing"),
    ("hermetic", "a hermetic step"),
)


def _unsupported(project: Project, step: Step) -> Iterator[tuple[str, str]]:
    for key, what in _LATER:
        if getattr(step, key):
            yield key, what
    environment = project.environments.get(step.environment or "default")
    if environment is not None and environment.kind in ("conda", "docker"):
        yield "environment", f"an environment of kind {environment.kind!r}"
    for item in step.all_inputs:
        if item.remote:
            yield "inputs", "an input from a URL"
        if item.link:
            yield "inputs", "a linked input"
        if item.keep == "reference":
            yield "inputs", "an input that is kept by reference"
