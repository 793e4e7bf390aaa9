"""What a run on a laptop does before its first job: finds the steps for Batch, and registers their definitions."""

from flow_sdk.errors import UsageError
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.batch.definition import BatchSettings, job_definition, job_queue, job_tags
from flow_sdk.runtime.batch.register import ensure_registered, find_platforms
from flow_sdk.runtime.batch.submit import JobTarget

__all__ = ["prepare_targets"]


def prepare_targets(plan: FlowPlan, root: str) -> dict[str, JobTarget]:
    """Get ready to run the steps with ``@batch`` on Batch.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    root : str
        URL of the store.

    Returns
    -------
    dict of str to JobTarget
        Where the jobs of each such step go.

    Raises
    ------
    UsageError
        If the store isn't in S3, a setting is missing, or a platform can't give what a step asks for.
    AwsError
        If AWS refuses or doesn't answer.
    """
    steps = [step for step in plan.steps if step.decorator("batch") is not None]
    if not steps:
        return {}
    if not root.startswith("s3://"):
        raise UsageError(
            "A step with @batch needs its artifacts in S3.",
            seen=root,
            wanted="an s3:// address",
            where=f"step {steps[0].name}",
            help="Add --datastore s3, and --datastore-root s3://bucket/prefix unless that is set.",
        )
    settings = BatchSettings.from_config()
    from flow_sdk.aws import client

    batch = client("batch")
    settings = find_platforms(batch, steps, settings)
    definitions = {step.name: job_definition(step, settings, root) for step in steps}
    ensure_registered(batch, definitions.values())
    return {
        step.name: JobTarget(job_queue(step, settings), definitions[step.name].name, job_tags(step, settings))
        for step in steps
    }
