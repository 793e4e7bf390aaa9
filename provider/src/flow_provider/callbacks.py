"""Callbacks and notifiers that a DAG file names: imported where Airflow calls them, at the moment it does."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["NamedCallback", "named_callbacks"]


class NamedCallback:
    """A callback known by its import path.

    Parameters
    ----------
    callback : str
        Dotted name of a function that takes Airflow's context, or of a class such as a notifier, whose instances do.
    kwargs : dict
        Arguments for the function beside the context, or for the class.
    """

    def __init__(self, callback: str, kwargs: dict[str, Any]) -> None:
        self.callback, self.kwargs = callback, kwargs

    def __call__(self, context: Any) -> None:
        """Import what is named and call it.

        Raises
        ------
        ImportError
            If it can't be imported here; Airflow writes that into its log.
        """
        module, _, name = self.callback.rpartition(".")
        from importlib import import_module

        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ImportError(
                f"The callback {self.callback} of a flow can't be imported here ({error}). It must be installed, or in "
                "the plugins folder, wherever Airflow calls it."
            ) from error
        if isinstance(found, type):
            found(**self.kwargs)(context)
        else:
            found(context, **self.kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.callback!r})"


def named_callbacks(found: Iterable[Mapping[str, Any]] | None) -> list[NamedCallback]:
    """Make callbacks of the data that ``@airflow_dag`` and ``@airflow_task`` have left in the plan."""
    return [NamedCallback(one["callback"], one["kwargs"]) for one in found or ()]
