"""What goes on beside a collection of garbage, each process as a function of its store; and what none may lose."""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

import pytest

from flow_sdk.deploy.releases import record_release
from flow_sdk.errors import NotFound, ObjectMissing
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.batch.submit import read_request, save_request
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.runtime.resume.origin import hold_origin
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs.blob import digest_of, write_blob
from flow_sdk.store.blobs.write_protocol import SHORTEST_GRACE
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import commits
from flow_sdk.store.records.layout import blob_key
from flow_sdk.store.records.model import Manifest, RunRecord
from flow_sdk.upkeep.garbage_collection import collect_garbage
from flow_sdk.upkeep.run_removal import RetentionRules
from tests.support.stepped_processes import SteppedLocal, World

__all__ = [
    "DAY",
    "PAYLOADS",
    "Work",
    "clearer",
    "collector",
    "deployer",
    "lost",
    "record",
    "resumer",
    "shared",
    "store_payload",
    "submitter",
    "task",
    "writer",
]

DAY = 86400.0
PAYLOADS = 3

Work = Callable[[ObjectStore], None]


def payload(number: int) -> bytes:
    return b"payload %d " % number * 300


def record(run: str, plan: str, started: float, origin: str | None = None) -> RunRecord:
    return RunRecord("F", run, plan, None, {}, (), "tester", started, origin_run=origin)


def store_payload(store: ObjectStore, number: int) -> str:
    digest = digest_of((payload(number),))
    write_blob(store, (payload(number),), digest)
    return digest.hex()


def writer(world: World, run: str, number: int) -> Work:
    """A process that stores a payload and then commits a record that refers to it."""

    def work(store: ObjectStore) -> None:
        plan = store_payload(store, number)
        Runs(store).create(record(run, plan, world.now))

    return work


def resumer(world: World, run: str, origin: str) -> Work:
    """A process that copies a reference from another run's record."""

    def work(store: ObjectStore) -> None:
        runs = Runs(store)
        try:
            found = runs.read("F", origin)
            hold_origin(store, "F", origin)
        except NotFound:
            return
        runs.create(record(run, found.plan, world.now, origin))

    return work


def _committed(store: ObjectStore, run: str, number: int, generation: int = 0) -> None:
    """Store an artifact and the items of a foreach, and commit a task that has both."""
    artifacts = Artifacts(store)
    attempt = commits.claim_attempt(store, "F", run, "start", "0", {})
    ref = artifacts.save(payload(number), where="a")
    items = artifacts.save_items([payload(number), payload(number + 1)], where="b")
    which = {"flow": "F", "run": run, "step": "start", "task": "0", "attempt": attempt, "generation": generation}
    commits.commit_attempt(store, Manifest(**which, ok=True, successful=True, artifacts={"a": ref}, items=items))  # type: ignore


def task(world: World, run: str, number: int) -> Work:
    """A process that begins a run and commits a task of it."""

    def work(store: ObjectStore) -> None:
        writer(world, run, number)(store)
        _committed(store, run, number)

    return work


def clearer(run: str, number: int) -> Work:
    """An orchestrator's user who clears a committed task, and the attempt that follows."""

    def work(store: ObjectStore) -> None:
        found = commits.read_task(store, "F", run, "start", "0")
        if found is not None:
            commits.reopen_task(store, found, found.generation + 1)
            _committed(store, run, number, found.generation + 1)

    return work


def deployer(number: int) -> Work:
    """A process that stores what a deployment needs, and notes it."""

    def work(store: ObjectStore) -> None:
        blobs = {"plan": store_payload(store, number), "request": store_payload(store, (number + 1) % PAYLOADS)}
        record_release(store, "airflow", "deployed", blobs)

    return work


def submitter(run: str, tries_left: int, saved: list[tuple[str, str]]) -> Work:
    """A process that submits a job; it notes run and request in ``saved``."""

    def work(store: ObjectStore) -> None:
        try:
            found = Runs(store).read("F", run)
        except NotFound:
            return
        request = TaskRequest("", "F", run, "start", "0", found.plan, tries_left=tries_left)
        saved.append((run, save_request(Artifacts(store), request)))

    return work


def collector(world: World, last: int | None) -> Work:
    def work(store: ObjectStore) -> None:
        collect_garbage(store, RetentionRules(last=last), now=world.now, grace=SHORTEST_GRACE, delete=True, threads=1)

    return work


@lru_cache(10_000)
def _digests(text: bytes) -> list[str]:
    return [found.decode() for found in re.findall(rb'"([0-9a-f]{64})"', text)]


def lost(base: ObjectStore, saved: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Records of deployments, and of runs that can be read, whose blobs aren't there; and requests that aren't."""
    if isinstance(base, MemoryStore):
        objects = {key: text for key, (text, _) in list(base._objects.items())}
    else:
        objects = {info.key: b"" if info.key.startswith("blobs/") else base.get(info.key) for info in base.list("")}
    runs = {key.removesuffix("run.json") for key in objects if key.endswith("/run.json")}
    found = []
    for key, text in objects.items():
        readable = key.startswith("deployments/") or "/".join(key.split("/")[:4]) + "/" in runs
        if readable and any(blob_key(digest) not in objects for digest in _digests(text)):
            found.append(key)
    for run, digest in saved:
        if f"flows/F/runs/{run}/" in runs:
            try:
                read_request(Artifacts(base), f"F/{run}/start/0", digest)
            except ObjectMissing:
                found.append(f"the request {digest} of {run}")
    return found


@contextmanager
def shared(local: bool = False) -> Iterator[tuple[World, MemoryStore | SteppedLocal]]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as left:
        world = World().install(patch)
        left.callback(world.end)
        if local:
            yield world, SteppedLocal(left.enter_context(tempfile.TemporaryDirectory()), world)
        else:
            yield world, MemoryStore("shared")
