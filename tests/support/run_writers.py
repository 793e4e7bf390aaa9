"""What a run writes beside records and artifacts: what it takes over, files, a log, what a state machine reads."""

import hashlib
import json
import os
import random
import tempfile
from typing import Any
from unittest.mock import patch

from flow_sdk.client.logs import task_lines
from flow_sdk.deploy.step_functions.state_data import write_state_data
from flow_sdk.files.file_store import ByteSpan, FileLabel
from flow_sdk.files.run_files import RunFiles
from flow_sdk.files.run_files import Writer as Putter
from flow_sdk.files.run_location import _files_of_store
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.local.scheduler import Scheduler, TaskKey
from flow_sdk.runtime.logs import FLUSH_BYTES, LogSender, LogWriter
from flow_sdk.runtime.resume import reuse as reusing
from flow_sdk.runtime.resume.reuse import Resume
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.records import commits, layout
from tests.fault.cut_flow import Cut
from tests.support.store_writer import NAME, Place, Writer, begun, begun_run, record

__all__ = ["RUN_WRITERS"]

KEY = "sub/model.bin"


class Silent:
    """A reporter that says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


def _origin(place: Place) -> None:
    """A run whose foreach is done, but for its join."""
    made = begun_run(place, "first")
    for key in (TaskKey("start", ()), TaskKey("each", (0,)), TaskKey("each", (1,))):
        assert made.attempt(key, 0).manifest.ok


def _resume(place: Place) -> None:
    store = place.store()
    made = begun_run(place)
    reuse = Resume("first").open_origin(store, made.plan, "tester")
    refs, names = reuse.start_artifacts(Artifacts(store), Cut)
    assert (refs, names) == (made.record.artifacts, made.record.parameters)
    scheduler = Scheduler(made.plan, 1)
    scheduler.begin_run()
    with patch.object(reusing, "WRITERS", 1):  # one after the other, or no number would name a call
        reuse.commit_reused(scheduler, "r", Silent())  # type: ignore[arg-type]
    assert scheduler.take_tasks() == [(TaskKey("join", ()), 0)]


def _taken_over(place: Place) -> Any:
    """Which tasks the run has; each is the origin's."""
    store = place.store()
    found = []
    for step, task in (("start", "0"), ("each", "1.0"), ("each", "1.1"), ("join", "2")):
        manifest = commits.read_task(store, NAME, "r", step, task)
        if manifest is not None:
            first = commits.read_task(store, NAME, "first", step, task)
            assert first is not None and manifest.origin == f"{NAME}/first/{step}/{task}"
            assert (manifest.artifacts, manifest.items) == (first.artifacts, first.items)
            found.append((step, task))
    return found, Runs(store).outcome(NAME, "first", Runs(store).read_plan(record(place, "first"))).state


def _in_part(seen: Any) -> bool:
    return seen[0] in ([], [("start", "0")], [("start", "0"), ("each", "1.0")])


def _files(place: Place) -> RunFiles:
    store = place.store()
    inner, above = _files_of_store(store, None, None)
    roots = {"r": above + layout.files_prefix(NAME, "r").rstrip("/")}
    return RunFiles(inner, roots, store, NAME, Putter("start", "0", 0))


def _put(size: int) -> Writer:
    content = random.Random(size).randbytes(size)

    def look(place: Place) -> Any:
        files = _files(place)
        found = [entry.key for entry in files.list_all("")]
        if not found:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "file")
            files.download_file(KEY, path, ByteSpan(0, None), 1)
            with open(path, "rb") as file:
                return found, hashlib.sha256(file.read()).hexdigest() == hashlib.sha256(content).hexdigest()

    return Writer(begun, lambda place: _files(place).upload_file(KEY, content, FileLabel(), overwrite=True), look)


def _foreach(place: Place) -> None:
    assert begun_run(place).attempt(TaskKey("start", ()), 0).manifest.ok


def _hand_off(place: Place) -> None:
    made = begun_run(place)
    write_state_data(made.view, made.plan["start"], "0", "execution")


def _handed(place: Place) -> Any:
    (text,) = place.store().get_many([layout.orchestrator_output_key(NAME, "r", "start", "0")])
    return text and json.loads(text)


class _Sender(LogSender):
    """Stores in the thread that asks for it: what kills or fails a write does so to the writer."""

    def _wake_thread(self) -> None:
        pass

    def store_one(self) -> None:
        log = self._next_due()
        assert log is not None
        self._store.put(log._chunk_key(), log._chunk, durable=False)
        with self._lock:
            self._handle_put(log, None)


def _log(place: Place) -> None:
    """What a supervised task prints, in three chunks."""
    sender = _Sender(place.store(), lambda line: None)
    log = LogWriter(sender)
    log.assign_attempt(NAME, "r", "start", "0", 0)
    for chunk in range(3):
        log.write("stdout", f"line {chunk}".ljust(FLUSH_BYTES))
        sender.store_one()


def _lines(place: Place) -> Any:
    return [line.text.strip() for line in task_lines(place.store(), (NAME, "r", "start", "0"), 0)]


def _whole_chunks(seen: Any) -> bool:
    return seen in ([f"line {n}" for n in range(upto)] for upto in (1, 2))


RUN_WRITERS: dict[str, Writer] = {
    "a run taken over": Writer(_origin, _resume, _taken_over, _in_part),
    "a file of a run": _put(5_000),
    "a large file of a run": _put(9 << 20),
    "what a state machine reads": Writer(_foreach, _hand_off, _handed),
    "a log": Writer(begun, _log, _lines, _whole_chunks),
}
"""By what they write."""
