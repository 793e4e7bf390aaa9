"""Flow files and files beside them that are named like a module which is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.cli.shadowing import OTHERS, UNUSED, check_file_name
from flow_sdk.errors import UsageError
from tests.conftest import ROOT
from tests.strategies.loading import flow_text

pytestmark = pytest.mark.slow  # starts processes or servers

START = "\nif __name__ == '__main__':\n    Small()\n"

IMPORT_ALL = """
import importlib, pkgutil, sys
import boto3, flow_sdk
for found in pkgutil.walk_packages(flow_sdk.__path__, "flow_sdk."):
    # The suites of flow_sdk.testing are for pytest, which imports more, and no flow runs under it.
    if not found.name.endswith("__main__") and not found.name.startswith("flow_sdk.testing."):
        importlib.import_module(found.name)
for service in ("s3", "batch", "stepfunctions", "sts", "secretsmanager", "scheduler", "logs"):
    boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
import cloudpickle, obstore, blake3, zstandard, multiprocessing.pool, concurrent.futures
print(*{name.partition(".")[0] for name in sys.modules})
"""


def run(folder: Path, file: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, file, *words], cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )


@pytest.mark.parametrize("name", ["random", "typing", "ast", "six"])
def test_a_flow_file_that_hides_a_module_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text(flow_text("start: pass") + START)
    done = run(tmp_path, f"{name}.py", "check")
    assert done.returncode == 2
    assert f"error: The file {name}.py hides " in done.stderr and f"my_{name}.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_beside_the_flow_that_hides_a_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(flow_text("start: pass") + START)
    (tmp_path / "ast.py").write_text("TREES = ['oak']\n")
    done = run(tmp_path, "train.py", "check")
    assert done.returncode == 2
    assert "error: The file ast.py hides Python's own module 'ast'" in done.stderr
    assert "bug in Flow SDK" not in done.stderr


def test_other_names_are_free() -> None:
    for name in ("train", "test", "profile", "statistics_flow"):
        check_file_name(f"/flows/{name}.py")
    check_file_name("")  # a notebook
    with pytest.raises(UsageError):
        check_file_name("/flows/queue.py")


def test_nothing_that_is_imported_is_held_for_unused() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORT_ALL], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert loaded & UNUSED == set()
    assert {"boto3", "blake3", "obstore"} <= loaded & OTHERS
    foreign = {name for name in loaded - sys.stdlib_module_names - OTHERS if not name.startswith("_")}
    assert foreign <= {"flow_sdk"}, "modules that flow files may not be named like"
