"""Check the arguments of the S3 client before anything is sent."""

import json
import os
from collections.abc import Iterable
from typing import Any

from flow_sdk.errors import UsageError
from flow_sdk.files.addresses import split_url
from flow_sdk.files.file_store import ByteSpan, Content
from flow_sdk.files.objects import S3GetObject, S3PutObject

__all__ = [
    "checked_metadata",
    "content_of",
    "key_and_value",
    "key_list",
    "readable_file",
    "refuse_url",
    "span_of",
    "whole_url",
]

_WHERE = "S3(run=self) in a step, S3(s3root='s3://bucket/prefix'), or s3://bucket/key as the key"


def key_list(keys: Any) -> list[Any]:
    """Return keys as a list; refuse one text, whose letters would be taken for keys."""
    if isinstance(keys, str | bytes | S3GetObject) or not isinstance(keys, Iterable):
        raise UsageError("This isn't a list of keys.", seen=repr(keys)[:200], wanted="a list such as ['a', 'b']")
    return list(keys)


def key_and_value(given: Any) -> tuple[str, Any]:
    """Return a ``(key, value)`` pair."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UsageError("This can't be uploaded.", seen=repr(given)[:200], wanted="(key, value) or S3PutObject")
    return given[0], given[1]


def content_of(key: str, value: Any) -> Content:
    """An object's contents as bytes, or the open file that has them."""
    if isinstance(value, str):
        return value.encode("utf-8")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "read"):
        start = value.read(0)
        if isinstance(start, bytes):
            file: Content = value
            return file
    raise UsageError(
        "This can't be put.",
        seen=f"a {type(value).__name__}",
        wanted="text, bytes, or a file opened with mode 'rb'",
        where=f"key {key!r}",
        help="Make bytes of it first, such as with json.dumps() or pickle.dumps().",
    )


def readable_file(put: S3PutObject) -> str:
    """The path of a file to upload, known to be there."""
    path = put.path
    if path is None or not os.path.isfile(path) or not os.access(path, os.R_OK):
        raise UsageError("There is no such file to upload.", seen=repr(path), where=f"key {put.key!r}")
    return path


def checked_metadata(put: S3PutObject) -> dict[str, Any] | None:
    """The metadata of an object to put, known to be JSON data."""
    if put.metadata is None:
        return None
    try:
        json.dumps(put.metadata, allow_nan=False)
        if isinstance(put.metadata, dict) and all(isinstance(name, str) for name in put.metadata):
            return put.metadata
    except (TypeError, ValueError):
        pass
    raise UsageError(
        "This can't be metadata.", seen=repr(put.metadata)[:200], wanted="a dict of JSON data", where=f"key {put.key!r}"
    )


def span_of(wanted: S3GetObject) -> ByteSpan:
    """The part of an object that is asked for."""
    offset, length = wanted.offset, wanted.length
    if length is not None and length < 0:
        return ByteSpan(0, -length, from_end=True)
    if (offset or 0) < 0:
        raise UsageError("A part of an object can't begin before it.", seen=f"offset {offset}", wanted="0 or more")
    return ByteSpan(offset or 0, length)


def refuse_url(key: Any) -> None:
    """Refuse a whole address where a key is wanted."""
    if isinstance(key, str) and key.startswith(("s3://", "file://")):
        raise UsageError(
            "This client's keys aren't whole addresses.",
            seen=repr(key),
            help="Leave out what run= or s3root= says, or use S3() without either.",
        )


def whole_url(key: Any) -> tuple[str, str, str]:
    """Split an address; says what to do with a key that isn't one."""
    if isinstance(key, str) and "://" not in key:
        raise UsageError("A key needs a bucket or a run that it is in.", seen=repr(key)[:200], wanted=_WHERE)
    kind, bucket, path = split_url(key)
    if not path:
        raise UsageError("This address names no object.", seen=repr(key), wanted="s3://bucket/key")
    return kind, bucket, path
