"""``S3``: files in S3 and beside a run, for steps to use. Imports ``client`` and the layers below it."""

from flow_sdk.files.client import S3
from flow_sdk.files.objects import RangeInfo, S3GetObject, S3Object, S3PutObject

__all__ = ["S3", "RangeInfo", "S3GetObject", "S3Object", "S3PutObject"]
