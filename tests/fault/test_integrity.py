"""Whatever byte of an artifact is changed: the reader gets an error that names it, and the store's check finds it."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk import namespace
from flow_sdk.client import Task
from flow_sdk.client.context import default_metadata, default_namespace, metadata
from flow_sdk.errors import FlowSDKError, IntegrityError
from flow_sdk.store.check import CheckReport, check_store
from flow_sdk.store.layout import blob_key, commit_key
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectInfo, ObjectStore
from flow_sdk.store.records import Manifest, decode
from flow_sdk.store.verify import verify_blob
from tests.rig.finished import finished_run

TASK = "Kept/1/start/0"
COMMIT = commit_key("Kept", "1", "start", "0")


@pytest.fixture(autouse=True)
def own_choice() -> Iterator[None]:
    yield
    default_metadata()
    default_namespace()


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return opened(tmp_path)


def opened(tmp_path: Path, **options: int) -> ObjectStore:
    store = finished_run(open_store(str(tmp_path / "store")), **options)
    metadata(store.url)
    namespace(None)
    return store


def key_of(store: ObjectStore, artifact: str) -> str:
    return blob_key(decode(Manifest, store.get(COMMIT), COMMIT).artifacts[artifact].hash)


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
    places = {damage.place for damage in report.damage if damage.key == key}
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


def test_two_blobs_swapped(store: ObjectStore) -> None:
    one, two = key_of(store, "medium"), key_of(store, "large")
    first, second = store.get(one), store.get(two)
    store.put(one, second)
    store.put(two, first)
    refused("medium", one)
    refused("large", two)
    assert found(store, "medium", one).damaged == 2
    found(store, "large", two)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "another task's"])
def test_a_commit_record(store: ObjectStore, damage: str) -> None:
    whole = store.get(COMMIT)
    other = store.get(commit_key("Kept", "1", "each", "1"))
    bad = {"cut": whole[:-20], "noise": b"\x00" + whole, "empty": b"", "another task's": other}[damage]
    store.put(COMMIT, bad)
    report = check_store(store)
    assert {item.key for item in report.damage} == {COMMIT}
    assert report.damage[0].place == TASK
    if damage != "another task's":
        with pytest.raises(FlowSDKError) as caught:
            read("small")
        assert COMMIT in str(caught.value)


def test_an_inline_payload(store: ObjectStore) -> None:
    record = json.loads(store.get(COMMIT))
    inline = record["artifacts"]["small"]["inline"]
    for at in range(len(inline)):
        if inline[at] == "=":
            continue
        bad = inline[:at] + ("B" if inline[at] != "B" else "C") + inline[at + 1 :]
        record["artifacts"]["small"]["inline"] = bad
        store.put(COMMIT, json.dumps(record).encode(), durable=False)
        report = check_store(store) if at % 5 == 0 else None
        if report is not None and not report.damage:
            # The last letters of base64 carry bits that stand for nothing.
            assert read("small") == "a few letters"
            continue
        if report is not None:
            assert f"{TASK}, attempt 0, artifact 'small'" in {item.place for item in report.damage}
        with pytest.raises(IntegrityError) as caught:
            read("small")
        assert f"{TASK}/small" in str(caught.value)
