"""``version``."""

import sys
from typing import Any

from flow_sdk.cli.arguments import Command

__all__ = ["COMMANDS", "describe_versions"]


def _version(call: Any) -> int:
    print(_own_version())
    return 0


def _own_version() -> str:
    from importlib import metadata

    try:
        return metadata.version("flow-sdk")
    except metadata.PackageNotFoundError:
        return "unknown"


def describe_versions() -> str:
    """Versions of Flow SDK and Python and the platform, on one line."""
    return f"flow-sdk {_own_version()}, Python {sys.version.split()[0]}, {sys.platform}"


COMMANDS = {"version": Command(_version)}
