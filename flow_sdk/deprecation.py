"""Deprecated names: they keep working, and print one line that names the successor."""

from __future__ import annotations

__all__ = ["warn_deprecated"]

_printed: set[str] = set()


def warn_deprecated(name: str, successor: str, *, removal: str) -> None:
    """Print one line to stderr that a name is deprecated; once for each name in a process.

    Python's own warnings aren't used: of those for deprecated names users see none but in their main module.

    Parameters
    ----------
    name : str
        The name as the user wrote it: a function, a command, an option or a setting.
    successor : str
        What to use instead, written the same way.
    removal : str
        The first release without the name, such as ``0.4``.
    """
    if name in _printed:
        return
    _printed.add(name)
    import sys

    if sys.stderr is None:
        return  # print() would write to stdout then
    line = f"{name} is deprecated and goes with Flow SDK {removal}: use {successor}."
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # it is closed: that mustn't end what works
