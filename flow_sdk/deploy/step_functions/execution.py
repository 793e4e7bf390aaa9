"""A run as AWS sees it: an execution of a state machine."""

import json
from dataclasses import dataclass
from typing import Any

from flow_sdk.deploy.port import DeployedRun
from flow_sdk.deploy.step_functions.run_ids import STEP_FUNCTIONS_RUN_IDS

__all__ = ["PREFIX", "Execution"]

PREFIX = STEP_FUNCTIONS_RUN_IDS.prefix
"""What a run's id begins with; the execution's name follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution(DeployedRun):
    """A run as AWS sees it; its status may also be ``PENDING_REDRIVE``.

    Parameters
    ----------
    arn : str
        Its ARN.
    version : int or None
        The version of the state machine that it runs.
    redrives : int
        How often it was resumed.
    """

    arn: str
    version: int | None = None
    redrives: int = 0

    @property
    def failed_job(self) -> dict[str, Any]:
        """The Batch job whose failure ended it, as DescribeJobs says it; empty where something else did."""
        try:
            job = _as_described(json.loads(self.response.get("cause") or "{}"))
        except ValueError:
            return {}
        return job if isinstance(job, dict) and "jobId" in job else {}

    @classmethod
    def from_response(cls, response: dict[str, Any]) -> "Execution":
        """Read what AWS says of an execution."""
        number = str(response.get("stateMachineVersionArn") or "").rpartition(":")[2]
        version = int(number) if number.isdigit() else None
        return cls(
            name=response["name"],
            run=PREFIX + response["name"],
            status=response["status"],
            started=response["startDate"],
            stopped=response.get("stopDate"),
            is_running=response["status"] in ("RUNNING", "PENDING_REDRIVE"),
            column=version,
            response=response,
            arn=response["executionArn"],
            version=version,
            redrives=int(response.get("redriveCount") or 0),
        )


def _as_described(value: Any) -> Any:
    """What Step Functions says of a job in the letters of Batch itself, which begins names with a small one."""
    if isinstance(value, dict):
        return {f"{name[:1].lower()}{name[1:]}": _as_described(each) for name, each in value.items()}
    return [_as_described(each) for each in value] if isinstance(value, list) else value
