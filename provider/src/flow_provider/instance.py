"""Where a running Airflow task stands: its run, task and try in the terms of the flow."""

from dataclasses import dataclass
from typing import Any

from flow_provider.deployment import Deployment
from flow_provider.run_ids import flow_run_id, generation, tries_left

__all__ = ["LOOP_CONF", "Instance", "locate", "loop_conf"]

LOOP_CONF = "flow_sdk_loop"
"""Key of a DAG run's conf under which a loop tells its body which pass it is."""

CLEARINGS = 1_000_000
"""A task of a loop's body counts its own clearings within each one of the loop: more tries than any task has."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One try of one Airflow task.

    Parameters
    ----------
    dag_id, airflow_run : str
        The flow's own DAG and its run, also for a task of a loop's body.
    run : str
        The run's id in the store.
    position : str
        Text of the position of the task, which is the same for all steps of a mapped group.
    generation : int
        Grows each time the task, or a loop around it, is cleared on purpose.
    series : int
        Grows as ``generation`` does, also where a cleared loop goes on with what it has: names its new DAG runs.
    tries_left : int
        Tries that Airflow would still make after this one.
    """

    dag_id: str
    airflow_run: str
    run: str
    position: str
    generation: int
    series: int
    tries_left: int

    @property
    def orchestrator(self) -> dict[str, str]:
        """Who runs the run, as its record says."""
        return {"kind": "airflow", "dag": self.dag_id, "run": self.airflow_run}


def locate(deployment: Deployment, context: Any, split: str | None, retries: int) -> Instance | None:
    """Find where a task stands.

    Parameters
    ----------
    deployment : Deployment
        The flow's deployment.
    context : mapping
        Airflow's context of the running task.
    split : str or None
        Text of the position given by the mapped group, if the task lies in one.
    retries : int
        The retries that the DAG gives the task.

    Returns
    -------
    Instance or None
        None for a task of a loop's body whose DAG run wasn't started by the loop.
    """
    ti, dag_run = context["ti"], context["dag_run"]
    own = generation(ti.max_tries, retries)
    place = {"run": dag_run.run_id, "task": "0", "generation": 0, "series": 0}
    if dag_run.dag_id != deployment.dag:
        told = (dag_run.conf or {}).get(LOOP_CONF)
        if not isinstance(told, dict) or set(told) != set(place):
            return None
        place = told
    return Instance(
        deployment.dag,
        place["run"],
        flow_run_id(deployment.dag, deployment.plan.flow, place["run"]),
        split if split is not None else place["task"],
        place["generation"] * CLEARINGS + own,
        place["series"] * CLEARINGS + own,
        tries_left(ti.max_tries, ti.try_number),
    )


def loop_conf(here: Instance, position: str, generation: int) -> dict[str, Any]:
    """The conf with which a loop starts the DAG run of a pass whose entry has that position."""
    return {
        LOOP_CONF: {
            "run": here.airflow_run,
            "task": position,
            "generation": generation,
            "series": here.series,
        }
    }
