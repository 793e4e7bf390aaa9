"""Runs DAGs to their end without a scheduler, in an Airflow's interpreter: ``python dag_test.py REQUEST RESULT``.

The request (JSON) names the DAGs folder, and DAG and conf of each run; the result (JSON) tells what became of each.
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
    """Have the loop operator run each pass at once. Returns the passes' states by DAG and run, filled as they run."""
    from flow_provider.operators import loop

    states: dict[str, str] = {}

    def start(dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        name = f"{dag_id} {run_id}"
        if name not in states:
            states[name] = "running"
            with free_session():
                states[name] = _text(dags[dag_id].test(run_conf=conf).state)

    loop.start_dag_run = start
    loop.dag_run_state = lambda dag_id, run_id: states[f"{dag_id} {run_id}"]
    loop.dag_run_exists = lambda dag_id, run_id: f"{dag_id} {run_id}" in states
    return states


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Do all the runs that are asked for, one after the other."""
    bag = load(request["folder"])
    errors = {os.path.basename(path): text for path, text in bag.import_errors.items()}
    states = run_loops_inline(bag.dags)
    runs = []
    for asked in request["runs"]:
        states.clear()
        if asked["dag"] not in bag.dags:
            runs.append({"state": "missing", "dag": asked["dag"]})
            continue
        dag_run = bag.dags[asked["dag"]].test(run_conf=asked.get("conf"))
        runs.append(
            {
                "dag": asked["dag"],
                "state": _text(dag_run.state),
                "run_id": dag_run.run_id,
                "tasks": sorted([ti.task_id, ti.map_index, _text(ti.state)] for ti in dag_run.get_task_instances()),
                "passes": dict(states),
                "labels": {
                    f"{ti.task_id} {ti.map_index}": ti.rendered_map_index
                    for ti in dag_run.get_task_instances()
                    if ti.map_index >= 0
                },
            }
        )
    return {"import_errors": errors, "runs": runs}


def _text(state: Any) -> str:
    return str(getattr(state, "value", state))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    try:
        answer = main(asked)
    except Exception:  # noqa: BLE001 -- whatever went wrong belongs into the test's report
        answer = {"error": traceback.format_exc()}
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(answer, file)
