"""Jobs of AWS Batch by way of the amazon provider, with an Airflow connection's credentials. Imported at run time only:
the amazon provider takes a second to import."""

from typing import Any

from airflow.providers.amazon.aws.hooks.batch_client import BatchClientHook
from airflow.providers.amazon.aws.operators.batch import BatchOperator

from flow_provider.compat import AirflowException
from flow_sdk.runtime.batch.follow import Job, terminate_job
from flow_sdk.runtime.batch.jobs import UNFINISHED, task_jobs
from flow_sdk.runtime.batch.submit import JobTarget, job_arguments, save_request, submission_errors
from flow_sdk.runtime.request import TaskRequest

__all__ = ["BatchJobs"]


class BatchJobs:
    """The jobs of a step.

    Parameters
    ----------
    target : JobTarget
        Where they go.
    region : str or None
        The region; the connection's own when None.
    aws_conn_id : str or None
        The Airflow connection; the environment's credentials when None.
    """

    def __init__(self, target: JobTarget, region: str | None, aws_conn_id: str | None) -> None:
        self.target, self.region, self.aws_conn_id = target, region, aws_conn_id
        hook = BatchClientHook(aws_conn_id=aws_conn_id, region_name=region)
        self.client: Any = hook.get_conn()

    def logs_client(self) -> Any:
        """Return a client for CloudWatch's logs."""
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        return AwsBaseHook(aws_conn_id=self.aws_conn_id, region_name=self.region, client_type="logs").get_conn()

    def submit(self, artifacts: Any, request: TaskRequest, context: Any) -> str:
        """Submit a task's attempt through the provider's operator; returns the job's id.

        Raises
        ------
        AwsError
            If AWS refuses or doesn't answer.
        """
        words = job_arguments(request, save_request(artifacts, request), self.target)
        operator = BatchOperator(
            task_id=context["ti"].task_id,
            job_name=words["jobName"],
            job_queue=words["jobQueue"],
            job_definition=words["jobDefinition"],
            container_overrides=words["containerOverrides"],
            tags=words["tags"],
            aws_conn_id=self.aws_conn_id,
            region_name=self.region,
            do_xcom_push=False,
        )
        with submission_errors(request, self.target):
            try:
                operator.submit_job(context)
            except AirflowException as error:
                raise error.__context__ or error from None
        return str(operator.job_id)

    def of_task(self, request: TaskRequest, known: str | None) -> list[Job]:
        """Return all jobs of the task, the oldest first, and ``known`` even if it isn't listed yet."""
        return task_jobs(self.client, self.target.queue, request, known)

    def end(self, job_id: str, reason: str) -> None:
        """End a job."""
        terminate_job(self.client, job_id, reason)

    def end_all(self, request: TaskRequest, reason: str) -> None:
        """End all jobs of a task that haven't ended."""
        for job in self.of_task(request, None):
            if job["status"] in UNFINISHED:
                self.end(job["jobId"], reason)
