"""S3 credentials, region and endpoint from an Airflow connection of the amazon provider."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from flow_provider.compat import AirflowFailException
from flow_provider.deployment import Deployment

__all__ = ["DEFAULT_CONNECTION", "store_access"]

DEFAULT_CONNECTION = "aws_default"
"""Used where it exists, and silently passed by where it doesn't."""


@contextmanager
def store_access(deployment: Deployment) -> Iterator[None]:
    """Let this process, and those it starts, reach the store; the environment is as before afterwards."""
    found = _from_connection(deployment)
    before = {name: os.environ.get(name) for name in found}
    os.environ.update(found)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _from_connection(deployment: Deployment) -> dict[str, str]:
    """The environment variables that an AWS connection stands for; none where the worker's own environment is meant."""
    name = deployment.aws_conn_id
    if name is None or not deployment.store.startswith("s3://"):
        return {}
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
        from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
    except ImportError as error:
        if name == DEFAULT_CONNECTION:
            return {}
        raise AirflowFailException(
            f"The store's credentials are in the Airflow connection {name!r}, which needs the amazon provider "
            f"({error}). Install it on the workers: pip install 'airflow-provider-flow-sdk[amazon]'"
        ) from error
    try:
        BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        if name == DEFAULT_CONNECTION:
            return {}
        raise AirflowFailException(f"There is no Airflow connection {name!r}, which the deployment names.") from error
    hook = AwsBaseHook(aws_conn_id=name, client_type="s3")
    found: dict[str, str] = {}
    credentials = hook.get_session().get_credentials()
    if credentials is not None:
        frozen = credentials.get_frozen_credentials()
        found["AWS_ACCESS_KEY_ID"] = frozen.access_key
        found["AWS_SECRET_ACCESS_KEY"] = frozen.secret_key
        found["AWS_SESSION_TOKEN"] = frozen.token or ""
    if hook.region_name:
        found["AWS_REGION"] = found["AWS_DEFAULT_REGION"] = hook.region_name
    endpoint = hook.conn_config.get_service_endpoint_url("s3")
    if endpoint:
        found["AWS_ENDPOINT_URL_S3"] = found["AWS_ENDPOINT_URL"] = endpoint
    return found
