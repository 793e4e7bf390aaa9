"""Keys and URLs: which are right, and how a key is spelt where only few letters are allowed. Pure."""

import re
from urllib.parse import unquote

from flow_sdk.errors import UsageError

__all__ = ["check_key", "decode_key", "encode_key", "split_url"]

_UNSAFE = re.compile(rb"[^A-Za-z0-9_.+-]")
_ENCODED = re.compile(rb"=([0-9A-F]{2})")
_DOTS = {".": "=2E", "..": "=2E=2E"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_key(key: object, *, folder: bool = False, in_bucket: bool = False) -> str:
    """Return a key that is right, without the ``/`` that may stand before it.

    Parameters
    ----------
    key : str
        Components with ``/`` between them.
    folder : bool
        Whether it names a folder: then it may be empty and end in ``/``.
    in_bucket : bool
        Whether it is the key of an object in a bucket: then components between two others may be empty
        (``raw//a.csv``).

    Raises
    ------
    UsageError
        If it isn't text, or has an empty component, ``.`` or ``..``, a control character or half a letter.
    """
    if not isinstance(key, str):
        raise UsageError("A key is text.", seen=f"a {type(key).__name__}: {key!r:.100}")
    plain = key.lstrip("/")
    if folder:
        plain = plain.rstrip("/")
        if not plain:
            return plain
    parts = plain.split("/")
    if in_bucket:
        parts = [part for number, part in enumerate(parts) if part or number in (0, len(parts) - 1)]
    if _CONTROL.search(plain) or any(part in ("", ".", "..") for part in parts):
        raise UsageError(
            "This can't be a key.",
            seen=repr(key[:200]),
            wanted="names with one '/' between them; no '.', '..' or control character among them",
        )
    if len(plain.encode("utf-8")) > 1024:
        raise UsageError("This key is too long.", seen=f"{len(plain.encode('utf-8'))} bytes", wanted="at most 1,024")
    return plain


def split_url(url: object) -> tuple[str, str, str]:
    """Split ``s3://bucket/key`` or ``file:///path``.

    Returns
    -------
    (str, str, str)
        ``s3``, the bucket and the key; or ``file``, ``""`` and the path without its first ``/``.

    Raises
    ------
    UsageError
        If it is neither.
    """
    text = url if isinstance(url, str) else ""
    kind, separator, rest = text.partition("://")
    if separator and kind == "file" and rest.startswith("/"):
        return kind, "", unquote(rest).lstrip("/")
    bucket, _, key = rest.partition("/")
    if not separator or kind != "s3" or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", bucket):
        raise UsageError("This isn't an S3 address.", seen=repr(url)[:200], wanted="s3://bucket/key")
    return kind, bucket, key


def encode_key(key: str) -> str:
    """Spell a right key with ``[A-Za-z0-9_.+=-]`` alone, one component for one; different keys stay different.

    Raises
    ------
    UsageError
        If a component gets longer than 255 characters.
    """
    parts = [_encode_part(part) for part in key.split("/")]
    longest = max(parts, key=len)
    if len(longest) > 255 or sum(map(len, parts)) > 600:
        raise UsageError(
            "This name is too long beside a run.",
            seen=f"{len(longest)} characters once encoded",
            wanted="at most 255 for each component (a letter outside of A-Z, 0-9, '_.+-' counts for 3 to 12), "
            "600 for the key",
        )
    return "/".join(parts)


def decode_key(encoded: str) -> str:
    """Give the key that :func:`encode_key` spelt."""
    return _ENCODED.sub(lambda found: bytes([int(found[1], 16)]), encoded.encode("ascii")).decode("utf-8", "replace")


def _encode_part(part: str) -> str:
    text = _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], part.encode("utf-8")).decode("ascii")
    return _DOTS.get(text, text)
