"""Rules about decorators. What one decorator's attributes may be is checked where it is written, by ``spec``."""

from __future__ import annotations

from collections.abc import Iterator

from flow_sdk.lint.rules import CheckedFlow, Finding, rule


@rule("FS501", "@catch isn't on a step that starts a foreach or decides a switch.")
def catch_where_it_works(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        names = {decorator.name for decorator in flow.decorators.get(node.name, ())}
        if "catch" in names and node.kind in ("foreach", "switch"):
            what = "its items" if node.kind == "foreach" else "its choice"
            spans = [span for written, span in node.decorator_spans if written == "catch"]
            yield Finding(
                f"@catch can't be on step {node.name!r}: when it fails, {what} wouldn't be known",
                spans[0] if spans else node.span,
                f"Move what may fail into a step before it that just leads to self.{node.name}.",
            )


@rule("FS502", "@timeout has a time and @project a name, also where they come from a variable or config.")
def no_attribute_missing(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for decorator in flow.decorators.get(node.name, ()):
            if decorator.name == "timeout" and decorator.seconds is None:
                spans = [span for written, span in node.decorator_spans if written == "timeout"]
                yield Finding(
                    f"@timeout of step {node.name!r} has no time: what it is given is None",
                    spans[0] if spans else node.span,
                    "Set the variable that the time comes from, or give it a default.",
                )
    for decorator in flow.flow_decorators:
        if decorator.name == "project" and decorator.attributes()["name"] is None:
            yield Finding(
                "@project has no name: what it is given is None",
                flow.graph.span,
                "Set the variable that the name comes from, or give it a default.",
            )
