"""Rules about decorators. What is wrong with one is found by its own file, in :mod:`flow_sdk.authoring.decorators`."""

from __future__ import annotations

from collections.abc import Iterator

from flow_sdk.lint.rules import CheckedFlow, Finding, register_rule


@register_rule("FS501", "@catch isn't on a step that starts a foreach or decides a switch.")
def catch_where_it_works(flow: CheckedFlow) -> Iterator[Finding]:
    yield from _find_problems(flow, "FS501")


@register_rule(
    "FS502", "A decorator has what it needs (@timeout a time, @project a name), also from a variable or config."
)
def no_attribute_missing(flow: CheckedFlow) -> Iterator[Finding]:
    yield from _find_problems(flow, "FS502")


def _find_problems(flow: CheckedFlow, code: str) -> Iterator[Finding]:
    """Yield what the decorators of a flow find wrong with themselves under one rule's code."""
    for node in flow.nodes:
        for decorator in flow.decorators.get(node.name, ()):
            spans = [span for written, span in node.decorator_spans if written == decorator.name]
            for problem in decorator.find_problems(node):
                if problem.code == code:
                    yield Finding(problem.message, spans[0] if spans else node.span, problem.help)
    for decorator in flow.flow_decorators:
        for problem in decorator.find_problems(None):
            if problem.code == code:
                yield Finding(problem.message, flow.graph.span, problem.help)
