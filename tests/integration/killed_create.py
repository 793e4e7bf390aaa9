"""A ``step-functions create`` in a process of its own, which is killed by SIGKILL before a chosen one of its writes.

Whatever changes something counts as a write: calls of AWS, objects of the store, the token on the user's machine.
Between two of them nothing changes for anybody else, so these are all moments there are.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import boto3

from flow_sdk.deploy.claims import KnownTokens
from flow_sdk.deploy.pipeline import create_deployment
from flow_sdk.deploy.port import DeploymentSource
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.create import StateMachineDraft
from flow_sdk.deploy.step_functions.parameter_store import ParameterStore
from flow_sdk.deploy.step_functions.prepare import StepFunctionsOptions
from flow_sdk.deploy.tokens import DeployAuthorizer
from flow_sdk.runtime.batch.definition import BatchSettings
from flow_sdk.store.backends.object_storage import ObjectStorage
from tests.unit.deploy.step_functions.flows import plan_of

__all__ = ["create_apart"]

READS = ("Describe", "Get", "List")


def _moments(services: AwsServices, reached: Callable[[str], None]) -> None:
    """Let something be called before each write."""

    def before_call(model: Any, **_: Any) -> None:
        if not model.name.startswith(READS):
            reached(model.name)

    for one in (services.states, services.batch, services.scheduler, services.events, services.ssm, services.iam):
        one.meta.events.register("before-call", before_call)
    for owner, name in (
        (ObjectStorage, "put"),
        (ObjectStorage, "put_if_absent"),
        (ObjectStorage, "delete"),
        (KnownTokens, "add_token"),
    ):
        setattr(owner, name, _announced(getattr(owner, name), name, reached))


def _announced(method: Callable[..., Any], name: str, reached: Callable[[str], None]) -> Callable[..., Any]:
    @wraps(method)
    def announced(self: Any, *arguments: Any, **more: Any) -> Any:
        reached(name)
        return method(self, *arguments, **more)

    return announced


def _create(
    told: Connection,
    env: dict[str, str],
    folder: Path,
    store: str,
    over: str,
    options: StepFunctionsOptions,
    settings: BatchSettings,
    at: int | None,
) -> None:
    os.environ.update(env)
    boto3.DEFAULT_SESSION = None
    seen: list[str] = []

    def reached(name: str) -> None:
        if len(seen) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        seen.append(name)

    services = AwsServices()
    _moments(services, reached)
    gate = DeployAuthorizer(
        options.name, "anne", KnownTokens(str(folder / "anne"), options.name), registry=ParameterStore(services)
    )
    plan = plan_of(folder, over)
    draft = StateMachineDraft(plan, options, settings, services)
    create_deployment(draft, DeploymentSource(plan, b"package", store), gate)
    told.send(seen)


def create_apart(
    env: dict[str, str],
    folder: Path,
    store: str,
    over: str,
    options: StepFunctionsOptions,
    settings: BatchSettings,
    at: int | None = None,
) -> list[str] | None:
    """Create a deployment.

    Parameters
    ----------
    env : dict
        Where AWS is.
    folder, store, over, options, settings
        What is deployed, and where to.
    at : int, optional
        Before which write it is killed (from 0); at none when left out, or when there are fewer.

    Returns
    -------
    list of str or None
        Its writes; None when it was killed.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    told, tells = context.Pipe(duplex=False)
    process = context.Process(target=_create, args=(tells, env, folder, store, over, options, settings, at))
    process.start()
    tells.close()
    process.join()
    if process.exitcode == -signal.SIGKILL:
        return None
    assert process.exitcode == 0
    seen: list[str] = told.recv()
    return seen
