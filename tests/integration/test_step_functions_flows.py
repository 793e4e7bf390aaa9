"""Every example and random flows as state machines that really execute: the same artifacts as a local run."""

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.store.open_store import open_store
from tests.integration.airflow_runs import EXAMPLES, Hashes
from tests.integration.machine_runs import ROOT, MachineRun, PlacedFlow, place
from tests.integration.test_airflow_flows import CONFS, HOSTILE, VARIES, as_text, runnable
from tests.rig.step_functions import StepFunctionsServer
from tests.strategies.flows import flow_source

pytestmark = pytest.mark.step_functions

SEEDS = (3, 11, 17, 29, 42, 20002, 7, 23)
"""Random flows of the suite; ``--seeds`` adds to them."""

DISTRIBUTED = (11, 20002)


@pytest.fixture(scope="module")
def aws() -> Iterator[StepFunctionsServer]:
    with StepFunctionsServer("store", slots=3) as server:
        os.environ.update(server.env())
        yield server
        for name in server.env():
            os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def reached(aws: StepFunctionsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.env().items():
        monkeypatch.setenv(name, value)


def run(aws: StepFunctionsServer, flow: PlacedFlow, data: Any = None, **options: Any) -> MachineRun:
    return MachineRun(aws, flow, uuid.uuid4().hex).run(data, **options)


def source_of(seed: int, folder: Path) -> Path:
    (folder / "code").mkdir()
    return flow_source(seed, f"Random{seed}Flow").write(folder / "code")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gives_the_artifacts_of_a_local_run(path: Path, aws: StepFunctionsServer, tmp_path: Path) -> None:
    assert runnable(path, "")
    flow = place(aws, path, tmp_path)
    conf = CONFS.get(flow.plan.flow, {})
    words = [word for key, value in conf.items() for word in (f"--{key}", as_text(value))]
    done = run(aws, flow, conf).hashes
    assert done and without_what_varies(flow, done) == without_what_varies(flow, flow.run_locally(*words))


@pytest.mark.node
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_second_interpreter_agrees(path: Path, aws: StepFunctionsServer, tmp_path: Path) -> None:
    flow = place(aws, path, tmp_path)
    conf = CONFS.get(flow.plan.flow, {})
    words = [word for key, value in conf.items() for word in (f"--{key}", as_text(value))]
    done = MachineRun(aws, flow, uuid.uuid4().hex).run_elsewhere(conf).hashes
    assert done and without_what_varies(flow, done) == without_what_varies(flow, flow.run_locally(*words))


def without_what_varies(flow: PlacedFlow, hashes: Hashes) -> Hashes:
    varies = {artifact for name, artifact in VARIES if name == flow.plan.flow}
    return {key: value for key, value in hashes.items() if key[2] not in varies}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_flow_gives_the_artifacts_of_a_local_run(seed: int, aws: StepFunctionsServer, tmp_path: Path) -> None:
    flow = place(aws, source_of(seed, tmp_path), tmp_path)
    assert run(aws, flow).hashes == flow.run_locally()


@pytest.mark.parametrize("seed", DISTRIBUTED)
def test_distributed_maps_give_the_same(seed: int, aws: StepFunctionsServer, tmp_path: Path) -> None:
    flow = place(aws, source_of(seed, tmp_path), tmp_path, use_distributed_map=True, max_workers=60)
    assert "DISTRIBUTED" in json.dumps(flow.definition)
    assert run(aws, flow).hashes == flow.run_locally()


def test_more_seeds_on_request(request: pytest.FixtureRequest, aws: StepFunctionsServer, tmp_path: Path) -> None:
    """``--seeds N`` goes on where the fixed ones end; without it this looks at one seed that they don't have."""
    for seed in range(10_000, 10_000 + max(1, int(request.config.getoption("--seeds")))):
        folder = tmp_path / str(seed)
        folder.mkdir()
        flow = place(aws, source_of(seed, folder), folder, use_distributed_map=seed % 3 == 0)
        assert run(aws, flow).hashes == flow.run_locally(), f"seed {seed}"


LONG = HOSTILE + "x" * 100_000 + "\n\u2028\x00end"


def test_parameters_travel_as_data(aws: StepFunctionsServer, tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "parameters")
    done = run(aws, place(aws, path, tmp_path), {**CONFS["ParametersFlow"], "label": LONG})
    metadata(ROOT)
    namespace(None)
    data = Run(done.pathspec)["end"].task.data
    assert data.label == LONG
    assert data.options == {"a": [1, {"b": None}], "c": HOSTILE}


@pytest.mark.parametrize(
    ("data", "said"),
    [({"count": "many"}, "count"), ({"cuont": 1}, "count"), ([1], "isn't an object of parameters")],
)
def test_parameters_are_checked_before_the_run_begins(
    data: Any, said: str, aws: StepFunctionsServer, tmp_path: Path
) -> None:
    path = next(path for path in EXAMPLES if path.stem == "parameters")
    before = len(aws.jobs())
    done = run(aws, place(aws, path, tmp_path), data, fails=True)
    (job,) = aws.jobs()[before:]
    assert said in "\n".join(aws.log(job))
    assert open_store(ROOT).head(f"flows/{done.pathspec.replace('/', '/runs/')}/run.json") is None


def test_what_the_console_fills_in_is_no_parameter(aws: StepFunctionsServer, tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "parameters")
    run(aws, place(aws, path, tmp_path), {"Comment": "Insert your JSON here"})
