"""What must not matter to a result, and how it is changed to see whether it does."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from runproj.model import EMPTY
from runproj.plan.plan import Plan, PlannedStep

Place: TypeAlias = Literal["elsewhere", "reordered", "held"]
"""Where workspaces are made: in another folder, with their entries in another order, or all at one
path."""

HASH_SEED, WORKSPACE, ORDER, CLOCK = "hash seed", "workspace path", "directory order", "clock"
_STOPPED, _LOCALE = "stopped clock", "locale"
_OF_THE_MACHINE = frozenset({CLOCK, _STOPPED, _LOCALE})

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "GOTO_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "JULIA_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT", "PYTHON_CPU_COUNT", "GOMAXPROCS",
)  # fmt: skip


class Perturbation(NamedTuple):
    """Something that is changed although it must not matter.

    ``variables`` are those of a process that say it, ``cpus`` how many CPUs it may use, ``place``
    where its workspace is made, ``timeout_s`` for how long it may go on. What is ``fragile`` may
    keep a program from working at all, which says nothing about the program.
    """

    name: str
    variables: Mapping[str, str] = EMPTY
    cpus: int | None = None
    place: Place | None = None
    timeout_s: float | None = None
    fragile: bool = False

    def applies(self, step: PlannedStep) -> bool:
        """Tell whether it changes anything for a step: what a step declares itself stays."""
        passed = {name for name, text in step.pass_env.items() if text is not None}
        return self.variables.keys().isdisjoint({*step.env, *passed})


Trial: TypeAlias = tuple[Perturbation, ...]
"""What is perturbed in one repeat; nothing in a plain one."""


def applied(trial: Trial | None, step: PlannedStep) -> Trial:
    """Return the part of a trial that changes something for a step."""
    return tuple(one for one in trial or () if one.applies(step))


def variables(trial: Trial | None, step: PlannedStep, *, contained: bool = False) -> dict[str, str]:
    """Return the variables of a step's process that a trial changes.

    A container has not the library that gives a process another time, nor the locales of here.
    """
    changed: dict[str, str] = {}
    for one in applied(trial, step):
        if not (contained and one.name in _OF_THE_MACHINE):
            changed |= one.variables
    return changed


def cpus(trial: Trial | None, step: PlannedStep) -> int | None:
    """Return how many CPUs a step's process may use; None: all."""
    return min((one.cpus for one in applied(trial, step) if one.cpus is not None), default=None)


def timeout_s(trial: Trial | None, step: PlannedStep) -> float | None:
    """Return for how long a step's process may go on."""
    limits = [step.timeout_s, *(one.timeout_s for one in applied(trial, step))]
    return min((limit for limit in limits if limit is not None), default=None)


def names(trial: Trial) -> tuple[str, ...]:
    """Return what is perturbed in a trial, by name."""
    return tuple(one.name for one in trial)


class Machine(NamedTuple):
    """What a machine can perturb.

    ``locale`` is an installed one that is not that of C, ``cpus`` how many there are, ``binds``
    tells whether a process can be kept on some of them. ``faketime`` is the library that gives a
    process another time, ``orderless`` says why no folder has its entries in another order.
    ``no_faketime`` says why there is none. ``timeout_s`` is for how long a process may go on that
    has another time.
    """

    locale: str | None = None
    cpus: int = 1
    binds: bool = False
    faketime: str | None = None
    no_faketime: str = ""
    orderless: str | None = None
    timeout_s: float | None = None


def perturbations(machine: Machine) -> tuple[Perturbation, ...]:
    """Return all that can be perturbed on a machine; what also changes another comes after it."""
    locale = machine.locale or "C"
    threads = 1 if machine.cpus > 1 else 2  # on one CPU, one thread is what there is anyway
    found = [
        Perturbation(HASH_SEED, {"PYTHONHASHSEED": "20011", "PERL_HASH_SEED": "20011"}),
        # a POSIX zone needs no database; west of UTC, midnight is the day before
        Perturbation("time zone", {"TZ": "WST+11:30"}),
        Perturbation(_LOCALE, {"LC_ALL": locale, "LANG": locale}),
        Perturbation(WORKSPACE, place="elsewhere"),
        Perturbation(
            "thread count", dict.fromkeys(_THREADS, str(threads)),
            cpus=1 if machine.binds and threads == 1 else None,
        ),
    ]  # fmt: skip
    if machine.orderless is None:
        found.append(Perturbation(ORDER, place="reordered"))
    if machine.faketime is not None:
        found.append(_other_time(CLOCK, machine, "+400d"))
    return tuple(found)


def unperturbed(
    machine: Machine, known: Iterable[Perturbation], steps: Sequence[PlannedStep]
) -> tuple[str, ...]:
    """Return sentences about what is not perturbed on a machine, or not for some steps."""
    said = []
    if machine.orderless is not None:
        said.append(f"{ORDER}: {machine.orderless}")
    if machine.faketime is None:
        said.append(f"{CLOCK}: {machine.no_faketime}")
    for one in known:
        spared = [step.name for step in steps if not one.applies(step)]
        if spared:
            said.append(f"{one.name} of {', '.join(spared)}: its variables are declared there")
    return tuple(said)


def spared(plan: Plan) -> tuple[str, ...]:
    """Return a sentence about what is not perturbed in containers, if there are some."""
    contained = {pin.name for pin in plan.environments if pin.kind == "docker"}
    steps = [step.name for step in plan.steps if step.environment in contained]
    what = f"{CLOCK} and {_LOCALE} of {', '.join(steps)}"
    return (f"{what}: a container has neither of this machine",) if steps else ()


def stopped_clock(machine: Machine, at: str) -> Perturbation | None:
    """Return a clock that stands still at a time in ISO 8601 in UTC; None: it cannot be had."""
    if machine.faketime is None:
        return None
    seconds = int(datetime.fromisoformat(at).timestamp())
    stopped = _other_time(_STOPPED, machine, str(seconds))
    return stopped._replace(variables={**stopped.variables, "FAKETIME_FMT": "%s"})


def right_clock(machine: Machine) -> Trial:
    """Return a clock that is right, had as another one is; nothing where that cannot be had.

    What differs under it differs because of libfaketime, not because of the time.
    """
    return () if machine.faketime is None else (_other_time("right clock", machine, "+0"),)


def held_workspace() -> Perturbation:
    """Return workspaces at one path for all repeats that have it."""
    return Perturbation("held workspace path", place="held")


def _other_time(name: str, machine: Machine, time: str) -> Perturbation:
    library = str(machine.faketime)
    told = {
        "LD_PRELOAD": library,
        "FAKETIME": time,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # waiting for what comes in a while must end
        "NO_FAKE_STAT": "1",  # Python would compile again what seems to be older than it was
    }
    return Perturbation(name, told, timeout_s=machine.timeout_s, fragile=True)


def rounds(known: Trial, times: int) -> list[Trial]:
    """Spread perturbations over so many repeats.

    The first of several is plain. One that is alone has all of them; so have those that are more
    than there are perturbations, with other seeds.

    >>> known = (Perturbation("a"), Perturbation("b"), Perturbation("c"))
    >>> [names(one) for one in rounds(known, 3)]
    [(), ('a', 'c'), ('b',)]
    """
    if times == 1:
        return [known]
    groups = [known[start :: times - 1] for start in range(min(times - 1, len(known)))]
    more = [
        tuple(_reseeded(one, number) for one in known) for number in range(1, times - len(groups))
    ]
    return [(), *groups, *more]


def _reseeded(one: Perturbation, number: int) -> Perturbation:
    if one.name != HASH_SEED:
        return one
    return one._replace(
        variables={name: str(int(seed) + number) for name, seed in one.variables.items()}
    )
