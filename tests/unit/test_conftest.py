"""What the suite leaves out where something isn't installed, and what it doesn't leave out in CI."""

import os
import subprocess
import sys

import pytest

from tests.style.tree import ROOT

pytestmark = pytest.mark.slow  # starts processes or servers

VARIABLES = ("FLOW_TEST_AIRFLOW3", "FLOW_TEST_AIRFLOW2", "FLOW_TEST_LOCALSTACK", "FLOW_TEST_NODE_MODULES", "CI")


def collect(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Collect tests of all kinds, as pytest does in that environment."""
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    files = ("tests/integration/test_stories.py", "tests/integration/test_support_second_interpreter.py")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=ROOT, env={**env, **environment}, capture_output=True, text=True, timeout=300)


def test_a_laptop_may_leave_out_what_it_lacks() -> None:
    done = collect()
    assert "left out: airflow3 (FLOW_TEST_AIRFLOW3 isn't set)" in done.stdout and done.returncode in (0, 5), done.stdout


def test_ci_must_have_airflow_and_step_functions() -> None:
    done = collect(CI="true", FLOW_TEST_AIRFLOW2="x")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "CI is set, but not FLOW_TEST_AIRFLOW3 (for 2 tests), FLOW_TEST_LOCALSTACK (for " in done.stderr
    assert "FLOW_TEST_AIRFLOW2" not in done.stderr


def test_ci_may_do_without_node_containers_and_terraform() -> None:
    done = collect(CI="true", FLOW_TEST_AIRFLOW3="x", FLOW_TEST_AIRFLOW2="x", FLOW_TEST_LOCALSTACK="x")
    assert done.returncode == 0 and "left out: node (FLOW_TEST_NODE_MODULES isn't set)" in done.stdout, done.stdout
