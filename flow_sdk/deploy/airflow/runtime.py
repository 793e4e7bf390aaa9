"""What Airflow needs of the tasks of its runs: the adapter that their processes load, and the ids of runs."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from flow_sdk.deploy.airflow.item_text import item_texts
from flow_sdk.deploy.airflow.run_ids import AIRFLOW_RUN_IDS
from flow_sdk.ids import is_run_id
from flow_sdk.runtime.orchestrator import PlainAdapter

__all__ = ["KIND", "RUN_ID_PREFIX", "AirflowAdapter", "airflow_run_id", "airflow_run_prefix"]

KIND = "airflow"
"""The orchestrator's kind in the record of a run of Airflow."""

RUN_ID_PREFIX = AIRFLOW_RUN_IDS.prefix
"""What the ids of all of Airflow's runs begin with in the store."""


class AirflowAdapter(PlainAdapter):
    """Runs of Airflow."""

    run_id_prefix = RUN_ID_PREFIX
    foreach_limit_help = "Airflow's own setting [core] max_map_length sets it; with fewer, larger items it can stay."

    def store_run_id(self, flow: str, orchestrator: Mapping[str, Any]) -> str:
        """Return the run's id, from the DAG and the DAG run."""
        return airflow_run_id(orchestrator["dag"], flow, orchestrator["run"])

    def explain_missing_run(self, run: str, command: str) -> str | None:
        """Return where the start task's log is."""
        return "If it failed before it began, the log of its start task in Airflow says why."

    def describe_items(self, items: Sequence[Any]) -> list[str] | None:
        """Return the texts by which Airflow's UI names mapped tasks."""
        return item_texts(items)


def airflow_run_id(dag_id: str, flow: str, dag_run_id: str) -> str:
    """Derive a run's id in the store from Airflow's.

    Parameters
    ----------
    dag_id : str
        The DAG. Where it isn't named like the flow, a digest of it keeps runs of two deployments apart.
    flow : str
        The flow's name.
    dag_run_id : str
        The DAG run's id.

    Returns
    -------
    str
        ``airflow-<run id>`` where that can be a run's id in the store, else a digest of it.
    """
    prefix = airflow_run_prefix(dag_id, flow)
    run = prefix + dag_run_id
    return run if is_run_id(run) else f"{prefix}sha-{_hex_digest(dag_run_id, 40)}"


def airflow_run_prefix(dag_id: str, flow: str) -> str:
    """Return what the ids of a DAG's runs in the store have before Airflow's id, see :func:`airflow_run_id`."""
    return RUN_ID_PREFIX if dag_id == flow else f"{RUN_ID_PREFIX}{_hex_digest(dag_id, 8)}-"


def _hex_digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:digits]
