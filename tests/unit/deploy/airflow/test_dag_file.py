"""The DAG file's text: readable, small, the same everywhere, and safe whatever the user writes."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_provider.deployment import read_deployment
from flow_sdk.deploy.airflow.create import AirflowOptions, deployment_data
from flow_sdk.deploy.airflow.dag_file import FIRST_LINE, dag_file
from flow_sdk.plan.codec import to_data
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from tests.strategies.flows import flow_source
from tests.support.in_process_runs import load_source

pytestmark = pytest.mark.slow  # starts processes or servers

HOSTILE = '''"""\'\'\' \\" {{ x }} \n# \r\x00\x1b[31m \u2028 \U0001f600 $(id) %s .md'''


def plan_of(source: str, name: str, folder: Path) -> FlowPlan:
    return compile_plan(load_source(source, name, str(folder)), file="f.py")


def text_of(plan: FlowPlan, **options: Any) -> str:
    return dag_file(plan, deployment_data(plan, "s3://bucket/flows", "1" * 64, "2" * 64, AirflowOptions(**options)))


def deployment_of(text: str) -> dict[str, Any]:
    (found,) = (node for node in ast.parse(text).body if isinstance(node, ast.Assign))
    value: dict[str, Any] = ast.literal_eval(found.value)
    return value


@pytest.mark.parametrize("seed", range(60))
def test_the_provider_reads_the_plan_back(seed: int, tmp_path: Path) -> None:
    source = flow_source(seed)
    plan = plan_of(source.text, source.name, tmp_path)
    text = text_of(plan)
    assert to_data(read_deployment(deployment_of(text)).plan) == to_data(plan)
    assert text.startswith(FIRST_LINE) and text.isascii()
    assert "airflow" in text.lower() and "dag" in text.lower()
    assert "\n# Flow Generated, DAG Generated, namespace production:Generated.\n" in text
    without_plan = [line for line in text.splitlines() if not line.startswith("    ")]
    assert len(without_plan) < 30
    assert max(len(line) for line in text.splitlines() if line.startswith("#")) <= 120


def test_text_of_the_user_stays_data(tmp_path: Path) -> None:
    source = (
        "from flow_sdk import FlowSpec, Parameter, step\n"
        f"class F(FlowSpec):\n    __doc__ = {HOSTILE!r}\n"
        f"    p = Parameter('p', default={HOSTILE!r}, help={HOSTILE!r})\n"
        f"    @step\n    def start(self):\n        self.next({{{HOSTILE!r}: self.a, 'b': self.b}}, condition='c')\n"
        "    @step\n    def a(self):\n        self.next(self.end)\n"
        "    @step\n    def b(self):\n        self.next(self.end)\n    @step\n    def end(self):\n        pass\n"
    )
    from flow_sdk.plan.parameters import plan_parameters

    flow = load_source(source, "F", str(tmp_path))
    plan = compile_plan(flow, file="f.py", parameters=plan_parameters(flow, None))
    text = text_of(plan, namespace=f"x{HOSTILE}", worker_pool=HOSTILE)
    found = deployment_of(text)
    assert found["plan"]["parameters"][0]["default"] == HOSTILE and found["namespace"] == f"x{HOSTILE}"
    assert [type(node).__name__ for node in ast.parse(text).body] == ["ImportFrom", "Assign", "Expr"]


def test_the_same_flow_gives_the_same_bytes_under_any_hash_seed(tmp_path: Path) -> None:
    source = flow_source(5)
    source.write(tmp_path)
    script = (
        "import sys, pathlib\n"
        "from tests.unit.deploy.airflow.test_dag_file import *\n"
        "s = flow_source(5)\n"
        "sys.stdout.write(text_of(plan_of(s.text, s.name, pathlib.Path(sys.argv[1]))))\n"
    )
    root = Path(__file__).resolve().parents[4]
    texts = {
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            env={"PYTHONPATH": f"{root}:{root / 'provider' / 'src'}", "PYTHONHASHSEED": seed, "PATH": ""},
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(texts) == 1 and texts.pop().startswith(FIRST_LINE)


def test_a_long_flow_has_a_short_header(tmp_path: Path) -> None:
    steps = "".join(
        f"    @step\n    def step_number_{n}(self):\n        self.next(self.step_number_{n + 1})\n" for n in range(100)
    )
    source = (
        "from flow_sdk import FlowSpec, step\nclass F(FlowSpec):\n"
        f"    @step\n    def start(self):\n        self.next(self.step_number_0)\n{steps}"
        "    @step\n    def step_number_100(self):\n        self.next(self.end)\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    text = text_of(plan_of(source, "F", tmp_path))
    without_plan = [line for line in text.splitlines() if not line.startswith("        ")]
    assert len(without_plan) < 40
    assert len([line for line in text.splitlines() if line.startswith("#")]) <= 16


def test_digest_names_everything_that_matters(tmp_path: Path) -> None:
    source = flow_source(1)
    plan = plan_of(source.text, source.name, tmp_path)
    digests = {
        deployment_data(plan, store, plan_hash, "2", AirflowOptions(**options))["digest"]
        for store in ("s3://a", "s3://b")
        for plan_hash in ("0", "1")
        for options in ({}, {"name": "x"}, {"tags": ("t",)}, {"max_workers": 3}, {"paused": True})
    }
    assert len(digests) == 20
