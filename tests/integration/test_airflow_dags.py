"""What Airflow sees of a deployed file: schedule, limits, pools, tags, parameters, retries, the provider itself."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.airflow_runs import FlowFile, clean_environment
from tests.support.parts import LINES

FLOW = '''
from flow_sdk import FlowSpec, JSONType, Parameter, catch, retry, schedule, step, timeout


@schedule(cron="30 6 ? * MON-FRI *", timezone="Europe/Berlin")
class LimitsFlow(FlowSpec):
    """Has limits of every kind; see README.md"""

    text = Parameter("text", default="{{ ds }}", help="any text")
    count = Parameter("some-count", default=3)
    rate = Parameter("rate", type=float)
    data = Parameter("data", type=JSONType, default='{"a": 1}')

    @retry(times=2, minutes_between_retries=5)
    @step
    def start(self):
        """Ends in a name of a file.md"""
        self.items = [1]
        self.next(self.work, foreach="items")

    @catch(var="failure")
    @timeout(minutes=3)
    @step
    def work(self):
        self.next(self.loop)

    @step
    def loop(self):
        self.next({1: self.loop, 2: self.join}, condition="c")

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    LimitsFlow()
'''

LOOK = """
import json, sys
from datetime import timedelta
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models import DagBag
bag = DagBag(sys.argv[1])
def facts(dag):
    table = dag.timetable
    return {
        "timetable": type(table).__name__,
        "cron": getattr(table, "_expression", getattr(table, "expression", None)),
        "zone": str(getattr(table, "_timezone", getattr(table, "timezone", None))),
        "catchup": dag.catchup, "tags": sorted(dag.tags), "paused": dag.is_paused_upon_creation,
        "max_active_tasks": dag.max_active_tasks, "doc": dag.doc_md,
        "timeout": dag.dagrun_timeout and dag.dagrun_timeout.total_seconds(),
        "params": {name: {"value": dag.params.get_param(name).value, **dag.params.get_param(name).schema}
                   for name in dag.params},
        "tasks": {task.task_id: {
            "retries": task.retries, "delay": task.retry_delay.total_seconds(), "pool": task.pool,
            "timeout": task.execution_timeout and task.execution_timeout.total_seconds(),
            "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)), "doc": task.doc_md,
        } for task in dag.tasks},
    }
print(json.dumps({"errors": bag.import_errors, "dags": {dag_id: facts(dag) for dag_id, dag in bag.dags.items()}}))
"""

SCHEMA = """
import json, jsonschema
from importlib.resources import files
from flow_provider.provider_info import get_provider_info
jsonschema.validate(get_provider_info(), json.loads((files("airflow") / "provider_info.schema.json").read_text()))
"""


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def python(request: pytest.FixtureRequest) -> str:
    from tests.conftest import interpreter

    return interpreter(request.param) or ""


@pytest.fixture(scope="module")
def seen(python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("limits")
    env = clean_environment(folder / "home", AIRFLOW__CORE__LOAD_EXAMPLES="False", AIRFLOW_HOME=str(folder / "airflow"))
    (folder / "dags").mkdir()
    (folder / "flow").mkdir()
    (folder / "flow" / "limits.py").write_text(FLOW)
    words = ["--max-workers", "7", "--workflow-timeout", "3600", "--worker-pool", "big", "--tag", "nightly"]
    store = ("--datastore-root", str(folder / "store"))
    flow = FlowFile(folder / "flow" / "limits.py", folder, env)
    flow.call(*store, "airflow", "create", str(folder / "dags"), "--is-paused-upon-creation", *words)
    done = subprocess.run(
        [python, "-c", LOOK, str(folder / "dags")], env=env, capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == {}
    return found["dags"]


def test_the_schedule_is_in_its_time_zone(seen: dict[str, Any]) -> None:
    dag = seen["LimitsFlow"]
    assert dag["timetable"] == "CronTriggerTimetable" and dag["cron"] == "30 6 * * 1-5"
    assert "Europe/Berlin" in dag["zone"] and dag["catchup"] is False


def test_limits_pool_tags_and_pause(seen: dict[str, Any]) -> None:
    dag, body = seen["LimitsFlow"], seen["LimitsFlow__loop.loop"]
    assert dag["max_active_tasks"] == 7 and dag["timeout"] == 3600 and dag["paused"] is True
    assert {"flow-sdk", "nightly"} <= set(dag["tags"])
    assert {task["pool"] for task in (*dag["tasks"].values(), *body["tasks"].values())} == {"big"}
    # a body is started by its loop only: it never waits for anybody to unpause it
    assert body["paused"] is False and "internal" in body["tags"] and body["timetable"] == "NullTimetable"
    assert body["max_active_tasks"] == 7 and body["timeout"] == 3600


def test_parameters_are_typed(seen: dict[str, Any]) -> None:
    params = seen["LimitsFlow"]["params"]
    assert params["text"]["value"] == "{{ ds }}" and params["text"]["type"] == "string"
    assert params["some-count"]["value"] == 3 and params["some-count"]["type"] == ["integer", "string"]
    assert params["rate"]["value"] is None and params["rate"]["type"] == ["number", "string", "null"]
    assert "object" in params["data"]["type"]


def test_retries_delays_and_time_limits(seen: dict[str, Any]) -> None:
    tasks = seen["LimitsFlow"]["tasks"]
    assert (tasks["start"]["retries"], tasks["start"]["delay"]) == (2, 300)
    assert tasks["work"]["retries"] == 1  # the try that takes over for @catch
    assert tasks["work"]["timeout"] > timedelta(minutes=3).total_seconds()
    assert tasks["end"]["retries"] == 0 and tasks["end"]["rule"] == "all_success"


def test_documentation_is_text_and_never_a_files_name(seen: dict[str, Any]) -> None:
    assert seen["LimitsFlow"]["doc"].startswith("Has limits of every kind; see README.md\n")
    assert seen["LimitsFlow"]["tasks"]["start"]["doc"] == "Ends in a name of a file.md\n"


def test_airflow_accepts_the_provider_info(python: str, tmp_path: Path) -> None:
    env = clean_environment(tmp_path / "home", AIRFLOW_HOME=str(tmp_path / "airflow"))
    done = subprocess.run([python, "-c", SCHEMA], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
