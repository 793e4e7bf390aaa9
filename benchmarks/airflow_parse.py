"""How long Airflow needs to import a deployed DAG file, against one written by hand with as many plain operators.

``python -m benchmarks.airflow_parse PYTHON`` with the interpreter of an Airflow prints both. Each import is in a fresh
process that has Airflow itself loaded, as the DAG processor's are.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from flow_sdk.deploy.airflow.create import AirflowOptions, deployment_data
from flow_sdk.deploy.airflow.dag_file import dag_file
from flow_sdk.plan.model import FlowPlan, StepPlan

__all__ = ["STEPS", "generated_file", "hand_written_file", "parse_seconds"]

STEPS = 100
TIMES = 7

ROOT = Path(__file__).resolve().parent.parent

HAND_WRITTEN = """
from datetime import datetime
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG(dag_id="HandWritten", schedule=None, start_date=datetime(2000, 1, 1), catchup=False) as dag:
    before = None
    for number in range({steps}):
        task = BashOperator(task_id=f"step_{{number}}", bash_command="true", retries=2, doc_md="One of many steps.")
        if before is not None:
            before >> task
        before = task
"""

MEASURE = """
import json, sys, time
from airflow.providers.common.compat.sdk import DAG, BaseOperator, Param, TriggerRule, conf, task_group
text = open(sys.argv[1]).read()
began = time.perf_counter()
module = {"__name__": "parsed", "__file__": sys.argv[1]}
exec(compile(text, sys.argv[1], "exec"), module)
seconds = time.perf_counter() - began
dags = [value for value in module.values() if isinstance(value, DAG)]
print(json.dumps({"seconds": seconds, "tasks": len(max((dag.task_dict for dag in dags), key=len))}))
"""


def generated_file(steps: int = STEPS) -> str:
    """The DAG file of a chain of steps with retries and documentation."""
    names = [f"step_{number}" for number in range(steps)]
    plan = FlowPlan(
        flow="Generated",
        file="generated.py",
        doc="A long chain.",
        steps=tuple(
            StepPlan(
                name=name,
                kind="linear" if number < steps - 1 else "end",
                next=tuple(names[number + 1 : number + 2]),
                parents=tuple(names[max(0, number - 1) : number]),
                decorators=(("retry", {"times": 2, "minutes_between_retries": 2}),),
                doc="One of many steps.",
                line=number,
            )
            for number, name in enumerate(names)
        ),
    )
    return dag_file(plan, deployment_data(plan, "s3://bucket/flows", "0" * 64, "1" * 64, AirflowOptions()))


def hand_written_file(steps: int = STEPS) -> str:
    """A DAG file with as many plain operators in a chain."""
    return HAND_WRITTEN.format(steps=steps)


def parse_seconds(python: str, text: str, folder: Path, times: int = TIMES) -> list[float]:
    """Import a DAG file several times in an Airflow's interpreter.

    Parameters
    ----------
    python : str
        The interpreter.
    text : str
        The file.
    folder : Path
        For the file and Airflow's home.
    times : int
        How often (>= 1).

    Returns
    -------
    list of float
        Seconds of each import.
    """
    path = folder / "parsed_dag.py"
    path.write_text(text, encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    env = {
        **kept,
        "HOME": str(folder),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "provider" / "src"))),
    }
    found = []
    for _ in range(times + 1):  # the first one writes byte code
        done = subprocess.run(
            [python, "-c", MEASURE, str(path)], env=env, check=True, capture_output=True, text=True, cwd=folder
        )
        facts = json.loads(done.stdout.splitlines()[-1])
        assert facts["tasks"] == STEPS, facts
        found.append(facts["seconds"])
    return found[1:]


def main() -> None:
    """Measure one interpreter's Airflow and print both times."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("written by hand", hand_written_file()), ("deployed", generated_file())):
            seconds = parse_seconds(sys.argv[1], text, Path(folder))
            print(f"{name:>16}: {statistics.median(seconds) * 1000:6.1f} ms for {STEPS} tasks")


if __name__ == "__main__":
    main()
