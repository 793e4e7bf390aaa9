"""What Batch's two platforms can give a container. Pure."""

from flow_sdk.errors import ConfigError, UsageError
from flow_sdk.plan.target_policies import BatchPolicy

__all__ = ["EC2", "FARGATE", "PLATFORMS", "check_fargate", "nearest_size"]

EC2, FARGATE = "EC2", "FARGATE"
PLATFORMS = (EC2, FARGATE)

FARGATE_SIZES: dict[float, tuple[int, ...]] = {
    0.25: (512, 1024, 2048),
    0.5: tuple(range(1024, 4096 + 1, 1024)),
    1: tuple(range(2048, 8192 + 1, 1024)),
    2: tuple(range(4096, 16384 + 1, 1024)),
    4: tuple(range(8192, 30720 + 1, 1024)),
    8: tuple(range(16384, 61440 + 1, 4096)),
    16: tuple(range(32768, 122880 + 1, 8192)),
}
"""Memory in MiB that Fargate has for each number of cores (AWS Batch API, ResourceRequirement)."""

_EC2_ONLY = ("max_swap", "swappiness", "inferentia", "efa", "host_volumes", "use_tmpfs", "tmpfs_size", "privileged")


def nearest_size(cpu: float, memory: int) -> tuple[float, int]:
    """Return the smallest size of Fargate with at least ``cpu`` cores and ``memory`` MiB; else its largest."""
    for cores, sizes in FARGATE_SIZES.items():
        for size in sizes:
            if cores >= cpu and size >= memory:
                return cores, size
    cores = max(FARGATE_SIZES)
    return cores, max(FARGATE_SIZES[cores])


def check_fargate(
    batch: BatchPolicy,
    *,
    cpu: float,
    memory: int,
    gpu: int,
    shared_memory: int | None,
    job_role: str | None,
    execution_role: str | None,
) -> None:
    """Refuse what Fargate can't give.

    Parameters
    ----------
    batch : BatchPolicy
        The step's ``@batch``.
    cpu : float
        Cores, > 0.
    memory, shared_memory : int
        MiB.
    gpu : int
        Accelerators, >= 0.
    job_role, execution_role : str or None
        ARNs.

    Raises
    ------
    ConfigError
        If a role is missing.
    UsageError
        If Fargate doesn't have a thing or this size.
    """
    if execution_role is None:
        raise ConfigError(
            "Fargate needs a role that gets the image and writes the log.",
            help='Set FLOW_SDK_BATCH_EXECUTION_ROLE to its ARN, or write @batch(execution_role="...").',
        )
    if job_role is None:
        raise ConfigError(
            "On Fargate the step has no right to read and write the store without a role of its own.",
            help='Set FLOW_SDK_BATCH_JOB_ROLE to its ARN, or write @batch(iam_role="...").',
        )
    asked = [name for name in _EC2_ONLY if getattr(batch, name)]
    asked += [name for name, value in (("gpu", gpu), ("shared_memory", shared_memory)) if value]
    if asked:
        raise UsageError(
            f"Fargate has no {' and no '.join(asked)}.",
            help="Leave it out, or use a queue with an EC2 compute environment.",
        )
    if memory not in FARGATE_SIZES.get(cpu, ()):
        cores, size = nearest_size(cpu, memory)
        raise UsageError(
            "Fargate has no machine of this size.",
            seen=f"cpu={cpu:g}, memory={memory}",
            wanted=f"the nearest is cpu={cores:g}, memory={size}",
            help=f"Write @batch(cpu={cores:g}, memory={size}).",
        )
