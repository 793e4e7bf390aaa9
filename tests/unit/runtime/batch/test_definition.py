"""From a step to its job definition: what AWS is asked for, and when two steps share one."""

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from flow_sdk.authoring.builtin_decorators import find_decorator
from flow_sdk.authoring.decorator import Decorator
from flow_sdk.errors import ConfigError, UsageError
from flow_sdk.plan.model import StepPlan
from flow_sdk.runtime.batch.definition import (
    BatchSettings,
    JobDefinition,
    find_ignored_requests,
    find_queues,
    job_definition,
    job_queue,
    job_tags,
)
from flow_sdk.runtime.batch.platform import FARGATE_SIZES, nearest_size

SETTINGS = BatchSettings(queue="q", image="team/sdk:1", job_role="arn:job", execution_role="arn:exec")
FARGATE = BatchSettings(**{**{k: getattr(SETTINGS, k) for k in SETTINGS.__slots__}, "platform": "FARGATE"})


def created(name: str, attributes: dict[str, Any]) -> Decorator:
    kind = find_decorator(name)
    assert kind is not None
    return kind(**attributes)


def a_step(name: str = "train", **decorators: dict[str, Any]) -> StepPlan:
    found = tuple((name, created(name, attributes).attributes()) for name, attributes in decorators.items())
    return StepPlan(name, "linear", decorators=found)


def made(settings: BatchSettings = SETTINGS, **decorators: dict[str, Any]) -> dict[str, Any]:
    return job_definition(a_step(**decorators), settings, "s3://b/p").arguments


def container(settings: BatchSettings = SETTINGS, **decorators: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made(settings, **decorators)["containerProperties"]
    return found


def needs(settings: BatchSettings = SETTINGS, **decorators: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["value"] for one in container(settings, **decorators)["resourceRequirements"]}


def valid(arguments: dict[str, Any]) -> str:
    """What botocore finds wrong with the arguments of register_job_definition."""
    model = ServiceModel(Loader().load_service_model("batch", "service-2"))
    shape = model.operation_model("RegisterJobDefinition").input_shape
    return str(ParamValidator().validate(arguments, shape).generate_report())


def test_a_plain_step() -> None:
    arguments = made()
    assert valid(arguments) == ""
    assert needs() == {"VCPU": "1", "MEMORY": "4096"}
    assert container()["image"] == "team/sdk:1"
    assert container()["command"] == ["python", "-m", "flow_sdk.runtime.batch.container"]
    assert container()["environment"] == [{"name": "FLOW_SDK_STORE", "value": "s3://b/p"}]
    assert container()["jobRoleArn"] == "arn:job" and container()["executionRoleArn"] == "arn:exec"
    assert arguments["platformCapabilities"] == ["EC2"]
    assert "timeout" not in arguments and "tags" not in arguments


@pytest.mark.parametrize(
    ("decorators", "wanted"),
    [
        ({"resources": {"cpu": 2}}, {"VCPU": "2", "MEMORY": "4096"}),
        ({"batch": {"cpu": 4}, "resources": {"cpu": 2, "memory": 9000}}, {"VCPU": "4", "MEMORY": "9000"}),
        ({"batch": {"memory": 500}, "resources": {}}, {"VCPU": "1", "MEMORY": "4096"}),  # as in Metaflow: the larger
        ({"batch": {"memory": 500}}, {"VCPU": "1", "MEMORY": "500"}),
        ({"batch": {"gpu": 1}, "resources": {"gpu": 2}}, {"VCPU": "1", "MEMORY": "4096", "GPU": "2"}),
        ({"batch": {"gpu": 0}}, {"VCPU": "1", "MEMORY": "4096"}),
        ({"batch": {"cpu": 0.5}}, {"VCPU": "1", "MEMORY": "4096"}),  # EC2 takes whole cores
        ({"batch": {"cpu": 16, "memory": 122880}}, {"VCPU": "16", "MEMORY": "122880"}),
    ],
)
def test_the_larger_of_both_counts(decorators: dict[str, Any], wanted: dict[str, str]) -> None:
    assert needs(**decorators) == wanted


def test_everything_on_ec2() -> None:
    batch = {
        "image": "own:2", "queue": "gpus", "iam_role": "arn:own", "execution_role": "arn:ownexec",
        "shared_memory": 64, "max_swap": 100, "swappiness": 60, "inferentia": 2, "efa": 1,
        "use_tmpfs": True, "host_volumes": ["/data", "/a:/b"], "efs_volumes": ["fs-1", "fs-2:/two"],
        "log_driver": "splunk", "log_options": ["splunk-url:https://x:8088"], "privileged": True,
        "aws_batch_tags": {"team": "search"},
    }  # fmt: skip
    arguments = made(batch=batch)
    assert valid(arguments) == ""
    found = arguments["containerProperties"]
    assert (found["image"], found["jobRoleArn"], found["executionRoleArn"]) == ("own:2", "arn:own", "arn:ownexec")
    linux = found["linuxParameters"]
    assert linux["initProcessEnabled"] is True
    assert (linux["sharedMemorySize"], linux["maxSwap"], linux["swappiness"]) == (64, 100, 60)
    assert linux["tmpfs"] == [{"containerPath": "/metaflow_temp", "size": 2048, "mountOptions": ["defaults"]}]
    assert [one["hostPath"] for one in linux["devices"]] == ["/dev/neuron0", "/dev/neuron1", "/dev/infiniband/uverbs0"]
    assert [one["containerPath"] for one in found["mountPoints"]] == ["/data", "/b", "/mnt" + "/fs-1", "/two"]
    assert found["volumes"][1] == {"name": "host1", "host": {"sourcePath": "/a"}}
    assert found["volumes"][3]["efsVolumeConfiguration"]["fileSystemId"] == "fs-2"
    assert found["logConfiguration"] == {"logDriver": "splunk", "options": {"splunk-url": "https://x:8088"}}
    assert {"name": "TMPDIR", "value": "/metaflow_temp"} in found["environment"]
    assert found["privileged"] is True and arguments["tags"] == {"team": "search"}


def test_volumes_that_may_not_be_written_to() -> None:
    arguments = made(batch={"host_volumes": ["/data:/in:ro", "/a:/b:rw"], "efs_volumes": "fs-1:/c:ro"})
    assert valid(arguments) == ""
    mounts = arguments["containerProperties"]["mountPoints"]
    assert [(one["containerPath"], one.get("readOnly")) for one in mounts] == [
        ("/in", True),
        ("/b", None),
        ("/c", True),
    ]
    assert arguments["containerProperties"]["volumes"][0]["host"] == {"sourcePath": "/data"}


@pytest.mark.parametrize(
    ("disk", "batch", "gibibytes"),
    [
        (20_480, {}, None),
        (20_481, {}, 21),
        (102_400, {"ephemeral_storage": 50}, 100),
        (1, {"ephemeral_storage": 50}, 50),
    ],
)
def test_a_disk_on_fargate(disk: int, batch: dict[str, Any], gibibytes: int | None) -> None:
    arguments = made(FARGATE, batch={"memory": 2048, **batch}, resources={"memory": 2048, "disk": disk})
    assert valid(arguments) == ""
    wanted = None if gibibytes is None else {"sizeInGiB": gibibytes}
    assert arguments["containerProperties"].get("ephemeralStorage") == wanted


def test_a_disk_that_fargate_lacks() -> None:
    with pytest.raises(UsageError, match="no disk of this size"):
        made(FARGATE, batch={"memory": 2048}, resources={"disk": 205_000})


def test_a_disk_on_ec2_is_said_to_change_nothing() -> None:
    steps = [a_step(resources={"disk": 1}), a_step(resources={}), a_step()]
    assert find_ignored_requests(steps, FARGATE) == []
    (line,) = find_ignored_requests(steps, SETTINGS)
    assert "'train'" in line and "disk" in line
    assert made(resources={"disk": 1}) == made()


def test_memory_file_systems() -> None:
    assert container(batch={"tmpfs_size": 7, "tmpfs_path": "/t"})["linuxParameters"]["tmpfs"][0]["size"] == 7
    kept = container(batch={"use_tmpfs": True, "tmpfs_tempdir": False})["environment"]
    assert [one["name"] for one in kept] == ["FLOW_SDK_STORE"]
    assert "tmpfs" not in container()["linuxParameters"]


def test_log_options_alone_are_for_cloudwatch() -> None:
    assert container(batch={"log_options": "awslogs-group:/g"})["logConfiguration"]["logDriver"] == "awslogs"


def test_fargate() -> None:
    arguments = made(FARGATE, batch={"cpu": 0.5, "memory": 2048, "ephemeral_storage": 50, "efs_volumes": "fs-1"})
    assert valid(arguments) == ""
    assert arguments["platformCapabilities"] == ["FARGATE"]
    found = arguments["containerProperties"]
    assert found["networkConfiguration"] == {"assignPublicIp": "ENABLED"}
    assert found["runtimePlatform"] == {"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"}
    assert found["ephemeralStorage"] == {"sizeInGiB": 50}
    assert "linuxParameters" not in found
    assert needs(FARGATE, batch={"cpu": 0.25, "memory": 512}) == {"VCPU": "0.25", "MEMORY": "512"}


@pytest.mark.parametrize(
    ("cpu", "memory", "near"),
    [
        (1, 1024, "cpu=1, memory=2048"),
        (1, 9000, "cpu=2, memory=9216"),
        (3, 8192, "cpu=4, memory=8192"),
        (0.3, 600, "cpu=0.5, memory=1024"),
        (8, 17000, "cpu=8, memory=20480"),
        (16, 130000, "cpu=16, memory=122880"),
        (32, 4096, "cpu=16, memory=122880"),
    ],
)
def test_sizes_that_fargate_lacks(cpu: float, memory: int, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(FARGATE, batch={"cpu": cpu, "memory": memory})
    assert near in str(caught.value) and caught.value.where == "step train"


def test_every_size_of_fargate_is_taken_and_its_own_nearest() -> None:
    for cpu, sizes in FARGATE_SIZES.items():
        for memory in sizes:
            assert nearest_size(cpu, memory) == (cpu, memory)
            assert needs(FARGATE, batch={"cpu": cpu, "memory": memory})["MEMORY"] == str(memory)


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        ({"gpu": 1}, "gpu"),
        ({"shared_memory": 64}, "shared_memory"),
        ({"use_tmpfs": True}, "use_tmpfs"),
        ({"max_swap": 5, "inferentia": 1}, "max_swap and no inferentia"),
        ({"host_volumes": "/a"}, "host_volumes"),
        ({"privileged": True}, "privileged"),
    ],
)
def test_what_fargate_lacks(batch: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=f"Fargate has no {named}"):
        made(FARGATE, batch=batch)


def test_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="BATCH_JOB_QUEUE"):
        made(BatchSettings(image="i"))
    with pytest.raises(ConfigError, match="BATCH_IMAGE"):
        made(BatchSettings(queue="q"))
    with pytest.raises(ConfigError, match="BATCH_EXECUTION_ROLE"):
        made(BatchSettings(queue="q", image="i", job_role="r", platform="FARGATE"))
    with pytest.raises(ConfigError, match="BATCH_JOB_ROLE"):
        made(BatchSettings(queue="q", image="i", execution_role="r", platform="FARGATE"))
    with pytest.raises(UsageError, match="for Fargate only"):
        made(batch={"ephemeral_storage": 50})


def test_queues_and_their_platforms() -> None:
    other = a_step("other", batch={"queue": "arn:aws:batch:x:1:job-queue/f", "cpu": 1, "memory": 2048})
    steps = (a_step(), other, a_step("third"))
    assert find_queues(steps, SETTINGS) == ("q", "arn:aws:batch:x:1:job-queue/f")
    assert job_queue(other, BatchSettings()) == "arn:aws:batch:x:1:job-queue/f"
    settings = BatchSettings(
        queue="q", image="i", job_role="r", execution_role="e", platforms={"arn:aws:batch:x:1:job-queue/f": "FARGATE"}
    )
    assert [job_definition(one, settings, "s3://b").arguments["platformCapabilities"][0] for one in steps] == [
        "EC2", "FARGATE", "EC2",
    ]  # fmt: skip


def name(settings: BatchSettings = SETTINGS, store: str = "s3://b", step: str = "a", **decorators: Any) -> str:
    return job_definition(a_step(step, **decorators), settings, store).name


def test_the_name_says_what_is_in_it() -> None:
    definition = job_definition(a_step(), SETTINGS, "s3://b")
    assert definition.arguments["jobDefinitionName"] == definition.name
    assert definition.name.startswith("flow-sdk-") and len(definition.name) == len("flow-sdk-") + 12
    same = {
        name(),
        name(step="b"),
        name(environment={"vars": {"SECRET": "x"}}),
        name(retry={"times": 5}),
        name(catch={"var": "x"}),
        name(batch={"cpu": 1}),
        name(batch={"cpu": 1, "queue": "other"}),
    }
    assert len(same) == 1
    different = [
        name(),
        name(store="s3://c"),
        name(batch={"cpu": 2}),
        name(batch={"image": "other"}),
        name(batch={"aws_batch_tags": {"a": "b"}}),
        name(timeout={"seconds": 5}),
        name(settings=BatchSettings(queue="q", image="team/sdk:1")),
        name(settings=BatchSettings(queue="q", image="team/sdk:1", region="eu-west-1")),
    ]
    assert len(set(different)) == len(different)
    assert isinstance(definition, JobDefinition)


def test_the_name_is_the_same_in_every_release() -> None:
    """An upgrade that changes it registers every definition anew: then change this on purpose."""
    assert name() == "flow-sdk-7ed5e35f356e"


def test_variables_of_the_step_stay_out() -> None:
    assert "hunter2" not in str(made(environment={"vars": {"PASSWORD": "hunter2"}}))


@pytest.mark.parametrize(("seconds", "limit"), [(1, 301), (60, 360), (0.5, 301), (86400, 86700)])
def test_the_timeout_is_a_backstop(seconds: float, limit: int) -> None:
    assert made(timeout={"seconds": seconds})["timeout"] == {"attemptDurationSeconds": limit}


def test_batch_itself_retries_what_isnt_the_steps_fault() -> None:
    strategy = made(retry={"times": 3})["retryStrategy"]
    assert 1 < strategy["attempts"] <= 10 and len(strategy["evaluateOnExit"]) <= 5
    assert strategy["evaluateOnExit"][-1] == {"onReason": "*", "action": "EXIT"}
    assert {"onStatusReason": "Host EC2*", "action": "RETRY"} in strategy["evaluateOnExit"]


def test_tags_of_the_settings_and_the_step() -> None:
    settings = BatchSettings(queue="q", image="i", tags={"team": "a", "cost": "b"})
    assert job_tags(a_step(batch={"aws_batch_tags": {"team": "c"}}), settings) == {"team": "c", "cost": "b"}


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {
        "FLOW_SDK_BATCH_JOB_QUEUE": "q", "METAFLOW_BATCH_JOB_QUEUE": "other", "FLOW_SDK_BATCH_IMAGE": "i",
        "FLOW_SDK_BATCH_PLATFORM": "FARGATE", "FLOW_SDK_BATCH_DEFAULT_TAGS": '{"a": "b"}', "AWS_REGION": "eu-west-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    assert BatchSettings.from_config() == BatchSettings(
        queue="q", image="i", platform="FARGATE", tags={"a": "b"}, region="eu-west-1"
    )


def test_roles_that_metaflow_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_ECS_S3_ACCESS_IAM_ROLE", "arn:job")
    monkeypatch.setenv("METAFLOW_ECS_FARGATE_EXECUTION_ROLE", "arn:theirs")
    monkeypatch.setenv("FLOW_SDK_BATCH_EXECUTION_ROLE", "arn:ours")
    assert BatchSettings.from_config() == BatchSettings(job_role="arn:job", execution_role="arn:ours")


@pytest.mark.parametrize("tags", ["[]", "{", '{"a": 1}', '{"aws:a": "b"}'])
def test_settings_that_cant_be_used(monkeypatch: pytest.MonkeyPatch, tags: str) -> None:
    monkeypatch.setenv("FLOW_SDK_BATCH_DEFAULT_TAGS", tags)
    with pytest.raises(ConfigError, match="BATCH_DEFAULT_TAGS"):
        BatchSettings.from_config()
