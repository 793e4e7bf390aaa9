"""Where everything lies in a store: one table of keys, from which keys are built and by which they are parsed.

A key is a path. Each kind of object has one template; its fields are the parts of the path that differ. The functions
below build keys from the table, :func:`parse_key` finds the kind and the fields of a key. To add a kind of object, add
its template, and read it in :mod:`flow_sdk.upkeep.references` if it refers to blobs.
"""

import re
from dataclasses import dataclass
from functools import cache

__all__ = [
    "FLOW_FOLDERS",
    "STORE_MARKER",
    "TEMPLATES",
    "ParsedKey",
    "attempt_prefix",
    "blob_folder_prefix",
    "blob_key",
    "blobs_prefix",
    "clock_key",
    "collection_key",
    "collections_prefix",
    "commit_key",
    "deployments_prefix",
    "doomed_key",
    "doomed_prefix",
    "events_prefix",
    "failure_key",
    "failures_prefix",
    "files_prefix",
    "flow_prefix",
    "flows_prefix",
    "index_prefix",
    "indexes_prefix",
    "later_commit_key",
    "log_key",
    "log_prefix",
    "manifest_key",
    "number_key",
    "number_prefix",
    "orchestrator_output_key",
    "parse_key",
    "release_key",
    "release_prefix",
    "request_key",
    "resume_marks_prefix",
    "run_end_key",
    "run_heartbeat_key",
    "run_input_key",
    "run_key",
    "run_prefix",
    "runs_prefix",
    "start_key",
    "steps_prefix",
    "sweep_key",
    "tag_prefix",
    "tag_reservations_prefix",
    "task_heartbeat_key",
    "task_heartbeats_prefix",
    "task_prefix",
    "tasks_prefix",
    "token_key",
    "token_prefix",
]

STORE_MARKER = "store.json"

FLOW_FOLDERS = ("index", "numbers", "runs")
"""What lies directly below a flow."""

_FLOW = "flows/{flow}/"
_RUN = _FLOW + "runs/{run}/"
_TASK = _RUN + "steps/{step}/{task}/"
_ATTEMPT = _TASK + "{attempt}/"
_DEPLOYMENT = "deployments/{name}/"

TEMPLATES = {
    "marker": STORE_MARKER,
    "probe": "store.probe",
    "blob": "blobs/{folder}/{digest}",
    "commit": _TASK + "commit{clearing}.json",
    "start": _ATTEMPT + "start.json",
    "manifest": _ATTEMPT + "manifest.json",
    "log": _ATTEMPT + "log/{chunk}",
    "orchestrator_output": _TASK + "next.json",
    "run": _RUN + "run.json",
    "end": _RUN + "end.json",
    "input": _RUN + "input.json",
    "run_heartbeat": _RUN + "heartbeat.json",
    "task_heartbeat": _RUN + "alive/{sign}",
    "events": _RUN + "events/{history}/{growth}",
    "failure": _RUN + "failures/{step}/{task}.json",
    "request": _RUN + "requests/{digest}.json",
    "tag": _RUN + "tags/{encoded}",
    "tag_reservation": _RUN + "tagging/{path}",
    "resume_mark": _RUN + "resumed/{mark}",
    "file": _RUN + "files/{path}",
    "index": _FLOW + "index/{tag}/{entry}{below}",
    "number": _FLOW + "numbers/{number}",
    "token": _DEPLOYMENT + "tokens/{generation}.json",
    "release": _DEPLOYMENT + "releases/{target}/{release}.json",
    "collection": "gc/collections/{number}.json",
    "doomed": "gc/doomed/{folder}.json",
    "sweep": "gc/sweep.json",
    "clock": "gc/clock",
}
"""The key of each kind of object."""

_PATTERNS = {
    "folder": r"[0-9a-f]{2}",
    "digest": r"[0-9a-f]{64}",
    "attempt": r"[0-9]+",
    "chunk": r"[0-9]+",
    "clearing": r"(?:\.[0-9]+)?",
    "entry": r"[0-9]{16}-[^/]+",
    "below": r"(?:/.+)?",
    "generation": r"[0-9]+",
    "number": r"[0-9]+",
    "path": r".+",
}
"""What a field may be; any other is one component of a path."""

_FIELD = re.compile(r"\{(\w+)\}")


def _list_kinds(folder: str) -> tuple[str, ...]:
    return tuple(kind for kind, template in TEMPLATES.items() if template.partition("/")[0] == folder)


_KINDS = {folder: _list_kinds(folder) for folder in ("blobs", "flows", "deployments", "gc")}
_AT_TOP = ("marker", "probe")


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """What an object is, by its key.

    Parameters
    ----------
    kind : str
        A key of :data:`TEMPLATES`: ``blob``, ``run``, ``commit``, ``manifest``, ``log`` and so on; ``foreign`` for an
        object that isn't Flow SDK's.
    fields : dict of str to str
        The fields of the template, such as ``digest``, ``flow``, ``run``, ``step``, ``task`` and ``attempt``.
    """

    kind: str
    fields: dict[str, str]


@cache
def _compile_pattern(kind: str) -> re.Pattern[str]:
    """Return the pattern of a kind's keys. Compiled on first use: a task parses few kinds."""
    literals = _FIELD.split(TEMPLATES[kind])
    parts = [
        f"(?P<{part}>{_PATTERNS.get(part, '[^/]+')})" if index % 2 else re.escape(part)
        for index, part in enumerate(literals)
    ]
    return re.compile("".join(parts), re.ASCII)


def parse_key(key: str) -> ParsedKey:
    """Find what an object is.

    Parameters
    ----------
    key : str
        Its key.

    Returns
    -------
    ParsedKey
        Of the kind ``foreign`` if no template has such a key.
    """
    for kind in _KINDS.get(key.partition("/")[0], _AT_TOP):
        found = _compile_pattern(kind).fullmatch(key)
        if found is not None and (kind != "blob" or found["digest"].startswith(found["folder"])):
            return ParsedKey(kind, found.groupdict())
    return ParsedKey("foreign", {})


def _build_key(kind: str, **fields: object) -> str:
    return TEMPLATES[kind].format_map(fields)


def _build_prefix(kind: str, levels: int = 1, **fields: object) -> str:
    """Return the folder of a kind's objects: its template without the last ``levels`` components."""
    return TEMPLATES[kind].rsplit("/", levels)[0].format_map(fields) + "/"


def blobs_prefix() -> str:
    """Folder of all blobs."""
    return "blobs/"


def blob_folder_prefix(folder: str) -> str:
    """Folder of the blobs whose digest begins with these two hexadecimal digits."""
    return _build_prefix("blob", folder=folder)


def blob_key(digest: str) -> str:
    """Key of the blob whose content has this hexadecimal digest."""
    return _build_key("blob", folder=digest[:2], digest=digest)


def flows_prefix() -> str:
    """Folder of all flows."""
    return "flows/"


def flow_prefix(flow: str) -> str:
    """Folder of one flow."""
    return _FLOW.format(flow=flow)


def deployments_prefix() -> str:
    """Folder of all deployed names."""
    return "deployments/"


def token_prefix(encoded_name: str) -> str:
    """Folder of the tokens of a deployed name, one for each generation."""
    return _build_prefix("token", name=encoded_name)


def token_key(encoded_name: str, generation: int) -> str:
    """Key of a token (create-only)."""
    return _build_key("token", name=encoded_name, generation=f"{generation:08d}")


def release_prefix(encoded_name: str) -> str:
    """Folder of what the deployments of a name need of the store."""
    return _build_prefix("release", 2, name=encoded_name)


def release_key(encoded_name: str, target: str, digest: str) -> str:
    """Key of what a deployment needs of the store (last write wins; the same content has the same key)."""
    return _build_key("release", name=encoded_name, target=target, release=digest)


def collections_prefix() -> str:
    """Folder of the garbage collections, one object each, the newest last."""
    return _build_prefix("collection")


def collection_key(number: int) -> str:
    """Key of a garbage collection: created by the one collector that has this number, then its own to change."""
    return _build_key("collection", number=f"{number:08d}")


def sweep_key() -> str:
    """Key of the announcement that blobs are being deleted."""
    return _build_key("sweep")


def doomed_prefix() -> str:
    """Folder of the lists of blobs that are being deleted."""
    return _build_prefix("doomed")


def doomed_key(folder: str) -> str:
    """Key of the list of those blobs being deleted whose digest begins with these two hexadecimal digits."""
    return _build_key("doomed", folder=folder)


def clock_key() -> str:
    """Key of the object that is written to read the store's clock."""
    return _build_key("clock")


def runs_prefix(flow: str) -> str:
    """Folder of a flow's runs."""
    return _FLOW.format(flow=flow) + "runs/"


def number_prefix(flow: str) -> str:
    """Folder of the integer run ids that are taken, the highest first."""
    return _build_prefix("number", flow=flow)


def number_key(flow: str, number: str) -> str:
    """Key that marks an integer run id, in its sorted form, as taken."""
    return _build_key("number", flow=flow, number=number)


def indexes_prefix(flow: str) -> str:
    """Folder of a flow's indexes."""
    return _build_prefix("index", 2, flow=flow)


def index_prefix(flow: str, encoded_tag: str) -> str:
    """Folder of the newest-first index of the runs with a tag."""
    return _build_prefix("index", flow=flow, tag=encoded_tag)


def run_prefix(flow: str, run: str) -> str:
    """Folder of one run."""
    return _RUN.format(flow=flow, run=run)


def run_key(flow: str, run: str) -> str:
    """Key of what a run started with (create-only)."""
    return _build_key("run", flow=flow, run=run)


def run_end_key(flow: str, run: str) -> str:
    """Key of how a run ended, as its scheduler recorded it (last write wins)."""
    return _build_key("end", flow=flow, run=run)


def run_input_key(flow: str, run: str) -> str:
    """Key of whether the start task took the run's input, for an orchestrator that reads this itself."""
    return _build_key("input", flow=flow, run=run)


def run_heartbeat_key(flow: str, run: str) -> str:
    """Key of the heartbeat of the process that drives a local run (last write wins)."""
    return _build_key("run_heartbeat", flow=flow, run=run)


def task_heartbeats_prefix(flow: str, run: str) -> str:
    """Folder of the heartbeats of a run's tasks that an orchestrator started."""
    return _build_prefix("task_heartbeat", flow=flow, run=run)


def task_heartbeat_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Key of an attempt's heartbeat, which exists only while the attempt runs."""
    return _build_key("task_heartbeat", flow=flow, run=run, sign=f"{step}={task}={attempt}")


def events_prefix(flow: str, run: str, history: str) -> str:
    """Folder of the account of a history's events, an empty object ``<step>=<task>=<events>`` for each growth."""
    return _build_prefix("events", flow=flow, run=run, history=history)


def failures_prefix(flow: str, run: str) -> str:
    """Folder of the records of a run's tasks that failed for good."""
    return _build_prefix("failure", 2, flow=flow, run=run)


def failure_key(flow: str, run: str, step: str, task: str) -> str:
    """Key of the record that a task failed for good."""
    return _build_key("failure", flow=flow, run=run, step=step, task=task)


def request_key(flow: str, run: str, digest: str) -> str:
    """Key of the request that jobs of a run read, under the digest of its bytes."""
    return _build_key("request", flow=flow, run=run, digest=digest)


def files_prefix(flow: str, run: str) -> str:
    """Folder of the files that a run's tasks put beside it: ``S3(run=self)``."""
    return _build_prefix("file", flow=flow, run=run)


def tag_prefix(flow: str, run: str) -> str:
    """Folder of a run's user tags, one object a tag."""
    return _build_prefix("tag", flow=flow, run=run)


def tag_reservations_prefix(flow: str, run: str) -> str:
    """Folder of the reservations of processes that are adding tags to a run."""
    return _build_prefix("tag_reservation", flow=flow, run=run)


def resume_marks_prefix(flow: str, run: str) -> str:
    """Folder of the marks of processes that are resuming a run: the collector keeps such a run."""
    return _build_prefix("resume_mark", flow=flow, run=run)


def steps_prefix(flow: str, run: str) -> str:
    """Folder of a run's steps."""
    return _RUN.format(flow=flow, run=run) + "steps/"


def tasks_prefix(flow: str, run: str, step: str) -> str:
    """Folder of a step's tasks."""
    return steps_prefix(flow, run) + f"{step}/"


def task_prefix(flow: str, run: str, step: str, task: str) -> str:
    """Folder of one task."""
    return _TASK.format(flow=flow, run=run, step=step, task=task)


def commit_key(flow: str, run: str, step: str, task: str) -> str:
    """Key of the commit record: the winning attempt's manifest (create-only)."""
    return _build_key("commit", flow=flow, run=run, step=step, task=task, clearing="")


def later_commit_key(first: str, clearings: int) -> str:
    """Key of a task's commit after it was cleared so many times; ``first`` is what :func:`commit_key` returns."""
    return first.removesuffix(".json") + f".{clearings}.json" if clearings else first


def orchestrator_output_key(flow: str, run: str, step: str, task: str) -> str:
    """Key of where a committed foreach or switch leads, for an orchestrator that reads it itself."""
    return _build_key("orchestrator_output", flow=flow, run=run, step=step, task=task)


def attempt_prefix(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Folder of one attempt (numbered from 0)."""
    return _ATTEMPT.format(flow=flow, run=run, step=step, task=task, attempt=attempt)


def start_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Key that reserves an attempt's number (create-only)."""
    return _build_key("start", flow=flow, run=run, step=step, task=task, attempt=attempt)


def manifest_key(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Key of the manifest of an attempt that wasn't committed."""
    return _build_key("manifest", flow=flow, run=run, step=step, task=task, attempt=attempt)


def log_prefix(flow: str, run: str, step: str, task: str, attempt: int) -> str:
    """Folder of an attempt's log."""
    return _build_prefix("log", flow=flow, run=run, step=step, task=task, attempt=attempt)


def log_key(flow: str, run: str, step: str, task: str, attempt: int, chunk: int) -> str:
    """Key of one chunk of an attempt's log."""
    fields = {"flow": flow, "run": run, "step": step, "task": task, "attempt": attempt}
    return _build_key("log", **fields, chunk=f"{chunk:06d}")
