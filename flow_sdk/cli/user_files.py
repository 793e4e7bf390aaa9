"""Files that the user names for a command to write to."""

from __future__ import annotations

import os

from flow_sdk.errors import UsageError

__all__ = ["check_writable", "write_file"]


def check_writable(path: str | None) -> None:
    """Refuse a file that can't be written to, before anything is done for it.

    Raises
    ------
    UsageError
        If it is a folder, or its folder isn't there or is closed.
    """
    if path is None:
        return
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise UsageError("This file can't be written.", seen="a folder", where=path)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise UsageError("This file can't be written.", seen=f"no folder {folder} to write to", where=path)


def write_file(path: str, data: bytes) -> None:
    """Write a file that the user named.

    Raises
    ------
    UsageError
        If it can't be written.
    """
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise UsageError("This file can't be written.", seen=error.strerror, where=path) from error
