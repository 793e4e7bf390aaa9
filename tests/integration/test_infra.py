"""The templates of infra/: well formed, alike, made as a stack, and with rights for what we do and no more."""

import json
import os
import subprocess
import sys

import botocore.exceptions
import pytest
from cfnlint.api import lint_all
from moto.iam.access_control import IAMPolicy, PermissionResult

from flow_sdk.authoring.project import claim_name
from flow_sdk.aws.errors import _OPERATIONS
from flow_sdk.deploy.step_functions.account import AwsAccount
from flow_sdk.deploy.step_functions.machine import ALIAS
from flow_sdk.deploy.step_functions.names import parameter_name, rule_name, schedule_name
from flow_sdk.errors import ObjectExists, ObjectMissing, StoreUnavailable
from flow_sdk.store.records.layout import (
    commit_key,
    events_prefix,
    failure_key,
    files_prefix,
    index_prefix,
    log_key,
    orchestrator_output_key,
    release_key,
    run_input_key,
    run_key,
    start_key,
    tag_prefix,
    task_heartbeat_key,
    token_key,
)
from tests.support.infra_stack import (
    TEMPLATE,
    actions,
    as_user,
    clients,
    enforce,
    load_template,
    make_stack,
    managed_policy,
    role_policy,
    terraform_actions,
)
from tests.support.moto import ACCOUNT, MotoServer
from tests.support.stores import s3_store

pytestmark = pytest.mark.aws

BUCKET = "the-store"
PREFIX = "flow-sdk"
"""The stack's name, which the names of all flows begin with."""
PLACE = AwsAccount("aws", ACCOUNT, "us-east-1", PREFIX)
MACHINE = PLACE.machine_arn(PLACE.name_of("search.user.anne.TrainFlow"))
OTHER = AwsAccount("aws", ACCOUNT, "us-east-1")
EXECUTION = PLACE.execution_arn(PLACE.name_of("TrainFlow"), "4f1c")
HERE = f"us-east-1:{ACCOUNT}"
JOB, DEFINITION = f"arn:aws:batch:{HERE}:job/8d1a", f"arn:aws:batch:{HERE}:job-definition/flow-sdk-0123456789ab"
QUEUE, RULE = f"arn:aws:batch:{HERE}:job-queue", f"arn:aws:events:{HERE}:rule"
SCHEDULES = f"arn:aws:scheduler:{HERE}:schedule/default"
SCHEDULE = f"{SCHEDULES}/{schedule_name('TrainFlow', PREFIX)}"
SSM = f"arn:aws:ssm:{HERE}:parameter"
STORE = f"arn:aws:s3:::{BUCKET}"
NEXT = orchestrator_output_key("TrainFlow", "sfn-4f1c", "fan", "1")
WRITTEN_BY_JOBS = (
    run_key("TrainFlow", "sfn-4f1c"),
    run_input_key("TrainFlow", "sfn-4f1c"),
    index_prefix("TrainFlow", "date") + "1-sfn-4f1c",
    tag_prefix("TrainFlow", "sfn-4f1c") + "nightly",
    start_key("TrainFlow", "sfn-4f1c", "start", "1", 0),
    commit_key("TrainFlow", "sfn-4f1c", "start", "1"),
    log_key("TrainFlow", "sfn-4f1c", "start", "1", 0, 0),
    task_heartbeat_key("TrainFlow", "sfn-4f1c", "start", "1", 0),
    failure_key("TrainFlow", "sfn-4f1c", "start", "1"),
    events_prefix("TrainFlow", "sfn-4f1c", "run") + "start=1=8",
    files_prefix("TrainFlow", "sfn-4f1c") + "model/=.start.1.0/x",
    NEXT,
)
DOCUMENTS = {
    "JobRole": "job",
    "ExecutionRole": "execution",
    "StateMachineRole": "state_machine",
    "SchedulerRole": "scheduler",
    "DeployerPolicy": "deployer",
}
OUTPUTS = {
    "JobRole": "BatchJobRole",
    "ExecutionRole": "BatchExecutionRole",
    "StateMachineRole": "SfnIamRole",
    "SchedulerRole": "EventsSfnAccessIamRole",
}


@pytest.fixture(scope="module")
def moto():
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="module")
def stack(moto):
    return make_stack(moto, "flow-sdk", Bucket=BUCKET)


@pytest.fixture(scope="module")
def policies(moto, stack):
    """What each role and the deployers may do, as AWS gets it."""
    found = {role: role_policy(moto, stack[output]) for role, output in OUTPUTS.items()}
    return {**found, "DeployerPolicy": managed_policy(moto, stack["DeployerPolicy"])}


def documents(template):
    for name in DOCUMENTS:
        properties = template["Resources"][name]["Properties"]
        yield name, properties.get("PolicyDocument") or properties["Policies"][0]["PolicyDocument"]


def problems(text):
    """What cfn-lint says but for mere remarks."""
    return [str(match) for match in lint_all(text) if not match.rule.id.startswith("I")]


def permitted(policy, action, resource):
    return IAMPolicy({"policy_document": json.dumps(policy)}).is_action_permitted(action, resource) is (
        PermissionResult.PERMITTED
    )


def test_cfn_lint_finds_nothing():
    text = TEMPLATE.read_text(encoding="utf-8")
    assert problems(text) == []
    assert problems(text.replace("MaxvCpus: !Ref", "MaxCpus: !Ref"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_cloudformation_and_terraform_allow_the_same_actions(name):
    ours = actions(dict(documents(load_template()))[name])
    assert ours
    assert terraform_actions(DOCUMENTS[name]) == ours


def test_nothing_is_allowed_by_a_star():
    for name, document in documents(load_template()):
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not [action for action in statement["Action"] if "*" in action], (name, statement["Sid"])


def test_only_what_aws_has_no_single_resources_for_is_allowed_on_all():
    everywhere = {
        action
        for _, document in documents(load_template())
        for statement in document["Statement"]
        if statement["Resource"] == "*"
        for action in statement["Action"]
    }
    listed = {action for action in everywhere if action.split(":")[0] in ("batch", "logs")}
    assert everywhere - listed == {"ecr:GetAuthorizationToken"}
    assert all(action.split(":")[1].startswith(("Describe", "List")) for action in listed if "batch" in action)


def test_deployers_may_call_all_that_we_call():
    allowed = frozenset().union(*actions(dict(documents(load_template()))["DeployerPolicy"]).values())
    called = {f"{service}:{call}" for service, calls in _OPERATIONS.items() for call in calls}
    assert called <= allowed, called - allowed


def test_the_bucket_is_closed():
    resources = load_template()["Resources"]
    bucket = resources["Store"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    (denied,) = resources["StorePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_stack_makes_everything(moto, stack):
    batch, s3, logs = clients(moto, "batch"), clients(moto, "s3"), clients(moto, "logs")
    (queue,) = batch.describe_job_queues(jobQueues=[stack["BatchJobQueue"]])["jobQueues"]
    assert (queue["state"], queue["status"]) == ("ENABLED", "VALID")
    (environment,) = batch.describe_compute_environments(
        computeEnvironments=[queue["computeEnvironmentOrder"][0]["computeEnvironment"]]
    )["computeEnvironments"]
    assert environment["computeResources"]["type"] == stack["BatchPlatform"] == "FARGATE"
    (group,) = environment["computeResources"]["securityGroupIds"]
    (made,) = clients(moto, "ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert made["IpPermissions"] == []
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert stack["DatastoreSysrootS3"] == f"s3://{BUCKET}/flow-sdk"
    groups = {each["logGroupName"]: each["retentionInDays"] for each in logs.describe_log_groups()["logGroups"]}
    assert groups == {"/aws/batch/job": 30, "/aws/vendedlogs/states/flow-sdk": 30}


@pytest.mark.parametrize("spot", ["true", "false"])
def test_a_stack_on_machines_of_its_own(spot):
    with MotoServer() as server:
        made = make_stack(server, "big", Platform="EC2", Spot=spot, InstanceTypes="c5.large,m5", JobLogGroup="exists")
        (environment,) = clients(server, "batch").describe_compute_environments()["computeEnvironments"]
        assert environment["computeResources"]["type"] == {"true": "SPOT", "false": "EC2"}[spot]
        assert environment["computeResources"]["instanceTypes"] == ["c5.large", "m5"]
        assert made["BatchPlatform"] == "EC2"
        groups = clients(server, "logs").describe_log_groups()["logGroups"]
        assert [each["logGroupName"] for each in groups] == ["/aws/vendedlogs/states/big"]


@pytest.mark.parametrize(
    ("who", "action", "resource"),
    [
        ("JobRole", "s3:PutObject", f"{STORE}/flow-sdk/blobs/ab/ab12"),
        *(("JobRole", "s3:PutObject", f"{STORE}/flow-sdk/{key}") for key in WRITTEN_BY_JOBS),
        ("JobRole", "s3:GetObject", f"{STORE}/flow-sdk/store.json"),
        ("StateMachineRole", "s3:GetObject", f"{STORE}/flow-sdk/{run_input_key('TrainFlow', 'sfn-4f1c')}"),
        ("DeployerPolicy", "events:PutTargets", f"{RULE}/{rule_name('TrainFlow', PREFIX)}"),
        ("DeployerPolicy", "s3:PutObject", f"{STORE}/flow-sdk/{token_key('TrainFlow', 1)}"),
        ("JobRole", "states:DescribeExecution", EXECUTION),
        ("ExecutionRole", "ecr:BatchGetImage", f"arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/flows"),
        ("ExecutionRole", "logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/batch/job:log-stream:a/b"),
        ("StateMachineRole", "batch:SubmitJob", DEFINITION),
        ("StateMachineRole", "batch:SubmitJob", f"{DEFINITION}:7"),
        ("StateMachineRole", "batch:SubmitJob", f"{QUEUE}/flow-sdk"),
        ("StateMachineRole", "batch:SubmitJob", f"{QUEUE}/flow-sdk-gpu"),
        ("StateMachineRole", "batch:TagResource", JOB),
        ("StateMachineRole", "batch:TerminateJob", JOB),
        ("StateMachineRole", "batch:DescribeJobs", "*"),
        ("StateMachineRole", "events:PutRule", f"{RULE}/StepFunctionsGetEventsForBatchJobsRule"),
        ("StateMachineRole", "s3:GetObject", f"{STORE}/flow-sdk/{NEXT}"),
        ("StateMachineRole", "states:StartExecution", MACHINE),
        ("StateMachineRole", "states:RedriveExecution", f"{EXECUTION.rpartition(':')[0]}/fan:0a1b"),
        ("SchedulerRole", "states:StartExecution", f"{MACHINE}:{ALIAS}"),
        ("DeployerPolicy", "states:UpdateStateMachine", MACHINE),
        ("DeployerPolicy", "states:UpdateStateMachineAlias", f"{MACHINE}:{ALIAS}"),
        ("DeployerPolicy", "states:StartExecution", f"{MACHINE}:{ALIAS}"),
        ("DeployerPolicy", "states:StopExecution", EXECUTION),
        ("DeployerPolicy", "scheduler:CreateSchedule", SCHEDULE),
        ("DeployerPolicy", "ssm:PutParameter", SSM + parameter_name("TrainFlow")),
        ("DeployerPolicy", "ssm:PutParameter", SSM + parameter_name(claim_name("sales.prod.Train"))),
        ("DeployerPolicy", "ssm:GetParameter", SSM + parameter_name(claim_name("sales.prod.Train"))),
        ("DeployerPolicy", "batch:RegisterJobDefinition", DEFINITION),
        ("DeployerPolicy", "batch:SubmitJob", f"{QUEUE}/flow-sdk"),
    ],
)
def test_what_we_do_is_allowed(policies, who, action, resource):
    assert permitted(policies[who], action, resource)


@pytest.mark.parametrize(
    ("who", "action", "resource"),
    [
        ("JobRole", "s3:PutObject", f"{STORE}/elsewhere/a"),
        *(
            ("JobRole", action, f"{STORE}/flow-sdk/{key}")
            for key in (
                token_key("TrainFlow", 1),
                release_key("TrainFlow", "step-functions", "ab"),
                "store.json",
                "gc/clock",
            )
            for action in ("s3:PutObject", "s3:DeleteObject")
        ),
        ("JobRole", "states:DescribeExecution", OTHER.execution_arn("Payments", "4f1c")),
        ("StateMachineRole", "states:StartExecution", OTHER.machine_arn("Payments")),
        ("StateMachineRole", "states:StopExecution", OTHER.execution_arn("Payments", "4f1c")),
        ("SchedulerRole", "states:StartExecution", f"{OTHER.machine_arn('Payments')}:{ALIAS}"),
        ("DeployerPolicy", "states:DeleteStateMachine", OTHER.machine_arn("Payments")),
        ("DeployerPolicy", "states:DeleteStateMachine", OTHER.machine_arn("flow-sdk-2_Payments")),
        ("DeployerPolicy", "scheduler:DeleteSchedule", f"{SCHEDULES}/payments"),
        ("DeployerPolicy", "events:DeleteRule", f"{RULE}/payments"),
        ("JobRole", "s3:PutObject", f"{STORE}/flow-sdk-2/a"),
        ("JobRole", "s3:GetObject", "arn:aws:s3:::other/flow-sdk/a"),
        ("JobRole", "s3:DeleteBucket", STORE),
        ("JobRole", "s3:GetObjectVersion", f"{STORE}/flow-sdk/a"),
        ("JobRole", "states:StartExecution", MACHINE),
        ("JobRole", "batch:SubmitJob", DEFINITION),
        ("JobRole", "ssm:GetParameter", SSM + parameter_name("TrainFlow")),
        ("ExecutionRole", "s3:GetObject", f"{STORE}/flow-sdk/a"),
        ("StateMachineRole", "s3:GetObject", f"{STORE}/flow-sdk/blobs/ab/ab12"),
        ("StateMachineRole", "s3:PutObject", f"{STORE}/flow-sdk/{NEXT}"),
        ("StateMachineRole", "batch:SubmitJob", f"arn:aws:batch:{HERE}:job-definition/other"),
        ("StateMachineRole", "batch:SubmitJob", f"{QUEUE}/other"),
        ("StateMachineRole", "batch:RegisterJobDefinition", DEFINITION),
        ("StateMachineRole", "events:PutRule", f"{RULE}/other"),
        ("SchedulerRole", "states:StartExecution", MACHINE),
        ("SchedulerRole", "states:StartExecution", f"{MACHINE}:3"),
        ("SchedulerRole", "states:StopExecution", EXECUTION),
        ("DeployerPolicy", "ssm:GetParameter", f"{SSM}/database/password"),
        ("DeployerPolicy", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/Administrator"),
        ("DeployerPolicy", "iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/mine"),
        ("DeployerPolicy", "states:DeleteStateMachine", MACHINE.replace("us-east-1", "us-west-2")),
        ("DeployerPolicy", "batch:DeleteJobQueue", f"{QUEUE}/flow-sdk"),
        ("DeployerPolicy", "batch:RegisterJobDefinition", f"arn:aws:batch:{HERE}:job-definition/other"),
    ],
)
def test_what_we_do_not_do_is_not_allowed(policies, who, action, resource):
    assert not permitted(policies[who], action, resource)


def test_roles_are_handed_on_to_their_services_only():
    template = load_template()
    trusted = {
        name: template["Resources"][name]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0] for name in OUTPUTS
    }
    passed = {}
    for statement in dict(documents(template))["DeployerPolicy"]["Statement"]:
        if statement["Action"] == ["iam:PassRole"]:
            resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            for resource in resources:
                passed[resource["Fn::GetAtt"][0]] = statement["Condition"]["StringEquals"]["iam:PassedToService"]
    assert passed == {name: statement["Principal"]["Service"] for name, statement in trusted.items()}
    for statement in trusted.values():
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_a_step_can_use_the_store_and_nothing_else(policies, monkeypatch):
    with MotoServer("other") as server:
        make_stack(server, "flow-sdk", Bucket=BUCKET)
        keys = as_user(server, "step", policies["JobRole"])
        for name, value in {**server.env(), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}.items():
            monkeypatch.setenv(name, value or keys[name.lower()])
        clients(server, "s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        enforce(server)
        store = s3_store(BUCKET, "flow-sdk")
        with pytest.raises(ObjectMissing):
            store.get("flows/F/a")
        store.put_if_absent("flows/F/a", b"1")
        with pytest.raises(ObjectExists):
            store.put_if_absent("flows/F/a", b"2")
        store.put("flows/F/large", bytes(40 << 20))
        assert store.head("flows/F/large").size == 40 << 20
        assert store.get("flows/F/a") == b"1"
        assert [found.key for found in store.list("flows/")] == ["flows/F/a", "flows/F/large"]
        # One by one: for several at a time moto wants the right on the bucket, AWS that on the objects.
        clients(server, "s3", **keys).delete_object(Bucket=BUCKET, Key="flow-sdk/flows/F/a")
        for outside in (s3_store(BUCKET, "elsewhere"), s3_store("other", "flow-sdk")):
            with pytest.raises(StoreUnavailable):
                outside.put_if_absent("flows/F/a", b"1")
        for key in (token_key("F", 1), release_key("F", "step-functions", "ab"), "store.json", "flows/a"):
            with pytest.raises(StoreUnavailable):
                store.put(key, b"1")
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            clients(server, "s3", **keys).get_object(Bucket=BUCKET, Key="elsewhere/a")
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            clients(server, "iam", **keys).list_roles()


JOB = """
from flow_sdk import S3, FlowSpec, Parameter, current, retry, step


class TrainFlow(FlowSpec):
    n = Parameter("n", default=2)

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
        self.xs = list(range(self.n))
        self.next(self.fit, foreach="xs")

    @step
    def fit(self):
        with S3(run=self) as s3:
            s3.put(f"model-{self.input}", b"x" * 1000)
        self.big = bytes(200_000) + bytes([self.input])
        self.next(self.join)

    @step
    def join(self, inputs):
        self.sizes = [len(each.big) for each in inputs]
        current.run.add_tag("joined")
        self.next(self.end)

    @step
    def end(self):
        print("done", self.sizes)


if __name__ == "__main__":
    TrainFlow()
"""


def test_whole_runs_need_no_more_than_the_role_of_steps_has(policies, tmp_path):
    """Each task in a container's process with the role's rights: what it writes lies where the role may write."""
    with MotoServer("other") as server:
        make_stack(server, "flow-sdk", Bucket=BUCKET)
        # To delete several objects at a time moto wants the right on the bucket, AWS that on the objects.
        on_bucket = {"Sid": "Moto", "Effect": "Allow", "Action": ["s3:DeleteObject"], "Resource": STORE}
        rights = {**policies["JobRole"], "Statement": [*policies["JobRole"]["Statement"], on_bucket]}
        keys = as_user(server, "step", rights)
        root = f"s3://{BUCKET}/flow-sdk"
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "train.py").write_text(JOB, encoding="utf-8")
        base = {**os.environ, **server.env(), "FLOW_SDK_HOME": str(tmp_path / "home")}
        request = subprocess.run(
            [sys.executable, "-c", PLACE_JOB, str(tmp_path / "code"), root],
            env=base,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        enforce(server)
        env = {**base, **{name.upper(): value for name, value in keys.items()}, "FLOW_SDK_STORE": root}
        for task in ("start/0", "fit/1.0", "fit/1.1", "join/2", "end/3"):
            told = {"FLOW_SDK_TASK": f"TrainFlow/sfn-4f1c/{task}"}
            if task == "start/0":
                told |= {"FLOW_SDK_REQUEST": request}
            done = subprocess.run(
                [sys.executable, "-m", "flow_sdk.runtime.batch.container"],
                env={**env, **told},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "AccessDenied" not in done.stderr
        assert "done [200001, 200001]" in done.stdout


PLACE_JOB = """
import sys
from flow_sdk.plan.codec import to_json
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from pathlib import Path
from tests.golden.compiled import plan_of

folder, root = sys.argv[1:]
artifacts = Artifacts(open_store(root))
request = TaskRequest(
    root="", flow="TrainFlow", run="", step="", task="", user="ada", tags=("nightly",),
    plan=artifacts.put_bytes(to_json(plan_of(Path(folder) / "train.py"))),
    package=artifacts.put_bytes(build_archive(folder)),
)
print(artifacts.put_bytes(request.to_json()))
"""
