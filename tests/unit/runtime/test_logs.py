"""Storing logs: beside the tasks, in spite of a store that is slow or fails, within bounds, and not in silence."""

import threading
import time
from collections.abc import Iterator

import pytest

from flow_sdk.client.logs import task_lines
from flow_sdk.errors import StoreUnavailable
from flow_sdk.runtime import logs
from flow_sdk.runtime.logs import LogSender, LogWriter
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.port import Buffers

PLACE = ("F", "1", "s", "0")
LONG = 60.0
"""Seconds that are never waited for."""


class Store(MemoryStore):
    """A store that can be told to fail, or to keep whoever puts waiting."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.fails = 0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.asked = threading.Event()

    def put(self, key: str, data: Buffers, *, durable: bool = True) -> None:
        self.asked.set()
        self.goes_on.wait(LONG)
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("The store is away.")
        super().put(key, data, durable=durable)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    made = Store(request.node.name)
    yield made
    made.goes_on.set()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def sender(store: Store, told: list[str]) -> LogSender:
    return LogSender(store, told.append)


def placed(sender: LogSender, limit: int | None = None, task: str = "0") -> LogWriter:
    log = LogWriter(sender, limit)
    log.assign_attempt(*PLACE[:3], task, 0)
    return log


def texts(store: Store, task: str = "0") -> list[str]:
    return [line.text for line in task_lines(store, (*PLACE[:3], task), 0)]


def test_a_log_waits_for_its_attempt_and_is_read_back(store: Store, sender: LogSender, told: list[str]) -> None:
    log = LogWriter(sender)
    log.write("stdout", "before the attempt is known")
    log.assign_attempt(*PLACE, 2)
    log.write("stderr", "after ü")
    log.close()
    sender.close(LONG)
    found = list(task_lines(store, PLACE, 2))
    assert [(line.stream, line.text) for line in found] == [
        ("stdout", "before the attempt is known"),
        ("stderr", "after ü"),
    ]
    assert not told


def test_without_an_attempt_there_is_no_log(store: Store, sender: LogSender, told: list[str]) -> None:
    log = LogWriter(sender)
    log.write("stdout", "nobody's")
    log.close()
    sender.close(LONG)
    assert list(store.list("")) == [] and not told


def test_a_log_over_its_limit_says_how_much_is_missing(store: Store, sender: LogSender) -> None:
    log = placed(sender, limit=200)
    for number in range(20):
        log.write("stdout", f"line {number}")
    log.close()
    sender.close(LONG)
    assert texts(store)[0] == "line 0" and texts(store)[-1].startswith("[15 more lines") and len(texts(store)) == 6


def test_after_the_first_line_over_the_limit_none_is_kept(store: Store, sender: LogSender) -> None:
    log = placed(sender, limit=100)
    for line in ("first", "x" * 200, "short"):
        log.write("stdout", line)
    log.close()
    sender.close(LONG)
    assert texts(store)[0] == "first" and texts(store)[1].startswith("[2 more lines") and len(texts(store)) == 2


def test_a_store_that_keeps_us_waiting_holds_no_line_up(store: Store, sender: LogSender) -> None:
    store.goes_on.clear()
    log, other = placed(sender), placed(sender, task="1")
    lines = [f"{number} " + "x" * 1000 for number in range(1000)]  # several times what is stored at once
    for line in lines:
        log.write("stdout", line)
        other.write("stdout", line)
    assert store.asked.wait(LONG) and not list(store.list(""))
    log.close()
    other.close()
    store.goes_on.set()
    sender.close(LONG)
    assert texts(store) == texts(store, "1") == lines


def test_what_failed_is_put_again_and_nothing_is_missing(
    store: Store, sender: LogSender, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.01)
    store.fails = 3
    log = placed(sender)
    log.write("stdout", "first")
    while store.fails:
        store.asked.wait(LONG)
    log.write("stdout", "second")
    log.close()
    sender.close(LONG)
    assert texts(store) == ["first", "second"] and not told


def test_a_failed_put_is_not_repeated_for_every_line(
    store: Store, sender: LogSender, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 3600.0)  # a machine may take longer for the lines than it takes to retry
    store.fails = most = 10**6
    log = placed(sender)
    for _ in range(1000):
        log.write("stdout", "x" * 1000)
    assert store.asked.wait(LONG)
    deadline = time.monotonic() + LONG
    while sender._error is None and time.monotonic() < deadline:  # the thread that puts has yet to hear of it
        time.sleep(0.001)
    for _ in range(1000):
        log.write("stdout", "x" * 1000)
    sender.close(0.0)
    assert most - store.fails <= 2
    (line,) = told
    assert line.startswith("The log isn't whole: 2,000 lines weren't stored, from s/0, attempt 0 on. StoreUnavailable")


def test_the_end_waits_no_longer_than_it_was_told_to(store: Store, sender: LogSender, told: list[str]) -> None:
    store.goes_on.clear()
    log = placed(sender)
    log.write("stdout", "lost")
    log.close()
    sender.close(0.05)
    assert told == ["The log isn't whole: 1 line wasn't stored, from s/0, attempt 0 on."]


def test_memory_is_bounded_and_the_gap_is_noted_once(
    store: Store, sender: LogSender, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_HELD", 1000)
    store.goes_on.clear()
    log = placed(sender)
    for number in range(100):
        log.write("stdout", f"line {number:02d}")
    store.goes_on.set()
    log.close()
    sender.close(LONG)
    found = texts(store)
    kept = len(found) - 1
    assert 20 < kept < 40 and found[:kept] == [f"line {number:02d}" for number in range(kept)]
    assert found[-1] == f"[{100 - kept} lines are missing here: the store didn't take the log in time]"
    assert told == [f"The log isn't whole: {100 - kept} lines weren't stored, from s/0, attempt 0 on."]


def test_after_a_gap_the_log_goes_on(store: Store, sender: LogSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_HELD", 200)
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.01)
    log = placed(sender)
    store.goes_on.clear()
    for _ in range(100):
        log.write("stdout", "early")
    store.goes_on.set()
    while not any("missing here" in text for text in texts(store)):
        store.asked.wait(LONG)
    log.write("stdout", "late")
    log.close()
    sender.close(LONG)
    assert texts(store)[0] == "early" and texts(store)[-1] == "late"


def test_many_short_logs_are_all_stored_by_a_few_threads(store: Store, sender: LogSender) -> None:
    before = set(threading.enumerate())
    for task in range(500):
        log = placed(sender, task=str(task))
        log.write("stdout", f"of task {task}")
        log.close()
    assert len(set(threading.enumerate()) - before) <= logs.MOST_THREADS
    sender.close(LONG)
    assert all(texts(store, str(task)) == [f"of task {task}"] for task in range(500))


def test_a_quiet_task_costs_no_thread(sender: LogSender) -> None:
    before = set(threading.enumerate())
    placed(sender).close()
    sender.close(LONG)
    assert set(threading.enumerate()) <= before
