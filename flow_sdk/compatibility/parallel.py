"""``parallel_map`` and ``profile``: small helpers of Metaflow's that flow files use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from flow_sdk.errors import FlowSDKError

__all__ = ["MulticoreException", "parallel_imap_unordered", "parallel_map", "profile"]

A = TypeVar("A")
R = TypeVar("R")

_function: Callable[[Any], Any] | None = None
"""What a worker process calls: it inherits it, so that a lambda or a nested function can be called, too."""


class MulticoreException(FlowSDKError):
    """A function called in another process raised, or its process ended."""


def parallel_map(
    func: Callable[[A], R], iterable: Iterable[A], max_parallel: int | None = None, dir: str | None = None
) -> list[R]:
    """Call a function for each item in processes forked from this one.

    Parameters
    ----------
    func : callable
        Called with one item; may be a lambda.
    iterable : iterable
        The items.
    max_parallel : int, optional
        Most processes at a time; as many as there are processors when left out.
    dir : str, optional
        Not used.

    Returns
    -------
    list
        The results in the order of the items.

    Raises
    ------
    MulticoreException
        If a call raised; the cause is its exception.
    """
    with _open_pool(func, max_parallel) as pool, _explain_failures():
        return list(pool.map(_call_function, iterable))


def parallel_imap_unordered(
    func: Callable[[A], R], iterable: Iterable[A], max_parallel: int | None = None, dir: str | None = None
) -> Iterator[R]:
    """Call a function for each item as :func:`parallel_map` does; yield the results as they come.

    Yields
    ------
    Any
        One result.
    """
    from concurrent.futures import as_completed

    with _open_pool(func, max_parallel) as pool, _explain_failures():
        for future in as_completed([pool.submit(_call_function, item) for item in iterable]):
            yield future.result()


def _open_pool(func: Callable[[Any], Any], most: int | None) -> Any:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(most, mp_context=context, initializer=_set_function, initargs=(func,))


def _set_function(func: Callable[[Any], Any]) -> None:
    global _function
    _function = func


def _call_function(item: Any) -> Any:
    assert _function is not None
    return _function(item)


@contextmanager
def _explain_failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise MulticoreException(
            "A function called in another process failed.", seen=f"{type(error).__name__}: {error}"
        ) from error


@contextmanager
def profile(label: str, stats_dict: dict[str, int] | None = None) -> Iterator[None]:
    """Measure how long a block takes.

    Parameters
    ----------
    label : str
        What the block is called.
    stats_dict : dict, optional
        Gets the milliseconds under the label, added to those that are there; otherwise they are printed.
    """
    if stats_dict is None:
        print(f"PROFILE: {label} starting")
    begin = time.monotonic()
    try:
        yield
    finally:
        took = int((time.monotonic() - begin) * 1000)
        if stats_dict is None:
            print(f"PROFILE: {label} completed in {took}ms")
        else:
            stats_dict[label] = stats_dict.get(label, 0) + took
