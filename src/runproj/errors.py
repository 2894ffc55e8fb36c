"""Every error a user can meet, as one tree.

::

    RunprojError                    70  unexpected; a log file is written
    ├── UsageError                   2  the command line asks for what makes no sense
    │   ├── ParameterError           2  values that do not fit the parameters (all at once)
    │   ├── MissingSecret            2  the caller has no such variable (all at once)
    │   ├── NoSuchRun                2  no run, step or output has that name
    │   └── NoSuchModel              2  no registered model, version or alias has that name
    ├── ProjectError                 3  the project file is wrong (all at once)
    │   └── NotSupported             3  declared correctly, but this version cannot execute it
    ├── EnvironmentFailed            4  an environment cannot be locked or built
    │   └── LockStale                4  the lock is missing or does not fit its declaration
    ├── Stale                        5  a check that was asked to fail on stale things did
    ├── CannotRerun                  7  the record is whole, but an ingredient is gone
    ├── Refused                      8  acting would break a promise (a secret in the source …)
    └── StoreError                   9  the store is damaged, locked, or from another version

The number is the exit code. :class:`Interrupted` (128 + the signal's number) is no error. A step
that fails is not an error here either: it is a value, and exit code 1.
A message says what went wrong, ``where`` says where, ``hint`` says what to do about it.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong, ready to be shown.

    ``where`` is ``file:line:column`` or the name of a step or run; ``excerpt`` is the line of text
    with a caret line below it.
    """

    message: str
    where: str | None = None
    excerpt: str | None = None
    hint: str | None = None


class RunprojError(Exception):
    """Base of all; carries one or more :class:`Problem` values."""

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.problems: tuple[Problem, ...] = (Problem(message, where=where, hint=hint),)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> "RunprojError":
        """Make one error of several problems, so that a user can mend them all at once."""
        error = cls("; ".join(problem.message for problem in problems))
        error.problems = tuple(problems)
        return error


class UsageError(RunprojError):
    """The command line asks for what makes no sense."""

    exit_code = 2


class ParameterError(UsageError):
    """Values do not fit the declared parameters."""


class MissingSecret(UsageError):
    """A step needs a secret that the caller does not have."""


class NoSuchRun(UsageError):
    """No run, step or output answers to the given name."""


class NoSuchModel(UsageError):
    """No registered model, or version of it, answers to the given name."""


class ProjectError(RunprojError):
    """The project file, or something that it points to, is wrong."""

    exit_code = 3


class NotSupported(ProjectError):
    """The project file is right, but this version cannot execute what it asks for."""


class EnvironmentFailed(RunprojError):
    """An environment cannot be locked or built."""

    exit_code = 4


class LockStale(EnvironmentFailed):
    """The lock is missing, or was made for another declaration."""


class Stale(RunprojError):
    """Something is out of date, and the user asked for an exit code in that case."""

    exit_code = 5


class CannotRerun(RunprojError):
    """An ingredient of a recorded run is gone."""

    exit_code = 7


class Refused(RunprojError):
    """Going on would break a promise to the user."""

    exit_code = 8


class StoreError(RunprojError):
    """The store is damaged, locked by others, or written by another version."""

    exit_code = 9


class Interrupted(BaseException):
    """The user, or the system, asks runproj to stop; no mistake, so no :class:`RunprojError`."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"signal {signal_number}")
        self.exit_code = 128 + signal_number
