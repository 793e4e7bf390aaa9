"""What Batch is told of a task: little, whatever the task is given."""

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_sdk.errors import IntegrityError
from flow_sdk.ids import is_flow_name, is_run_id, is_step_name
from flow_sdk.metadata.runs import Runs
from flow_sdk.runtime.batch.submit import JobTarget, job_arguments, job_name, read_request, save_request
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.backends.memory import MemoryStore
from flow_sdk.store.records.layout import request_key, run_heartbeat_key
from flow_sdk.upkeep.store_check import check_store
from tests.support.aged_stores import DAY, Clock
from tests.support.finished_run import finished_run
from tests.support.garbage_collection import collect

TARGET = JobTarget("queue", "flow-sdk-0123456789ab", {"team": "search"})
DIGEST = "d" * 64


def a_request(flow: str = "TrainFlow", run: str = "12", step: str = "fit", task: str = "3.1", **more) -> TaskRequest:
    return TaskRequest("s3://b", flow, run, step, task, "plan", **more)


def variables(request: TaskRequest) -> dict[str, str]:
    given = job_arguments(request, DIGEST, TARGET)["containerOverrides"]["environment"]
    return {one["name"]: one["value"] for one in given}


def test_the_whole_message() -> None:
    assert job_arguments(a_request(user="anne"), DIGEST, TARGET) == {
        "jobName": "TrainFlow-12-fit-3_1",
        "jobQueue": "queue",
        "jobDefinition": "flow-sdk-0123456789ab",
        "containerOverrides": {
            "environment": [
                {"name": "FLOW_SDK_TASK", "value": "TrainFlow/12/fit/3.1"},
                {"name": "FLOW_SDK_REQUEST", "value": DIGEST},
            ]
        },
        "tags": {
            "team": "search",
            "flow_sdk.flow": "TrainFlow",
            "flow_sdk.run": "12",
            "flow_sdk.step": "fit",
            "flow_sdk.task": "3.1",
            "flow_sdk.user": "anne",
        },
        "propagateTags": True,
    }


def test_overrides_stay_small_whatever_is_given() -> None:
    longest = {"flow": "F" * 128, "run": "r" * 250, "step": "s" * 128, "task": "999999." * 20 + "9" + "-9" * 20}
    request = a_request(**longest, parameters={"text": "x" * 100_000}, user="u" * 500, tags=("t" * 5000,))
    arguments = job_arguments(request, DIGEST, TARGET)
    assert len(json.dumps(arguments["containerOverrides"])) < 8192 / 4
    assert all(len(value) <= 256 for value in arguments["tags"].values())
    assert is_flow_name(longest["flow"]) and is_run_id(longest["run"]) and is_step_name(longest["step"])


def test_tags_of_the_user_dont_hide_the_task() -> None:
    target = JobTarget("q", "d", {"flow_sdk.run": "forged"})
    assert job_arguments(a_request(), DIGEST, target)["tags"]["flow_sdk.run"] == "12"


@given(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,127}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,249}", fullmatch=True),
    st.from_regex(r"[a-z0-9][a-z0-9_]{0,127}", fullmatch=True),
    st.integers(0, 10**6),
)
def test_names_are_what_aws_takes(flow: str, run: str, step: str, task: int) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", job_name(a_request(flow, run, step, str(task))))


def test_long_names_are_told_apart() -> None:
    requests = [a_request("F" * 128, "1" * 200, "s" * 128, str(n)) for n in range(20)]
    assert len({job_name(request) for request in requests}) == 20
    assert all(job_name(request).startswith("FFFFFFFFFFFFFFFFFFFF") for request in requests)


@pytest.mark.parametrize("hostile", ["a$(id)", "a`x`", 'a"b', "a\nb", "a{}b", "ä" * 300, "a,b;c"])
def test_tag_values_of_hostile_names(hostile: str) -> None:
    value = job_arguments(a_request(user=hostile), DIGEST, TARGET)["tags"]["flow_sdk.user"]
    assert all(c.isalnum() or c in " _.:/=+-@" for c in value) and len(value) <= 256


def test_one_object_serves_all_tasks_of_a_try() -> None:
    artifacts = Artifacts(MemoryStore())
    parameters = {"text": "x" * 100_000}
    digests = {
        save_request(artifacts, a_request(task=str(n), step=step, file="/elsewhere/f.py", parameters=parameters))
        for n in range(5)
        for step in ("fit", "join")
    }
    assert len(digests) == 1
    kept = read_request(artifacts, a_request().pathspec, digests.pop())
    assert kept.parameters == parameters and kept.file is None and (kept.step, kept.task) == ("", "")
    assert save_request(artifacts, a_request(tries_left=2)) != save_request(artifacts, a_request(tries_left=1))


def test_a_request_is_kept_as_long_as_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock().install(monkeypatch)
    store = finished_run(MemoryStore())
    record = Runs(store).read("Kept", "1")
    request = a_request("Kept", "1", parameters={"x": 1})
    request = dataclasses.replace(request, plan=record.plan, package=Artifacts(store).put_bytes(b"code" * 1000))
    digest = save_request(Artifacts(store), request)
    key = request_key("Kept", "1", digest)
    for _ in range(9):  # the job waits in its queue, and the run's process lives
        clock.now += DAY
        store.put(run_heartbeat_key("Kept", "1"), b"{}")
    assert not collect(store, clock, last=0).blobs
    assert read_request(Artifacts(store), request.pathspec, digest).parameters == {"x": 1}
    assert not check_store(store, threads=1).orphans  # it keeps its code
    good = store.get(key)
    for bad in (good.replace(b'{"x": 1}', b'{"x": 3}'), good[:9]):
        store.put(key, bad)
        (damage,) = check_store(store, threads=1).damage
        assert (damage.key, damage.owner) == (key, "Kept/1")
        with pytest.raises(IntegrityError):
            read_request(Artifacts(store), request.pathspec, digest)
    assert save_request(Artifacts(store), request) == digest
    assert store.get(key) == good  # who submits again mends it
    clock.now += 9 * DAY
    collect(store, clock, last=0)
    assert store.head(key) is None
