"""The operator of a step with ``@batch``: it runs as a job of AWS Batch, and no worker waits for a long one."""

import dataclasses
import time
from typing import TYPE_CHECKING, Any, ClassVar

from flow_provider.compat import AirflowException, AirflowFailException, task_state
from flow_provider.credentials import store_access
from flow_provider.links import JOB_KEY, ArtifactsLink, JobLink, job_url
from flow_provider.operators.step import StepOperator

if TYPE_CHECKING:
    from flow_provider.batch_jobs import BatchJobs
    from flow_provider.task_context import TaskContext
    from flow_sdk.runtime.batch.follow import Job
    from flow_sdk.runtime.batch.remote_task import RemoteTask
    from flow_sdk.runtime.request import TaskRequest

__all__ = ["SPARE_TRIES", "BatchStepOperator"]

SPARE_TRIES = 2
"""Tries of Airflow beyond the step's own: when a worker is lost, the next try follows the same job."""

WAIT_ON_WORKER = 20.0
"""Seconds for which the worker itself waits. A shorter job isn't worth a deferral."""
MOST_ENDING = 180.0
"""Seconds within which a job that was terminated must have ended."""
STATE_KEY = "flow_sdk_batch_job"


class StillRunning(Exception):
    """The job runs longer than the worker waits."""


class BatchStepOperator(StepOperator):
    """Runs a step as a job of AWS Batch.

    A try first looks for a job of the task that an earlier one has left: a running one is followed, not submitted
    again. The step's own tries are counted by its jobs, so that those of Airflow may be more.

    Parameters
    ----------
    own_retries : int
        How often the step itself may be tried again; one more for ``@catch``.
    arguments
        As for :class:`StepOperator`.
    """

    operator_extra_links = (ArtifactsLink(), JobLink())
    ui_color = "#fdebd0"
    custom_operator_name = "step on AWS Batch"
    job_url: ClassVar[str] = ""

    def __init__(self, *, own_retries: int = 0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.own_retries = own_retries
        self._job: str | None = None
        self._task: TaskRequest | None = None
        self._killed, self._error = False, ""

    def resume(self, context: Any, event: dict[str, Any]) -> list[str] | None:
        """Continue after the triggerer has waited for the job."""
        here = self._read_task_context(context)
        with store_access(self.deployment):
            self._label_task(context, here)
            request = dataclasses.replace(self._make_request(context, here), tries_left=event["tries_left"])
            self.artifacts_url, self.job_url = event["links"]  # type: ignore[misc]
            remote = self._make_remote_task(request)
            remote.recall(event["log"])
            self._follow_job(self._open_jobs(), remote, event["job"], event["attached"], context)
            return self._list_children(here)

    def on_kill(self) -> None:
        """End the job."""
        self._killed, reason = True, "The task was ended in Airflow."
        with store_access(self.deployment):
            if self._job is not None:
                # a client of its own: the other may be in the middle of a call
                self._open_jobs().end(self._job, reason)
                self.log.info("AWS Batch job %s: ended, as the task was", self._job)
            elif self._task is not None:
                self._open_jobs().end_all(self._task, reason)

    def _open_jobs(self) -> "BatchJobs":
        try:
            from flow_provider.batch_jobs import BatchJobs
        except ImportError as error:
            raise AirflowFailException(
                f"Steps with @batch need the amazon provider ({error}). Install it where tasks run and in the "
                "triggerer: pip install 'airflow-provider-flow-sdk[amazon]'"
            ) from error
        from flow_sdk.runtime.batch.submit import JobTarget

        batch = self.deployment.batch or {}
        if self.step.name not in batch.get("steps", {}):
            raise AirflowFailException(f"The DAG file doesn't say where step {self.step.name!r} runs. Deploy it again.")
        return BatchJobs(JobTarget(**batch["steps"][self.step.name]), batch.get("region"), self.deployment.aws_conn_id)

    def _make_remote_task(self, request: "TaskRequest") -> "RemoteTask":
        from flow_sdk.runtime.batch.remote_task import RemoteTask

        def keep_error(fields: dict[str, Any]) -> None:
            self._error = fields.get("error", self._error)

        return RemoteTask(request, self._log_line, lambda line: self.log.info("%s", line), keep_error)

    def _run_attempt(self, request: "TaskRequest", here: "TaskContext", context: Any) -> None:
        from flow_sdk.runtime.batch.jobs import sort_jobs

        if self._make_remote_task(request).committed() is not None:
            self.log.info("The task is committed already.")
            return
        jobs, state, self._task = self._open_jobs(), task_state(context), request
        known = state.get(STATE_KEY) if state is not None else None
        found = sort_jobs(jobs.of_task(request, known), request.generation)
        self._end_stale(jobs, found.stale)
        request = dataclasses.replace(request, tries_left=self._attempts_left(here, len(found.failed)))
        if found.running is not None:
            self.log.info("AWS Batch job %s is of an earlier try: following it.", found.running["jobId"])
            remote = self._make_remote_task(request)
            remote.expect_of_another()
            self._follow_job(jobs, remote, found.running["jobId"], True, context)
        elif len(found.failed) > self.own_retries:  # the last one failed while no worker followed it
            self._finish_job(self._make_remote_task(request), found.failed[-1], jobs)
        else:
            self._submit_job(jobs, request, context)

    def _attempts_left(self, here: "TaskContext", used: int) -> int:
        """Return the number of attempts after the next job: the step's own, as far as Airflow makes as many tries."""
        return max(0, min(here.tries_left, self.own_retries - used))

    def _end_stale(self, jobs: "BatchJobs", stale: "tuple[Job, ...]") -> None:
        """End jobs from before the task was cleared, and wait for those that are ending."""
        from flow_sdk.runtime.batch.follow import ENDED, describe_jobs
        from flow_sdk.runtime.batch.jobs import was_terminated

        for job in stale:
            self.log.info("AWS Batch job %s belongs to an earlier generation: waiting for its end.", job["jobId"])
            if not was_terminated(job):
                jobs.end(job["jobId"], "Another try of the task has begun in Airflow.")
        until = time.monotonic() + MOST_ENDING
        left = [str(job["jobId"]) for job in stale]
        while left:
            seen = describe_jobs(jobs.client, left)
            left = [job_id for job_id in left if job_id in seen and seen[job_id]["status"] not in ENDED]
            if left and time.monotonic() > until:
                raise AirflowException(f"AWS Batch job {left[0]} was ended {MOST_ENDING:g} seconds ago and still runs.")
            if left:
                time.sleep(1)

    def _submit_job(self, jobs: "BatchJobs", request: "TaskRequest", context: Any) -> None:
        remote = self._make_remote_task(request)
        remote.expect()
        self._job = jobs.submit(remote.artifacts, request, context)
        if (state := task_state(context)) is not None:
            state.set(STATE_KEY, self._job)
        remote.status(self._job, "SUBMITTED", f"queue {jobs.target.queue}")
        self._follow_job(jobs, remote, self._job, False, context)

    def _follow_job(self, jobs: "BatchJobs", remote: "RemoteTask", job_id: str, attached: bool, context: Any) -> None:
        from flow_sdk.runtime.batch.follow import follow_job

        self._job = job_id
        self._show_job(jobs, job_id, context)
        until = time.monotonic() + WAIT_ON_WORKER

        def read_log() -> None:
            remote.look()
            if time.monotonic() > until:
                raise StillRunning

        try:
            job = follow_job(jobs.client, job_id, lambda *news: remote.status(job_id, *news), read_log)
        except StillRunning:
            self._defer_to_triggerer(jobs, remote, job_id, attached)
        self._job = None
        if attached:
            self._finish_attached_job(remote, job, jobs, context)
        else:
            self._finish_job(remote, job, jobs)

    def _defer_to_triggerer(self, jobs: "BatchJobs", remote: "RemoteTask", job_id: str, attached: bool) -> None:
        from flow_provider.triggers import JobTrigger

        self.log.info(
            "AWS Batch job %s still runs; the triggerer waits for it. Further lines follow at its end.", job_id
        )
        # 2.11 drops the other arguments of a deferral when a DAG is tested: everything goes through the trigger.
        memory = {
            "attached": attached,
            "tries_left": remote.request.tries_left,
            "log": remote.remember(),
            "links": [self.artifacts_url, self.job_url],
        }
        trigger = JobTrigger(job_id=job_id, memory=memory, aws_conn_id=jobs.aws_conn_id, region_name=jobs.region)
        self.defer(trigger=trigger, method_name="resume")

    def _finish_attached_job(self, remote: "RemoteTask", job: "Job", jobs: "BatchJobs", context: Any) -> None:
        """Finish with the job of an earlier try; if it has no result, submit one for this try."""
        from flow_sdk.runtime.batch.jobs import was_terminated

        if was_terminated(job):  # no try of the step's own
            remote.request = dataclasses.replace(remote.request, tries_left=remote.request.tries_left + 1)
        self._finish_job(remote, job, jobs, again=remote.request.tries_left > 0)
        if remote.committed() is None:
            self.log.info("AWS Batch job %s of the earlier try has no result: %s", job["jobId"], self._error)
            self._submit_job(
                jobs, dataclasses.replace(remote.request, tries_left=remote.request.tries_left - 1), context
            )

    def _finish_job(self, remote: "RemoteTask", job: "Job", jobs: "BatchJobs", *, again: bool = False) -> None:
        """Read how a job has ended. Raise its failure, unless ``again`` allows another job at once."""
        if self._killed and remote.committed() is None:
            # when it wasn't a user but the worker's shutdown, another try submits another job
            raise AirflowException(f"Task {remote.request.pathspec} was ended from outside, and its job with it.")
        code = remote.ended(job, jobs.logs_client)
        if code == 0:
            return
        message = f"Task {remote.request.pathspec} failed: {self._error}"
        if code == 2 or not remote.request.tries_left:
            raise AirflowFailException(message)
        if not again:
            raise AirflowException(message)

    def _show_job(self, jobs: "BatchJobs", job_id: str, context: Any) -> None:
        self.job_url = job_url(jobs.client.meta.region_name, job_id)  # type: ignore[misc]
        context["ti"].xcom_push(key=JOB_KEY, value=self.job_url)
        self.log.info("AWS Batch job %s: %s", job_id, self.job_url)
