"""``version``."""

import sys
from typing import Any

from flow_sdk.cli.parser import Command
from flow_sdk.release import __version__

__all__ = ["COMMANDS", "CONSOLE_COMMANDS", "describe_versions"]


def _print_version(call: Any) -> int:
    print(__version__)
    return 0


def describe_versions() -> str:
    """Versions of Flow SDK and Python and the platform, on one line."""
    return f"flow-sdk {__version__}, Python {sys.version.split()[0]}, {sys.platform}"


COMMANDS = {"version": Command(_print_version)}
CONSOLE_COMMANDS = COMMANDS
