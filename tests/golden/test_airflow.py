"""The DAG file of every example, to the last byte. ``pytest --regenerate`` writes them anew."""

from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.create import AirflowOptions, deployment_data
from flow_sdk.deploy.airflow.dag_file import dag_file
from tests.golden.compiled import EXAMPLES, FLOWS, plan_of

GOLDEN = EXAMPLES / "golden" / "airflow"


def dag_file_of(path: Path) -> str:
    """Deploy an example; store, package and user are made up, so that the bytes depend on the example alone."""
    plan = plan_of(path)
    data = deployment_data(plan, "s3://bucket/flows", "0" * 64, "1" * 64, AirflowOptions(tags=("example",)))
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
