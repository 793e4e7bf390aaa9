"""Reading logs while they are written."""

from datetime import datetime

import pytest

from flow_sdk.client.logs import LogTail, task_lines
from flow_sdk.store.records import layout
from tests.support.run_builder import Builder

PLACE = ("Shapes", "1", "start", "0")


def line(second: int, text: str, mark: str = "o") -> str:
    return f"2026-01-02T03:04:{second:02d}.500000Z {mark} {text}\n"


def put(flow: Builder, chunk: int, text: str) -> None:
    flow.store.put(layout.log_key(*PLACE, 0, chunk), text.encode())


def test_each_read_gives_what_is_new(flow: Builder) -> None:
    tail = LogTail(flow.store, PLACE, 0)
    assert list(tail.read()) == []
    put(flow, 0, line(1, "a"))
    assert [found.text for found in tail.read()] == ["a"]
    put(flow, 0, line(1, "a") + line(2, "b"))  # a chunk that grew
    put(flow, 1, line(3, "c", "e"))
    assert [(found.text, found.stream) for found in tail.read()] == [("b", "stdout"), ("c", "stderr")]
    assert list(tail.read()) == []


def test_a_line_split_over_chunks_comes_once_it_is_whole(flow: Builder) -> None:
    tail = LogTail(flow.store, PLACE, 0)
    whole = line(1, "über").encode()
    flow.store.put(layout.log_key(*PLACE, 0, 0), whole[:32])
    assert list(tail.read()) == []
    flow.store.put(layout.log_key(*PLACE, 0, 1), whole[32:])
    (found,) = tail.read()
    assert (found.text, found.time) == ("über", datetime(2026, 1, 2, 3, 4, 1, 500000))


def test_what_a_killed_process_had_begun_is_shown(flow: Builder) -> None:
    put(flow, 0, line(1, "a") + line(2, "cut off").rstrip("\n"))
    assert [found.text for found in task_lines(flow.store, PLACE, 0)] == ["a", "cut off"]


def test_text_is_kept_as_it_was_written(flow: Builder) -> None:
    texts = ["", "  indented ", "tab\tand \r return", "o e x", "[31mred", "🙂"]
    put(flow, 0, "".join(line(1, text) for text in texts))
    assert [found.text for found in task_lines(flow.store, PLACE, 0)] == texts


def test_a_damaged_line_is_shown_not_lost(flow: Builder) -> None:
    put(flow, 0, line(7, "a", "e") + "no time at all\n" + line(8, "b"))
    found = list(task_lines(flow.store, PLACE, 0))
    assert [(each.text, each.stream) for each in found] == [
        ("a", "stderr"),
        ("no time at all", "stderr"),
        ("b", "stdout"),
    ]
    flow.store.put(layout.log_key(*PLACE, 0, 1), b"2026-01-02T03:04:09Z o \xff\xfe\n")
    assert list(task_lines(flow.store, PLACE, 0))[-1].text == "\ufffd\ufffd"


def test_a_log_is_followed_while_it_is_written(flow: Builder) -> None:
    written = [line(1, "a") + line(2, "b"), line(3, "c"), line(4, "last").rstrip("\n")]
    tail = LogTail(flow.store, PLACE, 0)
    found = []
    for count, text in enumerate(written):
        found.append([each.text for each in tail.read()])
        put(flow, count, text)
    found.append([each.text for each in tail.read()])
    assert found == [[], ["a", "b"], ["c"], []]
    assert [each.text for each in tail.read_rest()] == ["last"] and list(tail.read_rest()) == []


@pytest.mark.parametrize("number", [9, 10, 99, 100])
def test_chunks_are_in_order_of_their_numbers(flow: Builder, number: int) -> None:
    put(flow, number + 1, line(2, "second"))
    put(flow, number, line(1, "first"))
    assert [found.text for found in task_lines(flow.store, PLACE, 0)] == ["first", "second"]
