"""Hostile texts through what is deployed and drawn: they are data in it, or aren't in it at all."""

import ast
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import DataArtifact, Flow, Metaflow, Run, Step, Task
from flow_sdk.graph.parse import read_graph
from flow_sdk.graph.render import render_graph
from flow_sdk.plan.codec import from_json, to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.batch.submit import JobTarget, job_arguments, read_request, save_request
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from tests.conftest import ROOT
from tests.security.hostile import CANARY, HOSTILE, no_canary, obeyed
from tests.security.hostile_flow import SHORT, flow_text
from tests.support.in_process_runs import load_source
from tests.support.parts import LINES
from tests.support.run_builder import Builder
from tests.unit.client.conftest import flow as flow  # the fixture
from tests.unit.client.html.test_views import Tags

AWS = {"FLOW_SDK_BATCH_JOB_QUEUE": "queue", "FLOW_SDK_BATCH_IMAGE": "image:1", "AWS_DEFAULT_REGION": "us-east-1"}
BY_NAME = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "flow.py").write_text(flow_text(default=SHORT["jinja_file"]), encoding="utf-8")
    return tmp_path


def call(folder: Path, *words: str) -> str:
    environment = {**os.environ, **AWS, "FLOW_SDK_USER": SHORT["jinja"], "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "flow.py", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def switch_source(text: str) -> str:
    """A flow with a text in its documentation and as a case of its switch."""
    return (
        f"from flow_sdk import FlowSpec, step\nclass F(FlowSpec):\n    __doc__ = {text!r}\n"
        f"    @step\n    def start(self):\n        {text!r}\n"
        f"        self.next({{{text!r}: self.a, 'b': self.b}}, condition='c')\n"
        "    @step\n    def a(self):\n        self.next(self.end)\n"
        "    @step\n    def b(self):\n        self.next(self.end)\n    @step\n    def end(self):\n        pass\n"
    )


def deploy_to_airflow(folder: Path, pool: str = SHORT["quotes"]) -> Path:
    options = ("--tag", SHORT["jinja"][:90], "--worker-pool", pool, "--namespace", SHORT["python"])
    call(folder, "airflow", "create", "dags", *options)
    return folder / "dags" / "Hostile.py"


def test_a_dag_file_is_data_and_one_call(folder: Path) -> None:
    text = deploy_to_airflow(folder).read_text()
    assert text.isascii() and obeyed(text) == []
    tree = ast.parse(text)
    assert [type(node).__name__ for node in tree.body] == ["ImportFrom", "Assign", "Expr"]
    (assigned,) = (node for node in tree.body if isinstance(node, ast.Assign))
    found = ast.literal_eval(assigned.value)
    defaults = {parameter["name"]: parameter.get("default") for parameter in found["plan"]["parameters"]}
    assert {defaults[name] for name in defaults if name.startswith("p_")} == {SHORT["jinja_file"]}
    variables = found["plan"]["steps"][0]["decorators"][0][1]["vars"]
    assert variables == {f"V_{name}": text for name, text in SHORT.items()}
    assert (found["namespace"], found["worker_pool"]) == (SHORT["python"], SHORT["quotes"])
    no_canary(folder)


LOAD = """
import sys
try:
    from airflow.dag_processing.dagbag import DagBag
    bag = DagBag(sys.argv[1])
except ImportError:
    from airflow.models import DagBag
    bag = DagBag(sys.argv[1], include_examples=False)
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
for task in dag.tasks:
    if any(getattr(task, field, None) for field in task.template_fields):
        values = {field: getattr(task, field) for field in task.template_fields}
        assert "canary" not in repr(values) and "__class__" not in repr(values), (task.task_id, values)
print("read", len(dag.tasks), sorted(map(str, dag.params))[:1])
"""


@pytest.mark.parametrize("line", [pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def test_airflow_reads_the_dag_file_and_renders_none_of_it(line: str, airflow_python: str, folder: Path) -> None:
    deploy_to_airflow(folder, SHORT["quotes"] if line == "airflow3" else "pool")  # 2.11 takes no such pool
    packages = os.pathsep.join((str(ROOT), str(ROOT / "provider" / "src")))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": packages, "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }  # fmt: skip
    (folder / "load.py").write_text(LOAD)
    command = [airflow_python, "load.py", str(folder / "dags")]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "read" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    no_canary(folder)


def test_a_state_machine_holds_no_value_and_no_default(folder: Path) -> None:
    words = ("--datastore-root", "s3://bucket/prefix", "step-functions", "create", "--only-json")
    definitions = []
    for default in ("x", *(SHORT[name] for name in ("intrinsic", "shell", "jsonata", "newlines"))):
        # Of the package and the plan stands one hash in the definition: that of what the start step is told.
        (folder / "flow.py").write_text(flow_text(default=default), encoding="utf-8")
        text = call(folder, *words)
        definitions.append(re.sub(r"\b[0-9a-f]{64}\b", "HASH", text))
        assert text.isascii() and CANARY not in text and not any(bad in text for bad in ("touch", "jndi", "os.system"))
    assert len(set(definitions)) == 1
    paths = [value for key, value in walk(json.loads(definitions[0])) if key.endswith(".$")]
    assert paths and all("canary" not in path for path in paths)
    no_canary(folder)


def walk(data: Any) -> Any:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from ((key, value),) if isinstance(value, str) else walk(value)
    elif isinstance(data, list):
        for value in data:
            yield from walk(value)


@BY_NAME
def test_a_job_is_told_a_name_and_a_hash(text: str) -> None:
    artifacts = Artifacts(MemoryStore())
    given = {"parameters": {"p": text, "q": [text]}, "tags": (text,), "user": text, "namespace": text, "plan": "p"}
    plain = {"parameters": {"p": "x"}, "tags": ("x",), "user": "x", "namespace": "x", "plan": "p"}
    target = JobTarget("queue", "flow-sdk-0123456789ab", {})
    digests, jobs = [], []
    for fields in (given, plain):
        request = TaskRequest("s3://b", "Hostile", "12", "start", "0", **fields)  # type: ignore[arg-type]
        digests.append(save_request(artifacts, request))
        jobs.append(job_arguments(request, digests[-1], target))
        jobs[-1]["tags"].pop("flow_sdk.user", None)
    read = read_request(artifacts, "Hostile/12/start/0", digests[0])
    assert (read.parameters, read.tags, read.user) == (given["parameters"], (text,), text)
    first, second = (json.dumps(job) for job in jobs)
    assert first.replace(digests[0], "") == second.replace(digests[1], "")


@BY_NAME
def test_a_plan_keeps_every_byte(text: str, tmp_path: Path) -> None:
    plan = compile_plan(load_source(switch_source(text), "F", str(tmp_path)), file="f.py")
    read = from_json(to_json(plan))
    assert read == plan and read["start"].cases[0] == (text, "a")
    assert to_json(plan).isascii() or to_json(plan).decode("utf-8")


@BY_NAME
def test_drawings(text: str, tmp_path: Path) -> None:
    graph = read_graph(load_source(switch_source(text), "F", str(tmp_path)))
    picture = xml.fromstring(render_graph(graph, "svg"))
    elements = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert elements <= {"svg", "title", "desc", "style", "defs", "marker", "g", "path", "rect", "text", "polygon"}
    names = {name.rpartition("}")[2] for element in picture.iter() for name in element.attrib}
    assert not [name for name in names if name.startswith("on") or name == "href"]
    quoted = r'"(?:[^"\\\n]|\\.)*"'
    tail = r"label=" + quoted + r"(?:, [a-z]+=[a-z]+)*"
    line = rf"digraph {quoted} {{|  rankdir=TB;|  node \[shape=box\];|  {quoted}(?: -> {quoted})?(?: \[{tail}\])?;|}}"
    assert all(re.fullmatch(line, one) for one in render_graph(graph, "dot").rstrip("\n").split("\n"))
    box = r's\d+(?:\{\{|\(\[|\[)"[a-z]+"(?:\}\}|\]\)|\])'
    label = r"(?:#\d+;|[\w .,'-])+"
    line = rf'flowchart TD|  {box}|  s\d+ (?:-->|-\.->|==>)(?:\|"{label}"\|)? s\d+'
    assert all(re.fullmatch(line, one) for one in render_graph(graph, "mermaid").rstrip("\n").split("\n"))
    steps = {one["name"]: one for one in json.loads(render_graph(graph, "json"))["steps"]}
    assert steps["start"]["cases"][0] == [text, "a"]


@BY_NAME
def test_pages(text: str, flow: Builder) -> None:
    tag = text[:400]
    flow.run(tags=[tag], system_tags=("user:anne", "s" + tag), values={"p": text})
    raised = {"type": text, "message": text, "stacktrace": f"{text}\n{text}"}
    flow.fail("1", "start", values={"x": text, text[:40]: 1}, exception=raised, for_good=True)
    task = Task("Shapes/1/start/0")
    for item in (Metaflow(), Flow("Shapes"), Run("Shapes/1"), Step("Shapes/1/start"), task, task["x"], task.data,
                 task.artifacts, DataArtifact("Shapes/1/start/0/x", attempt=0)):  # fmt: skip
        page = item._repr_html_()
        Tags(page)  # refuses any element and attribute that views aren't made of
        assert obeyed(page) == [] and not set(page) & set("\u202e\u2066\u2067\u200f\ufeff\u2028")
    assert task.data.x == text and task.exception is not None and task.exception.exception == text
