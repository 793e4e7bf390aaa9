"""Finding runs when there are many: the latest one, and the newest twenty as a user prints them.

``python -m benchmarks.runs`` measures what the peer has nothing beside: the same in S3, and what resuming costs a task.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.side import Row, Side
from tests.support.request_counts import CountingS3

__all__ = ["resume_seconds", "runs_in_s3", "runs_rows"]

SIZES = (100, 1_000, 10_000)

FLOW = """
from PACKAGE import FlowSpec, step


class Few(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Few()
"""

# One run is really run; the others are its records over again, under other ids and a second apart. Of the peer's run
# the last step alone is copied: less to list, if anything.
FILL = """
import dataclasses, sys
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.records import commits
from flow_sdk.store.open_store import open_store
store = open_store(STORE)
runs = Runs(store)
first = runs.read("Few", "1")
end = commits.read_task(store, "Few", "1", "end", "1")
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    record = runs.create(dataclasses.replace(first, run=str(number), started=first.started + number))
    runs.expect_success(record)
    commits.commit_attempt(store, dataclasses.replace(end, run=str(number)))
"""
FILL_PEERS = """
import json, os, sys
root = os.path.join(".metaflow", "Few")
first = min(name for name in os.listdir(root) if name.isdigit())
files = {}
for folder, _, names in os.walk(os.path.join(root, first)):
    place = os.path.relpath(folder, os.path.join(root, first))
    if place in (".", "_meta") or place.split(os.sep)[0] == "end":
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                files[os.path.join(place, name)] = file.read()
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    run = str(int(first) + number * 1_000_000)
    for place, text in files.items():
        if place.endswith(".json"):
            data = json.loads(text)
            if "ts_epoch" in data:
                data["ts_epoch"] += number * 1000
            text = json.dumps(data).replace(first, run)
        path = os.path.join(root, run, place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
"""
# What is opened and listed below the store's folder is counted the same way for both, by Python's own audit events.
MEASURE = """
import json, sys, time
from itertools import islice
from PACKAGE import Flow, namespace
what, count = sys.argv[1], sys.argv[2] == "count"
namespace(None)
opened = 0

def seen(event, arguments):
    global opened
    if event in ("open", "os.listdir", "os.scandir") and "STORE" in str(arguments[0]):
        opened += 1

def find():
    if what == "latest":
        return [Flow("Few").latest_run.id]
    return [run.id for run in islice(Flow("Few"), 20) if run.created_at and run.successful]

if count:
    sys.addaudithook(seen)
else:
    find()  # as in a notebook in which this isn't the first look
began = time.perf_counter()
found = find()
seconds = time.perf_counter() - began
assert len(found) == (1 if what == "latest" else 20), found
print(json.dumps({"seconds": seconds, "opened": opened}))
"""


def _measured(side: Side, what: str) -> tuple[float, int]:
    """Median milliseconds of a second look, in three processes, and how many files and folders the first opened."""
    store = ".flow_sdk" if side.package == "flow_sdk" else ".metaflow"
    script = side.flow("measure.py", MEASURE.replace("STORE", store))
    taken = [json.loads(side.printed([script, what, "time"]))["seconds"] for _ in range(3)]
    return 1000 * statistics.median(taken), json.loads(side.printed([script, what, "count"]))["opened"]


def _rows(ours: Side, peer: Side, size: int) -> Iterator[Row]:
    for what, text in (("latest", f"latest of {size:,} runs"), ("newest", f"newest 20 of {size:,} runs")):
        mine, theirs = _measured(ours, what), _measured(peer, what)
        yield Row(text, mine[0], theirs[0], 0, "ms")
        yield Row(f"{text}: files and folders opened", mine[1], theirs[1], 0, "")


def runs_rows(ours: Side, peer: Side) -> list[Row]:
    """Measure with 100, 1,000 and 10,000 runs of a flow in a local store.

    Parameters
    ----------
    ours, peer : Side
        The two sides.
    """
    rows: list[Row] = []
    for side, fill in ((ours, FILL.replace("STORE", repr(".flow_sdk"))), (peer, FILL_PEERS)):
        side.seconds([side.flow("few.py", FLOW), "run"])
        side.flow("fill.py", fill)
    before = 1
    for size in SIZES:
        for side in (ours, peer):
            side.seconds(["fill.py", str(before + 1), str(size + 1)])
        before = size
        rows += _rows(ours, peer, size)
    return rows


def runs_in_s3(sizes: tuple[int, ...] = SIZES) -> Iterator[tuple[str, int, float]]:
    """Look for runs in an S3 on this machine, from a fresh process each time.

    Yields
    ------
    (str, int, float)
        What was looked for, the requests that it took, and its milliseconds.
    """
    url = "s3://bench/flows"
    with tempfile.TemporaryDirectory() as folder, CountingS3("bench") as server:
        ours = Path(folder)
        for name, text in (
            ("few.py", FLOW),
            ("fill.py", FILL.replace("STORE", repr("local"))),
            ("measure.py", MEASURE),
        ):
            (ours / name).write_text(text.replace("PACKAGE", "flow_sdk").replace("STORE", "."), encoding="utf-8")
        environment = {**os.environ, **server.env(), "HOME": folder, "USER": "bench", "FLOW_SDK_STORE": url}
        _python(ours, environment, "few.py", "--datastore-root", "local", "run")
        before, sent = 1, set[str]()
        for size in sizes:
            _python(ours, environment, "fill.py", str(before + 1), str(size + 1))
            before = size
            paths = [path for path in (ours / "local").rglob("*") if path.is_file() and str(path) not in sent]
            # Written past the server: what is measured is looking.
            server.fill((f"flows/{path.relative_to(ours / 'local').as_posix()}", path.read_bytes()) for path in paths)
            sent.update(map(str, paths))
            for what, text in (("latest", f"latest of {size:,} runs"), ("newest", f"newest 20 of {size:,} runs")):
                server.seen.clear()
                _python(ours, environment, "measure.py", what, "count")
                requests = len(server.seen)
                taken = [json.loads(_python(ours, environment, "measure.py", what, "time")) for _ in range(3)]
                yield text, requests, 1000 * statistics.median(each["seconds"] for each in taken)


WIDE = """
from flow_sdk import FlowSpec, step


class Wide(FlowSpec):
    @step
    def start(self):
        self.items = list(range(COUNT))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.done = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Wide()
"""
# The first task is really run, and the others are its record over again under their own ids; then the join is missing.
DO_WORK = """
import dataclasses, sys
from concurrent.futures import ThreadPoolExecutor
from flow_sdk.store.records import commits
from flow_sdk.store.open_store import open_store
store = open_store("store")
one = commits.read_task(store, "Wide", "1", "work", "1.0")
with ThreadPoolExecutor(16) as pool:
    copies = (dataclasses.replace(one, task=f"1.{n}") for n in range(1, int(sys.argv[1])))
    for _ in pool.map(lambda manifest: commits.commit_attempt(store, manifest), copies):
        pass
"""


def resume_seconds(tasks: int) -> float:
    """Wall seconds of resuming a local run of which that many tasks of a foreach are reused."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "HOME": name, "USER": "bench"}
        general = ("--datastore-root", "store")
        (folder / "wide.py").write_text(WIDE.replace("COUNT", str(tasks)), encoding="utf-8")
        (folder / "work.py").write_text(DO_WORK, encoding="utf-8")
        # Stopped after the first task: the only worker is ended with its run.
        first = WIDE.replace("COUNT", str(tasks)).replace("self.done = self.input", "self.done = self.input + FAILS")
        (folder / "first.py").write_text(first.replace("FAILS", "0 / (self.input < 1)"), encoding="utf-8")
        begun = subprocess.run(
            [sys.executable, "first.py", *general, "run", "--max-workers", "1", "--max-num-splits", str(tasks)],
            cwd=folder, env=environment, capture_output=True, check=False,
        )  # fmt: skip
        assert begun.returncode == 1, begun.stderr
        _python(folder, environment, "work.py", str(tasks))
        started = time.perf_counter()
        words = ("resume", "--max-num-splits", str(tasks), "--output", "json")
        events = map(json.loads, _python(folder, environment, "wide.py", *general, *words).splitlines())
        seconds = time.perf_counter() - started
    reused = {event["step"]: event["count"] for event in events if event["event"] == "reused"}
    assert reused == {"start": 1, "work": tasks}, reused
    return seconds


def _python(folder: Path, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    """Measure, and print two tables."""
    print("| in S3 | requests | ms |\n|---|--:|--:|")
    for what, requests, milliseconds in runs_in_s3():
        print(f"| {what} | {requests} | {milliseconds:.0f} |", flush=True)
    print("\n| resume | s | ms for each reused task |\n|---|--:|--:|")
    for tasks in SIZES:
        seconds = resume_seconds(tasks)
        print(f"| {tasks:,} tasks reused | {seconds:.1f} | {1000 * seconds / tasks:.2f} |", flush=True)


if __name__ == "__main__":
    main()
