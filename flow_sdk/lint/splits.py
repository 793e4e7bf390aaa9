"""Rules about reaching steps, and about splits, foreaches and the joins that close them."""

from __future__ import annotations

from collections.abc import Iterator

from flow_sdk.lint.rules import CheckedFlow, Finding, register_rule


@register_rule("FS301", "Every step can be reached from the start.")
def every_step_is_reachable(flow: CheckedFlow) -> Iterator[Finding]:
    if len(flow.graph.starts) != 1 or len(flow.graph.nodes) == 1:
        return
    if flow.has_holes or any(flow.region_faults("loop-without-exit")):
        # Steps after a transition that is missing, or after a loop without end, can't be reached because of that.
        return
    reached = set(flow.regions.order)
    named = {target for node in flow.nodes if node.name not in reached for target in node.next if target != node.name}
    # Those that nothing leads to come first, so that what follows them isn't reported as well.
    for node in sorted(flow.nodes, key=lambda node: node.name in named):
        if node.name not in reached:
            yield Finding(
                f"no way leads from the start to {node.name!r}",
                node.span,
                f"Name self.{node.name} in the self.next of another step, or remove it.",
            )
            todo = [node.name]
            while todo:
                name = todo.pop()
                if name not in reached:
                    reached.add(name)
                    todo += flow.graph.nodes[name].next


@register_rule("FS302", "A join closes a split or a foreach.")
def join_has_split(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("join-without-split"):
        if fault.step not in flow.graph.starts and flow.graph.nodes[fault.step].arguments == 2 and not flow.has_holes:
            yield Finding(
                f"step {fault.step!r} takes inputs, but no split or foreach is open here",
                fault.span,
                f"A step after a switch or a plain step takes self only: def {fault.step}(self):",
            )
    for fault in flow.region_faults("join-from-outside"):
        yield Finding(
            f"{fault.details['join']!r} joins the branches of {fault.details['split']!r}, "
            f"and {fault.step!r} isn't in one",
            fault.span,
            "Only steps between the split and its join can lead to the join.",
        )


@register_rule("FS303", "A step that several branches of a split lead to takes inputs.")
def merge_takes_inputs(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("merge-without-inputs"):
        first, second, split = fault.details["first"], fault.details["second"], fault.details["split"]
        yield Finding(
            f"{first!r} and {second!r} lead to {fault.step!r} from different branches of {split!r}",
            fault.span,
            f"Make it a join: def {fault.step}(self, inputs):",
        )
    for fault in flow.region_faults("left-unjoined"):
        target, split = fault.details["target"], fault.details["split"]
        yield Finding(
            f"{fault.step!r} leads to {target!r} while the split of {split!r} isn't joined yet",
            fault.span,
            "Lead to a join first: a step that takes inputs.",
        )


@register_rule("FS304", "Every split and foreach is joined before the flow ends.")
def splits_are_joined(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("never-joined"):
        end, node = fault.details["end"], flow.graph.nodes[fault.step]
        what = "foreach" if node.kind == "foreach" else "split"
        yield Finding(
            f"the flow reaches {end!r} before the {what} of {fault.step!r} is joined",
            fault.span,
            f"Add a step before {end!r} that takes inputs, and let every branch lead to it: def join(self, inputs):",
        )


@register_rule("FS305", "There is at least one step between a split or foreach and its join.")
def no_empty_branch(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("empty-foreach"):
        yield Finding(
            f"the foreach of {fault.step!r} leads straight to the join {fault.details['join']!r}",
            fault.span,
            "Put the step that runs for each item between them.",
        )
    for fault in flow.region_faults("empty-branch"):
        yield Finding(
            f"a branch of {fault.step!r} leads straight to the join {fault.details['join']!r}",
            fault.span,
            "Put at least one step into each branch.",
        )


@register_rule("FS306", "Nested splits are joined from the inside out.")
def joined_inside_out(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.region_faults("join-of-unclosed"):
        join, split, inner = (fault.details[key] for key in ("join", "split", "inner"))
        yield Finding(
            f"{join!r} joins the branches of {split!r}, but the split of {inner!r} isn't joined yet at {fault.step!r}",
            fault.span,
            f"Join the branches of {inner!r} first, in a step of their own.",
        )
    for fault in flow.region_faults("join-of-two"):
        join, split, inner = (fault.details[key] for key in ("join", "split", "inner"))
        yield Finding(
            f"{join!r} takes inputs from two splits, of {split!r} and of {inner!r}",
            fault.span,
            "Give each split a join of its own.",
        )


@register_rule("FS307", "All branches of a split end in the same join.")
def one_join(flow: CheckedFlow) -> Iterator[Finding]:
    if flow.has_holes:
        return
    for fault in flow.region_faults("joined-twice"):
        yield Finding(
            f"the split of {fault.details['split']!r} is joined by {fault.details['other']!r} and by {fault.step!r}",
            fault.span,
            "Let all its branches, and all cases of a switch in them, lead to one join.",
        )
