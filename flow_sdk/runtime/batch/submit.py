"""Starting a task as a job of Batch. All but reading and saving requests and :func:`submit_job` is pure."""

import dataclasses
import hashlib
import re
from contextlib import AbstractContextManager
from typing import Any

from flow_sdk.aws.errors import aws_errors
from flow_sdk.errors import ObjectMissing
from flow_sdk.runtime.request import WITHOUT_LOCAL_FILE, TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.blobs.blob import digest_of
from flow_sdk.store.blobs.frame_format import damage_error
from flow_sdk.store.records.layout import request_key

__all__ = ["JobTarget", "job_arguments", "job_name", "read_request", "save_request", "submission_errors", "submit_job"]

LONGEST_NAME = 128
LONGEST_TAG = 256
_DIGITS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class JobTarget:
    """Where a step's jobs go.

    Parameters
    ----------
    queue : str
        Name or ARN of the job queue.
    definition : str
        Name of the job definition.
    tags : dict of str to str
        The user's tags for each job.
    """

    queue: str
    definition: str
    tags: dict[str, str]


def job_name(request: TaskRequest) -> str:
    """Name a task's job for people: flow, run, step and task, 1 to 128 characters ``[A-Za-z0-9_-]``.

    What doesn't fit is cut in the middle, and a hash keeps names apart. Nothing depends on it: jobs are found by tags.
    """
    parts = (request.flow, request.run, request.step, request.task)
    name = "-".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in parts).lstrip("_-")
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(request.pathspec.encode()).hexdigest()[:_DIGITS]
    half = (LONGEST_NAME - _DIGITS - 2) // 2
    return f"{name[:half]}-{digest}-{name[-half:]}"


def save_request(artifacts: Artifacts, request: TaskRequest) -> str:
    """Store a task's request and return its hash. One object serves all tasks that differ in their name only.

    It lies in the run's folder and goes with the run: a job may wait in its queue for longer than any grace period.
    """
    text = dataclasses.replace(request, step="", task="", **WITHOUT_LOCAL_FILE).to_json()
    digest = digest_of((text,)).hex()
    artifacts.store.put(request_key(request.flow, request.run, digest), text)
    return digest


def read_request(artifacts: Artifacts, pathspec: str, digest: str) -> TaskRequest:
    """Read a task's request: of its run, or, before a run has begun, of the deployment, as a blob.

    Parameters
    ----------
    artifacts : Artifacts
        Of the run's store.
    pathspec : str
        ``Flow/run/step/task``.
    digest : str
        The request's hash.

    Raises
    ------
    ObjectMissing
        If it isn't there.
    IntegrityError
        If a byte of it doesn't verify.
    """
    flow, run = pathspec.split("/")[:2]
    key = request_key(flow, run, digest)
    try:
        text = artifacts.store.get(key)
    except ObjectMissing:
        return TaskRequest.from_json(artifacts.get_bytes(digest, where=f"the request of {pathspec}"))
    if digest_of((text,)).hex() != digest:
        raise damage_error("its bytes don't have the hash it is stored under", f"{artifacts.store.url}/{key}")
    return TaskRequest.from_json(text)


def job_arguments(request: TaskRequest, digest: str, target: JobTarget) -> dict[str, Any]:
    """Return the arguments of ``submit_job``.

    Their overrides hold the task's name and a hash: far below the service's 8,192 bytes, whatever the parameters are.

    Parameters
    ----------
    request : TaskRequest
        The attempt.
    digest : str
        What :func:`save_request` returned.
    target : JobTarget
        Where to.
    """
    variables = {"FLOW_SDK_TASK": request.pathspec, "FLOW_SDK_REQUEST": digest}
    own = {"flow": request.flow, "run": request.run, "step": request.step, "task": request.task, "user": request.user}
    if request.generation:
        own["generation"] = str(request.generation)
    return {
        "jobName": job_name(request),
        "jobQueue": target.queue,
        "jobDefinition": target.definition,
        "containerOverrides": {"environment": [{"name": key, "value": value} for key, value in variables.items()]},
        "tags": {**target.tags, **{f"flow_sdk.{key}": tag_value(value) for key, value in own.items() if value}},
        "propagateTags": True,
    }


def tag_value(text: str) -> str:
    """A text as the value of a tag: what AWS doesn't take there becomes ``_``."""
    return "".join(c if c.isalnum() or c in " _.:/=+-@" else "_" for c in text)[:LONGEST_TAG]


def submission_errors(request: TaskRequest, target: JobTarget) -> AbstractContextManager[None]:
    """Within it, an error of botocore's becomes an ``AwsError`` that says which task can't be submitted, and why."""
    return aws_errors("submit the job", where=f"{request.pathspec}, queue {target.queue}")


def submit_job(client: Any, artifacts: Artifacts, request: TaskRequest, target: JobTarget) -> str:
    """Submit a task's attempt.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    artifacts : Artifacts
        Of the run's store.
    request : TaskRequest
        The attempt.
    target : JobTarget
        Where to.

    Returns
    -------
    str
        The job's id.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    arguments = job_arguments(request, save_request(artifacts, request), target)
    with submission_errors(request, target):
        return str(client.submit_job(**arguments)["jobId"])


# The name that the Airflow provider of release 0.1.0 imports.
submission = job_arguments
