"""Starting modules of this package in interpreters of their own."""

import os
import sys

__all__ = ["LAUNCHER", "interpreter_command"]

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")


def interpreter_command(module: str, python: str | None = None) -> list[str]:
    """Return the command that starts ``module.main()`` in an interpreter with the flags of this one.

    Parameters
    ----------
    module : str
        The module.
    python : str, optional
        The interpreter; this process's when left out.
    """
    import subprocess  # here, as a fork server doesn't need it unless it starts again

    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [python or sys.executable, *flags, LAUNCHER, module]
