"""Runs of a deployed flow as Airflow sees them: listed, looked at, and stopped."""

import json
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from flow_sdk.deploy.airflow.advice import paused_advice
from flow_sdk.deploy.airflow.api import AirflowApi, AirflowRefused
from flow_sdk.deploy.airflow.run_ids import AIRFLOW_RUN_IDS
from flow_sdk.deploy.airflow.runtime import airflow_run_id, airflow_run_prefix
from flow_sdk.deploy.airflow.visible import import_error_of
from flow_sdk.deploy.claims import TokenRegistry
from flow_sdk.deploy.deployed_runs import time_text
from flow_sdk.deploy.port import DeployedRun, DeployedRuns, DeploymentStatus, RunDetails, TargetRequest
from flow_sdk.deploy.run_ids import existing_run_error
from flow_sdk.errors import DeployError, UsageError
from flow_sdk.text import shorten_line

__all__ = ["STATUSES", "DagRuns"]

STATUSES = {"QUEUED": "queued", "RUNNING": "running", "SUCCEEDED": "success", "FAILED": "failed"}
"""States of a run: the common name of each, and Airflow's."""

LOOP = "__loop."
"""Stands between a DAG's id and the loop whose passes another DAG runs."""

LOOP_CONF = "flow_sdk_loop"
"""Where the conf of a pass names the run that it is a part of."""

STARTING = 15.0
"""Seconds for which a task that was starting when its run was stopped is watched."""

LOOK_EVERY = 0.25
"""Seconds between two looks at it."""


class DagRuns(DeployedRuns[DeployedRun]):
    """The runs of one deployed flow.

    Parameters
    ----------
    api : AirflowApi
        The Airflow.
    dag : str
        The DAG's id.
    flow : str
        The flow's name.
    token_registry : TokenRegistry, optional
        Where Airflow keeps the claim on the DAG's id.
    """

    def __init__(self, api: AirflowApi, dag: str, flow: str, token_registry: TokenRegistry | None = None) -> None:
        self.api, self.dag, self.flow = api, dag, flow
        self.name, self.token_registry = dag, token_registry

    def _make_run(self, response: dict[str, Any]) -> DeployedRun:
        ours = {theirs: our for our, theirs in STATUSES.items()}
        name, state = str(response["dag_run_id"]), str(response.get("state"))
        status = ours.get(state, state.upper())
        return DeployedRun(
            name=name,
            run=airflow_run_id(self.dag, self.flow, name),
            status=status,
            started=_parse_time(response.get("start_date")),
            stopped=_parse_time(response.get("end_date")),
            is_running=status in ("QUEUED", "RUNNING"),
            column=str(response.get("run_type") or ""),
            response=response,
        )

    def check_deployed(self, request: TargetRequest) -> None:
        """Check that Airflow knows the DAG."""
        if self.api.find_dag(self.dag) is None:
            raise DeployError(
                f"Airflow doesn't know the DAG {self.dag}.",
                where=self.api.url,
                help=f"Deploy it with: {request.program}{request.naming} airflow create FILE --wait",
            )

    def check_startable(self, request: TargetRequest) -> None:
        """Do nothing: Airflow says clearly why it starts no run."""

    def start_run(self, parameters: dict[str, Any], run_id: str | None = None) -> DeployedRun:
        """Start a run.

        Raises
        ------
        DeployError
            If Airflow refuses, or has a run of that id.
        """
        try:
            name = self.api.start_dag_run(self.dag, parameters, run_id)
        except AirflowRefused as error:
            if error.status != 409 or run_id is None:
                raise
            run = airflow_run_prefix(self.dag, self.flow) + run_id
            raise existing_run_error(run, AIRFLOW_RUN_IDS.target, self.api.url) from error
        run = airflow_run_id(self.dag, self.flow, name)
        return DeployedRun(name=name, run=run, status="QUEUED", is_running=True, column="manual")

    def list_runs(self, statuses: Iterable[str] = ()) -> Iterator[DeployedRun]:
        """Runs, newest first.

        Parameters
        ----------
        statuses : iterable of str
            Only those of :data:`STATUSES`; all when empty.

        Raises
        ------
        DeployError
            If Airflow refuses.
        """
        return map(self._make_run, self.api.dag_runs(self.dag, [STATUSES[status] for status in statuses]))

    def find_run(self, run: str) -> DeployedRun:
        """Look at one run.

        Parameters
        ----------
        run : str
            Its id in the store, with or without the flow's name before it, or Airflow's own.

        Raises
        ------
        UsageError
            If it can't be one.
        DeployError
            If there is none of that name.
        """
        wanted = run.removeprefix(f"{self.flow}/")
        if not wanted or len(wanted) > 250:
            raise UsageError("This isn't a run of Airflow.", seen=repr(run)[:200], wanted="airflow-...: see list-runs")
        prefix = airflow_run_prefix(self.dag, self.flow)
        names = [wanted.removeprefix(prefix), wanted] if wanted.startswith(prefix) else [wanted]
        for name in names:
            if (found := self.api.dag_run(self.dag, name)) is not None:
                return self._make_run(found)
        if wanted.startswith(f"{prefix}sha-"):
            for listed in self.list_runs():
                if listed.run == wanted:
                    return listed
        raise DeployError(
            f"{self.dag} has no run {wanted} in Airflow.",
            where=self.api.url,
            help="airflow list-runs shows those there are.",
        )

    def stop_run(self, run: DeployedRun) -> None:
        """Mark a run as failed, and with it the passes of its loops: Airflow ends the tasks that are running.

        Raises
        ------
        DeployError
            If it has ended already, or Airflow refuses.
        """
        if not run.is_running:
            raise DeployError(f"The run {run.run} isn't running.", seen=run.status, where=self.api.url)
        # The run first: a loop's task that is gone starts no further pass.
        stopped = [(self.dag, run.name)]
        self.api.fail_dag_run(*stopped[0])
        for body in self.loop_dags():
            for found in list(self.api.dag_runs(body, ["queued", "running"])):
                conf = (found.get("conf") or {}).get(LOOP_CONF)
                if isinstance(conf, dict) and conf.get("run") == run.name:
                    stopped.append((body, str(found["dag_run_id"])))
                    self.api.fail_dag_run(*stopped[-1])
        if self.api.line == 2:
            for one in stopped:
                self._keep_failed(*one)

    def _keep_failed(self, dag: str, name: str) -> None:
        """Mark a run again for as long as a task of it is starting.

        Such a task of Airflow 2 writes its process's id together with the run as it had found it: running. As what was
        still to do is skipped by then, the scheduler makes a success of that.
        """
        until = time.monotonic() + STARTING
        while True:
            tasks = self.api.task_instances(dag, name)
            starting = any(task["state"] == "failed" and task["start_date"] and task["pid"] is None for task in tasks)
            # The look at the run comes second: what a task has written by the time its process is known is seen.
            is_back = (self.api.dag_run(dag, name) or {}).get("state") in ("running", "success")
            if is_back:
                self.api.fail_dag_run(dag, name)
            if not (is_back or starting) or time.monotonic() > until:
                return
            time.sleep(LOOK_EVERY)

    def start_message(self, request: TargetRequest, run: DeployedRun) -> Sequence[str]:
        """Return how to watch the run, and that it waits where the DAG is paused."""
        import shlex

        command = f"{request.program}{request.naming} airflow status {shlex.quote(run.run)}"
        started = f"Airflow at {self.api.url} has started a run of {self.dag}. To watch it:\n  {command}"
        return [started, *paused_advice(self.api, self.dag)]

    def stop_message(self, run: DeployedRun) -> str:
        """Return what becomes of the run's tasks."""
        return f"The run {run.run} is marked as failed; Airflow ends its tasks. Those that are committed stay readable."

    def describe_deployment(self, request: TargetRequest) -> DeploymentStatus:
        """Return state, file, schedule and import error of the DAG."""
        dag = self.api.find_dag(self.dag) or {}
        error = import_error_of(self.api, str(dag.get("fileloc")))
        gone = dag.get("is_stale") if self.api.line == 3 else dag.get("is_active") is False
        state = "its file is gone" if gone else "paused" if dag.get("is_paused") else "active"
        schedule = "none" if gone else _schedule_text(dag)
        rows = [("DAG", f"{self.dag} ({state}) in Airflow at {self.api.url}"), ("File", str(dag.get("fileloc")))]
        rows.append(("Schedule", schedule))
        last = None
        if error is not None:
            last = shorten_line(str(error.get("stack_trace", "")).strip().rpartition("\n")[2], 300)
            rows.append(("Import error", last))
        details = {"dag": self.dag, "state": state, "file": dag.get("fileloc"), "airflow": self.api.url}
        return DeploymentStatus(rows=tuple(rows), details={**details, "schedule": schedule, "import_error": last})

    def describe_run(self, request: TargetRequest, run: DeployedRun) -> RunDetails:
        """Return what started the run, its parameters, failed steps, logs and page."""
        # Our own tasks beside the steps have names of their own: step.splits, step.loop.
        tasks = self.api.task_instances(self.dag, run.name)
        steps = dict.fromkeys(str(task["task_id"]).rpartition(".")[2] for task in tasks if task["state"] == "failed")
        failed = [step for step in steps if callable(getattr(request.flow_class, step, None))]
        parameters, page = run.response.get("conf"), self.run_page(run)
        rows = [("Type", str(run.column))]
        if parameters:
            rows.append(("Parameters", shorten_line(json.dumps(parameters, ensure_ascii=False), 300)))
        if failed:
            rows.append(("Failed", shorten_line(", ".join(failed), 300)))
        rows += [("Logs", f"{request.program} logs {run.run}/{step}") for step in failed[:3] or ["STEP"]]
        rows.append(("Airflow", page))
        details = {"type": run.column, "parameters": parameters or {}, "failed_steps": failed, "url": page}
        return RunDetails(rows=tuple(rows), details=details)

    def run_page(self, run: DeployedRun) -> str:
        """Address of a run's page in Airflow."""
        dag, name = (urllib.parse.quote(text, safe="") for text in (self.dag, run.name))
        if self.api.line == 3:
            return f"{self.api.url}/dags/{dag}/runs/{name}"
        return f"{self.api.url}/dags/{dag}/grid?dag_run_id={name}"

    def loop_dags(self) -> Sequence[str]:
        """The DAGs that run the passes of the flow's loops."""
        return [dag for dag in self.api.dag_ids(f"{self.dag}{LOOP}") if dag.startswith(f"{self.dag}{LOOP}")]


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _schedule_text(dag: dict[str, Any]) -> str:
    expression = dag.get("timetable_summary") or (dag.get("schedule_interval") or {}).get("value")
    following = dag.get("next_dagrun_run_after") or dag.get("next_dagrun_create_after")
    if following is None:
        return "none"
    next_time = time_text(datetime.fromisoformat(following))
    text = f"{expression or dag.get('timetable_description')}; next at {next_time} UTC"
    return f"{text}, if it isn't paused then" if dag.get("is_paused") else text
