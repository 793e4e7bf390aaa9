"""Records of runs and attempts as data, and their JSON.

A committed task is one object, ``commit.json``: the winning attempt's whole manifest. Small artifacts lie in the
manifest itself, so a small task costs one read. Each record carries the checksum of its key and content
(:mod:`flow_sdk.store.records.checksummed_json`).
"""

import base64
import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flow_sdk.errors import IntegrityError
from flow_sdk.ids import position_text
from flow_sdk.store.records.checksummed_json import seal, unseal
from flow_sdk.strict_json import TEXT_OR_NONE, Time, check_fields

__all__ = [
    "EARLIER_END",
    "END_FIELDS",
    "FAILURE_FIELDS",
    "REDIRECT_FIELDS",
    "RELEASE_FIELDS",
    "ArtifactRef",
    "Fields",
    "Manifest",
    "ParentRef",
    "RunRecord",
    "SplitItems",
    "decode",
    "encode",
]

Fields = Mapping[str, tuple[type, ...]]

END_FIELDS: Fields = {"state": (str,), "reason": TEXT_OR_NONE, "time": (Time, type(None)), "by": TEXT_OR_NONE}
"""Fields of ``end.json``, as :func:`flow_sdk.strict_json.check_fields` takes them; so are those below."""

FAILURE_FIELDS: Fields = {
    "step": (str,),
    "task": (str,),
    "attempt": (int,),
    "reason": TEXT_OR_NONE,
    "time": (Time, type(None)),
}

REDIRECT_FIELDS: Fields = {"redirect": (int,), "generation": (int, type(None))}

RELEASE_FIELDS: Fields = {"name": (str,), "target": (str,), "time": (Time,), "blobs": (dict,)}

_RUN_FIELDS: Fields = {
    "flow": (str,),
    "run": (str,),
    "plan": (str,),
    "package": TEXT_OR_NONE,
    "artifacts": (dict,),
    "parameters": (list,),
    "user": (str,),
    "started": (Time,),
    "system_tags": (list, type(None)),
    "tags": (list, type(None)),
    "namespace": TEXT_OR_NONE,
    "origin_run": TEXT_OR_NONE,
    "orchestrator": (dict, type(None)),
    "end": TEXT_OR_NONE,
    "end_task": TEXT_OR_NONE,
}

_MANIFEST_FIELDS: Fields = {
    "flow": (str,),
    "run": (str,),
    "step": (str,),
    "task": (str,),
    "attempt": (int,),
    "ok": (bool,),
    "successful": (bool,),
    "artifacts": (dict,),
    "own": (list, type(None)),
    "next": (list, type(None)),
    "items": (dict, type(None)),
    "parents": (list, type(None)),
    "started": (Time, type(None)),
    "finished": (Time, type(None)),
    "exception": (dict, type(None)),
    "generation": (int, type(None)),
    "origin": TEXT_OR_NONE,
    "environment": (dict, type(None)),
}

_REF_FIELDS: Fields = {"hash": (str,), "size": (int,), "codec": (str,), "type": (str,), "inline": TEXT_OR_NONE}
_ITEMS_FIELDS: Fields = {"hash": (str,), "count": (int,)}
_PARENT_FIELDS: Fields = {"step": (str,), "task": (str,), "attempt": (int, type(None))}
_EXCEPTION_FIELDS: Fields = {"type": (str,), "message": (str,), "stacktrace": (str,)}

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


EARLIER_END = position_text((), ())
"""Id of the last step's task in a run whose task ids don't begin with the number of the step."""


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

    def is_same(self, other: "ArtifactRef") -> bool:
        """Tell whether another one stands for the same value: the bytes of ``"a"`` are those of ``b"a"``."""
        return (self.hash, self.codec) == (other.hash, other.codec)


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
    end_task : str or None
        Id of the last step's task, for the same reason; None in a record from before task ids began with their step's
        number: then it is ``0``.
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
    end_task: str | None = None

    @property
    def last_task(self) -> tuple[str, str] | None:
        """Name of the last step and id of its task; None in a record that doesn't name the step."""
        return None if self.end is None else (self.end, self.end_task or EARLIER_END)


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


def _check_object(data: Any, fields: Fields, what: str) -> None:
    """Check the fields of an object inside of a record; ``what`` is its name in the error."""
    if type(data) is not dict:
        raise TypeError(f"{what} isn't an object")
    try:
        check_fields(data, fields)
    except TypeError as error:
        raise TypeError(f"{error} of {what}") from None
    if "hash" in fields:
        _check_digest(data["hash"], what)


def _check_digest(text: str, what: str) -> None:
    if _DIGEST.fullmatch(text) is None:
        raise ValueError(f"the hash of {what} isn't 64 hexadecimal digits")


def _texts(values: list[Any], name: str) -> tuple[str, ...]:
    """Return a list of text as a tuple; refuse elements of other types."""
    if not all(type(value) is str for value in values):
        raise TypeError(f"the field {name!r} isn't a list of text")
    return tuple(values)


def _ref(data: Any, name: str) -> ArtifactRef:
    _check_object(data, _REF_FIELDS, f"the artifact {name!r}")
    inline = data.get("inline")
    return ArtifactRef(
        data["hash"], data["size"], data["codec"], data["type"], None if inline is None else base64.b64decode(inline)
    )


def _parent(data: Any) -> ParentRef:
    _check_object(data, _PARENT_FIELDS, "a parent")
    return ParentRef(**data)


def _check_texts(record: RunRecord | Manifest) -> None:
    """Refuse names that aren't valid text: half a surrogate pair is JSON, but no part of a key.

    Names of artifacts may be any text, as ``setattr`` takes it, and are part of no key.
    """
    if isinstance(record, RunRecord):
        names = [record.end or "", record.end_task or ""]
    else:
        names = [*record.next, *(text for parent in record.parents for text in (parent.step, parent.task))]
    for name in names:
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"the name {name!a} isn't valid Unicode text") from None


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
        data = unseal(text, key, kind.__name__, _RUN_FIELDS if kind is RunRecord else _MANIFEST_FIELDS)
        data = {name: value for name, value in data.items() if value is not None}
        data["artifacts"] = {name: _ref(ref, name) for name, ref in data["artifacts"].items()}
        if "items" in data:
            _check_object(data["items"], _ITEMS_FIELDS, "the items")
            data["items"] = SplitItems(**data["items"])
        if "parents" in data:
            data["parents"] = tuple(_parent(parent) for parent in data["parents"])
        if "exception" in data:
            _check_object(data["exception"], _EXCEPTION_FIELDS, "the exception")
        for name in ("own", "next", "parameters", "system_tags", "tags"):
            if name in data:
                data[name] = _texts(data[name], name)
        if kind is RunRecord:
            _check_digest(data["plan"], "the plan")
            _check_digest(data.setdefault("package", None) or data["plan"], "the code package")
        record = kind(**data)
        if b"\\u" in text:
            _check_texts(record)
        return record
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"A {kind.__name__} can't be read.",
            seen=f"{type(error).__name__}: {error}",
            where=key,
            help="The object is damaged or isn't Flow SDK's. Run the task again in a new run.",
        ) from error
