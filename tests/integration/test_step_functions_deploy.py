"""Deployments to Step Functions from the command line's parts, on LocalStack and moto: versions, alias, runs, ends."""

import itertools
import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from flow_sdk.deploy.claims import KnownTokens, StoreClaims
from flow_sdk.deploy.pipeline import (
    DeletedDeployment,
    create_deployment,
    delete_deployment,
    preview_deployment,
)
from flow_sdk.deploy.port import DeploymentPreview, DeploymentSource
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.alerts import AlertRule
from flow_sdk.deploy.step_functions.changes import NOT_YET
from flow_sdk.deploy.step_functions.create import StateMachineDeployment, StateMachineDraft
from flow_sdk.deploy.step_functions.delete import StateMachineRemoval
from flow_sdk.deploy.step_functions.executions import Executions
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.step_functions.prepare import StepFunctionsOptions
from flow_sdk.deploy.step_functions.rollback import choose_version
from flow_sdk.deploy.step_functions.schedule import FlowSchedule
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.errors import AwsError, ConfigError, DeployError
from flow_sdk.runtime.batch.definition import BatchSettings
from flow_sdk.store.open_store import open_store
from flow_sdk.store.records.layout import parse_key
from flow_sdk.upkeep.store_check import check_store
from tests.integration.killed_create import create_apart
from tests.support.step_functions import StepFunctionsServer
from tests.unit.deploy.step_functions.flows import plan_of

pytestmark = [pytest.mark.aws, pytest.mark.step_functions]

DAILY = "@schedule(daily=True)"
_numbers = itertools.count()


class Deployment:
    """A flow that is deployed under a name of its own, by several people."""

    def __init__(self, aws: StepFunctionsServer, folder: Path) -> None:
        account = aws.prepare()
        self.folder, self.name, self.store = folder, f"F-{next(_numbers)}", f"s3://store/{folder.name}"
        self.settings = BatchSettings(queue=account.queue, image="image:1", job_role=account.job_role)
        self.options = StepFunctionsOptions(
            name=self.name, role=account.machine_role, scheduler_role=account.schedule_role
        )
        self.services = AwsServices()

    @property
    def machine(self) -> StateMachine:
        return StateMachine(self.name, self.services.account, self.services.states)

    @property
    def schedule(self) -> Any:
        return FlowSchedule(self.name, self.machine.alias_arn, self.services.scheduler).find_schedule()

    def gate(self, owner: str = "anne", services: AwsServices | None = None, **options: Any) -> DeployAuthorizer:
        known = KnownTokens(str(self.folder / owner), self.name)
        return DeployAuthorizer(self.name, owner, known, registry=ParameterStore(services or self.services), **options)

    def draft(self, over: str, **options: Any) -> tuple[StateMachineDraft, DeploymentSource]:
        plan, chosen = plan_of(self.folder, over), replace(self.options, **options)
        draft = StateMachineDraft(plan, chosen, self.settings, self.services)
        return draft, DeploymentSource(plan, b"package", self.store)

    def create(self, over: str = "", gate: DeployAuthorizer | None = None, **options: Any) -> StateMachineDeployment:
        made = create_deployment(*self.draft(over, **options), gate or self.gate())
        assert isinstance(made, StateMachineDeployment)
        return made

    def preview(self, over: str = "", gate: DeployAuthorizer | None = None, **options: Any) -> DeploymentPreview:
        return preview_deployment(*self.draft(over, **options), gate or self.gate())

    def delete(self, stopped: list[Any] | None = None) -> DeletedDeployment:
        return delete_deployment(
            StateMachineRemoval(self.machine, self.services), [].append if stopped is None else stopped.append
        )

    def everything(self) -> dict[str, Any]:
        """All that a deployment writes, wherever it does."""
        found = self.machine.describe_machine() or {}
        store = open_store(self.store)
        schedules = self.services.scheduler.list_schedules()["Schedules"]
        return {
            "definition": found.get("definition"),
            "versions": self.machine.list_versions() if found else [],
            "live": self.machine.find_live() if found else None,
            "schedule": [each["Name"] for each in schedules if each["Name"] == self.name],
            "alerts": AlertRule(self.name, self.services.account, self.services.events).find_topic(),
            "claim": ParameterStore(self.services).read_claim(self.name),
            "objects": sorted(info.key for info in store.list("")),
            "tokens": sorted(str(path) for path in self.folder.glob("*/tokens/*/*")),
        }


@pytest.fixture
def deployment(aws: StepFunctionsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    for name, value in aws.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return Deployment(aws, tmp_path)


def rows(preview: DeploymentPreview) -> dict[str, str]:
    """What would become of each part, by its name; job definitions that would be registered are listed below theirs."""
    return {name: text for name, text in preview.rows if name}


def test_versions_behind_an_alias(deployment):
    first = deployment.create()
    assert (first.version, first.is_changed, first.schedule_change) == (1, True, None)
    assert first.namespace == f"production:{deployment.gate().check_token(open_store(deployment.store)).token}"
    before = deployment.everything()
    again = deployment.create()
    assert (again.version, again.is_changed, again.registered) == (1, False, ())
    assert deployment.everything() == before
    second = deployment.create(DAILY, max_workers=2)
    assert (second.version, second.is_changed, second.schedule_change) == (2, True, "create")
    machine = deployment.machine
    assert machine.list_versions() == [2, 1] and machine.find_live() == 2
    # The garbage collector keeps what each version needs.
    releases = [info.key for info in open_store(deployment.store).list("deployments/") if "/tokens/" not in info.key]
    assert len(releases) == 2 and all("step-functions" in key for key in releases)
    assert '"MaxConcurrency":100' in machine.describe_machine(1)["definition"]
    assert '"MaxConcurrency":2' in machine.describe_machine(2)["definition"]
    assert deployment.schedule["Target"]["Arn"] == machine.alias_arn
    assert deployment.create(max_workers=2).schedule_change == "remove"
    assert deployment.schedule is None


def test_a_prefix_of_all_names(deployment, monkeypatch):
    assert deployment.create().unprefixed is None
    monkeypatch.setenv("FLOW_SDK_SFN_STATE_MACHINE_PREFIX", "team")
    deployment.services = AwsServices()
    made = deployment.create(DAILY, prefix="team")
    assert made.unprefixed == deployment.name
    assert made.machine == f"team_{deployment.name}" and made.result.endswith(f":stateMachine:team_{deployment.name}")
    schedules = deployment.services.scheduler.list_schedules()["Schedules"]
    assert f"team_{deployment.name}" in [each["Name"] for each in schedules]
    assert made.prepared.request.orchestrator["state_machine"] == made.machine
    assert {"the schedule", "the state machine with its versions"} <= set(deployment.delete().removed_parts)


def test_alerts_come_and_go_with_the_option(deployment):
    topic = "arn:aws:sns:us-east-1:123456789012:alerts"
    assert rows(deployment.preview(alert_topic=topic))["alerts"] == f"{topic}: would be made"
    assert deployment.create(alert_topic=topic).alert_change == "create"
    rule = AlertRule(deployment.name, deployment.services.account, deployment.services.events)
    assert rule.find_topic() == topic
    assert rows(deployment.preview(alert_topic=topic))["alerts"] == f"{topic}, as it is"
    assert deployment.create(alert_topic=topic).alert_change is None
    assert rows(deployment.preview())["alerts"] == "none: would be removed"
    assert deployment.create().alert_change == "remove" and rule.find_topic() is None
    deployment.create(alert_topic=topic)
    assert "the rule for alerts" in deployment.delete().removed_parts and rule.find_topic() is None


def test_moving_back_and_on(deployment):
    for workers in (1, 2, 3):
        deployment.create(max_workers=workers)
    machine = deployment.machine
    assert choose_version(machine, None) == 2 and machine.point_alias(2) and not machine.point_alias(2)
    assert choose_version(machine, None) == 1 and choose_version(machine, "3") == 3
    assert machine.point_alias(1)
    with pytest.raises(DeployError, match="no version before the present one"):
        choose_version(machine, None)
    for wrong in ("4", "0", "-1", "x", "²"):
        with pytest.raises(DeployError, match="has no version"):
            choose_version(machine, wrong)
    found = rows(deployment.preview(max_workers=3))
    assert "its newest version would become the live one in place of 1" in found["state machine"]
    deployed = deployment.create(max_workers=3)
    assert (deployed.version, deployed.is_changed) == (3, True) and machine.find_live() == 3


def test_a_run_keeps_the_version_that_it_began_with(deployment):
    deployment.create()
    runs = Executions(deployment.machine)
    run = runs.start_run({"p": 3})
    deployment.create(max_workers=2)
    assert runs.find_run(run.name).version == 1
    assert json.loads(runs.find_run(run.name).response["input"]) == {"p": 3}
    assert runs.start_run({}).name != run.name
    assert {runs.find_run(each.name).version for each in runs.list_runs()} == {1, 2}
    for each in list(runs.list_runs(("RUNNING",))):
        runs.stop_run(each)
    deadline = time.monotonic() + 60
    while (stopped := runs.find_run(run.name)).is_running:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert stopped.status == "ABORTED"
    with pytest.raises(DeployError, match="isn't running"):
        runs.stop_run(stopped)


def test_a_dry_run_writes_nothing_and_says_it_all(deployment):
    before = deployment.everything()
    first = deployment.preview(DAILY)
    assert deployment.everything() == before
    found = rows(first)
    assert "would be made" in found["state machine"] and "a new one would be made" in found["token"]
    assert found["schedule"] == "cron(0 0 * * ? *) in UTC: would be made" and first.difference == ()
    assert found["runs"] == f"in production:{NOT_YET}" and found["plan and code"] == "would be uploaded"
    assert found["job definitions"] == "1: 1 would be registered"
    assert len([name for name, _ in first.rows if not name]) == 1
    deployment.create(DAILY)
    before = deployment.everything()
    same = rows(deployment.preview(DAILY))
    assert same["plan and code"] == "as it is" and same["job definitions"] == "1: all are there"
    assert "stays at version 1" in same["state machine"] and same["schedule"].endswith("as it is")
    other = deployment.preview(gate=deployment.gate(renew=True), max_workers=7)
    found = rows(other)
    assert "would get a new version in place of 1" in found["state machine"] and "replaced" in found["token"]
    assert any(line.strip() == '+      "MaxConcurrency": 7,' for line in other.difference)
    assert found["schedule"] == "none: would be removed"
    hashes = [line for line in other.difference if line[:1] in "+-" and re.search("[0-9a-f]{64}", line)]
    assert [line[0] for line in hashes] == ["-"] and any(NOT_YET in line for line in other.difference)
    assert found["plan and code"] == "would change: the flow's plan, namespace"
    assert all(0 < used < allowed for _, used, allowed in other.limits)
    assert deployment.everything() == before


def wrong_machine(deployment: Deployment) -> None:
    definition = {"StartAt": "a", "States": {"a": {"Type": "Pass", "End": True}}}
    deployment.services.states.create_state_machine(
        name=deployment.name, definition=json.dumps(definition), roleArn=deployment.options.role
    )


def wrong_schedule(deployment: Deployment) -> None:
    target = {"Arn": "arn:aws:lambda:us-east-1:123456789012:function:x", "RoleArn": deployment.options.role}
    deployment.services.scheduler.create_schedule(
        Name=deployment.name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )


def no_queue(deployment: Deployment) -> None:
    deployment.settings = replace(deployment.settings, queue="rigg")


def no_role(deployment: Deployment) -> None:
    deployment.options = replace(deployment.options, role=f"{deployment.options.role}-gone")


@pytest.mark.parametrize(
    ("spoil", "kind", "text"),
    [
        (wrong_machine, DeployError, "that Flow SDK hasn't made"),
        (wrong_schedule, DeployError, "starts something else"),
        (no_queue, ConfigError, "Did you mean 'rig'?"),
        (no_role, DeployError, "The role of SFN_IAM_ROLE doesn't exist."),
    ],
)
def test_what_is_refused_has_written_nothing(deployment, spoil, kind, text):
    spoil(deployment)
    before = deployment.everything()
    with pytest.raises(kind) as refused:
        deployment.create(DAILY)
    assert text in str(refused.value)
    assert deployment.everything() == before


def test_another_person_needs_the_token(deployment):
    deployment.create()
    token = deployment.gate().check_token(open_store(deployment.store)).token
    before = deployment.everything()
    with pytest.raises(DeployError, match="under a production token of anne"):
        deployment.create(gate=deployment.gate("bob"), max_workers=3)
    with pytest.raises(DeployError, match="under a production token of anne"):
        deployment.gate("bob").check_holder(open_store(deployment.store))
    assert deployment.everything() == before
    deployment.gate("carl", authorize=token).check_holder(open_store(deployment.store))
    assert deployment.create(gate=deployment.gate("carl"), max_workers=3).version == 2


def test_a_token_that_is_replaced_meanwhile_deploys_nothing(deployment):
    deployment.create()
    renewed = []

    def renew(**_: object) -> None:
        if not renewed:
            renewed.append(deployment.gate(services=AwsServices(), renew=True))
            renewed[0].claim_name(open_store(deployment.store))

    # Job definitions are the last thing looked at before the state machine.
    deployment.services.batch.meta.events.register("before-call.batch.DescribeJobDefinitions", renew)
    with pytest.raises(DeployError, match="has generated a new production token of F-"):
        deployment.create(max_workers=2)
    assert renewed and deployment.machine.list_versions() == [1]
    assert deployment.create(max_workers=2).namespace == renewed[0].grant.namespace


def test_of_two_first_deployments_at_once_one_wins(deployment):
    """From two stores, so that only the account can decide."""
    other = Deployment.__new__(Deployment)
    other.__dict__ |= {**deployment.__dict__, "store": deployment.store + "-b", "services": AwsServices()}
    both = [(deployment, "anne"), (other, "bob")]
    gates = [(each, each.gate(who, each.services)) for each, who in both]
    for each, gate in gates:
        gate.check_token(open_store(each.store))
    told: list[object] = [None, None]
    ready = threading.Barrier(2)

    def act(number: int) -> None:
        each, gate = gates[number]
        ready.wait()
        try:
            told[number] = gate.claim_name(open_store(each.store))
        except DeployError as error:
            told[number] = error

    threads = [threading.Thread(target=act, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [each for each in told if isinstance(each, DeployError)]
    assert len(errors) == 1 and "at the same moment" in str(errors[0])


def test_a_create_killed_before_any_of_its_writes_can_be_run_again(aws, deployment, tmp_path, share):
    env = aws.env()

    def apart(one, over, at=None, **options):
        chosen = replace(one.options, **options)
        return create_apart(env, one.folder, one.store, over, chosen, one.settings, at)

    topic = "arn:aws:sns:us-east-1:123456789012:alerts"
    first, second = {"over": ""}, {"over": DAILY, "max_workers": 2, "alert_topic": topic}
    writes = [apart(deployment, **changes) for changes in (first, second)]
    assert {"PutParameter", "CreateStateMachine", "CreateStateMachineAlias", "add_token", "put_if_absent"} <= set(
        writes[0]
    )
    assert {"UpdateStateMachine", "UpdateStateMachineAlias", "CreateSchedule", "PutRule"} <= set(writes[1])
    clean = deployment.everything()
    for at in share(range(max(map(len, writes)))):
        fresh = Deployment(aws, tmp_path / str(at))
        fresh.folder.mkdir()
        fresh.store = f"s3://store/killed-{deployment.name}/{at}"
        for changes, all_writes, versions in zip((first, second), writes, ([1], [2, 1]), strict=True):
            killed = apart(fresh, at=at, **changes)
            assert (killed is None) == (at < len(all_writes)), (at, changes)
            done = fresh.create(**changes)
            assert fresh.machine.list_versions() == versions, (at, changes)
            assert done.version == fresh.machine.find_live() == versions[0], (at, changes)
            claim = ParameterStore(fresh.services).read_claim(fresh.name)
            assert claim is not None and claim.generation == 0
            assert StoreClaims(open_store(fresh.store), fresh.name).read_valid() == [claim]
        ended = fresh.everything()
        assert ended["schedule"] == [fresh.name] and ended["alerts"] == topic, at
        # A token that was noted here before anybody claimed it opens nothing; the one that counts is noted too.
        assert 1 <= len(ended["tokens"]) <= 2, (at, ended["tokens"])
        assert kinds(ended) == kinds(clean), at
        assert not check_store(open_store(fresh.store)).damage


def kinds(found: dict[str, Any]) -> list[str]:
    """The kinds of objects of a store, one for each object: what a kill leaves behind would be one more."""
    return sorted(parse_key(key).kind for key in found["objects"])


def test_delete_and_what_remains(deployment):
    deployment.create(DAILY)
    runs = Executions(deployment.machine)
    run = runs.start_run({})
    objects = deployment.everything()["objects"]
    stopped = []
    assert deployment.delete(stopped).removed_parts == [
        "the schedule",
        "the state machine with its versions",
        "the claim on its name in the SSM Parameter Store",
    ]
    assert [each.name for each in stopped] in ([run.name], [])
    left = deployment.everything()
    assert left["definition"] is None and left["schedule"] == [] and left["claim"] is None
    assert set(objects) <= set(left["objects"])
    assert deployment.delete(stopped).removed_parts == []
    # The name still belongs to whoever held the token.
    with pytest.raises(DeployError, match="under a production token of anne"):
        deployment.create(gate=deployment.gate("bob"))
    assert deployment.create(DAILY).version == 1
    assert deployment.create(DAILY, max_workers=3).version == deployment.machine.find_live() == 2


def test_old_versions_go_when_aws_takes_no_more(deployment, monkeypatch):
    monkeypatch.setattr("flow_sdk.deploy.step_functions.machine.KEPT", 2)
    for workers in (1, 2, 3, 4):
        deployment.create(max_workers=workers)
    machine = deployment.machine
    machine.point_alias(1)
    refuse_once(deployment.services.states, "UpdateStateMachine", "ServiceQuotaExceededException")
    assert deployment.create(max_workers=5).version == 5
    assert machine.list_versions() == [5, 4, 3, 1]  # 1 was live until then


def refuse_once(states: Any, operation: str, code: str) -> None:
    """Let the next call be answered with an error, before it is sent."""
    from botocore.awsrequest import AWSResponse

    left = [AWSResponse("https://aws", 400, {}, None)]

    def answer(**_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        return (left.pop(), {"Error": {"Code": code, "Message": "the reason"}}) if left else None

    states.meta.events.register(f"before-call.sfn.{operation}", answer)


def test_aws_refuses(deployment):
    deployment.create()
    refuse_once(deployment.services.states, "UpdateStateMachine", "AccessDeniedException")
    with pytest.raises(AwsError, match="AWS doesn't let us update the state machine") as refused:
        deployment.create(max_workers=2)
    assert "states:UpdateStateMachine" in str(refused.value)
    assert deployment.machine.find_live() == 1
    assert deployment.create(max_workers=2).version == 2
