"""How long a request to S3 is tried again, and what the user hears of it.

A server that answers, only not with what was asked for, is given a minute: it is busy, and says so. One that doesn't
answer is given up soon. Whoever waits for longer than a few seconds is told once for what.
"""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flow_sdk.errors import IntegrityError
from flow_sdk.store.backends.errors import error_code, is_cut, is_passing, is_refused

__all__ = ["Patience", "listen", "stalls_told"]

_BUSY, _SILENT = 60.0, 8.0
_TRIES, _TRIES_WRONG = 24, 5
_RENEWALS = 3
_FIRST, _LONGEST = 0.1, 4.0
_SAY_AFTER, _STALLED = 4.0, 20.0

_Piece = TypeVar("_Piece")

# Not the module's generator: it is the user's, who may have seeded it.
_jitter = random.SystemRandom()
_listener: tuple[int, Callable[[str], None]] | None = None


def listen(hear: Callable[[str], None]) -> None:
    """Have this process's lines about waiting handed to a function; a process forked from it writes them to stderr.

    Parameters
    ----------
    hear : callable
        Takes one line.
    """
    global _listener
    _listener = (os.getpid(), hear)


def _tell(line: str) -> None:
    if _listener is not None and _listener[0] == os.getpid():
        _listener[1](line)
    else:
        print(line, file=sys.stderr, flush=True)


class Patience:
    """The patience with one operation, whatever requests it takes.

    Parameters
    ----------
    doing : str
        What is being done, for the user: ``read s3://bucket/key``.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._start = self._heard = time.monotonic()
        self._tries = self._renewals = 0
        self._said = False

    def renews(self, error: Exception) -> bool:
        """Tell whether the request should be sent again with credentials that are read anew."""
        self._renewals += is_refused(error)
        return is_refused(error) and self._renewals <= _RENEWALS

    def again(self, error: Exception) -> bool:
        """Wait until the request may be sent again, and tell whether it should be at all.

        Parameters
        ----------
        error : Exception
            What became of it.

        Returns
        -------
        bool
            Whether to send it again: the error may pass, and neither time nor tries are used up.
        """
        wrong = isinstance(error, IntegrityError)
        if not wrong and not is_passing(error):
            return False
        code = "wrong bytes" if wrong else "with half of it" if is_cut(error) else error_code(error)
        self._tries += 1
        pause = min(_LONGEST, _FIRST * 2.0 ** (self._tries - 1)) * _jitter.uniform(0.5, 1)
        now = time.monotonic()
        if code:
            self._heard = now
        most = _BUSY if code else _SILENT
        waited = now - (self._start if code else self._heard)
        # 409 and 412 are about other writers of the object, wrong bytes are hardly ever right the next time.
        tries = _TRIES_WRONG if wrong or code in ("409", "412", "ConditionalRequestConflict") else _TRIES
        if self._tries >= tries or waited + pause > most:
            return False
        if waited + pause > _SAY_AFTER and not self._said:
            self._said = True
            seen = f"answers {code}" if code else "doesn't answer"
            _tell(f"S3 {seen}: trying again to {self._doing} ({waited:.0f} of at most {most:.0f} s)")
        time.sleep(pause)
        return True


@contextmanager
def stalls_told(doing: str, pieces: Iterator[_Piece]) -> Iterator[Iterator[_Piece]]:
    """Tell the user once when an upload takes no piece for a long time: its parts are tried again out of our sight.

    Parameters
    ----------
    doing : str
        What is being done, for the user.
    pieces : iterator
        What is uploaded.

    Yields
    ------
    iterator
        The same pieces; to be read inside the ``with`` block.
    """
    from threading import Timer

    told: list[str] = []
    timer = Timer(0, lambda: None)

    def tell() -> None:
        if not told:
            told.append(doing)
            _tell(f"S3 has taken nothing for {_STALLED:.0f} s: still trying to {doing}")

    def watch() -> None:
        nonlocal timer
        timer.cancel()
        timer = Timer(_STALLED, tell)
        timer.daemon = True
        timer.start()

    def watched() -> Iterator[_Piece]:
        for piece in pieces:
            watch()
            yield piece

    try:
        yield watched()
    finally:
        timer.cancel()
