"""From a project and bound values to the steps of a plan."""

import functools
import graphlib
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from runproj.errors import NotSupported, ParameterError, Problem, ProjectError, UsageError
from runproj.lock.lock import lockfile_path
from runproj.plan import command as rendering
from runproj.plan import graph
from runproj.plan.binding import BoundValue
from runproj.plan.command import SYMBOLS, Texts
from runproj.plan.instances import Instance, Known, expanded
from runproj.plan.plan import Items, PlannedInput, PlannedOutput, PlannedStep, Retry
from runproj.plan.selection import is_one_of
from runproj.spec import template
from runproj.spec.matrix import WrongMatrix, group_of
from runproj.spec.parameter import render
from runproj.spec.paths import (
    Makers,
    above,
    below,
    glob_matches,
    is_glob,
    is_own,
    is_such,
    is_within,
    literal,
    matches_any,
    may_take,
)
from runproj.spec.place import Path, Point, dotted
from runproj.spec.project import Input, Output, Project, Step
from runproj.spec.suggest import did_you_mean, nearest
from runproj.spec.template import Reference


class Facts(NamedTuple):
    """What the planner is told about the world.

    ``manifest`` has the source files, relative to the project. ``find`` returns the files outside
    of the source (ignored by git) that a path or glob names, ``digest`` the sha256 of what stands
    at a path or ``run:…`` reference, None when nothing is there. ``caller`` returns a variable of
    the caller, None when it is not set. ``point`` makes a problem that shows a place of the project
    file.
    """

    manifest: Mapping[str, str]
    find: Callable[[str], Sequence[str]]
    digest: Callable[[str], str | None]
    caller: Callable[[str], str | None]
    point: Point
    project_file: str = "runproj.yaml"


@dataclass
class Planner:
    """Plans the steps of one entry point; call :meth:`plan` once.

    ``system`` runs every step on the system, whatever its environment is; ``trace`` and
    ``hermetic`` hold for every step too. ``items`` has what is known of lists that steps make; a
    step with instances that are not known yet is planned as one that waits for its list.
    """

    project: Project
    entry_point: str
    values: Sequence[BoundValue]
    facts: Facts
    system: bool = False
    trace: bool = False
    hermetic: bool = False
    items: Known = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    wrong_values: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        entry = self.project.entry_points[self.entry_point]
        self.declared: Mapping[str, Step] = entry.all_steps(self.entry_point)
        self.places = entry.paths(self.entry_point)
        self.bound = {value.name: value for value in self.values}
        self.groups = expanded(self.declared, self.bound, self.items, self._wrong_matrix)
        self.instances = {one.name: one for group in self.groups.values() for one in group}
        self.steps: Mapping[str, Step] = {name: one.step for name, one in self.instances.items()}
        self.paths = {name: self.places[one.group] for name, one in self.instances.items()}
        self.position = {name: index for index, name in enumerate(self.steps)}
        self.origins = {
            path: source
            for value in self.values
            for path, source in zip(value.paths, value.sources, strict=False)
            if source is not None
        }
        self.in_order = sorted(self.facts.manifest)
        self.own = frozenset(self._own())
        self.matching: dict[str, bool] = {}  # patterns of 'sources' → whether there is such a file
        self.ups = _ups(posixpath.normpath(self.project.source.root))

    def plan(self, chosen: Iterable[str] = ()) -> tuple[PlannedStep, ...]:
        """Plan the chosen steps with what they need; none chosen means all.

        Raises:
            UsageError: a chosen step does not exist.
            NotSupported: a step asks for what cannot be executed yet.
            ProjectError: with every mistake found.
        """
        self._raise_problems()
        self.outputs = {name: self._outputs(name) for name in self.steps}
        self.paths_of: dict[tuple[str, str], Texts] = {}  # of the outputs of a declared step
        self.patterns = dict(self._patterns())
        self._one_maker()
        self.makers = Makers(
            {
                name: [output.path for output in made]
                for name, made in self.outputs.items()
                if not self.instances[name].open
            }
        )
        self.inputs = {name: list(self._inputs(name)) for name in self.steps}
        after = {name: self._after(name) for name in self.steps}
        names = self._ordered(after)
        wanted = self._selected(after, chosen)
        self._refuse_unsupported(wanted)
        planned = tuple(self._step(name, after[name]) for name in names if name in wanted)
        self._raise_problems()
        return planned

    def _raise_problems(self) -> None:
        if self.problems:
            raise ProjectError.of([*self.problems, *self.wrong_values])
        if self.wrong_values:
            raise ParameterError.of(self.wrong_values)

    def hidden(self) -> tuple[str, ...]:
        """Return the source files that no step sees."""
        made = (output.path for outputs in self.outputs.values() for output in outputs)
        later = (path for path in self.facts.manifest if self._is_made_later(path))
        return tuple(sorted({*self.own, *made, *later}))

    def _patterns(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the steps with a ``foreach``, and the paths of what they make, items left open.

        They are the same whether the items are known or not.
        """
        for name, step in self.declared.items():
            if step.foreach is not None:
                known = self.instances.get(name)
                self.instances[name] = Instance(name, name, step, open=True)
                self.paths[name] = self.places[name]
                yield name, [output.path for output in self._outputs(name)]
                if known is None:
                    del self.instances[name], self.paths[name]

    def _is_made_later(self, path: str) -> bool:
        """Tell whether a path is such as an item gives to an output."""
        return any(is_such(path, one) for made in self.patterns.values() for one in made)

    def _is_made(self, path: str) -> bool:
        return self.makers.makes(path) or self._is_made_later(path)

    def _made_by(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield step and output path of all that an input takes, or may take, something of."""
        yield from self.makers.of(text)
        for name, patterns in self.patterns.items():
            if name in self.steps:  # its instances are not known yet
                yield from ((name, one) for one in patterns if may_take(text, one))

    def _own(self) -> Iterator[str]:
        """Yield the project file and the lockfiles: what they say reaches steps by other ways."""
        yield self.facts.project_file
        for name, environment in self.project.environments.items():
            lockfile = lockfile_path(name, environment.kind)
            if lockfile is not None:
                yield lockfile

    def _wrong(self, path: Path, message: str, hint: str | None = None) -> None:
        problem = self.facts.point(path, f"{dotted(path)}: {message}", hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def _wrong_matrix(self, step: str, error: WrongMatrix) -> None:
        """Note what is wrong with a matrix: in the file, or in the value that an axis has."""
        place = (*self.places[step], "matrix")
        reference = None
        if error.key is not None:
            matrix = self.declared[step].matrix
            reference = None if matrix is None else matrix.lists.get(error.key)
            place = (*place, error.key)
        if reference is None:
            self._wrong(place, str(error), error.hint)
        else:
            message = f"{error} in {dotted(place)}"
            self._wrong_value(self.bound[reference.name], message, error.hint)

    def _text(self, text: str, lookup: Callable[[Reference], Texts]) -> str | None:
        return rendering.fill(template.parse(text), lookup)

    def _outputs(self, name: str) -> list[PlannedOutput]:
        step = self.instances[name].step
        outputs = [self._output(name, output, key) for key, output in step.all_outputs]
        made = {output.path: index for index, output in enumerate(outputs)}
        if len(made) < len(outputs):
            self._wrong((*self.paths[name], "outputs"), "an output is listed twice")
        for text in step.metrics:
            planned = self._output(name, Output(path=text), None, "metrics")
            if planned.path in made:
                index = made[planned.path]
                outputs[index] = outputs[index].replace(metrics=True)
            else:
                outputs.append(planned.replace(metrics=True))
                made[planned.path] = len(outputs) - 1
        if step.stdout is not None:
            planned = self._output(name, Output(path=step.stdout), None, "stdout")
            if planned.path not in made:
                outputs.append(planned)
        return outputs

    def _output(
        self, name: str, output: Output, key: str | None, where: str = "outputs"
    ) -> PlannedOutput:
        text = self._text(output.path, self._lookup(name, "."))
        if text is None:
            self._wrong(
                (*self.paths[name], where),
                f"a value in {output.path!r} is null for the step {name!r}",
                "a path needs all of its values",
            )
            text = name  # a path of its own, so that nothing else is said of it
        path = posixpath.normpath(text)
        if path.startswith("/") or _ups(path) or path == ".":
            self._wrong((*self.paths[name], where), f"{text!r} is not inside the project")
        if is_own(path):
            self._wrong(
                (*self.paths[name], where), f"no step may make {text!r}: it is the project's own"
            )
        return PlannedOutput(
            path=path, name=key, compare=output.compare, rtol=output.rtol, atol=output.atol
        )

    def _one_maker(self) -> None:
        """Refuse two steps that make the same once values are put in."""
        makers: dict[str, str] = {}
        alike: set[str] = set()  # steps whose instances make the same: that is said once
        for name, outputs in self.outputs.items():
            group = self.instances[name].group
            if self.instances[name].open:
                continue
            for output in outputs:
                other = makers.setdefault(output.path, name)
                if other != name and self.instances[other].group == group:
                    if group not in alike:
                        alike.add(group)
                        self._wrong(
                            (*self.paths[name], "outputs"),
                            f"{output.path!r} is made by {other!r} and by {name!r}",
                            f"put what differs into its path: {self._differs(other, name)}",
                        )
                elif other != name:
                    self._wrong(
                        (*self.paths[name], "outputs"),
                        f"{output.path!r} is made by the step {other!r} too",
                        "each output has one maker",
                    )
        for inner, maker in makers.items():
            for outer in above(inner):
                if outer in makers and makers[outer] != maker:
                    self._wrong(
                        (*self.paths[maker], "outputs"),
                        f"{inner!r} stands in {outer!r}, which the step {makers[outer]!r} makes",
                    )

    def _differs(self, one: str, other: str) -> str:
        """Return a reference to a key of a matrix in which two of its instances differ."""
        first, second = self.instances[one].values, self.instances[other].values
        key = next(key for key in {**second, **first} if first.get(key) != second.get(key))
        if self.instances[one].step.matrix is not None:
            return f"{{matrix.{key}}}"
        return "{item}" if key == "item" else f"{{item.{key}}}"

    def _place_lookup(self, name: str, reference: Reference) -> Texts:
        """Look up what may stand in a path of a step: values, and outputs of steps."""
        match reference.parts:
            case ("steps", step, "outputs", key):
                return self._output_paths(step, key)
            case ("matrix" | "item" as kind, *keys):
                value = self.instances[name].value(kind, keys[0] if keys else kind)
                return None if value is None else render(value)
        bound = self.bound[reference.name]
        if bound.paths:
            return bound.paths[0] if bound.type == "path" else bound.paths
        return bound.texts

    def _input_lookup(self, name: str, reference: Reference) -> Texts:
        """Look up what may stand in an input of a step, where names of files are no globs."""
        found = self._place_lookup(name, reference)
        kind, *rest = reference.parts
        group = rest[0] if kind == "steps" else self.instances[name].group
        if found is None or kind not in ("steps", "item") or self._is_open(group):
            return found
        return literal(found) if isinstance(found, str) else tuple(map(literal, found))

    def _is_open(self, group: str) -> bool:
        """Tell whether the instances of a step are not known yet: their paths hold ``*``."""
        return any(one.open for one in self.groups[group])

    def _output_paths(self, step: str, name: str) -> Texts:
        """Return the path of an output; those of all instances of a step that has some."""
        known = self.paths_of.get((step, name))
        if known is None:
            paths = tuple(
                next(output.path for output in self.outputs[one.name] if output.name == name)
                for one in self.groups[step]
            )
            known = paths if self.declared[step].many else paths[0]
            self.paths_of[step, name] = known
        return known

    def _inputs(self, name: str) -> Iterator[tuple[Path, str, Input]]:
        """Yield place in the file, rendered path and declaration of every input."""
        step, base = self.steps[name], self.paths[name]
        lookup = functools.partial(self._input_lookup, name)
        items = step.inputs.items() if isinstance(step.inputs, dict) else enumerate(step.inputs)
        for key, item in items:
            for text in rendering.tokens(template.parse(item.path), lookup):
                yield (*base, "inputs", key), posixpath.normpath(text), item
        stdin = self._stream(name, step.stdin)
        if stdin is not None:
            yield (*base, "stdin"), stdin, Input(path=stdin)
        own = {output.path for output in self.outputs[name]}
        outputs_of = [template.parse(output.path).references for _, output in step.all_outputs]
        naming = {reference.name for references in outputs_of for reference in references}
        instance = self.instances[name]
        for path, reference in self._referring(name):
            match reference.parts:
                case ("steps", other, "outputs", key) if other != instance.group:
                    for text in _each(self._input_lookup(name, reference)):
                        yield path, text, Input(path=text)
                case ("matrix", key) if key in instance.files and reference.name not in naming:
                    text = str(instance.values[key])
                    yield path, text, Input(path=text)
                case (value,) if value in self.bound and value not in naming:
                    for text in self.bound[value].paths:
                        if text not in own:
                            yield path, text, Input(path=text)

    def _referring(self, name: str) -> Iterator[tuple[Path, Reference]]:
        """Yield the references through which a step gets at files that it need not declare."""
        step, base = self.steps[name], self.paths[name]
        for reference in step.parsed.references:
            yield (*base, "command"), reference
        for key, text in step.env.items():
            for reference in template.parse(text).references:
                yield (*base, "env", key), reference
        for reference in template.parse(step.working_directory or "").references:
            yield (*base, "working_directory"), reference

    def _after(self, name: str) -> list[str]:
        """Return the steps that must be done before one, in declared order."""
        before = {step for _, path, _ in self.inputs[name] for step, _ in self._made_by(path)}
        maker = self.steps[name].items_from
        before.update(() if maker is None else (maker[0],))
        for needed in self.steps[name].needs:
            before.update(one.name for one in self.groups[needed])
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
        wanted: set[str] = set()
        for name in chosen:
            if name in self.steps:
                wanted.add(name)
                continue
            group = self.groups.get(group_of(name), ())
            found = {one.name for one in group if one.open or is_one_of(one.name, (name,))}
            if not found:
                known = [*self.declared, *(one.name for one in group[:_SHOWN])]
                raise UsageError(
                    f"the entry point {self.entry_point!r} has no step {name!r}",
                    where=self.facts.project_file,
                    hint=did_you_mean(name, known),
                )
            wanted |= found
        return graph.with_ancestors(after, wanted) if chosen else set(self.steps)

    def _refuse_unsupported(self, wanted: set[str]) -> None:
        problems = []
        for name in dict.fromkeys(self.instances[one].group for one in self.steps if one in wanted):
            for key, what in _unsupported(self.declared[name]):
                path = (*self.places[name], key)
                problems.append(
                    self.facts.point(
                        path,
                        f"{dotted(path)}: {what} is not supported yet",
                        "this version checks it, and cannot execute it",
                    )
                )
        if problems:
            raise NotSupported.of(problems)

    def _step(self, name: str, after: list[str]) -> PlannedStep:
        step = self.steps[name]
        if self.instances[name].open:
            return self._open_step(name, after)
        directory = self._directory(name)
        lookup = self._lookup(name, directory)
        inputs = tuple(self._planned_inputs(name))
        self._check_sources(name)
        self._check_directory(name, directory, inputs)
        argv, values = rendering.render(step.parsed, lookup)
        if not argv:
            self._wrong((*self.paths[name], "command"), "no argument is left, all values are null")
        env = {key: self._text(text, lookup) for key, text in step.env.items()}
        return PlannedStep(
            name=name,
            description=step.description,
            argv=argv,
            environment=self._environment(step),
            env={**{key: text for key, text in env.items() if text is not None}, **values},
            pass_env={key: self.facts.caller(key) for key in step.pass_env},
            secrets=step.secrets,
            inputs=inputs,
            outputs=tuple(self.outputs[name]),
            after=tuple(after),
            sources=_normal(step.sources),
            working_directory=directory,
            stdin=self._stream(name, step.stdin),
            stdout=self._stream(name, step.stdout),
            timeout_s=step.timeout,
            cache=step.cache,
            trace=step.trace or self.trace,
            hermetic=step.hermetic or self.hermetic,
            network=step.network,
            retry=_retry(step),
            persist=self._persist(name, inputs),
            resources={} if step.resources is None else step.resources.amounts,
            parameters=dict(self._used_values(name)),
            instance=dict(self.instances[name].values),
        )

    def _open_step(self, name: str, after: list[str]) -> PlannedStep:
        """Plan what stands for instances that are not known yet; it needs what they will need."""
        step = self.steps[name]
        maker, output = step.items_from or ("", "")
        (path,) = _each(self._output_paths(maker, output))
        return PlannedStep(
            name=name,
            description=step.description,
            argv=(),
            environment=self._environment(step),
            secrets=step.secrets,
            after=tuple(after),
            trace=step.trace or self.trace,
            hermetic=step.hermetic or self.hermetic,
            network=step.network,
            resources={} if step.resources is None else step.resources.amounts,
            foreach=Items(step=maker, path=path),
        )

    def _check_sources(self, name: str) -> None:
        for index, pattern in enumerate(_normal(self.steps[name].sources) or ()):
            if pattern not in self.matching:
                self.matching[pattern] = any(
                    matches_any(path, [pattern]) for path in self.facts.manifest
                )
            if not self.matching[pattern]:
                self._wrong(
                    (*self.paths[name], "sources", index),
                    f"{pattern!r} matches no file of the source",
                )

    def _check_directory(self, name: str, directory: str, inputs: Sequence[PlannedInput]) -> None:
        """Refuse a working directory that will not be there."""
        place = (*self.paths[name], "working_directory")
        if directory.startswith("/") or _ups(directory) > self.ups:
            self._wrong(place, f"{directory!r} is not inside the project")
        elif directory != "." and not any(below(directory, self.in_order)):
            # the folders of outputs are made before the step executes
            parents = (posixpath.dirname(output.path) for output in self.outputs[name])
            there = (*(item.path for item in inputs), *parents)
            if not any(_stands_in(path, directory) for path in there):
                self._wrong(
                    place, f"there is no folder {directory!r}",
                    "it holds no file of the source, and no input of the step",
                )  # fmt: skip

    def _persist(self, name: str, inputs: Sequence[PlannedInput]) -> tuple[str, ...]:
        """Return the folders that persist: nothing else may stand there when the step begins."""
        folders = tuple(dict.fromkeys(map(posixpath.normpath, self.steps[name].persist)))
        for index, folder in enumerate(folders):
            place = (*self.paths[name], "persist", index)
            found = next(iter(below(folder, self.in_order)), None)
            if folder in self.facts.manifest or found is not None:
                self._wrong(
                    place, f"{found or folder!r} is in the source, and {folder!r} persists",
                    "name it in .gitignore or .runprojignore, or let the step use another folder",
                )  # fmt: skip
                continue
            given = next((item.path for item in inputs if _stands_in(item.path, folder)), None)
            if given is not None:
                self._wrong(
                    place, f"the input {given!r} and {folder!r}, which persists, are in each other",
                    "what persists is no input: let the step use another folder",
                )  # fmt: skip
        return folders

    def _environment(self, step: Step) -> str:
        if self.system or not self.project.environments:
            return "system"
        return step.environment or "default"

    def _stream(self, name: str, text: str | None) -> str | None:
        """Return the file of a standard stream; a value that is null means none."""
        found = None if text is None else self._text(text, self._lookup(name, "."))
        return found and posixpath.normpath(found)

    def _directory(self, name: str) -> str:
        text = self.steps[name].working_directory or "."
        return posixpath.normpath(self._text(text, self._lookup(name, ".")) or ".")

    def _used_values(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield name and text of the values that a step refers to, wherever it does."""
        step = self.steps[name]
        texts = [item.path for item in step.all_inputs]
        texts += [output.path for _, output in step.all_outputs]
        texts += [*step.metrics, step.stdin or "", step.stdout or ""]
        references = [reference for _, reference in self._referring(name)]
        for text in texts:
            references += template.parse(text).references
        for reference in references:
            if reference.parts[0] in ("matrix", "item"):
                yield reference.name, _shown(self._place_lookup(name, reference))
            value = self.bound.get(reference.name)
            if value is not None:
                yield reference.name, _shown(value.texts)

    def _lookup(self, name: str, directory: str) -> Callable[[Reference], Texts]:
        """Look up what a step refers to; paths are as seen from a folder of the project."""
        step, files = self.instances[name].step, self.instances[name].files
        place_lookup = functools.partial(self._place_lookup, name)

        def lookup(reference: Reference) -> Texts:
            bound = self.bound.get(reference.name)
            match reference.parts:
                case ("run", "id") | ("workspace",):
                    return SYMBOLS[reference.name]
                case ("inputs", key):
                    path = template.parse(step.inputs_by_name[key].path)
                    return seen(rendering.tokens(path, place_lookup))
                case ("outputs", key):
                    text = self._text(step.outputs_by_name[key].path, place_lookup)
                    return seen((text or "",))
            texts = place_lookup(reference)
            kind, *keys = reference.parts
            is_path = kind == "steps" or (kind == "matrix" and keys[0] in files)
            is_path = is_path or (bound is not None and bool(bound.paths))
            if texts is None or not is_path:
                return texts
            return seen((texts,)) if isinstance(texts, str) else tuple(map(see, texts))

        def seen(paths: tuple[str, ...]) -> Texts:
            found = tuple(map(see, paths))
            return found[0] if len(found) == 1 else found

        def see(path: str) -> str:
            return seen_from(directory, posixpath.normpath(path))

        return lookup

    def _planned_inputs(self, name: str) -> Iterator[PlannedInput]:
        seen: set[tuple[str, str | None]] = set()
        for path, text, item in self.inputs[name]:
            if text.startswith("/") or _ups(text) > self.ups:
                self._wrong(
                    path, f"{text!r} is not inside the project",
                    "a parameter of type path takes files from anywhere",
                )  # fmt: skip
                continue
            if text in self.own:
                self._wrong(
                    path, f"{text!r} cannot be an input: no step sees it",
                    "give a step what it needs as a parameter, or in a file of its own",
                )  # fmt: skip
                continue
            found = list(self._resolve(name, text, item))
            if not found and self._may_be_empty(text):
                continue
            if not found and any(output.path == text for output in self.outputs[name]):
                self._wrong(path, f"{text!r} is made by the step itself: it cannot be an input")
            elif not found:
                self._missing(path, text)
            for planned in found:
                if (planned.path, planned.output) not in seen:
                    seen.add((planned.path, planned.output))
                    yield planned

    def _may_be_empty(self, text: str) -> bool:
        """Tell whether an input takes what instances make, of which there may be none."""
        return any(
            may_take(text, one) and (is_glob(text) or not is_such(text, one))
            for made in self.patterns.values()
            for one in made
        )

    def _missing(self, path: Path, text: str) -> None:
        outside = self._outside(text)
        if outside is not None:
            self._wrong_value(self._given(outside), f"{self.origins[outside]!r} is not there")
            return
        known = [*self.makers.maker, *self.facts.manifest]
        near = nearest(text, known) if len(known) < _MANY else None
        hint = None if near is None else f"did you mean {near!r}?"
        message = f"{text!r} is not there, and no step makes it"
        if any(text in value.paths for value in self.values):
            self._wrong_value(self._given(text), message, hint)
        else:
            self._wrong(path, message, hint)

    def _given(self, path: str) -> BoundValue:
        """Return the value that a path is (one of)."""
        return next(one for one in self.values if path in one.paths)

    def _wrong_value(self, value: BoundValue, message: str, hint: str | None = None) -> None:
        """Note what is wrong with a value, where the value comes from."""
        if value.origin == "default":
            self._wrong(self._default_of(value.name), message, hint)
            return
        where = f"-P {value.name}" if value.origin == "command line" else value.origin
        if "://" in (value.raw or ""):
            hint = "a parameter of type 'uri' takes an address"
        problem = Problem(f"{value.name}: {message}", where, hint=hint)
        if problem not in self.wrong_values:  # several steps may read it
            self.wrong_values.append(problem)

    def _default_of(self, parameter: str) -> Path:
        own = self.project.entry_points[self.entry_point].parameters
        shared: Path = ("parameters", parameter, "default")
        return ("entry_points", self.entry_point, *shared) if parameter in own else shared

    def _outside(self, text: str) -> str | None:
        """Return the path value from outside of the project of which an input is (a part)."""
        return next((path for path in above(text) if path in self.origins), None)

    def _resolve(self, name: str, text: str, item: Input) -> Iterator[PlannedInput]:
        """Find where an input comes from: steps, the source, elsewhere."""
        outside = self._outside(text)
        if outside is not None:  # a part of what was given comes with all of it
            yield from self._file(outside, self.origins[outside], item)
            return
        made = [(step, path) for step, path in self._made_by(text) if step != name]
        for step, path in made:
            within = text if is_within(text, path) else path
            yield PlannedInput(path=within, kind="step", step=step, output=path)
        in_source = self._in_source(text)
        for path in in_source:
            yield PlannedInput(path=path, kind="source")
        if made and not is_glob(text):
            return
        elsewhere = self._elsewhere(text, in_source)
        for path in elsewhere:
            if is_glob(text) and any(below(path, self.in_order)):  # a folder of the source
                inside = any(other.startswith(f"{path}/") for other in (*in_source, *elsewhere))
                if not inside:  # the glob takes it as a whole
                    yield from self._resolve(name, path, item)
                continue
            known = path in self.facts.manifest or path in in_source or path in self.own
            if not known and not self._is_made(path):
                yield from self._file(path, path, item)

    def _elsewhere(self, text: str, in_source: list[str]) -> Sequence[str]:
        """Return what stands at a path; of a source folder, what is not source."""
        if is_glob(text) or text not in in_source:
            return self.facts.find(text)
        if text in self.facts.manifest:
            return []
        found = self.facts.find(f"{text}/**/*")
        folders = {parent for path in found for parent in above(path.rpartition("/")[0])}
        return [path for path in found if path not in folders and "__pycache__" not in path]

    def _file(self, path: str, origin: str, item: Input) -> Iterator[PlannedInput]:
        sha256 = self.facts.digest(origin)
        if item.sha256 not in (None, sha256) and sha256 is not None:
            self.problems.append(
                Problem(f"the input {path!r} is not what its sha256 says: it has {sha256}")
            )
        if sha256 is not None:
            yield PlannedInput(path=path, kind="file", origin=origin, sha256=sha256, keep=item.keep)

    def _in_source(self, text: str) -> list[str]:
        """Return what an input takes of the source, without what steps make."""
        if text in self.facts.manifest:
            return [] if self._is_made(text) else [text]
        if is_glob(text):
            return [
                path
                for path in self.facts.manifest
                if path not in self.own and glob_matches(text, path) and not self._is_made(path)
            ]
        inside = below("" if text == "." else text, self.in_order)
        return [text] if any(not self._is_made(path) for path in inside) else []


def _shown(texts: Texts) -> str:
    """Return a value as text that no other value has."""
    if texts is None:
        return "null"
    if isinstance(texts, str):
        plain = texts == texts.strip() and texts not in ("", "null")
        return texts if plain else json.dumps(texts, ensure_ascii=False)
    if texts and all(
        text and text == text.strip() and not set(text) & set(',"[]') for text in texts
    ):
        return ",".join(texts)
    return json.dumps(texts, ensure_ascii=False)


def _stands_in(path: str, folder: str) -> bool:
    """Tell whether something at a path makes that a folder is there (or may be)."""
    return f"{path}/".startswith(f"{folder}/") or folder.startswith(f"{path}/")


def _ups(path: str) -> int:
    """Return how many folders a path climbs out of the project."""
    return path.split("/").count("..")


def _each(texts: Texts) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts or ()


def _normal(paths: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if paths is None else tuple(map(posixpath.normpath, paths))


def seen_from(directory: str, path: str) -> str:
    """Return a path of the project as seen from a folder of it.

    >>> seen_from("sub", "data/x.csv"), seen_from(".", "data/x.csv")
    ('../data/x.csv', 'data/x.csv')
    """
    if directory == ".":
        return path
    return posixpath.relpath(f"{_DEEP}/{path}", f"{_DEEP}/{directory}")


_DEEP = "/_" * 32  # stands for the project: a path may climb out of it into a wider source
_SHOWN = 8  # instances of a step that could be meant
_MANY = 10_000  # comparing a name with so many others would be slow


def _retry(step: Step) -> Retry | None:
    said = step.retrying
    if not said.times:
        return None
    return Retry(
        times=said.times, delay_s=said.delay or 0.0, backoff=float(said.backoff),
        exit_codes=said.exit_codes,
    )  # fmt: skip


def _unsupported(step: Step) -> Iterator[tuple[str, str]]:
    for item in step.all_inputs:
        if item.remote:
            yield "inputs", "an input from a URL"
        if item.link:
            yield "inputs", "a linked input"
        if item.keep == "reference":
            yield "inputs", "an input that is kept by reference"
