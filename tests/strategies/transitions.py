"""Plans of flows given by their transitions alone."""

from __future__ import annotations

from pathlib import Path

from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from tests.support.in_process_runs import load_source

HEAD = "from flow_sdk import FlowSpec, step\n\nclass F(FlowSpec):\n"


def plan_of(body: str, folder: Path) -> FlowPlan:
    """Compile a flow given as ``name[(inputs)]: transition`` lines."""
    lines = []
    for line in body.strip().splitlines():
        head, _, transition = line.strip().partition(":")
        name, join, _ = head.partition("(")
        lines.append(f"    @step\n    def {name}(self{', inputs' if join else ''}):")
        lines.append(f"        self.next({transition.strip()})\n" if transition.strip() else "        pass\n")
    return compile_plan(load_source(HEAD + "\n".join(lines), "F", str(folder)), file="f.py")
