"""Deploying flows and comparing their runs, for the tests on Airflow."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.ids import airflow_run_prefix
from tests.support.guardian import MARK

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path for path in (ROOT / "dags_examples").glob("*.py") if "FlowSpec" in path.read_text())

Hashes = dict[tuple[str, str, str], str]

KEPT = (MARK, "PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "FLOW_TEST_AIRFLOW3", "FLOW_TEST_AIRFLOW2")


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment without anything of the person who runs the tests."""
    home.mkdir(parents=True, exist_ok=True)
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "HOME": str(home),
        "FLOW_SDK_USER": "tester",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "provider" / "src"))),
        **more,
    }


@dataclass(frozen=True)
class FlowFile:
    """A flow file and how to call it.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        Where it is called.
    env : dict
        The environment.
    """

    path: Path
    folder: Path
    env: dict[str, str]

    def call(self, *words: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Call the file's command line; what it ends with is checked."""
        command = [sys.executable, str(self.path), *words]
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600)
        assert (done.returncode != 0) is fails, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def flow(self) -> str:
        """The flow's name."""
        return str(json.loads(self.call("show", "--format", "json").stdout)["flow"])


def hashes(root: str, pathspec: str) -> Hashes:
    """The hash of each artifact of a run by step, task and name."""
    metadata(root)
    namespace(None)
    return {
        (step.id, task.id, artifact.id): artifact.sha for step in Run(pathspec) for task in step for artifact in task
    }


def dag_run_id(dag: str, flow: str, run: str) -> str:
    """Airflow's own id of a run, from its id in the store, which ``airflow trigger`` prints."""
    prefix = airflow_run_prefix(dag, flow)
    assert run.startswith(prefix), run
    return run.removeprefix(prefix)


def dag_test(python: str, home: Path, dags: Path, runs: list[dict[str, Any]], env: dict[str, str]) -> dict[str, Any]:
    """Run DAGs without a scheduler in an Airflow's interpreter, with a database of their own."""
    home.mkdir(parents=True, exist_ok=True)
    env = {
        **env,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    request, result, log = home / "request.json", home / "result.json", home / "log"
    request.write_text(json.dumps({"folder": str(dags), "runs": runs}))
    script = str(ROOT / "tests" / "support" / "dag_test.py")
    with open(log, "wb") as output:
        for command in ([python, "-m", "airflow", "db", "migrate"], [python, "-P", script, str(request), str(result)]):
            done = subprocess.run(command, env=env, stdout=output, stderr=subprocess.STDOUT, timeout=900)
            assert done.returncode == 0, log.read_text("utf-8", "replace")[-4000:]
    answer: dict[str, Any] = json.loads(result.read_text())
    assert "error" not in answer, answer["error"]
    return {**answer, "log": log.read_text("utf-8", "replace")}
