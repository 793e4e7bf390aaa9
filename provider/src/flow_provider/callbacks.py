"""The callbacks of DAGs and tasks: the failure of a run is recorded in the store, and users' own are called by name."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from flow_provider.deployment import DagFileDeployment
from flow_provider.run_ids import flow_run_id
from flow_sdk.errors import FlowSDKError

__all__ = ["NamedCallback", "RunFailureCallback", "clear_recorded_end", "named_callbacks"]

log = logging.getLogger(__name__)


class RunFailureCallback:
    """The failure callback of a flow's DAG. Airflow calls it in the DAG processor when a run has failed.

    Parameters
    ----------
    deployment : Deployment
        The flow.
    """

    def __init__(self, deployment: DagFileDeployment) -> None:
        self.deployment = deployment

    def __call__(self, context: Any) -> None:
        """Record in the store that the run has ended, which its tasks may not have been able to do."""
        from flow_provider.credentials import store_access
        from flow_sdk.runtime.run_abandonment import record_abandonment

        deployment, flow = self.deployment, self.deployment.plan.flow
        run = flow_run_id(deployment.dag, flow, context["run_id"])
        reason = f"Airflow ended the run: {context.get('reason') or 'no reason given'}"
        try:
            with store_access(deployment):
                record_abandonment(deployment.store, flow, run, "airflow", reason)
        except FlowSDKError as error:
            # Where the DAG processor can't reach the store, the next airflow command that shows the run records it.
            log.warning("The failure of run %s couldn't be recorded in %s: %s", run, deployment.store, error)


def clear_recorded_end(deployment: DagFileDeployment, context: Any, run: str) -> None:
    """Remove the record of a run's end if the run continues because its tasks were cleared in Airflow."""
    if getattr(context["dag_run"], "clear_number", None):
        from flow_sdk.runtime.run_abandonment import clear_end

        clear_end(deployment.store, deployment.plan.flow, run)


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
    """Return callbacks made of the data that ``@airflow_dag`` and ``@airflow_task`` have put into the plan."""
    return [NamedCallback(one["callback"], one["kwargs"]) for one in found or ()]
