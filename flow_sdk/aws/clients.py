"""Clients of AWS services, with the settings and the retries that all of them have."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.aws.errors import ATTEMPTS, aws_errors, remember_request
from flow_sdk.aws.settings import address_from_metaflow, botocore_session

if TYPE_CHECKING:
    from typing import Any

__all__ = ["make_client"]


def make_client(service: str, *, config: Any = None, **instead: str | None) -> Any:
    """Make a client of botocore that tries again when it is throttled.

    Parameters
    ----------
    service : str
        botocore's name of the service, such as ``"batch"``. Region, credentials, certificates and endpoint are those of
        :mod:`flow_sdk.aws.settings`.
    config : botocore.config.Config, optional
        Other retries than ours.
    **instead : str, optional
        Another region or other credentials, under botocore's names: ``region_name``, ``aws_access_key_id``, ...

    Raises
    ------
    AwsError
        If there is no region, or the profile can't be used.
    """
    from botocore.config import Config

    config = config or Config(retries={"mode": "standard", "max_attempts": ATTEMPTS})
    with aws_errors(f"use {service}"):
        found = botocore_session()
        if "endpoint_url" not in instead and (address := address_from_metaflow(found, service)):
            instead["endpoint_url"] = address
        made = found.create_client(service, config=config, **instead)
    made.meta.events.register("before-send", remember_request)
    return made
