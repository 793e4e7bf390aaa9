"""What deployments need of the store: noted in the store itself, as nothing else in it says so before the first run.

An Airflow DAG or a state machine names its plan, code package and request by their hashes. The garbage collector sees
neither, so each deployment leaves a record that it does see.
"""

import json
import time
from collections.abc import Mapping

from flow_sdk.errors import ObjectExists
from flow_sdk.metadata.tags import encode_tag
from flow_sdk.store.blobs.blob import digest_of
from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records.checksummed_json import decode_checksummed, encode_checksummed
from flow_sdk.store.records.codec import RELEASE_FIELDS
from flow_sdk.store.records.layout import deployments_prefix, release_key, release_prefix

__all__ = ["deployed_names", "newest_releases", "record_release"]


def record_release(store: ObjectStore, target: str, name: str, blobs: Mapping[str, str | None]) -> None:
    """Note which blobs a deployment needs; they are then kept for good.

    To be called when the blobs are stored, and before the definition that names them is handed to the orchestrator.
    Earlier releases stay noted: runs of them may still begin, and a deployment may be moved back to one.

    Parameters
    ----------
    store : ObjectStore
        The store.
    target : str
        The kind of orchestrator, ``airflow`` or ``step-functions``.
    name : str
        The deployed name.
    blobs : mapping of str to str or None
        What each is (``plan``, ``package``, ``request``), and its hash; None for what there isn't.
    """
    needed = {what: digest for what, digest in sorted(blobs.items()) if digest is not None}
    digest = digest_of((json.dumps(needed).encode(),)).hex()[:32]
    record = {"name": name, "target": target, "time": time.time(), "blobs": needed}
    try:
        key = release_key(encode_tag(name), target, digest)
        store.put_if_absent(key, encode_checksummed(record, key))
    except ObjectExists:
        pass  # deployed before, with the same blobs


def deployed_names(store: ObjectStore) -> list[str]:
    """All names that were ever deployed from a store, sorted."""
    found = set()
    for folder in store.folders(deployments_prefix()):
        # A name that is too long for a folder is known by its hash there; each release records it.
        first = next(iter(store.list(release_prefix(folder), limit=1)), None)
        if first is not None:
            found.add(decode_checksummed(store.get(first.key), first.key, fields=RELEASE_FIELDS)["name"])
    return sorted(found)


def newest_releases(store: ObjectStore, name: str) -> dict[str, dict[str, str]]:
    """What the newest deployment of a name to each kind of orchestrator needs.

    Parameters
    ----------
    store : ObjectStore
        The store.
    name : str
        The deployed name.

    Returns
    -------
    dict
        By kind of orchestrator, the hashes of its blobs by what each is; without those it was never deployed to.
    """
    found: dict[str, tuple[float, dict[str, str]]] = {}
    for info in store.list(release_prefix(encode_tag(name))):
        record = decode_checksummed(store.get(info.key), info.key, fields=RELEASE_FIELDS)
        if record["time"] > found.get(record["target"], (0.0,))[0]:
            found[record["target"]] = record["time"], record["blobs"]
    return {target: blobs for target, (_, blobs) in found.items()}
