"""Waiting until Airflow shows a deployed DAG, or says why it can't."""

import time
from collections.abc import Callable
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowForbidden, AirflowRefused
from flow_sdk.deploy.airflow.create import AirflowDeployment
from flow_sdk.errors import DeployError

__all__ = ["import_error_of", "wait_visible"]

LOOK_EVERY = 2.0
"""Seconds between looks."""


def import_error_of(api: AirflowApi, file: str) -> dict[str, Any] | None:
    """The import error that Airflow shows for a DAG file, if any. To be asked before the file is written, too.

    None, too, where the user's role may not see import errors.
    """
    name = file.replace("\\", "/").rpartition("/")[2]
    try:
        errors = api.import_errors()
    except AirflowForbidden:
        return None
    for error in errors:
        if str(error.get("filename", "")).rpartition("/")[2] == name:
            return error
    return None


def wait_visible(
    api: AirflowApi,
    deployed: AirflowDeployment,
    *,
    before: dict[str, Any] | None = None,
    timeout: float = 360.0,
    on_wait: Callable[[float], None] = lambda seconds: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until Airflow has read the DAG file just deployed.

    Parameters
    ----------
    api : AirflowApi
        The Airflow.
    deployed : AirflowDeployment
        What to wait for; its digest distinguishes it from an older version.
    before : dict, optional
        The import error that was shown before the file was written: it doesn't count until it changes.
    timeout : float
        Seconds to wait (> 0). Airflow looks for new files every five minutes by default.
    on_wait : callable
        Called after each check, with the seconds waited so far.
    clock, sleep : callable
        The time that passes; tests bring their own.

    Raises
    ------
    DeployError
        If Airflow shows an import error for the file, or nothing in time.
    """
    began = clock()
    while True:
        try:
            dag = api.find_dag(deployed.name)
            error = None if _shows_deployment(dag, deployed) else import_error_of(api, deployed.result)
        except AirflowRefused as refused:
            # 2.11's web server can answer 500 while it takes in a new DAG.
            if refused.status < 500 or clock() - began > timeout:
                raise
            dag = error = None
        if _shows_deployment(dag, deployed):
            return
        late = clock() - began > timeout
        if error is not None and (late or _error_identity(error) != _error_identity(before)):
            raise DeployError(
                f"Airflow can't import the DAG file of {deployed.name}.",
                seen=str(error.get("stack_trace", "")).strip(),
                where=str(error.get("filename")),
                help="Is airflow-provider-flow-sdk installed where Airflow parses DAGs, this release or a newer one?",
            )
        if late:
            raise DeployError(
                f"Airflow hasn't shown the new version of DAG {deployed.name} within {timeout:g} seconds.",
                where=api.url,
                help="It looks for new files every 300 seconds by default ([dag_processor] refresh_interval; on 2.11 "
                "[scheduler] dag_dir_list_interval). Is the file in the folder it reads?",
            )
        on_wait(clock() - began)
        sleep(LOOK_EVERY)


def _shows_deployment(dag: dict[str, Any] | None, deployed: AirflowDeployment) -> bool:
    return dag is not None and deployed.digest in (dag.get("doc_md") or "")


def _error_identity(error: dict[str, Any] | None) -> tuple[Any, ...]:
    return () if error is None else (error.get("timestamp"), error.get("stack_trace"))
