"""Deployer and Step Functions: create, trigger, look, terminate, delete, against the rig's AWS."""

import os
from pathlib import Path

import pytest

from flow_sdk import DeployedFlow, Deployer
from flow_sdk.errors import AwsError, DeployError, RunFailed, UsageError
from flow_sdk.programmatic.deployer import StepFunctionsDeployedFlow
from tests.support.step_functions import StepFunctionsServer
from tests.unit.programmatic.flow_files import write

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]


@pytest.fixture
def flow(aws: StepFunctionsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    account = aws.prepare()
    settings = {
        "FLOW_SDK_BATCH_JOB_QUEUE": account.queue,
        "FLOW_SDK_BATCH_IMAGE": "image:1",
        "FLOW_SDK_BATCH_JOB_ROLE": account.job_role,
        "FLOW_SDK_SFN_IAM_ROLE": account.machine_role,
        "FLOW_SDK_DEFAULT_DATASTORE": "s3",
        "FLOW_SDK_DATASTORE_SYSROOT_S3": f"s3://store/{tmp_path.name}",
    }
    for name, value in {**aws.env(), **settings}.items():
        monkeypatch.setenv(name, value)
    return write(tmp_path)


def test_from_create_to_delete(flow: str, tmp_path: Path) -> None:
    deployed = Deployer(flow, show_output=False).step_functions(name="talk").create(max_workers=2)
    assert (deployed.name, deployed.flow_name) == ("talk", "Talk")
    assert deployed.state_machine_arn.startswith("arn:aws:states:") and "talk" in deployed.state_machine_arn
    assert deployed.production_token
    assert deployed.list_runs() == []
    hostile = "$(touch canary)\n'\"☃ States.Format('{}')"
    run = deployed.trigger(my_text=hostile, count=2, names=["p,q", hostile])
    assert run.name.startswith("sfn-") and run.pathspec == f"Talk/{run.name}"
    run.wait_for_run(check_interval=0.2, timeout=120)
    asleep = deployed.trigger(my_text="sleep")
    assert {one.name for one in deployed.list_runs()} == {run.name, asleep.name}
    asleep.wait_for_run(check_interval=0.2, timeout=120)
    assert asleep.terminate()
    wait_until(lambda: run.status == "succeeded")
    assert run.run is not None
    assert run.run.data.seen[:2] == [hostile, 2] and run.run.data.seen[5] == ["p,q", hostile]
    assert f"production:{deployed.production_token}" in run.run.system_tags
    wait_until(lambda: [one.name for one in deployed.list_runs(["SUCCEEDED"])] == [run.name])
    assert [one.name for one in deployed.list_runs(["aborted", "FAILED"])] == [asleep.name]
    with pytest.raises(UsageError, match="no option 'happy'"):
        deployed.list_runs(["happy"])
    with pytest.raises(UsageError, match="Did you mean 'count'"):
        deployed.trigger(cuont=1)
    found = DeployedFlow.from_deployment("talk", f"s3://store/{tmp_path.name}")
    assert isinstance(found, StepFunctionsDeployedFlow) and found.production_token == deployed.production_token
    assert {one.name for one in found.list_runs()} == {run.name, asleep.name}
    (listed,) = DeployedFlow.list_deployed_flows("Talk", f"s3://store/{tmp_path.name}")
    assert isinstance(listed, StepFunctionsDeployedFlow) and listed.name == "talk"
    assert found.get_triggered_run("talk", run.name, found.metadata).status == "succeeded"
    bob = {"FLOW_SDK_HOME": str(tmp_path / "bob"), "FLOW_SDK_USER": "bob"}
    other = Deployer(flow, show_output=False, env=bob).step_functions(name="talk")
    with pytest.raises(DeployError, match="token"):
        other.create()
    assert other.create(authorize=deployed.production_token).production_token == deployed.production_token
    assert deployed.delete() is True
    assert deployed.delete() is False
    with pytest.raises(DeployError, match="isn't deployed"):
        deployed.trigger()
    assert not os.path.exists("canary") and not (tmp_path / "canary").exists()


def test_a_run_that_ends_before_it_begins(flow: str, aws: StepFunctionsServer) -> None:
    deployed = Deployer(flow, show_output=False).step_functions(name="queued").create()
    before = [deployed.trigger(my_text="sleep") for _ in range(aws.slots)]
    for one in before:
        one.wait_for_run(check_interval=0.2, timeout=120)
        wait_until(lambda one=one: one.run is not None and "work" in [step.id for step in one.run])
    queued = deployed.trigger()
    assert queued.status == "pending"
    queued.terminate()
    wait_until(lambda: queued.status == "failed")
    with pytest.raises(RunFailed, match=r"(?s)ended before its first step.*ABORTED"):
        queued.wait_for_run()
    for one in before:
        one.terminate()
    deployed.delete()


def test_an_aws_that_does_not_answer(flow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.ports import free_port

    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(AwsError, match="Step Functions doesn't answer"):
        Deployer(flow, show_output=False).step_functions(name="nowhere").create()


def wait_until(condition, seconds: float = 120.0) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.3)
