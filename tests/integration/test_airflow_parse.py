"""What Airflow imports for a deployed DAG file; how long that takes is measured in ``benchmarks/airflow_parse.py``."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.airflow_parse import generated_file
from tests.support.airflow_runs import ROOT
from tests.support.parts import LINES

HEAVY = ("boto3", "botocore", "obstore", "blake3", "pydantic_settings", "cloudpickle", "zstandard", "flow_sdk.store")


@pytest.mark.parametrize("line", [pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def test_nothing_heavy_is_imported_by_the_provider(line: str, airflow_python: str, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom airflow.providers.common.compat.sdk import DAG, BaseOperator, task_group\n"
        "before = set(sys.modules)\nexec(open(sys.argv[1]).read())\n"
        f"print(sorted((set(sys.modules) - before) & set({HEAVY!r})))"
    )
    path = tmp_path / "dag.py"
    path.write_text(generated_file())
    packages = os.pathsep.join((str(ROOT), str(ROOT / "provider" / "src")))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": packages}
    done = subprocess.run([airflow_python, "-c", script, str(path)], env=env, capture_output=True, text=True)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr
