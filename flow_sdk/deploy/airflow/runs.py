"""Runs of a deployed flow as Airflow sees them: listed, looked at, and stopped."""

import time
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flow_sdk.deploy.airflow.api import AirflowApi
from flow_sdk.deploy.airflow.runtime import airflow_run_id, airflow_run_prefix
from flow_sdk.errors import DeployError, UsageError

__all__ = ["STATUSES", "DagRun", "DagRuns"]

STATUSES = {"QUEUED": "queued", "RUNNING": "running", "SUCCEEDED": "success", "FAILED": "failed"}
"""How a run stands, in the words that other orchestrators use as well, and in Airflow's."""

LOOP = "__loop."
"""Stands between a DAG's id and the loop whose passes another DAG runs."""

LOOP_CONF = "flow_sdk_loop"
"""Where the conf of a pass names the run that it is a part of."""

STARTING = 15.0
"""Seconds for which a task that was starting when its run was stopped is watched."""

LOOK_EVERY = 0.25
"""Seconds between two looks at it."""


@dataclass(frozen=True, slots=True)
class DagRun:
    """A run as Airflow sees it.

    Parameters
    ----------
    name : str
        The DAG run's id.
    run : str
        The run's id in the store.
    status : str
        One of :data:`STATUSES`.
    started, stopped : datetime or None
        When it started, and when it ended.
    type : str
        What started it: ``manual``, ``scheduled``, ``backfill``, ...
    facts : dict
        All that Airflow said of it.
    """

    name: str
    run: str
    status: str
    started: datetime | None
    stopped: datetime | None
    type: str
    facts: dict[str, Any]

    @property
    def is_running(self) -> bool:
        """Whether it goes on, or waits to begin."""
        return self.status in ("QUEUED", "RUNNING")


class DagRuns:
    """The runs of one deployed flow.

    Parameters
    ----------
    api : AirflowApi
        The Airflow.
    dag : str
        The DAG's id.
    flow : str
        The flow's name.
    """

    def __init__(self, api: AirflowApi, dag: str, flow: str) -> None:
        self.api, self.dag, self.flow = api, dag, flow

    def _of(self, facts: dict[str, Any]) -> DagRun:
        ours = {theirs: our for our, theirs in STATUSES.items()}
        name, state = str(facts["dag_run_id"]), str(facts.get("state"))
        return DagRun(
            name,
            airflow_run_id(self.dag, self.flow, name),
            ours.get(state, state.upper()),
            _moment(facts.get("start_date")),
            _moment(facts.get("end_date")),
            str(facts.get("run_type") or ""),
            facts,
        )

    def list(self, statuses: Iterable[str] = ()) -> Iterator[DagRun]:
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
        return map(self._of, self.api.dag_runs(self.dag, [STATUSES[status] for status in statuses]))

    def find(self, run: str) -> DagRun:
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
            if (facts := self.api.dag_run(self.dag, name)) is not None:
                return self._of(facts)
        if wanted.startswith(f"{prefix}sha-"):
            for found in self.list():
                if found.run == wanted:
                    return found
        raise DeployError(
            f"{self.dag} has no run {wanted} in Airflow.",
            where=self.api.url,
            help="airflow list-runs shows those there are.",
        )

    def stop(self, run: DagRun) -> None:
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
        for body in self.bodies():
            for found in list(self.api.dag_runs(body, ["queued", "running"])):
                told = (found.get("conf") or {}).get(LOOP_CONF)
                if isinstance(told, dict) and told.get("run") == run.name:
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

    def page(self, run: DagRun) -> str:
        """Address of a run's page in Airflow."""
        dag, name = (urllib.parse.quote(text, safe="") for text in (self.dag, run.name))
        if self.api.line == 3:
            return f"{self.api.url}/dags/{dag}/runs/{name}"
        return f"{self.api.url}/dags/{dag}/grid?dag_run_id={name}"

    def bodies(self) -> Sequence[str]:
        """The DAGs that run the passes of the flow's loops."""
        return [dag for dag in self.api.dag_ids(f"{self.dag}{LOOP}") if dag.startswith(f"{self.dag}{LOOP}")]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
