"""Runs in Airflow: found by either id, listed page by page, stopped together with the passes of their loops."""

import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowRefused
from flow_sdk.deploy.airflow.dag_location import open_location
from flow_sdk.deploy.airflow.declaration import AIRFLOW
from flow_sdk.deploy.airflow.delete import DagRemoval, check_location
from flow_sdk.deploy.airflow.login import TokenLogin
from flow_sdk.deploy.airflow.runs import DagRuns
from flow_sdk.deploy.airflow.runtime import airflow_run_id
from flow_sdk.deploy.pipeline import delete_deployment
from flow_sdk.deploy.port import TargetRequest
from flow_sdk.errors import DeployError, UsageError


def fact(name: str, state: str = "running", conf: Any = None) -> dict[str, Any]:
    started = None if state == "queued" else "2026-01-31T10:00:00Z"
    ended = "2026-01-31T10:01:00Z" if state in ("success", "failed") else None
    return {
        "dag_run_id": name,
        "state": state,
        "start_date": started,
        "end_date": ended,
        "run_type": "manual",
        "conf": conf or {},
    }


class Airflow(AirflowApi):
    """An Airflow that holds runs by DAG, and keeps what it was told."""

    def __init__(self, runs: dict[str, list[dict[str, Any]]], line: int = 3) -> None:
        super().__init__("http://airflow", login=TokenLogin("t", "a test"))
        self._line, self.held, self.told, self.page = line, runs, [], 2
        self.refuse: str | None = None
        self.tasks: list[dict[str, Any]] = []

    def send_request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        parts = urllib.parse.urlsplit(path)
        given = urllib.parse.parse_qs(parts.query)
        words = [urllib.parse.unquote(word) for word in parts.path.strip("/").split("/")]
        if method != "GET":
            self.told.append((method, words[1:], body))
            return (409, {"detail": "tasks are running"}) if self.refuse == method else (200, {})
        if words == ["dags"]:
            ids = [
                dag for dag in self.held if given["dag_id_pattern"][0].replace("_", "?")[:3] in dag.replace("_", "?")
            ]
            return 200, self._page("dags", [{"dag_id": dag} for dag in ids], given)
        runs = self.held.get(words[1], [])
        if len(words) == 3:
            wanted = [run for run in runs if run["state"] in given.get("state", [run["state"]])]
            return 200, self._page("dag_runs", wanted, given)
        found = [run for run in runs if run["dag_run_id"] == words[3]]
        if words[4:] == ["taskInstances"]:
            return 200, self._page("task_instances", self.tasks, given)
        return (200, found[0]) if found else (404, {})

    def _page(self, name: str, found: list[Any], given: dict[str, list[str]]) -> dict[str, Any]:
        offset = int(given["offset"][0])
        return {name: found[offset : offset + self.page], "total_entries": len(found)}


def test_runs_are_listed_page_by_page_in_our_words() -> None:
    states = ["queued", "running", "success", "failed", "success"]
    runs = DagRuns(Airflow({"F": [fact(f"m{i}", state) for i, state in enumerate(states)]}), "F", "F")
    assert [run.status for run in runs.list_runs()] == ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert [run.run for run in runs.list_runs(["SUCCEEDED", "FAILED"])] == ["airflow-m2", "airflow-m3", "airflow-m4"]
    queued, running, done = next(runs.list_runs()), runs.find_run("m1"), runs.find_run("m2")
    assert queued.started is None and queued.is_running and running.is_running and not done.is_running
    assert done.stopped is not None and done.started is not None and (done.stopped - done.started).seconds == 60


def test_a_run_is_found_by_either_id() -> None:
    long = "x" * 250
    names = ["manual__1", "airflow-odd", long, "a/b c"]
    for dag in ("F", "team.F"):
        runs = DagRuns(Airflow({dag: [fact(name) for name in names]}), dag, "F")
        for name in names:
            ours = airflow_run_id(dag, "F", name)
            assert runs.find_run(name).name == runs.find_run(ours).name == runs.find_run(f"F/{ours}").name == name
        with pytest.raises(DeployError, match="has no run airflow-none"):
            runs.find_run("airflow-none")
        for wrong in ("", "F/", "x" * 251):
            with pytest.raises(UsageError, match="isn't a run of Airflow"):
                runs.find_run(wrong)


def test_a_run_is_stopped_with_its_loops_passes_and_no_others() -> None:
    loop = "F__loop.work"
    airflow = Airflow(
        {
            "F": [fact("m1"), fact("m2", "success")],
            loop: [
                fact("p0", "success", {"flow_sdk_loop": {"run": "m1"}}),
                fact("p1", "running", {"flow_sdk_loop": {"run": "m1"}}),
                fact("other", "running", {"flow_sdk_loop": {"run": "m9"}}),
                fact("by-hand", "queued", {"flow_sdk_loop": "m1"}),
            ],
            "FX_loop.work": [fact("p1", "running", {"flow_sdk_loop": {"run": "m1"}})],
        }
    )
    runs = DagRuns(airflow, "F", "F")
    runs.stop_run(runs.find_run("m1"))
    assert airflow.told == [
        ("PATCH", ["F", "dagRuns", "m1"], {"state": "failed"}),
        ("PATCH", [loop, "dagRuns", "p1"], {"state": "failed"}),
    ]
    with pytest.raises(DeployError, match="isn't running"):
        runs.stop_run(runs.find_run("m2"))
    assert len(airflow.told) == 2


def test_pages_of_a_run() -> None:
    for line, wanted in ((3, "/dags/F/runs/a%2Bb"), (2, "/dags/F/grid?dag_run_id=a%2Bb")):
        runs = DagRuns(Airflow({"F": [fact("a+b")]}, line), "F", "F")
        assert runs.run_page(runs.find_run("a+b")) == f"http://airflow{wanted}"


class Clock:
    """A time that passes with each sleep."""

    def __init__(self, on_sleep: Callable[[float], None]) -> None:
        self.now, self.on_sleep = 0.0, on_sleep

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep(self.now)


@pytest.mark.parametrize("brought_back", ["running", "success"])
def test_a_run_that_a_starting_task_brings_back_is_marked_again(brought_back, monkeypatch) -> None:
    run = fact("m1")
    airflow = Airflow({"F": [run]}, line=2)
    task = {"task_id": "work", "state": "failed", "start_date": "2026-01-31T10:00:00Z", "pid": None}
    done = {"task_id": "start", "state": "success", "start_date": "2026-01-31T10:00:00Z", "pid": 7}
    airflow.tasks = [done, {**done, "task_id": "end", "state": "skipped", "pid": None}, task]

    def passes(now: float) -> None:
        run["state"] = "failed"
        if now == 1:
            run["state"], task["pid"] = brought_back, 8

    clock = Clock(passes)
    monkeypatch.setattr("flow_sdk.deploy.airflow.runs.time", clock)
    runs = DagRuns(airflow, "F", "F")
    runs.stop_run(runs.find_run("m1"))
    assert airflow.told == [("PATCH", ["F", "dagRuns", "m1"], {"state": "failed"})] * 3 and clock.now == 1.25
    # One whose process never comes is waited for a while only.
    run["state"], task["pid"] = "running", None
    runs.stop_run(runs.find_run("m1"))
    assert 15 < clock.now < 20
    # And so is an Airflow that doesn't keep what it is told.
    clock.on_sleep = lambda now: None
    run["state"], began = "running", clock.now
    runs.stop_run(runs.find_run("m1"))
    assert 15 < clock.now - began < 20


def test_what_airflow_refuses_is_said_and_the_file_stays_until_the_runs_are_stopped(tmp_path, monkeypatch) -> None:
    from tests.unit.deploy.airflow.test_dag_location import TEXT

    clock = Clock(lambda now: None)
    monkeypatch.setattr("flow_sdk.deploy.airflow.delete.time", clock)
    open_location(str(tmp_path), "F").write_file(TEXT)
    airflow = Airflow({"F": [fact("m1"), fact("m2")]})
    request = TargetRequest(
        command="airflow delete",
        target=AIRFLOW,
        name="F",
        flow="F",
        flow_class=None,
        store="",
        options={"history": True},
    )
    location, seen = open_location(str(tmp_path), "F"), []
    removal = DagRemoval(location, DagRuns(airflow, "F", "F"), None, request)
    airflow.refuse = "PATCH"
    with pytest.raises(AirflowRefused, match=r"can't stop run m1 \(HTTP 409\)"):
        delete_deployment(removal, seen.append)
    assert (tmp_path / "F.py").exists() and [run.name for run in seen] == ["m1"]
    airflow.refuse = "DELETE"
    with pytest.raises(AirflowRefused, match="can't delete DAG F"):
        delete_deployment(removal, seen.append)
    assert not (tmp_path / "F.py").exists() and 90 <= clock.now < 100

    def ended(now: float) -> None:  # what was stopped needs a while
        airflow.refuse = "DELETE" if now < 130 else None

    clock.on_sleep = ended
    deleted = delete_deployment(removal, seen.append)
    assert deleted.removed_parts == ["the history of its runs in Airflow"] and deleted.stopped == 2
    assert clock.now == 130


def test_a_file_that_airflow_has_the_dag_from_under_another_name(tmp_path) -> None:
    place = open_location(str(tmp_path / "x.py"), "F")
    check_location(place, "F", None)
    check_location(place, "F", {"fileloc": "/opt/dags/x.py"})
    with pytest.raises(DeployError, match="from another file") as raised:
        check_location(place, "F", {"fileloc": "/opt/dags/F.py"})
    assert "/opt/dags/F.py" in str(raised.value)
