"""The rig itself: small state machines with known outcomes, on the interpreter the other tests use."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_server import BatchServer
from tests.support.step_functions import StepFunctionsServer

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]

BUCKET = "store"
SUBMIT = "arn:aws:states:::batch:submitJob.sync"
GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
WRITE = """
import json, os, sys
import boto3
told = {name: os.environ[name] for name in ("ITEM", "TRY", "AWS_BATCH_JOB_ATTEMPT")}
boto3.client("s3").put_object(Bucket="store", Key=os.environ["ITEM"], Body=json.dumps(told))
sys.exit(3 if os.environ["TRY"] < os.environ["WORKS_AT"] else 0)
"""


@pytest.fixture(scope="module")
def aws(aws: StepFunctionsServer) -> StepFunctionsServer:
    define(aws, "write", ["python", "-c", WRITE])
    define(aws, "sleep", ["python", "-c", "import time; print('asleep'); time.sleep(600)"])
    return aws


def define(server: BatchServer, name: str, command: list[str], **more: Any) -> None:
    resources = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}]
    container = {"image": "rig", "command": command, "resourceRequirements": resources}
    server.client("batch").register_job_definition(
        jobDefinitionName=name, type="container", containerProperties=container, **more
    )


def chain(**states: dict[str, Any]) -> dict[str, Any]:
    """States one after the other."""
    names = [*states, None]
    made = {}
    for (name, state), after in zip(states.items(), names[1:], strict=True):
        moves = "Next" in state or "End" in state or state["Type"] in ("Choice", "Fail", "Succeed")
        made[name] = state if moves else {**state, **({"Next": after} if after else {"End": True})}
    return {"StartAt": names[0], "States": made}


def job(item: str, works_at: int = 0, definition: str = "write", **more: Any) -> dict[str, Any]:
    """A task whose job writes an object named by a path of the state's data."""
    environment = [
        {"Name": "ITEM", "Value.$": f"States.Format('{{}}', {item})"},
        {"Name": "TRY", "Value.$": "States.Format('{}', $$.State.RetryCount)"},
        {"Name": "WORKS_AT", "Value": str(works_at)},
    ]
    parameters = {
        "JobName": "j",
        "JobDefinition": definition,
        "JobQueue": "rig",
        "ContainerOverrides": {"Environment": environment},
    }
    return {"Type": "Task", "Resource": SUBMIT, "Parameters": parameters, "ResultPath": None, **more}


def written(server: BatchServer, prefix: str) -> list[str]:
    listed = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [found["Key"] for found in listed.get("Contents", [])]


def put(server: BatchServer, key: str, value: object) -> None:
    server.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(value))


def test_branches_run_and_are_joined(aws: StepFunctionsServer) -> None:
    branches = [chain(a=job("$.a")), chain(b=job("$.b"))]
    machine = chain(
        both={"Type": "Parallel", "Branches": branches, "ResultPath": None},
        named={"Type": "Pass", "Parameters": {"run.$": "$$.Execution.Name"}},
    )
    ended = aws.run(machine, {"a": "branches/a", "b": "branches/b"}, name="a-name")
    assert (ended["status"], ended.get("output")) == ("SUCCEEDED", {"run": "a-name"})
    assert written(aws, "branches/") == ["branches/a", "branches/b"]


def test_a_map_in_a_map_over_lists_from_s3(aws: StepFunctionsServer) -> None:
    put(aws, "items.json", [0, 1])
    read = {
        "Type": "Task",
        "Resource": GET_OBJECT,
        "Parameters": {"Bucket": BUCKET, "Key": "items.json"},
        "ResultSelector": {"list.$": "States.StringToJson($.Body)"},
        "ResultPath": "$.items",
    }
    inner = {
        "Type": "Map",
        "ItemsPath": "$.items.list",
        "ItemSelector": {"item.$": "States.Format('nested/{}.{}', $.at, $$.Map.Item.Value)"},
        "ItemProcessor": chain(write=job("$.item")),
    }
    outer = {
        "Type": "Map",
        "ItemsPath": "$.items.list",
        "ItemSelector": {"at.$": "$$.Map.Item.Value"},
        "ItemProcessor": chain(inner_read=read, inner=inner),
    }
    ended = aws.run(chain(read=read, outer=outer))
    assert ended["status"] == "SUCCEEDED", ended
    assert written(aws, "nested/") == ["nested/0.0", "nested/0.1", "nested/1.0", "nested/1.1"]


def distributed(states: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": BUCKET, "Key": "distributed.json"},
        },
        "ItemSelector": {"item.$": "States.Format('distributed/{}', $$.Map.Item.Value)", "run.$": "$.run"},
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **states},
        "Label": "each",
        "MaxConcurrency": 3,
    }


def test_a_distributed_map_reads_its_list_and_has_executions_of_its_own(aws: StepFunctionsServer) -> None:
    put(aws, "distributed.json", [0, 1, 2])
    name = {"Type": "Pass", "Parameters": {"run.$": "$.run", "own.$": "$$.Execution.Name"}}
    begin = {"Type": "Pass", "Parameters": {"run.$": "$$.Execution.Name"}}
    ended = aws.run(chain(begin=begin, each=distributed(chain(write=job("$.item"), name=name))), name="the-run")
    assert ended["status"] == "SUCCEEDED", ended
    assert written(aws, "distributed/") == ["distributed/0", "distributed/1", "distributed/2"]
    assert {one["run"] for one in ended["output"]} == {"the-run"}
    assert len({one["own"] for one in ended["output"]} - {"the-run"}) == 3


def test_a_distributed_map_fails_with_a_child(aws: StepFunctionsServer) -> None:
    put(aws, "distributed.json", [0, 1])
    begin = {"Type": "Pass", "Parameters": {"run": "r"}}
    ended = aws.run(chain(begin=begin, each=distributed(chain(no={"Type": "Fail", "Error": "No"}))))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


def test_a_choice_reads_from_s3_where_to_go_and_loops(aws: StepFunctionsServer) -> None:
    put(aws, "choice/0", {"next": "again"})
    put(aws, "choice/1", {"next": "done"})
    read = {
        "Type": "Task",
        "Resource": GET_OBJECT,
        "Parameters": {"Bucket": BUCKET, "Key.$": "States.Format('choice/{}', $.pass)"},
        "ResultSelector": {"next.$": "States.StringToJson($.Body)"},
        "ResultPath": "$.read",
    }
    choices = [{"Variable": "$.read.next.next", "StringEquals": name, "Next": name} for name in ("again", "done")]
    machine = {
        "StartAt": "read",
        "States": {
            "read": {**read, "Next": "choose"},
            "choose": {"Type": "Choice", "Choices": choices},
            "again": {"Type": "Pass", "Parameters": {"pass.$": "States.MathAdd($.pass, 1)"}, "Next": "read"},
            "done": {"Type": "Pass", "Parameters": {"passes.$": "$.pass"}, "End": True},
        },
    }
    assert aws.run(machine, {"pass": 0}).get("output") == {"passes": 1}


def test_a_failing_job_is_tried_again_and_its_exit_code_reported(aws: StepFunctionsServer) -> None:
    retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    works = aws.run(chain(a=job("$.a", works_at=1, Retry=retry)), {"a": "retry/works"})
    assert works["status"] == "SUCCEEDED", works
    fails = aws.run(chain(a=job("$.a", works_at=2, Retry=retry)), {"a": "retry/fails"})
    assert (fails["status"], fails["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(fails["cause"])["Attempts"][0]["Container"]["ExitCode"] == 3
    told = json.loads(aws.client("s3").get_object(Bucket=BUCKET, Key="retry/fails")["Body"].read())
    assert told == {"ITEM": "retry/fails", "TRY": "1", "AWS_BATCH_JOB_ATTEMPT": "1"}


def test_the_error_of_a_job_in_a_map_or_branch_is_that_of_the_execution(aws: StepFunctionsServer) -> None:
    fails = chain(a=job("$.a", works_at=9))
    mapped = {"Type": "Map", "ItemsPath": "$.list", "ItemSelector": {"a": "error/map"}, "ItemProcessor": fails}
    parallel = {"Type": "Parallel", "Branches": [chain(in_map=mapped)]}
    for state in (mapped, parallel):
        ended = aws.run(chain(top=state), {"list": [0]})
        assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")


def test_stopping_an_execution_ends_its_job(aws: StepFunctionsServer) -> None:
    states = aws.client("stepfunctions")
    machine = states.create_state_machine(
        name="stopped",
        definition=json.dumps(chain(a=job("$.a", definition="sleep"))),
        roleArn=aws.prepare().machine_role,
    )
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"], input='{"a": "x"}')["executionArn"]

    def its_job() -> dict[str, Any]:
        return aws.jobs()[-1]

    wait(lambda: its_job()["jobDefinition"].endswith("/sleep:1") and its_job()["status"] == "RUNNING")
    wait(lambda: aws.log(its_job()) == ["asleep"])
    assert of_job(its_job()["jobId"])
    states.stop_execution(executionArn=execution)
    assert aws.wait(execution)["status"] == "ABORTED"
    wait(lambda: its_job()["status"] == "FAILED")
    assert not of_job(its_job()["jobId"])


def test_versions_aliases_and_the_name_of_an_execution(aws: StepFunctionsServer) -> None:
    states = aws.client("stepfunctions")

    def answering(word: str) -> str:
        return json.dumps(chain(a={"Type": "Pass", "Result": word}))

    role = aws.prepare().machine_role
    first = states.create_state_machine(name="aliased", definition=answering("one"), roleArn=role, publish=True)
    machine = first["stateMachineArn"]
    route = [{"stateMachineVersionArn": first["stateMachineVersionArn"], "weight": 100}]
    alias = states.create_state_machine_alias(name="live", routingConfiguration=route)["stateMachineAliasArn"]
    second = states.update_state_machine(stateMachineArn=machine, definition=answering("two"), publish=True)

    def run(name: str, arn: str = alias) -> Any:
        return aws.wait(states.start_execution(stateMachineArn=arn, name=name, input="{}")["executionArn"])["output"]

    assert run("before") == "one"
    assert run("by-version", first["stateMachineVersionArn"]) == "one"
    assert run("newest", machine) == "two"
    route = [{"stateMachineVersionArn": second["stateMachineVersionArn"], "weight": 100}]
    states.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=route)
    assert run("after") == "two"
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=alias, name="after", input='{"other": 1}')


def test_a_job_sees_nothing_of_the_tests_environment(aws: StepFunctionsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    define(aws, "show", ["python", "-c", "import json, os, sys; print(json.dumps([sys.executable, dict(os.environ)]))"])
    batch = aws.client("batch")
    batch.submit_job(jobName="show", jobQueue="rig", jobDefinition="show")
    wait(lambda: aws.jobs()[-1]["status"] == "SUCCEEDED")
    (line,) = aws.log(aws.jobs()[-1])
    executable, environment = json.loads(line)
    assert executable == sys.executable
    assert environment["AWS_ENDPOINT_URL_SFN"] == aws.states_url
    assert not {name for name in environment if name.startswith(("PYTEST", "FLOW_TEST"))}
    assert environment["HOME"] != os.environ["HOME"]


def test_nothing_is_left_of_a_server_that_stops() -> None:
    with StepFunctionsServer() as server:
        define(server, "sleep", ["setsid", "--wait", "sleep", "600"])
        server.prepare()
        for _ in range(6):
            server.client("batch").submit_job(jobName="sleep", jobQueue="rig", jobDefinition="sleep")
        wait(lambda: server.jobs()[0]["status"] == "RUNNING")
        job_id, url = server.jobs()[0]["jobId"], server.url
        assert of_job(job_id)
    assert not of_job(job_id)
    assert not [pid for pid in processes() if url.encode() in variables(pid)]


def wait(ready: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def variables(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "environ").read_bytes() + Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


def of_job(job_id: str) -> list[str]:
    return [pid for pid in processes() if f"AWS_BATCH_JOB_ID={job_id}".encode() in variables(pid)]
