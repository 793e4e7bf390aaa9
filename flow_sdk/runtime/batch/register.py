"""Job definitions in AWS: registered where they aren't there yet; and what AWS knows of the queues."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from flow_sdk.aws.errors import aws_errors
from flow_sdk.errors import AwsError, ConfigError
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.batch.definition import BatchSettings, JobDefinition, find_queues, log_options
from flow_sdk.runtime.batch.platform import EC2, FARGATE
from flow_sdk.text import suggest_name

__all__ = ["check_log_groups", "ensure_registered", "find_missing_definitions", "find_platforms"]


def find_missing_definitions(client: Any, definitions: Iterable[JobDefinition]) -> list[JobDefinition]:
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

    Two that do this at once may both register one: then it has two equal revisions, which does no harm.

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
    lacking = find_missing_definitions(client, definitions)
    for definition in lacking:
        with aws_errors("register the job definition", where=definition.name):
            client.register_job_definition(**definition.arguments)
    return [definition.name for definition in lacking]


def find_platforms(client: Any, steps: Iterable[StepPlan], settings: BatchSettings) -> BatchSettings:
    """Check that the queues of the steps take jobs, and find out whether they run them on EC2 or Fargate.

    Parameters
    ----------
    client : botocore client
        For ``batch``.
    steps : iterable of StepPlan
        The steps that run on Batch.
    settings : BatchSettings
        The settings; with a ``platform``, queues are assumed to exist if the user isn't allowed to describe them.

    Returns
    -------
    BatchSettings
        The settings, with ``platforms`` where they don't say the platform.

    Raises
    ------
    AwsError
        If AWS refuses or doesn't answer.
    ConfigError
        If a queue doesn't exist, or can't take jobs.
    """
    found = {name: _first_environment(client, name, settings.platform) for name in find_queues(tuple(steps), settings)}
    if settings.platform is not None or not found:
        return settings
    kinds = {name: _environment_platform(client, environment) for name, environment in found.items()}
    return dataclasses.replace(settings, platforms={**settings.platforms, **kinds})


def _first_environment(client: Any, queue: str, platform: str | None) -> str:
    """Return the first compute environment of a queue, which takes jobs."""
    try:
        with aws_errors("look at the job queue", where=queue):
            answer = client.describe_job_queues(jobQueues=[queue])["jobQueues"]
    except AwsError as error:
        if platform is None or not error.code.startswith("AccessDenied"):
            raise
        return ""
    if not answer:
        raise _missing_queue_error(client, queue)
    state, status = answer[0]["state"], answer[0].get("status", "VALID")
    environments = [entry["computeEnvironment"] for entry in answer[0]["computeEnvironmentOrder"]]
    if state != "ENABLED" or status in ("INVALID", "DELETING", "DELETED") or not environments:
        raise ConfigError(
            f"The job queue {queue!r} takes no jobs.",
            seen=f"{state}, {status}" if environments else "no compute environment",
            where=_describe_region(client),
            help=answer[0].get("statusReason") or "Enable it in the console of AWS Batch, or name another one.",
        )
    return str(environments[0])


def _missing_queue_error(client: Any, queue: str) -> ConfigError:
    with aws_errors("list the job queues"):
        pages = client.get_paginator("describe_job_queues").paginate()
        known = [found["jobQueueName"] for page in pages for found in page["jobQueues"]]
    meant = suggest_name(queue, known) or "There's no queue in this account and region; a template in infra/ makes one."
    return ConfigError(
        f"AWS Batch has no job queue {queue!r}.",
        where=_describe_region(client),
        help=f"{meant} Correct FLOW_SDK_BATCH_JOB_QUEUE or @batch(queue=...), or AWS_DEFAULT_REGION.",
    )


def _describe_region(client: Any) -> str:
    return f"region {client.meta.region_name}"


def _environment_platform(client: Any, environment: str) -> str:
    with aws_errors("look at the compute environment", where=environment):
        found = client.describe_compute_environments(computeEnvironments=[environment])["computeEnvironments"]
    kind = found[0].get("computeResources", {}).get("type", "") if found else ""
    return FARGATE if kind.startswith(FARGATE) else EC2


def check_log_groups(logs: Callable[[], Any], steps: Iterable[StepPlan]) -> None:
    """Check that the log groups that steps name exist, as far as the user may list them: no container starts without.

    Parameters
    ----------
    logs : callable
        Makes a botocore client for ``logs``; called if a step names a group.
    steps : iterable of StepPlan
        The steps that run on Batch.

    Raises
    ------
    AwsError
        If AWS doesn't answer.
    ConfigError
        If one doesn't exist.
    """
    for step in steps:
        options = log_options(step)
        group = options.get("awslogs-group")
        if group is None or options.get("awslogs-create-group") == "true":
            continue
        client = logs()
        if options.get("awslogs-region", client.meta.region_name) != client.meta.region_name:
            continue
        try:
            with aws_errors("look at the log group", where=group):
                found = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        except AwsError as error:
            if not error.code.startswith("AccessDenied"):  # a deployer needn't be allowed to list them
                raise
            continue
        known = [each["logGroupName"] for each in found]
        if group not in known:
            raise ConfigError(
                f"CloudWatch has no log group {group!r}.",
                where=f"step {step.name}, {_describe_region(client)}",
                help=" ".join(
                    filter(
                        None, (suggest_name(group, known), "Make it, or add awslogs-create-group:true to log_options.")
                    )
                ),
            )
