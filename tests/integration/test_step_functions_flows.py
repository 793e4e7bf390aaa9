"""Every example and random flows as state machines that really execute: the same artifacts as a local run."""

import json
import os
import threading
import time
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


WIDE = """
from flow_sdk import FlowSpec, step


class WideFlow(FlowSpec):
    @step
    def start(self):
        self.xs = list(range(COUNT))
        self.next(self.body, foreach="xs")

    @step
    def body(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_the_history_of_a_distributed_foreach_stays_as_long_whatever_its_items(
    aws: StepFunctionsServer, tmp_path: Path
) -> None:
    states, lengths = aws.client("stepfunctions"), {}
    for count in (2, 9):
        folder = tmp_path / str(count)
        (folder / "code").mkdir(parents=True)
        path = folder / "code" / "wideflow.py"
        path.write_text(WIDE.replace("COUNT", str(count)))
        done = run(aws, place(aws, path, folder, use_distributed_map=True))
        history = states.get_execution_history(executionArn=done.result["executionArn"], maxResults=1000)
        lengths[count] = len(history["events"])
        metadata(ROOT)
        namespace(None)
        assert len(list(Run(done.pathspec)["body"])) == count
    assert lengths[2] == lengths[9] < 50


RECLAIMED = """
import os, time
from flow_sdk import FlowSpec, current, step


class ReclaimedFlow(FlowSpec):
    @step
    def start(self):
        print("waiting", flush=True)
        if current.retry_count == 0:
            time.sleep(120)
        self.attempts = current.retry_count + 1
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_a_machine_that_is_taken_away_costs_none_of_the_users_tries(aws: StepFunctionsServer, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "reclaimedflow.py"
    path.write_text(RECLAIMED)
    flow, before = place(aws, path, tmp_path), len(aws.jobs())

    def reclaim() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for job in aws.jobs()[before:]:
                if any("waiting" in line for line in aws.log(job)):
                    aws.reclaim(job["jobId"])
                    return
            time.sleep(0.1)

    waiting = threading.Thread(target=reclaim)
    waiting.start()
    done = run(aws, flow)
    waiting.join()
    metadata(ROOT)
    namespace(None)
    assert Run(done.pathspec)["start"].task.data.attempts == 2
    assert len(aws.jobs()) - before == 2, "the same job was started again, no new one submitted"
