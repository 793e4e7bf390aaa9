"""``@batch``: what it takes, in which form it stands in the plan, and how wrong values are told."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from flow_sdk import FlowSpec, batch, resources, step
from flow_sdk.authoring.decorators.batch import BatchDecorator, check_resource_tags
from flow_sdk.authoring.decospec import parse_with
from flow_sdk.errors import UsageError
from flow_sdk.plan.compile import compile_plan


class NeedyFlow(FlowSpec):
    @resources(cpu=8)
    @batch(cpu=2, gpu="1", memory="16000", image="team/model:7")
    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None: ...


def test_the_plan_holds_what_was_given() -> None:
    plan = compile_plan(NeedyFlow, file="needy.py", extra=[parse_with("batch:queue=slow")])
    assert plan.start.decorator("batch") == {"cpu": 2, "gpu": 1, "memory": 16000, "image": "team/model:7"}
    assert plan.start.decorator("resources")["cpu"] == 8
    assert plan.end.decorator("batch") == {"queue": "slow"}


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        ({}, {}),
        ({"cpu": None, "use_tmpfs": False, "tmpfs_tempdir": True, "tmpfs_path": "/metaflow_temp"}, {}),
        ({"cpu": "0.25", "memory": 512.0}, {"cpu": 0.25, "memory": 512}),
        ({"trainium": 2}, {"inferentia": 2}),
        ({"host_volumes": "/data"}, {"host_volumes": ["/data"]}),
        ({"host_volumes": ("/a", "/b:/c")}, {"host_volumes": ["/a", "/b:/c"]}),
        ({"host_volumes": "/a:/b:ro"}, {"host_volumes": ["/a:/b:ro"]}),
        ({"efs_volumes": "fs-1:/b:rw"}, {"efs_volumes": ["fs-1:/b:rw"]}),
        ({"efs_volumes": ["fs-1", "fs-2:/mnt/two"]}, {"efs_volumes": ["fs-1", "fs-2:/mnt/two"]}),
        ({"log_options": "awslogs-group:/a/b"}, {"log_options": ["awslogs-group:/a/b"]}),
        ({"use_tmpfs": True}, {"use_tmpfs": True, "tmpfs_path": "/metaflow_temp"}),
        ({"tmpfs_size": 10, "tmpfs_path": "/t"}, {"tmpfs_size": 10, "tmpfs_path": "/t"}),
        ({"shared_memory": 0, "swappiness": 100}, {"shared_memory": 0, "swappiness": 100}),
        ({"aws_batch_tags": {"team": "a b"}}, {"aws_batch_tags": {"team": "a b"}}),
    ],
)
def test_attributes(given: dict[str, Any], attributes: dict[str, Any]) -> None:
    decorator = BatchDecorator(**given)
    assert decorator.attributes() == attributes
    assert pickle.loads(pickle.dumps(decorator)) == decorator == BatchDecorator(**attributes)


def test_what_it_gives_out_changes_nothing() -> None:
    decorator = BatchDecorator(host_volumes=["/a"])
    decorator.attributes()["host_volumes"].append("/b")
    assert decorator.attributes() == {"host_volumes": ["/a"]}


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("batch", {}),
        ("batch:cpu=4,image=a.b/c:1,memory=8000", {"cpu": 4, "image": "a.b/c:1", "memory": 8000}),
        ('batch:memory="8000",use_tmpfs=True', {"memory": 8000, "use_tmpfs": True, "tmpfs_path": "/metaflow_temp"}),
        ('batch:host_volumes=["/a","/b:/c"]', {"host_volumes": ["/a", "/b:/c"]}),
        ('batch:aws_batch_tags={"a":"b"}', {"aws_batch_tags": {"a": "b"}}),
    ],
)
def test_as_text(text: str, attributes: dict[str, Any]) -> None:
    assert parse_with(text).attributes() == attributes


@pytest.mark.parametrize(
    ("given", "headline", "help"),
    [
        ({"memroy": 1}, "@batch has no attribute 'memroy'", "Did you mean 'memory'?"),
        ({"tags": {}}, "@batch has no attribute 'tags'", None),
        ({"cpu": 0}, "@batch can't use cpu=0", None),
        ({"memory": "4 GB"}, "@batch can't use memory='4 GB'", None),
        ({"gpu": 0.5}, "@batch can't use gpu=0.5", None),
        ({"gpu": True}, "@batch can't use gpu=True", None),
        ({"swappiness": 101}, "@batch can't use swappiness=101", None),
        ({"ephemeral_storage": 20}, "@batch can't use ephemeral_storage=20", None),
        ({"ephemeral_storage": 201}, "@batch can't use ephemeral_storage=201", None),
        ({"image": ""}, "@batch can't use image=''", None),
        ({"queue": 5}, "@batch can't use queue=5", None),
        ({"use_tmpfs": "yes"}, "@batch can't use use_tmpfs='yes'", None),
        ({"use_tmpfs": True, "tmpfs_path": "temp"}, "@batch can't use tmpfs_path='temp'", None),
        ({"host_volumes": "data"}, "@batch can't use host_volumes='data'", None),
        ({"host_volumes": ["/a:/b:rx"]}, "@batch can't use host_volumes='/a:/b:rx'", None),
        ({"host_volumes": ["/a:/b:ro:"]}, "@batch can't use host_volumes='/a:/b:ro:'", None),
        ({"efs_volumes": ["fs-1:/b:"]}, "@batch can't use efs_volumes='fs-1:/b:'", None),
        ({"host_volumes": ["/a:b"]}, "@batch can't use host_volumes='b'", None),
        ({"efs_volumes": 3}, "@batch can't use efs_volumes=3", None),
        ({"log_options": ["group"]}, "@batch can't use log_options=['group']", None),
        ({"inferentia": 1, "trainium": 1}, "@batch has both inferentia and trainium", None),
        ({"aws_batch_tags": ["a"]}, "@batch: tags of AWS are a dict of text to text", None),
        ({"aws_batch_tags": {"aws:x": "y"}}, "@batch: AWS doesn't take this tag", None),
    ],
)
def test_wrong(given: dict[str, Any], headline: str, help: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        batch(**given)
    assert caught.value.headline.startswith(headline)
    assert help is None or caught.value.help == help
    assert caught.value.where and "test_batch.py" in caught.value.where


def test_only_on_steps_and_once() -> None:
    def function() -> Callable[..., Any]:
        def plain(self: Any) -> None: ...

        return plain

    with pytest.raises(UsageError, match="stands on a step of a flow"):
        batch(NeedyFlow)
    with pytest.raises(UsageError, match="stands twice"):
        batch(batch(function()))
    with pytest.raises(UsageError, match="takes its attributes by name"):
        batch(4)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("tags", "good"),
    [
        ({"Team": "sea-rch_1.0:/=+@ x", "ä": ""}, True),
        ({"k" * 128: "v" * 256}, True),
        ({"k" * 129: "v"}, False),
        ({"k": "v" * 257}, False),
        ({"": "v"}, False),
        ({"k": 1}, False),
        ({"k": "a\nb"}, False),
        ({"k": "$(id)"}, False),
        ({str(n): "" for n in range(41)}, False),
    ],
)
def test_tags(tags: dict[str, Any], good: bool) -> None:
    if good:
        assert check_resource_tags(tags) == tags
    else:
        with pytest.raises(UsageError):
            check_resource_tags(tags)
