"""How obstore is told where S3 is and who asks."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from flow_sdk.aws.settings import Encryption, S3Settings, s3_settings
from flow_sdk.errors import AwsError, StoreUnavailable
from flow_sdk.store.backends.errors import no_settings

if TYPE_CHECKING:
    from obstore.store import S3Store as Client

__all__ = ["Kind", "connect"]

Kind = Literal["small", "bulk", "parts"]
"""What a client is for: requests that move at most 256 KiB, or megabytes, or uploads in parts."""

_CONNECT = 4
# Seconds without a byte of the answer, and seconds for all of it. The first ones hold for what is sent, too: a
# part of an upload has 16 MiB, and several are under way.
_SMALL, _BULK, _PARTS = (6, 60), (15, 120), (120, 120)
# Everything but the parts of an upload is tried again by our own hand (s3_retry): it sees the answer's content,
# changes credentials, and tells the user.
_RETRIES, _RETRY_SECONDS, _RETRY_SECONDS_SMALL = 10, 60, 8


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
        How the server is to encrypt what is put (``AES256``, ``aws:kms``); None for what the settings say.

    Returns
    -------
    obstore.store.S3Store
        The client. Nothing has been sent yet.

    Raises
    ------
    StoreUnavailable
        If the settings can't be used.
    """
    from flow_sdk.store.backends.forked_client import survive_forks

    survive_forks()
    from obstore.exceptions import BaseError
    from obstore.store import S3Store as Client

    where = f"s3://{bucket}/{prefix}"
    try:
        settings = s3_settings()
    except AwsError as error:
        raise no_settings(error, where) from error
    address = settings.endpoint
    idle, whole = {"small": _SMALL, "bulk": _BULK, "parts": _PARTS}[kind]
    options: dict[str, Any] = {
        "allow_http": bool(address and address.startswith("http://")),
        "connect_timeout": timedelta(seconds=_CONNECT),
        "read_timeout": timedelta(seconds=idle),
        "timeout": timedelta(seconds=whole),
    }
    # obstore reads SSL_CERT_FILE by itself.
    if settings.bundle is not None and settings.bundle.source != "SSL_CERT_FILE" and not options["allow_http"]:
        options["root_certificate"] = settings.bundle.read()
    try:
        return Client(
            bucket,
            prefix=prefix or None,
            config=_config(settings, encryption),  # type: ignore[arg-type]
            client_options=options,  # type: ignore[arg-type]
            retry_config={
                "max_retries": _RETRIES if retries or kind == "parts" else 0,
                "retry_timeout": timedelta(seconds=_RETRY_SECONDS_SMALL if kind == "small" else _RETRY_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
            credential_provider=settings.credentials,  # type: ignore[arg-type]
        )
    except (BaseError, ValueError) as error:
        raise StoreUnavailable(
            "The settings for S3 can't be used.",
            seen=str(error).split("\n")[0],
            where=where,
            help="Check AWS_ENDPOINT_URL and AWS_REGION.",
        ) from error


def _config(settings: S3Settings, algorithm: str | None) -> dict[str, Any]:
    """What obstore is told beside the client's options."""
    config: dict[str, Any] = {}
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.region:
        config["region"] = settings.region
    asked = settings.encryption
    if algorithm:  # a key of KMS belongs to an encryption with keys
        asked = Encryption(algorithm, asked.key if asked is not None and algorithm != "AES256" else None)
    if asked is not None:
        config["server_side_encryption"] = asked.algorithm
        if asked.key:
            config["sse_kms_key_id"] = asked.key
    return config
