"""From ``@airflow_dag``, ``@airflow_task`` and the deployment to arguments of Airflow's DAGs and operators."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flow_provider.callbacks import named_callbacks
from flow_provider.deployment import DagFileDeployment
from flow_sdk.plan.model import StepPlan

__all__ = ["dag_arguments", "dag_tags", "task_arguments", "waiting_arguments"]

CALLBACKS = ("on_failure_callback", "on_retry_callback", "on_success_callback")
ALERTS = (*CALLBACKS, "email", "email_on_failure", "email_on_retry")
LONGEST_TAG = 100
"""Airflow 2.11 and 3.3: ``TAG_MAX_LEN`` of ``airflow.models.dag``."""


def dag_arguments(deployment: DagFileDeployment, *, is_body: bool) -> dict[str, Any]:
    """Return arguments of a deployment's DAG, or of the body of a loop, which runs whenever the loop does."""
    found: dict[str, Any] = {}
    given = deployment.plan.airflow_dag
    for key, text in () if is_body else (("start_date", given.start_date), ("end_date", given.end_date)):
        if text is not None:
            instant = datetime.fromisoformat(text)
            found[key] = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    seconds = deployment.workflow_timeout or given.dagrun_timeout
    if seconds is not None:
        found["dagrun_timeout"] = timedelta(seconds=seconds)
    return found


def dag_tags(deployment: DagFileDeployment) -> list[str]:
    """Return the tags of the flow's own DAG: project and branch first, then the user's."""
    project = deployment.plan.project
    tags = ["flow-sdk"]
    if project is not None and project.branch_name is not None:
        tags += [f"project:{project.name}"[:LONGEST_TAG], f"project_branch:{project.branch_name}"[:LONGEST_TAG]]
    return list(dict.fromkeys([*tags, *deployment.tags, *deployment.plan.airflow_dag.tags]))


def task_arguments(deployment: DagFileDeployment, step: StepPlan) -> dict[str, Any]:
    """Return arguments of a step's task: its own come before ``default_args`` and those before the deployment's."""
    found = {**_default_arguments(deployment), **step.airflow_task}
    for key in CALLBACKS:
        if key in found:
            found[key] = list(named_callbacks(found[key]))
    return found


def waiting_arguments(deployment: DagFileDeployment) -> dict[str, Any]:
    """Return arguments of a task that runs no step of its own: it sends no alerts, as the steps do."""
    return {key: value for key, value in _default_arguments(deployment).items() if key not in ALERTS}


def _default_arguments(deployment: DagFileDeployment) -> dict[str, Any]:
    """Return the arguments of every task whose step doesn't give others."""
    given = deployment.plan.airflow_dag
    owner = given.owner or deployment.owner
    found = {**({"owner": owner} if owner else {}), **given.default_args}
    if deployment.worker_pool is not None:
        found["pool"] = deployment.worker_pool
    return found
