"""``airflow delete``: runs stopped, then DAG file, history and claim removed. Artifacts stay."""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from flow_sdk.authoring.project import claim_name
from flow_sdk.deploy.airflow.api import AirflowApi, AirflowRefused
from flow_sdk.deploy.airflow.connection import airflow_url, connect_airflow, open_variables
from flow_sdk.deploy.airflow.dag_location import DagLocation, check_holds, open_location
from flow_sdk.deploy.airflow.origin import check_origin
from flow_sdk.deploy.airflow.runs import DagRuns
from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables, variable_key
from flow_sdk.deploy.port import DeployedRun, Removal, RemovedPart, TargetRequest
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.errors import DeployError
from flow_sdk.store.port import ObjectStore

__all__ = ["DagRemoval", "check_location"]

ENDING = 90.0
"""Seconds within which the tasks of a run that was stopped have ended: Airflow stops them at their next heartbeat."""
LOOK_EVERY = 1.0


class DagRemoval(Removal[DeployedRun]):
    """The removal of a DAG file, of the runs that Airflow has, and with ``--history`` of what its database knows.

    Parameters
    ----------
    location : DagLocation
        The DAG file, known to be that of the DAG.
    runs : DagRuns or None
        Its runs; None where no Airflow is known.
    token_registry : ApiVariables or CommandVariables or None
        Where Airflow keeps the claim, if it is known.
    request : TargetRequest
        The command.
    """

    claim_title = "the claim on its name in Airflow's Variable"

    def __init__(
        self,
        location: DagLocation,
        runs: DagRuns | None,
        token_registry: ApiVariables | CommandVariables | None,
        request: TargetRequest,
    ) -> None:
        self.name = request.name
        self.location = self.result = location.name
        self.token_registry = token_registry
        self._file, self._runs, self._request = location, runs, request
        self._has_history = request["history"]

    @classmethod
    def from_request(cls, request: TargetRequest, destination: str) -> "DagRemoval":
        """Open the DAG file and connect to Airflow, if one is known.

        Parameters
        ----------
        request : TargetRequest
            The command.
        destination : str
            Where ``create`` wrote the file.

        Raises
        ------
        DeployError
            If the file is another DAG's, or Airflow has the DAG from another file.
        """
        location = open_location(destination, request.name)
        check_holds(location, request.name)
        runs = None
        if airflow_url(request):
            api = connect_airflow(request)
            check_location(location, request.name, api.find_dag(request.name))
            runs = DagRuns(api, request.name, request.flow)
        return cls(location, runs, open_variables(request, None if runs is None else runs.api), request)

    def check_holder(self, store: ObjectStore | None, gate: DeployAuthorizer) -> None:
        """Check that the file is of this deployment, and that the user holds its token."""
        request = self._request
        if self.token_registry is None:  # the store alone knows whose the file is, even without a claim to authorize
            check_origin(self._file, self.name, request.store, store, gate)
        check_origin(self._file, self.name, request.store, store, gate, gate.check_holder(store))

    def stop_starts(self) -> list[RemovedPart]:
        """Do nothing: Airflow starts runs until the file is gone."""
        return []

    def running_runs(self) -> Iterable[DeployedRun]:
        """Return the runs that are queued or running."""
        return () if self._runs is None else self._runs.list_runs(("QUEUED", "RUNNING"))

    def stop_run(self, run: DeployedRun) -> None:
        """Mark a run as failed."""
        if self._runs is not None:
            self._runs.stop_run(run)

    def remove_definition(self) -> list[RemovedPart]:
        """Remove the file, then the history where that is asked for."""
        had_file, had_history = self._file.remove_file(), False
        if self._has_history and self._runs is not None:
            for body in self._runs.loop_dags():
                _forget_dag(self._runs.api, body)
            had_history = _forget_dag(self._runs.api, self.name)
        return [
            RemovedPart("the DAG file", had_file),
            RemovedPart("the history of its runs in Airflow", had_history),
        ]

    def describe_remaining(self, token: str) -> str:
        """Return what ``delete`` leaves."""
        text = f"What remains: all runs and artifacts in {self._request.store}, and {token} there."
        if self._runs is not None:
            return (
                text
                if self._has_history
                else f"{text}\nAirflow keeps the history of its runs, too; --history deletes it."
            )
        text += "\nAirflow's address isn't known (--airflow-url): runs that continue there fail with their next task"
        if self.token_registry is not None:
            return f"{text}."
        return f"{text},\nand its Variable {variable_key(claim_name(self.name))} stays, if there is one."


def check_location(location: DagLocation, dag: str, shown: dict[str, Any] | None) -> None:
    """Check by its name that a DAG file is the one from which Airflow has the DAG. Pure.

    Parameters
    ----------
    location : DagLocation
        The DAG file.
    dag : str
        The DAG's id.
    shown : dict or None
        Details of the DAG in Airflow, if it knows the DAG.

    Raises
    ------
    DeployError
        If Airflow has it from another file: runs would be stopped, and the DAG would stay.
    """
    theirs = str((shown or {}).get("fileloc") or "")
    if theirs and theirs.rpartition("/")[2] != location.name.replace("\\", "/").rpartition("/")[2]:
        raise DeployError(
            f"Airflow has {dag} from another file. Nothing was deleted.",
            seen=location.name,
            wanted=theirs,
            help="Name the file as it was given to airflow create.",
        )


def _forget_dag(api: AirflowApi, dag: str) -> bool:
    """Delete a DAG and its history, once no task of it runs any more; False when Airflow doesn't know it."""
    deadline = time.monotonic() + ENDING
    while True:
        try:
            return api.delete_dag(dag)
        except AirflowRefused as refused:
            if refused.status != 409 or time.monotonic() > deadline:
                raise
        # A run may have begun after the others were stopped, such as the next iteration of a loop.
        for run in list(api.dag_runs(dag, ("queued", "running"))):
            with suppress(AirflowRefused):
                api.fail_dag_run(dag, run["dag_run_id"])
        time.sleep(LOOK_EVERY)
