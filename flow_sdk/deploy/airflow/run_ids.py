"""Which ids Airflow takes for its runs."""

from flow_sdk.deploy.run_ids import RunIdRule

__all__ = ["AIRFLOW_RUN_IDS"]

AIRFLOW_RUN_IDS = RunIdRule("Airflow", "airflow-", "A-Za-z0-9_.~:+-", 250)
"""Ids of DAG runs (Airflow 2.11 and 3.3: column ``dag_run.run_id`` and the setting ``allowed_run_id_pattern``)."""
