"""What a command exchanges with a program that started it, such as ``Runner``.

It gets parameters as data, and reports what it works on, the result of a deploy target's command, and the error that
it ends with.

The program names a folder with the hidden option ``--caller``. The command's result goes to stdout, as ever, where what
the flow file prints when it is executed goes, too.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from flow_sdk.errors import ParameterError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from flow_sdk.cli.context import CommandContext
    from flow_sdk.errors import FlowSDKError

__all__ = ["COMMAND_INFO", "ERROR", "REQUEST", "RESULT", "exchange_with_caller", "write_error", "write_result"]

REQUEST = "request.json"
"""What the caller gives: ``parameters`` by name, ``life``, the descriptor of a pipe that ends when it does, and
``notebook``, whether the flow is written in one."""

COMMAND_INFO = "command.json"
"""What the command works on: ``flow`` and ``store``, and the deployed ``name`` where it is about a deployment."""

RESULT = "result.json"
"""What a command of a deploy target prints on stdout: the document of ``--output json``, or a text."""

ERROR = "error.json"
"""The error that the command ended with, as :meth:`flow_sdk.errors.FlowSDKError.as_data` describes it."""


def exchange_with_caller(context: CommandContext) -> None:
    """Read the caller's parameters, and report what the command works on."""
    folder = context["caller"]
    with open(os.path.join(folder, REQUEST), encoding="utf-8") as file:
        request = json.load(file)
    _end_with(request["life"])
    context.in_notebook = request.get("notebook", False)
    given = request["parameters"]
    if given:
        from flow_sdk.authoring.declarations import flow_parameters

        # A name with "-" can't be a keyword of Python.
        declared = {
            parameter.name.replace("-", "_"): parameter.name for parameter in flow_parameters(context.flow_class)
        }
        for name, value in given.items():
            plain = name.replace("-", "_")
            if plain not in declared:
                raise _unknown_parameter(context, name, declared)
            context.line.parameters[declared[plain]] = value
    info: dict[str, Any] = {"flow": context.flow, "store": context.store.root}
    if "name" in context.line.values:
        from flow_sdk.cli.tokens import deployed_name

        info["name"] = deployed_name(context)
    _write_file(folder, COMMAND_INFO, info)


def write_result(folder: str, result: dict[str, Any] | str) -> None:
    """Leave a command's result for its caller.

    Parameters
    ----------
    folder : str
        The folder that the caller named.
    result : dict or str
        The document of ``--output json``, or the text.
    """
    _write_file(folder, RESULT, result)


def write_error(folder: str, error: FlowSDKError) -> None:
    """Leave the error that the command ends with for its caller.

    Parameters
    ----------
    folder : str
        The folder that the caller named. Nothing is written if it is gone.
    error : FlowSDKError
        The error.
    """
    try:
        _write_file(folder, ERROR, error.as_data())
    except OSError:
        pass  # the caller finds the exit code and the text on stderr


def _write_file(folder: str, name: str, content: dict[str, Any] | str) -> None:
    """Write a file that the caller sees as a whole or not at all."""
    path = os.path.join(folder, name)
    with open(path + "~", "w", encoding="utf-8") as file:
        json.dump(content, file, default=str)
    os.replace(path + "~", path)


def _end_with(pipe: int) -> None:
    """End with the caller, as if by Ctrl-C: in a session of our own, no terminal would do it."""
    if sys.platform != "linux":
        return
    import fcntl
    import select
    import signal

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    # A signal and no thread, which couldn't interrupt what the main thread waits for.
    signal.signal(signal.SIGIO, interrupt)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:
        interrupt()


def _unknown_parameter(context: CommandContext, name: str, declared: dict[str, str]) -> ParameterError:
    from flow_sdk.cli.registry import GENERAL, load_command

    options = [option.name.replace("-", "_") for option in (*load_command(context.line.name).options, *GENERAL)]
    close = suggest_name(name, [*declared, *options])
    if not close.startswith("Did"):
        close = suggest_name(name, declared)
    return ParameterError(f"The flow has no parameter {name!r}, and {context.line.name} no such option.", help=close)
