"""Every command of ``flow-sdk``: the module it lies in, and what it does."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flow_sdk.cli.parser import Command

__all__ = ["CONSOLE_COMMANDS", "load_console_command", "split_console_command"]

CONSOLE_COMMANDS = {
    "status": ("flow_sdk.cli.commands.status", "Show which settings hold, and where each comes from."),
    "configure": (
        "flow_sdk.cli.commands.configure",
        "Keep settings in the settings file (NAME= removes one), or list what there is to set.",
    ),
    "configure aws": (
        "flow_sdk.cli.commands.configure_aws",
        "Set all that AWS needs: from a stack's outputs, from options, or by answering questions.",
    ),
    "configure show": ("flow_sdk.cli.commands.configure", "Show which settings hold in a profile."),
    "doctor": (
        "flow_sdk.cli.commands.doctor",
        "Check each part that is set up; show what is missing and how to fix it.",
    ),
    "store check": (
        "flow_sdk.cli.commands.store",
        "Verify every object of a store; show what is damaged and what is left over.",
    ),
    "store gc": ("flow_sdk.cli.commands.store", "Show, or delete, what in a store is no longer needed."),
    "completion": ("flow_sdk.cli.commands.completion", "Print a script that completes commands in bash, zsh or fish."),
    "version": ("flow_sdk.cli.commands.version", "Print the version of Flow SDK."),
}
"""The module and the summary of each command. Kept here so that the help imports none of them."""


def load_console_command(name: str) -> Command:
    """Import one command of :data:`CONSOLE_COMMANDS`."""
    import importlib

    module = importlib.import_module(CONSOLE_COMMANDS[name][0])
    command: Command = module.CONSOLE_COMMANDS[name]
    return command


def split_console_command(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the command that a line begins with, and the rest; None where it begins with no command."""
    for count in (2, 1):
        name = " ".join(argv[:count])
        if len(argv) >= count and name in CONSOLE_COMMANDS:
            return name, list(argv[count:])
    return None, list(argv)
