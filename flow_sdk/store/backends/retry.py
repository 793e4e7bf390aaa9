"""How long a request to object storage is retried, and what the user hears of it.

A server that answers with an error that may pass gets a minute: it is busy, and says so. A server that doesn't answer
gets a few seconds. A user who waits for longer than a few seconds reads once what for.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flow_sdk.errors import IntegrityError
from flow_sdk.store.backends.errors import error_code, is_credential_refusal, is_cut_off, is_transient

__all__ = ["RetryBudget", "report_stalls", "report_waits_to"]

_BUSY, _SILENT = 60.0, 8.0
"""Seconds for which a server that answers with errors is asked again, and one that doesn't answer."""

_TRIES, _TRIES_WRONG = 24, 5
_RENEWALS = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 4.0
_REPORT_AFTER, _STALLED_AFTER = 4.0, 20.0

_Piece = TypeVar("_Piece")

# Not the module's generator: it is the user's, who may have seeded it.
_jitter = random.SystemRandom()
_listener: tuple[int, Callable[[str], None]] | None = None


def report_waits_to(listener: Callable[[str], None]) -> None:
    """Pass this process's lines about waiting to a function; a process forked from it writes them to stderr.

    Parameters
    ----------
    listener : callable
        Takes one line.
    """
    global _listener
    _listener = (os.getpid(), listener)


def _report_line(line: str) -> None:
    if _listener is not None and _listener[0] == os.getpid():
        _listener[1](line)
    else:
        print(line, file=sys.stderr, flush=True)


class RetryBudget:
    """The tries and the time that one operation may take, whatever requests it sends.

    Parameters
    ----------
    operation : str
        The operation, for the user: ``read s3://bucket/key``.
    service : str
        Where it goes, such as ``S3``.
    """

    def __init__(self, operation: str, service: str = "S3") -> None:
        self._operation, self._service = operation, service
        self._started = self._last_answer = time.monotonic()
        self._tries = self._renewals = 0
        self._reported = False

    def should_renew_credentials(self, error: Exception) -> bool:
        """Return whether to send the request again with credentials that are read again."""
        self._renewals += is_credential_refusal(error)
        return is_credential_refusal(error) and self._renewals <= _RENEWALS

    def wait_for_retry(self, error: Exception) -> bool:
        """Wait until the request may be sent again.

        Parameters
        ----------
        error : Exception
            How the last one ended.

        Returns
        -------
        bool
            Whether to send it again: the error may pass, and neither time nor tries are used up.
        """
        wrong = isinstance(error, IntegrityError)
        if not wrong and not is_transient(error):
            return False
        code = "wrong bytes" if wrong else "with half of it" if is_cut_off(error) else error_code(error)
        self._tries += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (self._tries - 1)) * _jitter.uniform(0.5, 1)
        now = time.monotonic()
        if code:
            self._last_answer = now
        most = _BUSY if code else _SILENT
        waited = now - (self._started if code else self._last_answer)
        # 409 and 412 are about other writers of the object, wrong bytes are hardly ever right the next time.
        tries = _TRIES_WRONG if wrong or code in ("409", "412", "ConditionalRequestConflict") else _TRIES
        if self._tries >= tries or waited + pause > most:
            return False
        if waited + pause > _REPORT_AFTER and not self._reported:
            self._reported = True
            seen = f"answers {code}" if code else "doesn't answer"
            _report_line(
                f"{self._service} {seen}: trying again to {self._operation} ({waited:.0f} of at most {most:.0f} s)"
            )
        time.sleep(pause)
        return True


@contextmanager
def report_stalls(operation: str, pieces: Iterator[_Piece], service: str = "S3") -> Iterator[Iterator[_Piece]]:
    """Report once when an upload takes no piece for a long time: obstore retries its parts out of our sight.

    Parameters
    ----------
    operation : str
        The operation, for the user.
    pieces : iterator
        What is uploaded.
    service : str
        Where it goes.

    Yields
    ------
    iterator
        The same pieces; to be read inside the ``with`` block.
    """
    from threading import Timer

    reported: list[str] = []
    timer = Timer(0, lambda: None)

    def report() -> None:
        if not reported:
            reported.append(operation)
            _report_line(f"{service} has taken nothing for {_STALLED_AFTER:.0f} s: still trying to {operation}")

    def restart_timer() -> None:
        nonlocal timer
        timer.cancel()
        timer = Timer(_STALLED_AFTER, report)
        timer.daemon = True
        timer.start()

    def watched() -> Iterator[_Piece]:
        for piece in pieces:
            restart_timer()
            yield piece

    try:
        yield watched()
    finally:
        timer.cancel()
