"""What Airflow calls when a run has failed: the store is told, whether or not a task of it could do that."""

import logging
from typing import Any

from flow_provider.deployment import Deployment
from flow_provider.run_ids import flow_run_id
from flow_sdk.errors import FlowSDKError

__all__ = ["RunFailed", "note_cleared"]

log = logging.getLogger(__name__)


class RunFailed:
    """The failure callback of a flow's DAG. It runs in the DAG processor, for what the scheduler gives up.

    Parameters
    ----------
    deployment : Deployment
        The flow.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def __call__(self, context: Any) -> None:
        from flow_provider.credentials import store_access
        from flow_sdk.runtime.run_abandonment import note_given_up

        deployment, flow = self.deployment, self.deployment.plan.flow
        run = flow_run_id(deployment.dag, flow, context["run_id"])
        reason = f"Airflow has given it up: {context.get('reason') or 'no reason given'}"
        try:
            with store_access(deployment):
                note_given_up(deployment.store, flow, run, "airflow", reason)
        except FlowSDKError as error:
            # Where the DAG processor can't reach the store, whoever looks with the airflow commands notes it.
            log.warning("That run %s has failed couldn't be noted in %s: %s", run, deployment.store, error)


def note_cleared(deployment: Deployment, context: Any, run: str) -> None:
    """Take back that a run has ended, if it goes on because somebody cleared tasks of it."""
    if getattr(context["dag_run"], "clear_number", None):
        from flow_sdk.runtime.run_abandonment import take_back_end

        take_back_end(deployment.store, deployment.plan.flow, run)
