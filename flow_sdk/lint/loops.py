"""Rules about loops."""

from __future__ import annotations

from collections.abc import Iterator

from flow_sdk.lint.rules import CheckedFlow, Finding, register_rule


@register_rule("FS401", "A loop has a switch with a case that leads out of it.")
def loop_can_end(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("loop-without-exit"):
        if not flow.has_holes or flow.graph.nodes[fault.step].kind == "linear":
            yield Finding(
                f"the steps {fault.details['body']} lead back to {fault.step!r} for ever",
                fault.span,
                "Let one of them be a switch with a case that leads out: "
                f"self.next({{True: self.{fault.step}, False: self.<after>}}, condition='again')",
            )


@register_rule("FS402", "A loop is entered through one step.")
def one_entry(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("loop-entered-twice"):
        yield Finding(
            f"{fault.step!r} leads back to {fault.details['entry']!r}, but that loop can be entered elsewhere too",
            fault.span,
            "Let every way into the loop go through one step.",
        )


@register_rule("FS403", "A loop doesn't lead back across the border of a split or foreach.")
def loop_within_scope(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("back-out-of-split"):
        yield Finding(
            f"{fault.step!r} leads back to {fault.details['entry']!r} out of the split of {fault.details['split']!r}, "
            "which isn't joined yet",
            fault.span,
            f"Join the branches of {fault.details['split']!r} first and decide after the join.",
        )
    for fault in flow.region_faults("back-into-split"):
        yield Finding(
            f"{fault.step!r} leads back into a branch that is already joined, to {fault.details['entry']!r}",
            fault.span,
            "Lead back to the step that splits.",
        )
    for fault in flow.region_faults("loop-crosses-join"):
        # Where a back edge into the branch was found, that says it already.
        if not any(flow.region_faults("back-into-split", "back-out-of-split")):
            yield Finding(f"the join {fault.step!r} lies in a loop that its split lies outside of", fault.span)


@register_rule("FS404", "A loop's entry isn't a join.")
def entry_is_no_join(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("back-to-join"):
        entry = fault.details["entry"]
        yield Finding(
            f"{fault.step!r} leads back to {entry!r}, which takes inputs",
            fault.span,
            f"Put a step after {entry!r} and lead back to that.",
        )


@register_rule("FS405", "A loop isn't left from inside a split or foreach that began in it.")
def left_outside_splits(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("loop-left-inside-split"):
        yield Finding(
            f"{fault.step!r} leaves the loop of {fault.details['loop']!r} while the split of "
            f"{fault.details['split']!r} isn't joined yet",
            fault.span,
            f"Join the branches of {fault.details['split']!r} first and decide after the join.",
        )
