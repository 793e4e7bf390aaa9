"""Everything in which Airflow 3.3 and 2.11 differ, beyond what ``airflow.providers.common.compat.sdk`` evens out."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    BaseOperatorLink,
    Param,
    TriggerRule,
    conf,
    task_group,
)

try:
    import airflow.sdk  # noqa: F401

    AIRFLOW_3 = True
except ModuleNotFoundError:
    AIRFLOW_3 = False

__all__ = [
    "AIRFLOW_3",
    "DAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "BaseOperator",
    "BaseOperatorLink",
    "Param",
    "TriggerRule",
    "conf",
    "cron_timetable",
    "dag_run_exists",
    "dag_run_state",
    "is_deferred",
    "pushed_link",
    "quiet_emails",
    "reschedule_until",
    "start_dag_run",
    "task_group",
    "task_state",
]


def cron_timetable(cron: str, timezone: str) -> Any:
    """Return a schedule that fires at the instants of a five-field cron expression in a time zone."""
    if AIRFLOW_3:
        from airflow.sdk import CronTriggerTimetable
    else:
        from airflow.timetables.trigger import CronTriggerTimetable
    return CronTriggerTimetable(cron, timezone=timezone)


def reschedule_until(date: datetime) -> Exception:
    """Return the exception that frees a task's worker slot until ``date``."""
    if AIRFLOW_3:
        from airflow.sdk.exceptions import AirflowRescheduleException
    else:
        from airflow.exceptions import AirflowRescheduleException
    return AirflowRescheduleException(date)  # type: ignore[no-any-return]


def dag_run_exists(dag_id: str, run_id: str) -> bool:
    """Return whether there is a DAG run of that id. Works inside a running task only, as the next two."""
    if AIRFLOW_3:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        return bool(RuntimeTaskInstance.get_dr_count(dag_id, run_ids=[run_id]))
    from airflow.models import DagRun

    return bool(DagRun.find(dag_id=dag_id, run_id=run_id))


def dag_run_state(dag_id: str, run_id: str) -> str:
    """Return a DAG run's state: ``queued``, ``running``, ``success`` or ``failed``."""
    if AIRFLOW_3:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        state: Any = RuntimeTaskInstance.get_dagrun_state(dag_id, run_id)
    else:
        from airflow.models import DagRun

        state = DagRun.find(dag_id=dag_id, run_id=run_id)[0].state
    return str(getattr(state, "value", state))


def start_dag_run(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
    """Start a DAG run, unless there is one of that id already."""
    if AIRFLOW_3:
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import TriggerDagRun

        # An answer other than "there is one already" raises by itself.
        task_runner.SUPERVISOR_COMMS.send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf))
        return
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.exceptions import DagRunAlreadyExists

    for _ in range(10):
        try:
            trigger_dag(dag_id, run_id=run_id, conf=conf, replace_microseconds=False)
            return
        except DagRunAlreadyExists:
            # Two runs of a DAG can't share an instant on 2.11: another child may have taken this one.
            if dag_run_exists(dag_id, run_id):
                return
    raise AirflowException(f"DAG {dag_id}: no free instant for run {run_id}")


def pushed_link(key: str, ti_key: Any) -> str:
    """Return a link that a task has put into XCom (2.11; on 3.x the API server reads it by itself)."""
    from airflow.models.xcom import XCom

    return XCom.get_value(key=key, ti_key=ti_key) or ""


def task_state(context: Any) -> Any:
    """Return Airflow 3.3's state of a task across its tries and clearings, with ``get`` and ``set``; None on 2.11."""
    return context.get("task_state_store") if AIRFLOW_3 else None


@contextmanager
def quiet_emails() -> Iterator[None]:
    """Create operators without 3.x's advice to move from ``email`` to ``SmtpNotifier``, which it uses itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Setting email\w* on a task is deprecated")
        yield


def is_deferred(ti: Any) -> bool:
    """Return whether a task instance still waits for its trigger (2.11's triggerer only, which reads the database)."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(TaskInstance.state).filter_by(
            dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index
        )
        return str(getattr(found.scalar(), "value", found.scalar())) == "deferred"
