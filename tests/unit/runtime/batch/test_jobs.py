"""What a try of a task does about the jobs that earlier ones have left."""

from typing import Any

import pytest

from flow_sdk.runtime.batch.jobs import UNFINISHED, sort_jobs


def job(name: str, status: str, generation: int | None = None, **facts: Any) -> dict[str, Any]:
    tags = {} if generation is None else {"flow_sdk.generation": str(generation)}
    return {"jobId": name, "status": status, "tags": tags, **facts}


def names(jobs: tuple[dict[str, Any], ...]) -> list[str]:
    return [one["jobId"] for one in jobs]


@pytest.mark.parametrize("status", UNFINISHED)
def test_a_job_that_waits_or_runs_is_gone_on_with(status: str) -> None:
    found = sort_jobs([job("a", "FAILED"), job("b", status)], 0)
    assert found.running is not None and found.running["jobId"] == "b"
    assert names(found.failed) == ["a"] and found.stale == ()


def test_of_two_running_jobs_the_older_stays() -> None:
    found = sort_jobs([job("a", "RUNNING"), job("b", "SUBMITTED")], 0)
    assert found.running is not None and found.running["jobId"] == "a" and names(found.stale) == ["b"]


@pytest.mark.parametrize("mark", ["isTerminated", "isCancelled"])
def test_a_job_that_is_being_ended_is_waited_for_and_one_that_was_ended_is_no_try(mark: str) -> None:
    found = sort_jobs([job("a", "FAILED", **{mark: True}), job("b", "RUNNING", **{mark: True})], 0)
    assert found.running is None and names(found.stale) == ["b"] and found.failed == ()


def test_jobs_from_before_the_task_was_cleared_end_and_are_no_tries() -> None:
    found = sort_jobs([job("a", "FAILED"), job("b", "RUNNING", 0), job("c", "SUCCEEDED", 3), job("d", "RUNNING", 3)], 3)
    assert found.running is not None and found.running["jobId"] == "d"
    assert names(found.stale) == ["b"] and names(found.failed) == ["c"]


def test_without_jobs_there_is_nothing() -> None:
    found = sort_jobs([], 0)
    assert (found.running, found.stale, found.failed) == (None, (), ())
