"""What no target deploys, whichever it is. Pure."""

from flow_sdk.authoring.decorators.secrets import AWS, INLINE
from flow_sdk.errors import DeployError
from flow_sdk.plan.model import FlowPlan

__all__ = ["refuse_inline_secrets", "refuse_required_parameters"]


def refuse_inline_secrets(plan: FlowPlan) -> None:
    """Refuse a plan that holds values of secrets: a definition, a store and an orchestrator would show them for good.

    Raises
    ------
    DeployError
        Names the steps.
    """
    steps = [
        step.name
        for step in plan.steps
        if step.secrets is not None and any(source["type"] == INLINE for source in step.secrets.sources)
    ]
    if steps:
        raise DeployError(
            "A flow whose secrets are written in its source can't be deployed.",
            seen=f'@secrets with the type "{INLINE}" on step {", ".join(steps)}: the values would stand in the plan',
            wanted=f'the name of a secret of AWS Secrets Manager, as in sources=["{AWS}.prod/db"]',
            help="For values that are no secrets, use @environment(vars={...}).",
        )


def refuse_required_parameters(plan: FlowPlan) -> None:
    """Refuse a plan with a schedule and parameters that have no default.

    Raises
    ------
    DeployError
        Names the parameters.
    """
    required = [parameter.name for parameter in plan.parameters if parameter.required]
    if plan.schedule is not None and required:
        raise DeployError(
            "A flow with a schedule can't have parameters without a default: no user is there to give them.",
            seen=", ".join(required),
            help="Give each a default, or take @schedule away.",
        )
