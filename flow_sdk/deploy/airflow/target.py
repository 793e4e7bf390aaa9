"""The Airflow target: DAG file, runs and removal for the commands and the pipeline."""

import os
from collections.abc import Iterable
from typing import Any

from flow_sdk.config import expand_home, read_setting
from flow_sdk.deploy.airflow.advice import deployment_advice
from flow_sdk.deploy.airflow.api import AirflowApi
from flow_sdk.deploy.airflow.connection import airflow_url, connect_airflow, open_variables
from flow_sdk.deploy.airflow.create import AirflowDeployment, AirflowDraft, AirflowOptions
from flow_sdk.deploy.airflow.delete import DagRemoval
from flow_sdk.deploy.airflow.doctor import check_airflow
from flow_sdk.deploy.airflow.run_ids import AIRFLOW_RUN_IDS
from flow_sdk.deploy.airflow.runs import DagRuns
from flow_sdk.deploy.airflow.runtime import airflow_run_prefix
from flow_sdk.deploy.airflow.visible import import_error_of, wait_visible
from flow_sdk.deploy.doctor import Check, examine_all
from flow_sdk.deploy.next_starts import declared_schedule, next_starts_text
from flow_sdk.deploy.port import DeploymentSource, DeployTarget, TargetRequest
from flow_sdk.errors import UsageError
from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.address import StoreAddress

__all__ = ["AirflowTarget"]

MESSAGE_EVERY = 30.0
"""Seconds between two lines that say that the command is still waiting."""


class AirflowTarget(DeployTarget):
    """Apache Airflow 2.11 and 3."""

    run_ids = AIRFLOW_RUN_IDS

    def check_request(self, request: TargetRequest) -> None:
        """Check that the DAG file is named."""
        _find_destination(request)

    def begin_deployment(self, request: TargetRequest, plan: FlowPlan) -> "RequestedDraft":
        """Read the options, and open the location of the DAG file."""
        return RequestedDraft(request, plan)

    def open_runs(self, request: TargetRequest) -> DagRuns:
        """Connect to Airflow."""
        api = connect_airflow(request)
        return DagRuns(api, request.name, request.flow, open_variables(request, api))

    def begin_removal(self, request: TargetRequest) -> DagRemoval:
        """Check that the file is that of the DAG, and that Airflow has the DAG from it."""
        if request["history"] and not airflow_url(request):
            connect_airflow(request)  # raises that its address is needed
        return DagRemoval.from_request(request, _find_destination(request))

    def run_prefix(self, request: TargetRequest) -> str:
        """Return ``airflow-``, with a digest of the DAG's id where that isn't the flow's name."""
        return airflow_run_prefix(request.name, request.flow)

    def run_name(self, deployed: str, flow: str, run: str) -> str:
        """Return the id of the DAG run."""
        return run.removeprefix(airflow_run_prefix(deployed, flow))

    def health_checks(self, seconds: float) -> list[Check]:
        """Check whether the Airflow of the settings answers."""
        return examine_all([("Airflow", check_airflow)], seconds)


class RequestedDraft(AirflowDraft):
    """A DAG file, as ``airflow create`` writes it: with advice, and waiting until Airflow shows it.

    Parameters
    ----------
    request : TargetRequest
        The command.
    plan : FlowPlan
        The flow.
    """

    def __init__(self, request: TargetRequest, plan: FlowPlan) -> None:
        destination = _find_destination(request)
        super().__init__(plan, destination, _read_options(request))
        self.name = request.name
        self._request = request
        self._beside = _dag_files(os.path.dirname(self.location.name) or ".")
        self._api: AirflowApi | None = None
        if request["wait"] or airflow_url(request):
            self._api = connect_airflow(request)
        self.token_registry = open_variables(request, self._api)
        self.excluded_files = (self.location.name, *self._beside)
        self.location_argument = destination if "://" in destination else os.path.abspath(expand_home(destination))
        self._advice: list[str] = []
        self._error_before: dict[str, Any] | None = None
        self._deployment: AirflowDeployment | None = None

    def check_source(self, source: DeploymentSource) -> None:
        """Check what Airflow would refuse, and look for what may be meant otherwise."""
        super().check_source(source)
        if self._api is not None and self._request["wait"]:
            self._error_before = import_error_of(self._api, self.location.name)
        self._advice = deployment_advice(source.plan, self.options, self.location, self._beside, self._api)

    def complete_deployment(self) -> AirflowDeployment:
        """Return what was made, and what the user should know of it."""
        from dataclasses import replace

        made, request = super().complete_deployment(), self._request
        summary = [*made.summary]
        schedule = declared_schedule(request.flow_class)
        if schedule is not None:
            summary.append(f"It starts by itself unless it is paused. Next: {next_starts_text(schedule)}")
        if not StoreAddress.parse(request.store).is_remote:
            summary.append(
                f"Its artifacts are kept in {request.store}: every worker must see the same folder under that path."
            )
        self._deployment = replace(made, summary=tuple(summary), hints=tuple(self._advice))
        return self._deployment

    def wait_until_visible(self) -> None:
        """Wait until Airflow shows the DAG, where ``--wait`` asks for it."""
        api, deployment, request = self._api, self._deployment, self._request
        if api is None or deployment is None or not request["wait"]:
            return
        request.message(f"Waiting until Airflow at {api.url} shows it.")
        wait_visible(
            api,
            deployment,
            before=self._error_before,
            timeout=request["wait-timeout"],
            on_wait=_WaitMessages(request),
        )
        request.message("Airflow shows it.")


class _WaitMessages:
    """Shows now and then that the command is still waiting."""

    def __init__(self, request: TargetRequest) -> None:
        self._request = request
        self._shown = 0.0

    def __call__(self, seconds: float) -> None:
        if seconds - self._shown >= MESSAGE_EVERY:
            self._shown = seconds
            self._request.message(f"Still waiting after {seconds:.0f} s.")


def _find_destination(request: TargetRequest) -> str:
    found = request.arguments[0] if request.arguments else read_setting("AIRFLOW_DAGS_FOLDER").value
    if not found:
        raise UsageError(
            f"{request.command} needs to know where "
            f"{'to write' if request.command == 'airflow create' else 'the DAG file is'}.",
            wanted="a file ending in .py, a DAGs folder or s3://bucket/folder, or the setting AIRFLOW_DAGS_FOLDER",
        )
    return found


def _read_options(request: TargetRequest) -> AirflowOptions:
    from flow_sdk.metadata.tags import check_tags

    connection: dict[str, Any] = {}
    if request["aws-conn-id"] is not None:
        # An empty name asks for the worker's own credentials and for no connection.
        connection["aws_conn_id"] = request["aws-conn-id"] or None
    is_paused = request["is-paused-upon-creation"] if "is-paused-upon-creation" in request.given else None
    return AirflowOptions(
        name=request["name"],
        namespace=request["namespace"],
        tags=tuple(check_tags(request["tag"])),
        max_workers=request["max-workers"],
        workflow_timeout=request["workflow-timeout"],
        worker_pool=request["worker-pool"],
        paused=is_paused,
        **connection,
    )


def _dag_files(folder: str) -> list[str]:
    """Return the DAG files beside the one to write: they may be in the flow's folder, and are no part of its code."""
    from flow_sdk.deploy.airflow.dag_file import FIRST_LINE

    found = []
    for name in _files_in(folder):
        path = os.path.join(folder, name)
        if name.endswith(".py") and os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read(len(FIRST_LINE)) == FIRST_LINE.encode("ascii"):
                    found.append(path)
    return found


def _files_in(folder: str) -> Iterable[str]:
    return os.listdir(folder) if os.path.isdir(folder) else ()
