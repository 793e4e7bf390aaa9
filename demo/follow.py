"""Following a run of a DAG through Airflow's REST API."""

import time
from collections import Counter
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi

__all__ = ["follow", "progress"]

EVERY = 1.0
"""Seconds between two looks."""

AT_MOST = 600.0
"""Seconds after which the run counts as stuck."""

ENDED = ("success", "failed")


def progress(instances: list[dict[str, Any]]) -> dict[str, str]:
    """For each task of the DAG that has begun, how many of its instances are in which state, in words."""
    counts: dict[str, Counter[str]] = {}
    for instance in instances:
        # A mapped task stands there once, without a state, until the list it is mapped over is known.
        counts.setdefault(instance["task_id"], Counter())[instance["state"] or "waiting"] += 1
    said = {}
    for task, states in counts.items():
        total = sum(states.values())
        if states["waiting"] + states["scheduled"] < total:
            parts = [f"{count} {state}" if total > 1 else state for state, count in sorted(states.items())]
            said[task] = ", ".join(parts)
    return said


def follow(api: AirflowApi, dag: str, run: str) -> str:
    """Print each change in the state of a run's tasks until the run ends.

    Parameters
    ----------
    api : AirflowApi
        The Airflow.
    dag, run : str
        The DAG's id and the DAG run's.

    Returns
    -------
    str
        ``success``, ``failed``, or ``stuck`` when it takes longer than ten minutes.
    """
    started = time.monotonic()
    said: dict[str, str] = {}
    while time.monotonic() - started < AT_MOST:
        facts = api.dag_run(dag, run) or {}
        # Read after the run's own state: what led to it is then among the tasks.
        now = progress(api.task_instances(dag, run))
        for task, words in now.items():
            if said.get(task) != words:
                print(f"  {time.monotonic() - started:6.1f} s  {task:<32} {words}", flush=True)
        said = now
        if facts.get("state") in ENDED:
            return str(facts["state"])
        time.sleep(EVERY)
    return "stuck"
