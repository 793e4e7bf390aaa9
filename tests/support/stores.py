"""Stores by their parts, for tests that look into what a bucket holds."""

from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.object_storage import ObjectStorage
from flow_sdk.store.backends.s3 import open_s3

__all__ = ["s3_store"]


def s3_store(bucket: str, prefix: str = "") -> ObjectStorage:
    """Return the backend at a place in S3, with no check whether a store is there."""
    return open_s3(StoreAddress.parse(f"s3://{bucket}/{prefix}"))
