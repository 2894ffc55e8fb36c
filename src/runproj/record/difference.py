"""What differs between two runs, group by group; what is equal is left out."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from runproj.model import Key, Model
from runproj.record.organising import UNSAID, Organised
from runproj.record.program import replaced
from runproj.record.relation import in_a_line
from runproj.record.run import Host, Run, StepRun


class Change(Model):
    """One thing that differs; None where it is not there.

    ``about`` is the step or environment that it belongs to. What ``before`` and ``after`` are
    depends on the group: values, versions, numbers, or the first digits of a digest.
    """

    name: str
    about: str | None = None
    before: Annotated[Any, Key("from")] = None
    after: Annotated[Any, Key("to")] = None


class Difference(Model):
    """What differs between the runs ``a`` and ``b``.

    ``source`` has files, ``steps`` commands and whether a step is there, ``environment`` packages
    and interpreters, ``machine`` the facts about the hosts that may matter, and their programs,
    ``annotations`` names and tags, and the notes that only one of the two has. ``relation`` is a
    sentence when one of the two repeats the other.
    """

    a: str
    b: str
    source: tuple[Change, ...] = ()
    params: tuple[Change, ...] = ()
    steps: tuple[Change, ...] = ()
    environment: tuple[Change, ...] = ()
    inputs: tuple[Change, ...] = ()
    outputs: tuple[Change, ...] = ()
    metrics: tuple[Change, ...] = ()
    machine: tuple[Change, ...] = ()
    annotations: tuple[Change, ...] = ()
    relation: str | None = None

    @property
    def groups(self) -> dict[str, tuple[Change, ...]]:
        """The groups that hold something, by name."""
        return {
            name: group
            for name, group in vars(self).items()
            if group and name not in ("a", "b", "relation")
        }


_MACHINE = ("name", "platform", "release", "cpu", "cores", "memory", "gpus", "gpu_driver")


def difference(
    a: Run,
    b: Run,
    source: Mapping[str, tuple[str | None, str | None]],
    packages: Mapping[str, list[tuple[str, str | None, str | None]]],
    outside: Iterable[Change] = (),
    said: tuple[Organised, Organised] = (UNSAID, UNSAID),
) -> Difference:
    """Compare two runs.

    Args:
        a: the one.
        b: the other.
        source: path → object ids of the files of the code that differ.
        packages: environment → name, version in ``a`` and in ``b`` of what differs in it.
        outside: inputs that nobody declared.
        said: what is said of the two.
    """
    then, now = a.by_name, b.by_name
    return Difference(
        a=a.id,
        b=b.id,
        source=tuple(
            Change(name=path, before=_short(old), after=_short(new))
            for path, (old, new) in source.items()
        ),
        params=tuple(_changes(a.params, b.params)),
        steps=tuple(_steps(a, b)),
        environment=tuple(
            Change(name=name, about=environment, before=old, after=new)
            for environment, changed in packages.items()
            for name, old, new in changed
        ),
        inputs=(*_files(a, b, "inputs"), *outside),
        outputs=tuple(_files(a, b, "outputs")),
        metrics=tuple(
            change
            for step in _names(a, b)
            for change in _changes(_metrics(then, step), _metrics(now, step), step)
        ),
        machine=(*_changes(_host(a), _host(b)), *_programs(a, b)),
        annotations=tuple(_annotations(*said)),
        relation=_relation(a, b),
    )


def _annotations(a: Organised, b: Organised) -> Iterator[Change]:
    if a.name != b.name:
        yield Change(name="name", before=a.name, after=b.name)
    yield from _changes(a.tags, b.tags, "tag")
    for note in a.notes:
        if note not in b.notes:
            yield Change(name="note", before=note.text)
    for note in b.notes:
        if note not in a.notes:
            yield Change(name="note", after=note.text)


def _relation(a: Run, b: Run) -> str | None:
    child = next((one for one, other in ((b, a), (a, b)) if one.rerun_of == other.id), None)
    return None if child is None else f"{child.id} is a {in_a_line(child)}"


def _changes(
    old: Mapping[str, object], new: Mapping[str, object], about: str | None = None
) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before != after or (name in old) != (name in new):
            yield Change(name=name, about=about, before=before, after=after)


def _names(a: Run, b: Run) -> list[str]:
    return list(dict.fromkeys(step.name for run in (a, b) for step in run.plan.steps))


def _steps(a: Run, b: Run) -> Iterator[Change]:
    """Compare how steps are executed; what their values are stands in another group."""
    old = {step.name: step.argv for step in a.plan.steps}
    new = {step.name: step.argv for step in b.plan.steps}
    return _changes(
        {name: " ".join(argv) for name, argv in old.items()},
        {name: " ".join(argv) for name, argv in new.items()},
    )


def _files(a: Run, b: Run, which: str) -> Iterator[Change]:
    both = (a.by_name, b.by_name)
    for name in _names(a, b):
        sides = []
        for steps in both:
            step = steps.get(name)
            found = getattr(step, which) if step is not None else ()
            sides.append({one.path: one.sha256[:12] for one in found})
        yield from _changes(sides[0], sides[1], name)


def _metrics(steps: Mapping[str, StepRun], name: str) -> Mapping[str, float]:
    step = steps.get(name)
    return {} if step is None else step.metrics


def _host(run: Run) -> Mapping[str, object]:
    host: Host = run.host
    facts = {name: getattr(host, name) for name in _MACHINE}
    return {**facts, "runproj": run.runproj_version}


def _programs(a: Run, b: Run) -> Iterator[Change]:
    """Yield the programs of the machine that are other ones, each once."""
    said = set()
    both = (a.by_name, b.by_name)
    for name in _names(a, b):
        found = (steps.get(name) for steps in both)
        uses = [step.environment for step in found if step and step.environment]
        if len(uses) == len((a, b)):
            for one in replaced(uses[0].programs, uses[1].programs):
                if one not in said:
                    said.add(one)
                    yield Change(name=one.name, before=one.before, after=one.after)


def _short(object_id: str | None) -> str | None:
    return object_id and object_id.rpartition(" ")[2][:12]
