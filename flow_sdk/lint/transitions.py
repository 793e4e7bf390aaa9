"""Rules about ``self.next`` and its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flow_sdk.lint.rules import CheckedFlow, Finding, register_rule
from flow_sdk.text import suggest_name

FORMS = (
    "self.next(self.a), self.next(self.a, self.b), self.next(self.a, foreach='items') or "
    "self.next({'x': self.a, 'y': self.b}, condition='choice')"
)


@register_rule("FS201", "Every step but the end calls self.next.")
def has_next(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        if node.has_source and not node.calls and node.name not in flow.graph.ends and len(flow.graph.nodes) > 1:
            message = f"step {node.name!r} doesn't say what comes next"
            yield Finding(message, node.span, "Add self.next(...) as its last statement.")


@register_rule("FS202", "self.next is the last statement of the step, or of each path through it, and always the same.")
def next_is_last(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for call in node.calls:
            if node.name in flow.graph.ends:
                continue
            if not call.is_last:
                yield Finding(
                    f"self.next isn't the last statement of step {node.name!r}",
                    call.span,
                    "Call it at the end, outside any if or loop. A path that ends earlier may do so with the same "
                    "self.next(...) and return; to choose between steps use "
                    "self.next({'x': self.a, 'y': self.b}, condition='choice').",
                )
            elif node.call and call.meaning != node.call.meaning:
                yield Finding(
                    f"self.next says something else here than in line {node.call.span.line}",
                    call.span,
                    "All calls in a step must be the same; to choose between steps use "
                    "self.next({'x': self.a, 'y': self.b}, condition='choice').",
                )


@register_rule("FS203", "self.next names steps of the flow.")
def known_targets(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for call in node.calls:
            for target in call.targets:
                if target.name not in flow.graph.nodes:
                    known = [name for name in flow.graph.nodes if name not in (node.name, *flow.graph.starts)]
                    known = _with_obvious(target.name, known, flow.graph.nodes)
                    near = f"Put @step above def {target.name}." if target.name in flow.graph.methods else ""
                    message = f"{target.name!r} isn't a step of the flow"
                    yield Finding(message, target.span, near or suggest_name(target.name, known))


def _with_obvious(name: str, known: list[str], steps: Iterable[str]) -> list[str]:
    """Return what a target may mean: of the steps that can't be one, such as the first, those misspelt by a letter."""
    import difflib

    return known + difflib.get_close_matches(name, set(steps).difference(known), cutoff=0.8)


@register_rule("FS204", "The targets of self.next are written as `self.<step>`.")
def plain_targets(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.call_faults("bad-target"):
        yield Finding(
            f"{fault.details['seen']} isn't the name of a step as the source must have it",
            fault.span,
            "Write self.<step>: the graph is read from the source, before anything runs.",
        )
    for fault in flow.call_faults("no-target"):
        yield Finding("self.next names no step", fault.span, f"Write {FORMS}.")


@register_rule("FS205", "self.next knows foreach, condition and num_parallel only.")
def known_keywords(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.call_faults("unknown-keyword"):
        seen = fault.details["seen"]
        near = suggest_name(seen, ("foreach", "condition", "num_parallel"))
        yield Finding(f"self.next doesn't know the argument {seen!r}", fault.span, near)


@register_rule("FS206", "foreach= and condition= name an artifact in quotes.")
def artifact_names(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.call_faults("bad-artifact-name"):
        keyword, guess = fault.details["keyword"], fault.details["guess"]
        yield Finding(
            f"{keyword}= must be the name of an artifact in quotes, not {fault.details['seen']}",
            fault.span,
            f"Set self.{guess} before, and write {keyword}={guess!r}.",
        )


@register_rule("FS207", "The arguments of self.next go together.")
def arguments_match(flow: CheckedFlow) -> Iterator[Finding]:
    messages = {
        "foreach-targets": ("a foreach leads to exactly one step", "Let that step lead to the others."),
        "foreach-and-condition": ("self.next can't be a foreach and a switch at once", "Put a step between them."),
        "condition-without-cases": (
            "condition= needs a dict of cases",
            "self.next({'x': self.a, 'y': self.b}, condition='choice')",
        ),
        "cases-without-condition": ("a dict of cases needs condition=", "Name an artifact: condition='choice'."),
    }
    for fault in flow.call_faults(*messages):
        message, help = messages[fault.kind]
        yield Finding(message, fault.span, help)


@register_rule("FS208", "num_parallel isn't supported by this release.")
def no_gangs(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for call in node.calls:
            if call.kind == "parallel":
                yield Finding(
                    "num_parallel= isn't supported yet",
                    call.span,
                    "This release can't start tasks as one gang. If they needn't talk to each other, use foreach=.",
                )


@register_rule("FS209", "A split names each step once.")
def distinct_targets(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for call in node.calls:
            seen = set()
            for target in call.targets if call.kind == "split" else ():
                if target.name in seen:
                    message = f"step {target.name!r} is named twice in one split"
                    yield Finding(message, target.span, "Use foreach= instead.")
                seen.add(target.name)


@register_rule("FS210", "A switch has at least two cases.")
def two_cases(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for call in node.calls:
            if call.kind == "switch" and len(call.cases) < 2 and not call.faults:
                yield Finding(
                    "a switch needs at least two cases", call.span, "With one way to go, write self.next(self.<step>)."
                )


@register_rule("FS211", "The cases of a switch are str, number or bool literals.")
def case_keys(flow: CheckedFlow) -> Iterator[Finding]:
    for fault in flow.call_faults("bad-case"):
        yield Finding(
            f"{fault.details['seen']} can't be a case of a switch",
            fault.span,
            "Write a str, an int, a float, True or False: the graph is read from the source, before anything runs.",
        )


@register_rule("FS212", "No two cases of a switch are equal.")
def distinct_cases(flow: CheckedFlow) -> Iterator[Finding]:
    for node in flow.nodes:
        for call in node.calls:
            seen: dict[object, object] = {}
            for case in call.cases:
                if case.value is not None and case.value in seen:
                    other = seen[case.value]
                    detail = "" if repr(other) == repr(case.value) else f" (Python takes it for equal to {other!r})"
                    yield Finding(f"the case {case.value!r} is there twice{detail}", case.span, "Remove one of them.")
                seen.setdefault(case.value, case.value)
