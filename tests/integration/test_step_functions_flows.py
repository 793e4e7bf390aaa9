"""Every example and random flows as state machines that really execute: the same artifacts as a local run."""

import functools
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.client import Run, metadata, namespace
from flow_sdk.deploy.step_functions import limits
from flow_sdk.deploy.step_functions.definition import MachineOptions, state_machine
from flow_sdk.deploy.step_functions.runtime import REFUSED_INPUT
from flow_sdk.deploy.step_functions.state_data import accepted_input, write_input_state
from flow_sdk.runtime.batch.definition import BatchSettings
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.layout import orchestrator_output_key
from tests.golden.compiled import plan_of
from tests.integration.test_airflow_flows import CONFS, HOSTILE, VARIES, as_text, runnable
from tests.strategies.flows import flow_source
from tests.strategies.module_state import repeated_values, with_module_state
from tests.support.airflow_runs import EXAMPLES, Hashes, hashes
from tests.support.state_machine_runs import ROOT, MachineRun, PlacedFlow, place
from tests.support.step_functions import StepFunctionsServer

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]

SEEDS = (3, 11, 17, 29, 42, 20002, 7, 23)
"""Random flows of the suite; ``--seeds`` adds to them."""

DISTRIBUTED = (11, 20002)


@pytest.fixture(scope="module")
def aws(aws: StepFunctionsServer) -> Iterator[StepFunctionsServer]:
    os.environ.update(aws.env())
    yield aws
    for name in aws.env():
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def reached(aws: StepFunctionsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.env().items():
        monkeypatch.setenv(name, value)


def run(aws: StepFunctionsServer, flow: PlacedFlow, data: Any = None, **options: Any) -> MachineRun:
    return MachineRun(aws, flow, uuid.uuid4().hex).run(data, **options)


def checked(done: MachineRun) -> MachineRun:
    """Hold the length of a run's history against what was reckoned: a case that wasn't chosen is counted too."""
    switches = any(step.kind == "switch" for step in done.flow.plan.steps)
    exact = not switches and not done.flow.options.distributed_steps(done.flow.plan)
    assert done.events == done.accounted if exact else done.events <= done.accounted
    return done


def source_of(seed: int, folder: Path) -> Path:
    (folder / "code").mkdir()
    return flow_source(seed, f"Random{seed}Flow").write(folder / "code")


@pytest.fixture(scope="module")
def executed(aws: StepFunctionsServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], MachineRun]:
    """Executes an example, once for all tests."""

    @functools.cache
    def execute(path: Path) -> MachineRun:
        assert runnable(path, "")
        flow = place(aws, path, tmp_path_factory.mktemp(path.stem))
        return run(aws, flow, CONFS.get(flow.plan.flow, {}))

    return execute


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_gives_the_artifacts_of_a_local_run(path: Path, executed: Callable[[Path], MachineRun]) -> None:
    done = checked(executed(path))
    flow, conf = done.flow, CONFS.get(done.flow.plan.flow, {})
    words = [word for key, value in conf.items() for word in (f"--{key}", as_text(value))]
    assert done.hashes and without_what_varies(flow, done.hashes) == without_what_varies(flow, flow.run_locally(*words))


def test_a_laptop_resumes_a_run_with_its_files_configs_and_decorators(aws: StepFunctionsServer, tmp_path: Path) -> None:
    flow = place(aws, next(path for path in EXAMPLES if path.stem == "configured"), tmp_path)
    done = run(aws, flow)
    id_file = tmp_path / "resumed.id"
    words = ("resume", "gather", "--origin-run-id", f"sfn-{done.name}", "--run-id-file", str(id_file))
    flow.file.call("--datastore", "s3", "--datastore-root", ROOT, *words)
    assert hashes(ROOT, f"ConfiguredFlow/{id_file.read_text()}") == done.hashes


@pytest.mark.node
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_second_interpreter_agrees(path: Path, executed: Callable[[Path], MachineRun]) -> None:
    """It submits the very same jobs, each as often, and comes to the same end."""
    done = executed(path)
    again = done.play_elsewhere(CONFS.get(done.flow.plan.flow, {}))
    assert (again["status"], again["left"]) == (done.result["status"], []), again
    assert again["output"] == done.result["output"]


def without_what_varies(flow: PlacedFlow, hashes: Hashes) -> Hashes:
    varies = {artifact for name, artifact in VARIES if name == flow.plan.flow}
    return {key: value for key, value in hashes.items() if key[2] not in varies}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_flow_gives_the_artifacts_of_a_local_run(seed: int, aws: StepFunctionsServer, tmp_path: Path) -> None:
    flow = place(aws, source_of(seed, tmp_path), tmp_path)
    assert checked(run(aws, flow)).hashes == flow.run_locally()


def test_what_a_module_makes_is_each_tasks_own_on_batch(aws: StepFunctionsServer, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    source = with_module_state(flow_source(7, "State4Flow"), 6)
    flow = place(aws, source.write(tmp_path / "code"), tmp_path)
    done = checked(run(aws, flow))
    assert without_what_varies(flow, done.hashes) == without_what_varies(flow, flow.run_locally())
    metadata(ROOT)
    namespace(None)
    assert repeated_values([task.data.own for step in Run(f"State4Flow/sfn-{done.name}") for task in step]) == {}


@pytest.mark.parametrize("seed", DISTRIBUTED)
def test_distributed_maps_give_the_same(seed: int, aws: StepFunctionsServer, tmp_path: Path) -> None:
    flow = place(aws, source_of(seed, tmp_path), tmp_path, use_distributed_map=True, max_workers=60)
    assert "DISTRIBUTED" in json.dumps(flow.definition)
    assert checked(run(aws, flow)).hashes == flow.run_locally()


def test_an_inline_map_inside_a_distributed_one_and_around_one_gives_the_same(
    aws: StepFunctionsServer, tmp_path: Path
) -> None:
    path = next(path for path in EXAMPLES if path.stem == "nested_foreach")
    outer, inner = (step.name for step in plan_of(path, "tester").steps if step.kind == "foreach")
    for few in (outer, inner):
        folder = tmp_path / few
        folder.mkdir()
        flow = place(aws, path, folder, max_workers=100, item_counts={few: 40})
        assert flow.options.distributed_steps(flow.plan) == {outer, inner} - {few}
        assert checked(run(aws, flow)).hashes == flow.run_locally()


def test_more_seeds_on_request(request: pytest.FixtureRequest, aws: StepFunctionsServer, tmp_path: Path) -> None:
    """``--seeds N`` goes on where the fixed ones end; without it this looks at one seed that they don't have."""
    for seed in range(10_000, 10_000 + max(1, int(request.config.getoption("--seeds")))):
        folder = tmp_path / str(seed)
        folder.mkdir()
        flow = place(aws, source_of(seed, folder), folder, max_workers=(40, 40, 100)[seed % 3])
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


TRAIN = """
from flow_sdk import FlowSpec, Parameter, retry, step


class InputFlow(FlowSpec):
    alpha = Parameter("alpha", type=float, default=0.1)
    folds = Parameter("folds", type=int, REQUIRED)

    @retry(times=3, minutes_between_retries=2)
    @step
    def start(self):
        self.doubled = 2 * self.alpha
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def input_flow(aws: StepFunctionsServer, folder: Path, *, required: bool = False) -> PlacedFlow:
    (folder / "code").mkdir()
    path = folder / "code" / "inputflow.py"
    path.write_text(TRAIN.replace("REQUIRED", "required=True" if required else "default=3"))
    return place(aws, path, folder)


@pytest.mark.parametrize(
    "data",
    [
        {"Parameters": json.dumps({"alpha": 0.5})},
        {"Parameters": json.dumps({"alpha": "0.5"}), "Comment": "from a rule"},
        {"Parameters": {"alpha": 0.5}},
        {"alpha": 0.5},
    ],
)
def test_every_form_of_parameters_starts_the_run(data: Any, aws: StepFunctionsServer, tmp_path: Path) -> None:
    done = run(aws, input_flow(aws, tmp_path), data)
    metadata(ROOT)
    namespace(None)
    assert Run(done.pathspec)["start"].task.data.doubled == 1.0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"alpha": "many"}, "'alpha'"),
        ({"alfa": 1}, "no parameter 'alfa'"),
        ({"Parameters": json.dumps({"alfa": 0.5})}, "no parameter 'alfa'"),
        ({"Parameters": "alpha=0.5"}, "isn't JSON"),
        ([1], "isn't an object of parameters"),
        ({}, "missing for the parameter 'folds'"),
    ],
)
def test_an_input_that_can_never_work_fails_in_the_first_state_with_the_reason(
    data: Any, said: str, aws: StepFunctionsServer, tmp_path: Path
) -> None:
    before = len(aws.jobs())
    done = run(aws, input_flow(aws, tmp_path, required=data == {}), data, fails=True)
    assert (done.result["status"], done.result["error"]) == ("FAILED", REFUSED_INPUT)
    assert said in done.result["cause"]
    (job,) = aws.jobs()[before:]
    assert said in "\n".join(aws.log(job))
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for event in aws.history(done.result["executionArn"])
        if "stateEnteredEventDetails" in event
    ]
    assert entered == ["start", "start.input", "start.accepted", "start.refused"]
    assert open_store(ROOT).head(f"flows/{done.pathspec.replace('/', '/runs/')}/run.json") is None


def test_what_the_console_fills_in_is_no_parameter(aws: StepFunctionsServer, tmp_path: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == "parameters")
    run(aws, place(aws, path, tmp_path), {"Comment": "Insert your JSON here"})


WIDE = """
from flow_sdk import FlowSpec, step


class WideFlow(FlowSpec):
    @step
    def start(self):
        self.xs = [1, 2]
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


@pytest.mark.parametrize("distributed", [False, True])
def test_more_than_a_thousand_items_and_the_length_of_their_history(
    distributed: bool, aws: StepFunctionsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine and its maps as they are; each job is a ``Pass``, as so many would take minutes."""
    path = tmp_path / "wideflow.py"
    path.write_text(WIDE)
    plan, name, items = plan_of(path, "tester"), uuid.uuid4().hex, 1_100
    settings = BatchSettings(queue="none", image="none", job_role="arn:aws:iam::123456789012:role/none")
    wanted = MachineOptions(store=ROOT, request="0" * 64, settings=settings, max_workers=100 if distributed else 40)
    key = orchestrator_output_key(plan.flow, f"sfn-{name}", "start", "0")
    open_store(ROOT).put(key, json.dumps([str(number) for number in range(items)]).encode())
    write_input_state(open_store(ROOT), plan.flow, f"sfn-{name}", accepted_input(plan, name))
    done = aws.run(without_jobs(state_machine(plan, wanted)), name=name)
    assert done["status"] == "SUCCEEDED", done
    monkeypatch.setattr(limits, "JOB_EVENTS", limits.PASS_EVENTS)
    events = limits._Events(plan, wanted.distributed_steps(plan))
    added = 0 if distributed else (items - 1) * events.of_item("start")
    assert len(aws.history(done["executionArn"])) == events.once(None) + added


def without_jobs(machine: dict[str, Any]) -> dict[str, Any]:
    """A machine whose jobs are replaced by what their results are made into."""
    made = {}
    for name, state in machine["States"].items():
        if state["Type"] == "Task" and "JobName.$" in state["Parameters"]:
            on = {key: state[key] for key in ("Next", "End", "ResultPath") if state.get(key) is not None}
            result = {"Parameters": state["ResultSelector"]} if "ResultSelector" in state else {}
            made[name] = {"Type": "Pass", **result, **on}
        elif "ItemProcessor" in state:
            made[name] = {**state, "ItemProcessor": {**state["ItemProcessor"], **without_jobs(state["ItemProcessor"])}}
        else:
            made[name] = state
    return {**machine, "States": made}


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


STOPPED = """
import os, time
from pathlib import Path
from flow_sdk import FlowSpec, current, step
from flow_sdk.store.records.layout import commit_key
from flow_sdk.store.open_store import open_store

FOLDER = Path("@FOLDER@")


def work(mended=None, after=None):
    if mended is not None and not (FOLDER / mended).exists():
        store = open_store(os.environ["FLOW_SDK_STORE"])
        while store.head(commit_key(current.flow_name, current.run_id, *after)) is None:
            time.sleep(0.1)
        raise ValueError(f"{current.step_name} isn't mended")
    with open(FOLDER / "ran", "a") as ran:
        ran.write(f"{current.step_name}/{current.task_id}\\n")


class StoppedFlow(FlowSpec):
    @step
    def start(self):
        work()
        self.next(self.a, self.b)

    @step
    def a(self):
        work()
        self.next(self.join)

    @step
    def b(self):
        work()
        self.next(self.late)

    @step
    def late(self):
        work("branch", after=("a", "1"))
        self.next(self.join)

    @step
    def join(self, inputs):
        work()
        self.xs = [5, 6]
        self.next(self.fit, foreach="xs")

    @step
    def fit(self):
        work(*(("item", ("fit", "5.0")) if self.input == 6 else ()))
        self.y = self.input
        self.next(self.gather)

    @step
    def gather(self, inputs):
        work()
        self.total = sum(each.y for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        work()


if __name__ == "__main__":
    StoppedFlow()
"""


def test_a_failed_run_goes_on_where_it_stopped_and_runs_nothing_twice(aws: StepFunctionsServer, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "stoppedflow.py"
    path.write_text(STOPPED.replace("@FOLDER@", str(tmp_path)))
    flow = place(aws, path, tmp_path)
    done = run(aws, flow, fails=True)  # in a branch
    (tmp_path / "branch").touch()
    done.redrive(fails=True)  # in an item of a foreach
    (tmp_path / "item").touch()
    done.redrive()
    ran = (tmp_path / "ran").read_text().split()
    assert sorted(ran) == sorted(
        ["start/0", "a/1", "b/2", "late/3", "join/4", "fit/5.0", "fit/5.1", "gather/6", "end/7"]
    )
    assert done.hashes == flow.run_locally()


ONCE = """
from flow_sdk import FlowSpec, current, step


class OnceFlow(FlowSpec):
    @step
    def start(self):
        self.tried = current.retry_count
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_a_job_that_batch_refuses_is_submitted_again_and_costs_no_try(aws: StepFunctionsServer, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "onceflow.py"
    path.write_text(ONCE)
    done = run(aws, place(aws, path, tmp_path, batch_tags={"rig.refuse": "1"}))
    kinds = [event["type"] for event in aws.history(done.result["executionArn"])]
    assert kinds.count("TaskSubmitted") == 2 and kinds.count("TaskScheduled") == 4
    metadata(ROOT)
    namespace(None)
    assert Run(done.pathspec)["start"].task.data.tried == 0
