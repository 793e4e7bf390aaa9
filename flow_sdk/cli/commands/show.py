"""``show`` and ``output-dot``."""

import sys

from flow_sdk.cli.context import Call
from flow_sdk.cli.parser import Command, Option
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.errors import FlowSDKError, UsageError
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]

FORMATS = ("text", "mermaid", "svg", "json", "dot")


def _show(call: Call) -> int:
    form = "json" if call["output"] == "json" else call["format"]
    if form != call["format"] and "format" in call.given:
        raise UsageError(
            "--output json and another --format can't go together.",
            seen=f"--format {call['format']}",
            wanted="one of them; --output json prints the same as --format json",
        )
    code = _print(call, form)
    if form == "text":
        _print_schedule(call)
    return code


def _print_schedule(call: Call) -> None:
    """What the graph doesn't show: when the deployed flow starts by itself."""
    from flow_sdk.deploy.next_starts import declared_schedule, next_starts_text

    try:
        schedule = declared_schedule(call.flow_class)
    except FlowSDKError:
        return  # a config is missing: the graph can be shown all the same
    if schedule is not None:
        print(f"\nDeployed, it starts by itself. Next: {next_starts_text(schedule)}")


def _output_dot(call: Call) -> int:
    return _print(call, "dot")


def _print(call: Call, form: str) -> int:
    from flow_sdk.graph.parse import read_graph
    from flow_sdk.graph.render import render_graph

    sys.stdout.write(text_for_stream(render_graph(read_graph(call.flow_class), form)).rstrip("\n") + "\n")
    return 0


COMMANDS = {
    "show": Command(_show, options=[Option("format", "What to print.", choices=FORMATS, default="text"), OUTPUT]),
    "output-dot": Command(_output_dot),
}
