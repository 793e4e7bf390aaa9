"""The commands of one deploy target, called from Python for one flow file and deployed name."""

import sys
import time
from typing import Any

from flow_sdk.deploy.declaration import TargetDeclaration
from flow_sdk.errors import DeployError
from flow_sdk.programmatic.command import FlowFile, read_command_info, read_result
from flow_sdk.programmatic.failures import command_error
from flow_sdk.programmatic.runner import POLL_INTERVAL, OutputPrinter

__all__ = ["TargetCommands"]


class TargetCommands:
    """A flow file under one deployed name of one target.

    Parameters
    ----------
    file : FlowFile
        The flow file.
    target : TargetDeclaration
        The target.
    name : str or None
        The deployed name, where it isn't the flow's own.

    Attributes
    ----------
    identity : dict
        What the last command worked on: ``flow``, ``name`` and ``store``.
    """

    def __init__(self, file: FlowFile, target: TargetDeclaration, name: str | None) -> None:
        self.file, self.target, self.name = file, target, name
        self.identity: dict[str, Any] = {}

    def call_command(self, verb: str, given: dict[str, Any], arguments: tuple[str, ...] = ()) -> Any:
        """Call a command, wait for its end, and return its result; None where it had nothing to do.

        Parameters
        ----------
        verb : str
            The command, without the target's name.
        given : dict
            Its options by their Python names, and parameters of the flow.
        arguments : tuple of str
            Its positional arguments.

        Raises
        ------
        FlowSDKError
            The error that the command has ended with.
        """
        command = f"{self.target.name} {verb}"
        named = {**given, **({"name": self.name} if self.name is not None else {})}
        process = self.file.start_command(command, named, arguments)
        shown = OutputPrinter(process, {"stderr": sys.stderr} if self.file.show_output else {})
        try:
            while process.returncode is None:
                shown.print_new()
                time.sleep(POLL_INTERVAL)
            if process.returncode:
                raise command_error(process, DeployError, f"{command} failed")
            shown.print_new()
            self.identity = read_command_info(process) or self.identity
            return read_result(process)
        finally:
            process.close_files()

    def call_json(self, verb: str, given: dict[str, Any], arguments: tuple[str, ...] = ()) -> dict[str, Any]:
        """Call a command with ``--output json``, and return the document. Parameters as for :meth:`call_command`."""
        document: dict[str, Any] = self.call_command(verb, {**given, "output": "json"}, arguments)
        return document

    def call_result(self, verb: str, given: dict[str, Any], arguments: tuple[str, ...] = ()) -> str:
        """Call a command that prints one line, and return it; empty where it had nothing to do."""
        return self.call_command(verb, given, arguments) or ""
