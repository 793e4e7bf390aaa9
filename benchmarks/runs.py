"""Finding runs when there are many: the latest one, and the newest twenty as a user prints them."""

import json
import statistics
from collections.abc import Iterator

from benchmarks.side import Row, Side

__all__ = ["runs_rows"]

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
FILL_OURS = """
import dataclasses, sys
from flow_sdk.metadata.runs import Runs
from flow_sdk.store import attempts
from flow_sdk.store.open_store import open_store
store = open_store(".flow_sdk")
runs = Runs(store)
first = runs.read("Few", "1")
end = attempts.read_task(store, "Few", "1", "end", "0")
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    record = runs.create(dataclasses.replace(first, run=str(number), started=first.started + number))
    runs.expect_success(record)
    attempts.commit(store, dataclasses.replace(end, run=str(number)))
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
    for side, fill in ((ours, FILL_OURS), (peer, FILL_PEERS)):
        side.seconds([side.flow("few.py", FLOW), "run"])
        side.flow("fill.py", fill)
    before = 1
    for size in SIZES:
        for side in (ours, peer):
            side.seconds(["fill.py", str(before + 1), str(size + 1)])
        before = size
        rows += _rows(ours, peer, size)
    return rows
