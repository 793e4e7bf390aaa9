"""``airflow delete``: runs stopped, then DAG file, history and claim removed. Artifacts stay."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowRefused
from flow_sdk.deploy.airflow.runs import DagRun, DagRuns
from flow_sdk.deploy.airflow.target import Target
from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables
from flow_sdk.errors import DeployError

__all__ = ["Deleted", "check_place", "delete_deployment"]

ENDING = 90.0
"""Seconds within which the tasks of a run that was stopped have ended: Airflow tells them at their next heartbeat."""
LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was there and is gone.

    Parameters
    ----------
    file, history, claim : bool
        DAG file, what Airflow's database knew of its runs, and the claim in Airflow's Variable.
    stopped : int
        How many runs were stopped.
    """

    file: bool
    history: bool
    claim: bool
    stopped: int

    def named(self) -> list[tuple[bool, str]]:
        """Each thing's name for people, and whether it is gone now."""
        return [
            (self.file, "the DAG file"),
            (self.history, "the history of its runs in Airflow"),
            (self.claim, "the claim on its name in Airflow's Variable"),
        ]


def check_place(place: Target, dag: str, shown: dict[str, Any] | None) -> None:
    """See that a DAG file is the one from which Airflow has the DAG, as far as its name tells. Pure.

    Parameters
    ----------
    place : Target
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
    if theirs and theirs.rpartition("/")[2] != place.name.replace("\\", "/").rpartition("/")[2]:
        raise DeployError(
            f"Airflow has {dag} from another file. Nothing was deleted.",
            seen=place.name,
            wanted=theirs,
            help="Name the file as it was given to airflow create.",
        )


def delete_deployment(
    place: Target,
    dag: str,
    runs: DagRuns | None,
    keeper: ApiVariables | CommandVariables | None,
    *,
    history: bool,
    on_stop: Callable[[DagRun], None],
) -> Deleted:
    """Delete what ``create`` has made. Killed at any moment, it can be called again.

    Parameters
    ----------
    place : Target
        The DAG file, known to be that of the DAG.
    dag : str
        The DAG's id.
    runs : DagRuns or None
        Its runs; None where no Airflow is known.
    keeper : ApiVariables or CommandVariables or None
        Where Airflow keeps the claim, if it is known.
    history : bool
        Whether Airflow is to forget the DAG and its runs.
    on_stop : callable
        Told of each run that is about to be stopped.

    Raises
    ------
    DeployError
        If Airflow refuses, or the file can't be removed.
    """
    stopped = 0
    # Without its file a run that goes on would fail with errors that say nothing of this.
    for run in [] if runs is None else list(runs.list(("QUEUED", "RUNNING"))):
        on_stop(run)
        runs.stop(run)  # type: ignore[union-attr]
        stopped += 1
    had_file = place.remove()
    forgotten = False
    if history and runs is not None:
        for body in runs.bodies():
            _forget(runs.api, body)
        forgotten = _forget(runs.api, dag)
    had_claim = keeper is not None and keeper.remove(dag)
    return Deleted(had_file, forgotten, had_claim, stopped)


def _forget(api: AirflowApi, dag: str) -> bool:
    """Delete a DAG and its history, once no task of it runs any more; False when Airflow doesn't know it."""
    deadline = time.monotonic() + ENDING
    while True:
        try:
            return api.delete_dag(dag)
        except AirflowRefused as refused:
            if refused.status != 409 or time.monotonic() > deadline:
                raise
        time.sleep(LOOK_EVERY)
