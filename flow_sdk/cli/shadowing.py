"""Files of the user's that are named like a module that Flow SDK imports, and so are imported instead of it."""

from __future__ import annotations

import os
import sys

from flow_sdk.errors import UsageError

__all__ = ["check_file_name", "find_shadowed"]

_OTHERS = "blake3 boto3 botocore certifi cloudpickle dateutil jmespath obstore s3transfer six urllib3 zstandard"
OTHERS = frozenset(_OTHERS.split())
"""Modules outside of Python's library that Flow SDK imports, directly or through others."""

_UNUSED = """
aifc antigravity asynchat asyncore audioop bdb cProfile cgi cgitb chunk cmath cmd code codeop colorsys compileall crypt
curses dbm distutils doctest ensurepip faulthandler filecmp fileinput fractions ftplib getopt graphlib idlelib imaplib
imghdr imp lib2to3 mailbox mailcap modulefinder msilib msvcrt netrc nis nntplib nt nturl2path ossaudiodev pdb
pickletools pipes plistlib poplib profile pstats pty py_compile pyclbr pydoc pydoc_data readline rlcompleter sched
shelve smtpd smtplib sndhdr spwd sqlite3 sunau syslog tabnanny telnetlib this timeit tkinter
tomllib trace tracemalloc tty turtle turtledemo unittest uu venv wave webbrowser winreg winsound wsgiref xdrlib xmlrpc
zipapp
"""
UNUSED = frozenset(_UNUSED.split())
"""Modules of Python's library that Flow SDK doesn't import: a flow file may be named like one of them."""


def check_file_name(file: str) -> None:
    """Refuse a flow file that hides a module which Flow SDK imports.

    Parameters
    ----------
    file : str
        The flow file's path.

    Raises
    ------
    UsageError
        If it has the name of such a module.
    """
    name = os.path.basename(file).removesuffix(".py")
    if name in OTHERS or name in sys.stdlib_module_names - UNUSED:
        raise _hidden_module(name, file)


def find_shadowed() -> UsageError | None:
    """Find a file of the user's that was imported instead of a module of Python or of a library we need.

    Returns
    -------
    UsageError or None
        The message, for an exception that such a file has caused.
    """
    folder = os.path.realpath(sys.path[0]) if sys.path else ""
    for name in sorted((sys.stdlib_module_names | OTHERS) & sys.modules.keys()):
        file = getattr(sys.modules[name], "__file__", None) or ""
        own = os.path.dirname(file) if os.path.basename(file) == "__init__.py" else file
        if folder and file and os.path.realpath(os.path.dirname(own)) == folder:
            return _hidden_module(name, file)
    return None


def _hidden_module(name: str, file: str) -> UsageError:
    whose = "Python's own module" if name in sys.stdlib_module_names else "the module"
    return UsageError(
        f"The file {os.path.basename(file)} hides {whose} {name!r}, which Flow SDK imports.",
        seen=file,
        wanted="a name that no imported module has",
        help=f"Rename it, such as to my_{name}.py.",
    )
