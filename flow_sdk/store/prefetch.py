"""Map in threads, slightly ahead of the reader."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["prefetch_map"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def prefetch_map(work: Callable[[_In], _Out], items: Iterable[_In], workers: int = 0) -> Iterator[_Out]:
    """Map in threads, in order, with a few results waiting for the reader at most.

    The threads end with the iteration: none is left for a fork to lose.

    Parameters
    ----------
    work : callable
        Called with each item; its exception is raised instead of the result.
    items : iterable
        The items; read in the caller's thread.
    workers : int
        How many threads, 0 for one a processor and at most 4.

    Yields
    ------
    object
        The results, in the order of the items.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    workers = workers or min(4, os.cpu_count() or 1)
    pending: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
