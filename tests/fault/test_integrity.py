"""Whatever byte of an artifact is changed: the reader gets an error that names it, and the store's check finds it."""

import dataclasses
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from flow_sdk import namespace
from flow_sdk.client import Task
from flow_sdk.client.context import metadata
from flow_sdk.deploy.claims import Claim, StoreClaims
from flow_sdk.deploy.releases import newest_releases, record_release
from flow_sdk.errors import DeployError, FlowSDKError, IntegrityError
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs.verification import verify_blob
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records import commits, layout
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.commits import read_task
from flow_sdk.store.records.layout import blob_key, commit_key, parse_key
from flow_sdk.store.records.model import Manifest
from flow_sdk.upkeep.references import read_record
from flow_sdk.upkeep.store_check import CheckReport, check_store
from tests.support.fault_counts import count
from tests.support.finished_run import finished_run

TASK = "Kept/1/start/0"
COMMIT = commit_key("Kept", "1", "start", "0")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return opened(tmp_path)


def opened(tmp_path: Path, **options: int) -> ObjectStore:
    store = finished_run(open_store(str(tmp_path / "store")), **options)
    metadata(store.url)
    namespace(None)
    return store


def key_of(store: ObjectStore, artifact: str) -> str:
    return blob_key(decode_record(Manifest, store.get(COMMIT), COMMIT).artifacts[artifact].hash)


def read(artifact: str) -> object:
    return Task(TASK)[artifact].data


def refused(artifact: str, key: str) -> None:
    """The reader is refused, and told which run, step, artifact and object."""
    with pytest.raises(IntegrityError) as caught:
        read(artifact)
    for part in ("Kept/1/start/0", artifact, key):
        assert part in str(caught.value), str(caught.value)


def found(store: ObjectStore, artifact: str, key: str) -> CheckReport:
    """The check finds it, and says whose it is."""
    report = check_store(store)
    places = {damage.owner for damage in report.damage if damage.key == key}
    assert f"Kept/1/start/0, attempt 0, artifact {artifact!r}" in places, report.damage
    return report


def test_every_byte_of_a_small_blob(store: ObjectStore) -> None:
    key = key_of(store, "medium")
    whole = store.get(key)
    digest, info = bytes.fromhex(key[-64:]), ObjectInfo(key, len(whole), 0.0)
    assert 2048 < len(whole) < 4000
    chance = random.Random(5)
    for at in range(len(whole)):
        bad = bytearray(whole)
        bad[at] ^= 1 << chance.randrange(8)
        store.put(key, bytes(bad), durable=False)
        refused("medium", key)
        count(faults=1)
        with pytest.raises(IntegrityError):
            verify_blob(store, info, digest)
        if at % 500 == 0:
            found(store, "medium", key)
    store.put(key, whole)
    assert read("medium")
    assert not check_store(store).damage


def test_random_bytes_of_a_large_blob(tmp_path: Path) -> None:
    store = opened(tmp_path, large=24 << 20)
    key = key_of(store, "large")
    path = Path(store.url.removeprefix("file://")) / key
    size = path.stat().st_size
    assert size > 8 << 20  # several frames
    chance = random.Random(7)
    places = [0, 9, 30, 70, 100, 4096, size - 1, *(chance.randrange(size) for _ in range(20))]
    for number, at in enumerate(places):
        with path.open("r+b") as file:
            file.seek(at)
            before = file.read(1)
            file.seek(at)
            file.write(bytes([before[0] ^ 1 << chance.randrange(8)]))
        refused("large", key)
        count(faults=1)
        if number % 6 == 0:
            found(store, "large", key)
        else:
            with pytest.raises(IntegrityError):
                verify_blob(store, ObjectInfo(key, size, 0.0), bytes.fromhex(key[-64:]))
        with path.open("r+b") as file:
            file.seek(at)
            file.write(before)
    assert not check_store(store).damage


@pytest.mark.parametrize("artifact", ["medium", "large"])
@pytest.mark.parametrize("left", [0, 1, 40, 100, 0.5, -1, "longer"])
def test_a_blob_of_another_length(store: ObjectStore, artifact: str, left: float | str) -> None:
    key = key_of(store, artifact)
    whole = store.get(key)
    if isinstance(left, str):
        store.put(key, whole + b"x")
    else:
        store.put(key, whole[: int(len(whole) * left) if isinstance(left, float) else left])
    refused(artifact, key)
    found(store, artifact, key)
    count(faults=1)


def test_two_blobs_swapped(store: ObjectStore) -> None:
    one, two = key_of(store, "medium"), key_of(store, "large")
    first, second = store.get(one), store.get(two)
    store.put(one, second)
    store.put(two, first)
    refused("medium", one)
    refused("large", two)
    assert found(store, "medium", one).damaged == 2
    found(store, "large", two)
    count(faults=2)


def _read_run(store: ObjectStore) -> None:
    Runs(store).read("Kept", "1")


def _read_start(store: ObjectStore) -> None:
    read_task(store, "Kept", "1", "start", "0")


def _read_end(store: ObjectStore) -> None:
    runs = Runs(store)
    runs.outcome("Kept", "1", runs.read_plan(runs.read("Kept", "1")))


def _read_tokens(store: ObjectStore) -> None:
    StoreClaims(store, "kept").read_valid()


def _read_releases(store: ObjectStore) -> None:
    newest_releases(store, "kept")


RECORDS: dict[str, tuple[str, str, Callable[[ObjectStore], None]]] = {
    "run": (layout.run_key("Kept", "1"), "Kept/1", _read_run),
    "commit": (COMMIT.replace(".json", ".1.json"), TASK, _read_start),
    "redirect": (COMMIT, TASK, _read_start),
    "end": (layout.run_end_key("Kept", "1"), "Kept/1", _read_end),
    "failure": (layout.failure_key("Kept", "1", "end", "3"), "Kept/1/end/3", _read_end),
    "token": (layout.token_key("kept", 0), "deployment kept", _read_tokens),
    "release": ("", "deployment kept", _read_releases),
}


@pytest.fixture(scope="module")
def records() -> MemoryStore:
    """A store with a record of every kind."""
    store = finished_run(MemoryStore(), orchestrator={"kind": "local"})
    first = read_task(store, "Kept", "1", "start", "0")
    assert first is not None
    commits.reopen_task(store, first, 1)
    commits.commit_attempt(store, dataclasses.replace(first, generation=1, attempt=1))
    commits.record_task_failure(store, "Kept", "1", "end", "3", 0, "no reason")
    store.delete([layout.commit_key("Kept", "1", "end", "3")])
    StoreClaims(store, "kept").add_claim(Claim("kept", 0, "anne", "2026-01-31", "salt", "d" * 64))
    record_release(store, "airflow", "kept", {"plan": Runs(store).read("Kept", "1").plan})
    assert not check_store(store, threads=1).damage
    return store


@pytest.mark.parametrize("name", RECORDS)
def test_every_byte_of_a_record(records: MemoryStore, name: str) -> None:
    key, place, reader = RECORDS[name]
    if name == "end":
        Runs(records).finish("Kept", "1", "failed", "why not")
    key = key or next(info.key for info in records.list(layout.release_prefix("kept")))
    whole, kind = records.get(key), parse_key(key)
    json.loads(whole)  # people can read it still
    reader(records)
    chance = random.Random(name)
    for at in range(len(whole) + 1):
        bad = bytearray(whole + b" ")
        bad[at] ^= 1 << chance.randrange(8)
        bad = bad[: len(whole)] if at < len(whole) else bad
        (damage,) = read_record(ObjectInfo(key, len(bad), 0.0), kind, bytes(bad)).damage
        assert (damage.key, damage.owner) == (key, place)
        records.put(key, bytes(bad))
        with pytest.raises((IntegrityError, DeployError)) as caught:
            reader(records)
        assert key in str(caught.value)
        if at % 200 == 0:
            assert [(item.key, item.owner) for item in check_store(records, threads=1).damage] == [(key, place)]
    records.put(key, whole)
    if name == "end":
        records.delete([key])


def test_every_byte_of_the_items_of_a_foreach(records: MemoryStore) -> None:
    manifest = read_task(records, "Kept", "1", "start", "0")
    assert manifest is not None and manifest.items is not None
    key = blob_key(manifest.items.hash)
    whole = records.get(key)
    for at in range(len(whole)):
        bad = bytearray(whole)
        bad[at] ^= 1 << at % 8
        records.put(key, bytes(bad))
        with pytest.raises(IntegrityError, match=key):
            verify_blob(records, ObjectInfo(key, len(bad), 0.0), bytes.fromhex(manifest.items.hash))
        if at % 100 == 0:
            report = check_store(records, threads=1)
            assert {(item.key, item.owner) for item in report.damage} == {
                (key, f"{TASK}, attempt {number}, the items of the foreach") for number in (0, 1)
            }
    records.put(key, whole)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "another task's"])
def test_a_commit_record(store: ObjectStore, damage: str) -> None:
    whole = store.get(COMMIT)
    other = store.get(commit_key("Kept", "1", "each", "1.1"))
    bad = {"cut": whole[:-20], "noise": b"\x00" + whole, "empty": b"", "another task's": other}[damage]
    store.put(COMMIT, bad)
    report = check_store(store)
    assert {item.key for item in report.damage} == {COMMIT}
    assert report.damage[0].owner == TASK
    count(faults=1)
    if damage != "another task's":
        with pytest.raises(FlowSDKError) as caught:
            read("small")
        assert COMMIT in str(caught.value)


def test_an_inline_payload(store: ObjectStore) -> None:
    record = json.loads(store.get(COMMIT))
    del record["sum"]  # as releases wrote it whose records had no checksum
    record["format"] = 1
    inline = record["artifacts"]["small"]["inline"]
    for at in range(len(inline)):
        if inline[at] == "=":
            continue
        bad = inline[:at] + ("B" if inline[at] != "B" else "C") + inline[at + 1 :]
        record["artifacts"]["small"]["inline"] = bad
        store.put(COMMIT, json.dumps(record).encode(), durable=False)
        count(faults=1)
        report = check_store(store) if at % 5 == 0 else None
        if report is not None and not report.damage:
            # The last letters of base64 carry bits that stand for nothing.
            assert read("small") == "a few letters"
            continue
        if report is not None:
            assert f"{TASK}, attempt 0, artifact 'small'" in {item.owner for item in report.damage}
        with pytest.raises(IntegrityError) as caught:
            read("small")
        assert f"{TASK}/small" in str(caught.value)
