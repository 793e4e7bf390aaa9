"""Which ids AWS Step Functions takes for its executions."""

from flow_sdk.deploy.run_ids import RunIdRule

__all__ = ["STEP_FUNCTIONS_RUN_IDS"]

STEP_FUNCTIONS_RUN_IDS = RunIdRule("Step Functions", "sfn-", "A-Za-z0-9_-", 80)
"""Names of executions (AWS Step Functions, API reference of StartExecution), of which we use the ASCII letters."""
