"""What a report tells of a run is collected; whatever is gone or too large is only named."""

import struct
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.test_curves import points
from tests.fakes.disk import FakeDisk
from tests.fakes.objects import FakeObjects
from tests.fakes.records import a_run, a_step, ended
from tests.fakes.runs import FakeRuns

from runproj.engine.report import Collector, Tail
from runproj.errors import StoreError
from runproj.model import canonical
from runproj.record.artifact import Artifact, FolderManifest, FolderMember
from runproj.record.points import write_points
from runproj.record.run import EnvironmentUse, Output, Run, StepRun
from runproj.record.tracking import LoggedModel, Summary, Tracked
from runproj.record.verdict import Annotation, Verdict

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
LOCK = 'lock-version = "1.0"\n[[packages]]\nname = "numpy"\nversion = "2.0"\n'


class Store:
    """A store in memory, with logs."""

    def __init__(self) -> None:
        self.objects = FakeObjects(FakeDisk())
        self.runs = FakeRuns()
        self.logs: dict[str, bytes] = {}
        self.collector = Collector(self.objects, self.runs, self.tail)

    def tail(self, run: Run, step: StepRun, limit: int) -> Tail:
        del run
        if step.name == "unreadable":
            raise StoreError("its log cannot be read")
        log = self.logs.get(step.name, b"")
        return Tail(log[-limit:], len(log))

    def output(self, path: str, data: bytes, **fields: Any) -> Output:  # noqa: ANN401 -- of any type
        return Output(path=path, sha256=self.objects.keep(data), size=len(data), **fields)

    def folder(self, path: str, *members: FolderMember) -> Output:
        sha256 = self.objects.keep(canonical(FolderManifest(members=members)))
        return Output(path=path, kind="folder", sha256=sha256, size=1)


@pytest.fixture
def store() -> Store:
    return Store()


def test_everything_of_a_run_is_collected(store: Store) -> None:
    known = store.objects.keep(b"".join(write_points({"loss": points(1, 2)})))
    lock = store.objects.keep(LOCK.encode())
    use = EnvironmentUse(name="default", kind="venv", key="k", lock=lock)
    told = Tracked(
        summaries={"loss": Summary(points=2)}, points=known, curves=known,
        artifacts=(Artifact(path="roc.txt", sha256=store.objects.keep(b"r"), size=1),),
        models=(LoggedModel(path="models/m", sha256=store.objects.keep(b"w"), size=1, name="m",
                            flavor="generic"),),
    )  # fmt: skip
    step = a_step(environment=use, tracked=told, outputs=(store.output("out", b"o", name="o.txt"),))
    run = ended(a_run(), step, a_step("system", environment=EnvironmentUse(
        name="host", kind="system", key="k", lock="none")))  # fmt: skip
    verdict = Verdict(word="identical", at="now", runproj_version="0")
    store.runs.annotate(run.id, Annotation(kind="verdict", verdict=verdict))
    store.logs["train"] = b"hello\n"

    found = store.collector.collect(run)

    assert found.run is run
    assert [one.verdict for one in found.said] == [verdict]
    assert list(found.curves["train.loss"].values) == [1, 2]
    assert [(one.role, one.files[0].path, one.files[0].data) for one in found.shown] == [
        ("output", "o.txt", b"o"), ("artifact", "roc.txt", b"r"),
        ("model", "models/train/m", b"w"),
    ]  # fmt: skip
    assert found.logs == {"train": Tail(b"hello\n", 6)}
    assert found.packages == {"default": {"numpy": "2.0"}, "host": {}}
    assert found.gaps == []


def test_what_cannot_be_read_is_a_gap_and_no_error(store: Store) -> None:
    class Silent(FakeRuns):
        def annotations(self, run_id: str) -> list[Annotation]:
            raise StoreError(f"what was said of {run_id} cannot be read")

    gone = "0" * 64
    lock = store.objects.keep(b"not toml [")
    run = ended(
        a_run(),
        a_step("a", tracked=Tracked(summaries={"m": Summary(points=1)}, curves=gone)),
        a_step("unreadable", environment=EnvironmentUse(name="e", kind="venv", key="k", lock=lock)),
        a_step("b", outputs=(Output(path="x", sha256=gone, size=1),
                             Output(path="y", kind="folder", sha256=gone, size=1))),
    )  # fmt: skip
    found = Collector(store.objects, Silent(), store.tail).collect(run)
    assert [one.partition(":")[0] for one in found.gaps] == [
        "what was said of it", "the curves of a", "the log of unreadable",
        "the lock of the environment e",
    ]  # fmt: skip
    missing = [file.missing for one in found.shown for file in one.files]
    assert len(missing) == 2
    assert all("not in the store" in (one or "") for one in missing)


def test_a_folder_shows_its_files_links_and_how_many_more_there_are(store: Store) -> None:
    text = store.objects.keep(b"text")
    many = (FolderMember(path=f"d{number}", sha256=text, size=4) for number in range(40))
    folder = store.folder(
        "out", FolderMember(path="a", sha256=text, size=4),
        FolderMember(path="b", kind="link", target="/etc/passwd"),
        FolderMember(path="c", kind="folder"), *many,
    )  # fmt: skip
    [shown] = store.collector.collect(ended(a_run(), a_step(outputs=(folder,)))).shown
    assert [(one.path, one.data, one.missing) for one in shown.files[:3]] == [
        ("a", b"text", None), ("b", b"", "a link to /etc/passwd"), ("d0", b"text", None),
    ]  # fmt: skip
    assert (len(shown.files), shown.more) == (40, 2)


def large(store: Store) -> Output:
    return Output(path="x", sha256=store.objects.keep(b""), size=4 * 1024 * 1024 + 1)


def bomb(store: Store) -> Output:
    return store.output("x.png", PNG + struct.pack(">II", 100_000, 100_000))


@pytest.mark.parametrize(("make", "why"), [(large, "too large"), (bomb, "too many pixels")])
def test_what_would_be_too_much_for_a_page_is_only_named(
    store: Store, make: Callable[[Store], Output], why: str
) -> None:
    [shown] = store.collector.collect(ended(a_run(), a_step(outputs=(make(store),)))).shown
    assert why in (shown.files[0].missing or "")


def test_a_page_is_limited_as_a_whole(store: Store) -> None:
    data = PNG + struct.pack(">II", 10, 10) + b"\0" * (4 * 1024 * 1024 - 64)
    pictures = [store.output("x.png", data) for _ in range(9)]
    others = [store.output("x.txt", b"x") for _ in range(292)]
    store.logs = dict.fromkeys((f"s{number}" for number in range(70)), b"x")
    steps = [
        a_step(f"s{number}", "failed" if number == 69 else "succeeded") for number in range(70)
    ]
    run = ended(a_run(), a_step("train", outputs=(*pictures, *others)), *steps)
    found = store.collector.collect(run)
    shown = [one.files[0] for one in found.shown]
    assert sum(len(one.data) for one in shown) <= 28 * 1024 * 1024
    assert [one.missing for one in shown[6:8]] == [
        None, "not shown: the page would become too large",
    ]  # fmt: skip
    assert len(shown) == 300
    assert found.gaps == ["1 more artifacts are not listed"]
    assert next(iter(found.logs)) == "s69"  # what tells of a failure goes first
    assert len(found.logs) < 70


def test_only_the_beginning_of_a_text_is_collected(store: Store) -> None:
    output = store.output("a.txt", b"x" * 100_000)
    [shown] = store.collector.collect(ended(a_run(), a_step(outputs=(output,)))).shown
    assert len(shown.files[0].data) == 65536
    assert shown.files[0].size == 100_000
