"""Requests as JSON: the same bytes in all releases, and those of earlier ones are read."""

import json

from flow_sdk.runtime.request import TaskRequest

EARLIER = (
    b'{"root": "s3://b", "flow": "F", "run": "sfn-x", "step": "start", "task": "0", "plan": "ab", "package": null, '
    b'"file": null, "tries_left": 1, "generation": 0, "parameters": {}, "user": "step-functions", "tags": ["a"], '
    b'"system_tags": [], "namespace": null, "orchestrator": {"kind": "step-functions"}, "max_num_splits": null, '
    b'"events": {"limit": 5}, "environment": {}}'
)


def test_a_request_of_an_earlier_release_is_read_and_written_with_the_same_bytes() -> None:
    request = TaskRequest.from_json(EARLIER)
    assert request.adapter_data == {"limit": 5} and request.tags == ("a",) and request.tries_left == 1
    assert request.to_json() == EARLIER


def test_a_request_without_data_for_an_adapter_has_none() -> None:
    request = TaskRequest.from_json(EARLIER.replace(b'{"limit": 5}', b"null"))
    assert request.adapter_data is None
    data = json.loads(EARLIER)
    del data["events"]
    assert TaskRequest.from_data(data).adapter_data is None


def test_the_place_of_the_flow_file_is_written_only_for_this_machine() -> None:
    request = TaskRequest("s3://b", "F", "1", "start", "0", "ab", module="flows.train", search_path=("/x",))
    assert TaskRequest.from_json(request.to_json()) == request
    assert "imported" not in json.loads(request.to_json())
