"""What Airflow refuses, said before anything is written. Pure."""

import re
from typing import Any

from flow_sdk.deploy.plan_checks import refuse_inline_secrets, refuse_required_parameters
from flow_sdk.errors import DeployError
from flow_sdk.plan.model import FlowPlan

__all__ = ["check_deployment"]

NAME = re.compile(r"[A-Za-z0-9_.-]{1,250}", re.ASCII)
"""A DAG's id (Airflow 2.11 and 3.3, ``validate_key``)."""

LONGEST_ID = 250
LONGEST_TAG = 100
"""Airflow 2.11 and 3.3: ``TAG_MAX_LEN`` of ``airflow.models.dag``."""

LONGEST_POOL = 256


def check_deployment(plan: FlowPlan, data: dict[str, Any]) -> None:
    """Check a deployment.

    Parameters
    ----------
    plan : FlowPlan
        The flow.
    data : dict
        What the DAG file will say.

    Raises
    ------
    DeployError
        For the first thing Airflow would refuse, or that mustn't go there.
    """
    refuse_inline_secrets(plan)
    _check_names(plan, data)
    _check_numbers(data)
    for tag in data["tags"]:
        if not isinstance(tag, str) or not 0 < len(tag) <= LONGEST_TAG:
            raise DeployError(
                "A tag can't be used on Airflow.", seen=repr(tag)[:120], wanted=f"1 to {LONGEST_TAG} characters"
            )
    if data["store"].startswith("memory:"):
        raise DeployError(
            "Airflow's workers can't reach a store in memory.", help="Use --datastore s3, or a shared folder."
        )
    refuse_required_parameters(plan)


def _check_names(plan: FlowPlan, data: dict[str, Any]) -> None:
    name = data["dag"]
    if not NAME.fullmatch(name):
        raise DeployError(
            "Airflow takes no DAG of this name.",
            seen=repr(name)[:300],
            wanted=f"1 to {LONGEST_ID} of the characters A-Z a-z 0-9 _ . -",
            help="Give another one with --name, or with @project a shorter --branch.",
        )
    for loop in plan.loops:
        if len(body := f"{name}__loop.{loop.entry}") > LONGEST_ID:
            raise DeployError(
                f"The name of the DAG for the loop at step {loop.entry!r} gets too long for Airflow.",
                seen=f"{len(body)} characters",
                wanted=f"at most {LONGEST_ID}",
                help="Give a shorter one with --name, or with @project a shorter --branch.",
            )
    pool = data["worker_pool"]
    if pool is not None and not 0 < len(pool) <= LONGEST_POOL:
        raise DeployError("The worker pool's name can't be one.", seen=repr(pool)[:120], wanted="1 to 256 characters")
    if data["aws_conn_id"] is not None and not data["aws_conn_id"]:
        raise DeployError("The name of the AWS connection is empty.")


def _check_numbers(data: dict[str, Any]) -> None:
    workers, seconds = data["max_workers"], data["workflow_timeout"]
    if workers is not None and workers < 1:
        raise DeployError("--max-workers must be at least 1.", seen=str(workers))
    if seconds is not None and not 0 < seconds <= 10 * 365 * 86400:
        raise DeployError("--workflow-timeout is out of range.", seen=f"{seconds} seconds", wanted="up to ten years")
