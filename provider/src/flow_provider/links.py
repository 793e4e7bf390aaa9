"""The button of a task in Airflow's UI that leads to its artifacts."""

from typing import Any
from urllib.parse import quote, urlsplit

from flow_provider.compat import AIRFLOW_3, BaseOperatorLink, pushed_link

__all__ = ["LINK_KEY", "ArtifactsLink", "artifacts_url"]

LINK_KEY = "flow_sdk_artifacts"


def artifacts_url(store: str, flow: str, run: str, step: str, task: str) -> str:
    """Where a person can look at a task's folder: the S3 console for an S3 store, else the store's own URL."""
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
