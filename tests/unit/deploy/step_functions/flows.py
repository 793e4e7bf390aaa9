"""A flow for the tests of deployments, and its plan."""

from pathlib import Path

from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.parameters import plan_parameters
from tests.support.in_process_runs import load_source

FLOW = """
from flow_sdk import FlowSpec, Parameter, batch, project, schedule, step

{over}
class F(FlowSpec):
    p = Parameter("p", type=int, {p})

    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.work, foreach="items")

    {on_work}
    @step
    def work(self):
        self.next(self.end)

    @step
    def end(self, inputs):
        pass
"""


def plan_of(folder: Path, over: str = "", p: str = "default=1", on_work: str = "") -> FlowPlan:
    """The plan of a flow with a foreach."""
    flow = load_source(FLOW.format(over=over, p=p, on_work=on_work), "F", str(folder))
    return compile_plan(flow, file="f.py", parameters=plan_parameters(flow, None))
