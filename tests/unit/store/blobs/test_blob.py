"""Blobs: every byte verifies or nothing is read."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.errors import IntegrityError, ObjectMissing, StoreError
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs import frame_format
from flow_sdk.store.blobs.blob import digest_of, read_blob, write_blob
from flow_sdk.store.port import Capabilities, ObjectStore
from flow_sdk.store.records.layout import blob_key

pytestmark = pytest.mark.slow  # starts processes or servers

MIB = 1 << 20


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return LocalStore(str(tmp_path)) if request.param == "local" else MemoryStore()


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def text(size: int) -> bytes:
    return (b"a line of text that compresses well, number %d\n" % size * (size // 40 + 1))[:size]


def save(store: ObjectStore, payload: bytes) -> str:
    digest = digest_of([payload])
    write_blob(store, [payload], digest)
    return digest.hex()


PAYLOADS = {
    "empty": b"",
    "one byte": b"x",
    "small": noise(5000),
    "small text": text(40_000),
    "just below large": text(MIB - 1),
    "large": noise(MIB),
    "large text": text(MIB),
    "frames": noise(9 * MIB + 17),
    "frames of text": text(9 * MIB + 17),
    "exact frames": text(8 * MIB),
    "mixed": text(5 * MIB) + noise(5 * MIB) + text(5 * MIB),
    "mixed the other way": noise(5 * MIB) + text(8 * MIB),
}


@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("size_known", [True, False])
def test_round_trip(store: ObjectStore, name: str, size_known: bool) -> None:
    payload = PAYLOADS[name]
    digest = save(store, payload)
    found = read_blob(store, digest, len(payload) if size_known else None, where="x")
    assert bytes(found) == payload


@pytest.mark.parametrize("name", ["large text", "frames of text", "mixed", "small text"])
def test_what_can_be_compressed_is(store: ObjectStore, name: str) -> None:
    payload = PAYLOADS[name]
    info = store.head(blob_key(save(store, payload)))
    assert info is not None and info.size < 0.8 * len(payload)


@pytest.mark.parametrize("name", ["frames", "large", "small"])
def test_what_cannot_be_compressed_is_stored_as_it_is(store: ObjectStore, name: str) -> None:
    payload = PAYLOADS[name]
    stored = store.get(blob_key(save(store, payload)))
    assert stored.endswith(payload)


def test_parts_make_the_same_blob_as_the_whole(store: ObjectStore) -> None:
    payload = PAYLOADS["mixed"]
    view = memoryview(payload)
    parts = [view[:10], b"", view[10 : 5 * MIB + 3], bytes(view[5 * MIB + 3 :])]
    assert digest_of(parts) == digest_of([payload])
    write_blob(store, parts, digest_of(parts))
    assert bytes(read_blob(store, digest_of(parts).hex(), len(payload), where="x")) == payload


class WriteOnce(MemoryStore):
    def put(self, key: str, data: Any, *, durable: bool = True) -> None:
        assert self.head(key) is None, "written again"
        super().put(key, data, durable=durable)


@pytest.mark.parametrize("name", ["small", "large", "frames of text"])
def test_a_blob_that_is_there_is_not_written_again(name: str) -> None:
    store = WriteOnce()
    assert save(store, PAYLOADS[name]) == save(store, PAYLOADS[name])


@pytest.mark.parametrize("name", ["one byte", "small", "large", "large text", "frames", "frames of text", "mixed"])
def test_a_damaged_blob_is_mended_by_who_stores_the_same(store: ObjectStore, name: str) -> None:
    payload = PAYLOADS[name]
    key = blob_key(save(store, payload))
    good = store.get(key)
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    for bad in (b"", b"\0" + good[1:], good[:60], flipped, good[:-1], good + b"x"):
        store.put(key, bad)
        assert bytes(read_blob(store, save(store, payload), len(payload), where="x")) == payload


@pytest.mark.parametrize("name", ["small", "frames"])
def test_what_a_disk_cannot_read_any_more_is_written_anew(name: str) -> None:
    class Worn(MemoryStore):
        worn = False

        def get(self, key: str) -> bytes:
            if self.worn:
                raise StoreError("The store can't read an object.", seen="Input/output error (errno 5)")
            return super().get(key)

        def put(self, key: str, data: Any, *, durable: bool = True) -> None:
            super().put(key, data, durable=durable)
            self.worn = False

    store = Worn()
    digest = save(store, PAYLOADS[name])
    store.worn = True
    assert save(store, PAYLOADS[name]) == digest and not store.worn


class FarAway(MemoryStore):
    """Where reading is as dear as writing."""

    url = "s3://far/away"
    capabilities = Capabilities(is_remote=True)


@pytest.mark.parametrize("name", ["frames", "mixed the other way"])
def test_a_large_blob_in_s3_is_relied_upon_by_its_header_and_length(name: str) -> None:
    store = FarAway()
    payload = PAYLOADS[name]
    key = blob_key(save(store, payload))
    good, read = store.get(key), []
    whole = store.get
    store.get_range = lambda key, start, length: read.append(length) or whole(key)[start : start + length]  # type: ignore
    written = store.head(key)
    save(store, payload)
    assert store.head(key) == written and sum(read) <= frame_format.HEAD
    for bad in (good[:-1], good[: len(good) // 2], good + b"x", good[:9] + b"x" + good[10:]):
        store.put(key, bad)
        save(store, payload)
        assert whole(key) == good


@pytest.mark.parametrize("payload", [noise(300), text(20_000)], ids=["raw", "compressed"])
def test_any_flipped_byte_is_found(payload: bytes) -> None:
    store = MemoryStore()
    digest = save(store, payload)
    key = blob_key(digest)
    good = store.get(key)
    for position in range(len(good)):
        for mask in (0x01, 0x80, 0xFF):
            bad = bytearray(good)
            bad[position] ^= mask
            store.put(key, bad)
            with pytest.raises(IntegrityError, match="stored object") as caught:
                read_blob(store, digest, len(payload), where="step fit, artifact model")
            assert "step fit, artifact model" in str(caught.value) and key in str(caught.value)


@pytest.mark.parametrize("name", ["frames", "frames of text", "mixed"])
def test_a_flipped_byte_in_a_large_blob_is_found(store: ObjectStore, name: str) -> None:
    payload = PAYLOADS[name]
    digest = save(store, payload)
    good = store.get(blob_key(digest))
    random_ = random.Random(1)
    places = [*range(0, 90, 7), *(random_.randrange(len(good)) for _ in range(8)), len(good) - 1]
    for position in places:
        bad = bytearray(good)
        bad[position] ^= 1 << random_.randrange(8)
        store.put(blob_key(digest), bad, durable=False)
        with pytest.raises(IntegrityError):
            read_blob(store, digest, len(payload), where="x")


@pytest.mark.parametrize("name", ["small", "small text", "large", "frames", "frames of text", "mixed"])
def test_a_blob_cut_short_or_grown_is_found(store: ObjectStore, name: str) -> None:
    payload = PAYLOADS[name]
    digest = save(store, payload)
    good = store.get(blob_key(digest))
    cuts = {0, 1, 8, 63, 64, 100, len(good) // 2, len(good) - 8 * MIB, len(good) - 1} & set(range(len(good)))
    for bad in [good[:cut] for cut in cuts] + [good + b"\0", good + good, b"\0" + good]:
        store.put(blob_key(digest), bad, durable=False)
        for size in (len(payload), None):
            with pytest.raises(IntegrityError):
                read_blob(store, digest, size, where="x")


def test_swapped_blobs_are_found(store: ObjectStore) -> None:
    one, two = save(store, noise(100, 1)), save(store, noise(100, 2))
    store.put(blob_key(one), store.get(blob_key(two)))
    with pytest.raises(IntegrityError, match="another payload"):
        read_blob(store, one, 100, where="x")


def test_a_header_that_lies_consistently_is_found(store: ObjectStore) -> None:
    payload = b"something else"
    digest = digest_of([b"the right thing"])
    header = frame_format.write_header(frame_format.Header(frame_format.RAW, frame_format.FRAME, len(payload), digest))
    store.put(blob_key(digest.hex()), [header, payload])
    with pytest.raises(IntegrityError, match="doesn't have the hash"):
        read_blob(store, digest.hex(), len(payload), where="x")


def test_a_blob_of_a_newer_release_says_so(store: ObjectStore) -> None:
    from blake3 import blake3

    digest = save(store, b"x")
    stored = store.get(blob_key(digest))
    text_ = stored[:8] + b"\x09" + stored[9 : 56 + 2]
    store.put(blob_key(digest), text_ + blake3(text_).digest(16) + b"x")
    with pytest.raises(IntegrityError, match="newer release"):
        read_blob(store, digest, 1, where="x")


def test_a_missing_blob_names_artifact_and_key(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing, match="is missing") as caught:
        read_blob(store, "ab" * 32, 10, where="step fit, artifact model")
    assert "step fit, artifact model" in str(caught.value)
    assert "blobs/ab/abab" in str(caught.value)


def test_large_memory_is_private_and_writable(store: ObjectStore) -> None:
    payload = PAYLOADS["frames"]
    digest = save(store, payload)
    view = memoryview(read_blob(store, digest, len(payload), where="x"))
    assert not view.readonly
    pid = os.fork()
    if pid == 0:
        view[0] ^= 0xFF
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert view[0] == payload[0]
    view[1] ^= 0xFF
    assert bytes(read_blob(store, digest, len(payload), where="x")) == payload


@pytest.mark.parametrize(
    ("store", "command"),
    [
        ("file:///tmp/a in b/.flow_sdk", "flow-sdk store check --datastore-root 'file:///tmp/a in b/.flow_sdk'"),
        ("s3://bucket/flows", "flow-sdk store check --datastore-root s3://bucket/flows"),
    ],
)
def test_the_advice_for_a_damaged_object_names_its_store(store, command):
    from flow_sdk.store.blobs.frame_format import damage_error

    assert str(damage_error("it is cut", f"plan of X/1, object blobs/f in {store}").help).endswith(": " + command)
