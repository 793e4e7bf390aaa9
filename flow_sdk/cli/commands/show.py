"""``show`` and ``output-dot``."""

import sys

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.parser import Command, Option
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.errors import FlowSDKError, UsageError
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]

FORMATS = ("text", "mermaid", "svg", "json", "dot")


def _show_flow(context: CommandContext) -> int:
    form = "json" if context["output"] == "json" else context["format"]
    if form != context["format"] and "format" in context.line.given:
        raise UsageError(
            "--output json and another --format can't go together.",
            seen=f"--format {context['format']}",
            wanted="one of them; --output json prints the same as --format json",
        )
    code = _print_graph(context, form)
    if form == "text":
        _print_schedule(context)
    return code


def _print_schedule(context: CommandContext) -> None:
    """Print when the deployed flow starts by itself, which the graph doesn't show."""
    from flow_sdk.deploy.next_starts import declared_schedule, next_starts_text

    try:
        schedule = declared_schedule(context.flow_class)
    except FlowSDKError:
        return  # a config is missing: the graph can be shown all the same
    if schedule is not None:
        print(f"\nDeployed, it starts by itself. Next: {next_starts_text(schedule)}")


def _output_dot(context: CommandContext) -> int:
    return _print_graph(context, "dot")


def _print_graph(context: CommandContext, form: str) -> int:
    from flow_sdk.graph.parse import read_graph
    from flow_sdk.graph.render import render_graph

    sys.stdout.write(text_for_stream(render_graph(read_graph(context.flow_class), form)).rstrip("\n") + "\n")
    return 0


COMMANDS = {
    "show": Command(_show_flow, options=[Option("format", "What to print.", choices=FORMATS, default="text"), OUTPUT]),
    "output-dot": Command(_output_dot),
}
