"""Runs a DAG file to its end without a scheduler, in the interpreter of one Airflow line: ``python dag_test.py REQUEST RESULT``.

The request (JSON) names the DAGs folder, the DAG and the conf; the result (JSON) tells state, run id and task instances.
A loop's passes, which a scheduler would run as DAG runs of their own, run nested in the loop's task.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def load(folder: str) -> Any:
    """Read the DAGs folder and make Airflow's database know its DAGs."""
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        from airflow.models import DagBag

        bag = DagBag(folder, include_examples=False)
        bag.sync_to_db()
        return bag
    bag = DagBag(folder)
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)
    return bag


@contextmanager
def free_session() -> Iterator[None]:
    """Let a DAG run inside a task of another one: 2.11 holds one database session for the task that runs."""
    try:
        from airflow.utils import task_instance_session
    except ImportError:
        yield
        return
    name = "__current_task_instance_session"
    held = getattr(task_instance_session, name, None)
    setattr(task_instance_session, name, None)
    try:
        yield
    finally:
        setattr(task_instance_session, name, held)


def run_loops_inline(dags: dict[str, Any]) -> dict[str, str]:
    """Have the loop operator run each pass at once. Returns the passes' states by run id, filled as they run."""
    from flow_provider.operators import loop

    states: dict[str, str] = {}

    def start(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        if run_id not in states:
            states[run_id] = "running"
            with free_session():
                states[run_id] = str(getattr(dags[dag_id].test(run_conf=conf).state, "value", "failed"))

    loop.start_dag_run = start
    loop.dag_run_state = lambda dag_id, run_id: states[run_id]
    loop.dag_run_exists = lambda dag_id, run_id: run_id in states
    return states


def main(request: dict[str, Any]) -> dict[str, Any]:
    bag = load(request["folder"])
    if bag.import_errors:
        return {"import_errors": {os.path.basename(path): text for path, text in bag.import_errors.items()}}
    states = run_loops_inline(bag.dags)
    runs = []
    for _ in range(request.get("times", 1)):
        dag_run = bag.dags[request["dag"]].test(run_conf=request.get("conf"))
        runs.append(
            {
                "state": str(getattr(dag_run.state, "value", dag_run.state)),
                "run_id": dag_run.run_id,
                "tasks": sorted(
                    [ti.task_id, ti.map_index, str(getattr(ti.state, "value", ti.state))]
                    for ti in dag_run.get_task_instances()
                ),
            }
        )
    return {**runs[0], "runs": runs, "passes": states}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    try:
        answer = main(asked)
    except Exception:  # noqa: BLE001 -- whatever went wrong belongs into the test's report
        answer = {"error": traceback.format_exc()}
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(answer, file)
