"""Many triggers look at their jobs together."""

import asyncio
from typing import Any

import pytest

from flow_provider import job_poller
from flow_provider.job_poller import JobPoller, await_to_end, shared_poller
from flow_sdk.errors import FlowSDKError


class FakeBatch:
    """Answers DescribeJobs for the jobs it knows, and counts."""

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.calls: list[int] = []
        self.broken = False

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        self.calls.append(len(jobs))
        if self.broken:
            raise TimeoutError("no answer")
        return {"jobs": [{"jobId": job, "status": "RUNNING"} for job in jobs if job in self.known]}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_poller, "BATCHING_DELAY", 0.01)


def test_a_hundred_jobs_are_one_call_and_one_client() -> None:
    jobs = [f"job-{number}" for number in range(250)]
    batch, clients = FakeBatch(set(jobs)), []

    async def connect() -> FakeBatch:
        clients.append(batch)
        return batch

    async def main() -> list[str]:
        return await asyncio.gather(*(shared_poller(("a", "b"), connect).status(job) for job in [*jobs, *jobs]))

    assert asyncio.run(main()) == ["RUNNING"] * 500
    assert batch.calls == [100, 100, 50] and len(clients) == 1
    # another event loop has a watch of its own
    assert asyncio.run(main()) == ["RUNNING"] * 500


def test_an_unknown_job_is_an_error_for_itself_alone() -> None:
    async def main() -> list[Any]:
        async def connect() -> FakeBatch:
            return FakeBatch({"known"})

        watch = JobPoller(connect)
        return await asyncio.gather(watch.status("known"), watch.status("gone"), return_exceptions=True)

    known, gone = asyncio.run(main())
    assert known == "RUNNING" and isinstance(gone, FlowSDKError) and "job gone" in str(gone)


def test_after_a_failure_there_is_a_new_client_and_cancelling_one_disturbs_no_other() -> None:
    batch, clients = FakeBatch({"x"}), []

    async def connect() -> FakeBatch:
        clients.append(batch)
        return batch

    async def main() -> None:
        watch = JobPoller(connect)
        batch.broken = True
        with pytest.raises(TimeoutError):
            await watch.status("x")
        batch.broken = False
        cancelled, other = asyncio.create_task(watch.status("x")), asyncio.create_task(watch.status("x"))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await other == "RUNNING"

    asyncio.run(main())
    assert len(clients) == 2


def test_what_is_cancelled_again_and_again_goes_on_to_its_end() -> None:
    async def work(seen: list[str], fails: bool) -> str:
        for _ in range(5):
            seen.append("step")
            await asyncio.sleep(0.01)
        if fails:
            raise ValueError("the job can't be ended")
        return "ended"

    async def cancelled(fails: bool) -> tuple[list[str], object]:
        seen: list[str] = []
        task = asyncio.create_task(await_to_end(work(seen, fails)))
        await asyncio.sleep(0)
        while not task.done():
            task.cancel("user-action")
            await asyncio.sleep(0.003)
        return seen, task.exception() or task.result()

    assert asyncio.run(cancelled(fails=False)) == (["step"] * 5, "ended")
    seen, error = asyncio.run(cancelled(fails=True))
    assert seen == ["step"] * 5 and isinstance(error, ValueError)
