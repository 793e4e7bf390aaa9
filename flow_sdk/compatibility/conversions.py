"""The helpers of Metaflow's ``util`` that flow files use."""

from __future__ import annotations

import shutil
import tempfile
from functools import cached_property
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote

from flow_sdk import config
from flow_sdk.release import __version__

__all__ = [
    "TempDir",
    "all_equal",
    "cached_property",
    "get_username",
    "get_version",
    "is_stringish",
    "resolve_identity",
    "to_bytes",
    "to_fileobj",
    "to_unicode",
    "url_quote",
    "url_unquote",
    "which",
]

TempDir = tempfile.TemporaryDirectory
which = shutil.which


def get_username() -> str:
    """Return the name of the person who works."""
    return config.user_name()


def get_version(public: bool = False) -> str:
    """Return the version of Flow SDK."""
    return __version__


def resolve_identity() -> str:
    """Return the tag of the person who works: ``user:<name>``."""
    return f"user:{config.user_name()}"


def is_stringish(value: Any) -> bool:
    """Return whether a value is text or bytes."""
    return isinstance(value, str | bytes)


def to_bytes(value: Any) -> bytes:
    """Return text as UTF-8; bytes as they are; anything else as its text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def to_unicode(value: Any) -> str:
    """Return bytes as the text that they are in UTF-8; anything else as its text."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def to_fileobj(value: Any) -> BytesIO:
    """Return text or bytes as a file to read."""
    return BytesIO(to_bytes(value))


def url_quote(value: Any) -> str:
    """Return a text as it can stand in a URL."""
    return quote(to_bytes(value))


def url_unquote(value: Any) -> str:
    """Return the text that a part of a URL stands for."""
    return unquote(to_unicode(value))


def all_equal(items: Any) -> bool:
    """Return whether all items of an iterable are equal."""
    found = list(items)
    return all(item == found[0] for item in found)
