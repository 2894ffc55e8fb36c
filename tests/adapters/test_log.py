"""The log of a step: raw bytes, and when which stream wrote them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runproj.adapters.store.log import FolderLog, pieces
from runproj.errors import StoreError
from runproj.ports import Stream


def chunks(folder: Path) -> list[tuple[str, bytes]]:
    return [(stream, chunk) for _, stream, chunk in pieces(folder)]


def test_every_byte_is_in_the_log_in_the_order_in_which_it_came(tmp_path: Path) -> None:
    log = FolderLog(tmp_path / "train")
    log.write("stdout", b"a\0\xff")
    log.write("stderr", b"\r\nb")
    log.close()
    assert log.path == str(tmp_path / "train" / "output.log")
    assert Path(log.path).read_bytes() == b"a\0\xff\r\nb"


CHUNKS = st.lists(
    st.tuples(st.sampled_from(["stdout", "stderr"]), st.binary(max_size=20)), max_size=20
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=CHUNKS)
def test_pieces_are_what_was_written(
    written: list[tuple[Stream, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = FolderLog(folder)
    for stream, chunk in written:
        log.write(stream, chunk)
    assert chunks(folder) == written
    log.close()


def test_times_never_go_back(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    for _ in range(100):
        log.write("stdout", b"x")
    log.close()
    times = [elapsed for elapsed, _, _ in pieces(tmp_path)]
    assert times == sorted(times)
    assert times[0] >= 0


def test_a_log_that_was_not_begun_has_no_pieces(tmp_path: Path) -> None:
    assert chunks(tmp_path / "cached") == []


def test_bytes_that_the_index_does_not_know_yet_are_a_piece(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    log.write("stderr", b"one")
    log.close()
    with Path(log.path).open("ab") as file:
        file.write(b"two")  # the writer died before it wrote the index
    assert chunks(tmp_path) == [("stderr", b"one"), ("stdout", b"two")]


def test_a_torn_line_of_the_index_loses_no_byte(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    log.write("stdout", b"one")
    log.write("stderr", b"two")
    log.close()
    index = tmp_path / "output.idx"
    index.write_bytes(index.read_bytes()[:-2])
    assert b"".join(chunk for _, chunk in chunks(tmp_path)) == b"onetwo"


def test_the_end_is_read_without_the_rest(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    for number in range(10_000):
        log.write("stdout", f"line {number}\n".encode())
    assert log.tail(22) == "line 9998\nline 9999\n"
    log.close()


def test_a_log_of_an_earlier_try_is_replaced(tmp_path: Path) -> None:
    for text in (b"a longer first", b"second"):
        log = FolderLog(tmp_path)
        log.write("stdout", text)
        log.close()
    assert chunks(tmp_path) == [("stdout", b"second")]


@pytest.mark.parametrize("name", ["output.log", "output.idx"])
def test_a_full_disk_is_said_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    log = FolderLog(tmp_path)
    with pytest.raises(StoreError, match="the log cannot be written: no space left on device"):
        log.write("stdout", b"x")
    log.close()


def test_a_log_that_cannot_be_begun_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the log cannot be written"):
        FolderLog(tmp_path / "file" / "train")
