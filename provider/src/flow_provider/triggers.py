"""The trigger that waits for a job of AWS Batch. Imports the amazon provider, so it is imported at run time only."""

from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.amazon.aws.triggers.batch import BatchJobTrigger
from airflow.triggers.base import TriggerEvent

from flow_provider.compat import AIRFLOW_3, is_deferred
from flow_provider.job_poller import JobPoller, await_to_end, shared_poller
from flow_sdk.runtime.batch.follow import ENDED, terminate_job

__all__ = ["JobTrigger"]

FIRST_DELAY = 15.0
"""Seconds before the first poll. Airflow 3.3 fails a task whose trigger fires within about ten of its deferral."""
DELAY = 15
"""Seconds between two polls."""
MOST_FAILURES = 40
"""Polls in a row that may fail before the task continues on a worker, which reports what is wrong."""


class JobTrigger(BatchJobTrigger):
    """Waits until a job has ended. It needs no aiobotocore, which the provider's own trigger does.

    Parameters
    ----------
    job_id : str
        The job.
    memory : dict
        Passed to the task when it continues.
    options : dict
        ``aws_conn_id``, ``region_name``, ``waiter_delay``, as the provider's trigger takes them.
    """

    def __init__(self, *, job_id: str, memory: dict[str, Any], **options: Any) -> None:
        super().__init__(job_id=job_id, **{"waiter_delay": DELAY, **options})
        self.job_id, self.memory = job_id, memory
        self.serialized_fields = {"job_id": job_id, "memory": memory}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll the job; fires once, when it has ended or its status can't be read."""
        import asyncio

        failures = 0
        try:
            await asyncio.sleep(FIRST_DELAY)
            while True:
                try:
                    status = await self._job_poller().status(self.job_id)
                    failures = 0
                except Exception as error:  # noqa: BLE001 -- whatever it is, it belongs into the task's own log
                    failures += 1
                    self.log.warning("The status of job %s can't be read: %s", self.job_id, error)
                    status = "" if failures < MOST_FAILURES else "UNKNOWN"
                if status in (*ENDED, "UNKNOWN"):
                    break
                await asyncio.sleep(self.waiter_delay)
        except asyncio.CancelledError:
            if not AIRFLOW_3 and not await await_to_end(asyncio.to_thread(is_deferred, self.task_instance)):
                await self.on_kill()
            raise
        yield TriggerEvent({"job": self.job_id, "status": status, **self.memory})

    async def on_kill(self) -> None:
        """End the job: a person has cleared or marked the task. (3.3 calls this; on 2.11 :meth:`run` does.)"""
        await await_to_end(self._end_job())

    async def _end_job(self) -> None:
        import asyncio

        client = await self._job_poller().client()
        await asyncio.to_thread(terminate_job, client, self.job_id, "The task was ended in Airflow.")
        self.log.info("AWS Batch job %s: ended, as the task was", self.job_id)

    def _job_poller(self) -> JobPoller:
        return shared_poller((self.aws_conn_id, self.region_name), self._connect_client)

    async def _connect_client(self) -> Any:
        from asgiref.sync import sync_to_async  # type: ignore[import-not-found, unused-ignore]

        # A connection is read through the triggerer's own loop, which a thread of asyncio's doesn't know.
        return await sync_to_async(lambda: self.hook().get_conn())()
