"""Starting modules of this package in interpreters of their own."""

import os
import sys

__all__ = ["LAUNCHER", "interpreter_command"]

LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher.py")


def interpreter_command(module: str) -> list[str]:
    """Return the command that starts ``module.main()`` in an interpreter with the flags of this one."""
    import subprocess  # here, as a fork server doesn't need it unless it starts again

    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, LAUNCHER, module]
