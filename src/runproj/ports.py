"""What the engine needs from the world, each as a protocol of at most five members.

Paths of the file system are absolute ``str``; paths within a project are posix and relative to it.
Every member may raise a :class:`~runproj.errors.RunprojError`; no adapter lets a foreign exception
through.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from runproj.lock.lock import Declaration, Lock
from runproj.model import EMPTY
from runproj.plan.fingerprint import Fingerprint
from runproj.plan.space import Point
from runproj.record.artifact import Artifact, FolderMember
from runproj.record.events import Event
from runproj.record.health import Damage, Note
from runproj.record.outcome import Outcome
from runproj.record.points import Points
from runproj.record.run import EnvironmentUse, Run, StepRun
from runproj.record.source import SourceSnapshot
from runproj.record.usage import GpuSample, Sample
from runproj.record.verdict import Annotation

if TYPE_CHECKING:
    from runproj.record.registry import Move

Stream: TypeAlias = Literal["stdout", "stderr"]
Say: TypeAlias = Callable[[str], None]
"""Takes one line about progress, for a person who waits."""


class SourceControl(Protocol):
    """Exact code, kept as git trees in a store of our own."""

    def snapshot(self, project: str, root: str) -> SourceSnapshot:
        """Keep the code below ``root`` (the project folder, or a folder above it) as it is now.

        Raises:
            Refused: an untracked file is too large or looks like a secret.
        """

    def manifest(self, tree: str) -> Mapping[str, str]:
        """Return path → ``"MODE OBJECTID"`` of all files of a tree; mode as git writes it."""

    def checkout(self, tree: str, folder: str, paths: Iterable[str] | None = None) -> None:
        """Write the files of a tree (or some of them) into an empty folder."""

    def read(self, tree: str, path: str) -> bytes | None:
        """Return the content of a file of a tree; None when it is not there."""


class Sampler(Protocol):
    """Chooses the points of a sweep."""

    def ask(self) -> Point | None:
        """Return the next point; None: there are no more."""

    def tell(self, point: Point, score: float | None) -> None:
        """Learn the score of a point; None: it has none, for its run failed."""


class PreparedEnvironment(Protocol):
    """An environment that is there and healthy."""

    @property
    def folders(self) -> Sequence[str]:
        """The folders that it consists of, its interpreter's included."""

    @property
    def key(self) -> str:
        """The digest of all that is in it."""

    @property
    def description(self) -> str:
        """One line for a person."""

    def variables(self, project_folder: str) -> Mapping[str, str]:
        """Return the variables (PATH among them) of a process that runs in it.

        ``project_folder`` is where the project's code stands for that process.
        """

    def is_intact(self) -> bool:
        """Tell whether it is as it was when it was built; if not, it is not used again."""


class Archive(NamedTuple):
    """The archive of a package: a file that an environment is installed from.

    ``path`` is where it stands among all archives, ``place`` its absolute path.
    """

    path: str
    place: str
    sha256: str


class EnvironmentBackend(Protocol):
    """One kind of environment."""

    def lock(self, declaration: Declaration, previous: Lock | None, say: Say) -> Lock:
        """Resolve a declaration; what ``previous`` pins stays where it can.

        Raises:
            EnvironmentFailed: it cannot be resolved; the message holds the resolver's explanation.
        """

    def key(self, declaration: Declaration, lock: Lock) -> str:
        """Return the digest of what the environment would hold, without building it."""

    def facts(self, declaration: Declaration) -> Mapping[str, str]:
        """Return what the key depends on besides the lock, such as the version of Python.

        It explains to a person why two keys differ.
        """

    def prepare(self, declaration: Declaration, lock: Lock, say: Say) -> PreparedEnvironment:
        """Build the environment of a lock, or take the one that is there.

        Raises:
            EnvironmentFailed: it cannot be built.
        """

    def archives(self, declaration: Declaration, lock: Lock, say: Say) -> Sequence[Archive]:
        """Return all that the environment of a lock is installed from; what is missing is fetched.

        Raises:
            EnvironmentFailed: something of it is to be had nowhere.
        """


class Confinement(NamedTuple):
    """What the kernel lets processes do; they cannot leave it.

    ``readable`` and ``writable`` are files and folders, and what is in them; None for both: all.
    What does not exist is left out.
    """

    readable: tuple[str, ...] | None = None
    writable: tuple[str, ...] | None = None
    network: bool = True


class Volume(NamedTuple):
    """A folder or file of the host that stands at ``place`` in a container."""

    host: str
    place: str
    writable: bool = False


class Container(NamedTuple):
    """What a container is made of; its processes are the caller's, by uid and gid.

    ``cores`` is how many CPUs' time they may use together, ``devices`` are the GPUs that they see;
    None: what ``gpus`` says.

    ``image`` is an id. ``folders`` stand at the same place as here and can be written; of all else
    of this machine only ``volumes`` are there. ``network`` is one that the engine knows (``none``:
    none; None: its usual one). Sizes are in bytes, None: the engine's usual one for ``shm_size``,
    all there is for ``memory``.
    """

    image: str
    folders: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    network: str | None = None
    gpus: Literal["all"] | int | None = None
    shm_size: int | None = None
    memory: int | None = None
    cores: float | None = None
    devices: tuple[str, ...] | None = None


@runtime_checkable
class ContainedEnvironment(Protocol):
    """A prepared environment whose processes run in a container."""

    @property
    def container(self) -> Container:
        """What the container of a process is made of, without the folders of its workspace."""


class Execution(NamedTuple):
    """A process to be run: all that it gets, and where what it prints goes.

    ``variables`` is the environment of the process, but for ``secrets``: these are seen by nobody
    else, as far as the system allows. ``stdin`` is a file (None:
    ``/dev/null``); ``stdout`` a file that takes standard output (None: it is streamed).
    ``on_output`` is called with chunks of bytes as they come. ``cpus`` is how many CPUs it may use
    (None: all), where the system can tell it so. ``trace`` is a file that takes what a tracer sees
    of the process, for :meth:`Watcher.accesses`. A process with a ``container`` runs in it; it is
    neither traced nor confined otherwise. ``on_sample`` is called with what it used over time, at
    its end at the latest, if it takes longer than a few seconds and the system tells.
    """

    name: str
    argv: tuple[str, ...]
    directory: str
    variables: Mapping[str, str]
    on_output: Callable[[Stream, bytes], None]
    stdin: str | None = None
    stdout: str | None = None
    timeout_s: float | None = None
    cpus: int | None = None
    trace: str | None = None
    confinement: Confinement = Confinement()
    container: Container | None = None
    secrets: Mapping[str, str] = EMPTY
    on_sample: Callable[[Sample | GpuSample], None] = lambda _: None


class Executor(Protocol):
    """Runs processes, and leaves none of their descendants behind."""

    def start(self, execution: Execution) -> None:
        """Start a process; returns at once."""

    def wait(self) -> tuple[str, Outcome]:
        """Stream output until a process has ended with all its descendants; return its name."""

    def wait_for(self, timeout_s: float) -> tuple[str, Outcome] | None:
        """Do the same, for a time at most; None: it is over. Nothing has to be running."""

    def cancel(self) -> None:
        """End all processes: SIGTERM, a grace time, SIGKILL; returns when they are gone."""

    def close(self) -> None:
        """End what is left, at once."""


class Denial(NamedTuple):
    """Something that processes were kept from: reading or writing a path, or an address.

    Changes that no kernel forbids, such as of a file's mode, are told though they were made.
    ``socket`` is a connection to a service of the machine, which nothing keeps them from.
    """

    place: str
    kind: Literal["read", "write", "network", "socket"]


class Accesses(NamedTuple):
    """What processes did with files, by absolute paths.

    ``present`` was opened for reading or looked at, ``absent`` was looked for in vain; of
    ``listed`` folders the names were read. What the processes made themselves is left out of these.
    ``gap`` says why something may be missing.
    """

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    denied: tuple[Denial, ...] = ()
    gap: str | None = None


class Watcher(Protocol):
    """Watches what processes do."""

    def check(self, confinement: Confinement, *, trace: bool) -> None:
        """Make sure that this machine can confine like this, and trace.

        Raises:
            Refused: it cannot; the message says what is missing.
        """

    def accesses(self, trace: str, directory: str) -> Accesses:
        """Return what the processes of an execution did, which began in a folder.

        Raises:
            StoreError: what the tracer wrote cannot be read.
        """

    def state(self, path: str) -> str | None:
        """Return what stands at a path: ``folder``, None for nothing, else text that tells it.

        That text changes with content, permissions and the target of a link. Of a path that ends
        with ``/`` it is about the names in that folder.
        """


class ObjectStore(Protocol):
    """Content by digest. What is in it never changes."""

    def put(self, source: str, path: str, *, take: bool = False) -> Artifact:
        """Keep a file or folder; return it as the artifact that stands at ``path``.

        ``take`` allows to move it instead of copying, unless it is reached through a link. What is
        kept already costs no copy.

        Raises:
            UsageError: nothing is there, it is neither file nor folder, or has a name that is no
                text.
        """

    def keep(self, data: bytes) -> str:
        """Keep bytes as a file; return their sha256."""

    def give(self, artifact: Artifact, folder: str) -> None:
        """Write an artifact to its path below a folder, as a copy that is free to change.

        Raises:
            StoreError: the content is not there, or is not what its digest says.
        """

    def read(self, sha256: str) -> bytes:
        """Return the content of a file.

        Raises:
            StoreError: the content is not there, or is not what its digest says.
        """

    def has(self, artifact: Artifact) -> bool:
        """Tell whether an artifact's content is there, a folder's members included."""


class Digests(Protocol):
    """Knows files and folders by their content."""

    def digest(self, source: str, path: str) -> Artifact | None:
        """Return the artifact that :meth:`ObjectStore.put` would; None when nothing is there.

        Raises:
            UsageError: it is neither file nor folder, or has a name that is no text.
        """


class Remembered(Protocol):
    """Keeps what was worked out before; it may forget anything."""

    def get(self, key: str) -> object:
        """Return what was kept under a key, None when there is nothing."""

    def put(self, key: str, value: object) -> None:
        """Keep a value."""


class StepLog(Protocol):
    """What a step prints, as it comes."""

    path: str

    def write(self, stream: Stream, chunk: bytes) -> None:
        """Append bytes of a stream, with the time."""

    def tail(self, limit: int) -> str:
        """Return the last bytes as text, at most ``limit`` of them, whole lines."""

    def close(self) -> None:
        """Write what is left."""


class Journal(Protocol):
    """The record of a run that is under way. As long as it is open, the run counts as alive."""

    def started(self, step: StepRun) -> None:
        """Note that a step starts."""

    def finished(self, step: StepRun) -> None:
        """Note how a step ended."""

    def log(self, step: str) -> StepLog:
        """Open the log of a step."""

    def close(self, run: Run) -> None:
        """Write the outcome and end the record; it never changes again."""


class RunStore(Protocol):
    """Memory of runs."""

    def create(self, run: Run) -> Journal:
        """Write a run to disk before anything of it happens.

        Raises:
            StoreError: the id is taken, or the store cannot be written.
        """

    def load(self, run_id: str) -> Run:
        """Return a run with the name and tags that it has by now; a dead one reads ``interrupted``.

        Raises:
            NoSuchRun: there is no run with this id.
            StoreError: the record is damaged.
        """

    def find(self, fingerprint: Fingerprint) -> Iterable[tuple[str, StepRun]]:
        """Yield run id and step run of successes with this fingerprint, the latest first.

        Those that were traced, and differ in the source alone, come after them.
        """

    def last(self, project: str, entry_point: str, step: str) -> tuple[str, StepRun] | None:
        """Return the latest step run of this step that succeeded, or was answered by one."""

    def ids(self, name: str) -> Sequence[str]:
        """Return the ids that a name may mean: an id, a prefix, a run's name; latest first.

        ``latest`` and ``latest~1`` are names too; they mean no run that was perturbed, archived or
        deleted. A deleted run answers to its whole id only, and none of its step runs is found.
        """


class Annotations(Protocol):
    """What is said of runs besides; their records never change once they have ended."""

    def annotate(self, run_id: str, annotation: Annotation) -> None:
        """Add something.

        Raises:
            StoreError: it cannot be written.
        """

    def annotations(self, run_id: str) -> Sequence[Annotation]:
        """Return all that was said, in order."""


class Claim(NamedTuple):
    """Something that is kept beside the runs and needs them, such as a registered model.

    ``by`` says what it is, in words. The ``runs`` stay, ``artifacts`` with all that is in them, and
    ``environments`` with what they are built from, even where somebody removed the runs.
    """

    by: str
    runs: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    environments: tuple[EnvironmentUse, ...] = ()


class Furnishing(NamedTuple):
    """What a workspace is made of.

    ``files`` are the source files to show, relative to the tree, None for all; ``inputs`` are
    given at their paths; the parents of ``outputs`` are made. ``persist`` are folders that are
    made, and ``persisted`` is given into them; neither counts as an input. A workspace with some is
    left when its process is killed. Paths are relative to the project folder, which stands at
    ``project_path`` of the tree.
    """

    name: str
    tree: str
    project_path: str
    files: frozenset[str] | None
    inputs: tuple[Artifact, ...]
    outputs: tuple[str, ...]
    persist: tuple[str, ...] = ()
    persisted: tuple[Artifact, ...] = ()


class Changes(NamedTuple):
    """What a step did to its workspace; paths are relative to the project folder.

    ``made`` are new files, ``altered`` source files that were changed or removed, ``inputs`` the
    inputs that were.
    """

    made: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()


class Workspace(Protocol):
    """A folder in which one step executes."""

    @property
    def root(self) -> str:
        """The folder."""

    @property
    def project(self) -> str:
        """The project folder in it."""

    @property
    def temporary(self) -> str:
        """A folder beside it for temporary files; it goes with the workspace."""

    def changes(self) -> Changes:
        """Compare with how it was furnished."""

    def close(self, *, keep: bool) -> None:
        """Remove it, or leave it for a person to look at."""


class Told(NamedTuple):
    """What a step told: lines of JSON, the points of each metric, and what it logged.

    ``artifacts`` are names and places of files and folders; ``models`` have a flavor between these.
    """

    events: bytes = b""
    points: Mapping[str, Points] = EMPTY
    artifacts: tuple[tuple[str, str], ...] = ()
    models: tuple[tuple[str, str, str], ...] = ()


class Tracking(Protocol):
    """Brings what steps tell of themselves, by way of a folder."""

    def begin(self, folder: str, context: Mapping[str, object], client: str | None) -> None:
        """Make a folder by which a step can tell of itself, with ``context.json``.

        In ``client``, which steps share, stand ``python``, from which Python imports runproj, and
        ``bin`` with a program for shells; None: the step has them otherwise.
        """

    def end(self, folder: str) -> Told:
        """Return what was told in a folder; nothing, where there is none any more.

        A folder in which nothing was told may be gone then.
        """

    def write(self, folder: str, chunks: Iterable[bytes]) -> str:
        """Write a file into such a folder; return its path."""


class Workspaces(Protocol):
    """Makes workspaces."""

    def open(self, furnishing: Furnishing) -> Workspace:
        """Make a workspace.

        Raises:
            StoreError: the source or an input is not in the store.
            Refused: an input or output would stand outside of the workspace.
        """

    def close(self) -> None:
        """Remove what was kept for reuse."""


class ProjectFiles(Protocol):
    """The files of the user's project folder, read only."""

    def read(self, path: str) -> str | None:
        """Return the text of a file, None when it is not there.

        Raises:
            ProjectError: it is not UTF-8 text.
        """

    def find(self, pattern: str) -> Sequence[str]:
        """Return what a path or glob names and exists, sorted."""

    def absolute(self, path: str) -> str:
        """Return where a path of the project is in the file system."""


class LockShelf(Protocol):
    """Locks that were made without being asked for, by the digest of their declaration."""

    def get(self, declaration: str) -> str | None:
        """Return the lockfile's text."""

    def put(self, declaration: str, content: str) -> None:
        """Keep a lockfile's text."""


class ModelShelf(Protocol):
    """The histories of registered models; they only grow."""

    def names(self) -> Sequence[str]:
        """Return the names of all models that have a history, sorted."""

    def history(self, name: str) -> Sequence["Move"]:
        """Return the moves of a model, in their order; none, where there is no such model.

        Raises:
            StoreError: a line of it is damaged.
        """

    def add(
        self, name: str, decide: Callable[[Sequence["Move"]], Sequence["Move"]]
    ) -> Sequence["Move"]:
        """Append to a history what ``decide`` makes of it; return that.

        Nobody else appends meanwhile. A name that is not there yet is made.

        Raises:
            StoreError: it cannot be written, or a line of it is damaged.
        """


class CheckedObject(NamedTuple):
    """An object of the store as it was found; ``size`` in bytes, 0 when it is not there."""

    sha256: str
    state: Literal["whole", "damaged", "missing", "unreadable"]
    size: int
    where: str


class ObjectChecks(Protocol):
    """Looks at what an object store holds, and changes nothing unless it is told to."""

    def sizes(self) -> Mapping[str, int]:
        """Return sha256 → size in bytes of every object that is there."""

    def check(self, sha256s: Iterable[str]) -> Iterator[CheckedObject]:
        """Read objects and tell how they are, in any order."""

    def members(self, sha256: str) -> Sequence[FolderMember]:
        """Return the members of a folder; what is damaged is left where it is.

        Raises:
            StoreError: it is not there, damaged, or no folder.
        """

    def set_aside(self, sha256: str) -> str:
        """Move a damaged object out of the way, and return where it is now.

        Raises:
            StoreError: it cannot be moved.
        """

    def notes(self) -> Sequence[Note]:
        """Return what else is there: objects that were set aside, files of killed processes."""


class CheckedSource(NamedTuple):
    """How source snapshots were found.

    ``trees`` has what is missing or damaged, in words, for each tree that is not whole; ``others``
    what is wrong besides; ``notes`` what is harmless.
    """

    trees: Mapping[str, Sequence[str]]
    others: Sequence[str] = ()
    notes: Sequence[Note] = ()


class SourceChecks(Protocol):
    """Looks at source snapshots, and changes nothing unless it is told to."""

    @property
    def place(self) -> str:
        """Where they are."""

    def check(self, trees: Sequence[str], *, everything: bool) -> CheckedSource:
        """Read all objects of these trees, and everything else that is there if wanted."""

    def let_go(self, trees: Sequence[str]) -> None:
        """Set aside what the last check found, so that these trees can be kept again.

        Raises:
            StoreError: it cannot be.
        """


class SeenRun(NamedTuple):
    """The record of a run as it was found; ``run`` is None when it cannot be read, or is none.

    ``said`` is what was said of it besides; None: that cannot be read.
    """

    run: Run | None
    damages: Sequence[Damage] = ()
    notes: Sequence[Note] = ()
    said: Sequence[Annotation] | None = ()


class RecordChecks(Protocol):
    """Looks at the records of runs, and changes nothing unless it is told to."""

    def ids(self) -> Sequence[str]:
        """Return the ids of all runs that have a folder, the index not asked."""

    def look(self, run_id: str) -> SeenRun:
        """Read all that is recorded of a run, its logs included."""

    def index(self, runs: Sequence[Run]) -> SeenRun:
        """Compare the index with the runs; the result has no run."""

    def reindex(self) -> int:
        """Make the index anew; return how many runs it has.

        Raises:
            StoreError: it cannot be, for example while a run goes on.
        """

    def others(self) -> SeenRun:
        """Look at what belongs to no run, such as locks; the result has no run."""


class Held(NamedTuple):
    """Something that takes room.

    ``name`` tells it from others of its kind, ``size`` is in bytes, ``used_at`` when it was kept or
    used last, in seconds since 1970. ``needs`` names others of its kind that serve with it only.
    ``unique`` tells that it cannot be made again from what is at hand, ``stuck`` says why it cannot
    be removed now.
    """

    name: str
    size: int
    used_at: float
    needs: tuple[str, ...] = ()
    unique: bool = False
    stuck: str | None = None


class Holdings(Protocol):
    """All things of one kind that take room, in the store or beside it."""

    @property
    def place(self) -> str:
        """Where they are."""

    def all(self) -> Sequence[Held]:
        """Return what is there."""

    def remove(self, one: Held) -> bool:
        """Remove something; tell whether it is gone: not when it was used since it was seen.

        Raises:
            RunprojError: it cannot be removed.
        """


class HeldSnapshots(NamedTuple):
    """Source snapshots: how many are kept, and which of them no run needs.

    ``size`` is that of the whole source store in bytes, ``unneeded_size`` that of objects that
    belong to no snapshot that stays; ``young`` counts snapshots that stay for their youth only.
    ``problem`` says why none can be removed.
    """

    kept: int
    size: int
    unneeded: tuple[str, ...] = ()
    unneeded_size: int = 0
    young: int = 0
    problem: str | None = None


class SnapshotHoldings(Protocol):
    """The source snapshots of a store, as what takes room."""

    @property
    def place(self) -> str:
        """Where they are."""

    def look(self, needed: Collection[str], young_s: float) -> HeldSnapshots:
        """Tell what is there, and which trees are needed by nobody and not that young."""

    def remove(self, trees: Sequence[str], young_s: float) -> None:
        """Remove snapshots, and all objects that belong to none and are not that young.

        Raises:
            StoreError: they cannot be removed.
        """


class StoreUse(Protocol):
    """Who uses a store now."""

    def alive(self) -> Sequence[str]:
        """Return the ids of the runs that go on."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep everybody else from beginning anything in the store meanwhile.

        Raises:
            StoreError: somebody is at it.
        """


class Reporter(Protocol):
    """Tells a person, or a program, what happens."""

    def report(self, event: Event) -> None:
        """Show one event."""
