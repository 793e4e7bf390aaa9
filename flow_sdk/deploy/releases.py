"""What deployments need of the store: noted in the store itself, as nothing else in it says so before the first run.

An Airflow DAG or a state machine names its plan, code package and request by their hashes. The garbage collector sees
neither, so each deployment leaves a record that it does see.
"""

import json
import time
from collections.abc import Mapping

from flow_sdk.errors import ObjectExists
from flow_sdk.metadata.tags import encode_tag
from flow_sdk.store.blobs import digest_of
from flow_sdk.store.layout import release_key
from flow_sdk.store.port import ObjectStore

__all__ = ["note_release"]

FORMAT = 1


def note_release(store: ObjectStore, target: str, name: str, blobs: Mapping[str, str | None]) -> None:
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
    record = {"format": FORMAT, "name": name, "target": target, "time": time.time(), "blobs": needed}
    try:
        store.put_if_absent(release_key(encode_tag(name), target, digest), json.dumps(record).encode())
    except ObjectExists:
        pass  # deployed before, with the same blobs
