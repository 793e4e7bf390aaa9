"""A plan's project: the chosen project branch is stored beside the attributes of ``@project``."""

from __future__ import annotations

from dataclasses import replace

from flow_sdk.authoring.project import ProjectBranch
from flow_sdk.plan.model import FlowPlan

__all__ = ["deployed_name", "project_of", "with_project"]


def with_project(plan: FlowPlan, project: ProjectBranch | None) -> FlowPlan:
    """Return the plan with the branch that its runs belong to; the same plan for None."""
    if project is None:
        return plan
    return replace(
        plan,
        decorators=tuple(
            (name, {**attributes, "branch_name": project.branch} if name == "project" else attributes)
            for name, attributes in plan.decorators
        ),
    )


def project_of(plan: FlowPlan) -> ProjectBranch | None:
    """Return the plan's project and branch; None without ``@project`` or where no branch was chosen."""
    policy = plan.project
    if policy is None or policy.branch_name is None:
        return None
    return ProjectBranch(policy.name, policy.branch_name)


def deployed_name(plan: FlowPlan) -> str:
    """Return the name that the flow is deployed under: ``<project>.<branch>.<Flow>``, or the flow's."""
    project = project_of(plan)
    return plan.flow if project is None else project.deployed_name(plan.flow)
