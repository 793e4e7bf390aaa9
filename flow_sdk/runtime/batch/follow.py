"""Following a job of AWS Batch until its end, and describing why one failed."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from flow_sdk.aws.errors import aws_errors
from flow_sdk.errors import AwsError, FlowSDKError

__all__ = ["ENDED", "describe_failure", "describe_jobs", "follow_job", "log_group", "log_tail", "terminate_job"]

Job = dict[str, Any]

ENDED = ("SUCCEEDED", "FAILED")
MOST_AT_ONCE = 100
"""Jobs that DescribeJobs takes (AWS Batch API)."""
FIRST_PAUSE, GROWTH = 0.5, 1.3
MOST_PAUSE = {"RUNNING": 3.0}
MOST_PAUSE_WAITING = 10.0
"""Seconds between two polls: short after every change, then longer and longer."""
RETRY_BUDGET = 600.0
"""Seconds for which AWS may not answer, or throttle, before following a job fails."""
UNSEEN = 60.0
"""Seconds in which a submitted job must be known to DescribeJobs."""
_TRANSIENT_CODES = (
    "Throttl",
    "TooManyRequests",
    "RequestLimitExceeded",
    "ServerException",
    "InternalError",
    "ServiceUnav",
)
_LOG_LINES = 40
_OF_ITSELF = ("Essential container in task exited", "Task failed to start")
"""What Batch reports of a container that no user has ended."""


def describe_jobs(client: Any, ids: Sequence[str]) -> dict[str, Job]:
    """Describe jobs, a hundred with each call.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    ids : sequence of str
        Which.

    Returns
    -------
    dict of str to dict
        The answers of DescribeJobs by id, without those it doesn't know.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    found: dict[str, Job] = {}
    for at in range(0, len(ids), MOST_AT_ONCE):
        part = list(ids[at : at + MOST_AT_ONCE])
        with aws_errors("look at the jobs", where=part[0] if len(part) == 1 else None):
            found.update((job["jobId"], job) for job in client.describe_jobs(jobs=part)["jobs"])
    return found


def follow_job(
    client: Any,
    job_id: str,
    on_status: Callable[[str, str], None],
    on_poll: Callable[[], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> Job:
    """Follow a job until it has ended.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    job_id : str
        The job.
    on_status : callable
        Receives (status, AWS's reason for it), once for every change from the plain ``SUBMITTED`` on.
    on_poll : callable
        Called at each poll while the job runs or waits.
    sleep, clock, jitter : callable
        Waiting, monotonic seconds, and a random number from 0 to 1.

    Returns
    -------
    dict
        The answer of DescribeJobs for the ended job.

    Raises
    ------
    AwsError
        If AWS refuses, or doesn't answer for ten minutes.
    FlowSDKError
        If AWS doesn't know the job.
    """
    status = "SUBMITTED"
    reported, pause, answered_at = (status, ""), FIRST_PAUSE, clock()
    while True:
        try:
            job = describe_jobs(client, [job_id]).get(job_id)
            if job is None and clock() - answered_at > UNSEEN:
                raise FlowSDKError("AWS Batch doesn't know the job any more.", where=f"job {job_id}")
        except AwsError as error:
            if not _is_transient(error) or clock() - answered_at > RETRY_BUDGET:
                raise
            job, pause = None, min(2 * pause, 60.0)
        if job is not None:
            answered_at, status = clock(), job["status"]
            change = (status, "" if status in ENDED else job.get("statusReason", ""))
            if change != reported:
                reported, pause = change, FIRST_PAUSE
                on_status(*change)
            if status in ENDED:
                return job
        on_poll()
        sleep(pause * (0.75 + 0.5 * jitter()))
        pause = max(pause, min(pause * GROWTH, MOST_PAUSE.get(status, MOST_PAUSE_WAITING)))


def _is_transient(error: AwsError) -> bool:
    """Return whether an error may be over in a minute: too many calls, no network, a fault of AWS."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError

    return error.code.startswith(_TRANSIENT_CODES) or isinstance(error.__cause__, NoConnection | HTTPClientError)


def terminate_job(client: Any, job_id: str, reason: str) -> None:
    """End a job, whether it runs or waits. One that has ended is left as it is.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    with aws_errors("end the job", where=job_id):
        client.terminate_job(jobId=job_id, reason=reason)


def describe_failure(job: Job) -> str:
    """Return one line on why a job failed and what to do.

    Parameters
    ----------
    job : dict
        The answer of DescribeJobs for it.
    """
    attempts = job.get("attempts") or [{}]
    last = attempts[-1]
    container = {**(job.get("container") or {}), **(last.get("container") or {})}
    code, reason = container.get("exitCode"), container.get("reason") or ""
    status_reason = last.get("statusReason") or job.get("statusReason") or ""
    what, advice = _explain_failure(code, reason, status_reason, _memory_limit(container))
    details = [f"exit code {code}"] if code is not None else []
    details += [" ".join(text.split()).rstrip(".") for text in dict.fromkeys((reason, status_reason)) if text]
    if len(attempts) > 1:
        details.append(f"{len(attempts)} attempts")
    text = what + (f" ({'; '.join(details)})" if details else "") + (f". {advice}" if advice else "")
    stream = container.get("logStreamName")
    return f"{text}. Job {job['jobId']}" + (f", log stream {stream}" if stream else "")


def _explain_failure(code: int | None, reason: str, status_reason: str, memory: str) -> tuple[str, str]:
    both = f"{reason} {status_reason}"
    had = f" of {memory} MiB" if memory else ""
    if "OutOfMemory" in both:
        return f"the container ran out of its memory{had}", "Give it more: @batch(memory=...)"
    if "CannotPull" in both or "ImagePull" in both:
        return "the image can't be pulled", "Check @batch(image=...), FLOW_SDK_BATCH_IMAGE and the execution role"
    if "CannotStart" in both or "CannotCreate" in both or code in (126, 127):
        return "the container can't be started", "Flow SDK must be in the image, and `python` on its PATH"
    if status_reason.startswith("Host EC2") or "Spot" in status_reason:
        return "its machine was taken away", "Add @retry, or use a queue without spot machines"
    if "exceeded timeout" in status_reason:
        return "Batch ended the job, which ran much longer than its @timeout", ""
    if "ResourceInitializationError" in both:
        return "the container's surroundings can't be set up", "Check network, execution role and volumes"
    if status_reason and status_reason not in _OF_ITSELF:
        return "the job was ended from outside", ""
    if code is None:
        return "the job was ended before its container had run", ""
    if code == 137:
        return f"the container ran out of its memory{had}, or was killed", "Give it more: @batch(memory=...)"
    if code != 0:
        return "the container failed before it could say why", "Look at the lines above, or at its log"
    return "the container ended without a result", "The image's Flow SDK may be another release than yours"


def _memory_limit(container: dict[str, Any]) -> str:
    found = {one["type"]: one["value"] for one in container.get("resourceRequirements") or ()}
    return str(found.get("MEMORY") or container.get("memory") or "")


def log_group(job: Job) -> str | None:
    """Return the CloudWatch log group of a job; None when its log goes elsewhere."""
    found = (job.get("container") or {}).get("logConfiguration") or {}
    if found.get("logDriver", "awslogs") != "awslogs":
        return None
    return str((found.get("options") or {}).get("awslogs-group", "/aws/batch/job"))


def log_tail(logs: Any, job: Job, most: int = _LOG_LINES) -> list[str]:
    """Read the last lines of a job's log in CloudWatch.

    Parameters
    ----------
    logs : botocore client
        For ``logs``.
    job : dict
        The answer of DescribeJobs for it.
    most : int
        Lines (>= 1).

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    group, stream = log_group(job), (job.get("container") or {}).get("logStreamName")
    if group is None or not stream:
        return []
    with aws_errors("read the job's log", where=f"{group} {stream}"):
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=most, startFromHead=False)
    return [event["message"] for event in events["events"]]


# The names that the Airflow provider of release 0.1.0 imports.
describe, follow, terminate = describe_jobs, follow_job, terminate_job
