"""Which object keys are legal, checked the same way by every store."""

import re

from flow_sdk.errors import ConfigError, StoreError

__all__ = ["check_key", "check_prefix", "is_key", "s3_place"]

# The look-ahead refuses components "." and ".."; 255 is what a name may have on common file systems.
_COMPONENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.:+=-]{1,255}"
_KEY = re.compile(rf"(?:{_COMPONENT}/)*{_COMPONENT}", re.ASCII)
_PREFIX = re.compile(rf"(?:{_COMPONENT}/)*", re.ASCII)
_WANTED = "components of [A-Za-z0-9_.:+=-], at most 255 characters each, with '/' between them; 1,024 characters in all"


def is_key(key: str) -> bool:
    """Tell whether ``key`` is legal: see :class:`~flow_sdk.store.port.ObjectStore`."""
    return len(key) <= 1024 and _KEY.fullmatch(key) is not None


def check_key(key: str) -> str:
    """Return a legal key as it is.

    Parameters
    ----------
    key : str
        The key.

    Returns
    -------
    str
        The same key.

    Raises
    ------
    StoreError
        If it isn't legal.
    """
    if len(key) > 1024 or _KEY.fullmatch(key) is None:
        raise StoreError("That isn't a key of an object.", seen=repr(key[:1100]), wanted=_WANTED)
    return key


def check_prefix(prefix: str) -> str:
    """Return a legal prefix (``""`` or a key with ``/`` at its end) as it is.

    Parameters
    ----------
    prefix : str
        The prefix.

    Returns
    -------
    str
        The same prefix.

    Raises
    ------
    StoreError
        If it isn't legal.
    """
    if len(prefix) > 1024 or _PREFIX.fullmatch(prefix) is None:
        raise StoreError("That isn't a folder of objects.", seen=repr(prefix[:1100]), wanted="'' or a key and '/'")
    return prefix


def s3_place(url: str) -> tuple[str, str]:
    """Read the address of a store in S3.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``, with or without ``/`` at its end.

    Returns
    -------
    (str, str)
        The bucket, and the prefix without ``/`` at its ends.

    Raises
    ------
    ConfigError
        If it names no bucket, or a prefix that no key can begin with.
    """
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    if not bucket or (prefix and not is_key(prefix)):
        raise ConfigError("That isn't an S3 address.", seen=url, wanted="s3://bucket or s3://bucket/prefix")
    return bucket, prefix
