"""How obstore is told where S3 is and who asks.

obstore's runtime is one a process, and doesn't live through a fork: the child would wait for ever. So the process that
used it first is kept in mind, and a child of it is told so instead.
"""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from flow_sdk.errors import StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

__all__ = ["Kind", "connect", "endpoint"]

Kind = Literal["small", "bulk", "parts"]
"""What a client is for: requests that move at most 256 KiB, or megabytes, or uploads in parts."""

_CONNECT = 4
# Seconds without a byte of the answer, and seconds for all of it. The first ones hold for what is sent, too: a
# part of an upload has 16 MiB, and several are under way.
_SMALL, _BULK, _PARTS = (6, 60), (15, 120), (120, 120)
# Everything but the parts of an upload is tried again by our own hand (s3_retry): it sees the answer's content,
# changes credentials, and tells the user.
_RETRIES, _RETRY_SECONDS, _RETRY_SECONDS_SMALL = 10, 60, 8
_CACHED = 8

_owner: int | None = None


def endpoint() -> str | None:
    """Address of the server, from the environment; None for AWS's own."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def connect(bucket: str, prefix: str, *, kind: Kind, retries: bool = False, encryption: str | None = None) -> "Client":
    """Make a client for a bucket.

    Parameters
    ----------
    bucket, prefix : str
        Where the objects are.
    kind : str
        What it is for (see ``Kind``).
    retries : bool
        Whether it tries again by itself, as it always does with the parts of an upload.
    encryption : str or None
        How the server is to encrypt what is put (``AES256``, ``aws:kms``); None for the bucket's own way.

    Returns
    -------
    obstore.store.S3Store
        The client. Nothing has been sent yet.

    Raises
    ------
    StoreUnavailable
        If obstore was used before this process was forked, or the settings can't be used.
    """
    global _owner
    if _owner is None:
        _owner = os.getpid()
    elif _owner != os.getpid():
        raise StoreUnavailable(
            "S3 can't be used here: this process was forked from one that had used it.",
            help="Start the process anew instead: --isolation spawn, or multiprocessing's start method 'spawn'.",
        )
    from obstore.exceptions import BaseError
    from obstore.store import S3Store as Client

    address = endpoint()
    idle, whole = {"small": _SMALL, "bulk": _BULK, "parts": _PARTS}[kind]
    config: dict[str, Any] = {}
    if address:
        config["endpoint"] = address
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        config["region"] = region
    if encryption:
        config["aws_server_side_encryption"] = encryption
    try:
        return Client(
            bucket,
            prefix=prefix or None,
            config=config,  # type: ignore[arg-type]
            client_options={
                "allow_http": bool(address and address.startswith("http://")),
                "connect_timeout": timedelta(seconds=_CONNECT),
                "read_timeout": timedelta(seconds=idle),
                "timeout": timedelta(seconds=whole),
            },
            retry_config={
                "max_retries": _RETRIES if retries or kind == "parts" else 0,
                "retry_timeout": timedelta(seconds=_RETRY_SECONDS_SMALL if kind == "small" else _RETRY_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
            credential_provider=_provider(),
        )
    except (BaseError, ValueError) as error:
        raise StoreUnavailable(
            "The settings for S3 can't be used.",
            seen=str(error).split("\n")[0],
            where=f"s3://{bucket}/{prefix}",
            help="Check AWS_ENDPOINT_URL and AWS_REGION.",
        ) from error


def _provider() -> Any:
    """boto3's chain where a profile or AWS's files say who we are; what obstore does itself needs no boto3."""
    if os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_SKIP_SIGNATURE"):
        return None
    files = (
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
        os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
    )
    if not os.environ.get("AWS_PROFILE") and not any(os.path.exists(os.path.expanduser(file)) for file in files):
        return None
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            return None
        # boto3 renews credentials ten minutes before they end. obstore keeps what it was given for this long.
        return Boto3CredentialProvider(session, ttl=timedelta(minutes=_CACHED))
    except BotoCoreError as error:
        raise StoreUnavailable(
            "The AWS profile can't be used.",
            seen=str(error),
            help="Check AWS_PROFILE and the files in ~/.aws, or run: aws sso login",
        ) from error
