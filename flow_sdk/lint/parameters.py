"""Rules about parameters."""

from __future__ import annotations

from collections.abc import Iterator

from flow_sdk.lint.rules import CheckedFlow, Finding, register_rule


@register_rule("FS601", "No two parameters of a flow have the same name.")
def parameter_names(flow: CheckedFlow) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for attribute, parameter in flow.parameters:
        # An option of the command line is the same for '-' and '_', and on some systems for upper and lower case.
        other = seen.setdefault(parameter.name.replace("-", "_").lower(), attribute)
        if other != attribute:
            yield Finding(
                f"the parameters {other!r} and {attribute!r} have the same name {parameter.name!r}",
                flow.graph.assignments.get(attribute, flow.graph.span),
                "Names must differ in more than '-' and '_' or upper and lower case.",
            )
