"""The decorators that only a target, a deployment or AWS Batch reads, as dataclasses; imported when a plan has one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flow_sdk.plan.policies import Policy

__all__ = ["AirflowDagPolicy", "BatchPolicy", "ProjectPolicy", "SchedulePolicy"]

JSON = Any


@dataclass(frozen=True, slots=True)
class BatchPolicy(Policy):
    """``@batch``: the step runs as a job of AWS Batch. None for what isn't asked for.

    Parameters
    ----------
    cpu : float or None
        Cores (> 0).
    gpu, inferentia, efa : int or None
        Devices (>= 0).
    memory, shared_memory, max_swap, tmpfs_size : int or None
        MiB.
    swappiness : int or None
        From 0 to 100.
    ephemeral_storage : int or None
        GiB, from 21 to 200; Fargate only.
    image, queue, iam_role, execution_role : str or None
        As AWS Batch takes them; the settings' when None.
    log_driver : str or None
        The container's log driver.
    log_options : list of str
        Its options as ``key:value``.
    host_volumes, efs_volumes : list of str
        Volumes as ``source``, ``source:/path`` or ``source:/path:ro``.
    use_tmpfs, tmpfs_tempdir, privileged : bool
        Whether there is a file system in memory, whether temporary files go there, whether the container is privileged.
    tmpfs_path : str
        Path of the file system in memory.
    aws_batch_tags : mapping of str to str
        Tags of the jobs.
    """

    cpu: float | None = None
    gpu: int | None = None
    memory: int | None = None
    shared_memory: int | None = None
    max_swap: int | None = None
    swappiness: int | None = None
    inferentia: int | None = None
    efa: int | None = None
    tmpfs_size: int | None = None
    ephemeral_storage: int | None = None
    image: str | None = None
    queue: str | None = None
    iam_role: str | None = None
    execution_role: str | None = None
    log_driver: str | None = None
    log_options: list[str] = field(default_factory=list)
    host_volumes: list[str] = field(default_factory=list)
    efs_volumes: list[str] = field(default_factory=list)
    use_tmpfs: bool = False
    tmpfs_tempdir: bool = True
    tmpfs_path: str = "/metaflow_temp"
    privileged: bool = False
    aws_batch_tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_tmpfs(self) -> bool:
        """Whether the container gets a file system in memory."""
        return bool(self.use_tmpfs or self.tmpfs_size)


@dataclass(frozen=True, slots=True)
class SchedulePolicy(Policy):
    """``@schedule``: when a deployed flow starts by itself.

    Parameters
    ----------
    cron : str
        The schedule, as :func:`flow_sdk.cron.parse.parse_schedule` reads it.
    timezone : str or None
        Its IANA time zone; UTC when None.
    """

    cron: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectPolicy(Policy):
    """``@project``: the namespace that the flow shares with others.

    Parameters
    ----------
    name : str
        The project.
    branch : str or None
        The branch that the decorator names.
    production : bool or None
        Whether the decorator asks for a production branch.
    branch_name : str or None
        The full name of the branch that was chosen for the plan's runs, such as ``user.ana``; None where none was.
    """

    name: str
    branch: str | None = None
    production: bool | None = None
    branch_name: str | None = None


@dataclass(frozen=True, slots=True)
class AirflowDagPolicy(Policy):
    """``@airflow_dag``: arguments of the DAG; None or empty for what isn't given.

    Parameters
    ----------
    owner : str or None
        Owner of the tasks.
    tags : list of str
        Tags of the DAG.
    start_date, end_date : str or None
        ISO 8601 times; UTC without an offset.
    max_active_runs : int or None
        Most runs at a time (>= 1).
    dagrun_timeout : float or None
        Seconds after which a run fails (> 0).
    on_failure_callback, on_success_callback : list of dict or None
        Callbacks, each with ``callback`` and ``kwargs``.
    default_args : dict
        Arguments of every task, as ``@airflow_task`` takes them.
    """

    owner: str | None = None
    tags: list[str] = field(default_factory=list)
    start_date: str | None = None
    end_date: str | None = None
    max_active_runs: int | None = None
    dagrun_timeout: float | None = None
    on_failure_callback: list[dict[str, JSON]] | None = None
    on_success_callback: list[dict[str, JSON]] | None = None
    default_args: dict[str, JSON] = field(default_factory=dict)
