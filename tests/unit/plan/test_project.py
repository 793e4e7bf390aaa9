"""The project of a plan: the branch that was chosen, and the name that the flow is deployed under."""

from flow_sdk.authoring.project import ProjectBranch
from flow_sdk.plan.model import FlowPlan, StepPlan
from flow_sdk.plan.project import deployed_name, project_of, with_project

BARE = FlowPlan("F", "f.py", "", (StepPlan("start", "end"),))
DECLARED = FlowPlan("F", "f.py", "", BARE.steps, decorators=(("project", {"name": "forecast"}), ("other", {"a": 1})))


def test_a_flow_without_project_is_deployed_under_its_own_name() -> None:
    assert project_of(BARE) is None and deployed_name(BARE) == "F"
    assert with_project(BARE, None) is BARE


def test_a_project_without_a_chosen_branch_is_none() -> None:
    assert project_of(DECLARED) is None and deployed_name(DECLARED) == "F"


def test_the_chosen_branch_is_in_the_plan_and_nothing_else_changes() -> None:
    project = ProjectBranch("forecast", "user.anne")
    plan = with_project(DECLARED, project)
    assert project_of(plan) == project
    assert deployed_name(plan) == "forecast.user.anne.F"
    assert plan.decorators[1] == ("other", {"a": 1}) and plan.steps == DECLARED.steps
