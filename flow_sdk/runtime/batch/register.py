"""Job definitions in AWS: registered where they aren't there yet; and what AWS knows of the queues."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from flow_sdk.aws import aws_errors
from flow_sdk.errors import ConfigError
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.batch.definition import BatchSettings, JobDefinition, queues
from flow_sdk.runtime.batch.platform import EC2, FARGATE

__all__ = ["ensure_registered", "find_platforms", "missing"]


def missing(client: Any, definitions: Iterable[JobDefinition]) -> list[JobDefinition]:
    """Return those definitions of which AWS has no active one, each once.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    definitions : iterable of JobDefinition
        What is needed.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    wanted = {definition.name: definition for definition in definitions}
    pages = client.get_paginator("describe_job_definitions")
    lacking = []
    for name, definition in wanted.items():
        with aws_errors("look for the job definition", where=name):
            found = any(page["jobDefinitions"] for page in pages.paginate(jobDefinitionName=name, status="ACTIVE"))
        if not found:
            lacking.append(definition)
    return lacking


def ensure_registered(client: Any, definitions: Iterable[JobDefinition]) -> list[str]:
    """Register the definitions that AWS doesn't have yet.

    Two that do this at once may both register one: then it has two equal revisions, which harms nobody.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    definitions : iterable of JobDefinition
        What is needed.

    Returns
    -------
    list of str
        The names of those that were registered now.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    """
    lacking = missing(client, definitions)
    for definition in lacking:
        with aws_errors("register the job definition", where=definition.name):
            client.register_job_definition(**definition.arguments)
    return [definition.name for definition in lacking]


def find_platforms(client: Any, steps: Iterable[StepPlan], settings: BatchSettings) -> BatchSettings:
    """Look up whether the queues of the steps run jobs on EC2 or Fargate, unless the settings say so.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    steps : iterable of StepPlan
        The steps that run on Batch.
    settings : BatchSettings
        The settings; with ``platform`` set nothing is asked.

    Returns
    -------
    BatchSettings
        The settings with ``platforms``.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    ConfigError
        If a queue doesn't exist, or can't take jobs.
    """
    names = queues(tuple(steps), settings)
    if settings.platform is not None or not names:
        return settings
    found = {name: _platform(client, name) for name in names}
    return dataclasses.replace(settings, platforms={**settings.platforms, **found})


def _platform(client: Any, queue: str) -> str:
    with aws_errors("look at the job queue", where=queue):
        answer = client.describe_job_queues(jobQueues=[queue])["jobQueues"]
    if not answer:
        with aws_errors("list the job queues"):
            pages = client.get_paginator("describe_job_queues").paginate()
            known = [found["jobQueueName"] for page in pages for found in page["jobQueues"]]
        from flow_sdk.errors import nearest

        raise ConfigError(
            f"AWS Batch has no job queue {queue!r}.",
            where=f"region {client.meta.region_name}",
            help=nearest(queue, known) or "There's no queue in this account and region.",
        )
    environments = [entry["computeEnvironment"] for entry in answer[0]["computeEnvironmentOrder"]]
    if answer[0]["state"] != "ENABLED" or not environments:
        raise ConfigError(f"The job queue {queue!r} takes no jobs.", seen=answer[0]["state"], help="Enable it in AWS.")
    with aws_errors("look at the compute environment", where=environments[0]):
        found = client.describe_compute_environments(computeEnvironments=environments[:1])["computeEnvironments"]
    kind = found[0].get("computeResources", {}).get("type", "") if found else ""
    return FARGATE if kind.startswith(FARGATE) else EC2
