"""A task's container: its environment, what it leaves, how it ends; most tests are of a run of Step Functions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flow_sdk.deploy.step_functions.runtime import count_earlier_jobs
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.runtime.container import _Container, run_container
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from flow_sdk.store.records.commits import claim_attempt, read_task
from tests.strategies.loading import flow_text, load_flow

pytestmark = pytest.mark.slow  # starts processes or servers

MACHINE = {
    "kind": "step-functions",
    "state_machine": "Small",
    "execution": "arn:aws:states:us-east-1:123456789012:execution:Small:nightly",
}
INPUT = "flows/Small/runs/sfn-nightly/input.json"
STEPS = (
    "@retry(times=2)\nstart: self.xs = [5, 6] ; print('begun') ; self.next(self.fit, foreach='xs')",
    "fit: self.y = self.input ; self.next(self.j)",
    "j(inputs): self.total = sum(i.y for i in inputs) ; self.next(self.end)",
    "end:",
)


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    """The environment of the first task's container, with plan and code in a store."""
    code = tmp_path / "code"
    code.mkdir()
    plan = compile_plan(load_flow(flow_text(*STEPS), code), file="flow.py")
    artifacts = Artifacts(open_store(str(tmp_path / "store")))
    request = TaskRequest(
        root="",
        flow="Small",
        run="",
        step="",
        task="",
        plan=artifacts.put_bytes(to_json(plan)),
        package=artifacts.put_bytes(build_archive(str(code))),
        orchestrator=MACHINE,
    )
    return {
        **os.environ,
        "FLOW_SDK_STORE": str(tmp_path / "store"),
        "FLOW_SDK_TASK": "Small/sfn-nightly/start/0",
        "FLOW_SDK_REQUEST": artifacts.put_bytes(request.to_json()),
    }


def run(told: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flow_sdk.runtime.batch.container"]
    return subprocess.run(command, env={**told, **more}, capture_output=True, text=True, timeout=60)


def test_a_run_goes_on_from_its_record_alone(told: dict[str, str]) -> None:
    first = run(told)
    assert first.returncode == 0, first.stderr
    assert "begun" in first.stdout
    store = open_store(told["FLOW_SDK_STORE"])
    assert json.loads(store.get("flows/Small/runs/sfn-nightly/steps/start/0/next.json")) == ["0", "1"]
    del told["FLOW_SDK_REQUEST"]
    for task in ("fit/1.0", "fit/1.1", "j/2", "end/3"):
        assert run(told, FLOW_SDK_TASK=f"Small/sfn-nightly/{task}").returncode == 0
    done = read_task(store, "Small", "sfn-nightly", "end", "3")
    assert done is not None and done.successful
    assert store.head("flows/Small/runs/sfn-nightly/steps/fit/1.0/next.json") is None


def test_a_second_delivery_of_a_task_runs_nothing_and_ends_well(told: dict[str, str]) -> None:
    assert run(told).returncode == 0
    open_store(told["FLOW_SDK_STORE"]).delete(["flows/Small/runs/sfn-nightly/steps/start/0/next.json"])
    again = run(told)
    assert again.returncode == 0 and "begun" not in again.stdout
    assert open_store(told["FLOW_SDK_STORE"]).head("flows/Small/runs/sfn-nightly/steps/start/0/next.json") is not None


def test_the_job_is_in_the_task_record(told: dict[str, str]) -> None:
    run(told, AWS_BATCH_JOB_ID="abc", AWS_BATCH_JOB_ATTEMPT="2", AWS_BATCH_JQ_NAME="queue")
    done = read_task(open_store(told["FLOW_SDK_STORE"]), "Small", "sfn-nightly", "start", "0")
    assert done is not None and done.environment["batch"] == {"job": "abc", "attempt": "2", "queue": "queue"}


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ({"FLOW_SDK_MOST_ITEMS": "1"}, "2 tasks, more than the limit of 1"),
        ({"FLOW_SDK_EVENTS": '{"limit":40,"once":33,"each":{"fit":8}}'}, "the run's history has room for 1."),
    ],
)
def test_a_foreach_that_is_too_large_fails_with_the_way_out(
    bound: dict[str, str], said: str, told: dict[str, str]
) -> None:
    done = run(told, **bound, FLOW_SDK_RETRIES="0")
    assert done.returncode == 2
    assert said in done.stderr and "--use-distributed-map" in done.stderr


def test_a_try_after_one_that_no_other_can_help_ends_at_once(told: dict[str, str]) -> None:
    assert run(told, FLOW_SDK_MOST_ITEMS="1", FLOW_SDK_RETRIES="0").returncode == 2
    again = run(told, FLOW_SDK_MOST_ITEMS="1", FLOW_SDK_RETRIES="1")
    assert again.returncode == 2 and again.stdout == ""
    assert "The try before ended with this; no other can help." in again.stderr
    redriven = run(told, FLOW_SDK_MOST_ITEMS="1", FLOW_SDK_RETRIES="0")
    assert "begun" in redriven.stdout


class States:
    """The one call of Step Functions that a start task makes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def describe_execution(self, executionArn: str) -> dict[str, str]:
        assert executionArn == MACHINE["execution"]
        return {"input": self.text}


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ('{"nosuch": 1}', 2, "The flow has no parameter 'nosuch'."),
        ("[1, 2]", 2, "isn't an object of parameters"),
        ('{"Comment": "Insert your JSON here"}', 0, ""),
        ("{}", 0, ""),
    ],
)
def test_the_input_of_a_flow_without_parameters(
    text: str, code: int, said: str, told: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("flow_sdk.aws.clients.make_client", lambda service: States(text))
    assert run_container({**told, "FLOW_SDK_EXECUTION": MACHINE["execution"]}) == code
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"nosuch": 1}', "no parameter 'nosuch'"),
        ("[1, 2]", "isn't an object"),
        ('{"Parameters": "{"}', "isn't JSON"),
        (f'{{"a": {"1" * 5000}}}', "can't be read"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "can't be read"),
    ],
)
def test_an_input_that_can_never_work_ends_the_job_well_where_the_machine_reads_why(
    text: str, said: str, told: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr("flow_sdk.aws.clients.make_client", lambda service: States(text))
    env = {**told, "FLOW_SDK_EXECUTION": MACHINE["execution"], "FLOW_SDK_REFUSABLE": "1"}
    assert run_container(env) == 0
    assert said in capfd.readouterr().err
    store = open_store(told["FLOW_SDK_STORE"])
    answer = json.loads(store.get(INPUT))
    assert answer["run"] == "nightly" and said in answer["refused"]
    assert [info.key for info in store.list("flows/Small/runs/sfn-nightly/")] == [INPUT]


def test_an_input_that_was_taken_gives_the_machine_its_data(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_sdk.aws.clients.make_client", lambda service: States("{}"))
    env = {**told, "FLOW_SDK_EXECUTION": MACHINE["execution"], "FLOW_SDK_REFUSABLE": "1"}
    for _ in range(2):  # Batch may start a job twice
        assert run_container(env) == 0
        assert json.loads(open_store(told["FLOW_SDK_STORE"]).get(INPUT)) == {"run": "nightly"}


def test_a_step_that_fails_is_no_refused_input(told: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flow_sdk.aws.clients.make_client", lambda service: States("{}"))
    env = {**told, "FLOW_SDK_EXECUTION": MACHINE["execution"], "FLOW_SDK_REFUSABLE": "1", "FLOW_SDK_MOST_ITEMS": "1"}
    assert run_container(env) == 2
    assert open_store(told["FLOW_SDK_STORE"]).head(INPUT) is None


def test_a_lost_machine_and_a_throttled_call_are_no_try(told: dict[str, str]) -> None:
    # The first submission was throttled, the job's machine was taken away, and Batch starts it anew.
    store = open_store(told["FLOW_SDK_STORE"])
    run(told)
    code = {**told, "FLOW_SDK_TASK": "Small/sfn-nightly/j/2", "FLOW_SDK_RETRIES": "1"}
    place = ("Small", "sfn-nightly", "j", "2")
    claim_attempt(store, *place, {"batch": {"job": "one", "attempt": "1"}})
    container = _Container({**code, "AWS_BATCH_JOB_ID": "one"})
    assert count_earlier_jobs(container.task) == 0
    # Of another job it would have been one: the step failed, and Step Functions tried it again.
    assert count_earlier_jobs(_Container({**code, "AWS_BATCH_JOB_ID": "two"}).task) == 1
    claim_attempt(store, *place, {"host": "x"})
    assert count_earlier_jobs(container.task) == 1


def test_an_attempt_says_of_which_job_it_is(told: dict[str, str]) -> None:
    run(told, AWS_BATCH_JOB_ID="abc", AWS_BATCH_JOB_ATTEMPT="2")
    facts = json.loads(
        open_store(told["FLOW_SDK_STORE"]).get("flows/Small/runs/sfn-nightly/steps/start/0/0/start.json")
    )
    assert facts["batch"] == {"job": "abc", "attempt": "2"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"FLOW_SDK_STORE": ""}, "FLOW_SDK_STORE isn't set"),
        ({"FLOW_SDK_TASK": ""}, "FLOW_SDK_TASK isn't set"),
        ({"FLOW_SDK_TASK": "Small/sfn-nightly"}, "isn't a task"),
        ({"FLOW_SDK_REQUEST": ""}, "hasn't begun"),
        ({"FLOW_SDK_STORE": "/nowhere/at/all"}, "/nowhere/at/all"),
    ],
)
def test_what_is_wrong_is_said(
    change: dict[str, str], said: str, told: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_container({**told, **change}) == 1
    assert said in capsys.readouterr().err
