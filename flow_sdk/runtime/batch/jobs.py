"""Finding the jobs of a flow that haven't ended, and all of a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flow_sdk.aws.errors import aws_errors
from flow_sdk.runtime.batch.follow import ENDED, Job, describe_jobs
from flow_sdk.runtime.batch.submit import job_name, tag_value
from flow_sdk.runtime.orchestrator import adapter_of_run
from flow_sdk.runtime.request import TaskRequest

__all__ = ["UNFINISHED", "TaskJobs", "sort_jobs", "task_jobs", "unfinished_jobs", "was_terminated"]

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
        Only those of this run: its id in the store, or the one that the orchestrator gives its jobs.
    user : str, optional
        Only those that this user started.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    ids = [
        found["jobId"]
        for queue in _list_queues(client)
        for status in UNFINISHED
        for found in _list_jobs(client, queue, status)
        if found["jobName"].startswith(flow.lstrip("_")[:_SAME])
    ]
    wanted = {"flow_sdk.flow": {tag_value(flow)}}
    if run is not None:
        wanted["flow_sdk.run"] = {tag_value(run), tag_value(adapter_of_run(run).job_run_id(run))}
    if user is not None:
        wanted["flow_sdk.user"] = {tag_value(user)}
    jobs = describe_jobs(client, list(dict.fromkeys(ids))).values()
    found = [
        job
        for job in jobs
        if job["status"] in UNFINISHED and all(job.get("tags", {}).get(key) in values for key, values in wanted.items())
    ]
    return sorted(found, key=lambda job: (job.get("createdAt", 0), job["jobName"]))


def task_jobs(client: Any, queue: str, request: TaskRequest, also: str | None = None) -> list[Job]:
    """Find the jobs of a task, ended ones too as far as AWS still knows them; the oldest first.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    queue : str
        The queue they were submitted to.
    request : TaskRequest
        The task.
    also : str, optional
        Id of a job to describe whether or not it is listed yet.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    filters = [{"name": "JOB_NAME", "values": [job_name(request)]}]
    with aws_errors("list the jobs", where=f"queue {queue}"):
        pages = client.get_paginator("list_jobs").paginate(jobQueue=queue, filters=filters)
        ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
    own = {"flow": request.flow, "run": request.run, "step": request.step, "task": request.task}
    wanted = {f"flow_sdk.{key}": tag_value(value) for key, value in own.items()}
    jobs = describe_jobs(client, list(dict.fromkeys([*ids, *([also] if also else [])]))).values()
    found = [job for job in jobs if wanted.items() <= job.get("tags", {}).items()]
    return sorted(found, key=lambda job: (job.get("createdAt", 0), job["jobId"]))


def was_terminated(job: Job) -> bool:
    """Return whether a user or process has ended a job, or is ending it."""
    return bool(job.get("isTerminated") or job.get("isCancelled"))


@dataclass(frozen=True, slots=True)
class TaskJobs:
    """The jobs of a task, seen by one of its tries.

    Parameters
    ----------
    running : dict or None
        The one that runs or waits, and is to be followed.
    stale : tuple of dict
        Those that run or wait and must end first: from before the task was cleared, being ended, or one too many.
    failed : tuple of dict
        Those that ended as tries of the step. A job that was terminated is none.
    """

    running: Job | None
    stale: tuple[Job, ...]
    failed: tuple[Job, ...]


def sort_jobs(found: Sequence[Job], generation: int) -> TaskJobs:
    """Sort the jobs of a task that isn't committed. Pure.

    Parameters
    ----------
    found : sequence of dict
        What :func:`task_jobs` found.
    generation : int
        The task's generation (>= 0).
    """
    own = [job for job in found if int(job.get("tags", {}).get("flow_sdk.generation", 0)) == generation]
    own = [job for job in own if not was_terminated(job)]
    running = next((job for job in own if job["status"] in UNFINISHED), None)
    stale = tuple(job for job in found if job["status"] in UNFINISHED and job is not running)
    return TaskJobs(running, stale, tuple(job for job in own if job["status"] in ENDED))


def _list_queues(client: Any) -> list[str]:
    with aws_errors("list the job queues"):
        pages = client.get_paginator("describe_job_queues").paginate()
        return [queue["jobQueueName"] for page in pages for queue in page["jobQueues"]]


def _list_jobs(client: Any, queue: str, status: str) -> list[dict[str, Any]]:
    with aws_errors("list the jobs", where=f"queue {queue}"):
        pages = client.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status)
        return [job for page in pages for job in page["jobSummaryList"]]
