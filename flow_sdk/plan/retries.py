"""How many attempts the decorators of a step allow. Pure."""

from flow_sdk.plan.model import StepPlan

__all__ = ["count_extra_attempts", "count_retries"]


def count_retries(step: StepPlan) -> int:
    """Return how often the step's code runs again after it has failed (>= 0): the ``times`` of ``@retry``."""
    retry = step.decorator("retry") or {}
    return int(retry.get("times", 0))


def count_extra_attempts(step: StepPlan) -> int:
    """Return how many attempts may follow a task's first one (>= 0).

    These are the retries, and for a step with ``@catch`` one more, which stores the failure if the process that
    should have done so was killed.
    """
    return count_retries(step) + (1 if step.decorator("catch") is not None else 0)
