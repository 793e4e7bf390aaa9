"""Runs that an orchestrator ends between two tasks, where no task runs that could record it."""

from flow_sdk.errors import StoreUnavailable
from flow_sdk.metadata.runs import Runs
from flow_sdk.store.open_store import open_store

__all__ = ["clear_end", "record_abandonment"]


def record_abandonment(root: str, flow: str, run: str, by: str, reason: str, when: float | None = None) -> bool:
    """Record in the store that an orchestrator has ended a run that hasn't reached its end.

    Parameters
    ----------
    root : str
        URL of the store.
    flow, run : str
        Which run.
    by : str
        The kind of orchestrator.
    reason : str
        Why, for messages.
    when : float, optional
        When it did so, in seconds since the epoch; now when left out.

    Returns
    -------
    bool
        Whether it wasn't recorded before.
    """
    try:
        store = open_store(root, create=False)
    except StoreUnavailable:
        return False
    return Runs(store).record_abandonment(flow, run, by, reason, when)


def clear_end(root: str, flow: str, run: str) -> None:
    """Record in the store that the orchestrator continues a run that it had ended."""
    Runs(open_store(root)).clear_end(flow, run)
