"""Runs all rules over a flow."""

from __future__ import annotations

from flow_sdk.lint import decorators, loops, parameters, splits, steps, transitions  # noqa: F401  (they register rules)
from flow_sdk.lint.diagnostic import Diagnostic
from flow_sdk.lint.rules import RULES, CheckedFlow

__all__ = ["check_flow"]


def check_flow(flow: CheckedFlow) -> list[Diagnostic]:
    """Find everything that is wrong with a flow.

    Returns
    -------
    list of Diagnostic
        In the order of the source; empty when the flow is right.
    """
    found = []
    for code, rule in RULES.items():
        for finding in rule.check(flow):
            span = finding.span
            end = span.end_column if span.end_line == span.line else len(span.text) + 1
            location = (span.file, span.line, span.column, end, span.text)
            found.append(Diagnostic(code, finding.message, *location, finding.help))
    own = flow.graph.span.file
    return sorted(dict.fromkeys(found), key=lambda d: (d.file != own, d.file, d.line, d.column, d.code))
