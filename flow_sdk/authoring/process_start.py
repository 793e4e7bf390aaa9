"""What this process was started with: recorded when a flow file imports the SDK, before the file can change more of it.

A local task executes the flow file from its beginning, and so has to begin with the environment and the folder that the
file began with: a file that says ``os.chdir("data")`` would otherwise look for ``data/data`` in a task. The file may
have changed them before it imports the SDK: on Linux, the system says which variables the process began with, and the
path of the script says in which folder.
"""

from __future__ import annotations

import os
import sys

__all__ = ["start_environment", "start_folder"]

_NEEDED_EARLY = ("AWS_", "FLOW_SDK_", "METAFLOW_")
"""How the names of variables begin that a task needs to open the store, which it does before it executes the file."""

_ENVIRONMENT = dict(os.environ)
_FILE = getattr(sys.modules.get("__main__"), "__file__", None)
try:
    _FOLDER: str | None = os.getcwd()
except OSError:
    _FOLDER = None  # it was deleted
try:
    with open("/proc/self/environ", "rb") as _file:
        _INITIAL = _file.read()  # now, as a program that sets its title overwrites it
except OSError:
    _INITIAL = b""


def _began_here(file: str) -> bool:
    """Return whether ``file`` is the program of this process. In a notebook it isn't, whatever ``%run`` makes of it."""
    import builtins

    return _FILE is not None and os.path.abspath(_FILE) == file and not hasattr(builtins, "get_ipython")


def start_environment(file: str) -> dict[str, str]:
    """Return the environment variables that a program began with.

    Parameters
    ----------
    file : str
        Absolute path of the program.

    Returns
    -------
    dict
        Those of the start where this process was started to execute the program, else those of now.
    """
    if not _began_here(file):
        return dict(os.environ)
    return _initial_environment() if _first_folder() is not None else _ENVIRONMENT


def start_folder(file: str) -> str | None:
    """Return the folder in which a program began, as :func:`start_environment`; None when it can't be known."""
    if _began_here(file):
        return _first_folder() or _FOLDER
    try:
        return os.getcwd()
    except OSError:
        return None


def _initial_environment() -> dict[str, str]:
    """Return the variables that the system gave to this process; those of the import where they aren't known."""
    entries = [entry.partition(b"=") for entry in _INITIAL.split(b"\0") if entry]
    if not entries or not all(name and sign for name, sign, _ in entries):
        return _ENVIRONMENT
    initial = {os.fsdecode(name): os.fsdecode(value) for name, _, value in entries}
    return initial | {name: value for name, value in _ENVIRONMENT.items() if name.startswith(_NEEDED_EARLY)}


def _first_folder() -> str | None:
    """Return the folder that Python was started in, as far as its command line shows.

    Returns
    -------
    str or None
        Empty where that isn't shown; None where Python wasn't started to execute the program itself, but something that
        then executed it.
    """
    assert _FILE is not None
    option, program = _started_program()
    if option == "-m":
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        if spec is None or spec.name not in (program, f"{program}.__main__"):
            return None
        base, mark, _ = _FILE.rpartition(f"{os.sep}{spec.name.replace('.', os.sep)}.py")
        searched = _initial_environment().get("PYTHONPATH", "").split(os.pathsep)
        return base if mark and base not in searched and not base.endswith("-packages") else ""
    if option or os.path.basename(program) != os.path.basename(_FILE):
        return None
    if os.path.isabs(program):
        return "" if program == _FILE else None
    base, mark, _ = _FILE.rpartition(f"{os.sep}{program.removeprefix('./')}")
    return base or os.sep if mark and _FILE.endswith(mark) else None


def _started_program() -> tuple[str, str]:
    """Return what this process's Python was started for: ``-m`` and a module, ``-c`` and a text, or a file."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if not word.startswith("-") or word == "-":
            return "", word
        if word.startswith("--"):
            if word == "--check-hash-based-pycs":
                next(words, "")
            continue
        for end, letter in enumerate(word[1:], 2):
            if letter in "WXmc":
                value = word[end:] or next(words, "")
                if letter in "mc":
                    return f"-{letter}", value
                break
    return "", ""
