"""The clouds by the scheme of their addresses."""

from flow_sdk.store.backends.azure import AzureCloud
from flow_sdk.store.backends.cloud import Cloud
from flow_sdk.store.backends.gcs import GoogleCloud
from flow_sdk.store.backends.s3 import S3Cloud

__all__ = ["find_cloud"]

_CLOUDS: dict[str, type[Cloud]] = {"s3": S3Cloud, "gs": GoogleCloud, "az": AzureCloud}


def find_cloud(scheme: str) -> Cloud | None:
    """Return the cloud that addresses with a scheme lie in; None for a scheme of another package."""
    found = _CLOUDS.get(scheme)
    return found() if found is not None else None
