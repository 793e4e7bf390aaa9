"""Collecting the garbage of a store in one thread, and looking at what is left."""

from typing import Any

from flow_sdk.metadata.runs import Runs
from flow_sdk.store.blobs.blob import digest_of, write_blob
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.layout import blob_key
from flow_sdk.upkeep.garbage_collection import GcReport, collect_garbage
from flow_sdk.upkeep.run_removal import RetentionRules
from flow_sdk.upkeep.store_check import check_store
from tests.support.aged_stores import Clock

__all__ = ["collect", "keys", "runs", "store_payload", "whole"]


def collect(store: ObjectStore, clock: Clock, *, delete: bool = True, **options: Any) -> GcReport:
    rules = RetentionRules(**{name: options.pop(name) for name in ("tags", "days", "last") if name in options})
    return collect_garbage(store, rules, now=clock.now, delete=delete, threads=1, **options)


def store_payload(store: ObjectStore, payload: bytes) -> str:
    digest = digest_of((payload,))
    write_blob(store, (payload,), digest)
    return blob_key(digest.hex())


def keys(store: ObjectStore) -> set[str]:
    return {info.key for info in store.list("")}


def runs(store: ObjectStore) -> list[str]:
    return list(Runs(store).newest("Kept"))


def whole(store: ObjectStore) -> None:
    report = check_store(store, threads=1)
    assert not report.damage
    for run in runs(store):
        assert Runs(store).read("Kept", run)
