"""Polls many jobs of AWS Batch together: a triggerer may wait for a thousand, and AWS takes few calls a second."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from flow_sdk.errors import FlowSDKError
from flow_sdk.runtime.batch.follow import describe_jobs

__all__ = ["JobPoller", "await_to_end", "shared_poller"]

T = TypeVar("T")

BATCHING_DELAY = 1.0
"""Seconds for which a request waits for others to share its call."""

_watches: dict[tuple[Any, ...], "JobPoller"] = {}


class JobPoller:
    """Reads the status of the jobs that one connection reaches, a hundred with each call, with one client for all.

    Parameters
    ----------
    connect : callable
        Makes the botocore client for ``batch``; awaited.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        import asyncio

        self.loop = asyncio.get_running_loop()
        self._connect = connect
        self._client: Any = None
        self._asked: dict[str, asyncio.Future[str]] = {}
        self._round: asyncio.Task[None] | None = None

    async def client(self) -> Any:
        """Return the client; another one after each failure, as credentials may have changed."""
        if self._client is None:
            self._client = await self._connect()
        return self._client

    async def status(self, job_id: str) -> str:
        """Return the status of a job.

        Raises
        ------
        FlowSDKError
            If AWS refuses, doesn't answer, or doesn't know the job.
        """
        import asyncio

        answer = self._asked.get(job_id)
        if answer is None:
            answer = self._asked[job_id] = self.loop.create_future()
        if self._round is None:
            self._round = asyncio.create_task(self._poll_jobs())
        return await asyncio.shield(answer)

    async def _poll_jobs(self) -> None:
        import asyncio

        await asyncio.sleep(BATCHING_DELAY)
        asked, self._asked, self._round = self._asked, {}, None
        try:
            found = await asyncio.to_thread(describe_jobs, await self.client(), list(asked))
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the answer
            self._client = None
            for answer in asked.values():
                answer.set_exception(error)
            return
        for job_id, answer in asked.items():
            if job_id in found:
                answer.set_result(str(found[job_id]["status"]))
            else:
                answer.set_exception(FlowSDKError("AWS Batch doesn't know the job any more.", where=f"job {job_id}"))


def shared_poller(key: tuple[Any, ...], connect: Callable[[], Awaitable[Any]]) -> JobPoller:
    """Return the poller that is shared under this key in the running event loop."""
    import asyncio

    watch = _watches.get(key)
    if watch is None or watch.loop is not asyncio.get_running_loop():
        watch = _watches[key] = JobPoller(connect)
    return watch


async def await_to_end(work: Awaitable[T]) -> T:
    """Await something to its end, however often it is cancelled: a triggerer cancels a trigger repeatedly."""
    import asyncio

    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    return task.result()
