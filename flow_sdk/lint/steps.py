"""Rules about the steps themselves: names, arguments, where the flow starts and ends."""

from __future__ import annotations

from collections.abc import Iterator

from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.graph.model import Node
from flow_sdk.ids import is_flow_name, is_step_name
from flow_sdk.lint.rules import CheckedFlow, Finding, register_rule
from flow_sdk.text import suggest_name

RESERVED = frozenset({"name", "next", "input", "index", "cmd"})
"""Step names that Metaflow reserves too."""

TAKEN = frozenset(name for name in vars(FlowSpec) if not name.startswith("_")) - RESERVED
"""Names of FlowSpec's own attributes."""


@register_rule("FS101", "A flow has at least one step.")
def has_steps(flow: CheckedFlow) -> Iterator[Finding]:
    if not flow.graph.nodes:
        yield Finding(f"flow {flow.graph.flow!r} has no steps", flow.graph.span, "Mark its methods with @step.")


@register_rule("FS102", "A step's name has only a-z, 0-9 and _, doesn't begin with _, and has at most 128 characters.")
def step_names(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if not is_step_name(node.name):
            text = "".join(c if is_step_name("x" + c) else "_" for c in node.name.lower()).strip("_")[:128]
            yield Finding(
                f"{node.name!r} can't be the name of a step",
                node.span,
                "Use a-z, 0-9 and _, no leading _, at most 128 characters" + (f": {text!r}." if text else "."),
            )


@register_rule("FS103", "A step isn't named name, next, input, index or cmd.")
def reserved_names(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if node.name in RESERVED:
            yield Finding(f"the step name {node.name!r} is reserved", node.span, "Choose another name.")


@register_rule("FS104", "A step isn't named like an attribute that every flow has.")
def taken_names(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if node.name in TAKEN:
            message = f"a step can't be named {node.name!r}: every flow has that attribute"
            yield Finding(message, node.span, "Choose another name.")


@register_rule("FS105", "A flow's name is an ASCII identifier of at most 128 characters.")
def flow_name(flow: CheckedFlow) -> Iterator[Finding]:
    if not is_flow_name(flow.graph.flow):
        yield Finding(
            f"{flow.graph.flow!r} can't be the name of a flow",
            flow.graph.span,
            "Use A-Z, a-z, 0-9 and _, at most 128 characters: the name is part of paths and URLs.",
        )


@register_rule("FS106", "A class defines each step once.")
def defined_once(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if node.shadows is not None:
            yield Finding(
                f"step {node.name!r} replaces a method of the same name in line {node.shadows.line}",
                node.span,
                "Rename one of them.",
            )


@register_rule("FS107", "The source of every step can be read.")
def has_source(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if not node.has_source:
            yield Finding(
                f"the source of step {node.name!r} isn't where Python says it is",
                node.span,
                "The graph is read from the source. Was the file changed or moved after it was imported?",
            )


@register_rule("FS108", "A step takes self, and a join also inputs.")
def argument_count(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if node.arguments not in (1, 2) or node.odd_arguments:
            yield Finding(
                f"step {node.name!r} must take self, or self and inputs",
                node.span,
                f"def {node.name}(self): for a step, def {node.name}(self, inputs): for a join.",
            )


@register_rule("FS109", "A step is an ordinary method: neither async nor a generator.")
def ordinary_method(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if node.nature == "generator":
            yield Finding(f"step {node.name!r} has a yield in it, so its body would never run", node.span, "Remove it.")
        elif node.nature == "async":
            yield Finding(f"step {node.name!r} is async", node.span, "Use a plain def; asyncio.run(...) works inside.")


@register_rule("FS110", "Exactly one step is the start.")
def one_start(flow: CheckedFlow) -> Iterator[Finding]:
    yield from _require_one(flow, "start", flow.graph.starts, [node for node in flow.nodes if node.marked_start])


@register_rule("FS111", "Exactly one step is the end.")
def one_end(flow: CheckedFlow) -> Iterator[Finding]:
    yield from _require_one(flow, "end", flow.graph.ends, [node for node in flow.nodes if node.marked_end])


def _require_one(flow: CheckedFlow, name: str, found: tuple[str, ...], marked: list[Node]) -> Iterator[Finding]:
    nodes = flow.graph.nodes
    if nodes and not found:
        near = suggest_name(name, nodes)
        yield Finding(
            f"flow {flow.graph.flow!r} has no {name} step",
            flow.graph.span,
            f"Name a step {name!r} or mark one with @step({name}=True)." + (f" {near}" if near[:3] == "Did" else ""),
        )
    for node in marked[1:]:
        yield Finding(f"step {node.name!r} is marked as {name}, and so is {marked[0].name!r}", node.span, "Unmark one.")
    if marked and name in nodes and not any(node.name == name for node in marked):
        yield Finding(
            f"step {name!r} isn't the {name}: {marked[0].name!r} is marked with @step({name}=True)",
            nodes[name].span,
            "Rename the step or remove the mark.",
        )


@register_rule("FS112", "No step leads to the start.")
def nothing_leads_to_start(flow: CheckedFlow) -> Iterator[Finding]:
    if len(flow.graph.starts) != 1 or len(flow.graph.nodes) == 1:
        return
    start = flow.graph.starts[0]
    for node in flow.nodes:
        for target in node.call.targets if node.call else ():
            if target.name == start:
                yield Finding(
                    f"step {node.name!r} leads to {start!r}, where the flow starts",
                    target.span,
                    "Lead to a step after it; a loop needs an entry of its own.",
                )


@register_rule("FS113", "The end has no self.next.")
def end_leads_nowhere(flow: CheckedFlow) -> Iterator[Finding]:
    if len(flow.graph.ends) == 1:
        node = flow.graph.nodes[flow.graph.ends[0]]
        if node.call:
            message = f"the flow ends with {node.name!r}, so it can't lead on"
            yield Finding(message, node.call.span, "Remove self.next(...).")


@register_rule("FS114", "The start takes no inputs.")
def start_is_no_join(flow: CheckedFlow) -> Iterator[Finding]:
    for name in flow.graph.starts:
        node = flow.graph.nodes[name]
        if node.is_join:
            message = f"the start {name!r} can't take inputs: nothing comes before it"
            yield Finding(message, node.span, f"def {name}(self):")


@register_rule("FS115", "A method that calls self.next is a step.")
def method_is_step(flow: CheckedFlow) -> Iterator[Finding]:
    named = {target.name for node in flow.nodes for call in node.calls for target in call.targets}
    for name, span in flow.graph.unmarked.items():
        if name in named:
            continue  # FS203 says it, where the step is named
        yield Finding(
            f"{name!r} calls self.next, but isn't a step of the flow",
            span,
            f"Put @step above def {name}, or call self.next in the steps themselves.",
        )


@register_rule("FS116", "No parameter, config or other attribute has the name of a step.")
def step_has_its_name_alone(flow: CheckedFlow) -> Iterator[Finding]:
    for name, kind in flow.hidden.items():
        yield Finding(
            f"the {kind} {name!r} has the name of a step, which replaces it",
            flow.graph.assignments.get(name, flow.graph.nodes[name].span),
            "Rename one of them.",
        )
    for name, span in flow.graph.overwritten:
        yield Finding(
            f"{name!r} is a step, so no artifact can have that name",
            span,
            f"Call the artifact something else: self.{name}_result = ...",
        )
