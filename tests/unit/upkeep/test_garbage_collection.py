"""store gc: what nobody needs goes, all else stays whole, wherever it is killed."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.cli.console import execute_console
from flow_sdk.deploy.airflow.create import AirflowDraft, AirflowOptions
from flow_sdk.deploy.pipeline import create_deployment
from flow_sdk.deploy.port import DeploymentSource
from flow_sdk.deploy.releases import record_release
from flow_sdk.errors import NotFound, StoreError, UsageError
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.resume.origin import hold_origin
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.blobs.blob import read_blob
from flow_sdk.store.blobs.write_protocol import RELIANCE_PERIOD, SHORTEST_GRACE
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records import commits, layout
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.layout import blob_key, commit_key, run_key, start_key
from flow_sdk.store.records.model import Manifest
from flow_sdk.upkeep.garbage_collection import GRACE
from flow_sdk.upkeep.store_check import check_store
from tests.support.aged_stores import DAY, Clock
from tests.support.finished_run import finished_run
from tests.support.garbage_collection import collect, keys, runs, store_payload, whole
from tests.support.in_process_runs import InProcessRun, load_source


def test_what_no_record_needs_goes_once_it_is_old(clock: Clock) -> None:
    store = finished_run(MemoryStore())
    before = keys(store)
    old = store_payload(store, b"old" * 1000)
    clock.now += GRACE - DAY
    young = store_payload(store, b"young" * 1000)
    clock.now += DAY + 60
    report = collect(store, clock, delete=False)
    assert (report.blobs, report.young, report.deleted) == (1, 1, False)
    assert report.blob_size == store.head(old).size  # type: ignore[union-attr]
    assert keys(store) == before | {old, young}
    report = collect(store, clock)
    assert (report.blobs, report.young, report.deleted) == (1, 1, True)
    assert {key for key in keys(store) if not key.startswith("gc/")} == before | {young}
    whole(store)
    assert check_store(store).orphans == 1


def test_a_blob_stored_again_is_young_again(clock: Clock) -> None:
    store = MemoryStore()
    key = store_payload(store, b"wanted" * 1000)
    clock.now += RELIANCE_PERIOD - 60
    store_payload(store, b"wanted" * 1000)
    assert store.head(key).modified < clock.now - DAY / 2  # type: ignore[union-attr]
    clock.now += GRACE
    store_payload(store, b"wanted" * 1000)
    assert store.head(key).modified == clock.now  # type: ignore[union-attr]
    assert collect(store, clock).blobs == 0
    clock.now -= 30 * DAY  # a writer whose clock is wrong
    store_payload(store, b"wanted" * 1000)
    assert store.head(key).modified == clock.now  # type: ignore[union-attr]


def test_items_stored_again_are_young_again(clock: Clock) -> None:
    store = MemoryStore()
    items = Artifacts(store).save_items([1, 2], where="")
    clock.now += GRACE
    Artifacts(store).save_items([1, 2], where="")
    assert store.head(blob_key(items.hash)).modified == clock.now  # type: ignore[union-attr]


@pytest.fixture
def five(clock: Clock) -> MemoryStore:
    """Five runs, each five days after the one before; the first two share their artifacts."""
    store = MemoryStore()
    for number, seed in enumerate((1, 1, 2, 3, 4), 1):
        tags = ("keep me",) if number == 2 else ()
        finished_run(store, str(number), seed=seed, started=clock.now, tags=tags, system_tags=(f"user:u{number}",))
        clock.now += 5 * DAY
    clock.now += 5 * DAY
    return store


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({}, ["5", "4", "3", "2", "1"]),
        ({"last": 2}, ["5", "4"]),
        ({"last": 0}, []),
        ({"last": 9}, ["5", "4", "3", "2", "1"]),
        ({"days": 21}, ["5", "4", "3"]),
        ({"tags": ("keep me",)}, ["2"]),
        ({"tags": ("user:u3", "keep me")}, ["3", "2"]),
        ({"last": 1, "days": 21, "tags": ("keep me",)}, ["5", "4", "3", "2"]),
    ],
)
def test_rules(five: MemoryStore, clock: Clock, rules: dict[str, Any], kept: list[str]) -> None:
    told = collect(five, clock, delete=False, **rules)
    assert runs(five) == ["5", "4", "3", "2", "1"]
    report = collect(five, clock, **rules)
    assert runs(five) == kept
    whole(five)
    share = report.flows["Kept"]
    assert (share.kept, share.runs) == (len(kept), 5 - len(kept))
    assert told.flows == report.flows
    assert (told.blobs, told.size) == (report.blobs, report.size)
    assert share.blobs == report.blobs
    left = check_store(five, threads=1)
    assert (left.orphans, left.entries, left.remains, left.unlisted) == (0, 0, [], [])
    assert not collect(five, clock, **rules).blobs


def test_a_removed_run_leaves_nothing_and_its_id_is_not_given_again(five: MemoryStore, clock: Clock) -> None:
    before = {key for key in keys(five) if "/runs/5/" in key or "-5" in key}
    assert before
    five.delete([info.key for info in five.list("flows/Kept/numbers/")])  # lost in a power cut
    collect(five, clock, last=0)
    assert not {key for key in keys(five) if key.startswith(("blobs/", "flows/Kept/runs/", "flows/Kept/index/"))}
    with pytest.raises(NotFound):
        Runs(five).read("Kept", "5")
    record = Runs(five).allocate("Kept", lambda run: _record("Kept", run, "0" * 64))
    assert record.run == "6"


def _record(flow: str, run: str, plan: str, **fields: Any) -> Any:
    from flow_sdk.store.records.model import RunRecord

    return RunRecord(flow, run, plan, None, {}, (), "tester", fields.pop("started", 1.0), **fields)


def test_shared_blobs_stay(five: MemoryStore, clock: Clock) -> None:
    collect(five, clock, tags=("keep me",))
    key = commit_key("Kept", "2", "start", "0")
    manifest = decode_record(Manifest, five.get(key), key)
    assert Artifacts(five).load(manifest.artifacts["medium"], where="")


def test_a_run_that_is_under_way_stays(five: MemoryStore, clock: Clock) -> None:
    five.put(layout.run_heartbeat_key("Kept", "1"), b"{}")
    report = collect(five, clock, last=1)
    assert runs(five) == ["5", "1"]
    assert report.flows["Kept"].active == 1
    whole(five)


def test_a_run_that_others_were_resumed_from_stays(clock: Clock) -> None:
    store = MemoryStore()
    origin = None
    for number in range(1, 5):
        finished_run(store, str(number), seed=number, started=clock.now, origin_run=origin)
        origin = str(number) if number < 3 else None
        clock.now += DAY
    clock.now += GRACE
    collect(store, clock, last=2)
    assert runs(store) == ["4", "3", "2", "1"]
    collect(store, clock, last=1)
    assert runs(store) == ["4"]


def test_a_run_that_is_being_resumed_stays(five: MemoryStore, clock: Clock) -> None:
    hold_origin(five, "Kept", "1")
    collect(five, clock, last=1)
    assert runs(five) == ["5", "1"]
    five.delete([run_key("Kept", "1")])
    with pytest.raises(NotFound, match="removed"):
        hold_origin(five, "Kept", "1")


def test_what_deployments_need_stays(clock: Clock) -> None:
    store = MemoryStore()
    artifacts = Artifacts(store)
    blobs = {what: artifacts.put_bytes(what.encode() * 900) for what in ("plan", "package", "request")}
    older = {"plan": artifacts.put_bytes(b"older" * 900), "package": None}
    record_release(store, "airflow", "a.b", older)
    record_release(store, "step-functions", "a.b", blobs)
    clock.now += 50 * DAY
    assert collect(store, clock, last=0).blobs == 0
    report = check_store(store)
    assert (report.orphans, report.damage, report.foreign) == (0, [], [])
    store.delete([blob_key(blobs["request"])])
    (damage,) = check_store(store).damage
    assert damage.owner == "deployment a.b, the request"


def test_an_airflow_deployment_notes_its_blobs(clock: Clock, tmp_path: Any) -> None:
    source = """
from flow_sdk import FlowSpec, step
class Deployed(FlowSpec):
    @step
    def start(self):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
    plan = InProcessRun(load_source(source, "Deployed", str(tmp_path))).plan
    folder = str(tmp_path / "store")
    draft = AirflowDraft(plan, str(tmp_path / "dag.py"), AirflowOptions())
    create_deployment(draft, DeploymentSource(plan, b"PK" * 3000, folder), None)
    store = open_store(folder, create=False)
    blobs = {info.key for info in store.list("blobs/")}
    assert len(blobs) == 2
    loose = store_payload(store, b"loose" * 1000)
    age(folder, 50 * DAY)
    assert collect(store, clock, last=0).blobs == 1
    assert {info.key for info in store.list("blobs/")} == blobs
    assert loose not in blobs


def age(folder: str, seconds: float) -> None:
    """Make every file look as if it had been written that much earlier."""
    for above, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(above, file)
            os.utime(path, (time.time() - seconds, time.time() - seconds))


def test_the_command(clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "store")
    store = open_store(folder)
    for number in (1, 2):
        finished_run(store, str(number), seed=number, started=clock.now - (9 - number) * DAY)
    age(folder, 8 * DAY)
    before = keys(store)
    where = ["--datastore-root", folder, "--keep-last", "1"]
    assert execute_console(["store", "gc", *where]) == 0
    out = capsys.readouterr().out
    assert "1 run to go" in out
    assert "would free" in out
    assert "--delete" in out
    assert keys(store) == before
    assert execute_console(["store", "gc", *where, "--delete", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["deleted"]
    assert report["flows"]["Kept"]["runs"] == 1
    assert report["flows"]["Kept"]["blobs"] == report["blobs"] > 0
    assert runs(store) == ["2"]
    assert execute_console(["store", "check", "--datastore-root", folder]) == 0
    with pytest.raises(UsageError):
        execute_console(["store", "gc", "--grace-days", "1"])


def test_what_attempts_that_never_ended_have_left(clock: Clock) -> None:
    store = finished_run(MemoryStore())
    dead = [start_key("Kept", "1", "end", "3", 1), layout.log_key("Kept", "1", "end", "3", 1, 0)]
    still = [start_key("Kept", "1", "each", "1.9", 0), layout.log_key("Kept", "1", "each", "1.9", 0, 0)]
    failed = commits.read_task(store, "Kept", "1", "end", "3")
    assert failed is not None
    commits.record_failed_attempt(store, Manifest("Kept", "1", "end", "3", 2, ok=False, successful=False))
    store.put(start_key("Kept", "1", "end", "3", 2), b"{}")
    for key in (*dead, *still):
        store.put(key, b"{}")
    before = keys(store)
    assert collect(store, clock).flows["Kept"].attempts == 0
    clock.now += GRACE + 60
    assert collect(store, clock, delete=False).flows["Kept"].attempts == 2
    assert collect(store, clock).flows["Kept"].attempts == 2
    assert {key for key in keys(store) if not key.startswith("gc/")} == before - set(dead)


def test_what_is_left_of_runs_and_entries_without_one(clock: Clock) -> None:
    store = finished_run(MemoryStore())
    before = keys(store)
    digest = Artifacts(store).put_bytes(b"of a run without a record" * 100)
    store.put(start_key("Kept", "77", "start", "0", 0), digest.encode())
    store.put("flows/Kept/index/=all/0000000000000001-77", b"")
    collect(store, clock)
    assert start_key("Kept", "77", "start", "0", 0) in keys(store)
    clock.now += GRACE + 60
    report = collect(store, clock)
    assert (report.flows["Kept"].remains, report.flows["Kept"].entries, report.blobs) == (1, 1, 1)
    assert {key for key in keys(store) if not key.startswith("gc/")} == before


def test_damage_keeps_all_blobs(five: MemoryStore, clock: Clock) -> None:
    loose = store_payload(five, b"loose" * 1000)
    clock.now += GRACE + 60
    key = commit_key("Kept", "4", "start", "0")
    text = five.get(key)
    for damaged in (text[:40], None):
        if damaged is None:
            five.put(key, text)
            digest = json.loads(text)["artifacts"]["medium"]["hash"]
            five.delete([blob_key(digest)])
        else:
            five.put(key, damaged)
        report = collect(five, clock, delete=False)
        assert report.damage
        assert report.blobs == 0
        with pytest.raises(StoreError, match="no blob was deleted") as caught:
            collect(five, clock)
        assert "Kept/4/" in str(caught.value)
        assert loose in keys(five)
        clock.now += GRACE
    assert collect(five, clock, despite_damage=True).blobs >= 1
    assert loose not in keys(five)


def test_a_hash_in_a_record_of_an_unknown_kind_keeps_its_blob(clock: Clock) -> None:
    store = finished_run(MemoryStore())
    for place in ("flows/Kept/runs/1/cards/start.json", "flows/Kept/notes/1.json", "deployments/x/other.json"):
        digest = Artifacts(store).put_bytes(place.encode() * 100)
        store.put(place, json.dumps({"deep": [{"x": digest}]}).encode())
    clock.now += GRACE + 60
    assert collect(store, clock).blobs == 0


def test_a_task_that_is_reopened_while_records_are_read(clock: Clock) -> None:
    """Its manifest moves from commit.json to a place that the listing has passed."""

    class Reopening(MemoryStore):
        then: Callable[[], None] | None = None

        def get(self, key: str) -> bytes:
            return super().get(key)

        def get_many(self, keys: Any) -> Any:
            if self.then is not None and any(key.endswith("commit.json") for key in keys):
                then, self.then = self.then, None
                then()
            return super().get_many(keys)

    store = Reopening()
    finished_run(store)
    manifest = commits.read_task(store, "Kept", "1", "start", "0")
    assert manifest is not None
    own = Artifacts(store).save(b"own" * 2000, where="")
    manifest = Manifest("Kept", "1", "solo", "0", 0, ok=True, successful=True, artifacts={"own": own})
    commits.commit_attempt(store, manifest)
    clock.now += GRACE + 60
    store.then = lambda: commits.reopen_task(store, manifest, 1)
    assert collect(store, clock).blobs == 0
    assert commits.read_attempt(store, "Kept", "1", "solo", "0", 0) == manifest


def test_files_that_killed_processes_left_half_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "store"
    store = finished_run(open_store(str(folder)))
    blobs = next(path for path in (folder / "blobs").iterdir() if path.is_dir())
    task = folder / "flows/Kept/runs/1/steps/start/0"
    lonely = folder / "flows/Kept/runs/2/steps/start/0"
    lonely.mkdir(parents=True)
    old = [blobs / f"~{1:016x}", task / f"~{2:016x}", lonely / f"~{3:016x}.tmp", folder / f"~{4:016x}"]
    for path in old:
        path.write_bytes(bytes(1000))
    (folder / "~lock").write_bytes(b"")
    age(str(folder), 8 * DAY)
    (task / f"~{9:016x}").write_bytes(bytes(500))  # of a process that is at it
    names = sorted(str(path.relative_to(folder)) for path in [*old, task / f"~{9:016x}"])
    report = check_store(store)
    assert not report.damage
    assert (sorted(report.unfinished), report.unfinished_count, report.unfinished_size) == (names, 5, 4500)
    assert execute_console(["store", "check", "--datastore-root", str(folder)]) == 0
    assert all(name in out for out in [capsys.readouterr().out] for name in names)
    for delete in ([], ["--delete"]):
        assert all(path.exists() for path in old)
        assert execute_console(["store", "gc", "--datastore-root", str(folder), *delete]) == 0
        assert "half-written files: 4 (4.0 kB)" in capsys.readouterr().out
    left = {path for path in folder.rglob("~*") if path.name != "~lasting"}
    assert left == {folder / "~lock", task / f"~{9:016x}"}
    assert runs(store) == ["1"]


def test_the_grace_period_has_a_least(clock: Clock) -> None:
    with pytest.raises(UsageError, match="too short"):
        collect(MemoryStore(), clock, grace=SHORTEST_GRACE - 1)


def test_a_blob_can_be_read_after_it_was_swept_and_stored_again(clock: Clock) -> None:
    store = MemoryStore()
    key = store_payload(store, b"again" * 1000)
    clock.now += GRACE + 60
    assert collect(store, clock).blobs == 1
    assert store.head(key) is None
    store_payload(store, b"again" * 1000)
    assert bytes(read_blob(store, key[-64:], None, where="")) == b"again" * 1000


def test_records_of_other_flows_are_looked_at(clock: Clock) -> None:
    store = MemoryStore()
    digest = Artifacts(store).put_bytes(b"plan" * 1000)
    Runs(store).create(_record("Other", "1", digest, started=clock.now))
    clock.now += GRACE + 60
    assert collect(store, clock).blobs == 0
    assert Runs(store).read("Other", "1").plan == digest
