"""store check: what is whole is called whole, and whatever isn't is found and named."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.cli.console import execute_console
from flow_sdk.errors import ConfigError, IntegrityError, StoreError
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.backends.local import LocalStore
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs.item_pack import write_items
from flow_sdk.store.open_store import open_store
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.checksummed_json import decode_checksummed, encode_checksummed
from flow_sdk.store.records.codec import END_FIELDS, FAILURE_FIELDS, RELEASE_FIELDS, decode_record
from flow_sdk.store.records.commits import read_task
from flow_sdk.store.records.layout import (
    blob_key,
    commit_key,
    failure_key,
    orchestrator_output_key,
    release_key,
    run_end_key,
    run_input_key,
    run_key,
    start_key,
)
from flow_sdk.store.records.model import Manifest, RunRecord
from flow_sdk.upkeep.store_check import check_store
from tests.support.finished_run import finished_run

PLACES = {"commit": commit_key("Kept", "1", "start", "0"), "run": run_key("Kept", "1")}


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return finished_run(open_store(str(tmp_path / "store")))


def change(store: ObjectStore, key: str, at: int = -1) -> None:
    data = bytearray(store.get(key))
    data[at] ^= 1
    store.put(key, bytes(data))


def blobs(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list("blobs/")]


@pytest.mark.parametrize("threads", [1, 4])
def test_a_store_that_is_whole(store: ObjectStore, threads: int) -> None:
    report = check_store(store, threads=threads)
    assert not report.damage
    assert not report.remains
    assert not report.unlisted
    assert (report.runs, report.blobs, report.orphans, report.starts, report.entries) == (1, len(blobs(store)), 0, 0, 0)
    assert report.blobs >= 4  # plan, large artifact, medium artifact, items
    assert report.size == sum(info.size for info in store.list("blobs/"))
    assert not report.foreigners


def test_each_blob_damaged_is_found_and_named(store: ObjectStore) -> None:
    for key in blobs(store):
        before = store.get(key)
        change(store, key, len(before) // 2)
        report = check_store(store)
        assert {damage.key for damage in report.damage} == {key}
        assert report.damaged == 1
        assert all(damage.owner.startswith("Kept/1") for damage in report.damage), report.damage
        store.put(key, before)
    assert not check_store(store).damage


def test_each_blob_missing_is_found_and_named(store: ObjectStore) -> None:
    for key in blobs(store):
        before = store.get(key)
        store.delete([key])
        report = check_store(store)
        assert {(damage.key, damage.seen) for damage in report.damage} == {(key, "it is missing")}
        assert report.damaged == 1
        store.put(key, before)


def test_who_needs_a_damaged_blob(store: ObjectStore) -> None:
    manifest = json.loads(store.get(PLACES["commit"]))
    digest = manifest["artifacts"]["large"]["hash"]
    change(store, blob_key(digest))
    places = [damage.owner for damage in check_store(store).damage]
    assert "Kept/1/start/0, attempt 0, artifact 'large'" in places
    assert "Kept/1/end/3, attempt 0, artifact 'large'" not in places  # a join doesn't hand it on by itself
    items = manifest["items"]["hash"]
    change(store, blob_key(items))
    places = [damage.owner for damage in check_store(store).damage]
    assert "Kept/1/start/0, attempt 0, the items of the foreach" in places


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("text", [b"", b"{", b"null", b"[]", b'{"format":1}', b"\xff\xfe"])
def test_a_record_that_cannot_be_read(store: ObjectStore, kind: str, text: bytes) -> None:
    store.put(PLACES[kind], text)
    report = check_store(store)
    assert PLACES[kind] in {damage.key for damage in report.damage}


@pytest.mark.parametrize("text", [b'["0","1"]', b'{"run":"x","split":"0","next":"a","loops":{}}', b'"0"', b"{"])
def test_what_a_state_machine_reads(store: ObjectStore, text: bytes) -> None:
    key = orchestrator_output_key("Kept", "1", "start", "0")
    store.put(key, text)
    found = {damage.key for damage in check_store(store).damage}
    assert found == (set() if len(text) > 5 else {key})


@pytest.mark.parametrize("run", ["1", "sfn-that-never-began"])
def test_whether_an_input_was_refused(store: ObjectStore, run: str) -> None:
    key = run_input_key("Kept", run)
    store.put(key, b'{"run":"x","refused":"The flow has no parameter"}')
    assert check_store(store).damage == []
    store.put(key, b"[]")
    assert {damage.key for damage in check_store(store).damage} == {key}


def test_a_record_in_the_place_of_another(store: ObjectStore) -> None:
    store.put(commit_key("Kept", "1", "each", "1.0"), store.get(commit_key("Kept", "1", "each", "1.1")))
    (damage,) = check_store(store).damage
    assert damage.key == commit_key("Kept", "1", "each", "1.0")
    assert damage.owner == "Kept/1/each/1.0"


def test_a_record_of_a_newer_release(store: ObjectStore) -> None:
    record = json.loads(store.get(PLACES["run"]))
    store.put(PLACES["run"], json.dumps({**record, "format": 99}).encode())
    (damage,) = check_store(store).damage
    assert "newer release" in damage.seen
    assert "pip install -U" in damage.seen


def test_an_inline_payload_altered(store: ObjectStore) -> None:
    record = json.loads(store.get(PLACES["commit"]))
    assert record["artifacts"]["small"]["inline"]
    record["artifacts"]["small"]["inline"] = "AAAA"
    store.put(PLACES["commit"], json.dumps(record, separators=(",", ":")).encode())
    (damage,) = check_store(store).damage
    assert (damage.owner, damage.key) == ("Kept/1/start/0", PLACES["commit"])
    of_an_older_release(store, PLACES["commit"], record)
    (damage,) = check_store(store).damage
    assert damage.owner == "Kept/1/start/0, attempt 0, artifact 'small'"


def of_an_older_release(store: ObjectStore, key: str, record: dict[str, Any]) -> None:
    del record["sum"]
    store.put(key, json.dumps({**record, "format": 1}).encode())


def test_records_of_releases_that_wrote_no_checksum(store: ObjectStore) -> None:
    for info in list(store.list("flows/")):
        if info.key.endswith(("run.json", "commit.json")):
            of_an_older_release(store, info.key, json.loads(store.get(info.key)))
    assert not check_store(store).damage
    assert Runs(store).read("Kept", "1").run == "1"
    assert read_task(store, "Kept", "1", "start", "0") is not None


def test_what_is_left_over_is_counted_and_no_damage(store: ObjectStore) -> None:
    store.put("blobs/ab/notes.txt", b"x")
    store.put("readme.txt", b"x")
    store.put("flows/Kept/index/=all/0000000000000001-77", b"")
    store.put(start_key("Kept", "1", "each", "1.1", 3), b"{}")
    store.put(start_key("Kept", "9", "each", "1.1", 0), b"")
    write_items(store, [])
    report = check_store(store)
    assert not report.damage
    assert report.orphans == 1
    assert report.entries == 1
    assert report.starts == 2
    assert report.incomplete == 1
    assert report.remains == ["Kept/9"]
    assert report.foreign == ["blobs/ab/notes.txt", "readme.txt"]
    store.delete([info.key for info in store.list("flows/Kept/index/=all/")])
    assert check_store(store).unlisted == ["Kept/1"]


def test_many_who_need_one_blob_are_named_up_to_a_number() -> None:
    store = finished_run(MemoryStore(), items=40)
    digest = json.loads(store.get(PLACES["commit"]))["artifacts"]["large"]["hash"]
    store.delete([blob_key(digest)])
    report = check_store(store)
    assert len(report.damage) == 20
    assert report.damaged == 1


class Changing(MemoryStore):
    """A store in which something happens just as the blobs have been listed."""

    def __init__(self) -> None:
        super().__init__()
        self.then = lambda: None

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator:  # type: ignore[type-arg,override]
        for info in super().list(prefix, limit=limit):
            if info.key.startswith("flows/"):
                then, self.then = self.then, lambda: None
                then()
            yield info


def test_a_task_that_commits_meanwhile_is_no_damage() -> None:
    store = Changing()
    other = finished_run(MemoryStore())

    def arrive() -> None:
        for info in other.list(""):
            store.put(info.key, other.get(info.key))

    store.put("flows/Kept/numbers/999999999998", b"")
    store.then = arrive
    assert not check_store(store, threads=1).damage


def test_the_command(store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--datastore-root", str(tmp_path / "store")]
    assert execute_console(["store", "check", *where]) == 0
    assert "nothing is damaged" in capsys.readouterr().out
    change(store, blobs(store)[0])
    assert execute_console(["store", "check", *where, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["damage"][0]["key"] == blobs(store)[0]
    assert execute_console(["store", "check", *where]) == 1
    out = capsys.readouterr().out
    assert blobs(store)[0] in out
    assert "Kept/1" in out


def test_the_command_refuses_what_is_no_store(tmp_path: Path) -> None:
    for url, error in ((str(tmp_path / "none"), StoreError), (str(tmp_path), StoreError), ("x://y", ConfigError)):
        with pytest.raises(error):
            execute_console(["store", "check", "--datastore-root", url])
    assert not list(tmp_path.iterdir())
    LocalStore(str(tmp_path)).put("store.json", b'{"format":99,"hash":"blake3"}')
    with pytest.raises(StoreError, match="newer release"):
        execute_console(["store", "check", "--datastore-root", str(tmp_path)])


def test_runs_are_found(store: ObjectStore) -> None:
    assert list(Runs(store).newest("Kept")) == ["1"]


def test_a_parents_commit_that_was_deleted(store: ObjectStore) -> None:
    for step, task in (("start", "0"), ("each", "1.1")):
        key = commit_key("Kept", "1", step, task)
        before = store.get(key)
        store.delete([key])
        (damage,) = check_store(store).damage
        assert (damage.key, damage.owner) == (key, f"Kept/1/{step}/{task}")
        assert "missing" in damage.seen
        store.put(key, before)
    assert not check_store(store).damage


def test_the_last_commit_of_a_succeeded_run_that_was_deleted(store: ObjectStore) -> None:
    record = decode_checksummed(store.get(PLACES["run"]), PLACES["run"])
    store.put(PLACES["run"], encode_checksummed({**record, "end": "end", "end_task": "3"}, PLACES["run"]))
    key = commit_key("Kept", "1", "end", "3")
    store.delete([key])
    assert not check_store(store).damage, "nothing says that the run has succeeded"
    Runs(store).finish("Kept", "1", "succeeded")
    (damage,) = check_store(store).damage
    assert (damage.key, damage.seen) == (key, "it is missing, although the run has succeeded")


DEEP = b"[" * 200_000


@pytest.mark.parametrize("text", [DEEP, b'{"a":' * 200_000])
@pytest.mark.parametrize(
    "key",
    [
        *PLACES.values(),
        orchestrator_output_key("Kept", "1", "start", "0"),
        "flows/Kept/runs/1/end.json",
        "flows/Kept/runs/1/failures/start/0.json",
        "deployments/Kept/tokens/00000001.json",
        "deployments/Kept/releases/airflow/x.json",
    ],
)
def test_a_record_that_is_nested_too_deeply(store: ObjectStore, key: str, text: bytes) -> None:
    store.put(key, text)
    found = [damage.seen for damage in check_store(store).damage if damage.key == key]
    assert len(found) == 1 and "nested too deeply" in found[0]


WRONG_FIELDS = [
    ("run", "started", "yesterday"),
    ("run", "system_tags", "user:anne"),
    ("run", "tags", [1]),
    ("run", "plan", "../../etc"),
    ("run", "artifacts", {"x": []}),
    ("run", "orchestrator", []),
    ("run", "run", "2"),
    ("run", "flow", "Other"),
    ("run", "started", float("inf")),
    ("run", "started", 1180591620717411303424),
    ("run", "end", "\ud800"),
    ("commit", "step", "\ud800"),
    ("commit", "step", "end"),
    ("commit", "task", "1"),
    ("commit", "run", "2"),
    ("commit", "flow", "../Kept"),
    ("commit", "finished", 1180591620717411303424),
    ("commit", "finished", float("nan")),
    ("commit", "finished", float("-inf")),
    ("commit", "started", -1),
    ("commit", "started", 253402300800),
    ("commit", "next", ["\ud800"]),
    ("commit", "parents", [{"step": "\ud800", "task": "0"}]),
    ("commit", "attempt", "0"),
    ("commit", "ok", 1),
    ("commit", "next", {}),
    ("commit", "parents", [{"step": 1, "task": "0"}]),
    ("commit", "items", {"hash": "x", "count": 1}),
    ("commit", "exception", {"type": []}),
    ("commit", "artifacts", {"x": {"hash": "../x", "size": 1, "codec": "pickle", "type": "int"}}),
    ("commit", "artifacts", {"x": {"hash": "0" * 64, "size": "1", "codec": "pickle", "type": "int"}}),
]


@pytest.mark.parametrize(("kind", "field", "value"), WRONG_FIELDS)
def test_a_record_with_a_field_of_the_wrong_type(store: ObjectStore, kind: str, field: str, value: Any) -> None:
    key = PLACES[kind]
    data = decode_checksummed(store.get(key), key)
    store.put(key, encode_checksummed({**data, field: value}, key))
    found = [damage.key for damage in check_store(store).damage]
    assert found.count(key) == 1
    with pytest.raises(IntegrityError, match="can't be read"):
        decode_record(RunRecord if kind == "run" else Manifest, store.get(key), key)


MARKS: list[tuple[str, dict[str, Any], Any]] = [
    (run_end_key("Kept", "1"), {"state": "failed", "time": 1e300}, END_FIELDS),
    (run_end_key("Kept", "1"), {"state": "failed", "time": float("nan")}, END_FIELDS),
    (failure_key("Kept", "1", "each", "1.1"), {"step": "\ud800", "task": "1.1", "attempt": 0}, FAILURE_FIELDS),
    (failure_key("Kept", "1", "each", "1.1"), {"step": "each", "task": "1.2", "attempt": 0}, FAILURE_FIELDS),
    (failure_key("Kept", "1", "x", "1"), {"step": "x", "task": "1", "attempt": 0, "time": -5}, FAILURE_FIELDS),
    (release_key("x", "airflow", "0"), {"name": "x", "target": "airflow", "time": 1e13, "blobs": {}}, RELEASE_FIELDS),
]


@pytest.mark.parametrize(("key", "data", "fields"), MARKS)
def test_a_mark_with_a_wrong_name_or_time(store: ObjectStore, key: str, data: dict[str, Any], fields: Any) -> None:
    store.put(key, encode_checksummed(data, key))
    assert [damage.key for damage in check_store(store).damage] == [key]
    with pytest.raises(IntegrityError, match="can't be read") as caught:
        decode_checksummed(store.get(key), key, fields=fields)
    assert caught.value.where == key


def test_text_in_any_script_is_no_damage(store: ObjectStore) -> None:
    key = PLACES["commit"]
    data = {
        **decode_checksummed(store.get(key), key),
        "exception": {"type": "E", "message": "\ud800 \u00fc", "stacktrace": ""},
    }
    store.put(key, encode_checksummed({**data, "own": ["gr\u00f6\u00dfe", "\U0001f600"]}, key))
    assert decode_record(Manifest, store.get(key), key).own == ("gr\u00f6\u00dfe", "\U0001f600")
