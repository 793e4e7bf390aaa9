"""From a step to the Batch job definition in which its tasks run. Pure: no network, clock or environment.

A definition holds all that is the same for a step's tasks: image, command, resources, roles, volumes. What differs
travels through few environment variables of the job. Its name is made of the hash of its content: steps that are set up
alike share one, and an unchanged step keeps the one it has.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flow_sdk.errors import ConfigError, FlowSDKError, UsageError
from flow_sdk.plan.model import StepPlan
from flow_sdk.plan.policies import ResourcesPolicy
from flow_sdk.plan.target_policies import BatchPolicy
from flow_sdk.runtime.batch.platform import EC2, FARGATE, PLATFORMS, check_fargate

__all__ = [
    "COMMAND",
    "BatchSettings",
    "JobDefinition",
    "find_ignored_requests",
    "find_queues",
    "job_definition",
    "job_queue",
    "job_tags",
    "log_options",
]

JSON = Any
Number = TypeVar("Number", int, float)

COMMAND = ("python", "-m", "flow_sdk.runtime.batch.container")
"""What every container runs."""

LEAST_TIMEOUT = 60
"""Seconds below which Batch takes no time limit (AWS Batch, JobTimeout)."""
BACKSTOP = 300
"""Seconds after a step's @timeout at which Batch ends the job. The runner does so long before; this is for a machine
that doesn't react any more."""

ATTEMPTS = 5
"""How often Batch starts a job whose machine was taken away or didn't get going. A failed step isn't started again."""
_RETRY: dict[str, JSON] = {
    "attempts": ATTEMPTS,
    "evaluateOnExit": [  # Batch takes five of these at most
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onStatusReason": "Your Spot Task was interrupted*", "action": "RETRY"},
        {"onReason": "CannotPullContainer*", "action": "RETRY"},
        {"onReason": "CannotStartContainer*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ],
}

DEFAULT_CPU, DEFAULT_MEMORY = 1, 4096
FREE_STORAGE, MOST_STORAGE = 20, 200
"""GiB of disk that a task of Fargate has anyway, and may have (AWS Batch API, EphemeralStorage)."""


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What a step gets that doesn't say it itself.

    Parameters
    ----------
    queue : str or None
        Name or ARN of the job queue.
    image : str or None
        The container image; it holds Flow SDK.
    job_role : str or None
        ARN of the role that the step's code has.
    execution_role : str or None
        ARN of the role with which Fargate gets the image and writes the log.
    platform : {"EC2", "FARGATE"} or None
        Where the queues run jobs, as far as ``platforms`` doesn't say; EC2 when None.
    platforms : dict of str to str
        The same for single queues, by what steps call them.
    architecture : {"X86_64", "ARM64"} or None
        Processor of Fargate's machines; X86_64 when None.
    region : str or None
        Region of the store and of the services that the step uses.
    tags : dict of str to str
        Tags of every job.
    variables : dict of str to str
        Environment variables of every job, such as how S3 is to encrypt what it writes.
    """

    queue: str | None = None
    image: str | None = None
    job_role: str | None = None
    execution_role: str | None = None
    platform: str | None = None
    platforms: dict[str, str] = field(default_factory=dict)
    architecture: str | None = None
    region: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_config(cls) -> "BatchSettings":
        """Read them from the settings (``BATCH_JOB_QUEUE``, ...) and the region from where boto3 finds it.

        Raises
        ------
        ConfigError
            If a setting can't be used.
        """
        from flow_sdk.runtime.batch.settings import read_settings

        return cls(**read_settings())

    def platform_of(self, queue: str) -> str:
        """``"EC2"`` or ``"FARGATE"`` for a queue."""
        return self.platforms.get(queue) or self.platform or EC2


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """A job definition that may have to be registered.

    Parameters
    ----------
    name : str
        ``flow-sdk-`` and 12 hexadecimal digits of the hash of what is registered.
    arguments : dict
        The arguments of ``register_job_definition``, the name among them.
    """

    name: str
    arguments: dict[str, JSON]


def job_queue(step: StepPlan, settings: BatchSettings) -> str:
    """Return the queue that a step's jobs go to.

    Raises
    ------
    ConfigError
        If neither the step nor the settings name one.
    """
    queue = _batch_of(step).queue or settings.queue
    if queue is None:
        raise ConfigError(
            "It isn't known which job queue of AWS Batch to use.",
            where=_step_location(step),
            wanted="the name or ARN of a job queue",
            help='Set FLOW_SDK_BATCH_JOB_QUEUE, or write @batch(queue="...").',
        )
    return str(queue)


def find_queues(steps: tuple[StepPlan, ...], settings: BatchSettings) -> tuple[str, ...]:
    """Return the queues of several steps, each once, in order.

    Raises
    ------
    ConfigError
        As :func:`job_queue`.
    """
    return tuple(dict.fromkeys(job_queue(step, settings) for step in steps))


def job_tags(step: StepPlan, settings: BatchSettings) -> dict[str, str]:
    """Return the user's tags for a step's jobs; those of the step win."""
    return {**settings.tags, **_batch_of(step).aws_batch_tags}


def job_definition(step: StepPlan, settings: BatchSettings, store: str) -> JobDefinition:
    """Make the job definition of a step.

    Parameters
    ----------
    step : StepPlan
        The step, with or without ``@batch`` and ``@resources``; of both the larger number counts.
    settings : BatchSettings
        What it doesn't say itself.
    store : str
        ``s3://`` address of the store.

    Returns
    -------
    JobDefinition
        The same for the same container, whatever the step is called and whatever variables ``@environment`` sets.

    Raises
    ------
    ConfigError
        If an image, queue or role is missing.
    UsageError
        If the platform can't give what the step asks for; the nearest that it can is named.
    """
    batch, platform = _batch_of(step), settings.platform_of(job_queue(step, settings))
    if platform not in PLATFORMS:
        raise ConfigError("The platform of AWS Batch can't be used.", seen=platform, wanted=" or ".join(PLATFORMS))
    image = batch.image or settings.image
    if image is None:
        raise ConfigError(
            "It isn't known in which image the step runs.",
            where=_step_location(step),
            wanted="an image with Flow SDK in it, which AWS can pull",
            help='Set FLOW_SDK_BATCH_IMAGE, or write @batch(image="..."). The folder docker/ has one to build.',
        )
    needs = _requested_resources(step)
    try:
        container = _container_properties(batch, needs, settings, platform)
    except FlowSDKError as error:
        error.where = _step_location(step)
        raise
    container |= {
        "image": image,
        "command": list(COMMAND),
        "environment": _container_variables(batch, settings, store),
    }
    arguments: dict[str, JSON] = {
        "type": "container",
        "platformCapabilities": [platform],
        "containerProperties": container,
        "retryStrategy": _RETRY,
        "propagateTags": True,
    }
    if step.timeout.seconds is not None:
        seconds = math.ceil(step.timeout.seconds) + BACKSTOP
        arguments["timeout"] = {"attemptDurationSeconds": max(LEAST_TIMEOUT, seconds)}
    tags = job_tags(step, settings)
    if tags:
        arguments["tags"] = tags
    text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    name = f"flow-sdk-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return JobDefinition(name, {"jobDefinitionName": name, **json.loads(text)})


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a step asks for: cores, and the others in whole MiB or pieces."""

    cpu: float
    memory: int
    gpu: int
    shared_memory: int | None
    disk: int | None


def _requested_resources(step: StepPlan) -> _Needs:
    """Return what a step asks for: of ``@batch`` and ``@resources`` the larger number."""
    batch, resources = _batch_of(step), step.resources or ResourcesPolicy()
    return _Needs(
        cpu=_larger_number(batch.cpu, resources.cpu) or DEFAULT_CPU,
        memory=_larger_number(batch.memory, resources.memory) or DEFAULT_MEMORY,
        gpu=_larger_number(batch.gpu, resources.gpu) or 0,
        shared_memory=_larger_number(batch.shared_memory, resources.shared_memory),
        disk=resources.disk,
    )


def _larger_number(one: Number | None, other: Number | None) -> Number | None:
    """Return the larger of two numbers, of which either may not be given."""
    return other if one is None else one if other is None else max(one, other)


def _container_properties(batch: BatchPolicy, needs: _Needs, settings: BatchSettings, platform: str) -> dict[str, JSON]:
    """The container's properties, but for what it runs."""
    container: dict[str, JSON] = {}
    cpu: float = needs.cpu
    if platform == FARGATE:
        execution_role = batch.execution_role or settings.execution_role
        role = batch.iam_role or settings.job_role
        asked = {key: value for key, value in dataclasses.asdict(needs).items() if key != "disk"}
        check_fargate(batch, **asked, job_role=role, execution_role=execution_role)
        # A subnet without a NAT gateway reaches the registry and S3 through a public address only.
        container["networkConfiguration"] = {"assignPublicIp": "ENABLED"}
        container["runtimePlatform"] = {
            "operatingSystemFamily": "LINUX",
            "cpuArchitecture": settings.architecture or "X86_64",
        }
        gibibytes = max(batch.ephemeral_storage or 0, math.ceil((needs.disk or 0) / 1024))
        if gibibytes > MOST_STORAGE:
            raise UsageError(
                "Fargate has no disk of this size.",
                seen=f"disk={needs.disk} MB, which is {gibibytes} GiB",
                wanted=f"at most {MOST_STORAGE} GiB",
                help="Use a queue with an EC2 compute environment, whose machines have larger disks.",
            )
        if gibibytes > FREE_STORAGE:
            container["ephemeralStorage"] = {"sizeInGiB": gibibytes}
    else:
        if batch.ephemeral_storage is not None:
            raise UsageError(
                "@batch(ephemeral_storage=...) is for Fargate only.",
                seen=f"a queue that runs jobs on {platform}",
                help="Leave it out, or use a queue with a Fargate compute environment.",
            )
        cpu = math.ceil(needs.cpu)  # EC2 takes whole ones only
        container["linuxParameters"] = _linux_parameters(batch, needs)
        if batch.privileged:
            container["privileged"] = True
    for key, role in (
        ("jobRoleArn", batch.iam_role or settings.job_role),
        ("executionRoleArn", batch.execution_role or settings.execution_role),
    ):
        if role is not None:
            container[key] = role
    required = {"VCPU": f"{cpu:g}", "MEMORY": str(needs.memory), "GPU": str(needs.gpu) if needs.gpu else None}
    container["resourceRequirements"] = [{"type": kind, "value": value} for kind, value in required.items() if value]
    return {**container, **_volume_properties(batch), **_log_properties(batch)}


def _linux_parameters(batch: BatchPolicy, needs: _Needs) -> dict[str, JSON]:
    # With an init process, signals reach the step's processes and what they leave behind is cleared away.
    found: dict[str, JSON] = {"initProcessEnabled": True}
    values = {
        "sharedMemorySize": needs.shared_memory,
        "maxSwap": batch.max_swap,
        "swappiness": batch.swappiness,
    }
    found |= {key: value for key, value in values.items() if value is not None}
    if batch.has_tmpfs:
        size = batch.tmpfs_size or needs.memory // 2  # as tmpfs itself takes half
        found["tmpfs"] = [{"containerPath": batch.tmpfs_path, "size": size, "mountOptions": ["defaults"]}]
    devices: list[dict[str, JSON]] = []
    for index in range(batch.inferentia or 0):
        path = f"/dev/neuron{index}"
        devices.append({"containerPath": path, "hostPath": path, "permissions": ["READ", "WRITE"]})
    devices += [{"hostPath": f"/dev/infiniband/uverbs{index}"} for index in range(batch.efa or 0)]
    return {**found, "devices": devices} if devices else found


def _container_variables(batch: BatchPolicy, settings: BatchSettings, store: str) -> list[dict[str, str]]:
    variables = {**settings.variables, "FLOW_SDK_STORE": store}
    if settings.region is not None:
        variables["AWS_DEFAULT_REGION"] = settings.region
    if batch.has_tmpfs and batch.tmpfs_tempdir:
        variables["TMPDIR"] = batch.tmpfs_path
    return [{"name": name, "value": value} for name, value in sorted(variables.items())]


def _volume_properties(batch: BatchPolicy) -> dict[str, JSON]:
    volumes: list[dict[str, JSON]] = []
    mounts: list[dict[str, JSON]] = []
    for kind, texts in (("host", batch.host_volumes), ("efs", batch.efs_volumes)):
        for index, text in enumerate(texts):
            source, path, access = (*text.split(":"), "", "")[:3]
            name = f"{kind}{index}"
            if kind == "host":
                volumes.append({"name": name, "host": {"sourcePath": source}})
            else:
                efs = {"fileSystemId": source, "transitEncryption": "ENABLED"}
                volumes.append({"name": name, "efsVolumeConfiguration": efs})
            target = path or (source if kind == "host" else f"/mnt/{source}")
            read_only = {"readOnly": True} if access == "ro" else {}
            mounts.append({"sourceVolume": name, "containerPath": target, **read_only})
    return {"volumes": volumes, "mountPoints": mounts} if volumes else {}


def find_ignored_requests(steps: Iterable[StepPlan], settings: BatchSettings) -> list[str]:
    """Return a line for each request of a step that its platform ignores."""
    return [
        f"Step {step.name!r}: @resources(disk=...) changes nothing on EC2, where a task has the disk of its machine."
        for step in steps
        if _requested_resources(step).disk is not None and settings.platform_of(job_queue(step, settings)) == EC2
    ]


def log_options(step: StepPlan) -> dict[str, str]:
    """Return the options of a step's log as far as they are those of CloudWatch (``awslogs``)."""
    found = _log_properties(_batch_of(step)).get("logConfiguration", {})
    options: dict[str, str] = found.get("options", {}) if found.get("logDriver") == "awslogs" else {}
    return options


def _log_properties(batch: BatchPolicy) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    if batch.log_driver is not None:
        found["logDriver"] = batch.log_driver
    if batch.log_options:
        found.setdefault("logDriver", "awslogs")
        found["options"] = dict(text.split(":", 1) for text in batch.log_options)
    return {"logConfiguration": found} if found else {}


def _batch_of(step: StepPlan) -> BatchPolicy:
    """``@batch`` of a step; on Step Functions every step runs on Batch, with or without it."""
    return step.batch or BatchPolicy()


def _step_location(step: StepPlan) -> str:
    return f"step {step.name}"
