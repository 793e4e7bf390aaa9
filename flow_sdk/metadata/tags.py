"""What a tag may be, and its form as one component of a key."""

import hashlib
import re
from collections.abc import Iterable

from flow_sdk.errors import UsageError

__all__ = ["MOST_TAGS", "TAG_LENGTH", "check_tags", "decode_tag", "encode_tag", "printable"]

TAG_LENGTH = 500
"""Most characters of a tag."""

MOST_TAGS = 50
"""Most user tags of one run."""

HASHED = "=h"
"""Starts the form of a long tag; in any other ``=`` is followed by two upper-case hexadecimal digits."""

LONGEST = 180
"""Longest encoded form kept readable; a file system takes names of 255 bytes, its temporary names included."""

# Upper-case letters are encoded too: a laptop's file system may not tell them from lower-case ones.
_UNSAFE = re.compile(rb"[^a-z0-9_.:+-]|^\.")
_ENCODED = re.compile(rb"=([0-9A-F]{2})")


def encode_tag(tag: str) -> str:
    """Turn a tag into one safe component of a key; different tags get different ones.

    Parameters
    ----------
    tag : str
        Any non-empty text.

    Returns
    -------
    str
        ``[a-z0-9_.:+-]`` as they are, every other byte of the UTF-8 form as ``=2F``; a long tag as ``=h`` and
        its SHA-256.

    Raises
    ------
    UsageError
        If the text is empty or can't be written as UTF-8.
    """
    raw = _utf8(tag)
    text = _UNSAFE.sub(lambda found: b"=%02X" % found.group()[0], raw).decode("ascii")
    return text if len(text) <= LONGEST else HASHED + hashlib.sha256(raw).hexdigest()


def decode_tag(encoded: str) -> str | None:
    """Return the tag that :func:`encode_tag` made this of; None for the hashed form, which keeps no text."""
    if encoded.startswith(HASHED):
        return None
    return _ENCODED.sub(lambda found: bytes([int(found.group(1), 16)]), encoded.encode("ascii")).decode("utf-8")


def check_tags(tags: Iterable[str]) -> list[str]:
    """Check user tags and drop repeated ones.

    Parameters
    ----------
    tags : iterable of str
        The tags, each 1 to 500 characters of valid Unicode.

    Returns
    -------
    list of str
        The tags in the order given, each once.

    Raises
    ------
    UsageError
        If a tag can't be one.
    """
    if isinstance(tags, str):
        raise UsageError("Tags were given as one text.", seen=repr(tags), wanted=f"a list of tags, such as [{tags!r}]")
    found = list(dict.fromkeys(tags))
    for tag in found:
        if not isinstance(tag, str):
            raise UsageError("A tag is a text.", seen=f"{tag!r}, a {type(tag).__name__}", wanted="a str")
        _utf8(tag)
        if len(tag) > TAG_LENGTH:
            raise UsageError(
                "A tag is too long.",
                seen=f"{tag[:40]!r}... of {len(tag)} characters",
                wanted=f"at most {TAG_LENGTH} characters",
            )
    return found


def printable(tag: str) -> str:
    """Show a tag on one line, whatever is in it: a terminal isn't to obey it."""
    return tag if tag.isprintable() else repr(tag)


def _utf8(tag: str) -> bytes:
    if not tag:
        raise UsageError("A tag is empty.", wanted=f"1 to {TAG_LENGTH} characters")
    try:
        return tag.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            "A tag can't be written as UTF-8.", seen=ascii(tag[:40]), wanted="valid Unicode text", help=str(error)
        ) from error
