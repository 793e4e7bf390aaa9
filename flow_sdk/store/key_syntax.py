"""Which object keys are legal, checked the same way by every store."""

import re

from flow_sdk.errors import StoreError

__all__ = ["check_key", "check_prefix", "is_key"]

# The look-ahead refuses components "." and ".."; 255 is what a name may have on common file systems.
_COMPONENT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.:+=-]{1,255}"
_KEY = re.compile(rf"(?:{_COMPONENT}/)*{_COMPONENT}", re.ASCII)
_PREFIX = re.compile(rf"(?:{_COMPONENT}/)*", re.ASCII)
_WANTED = "components of [A-Za-z0-9_.:+=-], at most 255 characters each, with '/' between them; 1,024 characters in all"


def is_key(key: str) -> bool:
    """Return whether ``key`` is legal: see :class:`~flow_sdk.store.port.ObjectStore`."""
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
