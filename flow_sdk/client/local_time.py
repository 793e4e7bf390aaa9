"""Times as client objects show them."""

from datetime import datetime

__all__ = ["local_time"]


def local_time(seconds: float) -> datetime:
    """Return seconds since the epoch as local time without a zone."""
    return datetime.fromtimestamp(seconds)
