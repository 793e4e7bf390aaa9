"""What create says of a deployment that isn't an error: pools, paused DAGs, second files, changed graphs, resources."""

from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.advice import changed_steps, deployment_advice, paused_advice
from flow_sdk.deploy.airflow.api import AirflowApi
from flow_sdk.deploy.airflow.create import AirflowOptions, deployment_data
from flow_sdk.deploy.airflow.dag_file import dag_file
from flow_sdk.deploy.airflow.dag_location import open_location
from flow_sdk.deploy.airflow.login import TokenLogin
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from tests.support.airflow_web_server import airflow3, data, web_server
from tests.support.in_process_runs import load_source

FLOW = """
from flow_sdk import FlowSpec, airflow_task, batch, resources, step

class F(FlowSpec):
{first}    @step
    def start(self):
        self.next(self.work)

{second}    @step
    def work(self):
        self.next(self.{after})
{between}
    @step
    def end(self):
        pass
"""
FLOW_ARGS = """
from flow_sdk import FlowSpec, airflow_dag, step

@airflow_dag(default_args={{"pool": "{}"}})
class F(FlowSpec):
    @step
    def start(self):
        pass
"""
MORE = """
    @step
    def more(self):
        self.next(self.end)
"""


def plan_of(folder: Path, first: str = "", second: str = "", between: str = "") -> FlowPlan:
    """Compile the flow with decorators on its first two steps, and a step more or not."""
    first, second = (f"    {text}\n" if text else "" for text in (first, second))
    text = FLOW.format(first=first, second=second, between=between, after="more" if between else "end")
    return compile_plan(load_source(text, "F", str(folder)), file="f.py")


def text_of(plan: FlowPlan, **options: object) -> str:
    chosen = AirflowOptions(**options)  # type: ignore[arg-type]
    return dag_file(plan, deployment_data(plan, "s3://b/f", "0" * 64, None, chosen))


def advice(
    folder: Path, plan: FlowPlan, api: AirflowApi | None = None, beside: tuple[str, ...] = (), **options: object
) -> str:
    place = open_location(str(folder), "F")
    return "\n".join(deployment_advice(plan, AirflowOptions(**options), place, beside, api))  # type: ignore[arg-type]


def test_a_plain_deployment_says_nothing(tmp_path: Path) -> None:
    assert advice(tmp_path, plan_of(tmp_path)) == ""


def test_resources_that_nothing_honours(tmp_path: Path) -> None:
    said = advice(tmp_path, plan_of(tmp_path, "@resources(cpu=2)", "@resources(memory=9000)"))
    assert said.startswith("@resources has no effect on steps start, work:")
    said = advice(tmp_path, plan_of(tmp_path, "@resources(cpu=2)", "@resources(memory=9000)\n    @batch"))
    assert said.startswith("@resources has no effect on step start:")
    assert advice(tmp_path, plan_of(tmp_path, "@resources(cpu=2)\n    @airflow_task(queue='big')")) == ""


def test_a_second_file_of_the_same_dag(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    for name, dag in (("F.py", "F"), ("old.py", "F"), ("other.py", "other")):
        (tmp_path / name).write_text(text_of(plan, name=dag))
    beside = tuple(str(tmp_path / name) for name in ("F.py", "old.py", "other.py", "gone.py"))
    said = advice(tmp_path, plan, beside=beside)
    assert said.count("defines the DAG F as well") == 1 and "old.py" in said


def test_the_steps_that_change(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert changed_steps("", plan) == changed_steps(text_of(plan), plan) == []
    assert changed_steps(text_of(plan_of(tmp_path, "@resources(cpu=2)")), plan) == []
    assert changed_steps(text_of(plan_of(tmp_path, between=MORE)), plan) == ["work", "more"]
    for broken in ("D = {", "DEPLOYMENT = {}", "DEPLOYMENT = print()", "DEPLOYMENT = {'plan': 1}", "x = 1", "\0"):
        assert changed_steps(broken, plan) == []


def airflow(pools: tuple[str, ...] = (), runs: tuple[str, ...] = (), forbidden: bool = False, **details: object):
    """An Airflow 3 that has pools, and the DAG F with details where there are any."""

    def answer(method, path, headers, body):
        if forbidden and ("/pools" in path or "/dags" in path):
            return data({"detail": "Forbidden"}, 403)
        if "/pools/" in path:
            return data({"name": "x"}) if path.rpartition("/")[2] in pools else data({"detail": "none"}, 404)
        if path.endswith("/details") and details:
            return data({"dag_id": "F", **details})
        if "/dagRuns" in path:
            found = [{"dag_run_id": run, "state": "running"} for run in runs]
            return data({"dag_runs": found, "total_entries": len(found)})
        return None

    return web_server(airflow3(answer))


def test_pools_that_arent_there(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "@airflow_task(pool='gpus')", "@airflow_task(pool='there')")
    with airflow(pools=("there",)) as web:
        said = advice(tmp_path, plan, AirflowApi(web.url, login=TokenLogin("t", "a test")), worker_pool="nosuch")
    shared = FLOW_ARGS.format("shared")
    with airflow() as web:
        api = AirflowApi(web.url, login=TokenLogin("t", "a test"))
        plan_with = compile_plan(load_source(shared, "F", str(tmp_path)), file="f.py")
        assert "no pool shared" in advice(tmp_path, plan_with, api)
        assert "no pool shared" not in advice(tmp_path, plan_with, api, worker_pool="other")
    assert "no pool nosuch" in said and "no pool gpus" in said and "there:" not in said
    with airflow(forbidden=True) as web:
        said = advice(tmp_path, plan, AirflowApi(web.url, login=TokenLogin("t", "a test")), worker_pool="nosuch")
    assert said == "Whether Airflow has the pool nosuch isn't known: your role lacks 'can read on Pools'."


def test_an_airflow_that_fails_keeps_nobody_from_deploying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_sdk.deploy.airflow.api.PAUSES", ())
    (tmp_path / "F.py").write_text(text_of(plan_of(tmp_path, between=MORE)))
    failing = airflow3(lambda method, path, *_: data({}, 500) if "/dags" in path or "/pools" in path else None)
    with web_server(failing) as web:
        api = AirflowApi(web.url, login=TokenLogin("t", "a test"))
        assert advice(tmp_path, plan_of(tmp_path), api, worker_pool="p") == "" and paused_advice(api, "F") == []


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"is_paused": True, "fileloc": "/dags/F.py"}, "is paused in Airflow"),
        ({"is_paused": False, "fileloc": "/dags/old.py"}, "from another file, /dags/old.py"),
        ({"is_paused": False, "fileloc": "/dags/old.py", "is_stale": True}, ""),
        ({"is_paused": False, "fileloc": "/dags/F.py"}, ""),
    ],
)
def test_what_airflow_knows_of_the_dag(details: dict[str, object], text: str, tmp_path: Path) -> None:
    with airflow(**details) as web:
        said = advice(tmp_path, plan_of(tmp_path), AirflowApi(web.url, login=TokenLogin("t", "a test")))
    assert text in said and bool(said) is bool(text)


def test_runs_in_progress_that_a_changed_graph_would_break(tmp_path: Path) -> None:
    (tmp_path / "F.py").write_text(text_of(plan_of(tmp_path, between=MORE)))
    plan = plan_of(tmp_path)
    assert "The graph has changed (work, more)" in advice(tmp_path, plan)
    for runs, text in (((), ""), (("m1",), "while 1 run is in progress: m1."), (("m1", "m2"), "while 2 runs are")):
        with airflow(runs=runs) as web:
            said = advice(tmp_path, plan, AirflowApi(web.url, login=TokenLogin("t", "a test")))
        assert text in said and bool(said) is bool(text)
