"""Names of mapped tasks: position and text of the item, from what the foreach step has left in the store."""

from pathlib import Path
from typing import Any

from flow_provider.deployment import DagFileDeployment
from flow_provider.labels import KEY, TEMPLATE, label_task
from flow_provider.task_context import TaskContext
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.local.scheduler import TaskKey
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.codec import encode_record
from flow_sdk.store.records.layout import run_key
from tests.support.in_process_runs import InProcessRun, load_source

FLOW = """
from flow_sdk import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.people = ["anne", "{{ 7*7 }}"]
        self.next(self.outer, foreach="people")

    @step
    def outer(self):
        self.numbers = [1, 2, 3]
        self.next(self.inner, foreach="numbers")

    @step
    def inner(self):
        self.passes = getattr(self, "passes", 0) + 1
        self.next({1: self.inner, 2: self.after}, condition="passes")

    @step
    def after(self):
        self.next(self.low)

    @step
    def low(self, inputs):
        self.next(self.high)

    @step
    def high(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


class AirflowRun(InProcessRun):
    """A run whose tasks Airflow has started."""

    def attempt(self, key: TaskKey, left: int, **request: Any) -> Any:
        return super().attempt(key, left, orchestrator={"kind": "airflow"}, **request)


def label(store: str, plan: FlowPlan, step: str, position: str, run: str = "1") -> str:
    deployment = DagFileDeployment(dag="F", digest="d", plan=plan, store=store, plan_hash="0")
    context: dict[str, Any] = {}
    label_task(context, deployment, plan[step], TaskContext("F", "x", run, position, 0, 0, 0))
    return str(context[KEY])


def test_names_of_the_tasks_of_nested_foreachs_and_loops(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    done = AirflowRun(load_source(FLOW, "F", str(tmp_path)), store=store).run()
    key = run_key("F", "1")
    store.put_if_absent(key, encode_record(done.record, key))
    assert len(done.task("start").environment["items"]) == 2
    names = {
        ("outer", "1"): "1: {{ 7*7 }}",
        ("inner", "0.2"): "0.2: 3",  # where its loop stands
        ("inner", "0.2-1"): "0.2-1: 3",
        ("after", "1.0"): "1.0: 1",
        ("low", "0"): "0: anne",
        ("end", "0"): "0",
        ("outer", "7"): "7",  # no such item
        ("outer", "x"): "x",
    }
    assert {place: label(store.url, done.plan, *place) for place in names} == names
    assert label(store.url, done.plan, "outer", "1", run="2") == "1", "a run that hasn't begun"
    assert label(str(tmp_path / "nowhere"), done.plan, "outer", "1") == "1"


def test_other_targets_keep_no_texts(tmp_path: Path) -> None:
    done = InProcessRun(load_source(FLOW, "F", str(tmp_path))).run()
    assert "items" not in done.task("start").environment


def test_a_name_is_no_template_itself() -> None:
    import jinja2

    template = jinja2.Environment(autoescape=False).from_string(TEMPLATE)
    assert template.render({KEY: "1: {{ 7*7 }}"}) == "1: {{ 7*7 }}" and template.render({}) == ""
