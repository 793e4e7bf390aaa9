"""JSON with a checksum, which shows a changed byte or an object that was stored under another key.

The last field, ``sum``, is the checksum of the object's key and of the text without that field. Format 2 and later have
it: a text of that format without a sum is damaged, and one of format 1 is used without verification.
"""

import json
from collections.abc import Mapping
from typing import Any

from flow_sdk.errors import IntegrityError
from flow_sdk.store.records.layout import parse_key
from flow_sdk.strict_json import check_fields, parse_json

__all__ = ["FORMAT", "decode_checksummed", "encode_checksummed"]

FORMAT = 2
"""The format of records that this release writes; it reads older ones."""

_FIELD = b',"sum":"'
_DIGITS = 32
_END = b'"}'
_LENGTH = len(_FIELD) + _DIGITS + len(_END)


def encode_checksummed(data: Mapping[str, Any], key: str) -> bytes:
    """Return data as JSON with a checksum.

    Parameters
    ----------
    data : mapping
        Plain data, without ``format`` and ``sum``.
    key : str
        The object's key.
    """
    text = json.dumps({"format": FORMAT, **data}, separators=(",", ":")).encode("ascii")
    return text[:-1] + _FIELD + _compute_checksum(key, text[:-1]) + _END


def decode_checksummed(
    text: bytes, key: str, what: str = "record", fields: Mapping[str, tuple[type, ...]] | None = None
) -> dict[str, Any]:
    """Verify an object and return its data.

    Parameters
    ----------
    text : bytes
        Its bytes.
    key : str
        Its key.
    what : str
        What it is, for the error.
    fields : mapping of str to tuple of type, optional
        The types of its fields, as :func:`~flow_sdk.strict_json.check_fields` takes them. Those among them that name
        a flow, run, step or task must name that of the key.

    Raises
    ------
    IntegrityError
        If it isn't as it was written, isn't such JSON, or a newer release has written it.
    """
    try:
        data = parse_json(text)
        version, given = data.pop("format", 1), data.pop("sum", None)
        is_newer, is_summed = version > FORMAT, given is not None or version != 1
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable_error(what, f"{type(error).__name__}: {error}", key) from error
    if is_newer:
        raise IntegrityError(
            "A record was written by a newer release of Flow SDK.", where=key, help="pip install -U flow-sdk"
        )
    body = text[:-_LENGTH]
    if is_summed and text[-_LENGTH:] != _FIELD + _compute_checksum(key, body) + _END:
        raise _unreadable_error(what, "its content and key don't have the checksum that was stored with it", key)
    if fields is not None:
        try:
            check_fields(data, fields)
            _check_names(data, fields, key)
        except (TypeError, ValueError) as error:
            raise _unreadable_error(what, str(error), key) from error
    return data  # type: ignore[no-any-return]


def _check_names(data: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]], key: str) -> None:
    """See that a record names the flow, run, step and task whose object it is: other keys are made of these."""
    parts = parse_key(key).fields
    for name in ("flow", "run", "step", "task"):
        if name in fields and name in parts and data[name] != parts[name]:
            raise ValueError(f"it is the record of another {name}, {data[name]!a}")


def _compute_checksum(key: str, body: bytes) -> bytes:
    from blake3 import blake3

    return blake3(b"%s\0%s" % (key.encode("ascii"), body)).hexdigest(_DIGITS // 2).encode("ascii")


def _unreadable_error(what: str, seen: str, key: str) -> IntegrityError:
    return IntegrityError(
        f"A {what} can't be read.",
        seen=seen,
        where=key,
        help="The object is damaged or isn't Flow SDK's. Run the task again in a new run.",
    )
