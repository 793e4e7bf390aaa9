"""Compiling a flow file in this process, as a deployment does."""

import ast
import sys
from pathlib import Path

from flow_sdk.authoring.parameters import DeployContext
from flow_sdk.authoring.resolved_flow import provide_configs
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.configs import read_configs
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.parameter_files import embed_files
from flow_sdk.plan.parameters import plan_parameters
from flow_sdk.runtime.task.flow_loading import load_flow

__all__ = ["EXAMPLES", "FLOWS", "plan_of"]

EXAMPLES = Path(__file__).resolve().parents[2] / "dags_examples"
FLOWS = sorted(path for path in EXAMPLES.glob("*.py") if "FlowSpec" in path.read_text())


def plan_of(path: Path, user: str = "anne") -> FlowPlan:
    """Compile the last class of a file for a user of that name."""
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    before, arguments, main = list(sys.path), list(sys.argv), sys.modules["__main__"]
    try:
        flow = load_flow(str(path), names[-1])
        context = DeployContext(flow.__name__, user_name=user)
        provide_configs(flow, lambda: read_configs(flow, {}, context))
        return compile_plan(flow, file=path.name, parameters=embed_files(plan_parameters(flow, context)))
    finally:
        sys.path[:], sys.argv[:], sys.modules["__main__"] = before, arguments, main
