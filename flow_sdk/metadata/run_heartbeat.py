"""Whether the process that drives a local run is still there: nobody else would say so if it isn't."""

import json
import os
import sys
import time
from typing import Any

from flow_sdk.store.port import ObjectStore
from flow_sdk.store.records import layout
from flow_sdk.store.records.codec import Fields
from flow_sdk.store.records.model import RunRecord
from flow_sdk.strict_json import TEXT_OR_NONE, Time, check_fields, parse_object

__all__ = ["LOCAL", "SILENCE", "describe_process", "is_process_gone", "write_run_heartbeat"]

LOCAL = "local"
"""The kind of orchestrator that is a process of ours."""

SILENCE = 60.0
"""Seconds without a beat after which a run's process counts as gone."""


_NUMBER_OR_NONE = (int, type(None))
_FIELDS: Fields = {
    "time": (Time, type(None)),
    "host": TEXT_OR_NONE,
    "pid": _NUMBER_OR_NONE,
    "pids": TEXT_OR_NONE,
    "since": _NUMBER_OR_NONE,
}


def describe_process() -> dict[str, Any]:
    """Facts by which this process is known again: host, pid and, on Linux, its pid namespace and start."""
    pid = os.getpid()
    facts: dict[str, Any] = {"host": os.uname().nodename, "pid": pid}
    if sys.platform == "linux":
        # Containers may share a host's name, and a pid is given anew in time.
        facts |= {"pids": _pid_namespace(), "since": _since(pid)}
    return facts


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _since(pid: int) -> int | None:
    """When a process of this machine was started, in ticks; None when there is none or it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    return True


def _is_alive(facts: dict[str, Any]) -> bool | None:
    """Tell whether a process is alive; None when that can't be seen from here."""
    if facts.get("host") != os.uname().nodename or facts.get("pid") is None:
        return None
    if sys.platform != "linux":
        return None if _exists(int(facts["pid"])) else False
    if facts.get("since") is None:
        return None
    namespace = _pid_namespace()
    if not namespace or facts.get("pids") != namespace:
        return None
    return _since(int(facts["pid"])) == int(facts["since"])


def write_run_heartbeat(store: ObjectStore, flow: str, run: str) -> None:
    """Note that this process is there and drives the run."""
    text = json.dumps({"time": time.time(), **describe_process()}, separators=(",", ":"))
    store.put(layout.run_heartbeat_key(flow, run), text.encode(), durable=False)


def _facts(beat: bytes | None) -> dict[str, Any] | None:
    """What a beat says; None when there is none, or a power cut has left nothing to be read of it."""
    try:
        facts = None if beat is None else parse_object(beat)
        if facts is not None:
            check_fields(facts, _FIELDS)
        return facts
    except (ValueError, TypeError):
        return None


def is_process_gone(store: ObjectStore, record: RunRecord) -> bool:
    """Tell whether the process of a local run that hasn't ended is gone.

    On the machine and in the pid namespace that the process ran in, it is looked for. From elsewhere it is gone when
    the run was started, and its last beat came, more than :data:`SILENCE` ago, by the clock of the process and by
    that of the store: so neither may be wrong by itself.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    record : RunRecord
        What the run started with.
    """
    key = layout.run_heartbeat_key(record.flow, record.run)
    (beat,) = store.get_many([key])
    facts = _facts(beat) or record.orchestrator
    alive = _is_alive(facts)
    if alive is not None:
        return not alive
    times = [record.started, float(facts.get("time") or record.started)]
    now = time.time()
    if any(abs(now - at) <= SILENCE for at in times):
        return False
    info = store.head(key if beat is not None else layout.run_key(record.flow, record.run))
    return info is None or abs(now - info.modified) > SILENCE
