"""Every example and random flows on both Airflow lines, without a scheduler: the same artifacts as a local run.

The largest example, ``all_shapes``, runs with a scheduler (`test_airflow_server`).
"""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, Task, metadata, namespace
from tests.conftest import interpreter
from tests.strategies.flows import flow_source
from tests.strategies.module_state import OWN, repeated_values, with_module_state
from tests.support.airflow_runs import EXAMPLES, FlowFile, clean_environment, dag_test, hashes
from tests.support.parts import LINES

SEEDS = {"airflow3": (3, 11, 20002), "airflow2": (17, 29, 42)}
"""Random flows of the suite, all of which run on Step Functions, too; ``--seeds`` adds some on both lines. 11: a switch
inside a foreach; 20002: a foreach of one item around another."""

HOSTILE = "it's \"$(id)\" `id` \\ %s {{ ds }} {% raw %} \n\ttab 'ü' \U0001f600 ${HOME} ../../x; rm -rf *"

CONFS: dict[str, dict[str, Any]] = {
    "ParametersFlow": {
        "label": HOSTILE,
        "count": -7,
        "learning-rate": 1e-300,
        "verbose": False,
        "options": {"a": [1, {"b": None}], "c": HOSTILE},
        "columns": ["x", "y z", ""],
        "limit": 12,
    },
    "ModelSelectionFlow": {"rows": 200},
}
"""What runs are started with, where it isn't nothing."""

STATE = {"airflow3": 4, "airflow2": 5}
"""The random flow of each line whose module makes things of which every task has its own."""

VARIES = {
    ("RetryCatchFlow", "failure"),
    ("ScheduledFlow", "day"),
    ("ScheduledFlow", "report"),
    ("State4Flow", OWN),
    ("State5Flow", OWN),
}
"""Artifacts that hold a path, a date or random numbers."""


@pytest.fixture(scope="module", params=[pytest.param(line, marks=getattr(pytest.mark, line)) for line in LINES])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All flows deployed and run on one Airflow line, and locally."""
    python = interpreter(request.param)
    assert python is not None
    folder = tmp_path_factory.mktemp(request.param)
    env = clean_environment(folder / "home")
    (folder / "dags").mkdir()
    store = (folder / "store").as_uri()
    flows = [FlowFile(path, folder, env) for path in EXAMPLES if path.stem != "all_shapes" and runnable(path, python)]
    for seed in (*SEEDS[request.param], *range(10_000, 10_000 + request.config.getoption("--seeds"))):
        source = flow_source(seed, f"Random{seed}Flow")
        (folder / source.name).mkdir()
        flows.append(FlowFile(source.write(folder / source.name), folder, env))
    number = STATE[request.param]
    source = with_module_state(flow_source(SEEDS[request.param][0], f"State{number}Flow"), number)
    (folder / source.name).mkdir()
    flows.append(FlowFile(source.write(folder / source.name), folder, env))
    names = [flow.flow for flow in flows]
    for flow in flows:
        flow.call("--datastore-root", store, "airflow", "create", str(folder / "dags"))
    runs = [{"dag": name, "conf": CONFS.get(name)} for name in names] + [{"dag": "LoopFlow__loop.improve"}]
    answer = dag_test(python, folder / "airflow", folder / "dags", runs, env)
    by_name = {run["dag"]: run for run in answer["runs"]}
    for flow, name in zip(flows, names, strict=True):
        options = [word for key, value in CONFS.get(name, {}).items() for word in (f"--{key}", as_text(value))]
        flow.call("--datastore-root", store, "run", "--run-id-file", f"{name}.id", *options)
        by_name[name]["local"] = (folder / f"{name}.id").read_text().strip()
    return {**answer, "store": store, "folder": folder, "env": env, "runs": by_name, "state": source.name}


def runnable(path: Path, python: str) -> bool:
    """Whether what the example needs is installed on both sides."""
    return "numpy" not in path.read_text() or importlib.util.find_spec("numpy") is not None


def as_text(value: Any) -> str:
    import json

    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, dict) else str(value)


def test_all_files_import(done: dict[str, Any]) -> None:
    assert done["import_errors"] == {}


def test_all_runs_succeed_with_the_artifacts_of_a_local_run(done: dict[str, Any]) -> None:
    problems = {}
    for name, run in done["runs"].items():
        if "local" not in run:
            continue
        if run["state"] != "success":
            problems[name] = [task for task in run["tasks"] if task[2] not in ("success", "skipped")]
            continue
        local = hashes(done["store"], f"{name}/{run['local']}")
        airflow = hashes(done["store"], f"{name}/airflow-{run['run_id']}")
        left_out = {artifact for flow, artifact in VARIES if flow == name}
        different = {
            key: (local.get(key), airflow.get(key))
            for key in {*local, *airflow}
            if local.get(key) != airflow.get(key) and key[2] not in left_out
        }
        assert local
        if different:
            problems[name] = sorted(different.items())[:5]
    assert problems == {}


def test_what_a_module_makes_is_each_tasks_own(done: dict[str, Any]) -> None:
    read_from(done)
    name = done["state"]
    for run in (f"airflow-{done['runs'][name]['run_id']}", done["runs"][name]["local"]):
        assert repeated_values([task.data.own for step in Run(f"{name}/{run}") for task in step]) == {}


def test_parameters_arrive_as_they_were_given(done: dict[str, Any]) -> None:
    read_from(done)
    run = Run(f"ParametersFlow/airflow-{done['runs']['ParametersFlow']['run_id']}")
    data = run["end"].task.data
    assert data.label == HOSTILE
    assert data.options == {"a": [1, {"b": None}], "c": HOSTILE}
    assert data.columns == ["x", "y z", ""]
    assert (data.count, data.rate, data.verbose, data.limit) == (-7, 1e-300, False, 12)


def test_a_retried_step_has_its_attempts_and_a_caught_one_its_failure(done: dict[str, Any]) -> None:
    read_from(done)
    run = f"RetryCatchFlow/airflow-{done['runs']['RetryCatchFlow']['run_id']}"
    assert Task(f"{run}/fetch/1").data.attempts == 2
    caught = Task(f"{run}/enrich/2")
    assert caught.finished and not caught.successful
    assert "ZeroDivisionError" in str(caught.data.failure.type)
    assert Run(run).successful


def test_a_laptop_resumes_a_run_with_its_files_configs_and_decorators(done: dict[str, Any]) -> None:
    run = f"airflow-{done['runs']['ConfiguredFlow']['run_id']}"
    flow = FlowFile(next(path for path in EXAMPLES if path.stem == "configured"), done["folder"], done["env"])
    words = ("resume", "gather", "--origin-run-id", run, "--run-id-file", "resumed.id")
    flow.call("--datastore-root", done["store"], *words)
    resumed = (done["folder"] / "resumed.id").read_text()
    assert hashes(done["store"], f"ConfiguredFlow/{resumed}") == hashes(done["store"], f"ConfiguredFlow/{run}")
    assert Task(f"ConfiguredFlow/{run}/measure/1.1").data.counted and len(list(Run(f"ConfiguredFlow/{run}"))) == 4
    assert Task(f"ConfiguredFlow/{run}/measure/1.1").current_attempt == 1


def test_a_run_carries_namespace_and_runtime(done: dict[str, Any]) -> None:
    read_from(done)
    run = Run(f"HelloFlow/airflow-{done['runs']['HelloFlow']['run_id']}")
    assert "runtime:airflow" in run.system_tags
    assert [tag for tag in run.system_tags if tag.startswith("production:helloflow-0-")]
    assert not any(tag.startswith("user:") for tag in run.system_tags)


def test_the_log_of_a_step_is_in_airflow_and_in_the_store(done: dict[str, Any]) -> None:
    read_from(done)
    task = Task(f"HelloFlow/airflow-{done['runs']['HelloFlow']['run_id']}/end/2")
    lines = [line for line in task.stdout.splitlines() if line]
    assert lines and all(line in done["log"] for line in lines)


def test_a_loops_body_refuses_to_be_started_by_hand(done: dict[str, Any]) -> None:
    body = done["runs"]["LoopFlow__loop.improve"]
    assert body["state"] == "failed"
    assert "Trigger that one" in done["log"]


def read_from(done: dict[str, Any]) -> None:
    metadata(done["store"])
    namespace(None)
