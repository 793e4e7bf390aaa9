"""Read data again if it doesn't verify: bytes that changed in transit aren't damage in the store."""

import time
from collections.abc import Callable
from typing import TypeVar

from flow_sdk.errors import IntegrityError
from flow_sdk.store.port import ObjectStore

__all__ = ["read_verified"]

_TRIES = 4
_FIRST_PAUSE = 0.1

_Data = TypeVar("_Data")
_Result = TypeVar("_Result")


def read_verified(
    store: ObjectStore, read: Callable[[], _Data], verify: Callable[[_Data], _Result], *, tries: int = _TRIES
) -> _Result:
    """Read and verify data; read it again if it doesn't verify and came over a network.

    Parameters
    ----------
    store : ObjectStore
        The store that is read from.
    read : callable
        Reads the data. Its errors aren't handled: a store that verifies data itself also reads it again itself.
    verify : callable
        Turns the data into the result; may read more. Raises an IntegrityError for data that doesn't verify.
    tries : int
        How often a remote store is read at most (>= 1). A local one is read once, as it would return the same bytes.

    Returns
    -------
    object
        What ``verify`` returned.

    Raises
    ------
    IntegrityError
        If the data doesn't verify on any try.
    """
    left = tries if store.capabilities.is_remote else 1
    pause = _FIRST_PAUSE
    while True:
        data = read()
        try:
            return verify(data)
        except IntegrityError:
            left -= 1
            if left <= 0:
                raise
        import random

        # Not the module's generator: it is the user's, who may have seeded it.
        time.sleep(pause * random.SystemRandom().uniform(0.5, 1))
        pause *= 2
