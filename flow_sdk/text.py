"""Text of the user's in messages: made safe to show, without passwords, short, and with the name that was meant."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "escape_invisible",
    "mask_password",
    "mask_userinfo",
    "quote_unprintable",
    "shorten_line",
    "strip_control_sequences",
    "suggest_name",
]

_RESET = "\x1b[0m"
# CSI, then OSC and what is written like it, then other escapes. Half of one isn't printable, or harmless text.
_SEQUENCES = (
    r"((?:\x1b\[|\x9b)[0-9;:?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~])"
)
_COLOURS = r"\x1b\[[0-9;:]*m"

_MOST_NAMES = 30
"""Names that are listed; all commands are among them, and not all settings."""


def escape_invisible(text: str) -> str:
    """Write out control, formatting and other invisible characters, so that no terminal obeys them.

    For messages, where such a character has to be seen. Line feeds and tabs stay.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The same with such characters as in a Python literal, such as ``\\x1b``.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def quote_unprintable(text: str) -> str:
    """Return a name, such as a tag, on one line: as a Python literal if a character of it isn't printable."""
    return text if text.isprintable() else repr(text)


def strip_control_sequences(line: str) -> str:
    """Return one line of a program's output as a terminal may show it.

    Colours stay. Other escape sequences go, and so does what a carriage return would have overwritten.
    """
    if line.isprintable():
        return line
    import re

    last = line.rstrip("\r").rsplit("\r", 1)[-1].expandtabs()
    text = ""
    for i, part in enumerate(re.split(_SEQUENCES, last)):
        if i % 2:
            text += part if re.fullmatch(_COLOURS, part) else ""
        else:
            text += "".join(c for c in part if c.isprintable())
    return text + _RESET if "\x1b" in text else text


def shorten_line(text: str, most: int) -> str:
    """Return text of unknown length and content on one printable line.

    Parameters
    ----------
    text : str
        Any text.
    most : int
        Characters (> 0) to keep; ``...`` follows where there are more.
    """
    line = " ".join(text.split())
    line = line if line.isprintable() else ascii(line)
    return line if len(line) <= most else f"{line[:most]}..."


def mask_password(text: str) -> str:
    """Return the text with ``***`` for user and password of an address: ``http://***@host/``.

    A user without a password stays.
    """
    if "://" not in text or "@" not in text:
        return text
    import re

    return re.sub(r"(?<=://)[^\s/?#@:]*:[^\s/?#]*(?=@)", "***", text)


def mask_userinfo(text: str) -> str:
    """Return a setting's value with ``...`` for all that stands before the ``@`` of an address."""
    import re

    return re.sub(r"(?<=://)[^/@\s]*@", "...@", text)


def suggest_name(name: str, known: Iterable[str]) -> str:
    """Return a help sentence on the known name that an unknown one may stand for.

    Parameters
    ----------
    name : str
        The name that isn't known.
    known : iterable of str
        The names that are.

    Returns
    -------
    str
        ``"Did you mean 'x'?"``, or a list of the known names, or ``""`` when there are none.
    """
    import difflib

    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not names:
        return ""
    more = len(names) - _MOST_NAMES
    return f"Known: {', '.join(names[:_MOST_NAMES])}" + (f" and {more} more." if more > 0 else ".")
