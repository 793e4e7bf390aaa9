"""What this process was started with: recorded when a flow file imports the SDK, before the file can change it.

A local task executes the flow file from its beginning, and so has to begin with the environment and the folder that the
file began with: a file that says ``os.chdir("data")`` would otherwise look for ``data/data`` in a task.
"""

from __future__ import annotations

import os
import sys

__all__ = ["start_environment", "start_folder"]

_ENVIRONMENT = dict(os.environ)
_FILE = getattr(sys.modules.get("__main__"), "__file__", None)
try:
    _FOLDER: str | None = os.getcwd()
except OSError:
    _FOLDER = None  # it was deleted


def _began_here(file: str) -> bool:
    """Tell whether ``file`` is the program of this process. In a notebook it isn't, whatever ``%run`` makes of it."""
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
    return _ENVIRONMENT if _began_here(file) else dict(os.environ)


def start_folder(file: str) -> str | None:
    """Return the folder in which a program began, as :func:`start_environment`; None when it can't be known."""
    if _began_here(file):
        return _FOLDER
    try:
        return os.getcwd()
    except OSError:
        return None
