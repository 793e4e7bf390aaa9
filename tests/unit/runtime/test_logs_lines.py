"""Lines of a process's output."""

import os

import pytest

from flow_sdk.runtime.logs import LineSplitter, drain_pipe


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
def test_lines_are_the_same_however_bytes_arrive(cut: int) -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    data = "first\r\nzweite ü\n\nlast".encode()
    for start in range(0, len(data), cut):
        splitter.feed(data[start : start + cut])
    splitter.close()
    assert lines == ["first", "zweite ü", "", "last"]


def test_a_line_without_end_is_given_out_in_parts() -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    for _ in range(5):
        splitter.feed(b"x" * 40_000)
    assert lines and max(map(len, lines)) <= 120_000


def test_what_an_ended_process_left_is_read_and_not_what_a_grandchild_adds() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, b"left\n")
    taken: list[bytes] = []

    def take(data: bytes) -> None:
        taken.append(data)
        os.write(write, b"more\n")  # as a grandchild does that never stops

    drain_pipe(read, take)
    os.close(read)
    os.close(write)
    assert taken[0] == b"left\n" and sum(map(len, taken)) <= 1 << 20
