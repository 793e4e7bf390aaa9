"""A deployment: the data in a deployed DAG file. Pure."""

from dataclasses import dataclass
from typing import Any

from flow_sdk.errors import PlanError, PlanVersionError
from flow_sdk.plan.codec import from_data
from flow_sdk.plan.model import FlowPlan

__all__ = ["FORMAT", "DagFileDeployment", "read_deployment"]

FORMAT = 1
"""The newest form of deployment data that this release reads; it reads all older ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DagFileDeployment:
    """The data of a DAG file.

    Parameters
    ----------
    dag : str
        The DAG's id.
    digest : str
        Names the whole deployment.
    plan : FlowPlan
        The flow.
    store : str
        URL of the object store that keeps the artifacts.
    plan_hash, package_hash : str, str or None
        Where the store has the plan and the code package that new runs start with.
    namespace : str or None
        The namespace of the runs.
    tags : tuple of str
        Tags that every run gets.
    cron, timezone : str or None
        The schedule; none when ``cron`` is None.
    max_workers : int or None
        Most tasks of one run at a time (>= 1).
    workflow_timeout : float or None
        Seconds after which a run fails (> 0).
    worker_pool : str or None
        The Airflow pool of all tasks.
    paused : bool or None
        Whether the DAG starts paused; None for Airflow's own setting.
    owner : str or None
        Who the tasks belong to in Airflow: the owner of the production token.
    aws_conn_id : str or None
        The Airflow connection with the credentials of an S3 store and of AWS Batch. None for the worker's own
        environment.
    batch : dict or None
        ``region``, and for each step with ``@batch`` under ``steps``: ``queue``, ``definition`` and ``tags``.
    encryption : dict or None
        How S3 encrypts what tasks write: ``algorithm`` and, for one with keys, ``key``. None for the bucket's own way.
    """

    dag: str
    digest: str
    plan: FlowPlan
    store: str
    plan_hash: str
    package_hash: str | None = None
    namespace: str | None = None
    tags: tuple[str, ...] = ()
    cron: str | None = None
    timezone: str | None = None
    max_workers: int | None = None
    workflow_timeout: float | None = None
    worker_pool: str | None = None
    paused: bool | None = None
    owner: str | None = None
    aws_conn_id: str | None = None
    batch: dict[str, Any] | None = None
    encryption: dict[str, str] | None = None


def read_deployment(data: dict[str, Any]) -> DagFileDeployment:
    """Read the data of a DAG file.

    Raises
    ------
    PlanVersionError
        If the file was written by a newer release than this one; says which to install.
    PlanError
        If the data isn't a deployment.
    """
    version = data.get("format") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise PlanError("This DAG file holds no Flow SDK deployment.", seen=repr(data)[:80])
    if version > FORMAT:
        release = data.get("release", "a newer release")
        raise PlanVersionError(
            f"The DAG file has format {version}; the airflow-provider-flow-sdk here reads formats up to {FORMAT}.",
            help=f"Install the release it was written with, or a newer one: "
            f"pip install 'airflow-provider-flow-sdk>={release}'",
        )
    known = {name: data[name] for name in DagFileDeployment.__slots__ if name in data and name != "plan"}
    known["tags"] = tuple(known.get("tags", ()))
    try:
        return DagFileDeployment(plan=from_data(data["plan"]), **known)
    except (KeyError, TypeError) as error:
        raise PlanError("The DAG file's deployment is damaged.", seen=f"{type(error).__name__}: {error}") from error
