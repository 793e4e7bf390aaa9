"""Records of runs and attempts as data, and their JSON.

A committed task is one object, ``commit.json``: the winning attempt's whole manifest. Small artifacts lie in the
manifest itself, so a small task costs one read. Each record carries the checksum of its key and content
(:mod:`flow_sdk.store.sealed`).
"""

import base64
import dataclasses
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flow_sdk.errors import IntegrityError
from flow_sdk.store.sealed import seal, unseal

__all__ = ["ArtifactRef", "Manifest", "ParentRef", "RunRecord", "SplitItems", "decode", "encode"]


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """Where an artifact's bytes are and how to read them.

    Parameters
    ----------
    hash : str
        blake3 of the encoded payload, 64 hexadecimal digits: the artifact's ``sha``, and its blob's key.
    size : int
        Bytes of the encoded payload, uncompressed.
    codec : str
        The codec that reads it (``pickle``, ``cloudpickle``, ``bytes``, ``str``, ``arrow``).
    type : str
        The value's type as ``module.qualname``, for people.
    inline : bytes or None
        The payload itself when it is small, else None: then it is the blob ``hash``.
    """

    hash: str
    size: int
    codec: str
    type: str
    inline: bytes | None = None


@dataclass(frozen=True, slots=True)
class SplitItems:
    """The items of a foreach, packed in one blob so that each child reads only its own.

    Parameters
    ----------
    hash : str
        blake3 of the pack, and its blob's key.
    count : int
        How many items (the cardinality), >= 1.
    """

    hash: str
    count: int


@dataclass(frozen=True, slots=True)
class ParentRef:
    """A task that this task took its inputs from."""

    step: str
    task: str
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one attempt of a task did.

    Parameters
    ----------
    flow, run, step, task : str
        Which task.
    attempt : int
        Number of the attempt, from 0.
    ok : bool
        Whether the attempt may be built upon: the step finished, or ``@catch`` took its failure.
    successful : bool
        Whether the step's own code finished without an exception.
    artifacts : dict of str to ArtifactRef
        All artifacts visible in the task after the step, inherited ones included.
    own : tuple of str
        Names of the artifacts that this step set or changed itself.
    next : tuple of str
        The targets the step's transition took (one for a switch).
    items : SplitItems or None
        For a foreach, the items.
    parents : tuple of ParentRef
        The tasks that the inputs came from, in order.
    started, finished : float
        Seconds since the epoch.
    exception : dict or None
        For a failed or caught step: ``type``, ``message``, ``stacktrace`` as text.
    generation : int
        How many times the orchestrator's user had the task cleared on purpose (0 locally).
    origin : str or None
        For a task reused by a resume, the pathspec ``Flow/run/step/task`` it was taken from.
    environment : dict
        Facts for people: host, process id, Python version, orchestrator's task.
    """

    flow: str
    run: str
    step: str
    task: str
    attempt: int
    ok: bool
    successful: bool
    artifacts: dict[str, ArtifactRef] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    items: SplitItems | None = None
    parents: tuple[ParentRef, ...] = ()
    started: float = 0.0
    finished: float = 0.0
    exception: dict[str, str] | None = None
    generation: int = 0
    origin: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run started with; written once, never changed.

    Parameters
    ----------
    flow, run : str
        Which run.
    plan : str
        blake3 of the plan's canonical JSON, which lies in the blob of that name.
    package : str or None
        Hash of the code package's blob; None for a local run on a local store.
    artifacts : dict of str to ArtifactRef
        Parameters and class constants, by artifact name.
    parameters : tuple of str
        Which of ``artifacts`` are parameters.
    user : str
        Who started it.
    started : float
        Seconds since the epoch.
    system_tags : tuple of str
        ``user:``, ``runtime:``, ``date:`` and the like.
    tags : tuple of str
        User tags given at the start.
    namespace : str or None
        The namespace its own client calls see by default.
    origin_run : str or None
        The run a resume was made from.
    orchestrator : dict
        Who runs it: ``{"kind": "local"}`` or kind, DAG and run of the orchestrator.
    end : str or None
        Name of the last step: so that how a run ended can be read without its plan.
    """

    flow: str
    run: str
    plan: str
    package: str | None
    artifacts: dict[str, ArtifactRef]
    parameters: tuple[str, ...]
    user: str
    started: float
    system_tags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    namespace: str | None = None
    origin_run: str | None = None
    orchestrator: dict[str, Any] = field(default_factory=dict)
    end: str | None = None


_Record = TypeVar("_Record", RunRecord, Manifest)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) is not None
        }
    return value


def encode(record: RunRecord | Manifest, key: str) -> bytes:
    """Turn a record into JSON, for the object of this key."""
    return seal(_plain(record), key)


def _ref(data: dict[str, Any]) -> ArtifactRef:
    inline = data.get("inline")
    return ArtifactRef(
        data["hash"], data["size"], data["codec"], data["type"], None if inline is None else base64.b64decode(inline)
    )


def decode(kind: type[_Record], text: bytes, key: str) -> _Record:
    """Read a record from its JSON.

    Parameters
    ----------
    kind : type
        RunRecord or Manifest.
    text : bytes
        The JSON.
    key : str
        The object's key.

    Raises
    ------
    IntegrityError
        If the text isn't such a record, or isn't as it was written to this key.
    """
    try:
        data = unseal(text, key, kind.__name__)
        data["artifacts"] = {name: _ref(ref) for name, ref in data["artifacts"].items()}
        if data.get("items"):
            data["items"] = SplitItems(**data["items"])
        if "parents" in data:
            data["parents"] = tuple(ParentRef(**parent) for parent in data["parents"])
        for name in ("own", "next", "parameters", "system_tags", "tags"):
            if name in data:
                data[name] = tuple(data[name])
        if kind is RunRecord:
            data.setdefault("package", None)
        return kind(**data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"A {kind.__name__} can't be read.",
            seen=f"{type(error).__name__}: {error}",
            where=key,
            help="The object is damaged or isn't Flow SDK's. Run the task again in a new run.",
        ) from error
