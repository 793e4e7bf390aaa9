"""``show`` and ``output-dot``."""

import sys

from flow_sdk.cli.arguments import Command, Option
from flow_sdk.cli.call import Call
from flow_sdk.cli.terminal import shown

__all__ = ["COMMANDS"]

FORMATS = ("text", "mermaid", "svg", "json", "dot")


def _show(call: Call) -> int:
    return _print(call, call["format"])


def _output_dot(call: Call) -> int:
    return _print(call, "dot")


def _print(call: Call, form: str) -> int:
    from flow_sdk.graph.parse import read_graph
    from flow_sdk.graph.render import render

    sys.stdout.write(shown(render(read_graph(call.flow_class), form)).rstrip("\n") + "\n")
    return 0


COMMANDS = {
    "show": Command(_show, options=[Option("format", "What to print.", choices=FORMATS, default="text")]),
    "output-dot": Command(_output_dot),
}
