"""From an Airflow task instance to the run and attempt of the flow. Pure."""

import hashlib

__all__ = ["child_run_id", "clearing_generation", "flow_run_id", "tries_left"]


def _hex_digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:digits]


def flow_run_id(dag_id: str, flow: str, dag_run_id: str) -> str:
    """Return the id in the store of a run of the flow's own DAG."""
    from flow_sdk.runtime.orchestrator import find_adapter  # not at the top: every parse would pay for it

    return find_adapter("airflow").store_run_id(flow, {"kind": "airflow", "dag": dag_id, "run": dag_run_id})


def child_run_id(airflow_run_id: str, position: str, series: int) -> str:
    """Return the id of the DAG run of a loop's body for one iteration.

    Parameters
    ----------
    airflow_run_id : str
        Id of the run of the flow's own DAG.
    position : str
        Text of the position of the loop's entry in this iteration.
    series : int
        0, or a number that each clearing of the loop changes.
    """
    tail = f"__loop.{position}" + (f".{series}" if series else "")
    if len(airflow_run_id) + len(tail) > 250:
        airflow_run_id = f"sha-{_hex_digest(airflow_run_id, 40)}"
    return airflow_run_id + tail


def clearing_generation(max_tries: int, retries: int) -> int:
    """Return the number of tries that were made before the task was last cleared; 0 when it never was.

    Airflow (3.3 and 2.11, ``clear_task_instances``) sets ``max_tries`` to the tries made so far plus the task's
    retries, so the difference grows with each clearing, and with nothing else.
    """
    return max(0, max_tries - retries)


def tries_left(max_tries: int, try_number: int) -> int:
    """Return the number of tries that Airflow would still make after this one (``try_number`` counts from 1)."""
    return max(0, max_tries - (try_number - 1))
