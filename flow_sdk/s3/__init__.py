"""``S3``: files in S3 and beside a run. Imports ``client``, ``store``, ``spec`` and what lies below; steps use it."""

from flow_sdk.s3.client import S3
from flow_sdk.s3.objects import RangeInfo, S3GetObject, S3Object, S3PutObject

__all__ = ["S3", "RangeInfo", "S3GetObject", "S3Object", "S3PutObject"]
