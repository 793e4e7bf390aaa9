"""S3 credentials, region and endpoint from an Airflow connection of the amazon provider."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from flow_provider.compat import AirflowFailException
from flow_provider.deployment import DagFileDeployment
from flow_sdk.aws.credentials import RenewedCredentials
from flow_sdk.aws.settings import Encryption, aws_files, given_credentials

__all__ = ["DEFAULT_CONNECTION", "StoreAccess", "store_access"]

DEFAULT_CONNECTION = "aws_default"
"""Used where it exists; not needed where it doesn't."""


@dataclass(slots=True)
class _ConnectionSettings:
    """The settings of a connection.

    Parameters
    ----------
    variables : dict of str to str
        Environment variables for this process and the step's.
    of_step : dict of str to str
        Those for the step's process alone.
    credentials : RenewedCredentials or None
        Credentials that expire and are fetched again; None where ``variables`` hold keys, or the worker's own apply.
    """

    variables: dict[str, str] = field(default_factory=dict)
    of_step: dict[str, str] = field(default_factory=dict)
    credentials: RenewedCredentials | None = None


class StoreAccess:
    """What the step's process needs to reach the store."""

    def __init__(self, found: _ConnectionSettings) -> None:
        self._found = found
        self._open = ExitStack()

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a process that this one starts.

        It holds no keys that expire: the process gets the address of a server in this process that knows valid ones.
        """
        env = {**os.environ, **self._found.of_step}
        if self._found.credentials is None:
            return env
        from flow_sdk.aws.credential_server import CredentialServer
        from flow_sdk.aws.plain_files import write_without_credentials

        server = CredentialServer(self._found.credentials)
        self._open.callback(server.close)
        folder = self._open.enter_context(tempfile.TemporaryDirectory(prefix="flow-sdk-aws-"))
        return {**server.environment(env), **write_without_credentials(aws_files(), folder)}

    def close(self) -> None:
        """End the server, if there is one."""
        self._open.close()


@contextmanager
def store_access(deployment: DagFileDeployment) -> Iterator[StoreAccess]:
    """Give this process access to the store, and the processes that get the environment of what is yielded.

    The environment of this process is restored afterwards. It never holds keys that expire: what fetches new ones
    reads it, too.
    """
    found = _from_connection(deployment)
    if deployment.encryption is not None:
        found.variables |= Encryption(deployment.encryption["algorithm"], deployment.encryption.get("key")).environment
    access = StoreAccess(found)
    before = {name: os.environ.get(name) for name in found.variables}
    os.environ.update(found.variables)
    try:
        with given_credentials(found.credentials):
            yield access
    finally:
        access.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _from_connection(deployment: DagFileDeployment) -> _ConnectionSettings:
    """Read the deployment's AWS connection; empty where the worker's own environment is meant."""
    name = deployment.aws_conn_id
    if name is None or not deployment.store.startswith("s3://"):
        return _ConnectionSettings()
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
    except ImportError as error:
        if name == DEFAULT_CONNECTION:
            return _ConnectionSettings()
        raise AirflowFailException(
            f"The store's credentials are in the Airflow connection {name!r}, which needs the amazon provider "
            f"({error}). Install it on the workers: pip install 'airflow-provider-flow-sdk[amazon]'"
        ) from error
    try:
        BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        if name == DEFAULT_CONNECTION:
            return _ConnectionSettings()
        raise AirflowFailException(f"There is no Airflow connection {name!r}, which the deployment names.") from error
    return _read_hook(AwsBaseHook(aws_conn_id=name, client_type="s3"))


def _read_hook(hook: Any) -> _ConnectionSettings:
    found = _ConnectionSettings()
    credentials = hook.get_session().get_credentials()
    if credentials is not None:
        renewed = RenewedCredentials(credentials)
        if renewed.is_renewable:
            found.credentials = renewed
        else:
            keys = renewed.keys()
            found.variables["AWS_ACCESS_KEY_ID"] = keys.access_key
            found.variables["AWS_SECRET_ACCESS_KEY"] = keys.secret_key
            found.variables["AWS_SESSION_TOKEN"] = keys.token or ""
    if hook.region_name:
        found.variables["AWS_REGION"] = found.variables["AWS_DEFAULT_REGION"] = hook.region_name
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    if endpoint:
        found.variables["AWS_ENDPOINT_URL_S3"] = endpoint
        if endpoint == hook.conn_config.endpoint_url:
            # The address of all services. Not for this process: the connection says where its roles are renewed.
            found.of_step["AWS_ENDPOINT_URL"] = endpoint
    if isinstance(hook.verify, str):
        found.variables["AWS_CA_BUNDLE"] = hook.verify
    return found
