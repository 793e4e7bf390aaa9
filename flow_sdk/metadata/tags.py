"""What a tag may be, and its form as one component of a key."""

import re
from collections.abc import Iterable

from flow_sdk.authoring.project import BOTH_TAG, BRANCH_TAG, PROJECT_TAG
from flow_sdk.errors import UsageError

__all__ = [
    "MOST_TAGS",
    "RESERVED",
    "TAG_LENGTH",
    "check_tags",
    "decode_tag",
    "encode_tag",
    "refuse_reserved",
]

TAG_LENGTH = 500
"""Most characters of a tag."""

MOST_TAGS = 50
"""Most user tags of one run."""

RESERVED = ("user:", "production:", "runtime:", "date:", PROJECT_TAG, BRANCH_TAG, BOTH_TAG)
"""Prefixes of system tags. No user tag may have one, as it would claim who started a run, or by which deployment."""

HASHED = "=h"
"""Prefix of a long tag's form; in any other form ``=`` is followed by two upper-case hexadecimal digits."""

LONGEST = 180
"""Longest encoded form kept readable; a file system takes names of 255 bytes, its temporary names included."""

# Upper-case letters are encoded, too: a laptop's file system may not distinguish them from lower-case ones.
_UNSAFE = re.compile(rb"[^a-z0-9_.:+-]|^\.")
_ENCODED = re.compile(rb"=([0-9A-F]{2})")


def encode_tag(tag: str) -> str:
    """Return a tag as one safe component of a key; different tags have different ones.

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
    raw = _encode_utf8(tag)
    text = _UNSAFE.sub(lambda found: b"=%02X" % found.group()[0], raw).decode("ascii")
    if len(text) <= LONGEST:
        return text
    import hashlib

    return HASHED + hashlib.sha256(raw).hexdigest()


def decode_tag(encoded: str) -> str | None:
    """Return the tag of an encoded form; None for the hashed form, which doesn't contain the text."""
    if encoded.startswith(HASHED):
        return None
    return _ENCODED.sub(lambda found: bytes([int(found.group(1), 16)]), encoded.encode("ascii")).decode("utf-8")


def check_tags(tags: Iterable[str], *, reserved: bool = False) -> list[str]:
    """Check user tags and drop repeated ones.

    Parameters
    ----------
    tags : iterable of str
        The tags, each 1 to 500 characters of valid Unicode.
    reserved : bool
        Whether tags that look like system tags are allowed: those to be removed, and those a run may have already.

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
    if not isinstance(tags, Iterable):
        raise UsageError("This is no tag.", seen=_describe_value(tags), wanted="a str, or several of them")
    found: list[str] = []
    for tag in tags:
        if not isinstance(tag, str):
            raise UsageError("A tag is a text.", seen=_describe_value(tag), wanted="a str")
        if tag in found:
            continue
        found.append(tag)
        _encode_utf8(tag)
        if len(tag) > TAG_LENGTH:
            raise UsageError(
                "A tag is too long.",
                seen=f"{tag[:40]!r}... of {len(tag)} characters",
                wanted=f"at most {TAG_LENGTH} characters",
            )
    if not reserved:
        refuse_reserved(found)
    return found


def _describe_value(value: object) -> str:
    kind = type(value).__name__
    return f"{value!r}, {'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def refuse_reserved(tags: Iterable[str]) -> None:
    """Refuse user tags that would pass for system tags.

    Raises
    ------
    UsageError
        If one begins with one of :data:`RESERVED`.
    """
    for tag in tags:
        prefix = next((prefix for prefix in RESERVED if tag.startswith(prefix)), None)
        if prefix is not None:
            raise UsageError(
                f"A tag of yours can't begin with {prefix!r}: such tags say who or what started a run.",
                seen=repr(tag),
                wanted=f"a tag that begins with none of {', '.join(RESERVED)}",
                help="To look for results in another namespace, use --namespace." if prefix in RESERVED[:2] else None,
            )


def _encode_utf8(tag: str) -> bytes:
    if not tag:
        raise UsageError("A tag is empty.", wanted=f"1 to {TAG_LENGTH} characters")
    try:
        return tag.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            "A tag can't be written as UTF-8.", seen=ascii(tag[:40]), wanted="valid Unicode text", help=str(error)
        ) from error
