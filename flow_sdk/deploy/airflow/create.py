"""``airflow create``: the DAG file and what it refers to."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flow_sdk.deploy.airflow.dag_file import dag_file
from flow_sdk.deploy.airflow.dag_location import DagLocation, open_location
from flow_sdk.deploy.airflow.limits import check_deployment
from flow_sdk.deploy.airflow.origin import check_origin
from flow_sdk.deploy.port import CreatedDeployment, DeploymentDraft, DeploymentOptions, DeploymentSource
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.plan.codec import ordered_json, sorted_data, to_data, to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.plan.project import deployed_name
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.port import ObjectStore

if TYPE_CHECKING:
    from flow_sdk.aws.settings import Encryption
    from flow_sdk.runtime.batch.prepare import BatchPlan

__all__ = ["AirflowDeployment", "AirflowDraft", "AirflowOptions", "deployment_data"]

AWS_CONNECTION = "aws_default"
"""The Airflow connection asked for an S3 store's credentials; where there is none, the worker's own are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowOptions(DeploymentOptions):
    """What the user chose for a deployment to Airflow.

    The name is the DAG's id: at most 250 characters ``[A-Za-z0-9_.-]``. Without a token the namespace is
    ``production:<DAG id>``. The tags are also those of the DAG in Airflow's list: at most 100 characters each.

    Parameters
    ----------
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

    max_workers: int | None = None
    workflow_timeout: float | None = None
    worker_pool: str | None = None
    paused: bool | None = None
    aws_conn_id: str | None = AWS_CONNECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowDeployment(CreatedDeployment):
    """A deployment to Airflow. Its name is the DAG's id, its result the DAG file.

    Parameters
    ----------
    digest : str
        Names what was deployed; the DAG's documentation in Airflow holds it.
    """

    digest: str


def deployment_data(
    plan: FlowPlan,
    store: str,
    plan_hash: str,
    package_hash: str | None,
    options: AirflowOptions,
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
    options : AirflowOptions
        What the user says.
    batch : dict, optional
        Where the steps with ``@batch`` run.
    encryption : Encryption, optional
        How S3 encrypts what tasks write.
    owner : str, optional
        Who the tasks belong to in Airflow.
    """
    from flow_sdk.cron.parse import parse_schedule, to_airflow
    from flow_sdk.release import __version__

    name = options.name or deployed_name(plan)
    cron = timezone = None
    schedule = plan.schedule
    if schedule is not None:
        cron, timezone = to_airflow(parse_schedule(schedule.cron, schedule.timezone))
    data: dict[str, Any] = {
        "release": __version__,
        "dag": name,
        "namespace": f"production:{name}" if options.namespace is None else options.namespace,
        "store": store,
        "plan_hash": plan_hash,
        "package_hash": package_hash,
        "aws_conn_id": options.aws_conn_id if StoreAddress.parse(store).kind.name == "s3" else None,
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


class AirflowDraft(DeploymentDraft):
    """A DAG file that isn't written yet.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    destination : str
        A file ending in ``.py``, an existing folder (the file is ``<DAG id>.py`` in it), or ``s3://bucket/...`` in
        the same two forms.
    options : AirflowOptions
        What the user chose.
    """

    target = "airflow"
    options: AirflowOptions

    def __init__(self, plan: FlowPlan, destination: str, options: AirflowOptions) -> None:
        self.destination, self.options = destination, options
        self.name = options.name or deployed_name(plan)
        self._jobs: BatchPlan | None = None
        self._location: DagLocation | None = None
        self._made: dict[str, Any] = {}
        self._is_changed = False

    @property
    def location(self) -> DagLocation:
        """The DAG file."""
        if self._location is None:
            self._location = open_location(self.destination, self.name)
        return self._location

    def check_source(self, source: DeploymentSource) -> None:
        """Check names, numbers and schedule, the steps with ``@batch``, and the location of the file."""
        from flow_sdk.runtime.batch.prepare import plan_targets

        check_deployment(source.plan, deployment_data(source.plan, source.store, "", None, self.options))
        self._jobs = plan_targets(source.plan, source.store)
        self._location = None  # what is there may have changed since it was opened
        _ = self.location

    def check_origin(self, source: DeploymentSource, store: ObjectStore | None, gate: DeployAuthorizer | None) -> None:
        """Check that the file, where there is one, is of this deployment."""
        token = None if gate is None or gate.grant is None else gate.grant.token
        check_origin(self.location, self.name, source.store, store, gate, token)

    def collect_blobs(self, source: DeploymentSource) -> dict[str, bytes | None]:
        """Return plan and package."""
        return {"plan": to_json(source.plan), "package": source.package}

    def register_resources(self) -> None:
        """Register the job definitions of steps with ``@batch``."""
        if self._jobs is not None:
            self._jobs.register_definitions()

    def publish_definition(self, source: DeploymentSource, stored: Mapping[str, str | None]) -> None:
        """Write the DAG file."""
        from flow_sdk.aws.settings import find_encryption

        self._made = deployment_data(
            source.plan,
            source.store,
            stored["plan"] or "",
            stored["package"],
            self.options,
            None if self._jobs is None else _batch_data(self._jobs),
            find_encryption() if StoreAddress.parse(source.store).kind.name == "s3" else None,
            None if self.grant is None else self.grant.claim.owner_text,
        )
        self._is_changed = self.location.write_file(dag_file(source.plan, self._made))

    def complete_deployment(self) -> AirflowDeployment:
        """Return what was made: Airflow itself does the rest."""
        namespace = self._made["namespace"] or ("" if self.grant is None else self.grant.namespace)
        digest, file = self._made["digest"], self.location.name
        state = "written" if self._is_changed else "up to date"
        return AirflowDeployment(
            name=self.name,
            result=file,
            namespace=namespace,
            is_changed=self._is_changed,
            summary=(f"DAG {self.name} is {state}; runs are in {namespace}.",),
            details={"dag": self.name, "file": file, "digest": digest},
            digest=digest,
        )
