"""The JSON of records: written, read and checked field by field.

Each record carries the checksum of its key and content (:mod:`flow_sdk.store.records.checksummed_json`).
"""

import base64
import dataclasses
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from flow_sdk.errors import IntegrityError
from flow_sdk.store.records.checksummed_json import decode_checksummed, encode_checksummed
from flow_sdk.store.records.model import ArtifactRef, Manifest, ParentRef, RunRecord, SplitItems
from flow_sdk.strict_json import TEXT_OR_NONE, Time, check_fields

__all__ = [
    "END_FIELDS",
    "FAILURE_FIELDS",
    "REDIRECT_FIELDS",
    "RELEASE_FIELDS",
    "Fields",
    "decode_record",
    "encode_record",
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

_Record = TypeVar("_Record", RunRecord, Manifest)


def _to_plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dict):
        return {k: _to_plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_to_plain(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _to_plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) is not None
        }
    return value


def encode_record(record: RunRecord | Manifest, key: str) -> bytes:
    """Return a record as JSON, for the object of this key."""
    return encode_checksummed(_to_plain(record), key)


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


def _read_texts(values: list[Any], name: str) -> tuple[str, ...]:
    """Return a list of text as a tuple; refuse elements of other types."""
    if not all(type(value) is str for value in values):
        raise TypeError(f"the field {name!r} isn't a list of text")
    return tuple(values)


def _read_ref(data: Any, name: str) -> ArtifactRef:
    _check_object(data, _REF_FIELDS, f"the artifact {name!r}")
    inline = data.get("inline")
    return ArtifactRef(
        data["hash"], data["size"], data["codec"], data["type"], None if inline is None else base64.b64decode(inline)
    )


def _read_parent(data: Any) -> ParentRef:
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


def decode_record(kind: type[_Record], text: bytes, key: str) -> _Record:
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
        data = decode_checksummed(text, key, kind.__name__, _RUN_FIELDS if kind is RunRecord else _MANIFEST_FIELDS)
        data = {name: value for name, value in data.items() if value is not None}
        data["artifacts"] = {name: _read_ref(ref, name) for name, ref in data["artifacts"].items()}
        if "items" in data:
            _check_object(data["items"], _ITEMS_FIELDS, "the items")
            data["items"] = SplitItems(**data["items"])
        if "parents" in data:
            data["parents"] = tuple(_read_parent(parent) for parent in data["parents"])
        if "exception" in data:
            _check_object(data["exception"], _EXCEPTION_FIELDS, "the exception")
        for name in ("own", "next", "parameters", "system_tags", "tags"):
            if name in data:
                data[name] = _read_texts(data[name], name)
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
