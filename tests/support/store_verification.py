"""Checks a store from the outside: whatever is readable must be whole."""

from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.codec import decode_record
from flow_sdk.store.records.commits import read_task
from flow_sdk.store.records.layout import flows_prefix, run_key, runs_prefix, steps_prefix, tasks_prefix
from flow_sdk.store.records.model import RunRecord

__all__ = ["verify_store"]


def verify_store(root: str) -> int:
    """Load every artifact of every committed task of every run.

    Returns
    -------
    int
        How many artifacts were read.

    Raises
    ------
    FlowSDKError
        For the first one that is damaged.
    """
    store = open_store(root)
    artifacts = Artifacts(store)
    count = 0
    for flow in store.folders(flows_prefix()):
        for run in store.folders(runs_prefix(flow)):
            if store.head(run_key(flow, run)) is None:
                continue
            record = decode_record(RunRecord, store.get(run_key(flow, run)), run_key(flow, run))
            artifacts.get_bytes(record.plan, where="plan")
            refs = list(record.artifacts.items())
            for step in store.folders(steps_prefix(flow, run)):
                for task in store.folders(tasks_prefix(flow, run, step)):
                    manifest = read_task(store, flow, run, step, task)
                    refs += manifest.artifacts.items() if manifest else []
            for name, ref in refs:
                artifacts.load(ref, where=name)
                count += 1
    return count
