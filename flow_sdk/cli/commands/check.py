"""``check``."""

from typing import Any

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Command
from flow_sdk.errors import CheckFailed
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]


def _check_flow(context: CommandContext) -> int:
    if context["output"] == "json":
        return _check_as_json(context)
    steps = len(context.compile_plan().steps)
    context.log(f"{context.flow} is fine: {steps} step{'' if steps == 1 else 's'}.")
    return 0


def _check_as_json(context: CommandContext) -> int:
    """Print what is wrong as data; the exit code is 1 if anything is."""
    found: list[dict[str, Any]] = []
    try:
        context.compile_plan()
    except CheckFailed as error:
        from flow_sdk.cli.errors import print_error

        found = [diagnostic._asdict() for diagnostic in error.diagnostics]
        print_error(error)
    print_json({"flow": context.flow, "diagnostics": found})
    return 1 if found else 0


COMMANDS = {"check": Command(_check_flow, options=[OUTPUT])}
