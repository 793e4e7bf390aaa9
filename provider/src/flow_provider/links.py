"""The buttons of a task in Airflow's UI that lead to its artifacts and to its job."""

from typing import Any
from urllib.parse import quote, urlsplit

from flow_provider.compat import AIRFLOW_3, BaseOperatorLink, pushed_link

__all__ = ["JOB_KEY", "LINK_KEY", "ArtifactsLink", "JobLink", "artifacts_url", "job_url"]

LINK_KEY = "flow_sdk_artifacts"
JOB_KEY = "flow_sdk_job"


def artifacts_url(store: str, flow: str, run: str, step: str, task: str) -> str:
    """Return the address of a task's folder for users: the S3 console for an S3 store, else the store's URL."""
    folder = f"flows/{flow}/runs/{run}/steps/{step}/{task}/"
    parts = urlsplit(store)
    if parts.scheme == "s3":
        prefix = quote("/".join(filter(None, (parts.path.strip("/"), folder))), safe="/")
        return f"https://s3.console.aws.amazon.com/s3/buckets/{quote(parts.netloc)}?prefix={prefix}"
    return f"{store.rstrip('/')}/{folder}"


class ArtifactsLink(BaseOperatorLink):
    """Leads to the folder of the task's attempts in the store."""

    name = "Artifacts"

    @property
    def xcom_key(self) -> str:
        return LINK_KEY

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        if AIRFLOW_3:
            return getattr(operator, "artifacts_url", "") or ""
        return pushed_link(LINK_KEY, ti_key)


def job_url(region: str, job_id: str) -> str:
    """Return the address where a user sees a job of AWS Batch."""
    domain = "amazonaws.cn" if region.startswith("cn-") else "aws.amazon.com"
    if region.startswith("us-gov-"):
        domain = "amazonaws-us-gov.com"
    return f"https://console.{domain}/batch/home?region={quote(region)}#jobs/detail/{quote(job_id, safe='')}"


class JobLink(BaseOperatorLink):
    """Leads to the newest job of the task in AWS's console."""

    name = "AWS Batch job"

    @property
    def xcom_key(self) -> str:
        return JOB_KEY

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        if AIRFLOW_3:
            return getattr(operator, "job_url", "") or ""
        return pushed_link(JOB_KEY, ti_key)
