"""``@airflow_dag`` and ``@airflow_task`` on both lines of Airflow; names of mapped tasks; long defaults."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import interpreter
from tests.support.airflow_runs import FlowFile, clean_environment, dag_test
from tests.support.parts import LINES

FLOW = '''
from flow_sdk import FlowSpec, Parameter, airflow_dag, airflow_task, project, step


class Thing:
    def __repr__(self):
        raise RuntimeError("an item's own code ran")


@project(name="demo")
@airflow_dag(
    owner="team-a", tags=["alerts"], start_date="2026-01-01", end_date="2036-01-01T01:00:00+01:00", max_active_runs=2,
    dagrun_timeout=3600,
    on_failure_callback={"callback": "flow_alerts.Note", "kwargs": {"text": "dag {{ dag.dag_id }}"}},
    default_args={"priority_weight": 7, "pool": "default_pool", "on_failure_callback": "flow_alerts.task_failed"},
)
class AlertFlow(FlowSpec):
    """Alerts."""

    long = Parameter("long", default="{{ 7*7 }}" * 10_000)

    @step
    def start(self):
        self.people = ["anne", "{{ 7*7 }}<script>alert(1)</script>", "x\\x1b[31m\\n" + "y" * 999, 3, Thing(), None]
        self.next(self.work, foreach="people")

    @airflow_task(
        queue="big", owner="bob", executor_config={"a": [1]}, email="ops@example.org", email_on_failure=False,
        on_success_callback=[{"callback": "flow_alerts.Note", "kwargs": {"text": "{{ ti.task_id }} is done"}}],
    )
    @step
    def work(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        if self.long:
            raise ValueError("on purpose")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    AlertFlow()
'''

ALERTS = """
import os
try:
    from airflow.sdk.bases.notifier import BaseNotifier
except ImportError:
    from airflow.notifications.basenotifier import BaseNotifier


def note(text):
    with open(os.environ["ALERTS_FILE"], "a") as file:
        file.write(text + "\\n")


def task_failed(context):
    note(f"task {context['ti'].task_id} failed")


class Note(BaseNotifier):
    template_fields = ("text",)

    def __init__(self, text):
        super().__init__()
        self.text = text

    def notify(self, context):
        note(self.text)
"""

LOOK = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models import DagBag
try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialized
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialized
bag = DagBag(sys.argv[1])
(dag,) = bag.dags.values()
fields = ("owner", "pool", "queue", "priority_weight", "email", "email_on_failure", "email_on_retry", "executor_config")
ours, theirs = dag.on_failure_callback
theirs({"dag": dag, "run_id": "r"})
tasks = {task.task_id: {field: getattr(task, field) for field in fields} for task in dag.tasks}
print(json.dumps({
    "errors": bag.import_errors, "tags": sorted(dag.tags), "runs": dag.max_active_runs, "tasks": tasks,
    "start": dag.start_date.isoformat(), "end": dag.end_date.isoformat(), "timeout": dag.dagrun_timeout.total_seconds(),
    "groups": sorted(name for name in dag.task_group_dict if name), "serialized": json.dumps(Serialized.to_dict(dag)),
}))
"""


TASKS = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models import DagBag
bag = DagBag(sys.argv[1])
def waits(dag):
    return {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks}
tasks = {dag_id: waits(dag) for dag_id, dag in bag.dags.items()}
print(json.dumps({"errors": bag.import_errors, "dags": tasks}))
"""

EARLIER = Path(__file__).parent / "earlier_release" / "all_shapes.dag"
"""The DAG file of the example ``all_shapes`` as commit 06845cc wrote it, with a plan of format 1."""

EARLIER_TASKS = {
    "AllShapesFlow": {
        "start": [],
        "gather": ["settle"],
        "reduce.loop": ["gather"],
        "end": ["reduce.loop"],
        "prepare": ["start"],
        "double": ["prepare", "start"],
        "square": ["prepare", "start"],
        "combine": ["double", "square", "start"],
        "add": ["multiply", "start"],
        "halve": ["add", "start"],
        "keep": ["add", "start"],
        "settle": ["halve", "keep", "start"],
        "combine.splits": ["combine"],
        "multiply": ["combine", "combine.splits"],
    },
    "AllShapesFlow__loop.reduce": {"reduce": []},
}
"""Its tasks, and what each waits for, as the provider of that commit made them."""


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A folder with the flow deployed, and the interpreter of an Airflow."""
    folder = tmp_path_factory.mktemp("alerts")
    for name in ("dags", "flow", "modules"):
        (folder / name).mkdir()
    (folder / "modules" / "flow_alerts.py").write_text(ALERTS)
    env = clean_environment(folder / "home", ALERTS_FILE=str(folder / "alerts.txt"))
    (folder / "flow" / "alerts.py").write_text(FLOW)
    FlowFile(folder / "flow" / "alerts.py", folder, env).call(
        "--datastore-root", str(folder / "store"), "airflow", "create", str(folder / "dags")
    )
    env["PYTHONPATH"] += f":{folder / 'modules'}"
    return {"folder": folder, "python": interpreter(request.param), "env": env}


def test_what_airflow_is_told(place: dict[str, Any]) -> None:
    folder = place["folder"]
    env = {**place["env"], "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW_HOME": str(folder / "look")}
    done = subprocess.run(
        [place["python"], "-W", "ignore", "-c", LOOK, str(folder / "dags")], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["errors"] == {} and seen["groups"] == ["people-each"]
    assert seen["tags"] == ["alerts", "flow-sdk", "project:demo", "project_branch:user.tester"]
    assert (seen["runs"], seen["timeout"]) == (2, 3600)
    assert seen["start"] == "2026-01-01T00:00:00+00:00" and seen["end"] == "2036-01-01T00:00:00+00:00"
    work, start = seen["tasks"]["work"], seen["tasks"]["start"]
    assert (work["owner"], work["queue"], work["priority_weight"]) == ("bob", "big", 7)
    assert work["executor_config"] == {"a": [1]} and work["email_on_failure"] is False
    assert "ops@example.org" in work["email"] and work["email_on_retry"] is True
    assert (start["owner"], start["queue"], start["email"]) == ("team-a", "default", None)
    assert (folder / "alerts.txt").read_text() == "dag demo.user.tester.AlertFlow\n"
    assert seen["serialized"].count("{{ 7*7 }}" * 10_000) == 1


def test_alerts_and_the_names_of_mapped_tasks(place: dict[str, Any]) -> None:
    folder: Path = place["folder"]
    runs = [{"dag": "demo.user.tester.AlertFlow"}]
    answer = dag_test(place["python"], folder / "airflow", folder / "dags", runs, place["env"])
    (run,) = answer["runs"]
    assert run["state"] == "failed", answer["log"][-3000:]
    assert run["labels"] == {
        "work 0": "0: anne",
        "work 1": "1: {{ 7*7 }}<script>alert(1)</script>",
        "work 2": "2: x [31m " + "y" * 30 + "...",
        "work 3": "3: 3",
        "work 4": "4: Thing",
        "work 5": "5: None",
    }
    told = (folder / "alerts.txt").read_text().splitlines()
    assert told.count("work is done") == 6 and told.count("task join failed") == 1


def test_a_file_that_an_earlier_release_wrote_has_the_same_tasks(place: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "all_shapes.py").write_text(EARLIER.read_text())
    env = {**place["env"], "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW_HOME": str(tmp_path / "look")}
    done = subprocess.run(
        [place["python"], "-W", "ignore", "-c", TASKS, str(tmp_path / "dags")], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {"errors": {}, "dags": EARLIER_TASKS}
