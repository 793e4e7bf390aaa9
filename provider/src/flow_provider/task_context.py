"""A running Airflow task in the terms of the flow: its run, position and attempt."""

from dataclasses import dataclass
from typing import Any

from flow_provider.deployment import DagFileDeployment
from flow_provider.run_ids import clearing_generation, flow_run_id, tries_left

__all__ = ["LOOP_CONF", "TaskContext", "loop_conf", "read_task_context"]

LOOP_CONF = "flow_sdk_loop"
"""Key of a DAG run's conf that holds the iteration which a loop starts its body for."""

CLEARINGS = 1_000_000
"""A task of a loop's body counts its own clearings within each one of the loop: more tries than any task has."""


@dataclass(frozen=True, slots=True)
class TaskContext:
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
        Grows as ``generation`` does, also where a cleared loop continues with its iterations: names its new DAG runs.
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
        """The orchestrator of the run, as the run's record has it."""
        return {"kind": "airflow", "dag": self.dag_id, "run": self.airflow_run}


def read_task_context(
    deployment: DagFileDeployment, context: Any, split: str | None, retries: int
) -> TaskContext | None:
    """Return the run, position and attempt of a running task.

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
    TaskContext or None
        None for a task of a loop's body whose DAG run wasn't started by the loop.
    """
    ti, dag_run = context["ti"], context["dag_run"]
    own = clearing_generation(ti.max_tries, retries)
    outer = {"run": dag_run.run_id, "task": "0", "generation": 0, "series": 0}
    if dag_run.dag_id != deployment.dag:
        given = (dag_run.conf or {}).get(LOOP_CONF)
        if not isinstance(given, dict) or set(given) != set(outer):
            return None
        outer = given
    return TaskContext(
        deployment.dag,
        outer["run"],
        flow_run_id(deployment.dag, deployment.plan.flow, outer["run"]),
        split if split is not None else outer["task"],
        outer["generation"] * CLEARINGS + own,
        outer["series"] * CLEARINGS + own,
        tries_left(ti.max_tries, ti.try_number),
    )


def loop_conf(here: TaskContext, position: str, generation: int) -> dict[str, Any]:
    """Return the conf of the DAG run of an iteration whose entry has that position."""
    return {
        LOOP_CONF: {
            "run": here.airflow_run,
            "task": position,
            "generation": generation,
            "series": here.series,
        }
    }
