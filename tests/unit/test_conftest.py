import socket
from pathlib import Path

import pytest


def test_a_unit_test_cannot_open_a_file() -> None:
    with pytest.raises(AssertionError, match="open no files"):
        open("data.txt")  # noqa: PTH123, SIM115 -- it is blocked


def test_a_unit_test_cannot_open_a_path() -> None:
    with pytest.raises(AssertionError, match="open no files"):
        Path("data.txt").read_text()


def test_a_unit_test_cannot_open_a_socket() -> None:
    with pytest.raises(AssertionError, match="no sockets"):
        socket.socket()
