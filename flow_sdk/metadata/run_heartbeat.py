"""Heartbeats of local runs: whether the process that drives a run still exists."""

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
"""The kind of orchestrator of local runs."""

SILENCE = 60.0
"""Seconds without a heartbeat after which a run's process counts as gone."""


_NUMBER_OR_NONE = (int, type(None))
_FIELDS: Fields = {
    "time": (Time, type(None)),
    "host": TEXT_OR_NONE,
    "pid": _NUMBER_OR_NONE,
    "pids": TEXT_OR_NONE,
    "since": _NUMBER_OR_NONE,
}


def describe_process() -> dict[str, Any]:
    """Return what identifies this process: host, pid and, on Linux, its pid namespace and start."""
    pid = os.getpid()
    process: dict[str, Any] = {"host": os.uname().nodename, "pid": pid}
    if sys.platform == "linux":
        # Containers may share a host's name, and pids are used again.
        process |= {"pids": _pid_namespace(), "since": _process_start(pid)}
    return process


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _process_start(pid: int) -> int | None:
    """Return when a process of this machine was started, in ticks; None if there is none or it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    return True


def _is_alive(process: dict[str, Any]) -> bool | None:
    """Return whether a process is running; None if that can't be seen from this machine."""
    if process.get("host") != os.uname().nodename or process.get("pid") is None:
        return None
    if sys.platform != "linux":
        return None if _process_exists(int(process["pid"])) else False
    if process.get("since") is None:
        return None
    namespace = _pid_namespace()
    if not namespace or process.get("pids") != namespace:
        return None
    return _process_start(int(process["pid"])) == int(process["since"])


def write_run_heartbeat(store: ObjectStore, flow: str, run: str) -> None:
    """Record that this process drives the run."""
    text = json.dumps({"time": time.time(), **describe_process()}, separators=(",", ":"))
    store.put(layout.run_heartbeat_key(flow, run), text.encode(), durable=False)


def _parse_heartbeat(beat: bytes | None) -> dict[str, Any] | None:
    """Return a heartbeat's content; None if there is none, or a power cut left it unreadable."""
    try:
        process = None if beat is None else parse_object(beat)
        if process is not None:
            check_fields(process, _FIELDS)
        return process
    except (ValueError, TypeError):
        return None


def is_process_gone(store: ObjectStore, record: RunRecord) -> bool:
    """Return whether the process of a local run that hasn't ended is gone.

    On the machine and in the pid namespace of the process, the process itself is checked. From elsewhere it is gone if
    the run's start and its last heartbeat are more than :data:`SILENCE` ago, by the clock of the process and by that of
    the store: so one wrong clock isn't enough.

    Parameters
    ----------
    store : ObjectStore
        The run's store.
    record : RunRecord
        The run's record.
    """
    key = layout.run_heartbeat_key(record.flow, record.run)
    (beat,) = store.get_many([key])
    process = _parse_heartbeat(beat) or record.orchestrator
    alive = _is_alive(process)
    if alive is not None:
        return not alive
    times = [record.started, float(process.get("time") or record.started)]
    now = time.time()
    if any(abs(now - at) <= SILENCE for at in times):
        return False
    info = store.head(key if beat is not None else layout.run_key(record.flow, record.run))
    return info is None or abs(now - info.modified) > SILENCE
