"""Finding the jobs of a flow that haven't ended."""

from typing import Any

from flow_sdk.aws import aws_errors
from flow_sdk.runtime.batch.follow import Job, describe
from flow_sdk.runtime.batch.submit import tag_value

__all__ = ["UNFINISHED", "unfinished_jobs"]

UNFINISHED = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
_SAME = 20
"""Characters at the beginning of a job's name that are the flow's, however much of it was cut."""


def unfinished_jobs(client: Any, flow: str, *, run: str | None = None, user: str | None = None) -> list[Job]:
    """Find the jobs of a flow that haven't ended, in all queues, by their tags; the oldest first.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    flow : str
        The flow's name.
    run : str, optional
        Only those of this run; the id of a run of Step Functions with or without ``sfn-``.
    user : str, optional
        Only those that this user started.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    ids = [
        found["jobId"]
        for queue in _queues(client)
        for status in UNFINISHED
        for found in _listed(client, queue, status)
        if found["jobName"].startswith(flow.lstrip("_")[:_SAME])
    ]
    wanted = {"flow_sdk.flow": {tag_value(flow)}}
    if run is not None:
        wanted["flow_sdk.run"] = {tag_value(run), tag_value(run.removeprefix("sfn-"))}
    if user is not None:
        wanted["flow_sdk.user"] = {tag_value(user)}
    jobs = describe(client, list(dict.fromkeys(ids))).values()
    found = [
        job
        for job in jobs
        if job["status"] in UNFINISHED and all(job.get("tags", {}).get(key) in values for key, values in wanted.items())
    ]
    return sorted(found, key=lambda job: (job.get("createdAt", 0), job["jobName"]))


def _queues(client: Any) -> list[str]:
    with aws_errors("list the job queues"):
        pages = client.get_paginator("describe_job_queues").paginate()
        return [queue["jobQueueName"] for page in pages for queue in page["jobQueues"]]


def _listed(client: Any, queue: str, status: str) -> list[dict[str, Any]]:
    with aws_errors("list the jobs", where=f"queue {queue}"):
        pages = client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
        return [job for page in pages for job in page["jobSummaryList"]]
