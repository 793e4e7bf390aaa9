"""What object storage asks of a cloud: a connection, and the cloud's own words for what went wrong."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol

__all__ = ["Cloud", "CloudHelp", "ConnectionKind", "client_options", "retry_config"]

ConnectionKind = Literal["small", "bulk", "parts"]
"""What a client is for: requests that move at most 256 KiB, or megabytes, or uploads in parts."""

_CONNECT_TIMEOUT = timedelta(seconds=4)
# Seconds without a byte of the answer, and seconds for all of it. The first ones hold for what is sent, too: a
# part of an upload has 16 MiB, and several are under way.
_TIMEOUTS = {"small": (6, 60), "bulk": (15, 120), "parts": (120, 120)}
# obstore itself retries the parts of an upload only. All else is retried in ``retry``: it sees the content of the
# answer, changes credentials, and informs the user.
_PART_RETRIES, _PART_RETRY_TIMEOUT = 10, timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class CloudHelp:
    """What a user of a cloud can do about a failure.

    Parameters
    ----------
    bucket_word : str
        What the cloud calls a bucket.
    make_bucket : str
        How to make one; ``{bucket}`` stands for its name.
    credentials_name : str
        Whose credentials they are, such as ``AWS``.
    renew_credentials : str
        How to renew the credentials.
    permissions : str
        The permissions that a store needs.
    write_hint : str
        What else can be the reason why a write is denied; ``""`` for nothing.
    endpoint_variable : str
        The variable that names another server.
    network_hint : str
        What to check when the cloud's own server doesn't answer.
    """

    bucket_word: str
    make_bucket: str
    credentials_name: str
    renew_credentials: str
    permissions: str
    write_hint: str
    endpoint_variable: str
    network_hint: str


class Cloud(Protocol):
    """One cloud's object storage, reached through obstore."""

    title: str
    """Its name for people, such as ``S3``."""

    provider: str
    """Who runs it, such as ``AWS``."""

    mark_separator: str
    """What stands between the words in the name of an object's attribute."""

    deletes_at_once: int
    """How many objects one request deletes."""

    def connect(self, bucket: str, prefix: str, *, kind: ConnectionKind, encryption: str | None = None) -> Any:
        """Return obstore's client. Nothing has been sent yet. Raises StoreUnavailable for unusable settings."""
        ...

    def forget_credentials(self) -> None:
        """Have settings and credentials read again by the next :meth:`connect`."""
        ...

    def endpoint(self) -> str | None:
        """Return the address of the server that the settings name, None for the cloud's own."""
        ...

    def help(self) -> CloudHelp:
        """Return what a user can do about failures."""
        ...

    def failed_credentials(self, where: str) -> Exception | None:
        """Return the error for credentials that couldn't be fetched, None where they were fetched."""
        ...

    def certificate_help(self) -> tuple[str, str]:
        """Return what the server's certificate was verified with, and what to do if it isn't trusted."""
        ...


def client_options(kind: ConnectionKind, endpoint: str | None) -> dict[str, Any]:
    """Return obstore's options of a connection of a kind."""
    idle, whole = _TIMEOUTS[kind]
    return {
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
        "connect_timeout": _CONNECT_TIMEOUT,
        "read_timeout": timedelta(seconds=idle),
        "timeout": timedelta(seconds=whole),
    }


def retry_config(kind: ConnectionKind) -> dict[str, Any]:
    """Return how often obstore itself retries."""
    return {
        "max_retries": _PART_RETRIES if kind == "parts" else 0,
        "retry_timeout": _PART_RETRY_TIMEOUT,
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=2),
            "base": 2,
        },
    }
