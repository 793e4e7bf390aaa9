"""The adapter of Step Functions: ids, tries, what it adds to a request."""

from flow_sdk.deploy.step_functions.runtime import count_tries_left
from flow_sdk.plan.model import StepPlan


def test_the_smaller_count_of_tries_is_used() -> None:
    step = StepPlan("fit", "linear", decorators=(("catch", {}), ("retry", {"times": 2})))
    assert count_tries_left(step, retries=0, earlier_jobs=0) == 3
    assert count_tries_left(step, retries=2, earlier_jobs=0) == 3, "calls that were throttled, nothing was tried"
    assert count_tries_left(step, retries=0, earlier_jobs=2) == 3, "a redrive"
    assert count_tries_left(step, retries=1, earlier_jobs=3) == 2
    assert count_tries_left(step, retries=3, earlier_jobs=3) == 0
    assert count_tries_left(step, retries=9, earlier_jobs=9) == 0
    assert count_tries_left(StepPlan("fit", "linear"), retries=0, earlier_jobs=0) == 0
