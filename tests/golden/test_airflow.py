"""The DAG file of every example, to the last byte. ``pytest --regenerate`` writes them anew."""

import ast
import sys
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.create import CreateOptions, deployment_data
from flow_sdk.deploy.airflow.dagfile import dag_file
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.files import embed_files
from flow_sdk.plan.parameters import plan_parameters
from flow_sdk.runtime.flowfile import load_flow
from flow_sdk.spec.parameters import DeployContext

EXAMPLES = Path(__file__).resolve().parents[2] / "dags_examples"
GOLDEN = EXAMPLES / "golden" / "airflow"
FLOWS = sorted(path for path in EXAMPLES.glob("*.py") if "FlowSpec" in path.read_text())


def flow_class_of(path: Path) -> type:
    names = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    return load_flow(str(path), names[-1])


def dag_file_of(path: Path) -> str:
    """Compile an example; store, package and user are made up, so that the bytes depend on the example alone."""
    before, arguments, main = list(sys.path), list(sys.argv), sys.modules["__main__"]
    try:
        flow = flow_class_of(path)
        context = DeployContext(flow.__name__, user_name="anne")
        plan = compile_plan(flow, file=path.name, parameters=embed_files(plan_parameters(flow, context)))
    finally:
        sys.path[:], sys.argv[:], sys.modules["__main__"] = before, arguments, main
    data = deployment_data(plan, "s3://bucket/flows", "0" * 64, "1" * 64, CreateOptions(tags=("example",)))
    return dag_file(plan, data)


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_dag_file(path: Path, regenerate: bool) -> None:
    text = dag_file_of(path)
    golden = GOLDEN / path.name
    if regenerate:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in GOLDEN.glob("*.py")) == [path.name for path in FLOWS]
