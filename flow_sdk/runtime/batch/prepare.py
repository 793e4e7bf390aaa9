"""What precedes a run's first job: finds the steps for Batch, and registers their definitions."""

from dataclasses import dataclass, field
from typing import Any

from flow_sdk.errors import UsageError
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.batch.definition import (
    BatchSettings,
    JobDefinition,
    find_ignored_requests,
    job_definition,
    job_queue,
    job_tags,
)
from flow_sdk.runtime.batch.register import check_log_groups, ensure_registered, find_platforms
from flow_sdk.runtime.batch.submit import JobTarget
from flow_sdk.store.address import StoreAddress

__all__ = ["BatchPlan", "plan_targets"]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How the steps with ``@batch`` of a flow run on Batch.

    Parameters
    ----------
    targets : dict of str to JobTarget
        Where the jobs of each such step go.
    region : str or None
        The AWS region; None without such a step.
    ignored_requests : tuple of str
        What steps request that their platform ignores, for messages.
    """

    targets: dict[str, JobTarget] = field(default_factory=dict)
    region: str | None = None
    ignored_requests: tuple[str, ...] = ()
    _definitions: tuple[JobDefinition, ...] = ()
    _client: Any = None

    def register_definitions(self) -> list[str]:
        """Register the job definitions that AWS doesn't have; returns their names.

        Raises
        ------
        AwsError
            If AWS refuses or doesn't answer.
        """
        return ensure_registered(self._client, self._definitions) if self._definitions else []


def plan_targets(plan: FlowPlan, root: str) -> BatchPlan:
    """Find out how to run the steps with ``@batch`` on Batch. Nothing is changed in AWS.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    root : str
        URL of the store.

    Raises
    ------
    UsageError
        If the store isn't in S3, a setting is missing, or a platform can't give what a step asks for.
    AwsError
        If AWS refuses or doesn't answer.
    """
    steps = [step for step in plan.steps if step.batch is not None]
    if not steps:
        return BatchPlan()
    if StoreAddress.parse(root).kind.name != "s3":
        raise UsageError(
            "A step with @batch needs its artifacts in S3.",
            seen=root,
            wanted="an s3:// address",
            where=f"step {steps[0].name}",
            help="Add --datastore s3, and --datastore-root s3://bucket/prefix unless that is set.",
        )
    settings = BatchSettings.from_config()
    from flow_sdk.aws.clients import make_client

    batch = make_client("batch")
    settings = find_platforms(batch, steps, settings)
    check_log_groups(lambda: make_client("logs"), steps)
    definitions = {step.name: job_definition(step, settings, root) for step in steps}
    targets = {
        step.name: JobTarget(job_queue(step, settings), definitions[step.name].name, job_tags(step, settings))
        for step in steps
    }
    vain = tuple(find_ignored_requests(steps, settings))
    return BatchPlan(targets, batch.meta.region_name, vain, tuple(definitions.values()), batch)
