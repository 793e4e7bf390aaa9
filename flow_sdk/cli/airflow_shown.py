"""What the ``airflow`` commands show of a deployed flow and its runs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flow_sdk.cli.deployed_runs import RunTable, rows_text, time_rows, time_text
from flow_sdk.text import shorten_line

if TYPE_CHECKING:
    from flow_sdk.deploy.airflow.runs import DagRun, DagRuns

__all__ = ["RUNS_HEAD", "dag_lines", "run_line", "run_lines"]

_TABLE = RunTable(58, "TYPE")
RUNS_HEAD = _TABLE.head


def run_line(run: DagRun) -> str:
    """A run as a line of a table."""
    return _TABLE.line(run, run.type)


def run_lines(run: DagRun, failed: list[str], url: str, logs: str) -> list[str]:
    """All that is known of a run.

    Parameters
    ----------
    run : DagRun
        The run.
    failed : list of str
        The steps of which Airflow shows failed tasks.
    url : str
        Address of the run's page in Airflow.
    logs : str
        The command that shows logs.
    """
    rows = [("Run", run.run), ("Status", run.status), *time_rows(run), ("Type", run.type)]
    if run.facts.get("conf"):
        rows.append(("Parameters", shorten_line(json.dumps(run.facts["conf"], ensure_ascii=False), 300)))
    if failed:
        rows.append(("Failed", shorten_line(", ".join(failed), 300)))
    steps = failed[:3] or ["STEP"]
    rows += [("Logs", f"{logs} {run.run}/{step}") for step in steps]
    return rows_text([*rows, ("Airflow", url)])


def dag_lines(runs: DagRuns, dag: dict[str, Any], error: dict[str, Any] | None, latest: int) -> list[str]:
    """All that Airflow knows of a deployed flow, and its latest runs.

    Parameters
    ----------
    runs : DagRuns
        The runs.
    dag : dict
        Details of the DAG.
    error : dict or None
        The import error that Airflow shows for its file.
    latest : int
        How many runs to show.
    """
    gone = dag.get("is_stale") if runs.api.line == 3 else dag.get("is_active") is False
    state = "its file is gone" if gone else "paused" if dag.get("is_paused") else "active"
    rows = [("DAG", f"{runs.dag} ({state}) in Airflow at {runs.api.url}"), ("File", str(dag.get("fileloc")))]
    rows.append(("Schedule", "none" if gone else _schedule(dag)))
    if error is not None:
        last = str(error.get("stack_trace", "")).strip().rpartition("\n")[2]
        rows.append(("Import error", shorten_line(last, 300)))
    shown = [run for _, run in zip(range(latest), runs.list(), strict=False)]
    return [*rows_text(rows), "", *([RUNS_HEAD, *map(run_line, shown)] if shown else ["No run yet."])]


def _schedule(dag: dict[str, Any]) -> str:
    expression = dag.get("timetable_summary") or (dag.get("schedule_interval") or {}).get("value")
    following = dag.get("next_dagrun_run_after") or dag.get("next_dagrun_create_after")
    if following is None:
        return "none"
    text = (
        f"{expression or dag.get('timetable_description')}; next at {time_text(datetime.fromisoformat(following))} UTC"
    )
    return f"{text}, if it isn't paused then" if dag.get("is_paused") else text
