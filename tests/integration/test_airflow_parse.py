"""A deployed DAG file is nearly as cheap for Airflow to import as one written by hand."""

import os
import statistics
import subprocess
from pathlib import Path

import pytest

from benchmarks.airflow_parse import generated_file, hand_written_file, parse_seconds
from tests.integration.airflow_runs import LINES

AT_MOST = 0.020
"""Seconds that a file of 100 steps may take longer than 100 plain operators."""


@pytest.mark.parametrize("line", [pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def test_100_steps_take_at_most_20_ms_longer(line: str, airflow_python: str, tmp_path: Path) -> None:
    longer = []
    for _ in range(3):
        # side by side, so that a busy machine slows both
        ours = min(parse_seconds(airflow_python, generated_file(), tmp_path, 2))
        plain = min(parse_seconds(airflow_python, hand_written_file(), tmp_path, 2))
        longer.append(ours - plain)
    assert statistics.median(longer) <= AT_MOST, longer


@pytest.mark.airflow3
@pytest.mark.parametrize("module", ["boto3", "botocore", "obstore", "blake3", "pydantic_settings", "cloudpickle"])
def test_nothing_heavy_is_imported_by_the_provider(module: str, airflow_python: str, tmp_path: Path) -> None:
    script = (
        "import sys\nfrom airflow.providers.common.compat.sdk import DAG, BaseOperator, task_group\n"
        "before = set(sys.modules)\nexec(open(sys.argv[1]).read())\n"
        f"sys.exit({module!r} in set(sys.modules) - before)"
    )
    path = tmp_path / "dag.py"
    path.write_text(generated_file())
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": os.environ["PYTHONPATH"]}
    assert subprocess.run([airflow_python, "-c", script, str(path)], env=env).returncode == 0
