"""``airflow create``: check everything, then upload plan and code, then write the DAG file."""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from flow_sdk.deploy.airflow.dagfile import dag_file
from flow_sdk.deploy.airflow.limits import check_deployment
from flow_sdk.deploy.airflow.origin import check_origin
from flow_sdk.deploy.airflow.target import open_target
from flow_sdk.deploy.releases import note_release
from flow_sdk.deploy.tokens import TokenGate, existing_store
from flow_sdk.plan.codec import ordered_json, sorted_data, to_data, to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.project import deployed_name

if TYPE_CHECKING:
    from flow_sdk.aws.settings import Encryption
    from flow_sdk.runtime.batch.prepare import BatchPlan

__all__ = ["CreateOptions", "Deployed", "create_deployment", "deployment_data"]

AWS_CONNECTION = "aws_default"
"""The Airflow connection asked for an S3 store's credentials; where there is none, the worker's own are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """What the user says about a deployment.

    Parameters
    ----------
    name : str or None
        The DAG's id; the flow's deployed name when None. At most 250 characters ``[A-Za-z0-9_.-]``.
    namespace : str or None
        The namespace of the runs; that of the token when None, without tokens ``production:<DAG id>``. With "" their
        steps look for results everywhere.
    tags : tuple of str
        Tags for every run, and for the DAG in Airflow's list. At most 100 characters each.
    max_workers : int or None
        Most tasks of a run at a time (>= 1).
    workflow_timeout : float or None
        Seconds after which a run fails (> 0).
    worker_pool : str or None
        The Airflow pool of all tasks.
    paused : bool or None
        Whether Airflow starts with the DAG paused; None for Airflow's own setting.
    aws_conn_id : str or None
        The Airflow connection with the S3 store's credentials; None for the worker's environment alone.
    """

    name: str | None = None
    namespace: str | None = None
    tags: tuple[str, ...] = ()
    max_workers: int | None = None
    workflow_timeout: float | None = None
    worker_pool: str | None = None
    paused: bool | None = None
    aws_conn_id: str | None = AWS_CONNECTION


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was deployed.

    Parameters
    ----------
    dag : str
        The DAG's id.
    file : str
        Where the DAG file is: a path or ``s3://`` address.
    namespace : str
        The namespace of its runs.
    digest : str
        Names what was deployed; stands in the DAG's documentation in Airflow.
    changed : bool
        Whether the file differs from what was there.
    """

    dag: str
    file: str
    namespace: str
    digest: str
    changed: bool


def deployment_data(
    plan: FlowPlan,
    store: str,
    plan_hash: str,
    package_hash: str | None,
    options: CreateOptions,
    batch: dict[str, Any] | None = None,
    encryption: "Encryption | None" = None,
    owner: str | None = None,
) -> dict[str, Any]:
    """Put together what the DAG file says beside the plan. Pure.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    store : str
        URL of the store.
    plan_hash, package_hash : str
        Where plan and code package are in it.
    options : CreateOptions
        What the user says.
    batch : dict, optional
        Where the steps with ``@batch`` run.
    encryption : Encryption, optional
        How S3 encrypts what tasks write.
    owner : str, optional
        Who the tasks belong to in Airflow.
    """
    from flow_sdk.cron.parse import parse, to_airflow
    from flow_sdk.release import __version__

    name = options.name or deployed_name(plan)
    cron = timezone = None
    schedule = plan.schedule
    if schedule is not None:
        cron, timezone = to_airflow(parse(schedule.cron, schedule.timezone))
    data: dict[str, Any] = {
        "release": __version__,
        "dag": name,
        "namespace": f"production:{name}" if options.namespace is None else options.namespace,
        "store": store,
        "plan_hash": plan_hash,
        "package_hash": package_hash,
        "aws_conn_id": options.aws_conn_id if store.startswith("s3://") else None,
        "tags": list(options.tags),
        "cron": cron,
        "timezone": timezone,
        "max_workers": options.max_workers,
        "workflow_timeout": options.workflow_timeout,
        "worker_pool": options.worker_pool,
        "paused": options.paused,
    }
    if owner is not None:
        data["owner"] = owner
    if batch is not None:
        data["batch"] = batch
    if encryption is not None:
        data["encryption"] = {"algorithm": encryption.algorithm, **({"key": encryption.key} if encryption.key else {})}
    ordered = dict(sorted({**sorted_data(data), "plan": to_data(plan)}.items()))
    digest = hashlib.sha256(ordered_json(ordered)).hexdigest()[:16]
    return {"digest": digest, **data}


def _batch_data(jobs: "BatchPlan") -> dict[str, Any] | None:
    """Where steps run on Batch, as the DAG file says it: workers need no settings for it."""
    if not jobs.targets:
        return None
    return {"region": jobs.region, "steps": {name: asdict(target) for name, target in jobs.targets.items()}}


def create_deployment(
    plan: FlowPlan,
    package: bytes | None,
    store: str,
    target: str,
    options: CreateOptions,
    gate: TokenGate | None = None,
) -> Deployed:
    """Deploy a flow to Airflow.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    package : bytes or None
        The code package. None when the workers find the flow file at the path that the plan names.
    store : str
        URL of the store that keeps the artifacts; the workers must reach it under the same.
    target : str
        A file ending in ``.py``, an existing folder (the file is ``<DAG id>.py`` in it), or ``s3://bucket/...`` in
        the same two forms.
    options : CreateOptions
        What the user says.
    gate : TokenGate, optional
        Asks for the production token and gives the runs' namespace; without it nobody is refused.

    Returns
    -------
    Deployed
        What was deployed.

    Raises
    ------
    DeployError
        If Airflow couldn't run it, the token isn't right, the file there is that of another deployment, or it can't be
        written. Nothing is written then.
    UsageError
        If a step with ``@batch`` can't run on AWS Batch, or a setting for it is missing. Nothing is written then.
    AwsError
        If AWS refuses or doesn't answer.
    StoreError
        If the store can't be used.
    """
    from flow_sdk.aws.settings import encryption
    from flow_sdk.runtime.batch.prepare import plan_targets
    from flow_sdk.store.artifacts import Artifacts
    from flow_sdk.store.open_store import open_store

    check_deployment(plan, deployment_data(plan, store, "", None, options))
    jobs = plan_targets(plan, store)
    name = options.name or deployed_name(plan)
    place = open_target(target, name)
    before = existing_store(store)
    grant = None if gate is None else gate.check(before)
    check_origin(place, name, store, before, gate, None if grant is None else grant.token)
    artifacts = Artifacts(open_store(store))
    if gate is not None:
        chosen, tags = gate.claim(artifacts.store).runs_in(options.namespace, options.tags)
        options = replace(options, namespace=chosen, tags=tags)
    plan_hash = artifacts.put_bytes(to_json(plan))
    package_hash = None if package is None else artifacts.put_bytes(package)
    jobs.register()
    url = artifacts.store.url
    asked = encryption() if url.startswith("s3://") else None
    owner = None if gate is None or gate.grant is None else gate.grant.claim.who
    data = deployment_data(plan, url, plan_hash, package_hash, options, _batch_data(jobs), asked, owner)
    note_release(artifacts.store, "airflow", data["dag"], {"plan": plan_hash, "package": package_hash})
    if gate is not None:
        gate.confirm(artifacts.store)
    changed = place.write(dag_file(plan, data))
    if gate is not None:
        gate.confirm(artifacts.store, deployed=True)
    namespace = data["namespace"] or (gate.grant.namespace if gate is not None and gate.grant is not None else "")
    return Deployed(data["dag"], place.name, namespace, data["digest"], changed)
