"""Credentials that are renewed while they are used, however short they live."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

__all__ = ["Keys", "RenewedCredentials"]

_LONGEST_KEPT = 480.0
"""Seconds after which botocore is asked again: it renews credentials fifteen minutes before they expire."""

_LONGEST_SESSION = 36 * 3600
_RETRY_AFTER = 1.0


class Keys(NamedTuple):
    """Keys of AWS, and until when they are valid (seconds since the epoch; None for keys that don't expire)."""

    access_key: str
    secret_key: str
    token: str | None
    expires: float | None


class RenewedCredentials:
    """botocore's credentials, asked for again when half of their remaining life is over.

    botocore itself renews whatever expires within ten minutes each time it is asked: a session of a few minutes, or of
    seconds, would cost a request to STS or to the metadata service for each request to S3. Calling an instance returns
    what obstore wants of a ``credential_provider``.

    Parameters
    ----------
    credentials : botocore.credentials.Credentials
        Static or renewable ones.
    """

    refresh_threshold = timedelta(0)
    """Read by obstore: how long before ``expires_at`` it asks again."""

    def __init__(self, credentials: Any) -> None:
        self.failure: Exception | None = None
        self._credentials = credentials
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._renew_at: float | None = None

    @property
    def is_renewable(self) -> bool:
        """Whether they expire and can be fetched again."""
        return hasattr(self._credentials, "refresh_needed")

    def __call__(self) -> dict[str, Any]:
        """Return the keys as obstore wants them; ``expires_at`` is when it has to ask again."""
        keys, ask_at = self._current()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": None if ask_at is None else datetime.fromtimestamp(ask_at, UTC),
        }

    def keys(self) -> Keys:
        """Return keys that are valid now.

        Raises
        ------
        Exception
            Whatever the source of the credentials raises, if there are none that are still valid.
        """
        return self._current()[0]

    def _current(self) -> tuple[Keys, float | None]:
        with self._lock:
            now = time.time()
            if self._keys is None or (self._renew_at is not None and now >= self._renew_at):
                self._renew(now)
            assert self._keys is not None
            return self._keys, self._renew_at

    def _renew(self, now: float) -> None:
        # botocore writes a traceback into its log, which ends up on the terminal, besides raising the error.
        log = logging.getLogger("botocore.credentials")
        was_disabled, log.disabled = log.disabled, True
        try:
            frozen = self._credentials.get_frozen_credentials()
        except Exception as error:
            self.failure = error
            # What still holds is used; the source is asked again soon.
            if self._keys is None or (self._keys.expires is not None and now >= self._keys.expires):
                raise
            self._renew_at = now + _RETRY_AFTER
            return
        finally:
            log.disabled = was_disabled
        self.failure = None
        left = self._seconds_left()
        self._keys = Keys(
            frozen.access_key, frozen.secret_key, frozen.token or None, None if left is None else now + left
        )
        self._renew_at = None if left is None else now + min(left / 2, _LONGEST_KEPT)

    def _seconds_left(self) -> int | None:
        """How long the credentials are valid at least; None if they don't expire.

        botocore says only whether they expire within so many seconds.
        """
        if not self.is_renewable or not self._credentials.refresh_needed(_LONGEST_SESSION):
            return None
        low, high = 0, _LONGEST_SESSION
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._credentials.refresh_needed(middle) else (middle, high)
        return low
