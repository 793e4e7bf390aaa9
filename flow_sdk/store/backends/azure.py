"""Azure Blob Storage."""

import os
from typing import TYPE_CHECKING, Any

from flow_sdk.errors import ConfigError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.cloud import CloudHelp, ConnectionKind, client_options, retry_config

if TYPE_CHECKING:
    from flow_sdk.store.backends.object_storage import ObjectStorage

__all__ = ["AzureCloud", "open_azure"]

_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
_ACCOUNT_VARIABLES = ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT")
_ENDPOINT_VARIABLES = (
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "FLOW_SDK_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT",
    "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT",
)
_KEY_VARIABLES = {
    "account_key": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    "sas_key": ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
}
_OTHER_CREDENTIALS = (
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USE_AZURE_CLI",
    "AZURE_MSI_ENDPOINT",
    "AZURE_IDENTITY_ENDPOINT",
    "IDENTITY_ENDPOINT",
    "AZURE_SKIP_SIGNATURE",
)
"""Variables of credentials that obstore reads itself."""

_WANTED = (
    "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCOUNT_KEY, a service principal (AZURE_TENANT_ID, "
    "AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), az login, or a managed identity of this machine"
)


def open_azure(address: StoreAddress) -> "ObjectStorage":
    """Return the store at an address in Azure Blob Storage."""
    from flow_sdk.store.backends.object_storage import ObjectStorage

    return ObjectStorage(address, AzureCloud())


class AzureCloud:
    """Azure Blob Storage.

    The account is that of ``AZURE_STORAGE_CONNECTION_STRING``, else ``AZURE_STORAGE_ACCOUNT_NAME`` or the endpoint.
    Credentials are the account's key, a shared access signature, a service principal, a workload identity, the login
    of the Azure command line, or the machine's managed identity, in this order.
    """

    title = "Azure Blob Storage"
    provider = "Azure"
    mark_separator = "_"
    deletes_at_once = 256

    def connect(self, bucket: str, prefix: str, *, kind: ConnectionKind, encryption: str | None = None) -> Any:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.connect`. The account decides how blobs are encrypted."""
        from obstore.exceptions import BaseError
        from obstore.store import AzureStore

        where = f"az://{bucket}/{prefix}"
        config = _obstore_config(where)
        try:
            return AzureStore(
                bucket,
                prefix=prefix or None,
                config=config,  # type: ignore[arg-type]
                client_options=client_options(kind, config.get("endpoint")),  # type: ignore[arg-type]
                retry_config=retry_config(kind),  # type: ignore[arg-type]
                credential_provider=_certificate_provider(where),
            )
        except (BaseError, ValueError) as error:
            raise StoreUnavailable(
                "The settings for Azure Blob Storage can't be used.",
                seen=str(error).split("\n")[0],
                where=where,
                help=f"Check {_CONNECTION_STRING}, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY.",
            ) from error

    def forget_credentials(self) -> None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.forget_credentials`: a new client reads them itself."""

    def endpoint(self) -> str | None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.endpoint`."""
        try:
            return _read_connection_string().get("endpoint") or _first_set(_ENDPOINT_VARIABLES)
        except ConfigError:
            return None

    def help(self) -> CloudHelp:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.help`."""
        return CloudHelp(
            bucket_word="container",
            make_bucket="az storage container create --name {bucket}",
            credentials_name="Azure",
            renew_credentials="Check the account's name and key, or renew the login (az login), and check this "
            "machine's clock.",
            permissions="the role Storage Blob Data Contributor, or an account key or signature that may read, write, "
            "delete and list",
            write_hint="",
            endpoint_variable="AZURE_STORAGE_ENDPOINT",
            network_hint="Check the network and AZURE_STORAGE_ACCOUNT_NAME.",
        )

    def failed_credentials(self, where: str) -> StoreUnavailable:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.failed_credentials`."""
        return StoreUnavailable(
            "There are no Azure credentials.",
            wanted=_WANTED,
            where=where,
            help=f"Set {_CONNECTION_STRING}, or run: az login",
        )

    def certificate_help(self) -> tuple[str, str]:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.certificate_help`."""
        return "one that the usual certificate authorities have signed", (
            "Where a proxy or a server of your organisation has its own authority: export SSL_CERT_FILE=its-file.pem"
        )


def _first_set(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _obstore_config(where: str) -> dict[str, str]:
    """Return the account, the endpoint and the credentials as obstore takes them."""
    config = _read_connection_string()
    if not config:
        if account := _first_set(_ACCOUNT_VARIABLES):
            config["account_name"] = account
        if endpoint := _first_set(_ENDPOINT_VARIABLES):
            config["endpoint"] = endpoint.rstrip("/")
            config.setdefault("account_name", endpoint.partition("://")[2].partition(".")[0])
    if not config.get("account_name"):
        raise StoreUnavailable(
            "It isn't known which Azure storage account to use.",
            wanted=f"{_CONNECTION_STRING} or AZURE_STORAGE_ACCOUNT_NAME",
            where=where,
            help="export AZURE_STORAGE_ACCOUNT_NAME=myaccount",
        )
    if not {"account_key", "sas_key"} & config.keys():
        for name, variables in _KEY_VARIABLES.items():
            if value := _first_set(variables):
                config[name] = value
                return config
        if not any(map(os.environ.get, _OTHER_CREDENTIALS)) and _has_cli_login():
            config["use_azure_cli"] = "true"
    return config


def _read_connection_string() -> dict[str, str]:
    """Return what the connection string says, under obstore's names; empty where there is none.

    Raises
    ------
    ConfigError
        If it names no account.
    """
    text = os.environ.get(_CONNECTION_STRING)
    if not text:
        return {}
    parts = dict(part.partition("=")[::2] for part in text.split(";") if part.strip())
    account = parts.get("AccountName")
    endpoint = parts.get("BlobEndpoint")
    if parts.get("UseDevelopmentStorage", "").lower() == "true":
        return {
            "account_name": "devstoreaccount1",
            "account_key": DEVELOPMENT_KEY,
            "endpoint": endpoint or "http://127.0.0.1:10000/devstoreaccount1",
        }
    if endpoint is None and account:
        protocol, suffix = parts.get("DefaultEndpointsProtocol", "https"), parts.get("EndpointSuffix")
        endpoint = f"{protocol}://{account}.blob.{suffix or 'core.windows.net'}"
    if endpoint is not None and not account:
        account = endpoint.partition("://")[2].partition(".")[0]
    if not account or endpoint is None:
        raise ConfigError(
            "The connection string of the Azure storage account can't be used.",
            seen=f"the parts {', '.join(sorted(parts))}",
            wanted="AccountName=...;AccountKey=...;EndpointSuffix=core.windows.net, or BlobEndpoint=...",
            where=_CONNECTION_STRING,
            help="Copy it from the portal: the account's page Access keys.",
        )
    config = {"account_name": account, "endpoint": endpoint.rstrip("/")}
    if parts.get("AccountKey"):
        config["account_key"] = parts["AccountKey"]
    elif parts.get("SharedAccessSignature"):
        config["sas_key"] = parts["SharedAccessSignature"].lstrip("?")
    return config


DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The public key of the account ``devstoreaccount1``, which every emulator has. It is no secret."""


def _has_cli_login() -> bool:
    """Return whether the Azure command line is installed and logged in."""
    import shutil

    folder = os.environ.get("AZURE_CONFIG_DIR") or os.path.expanduser("~/.azure")
    return os.path.exists(os.path.join(folder, "azureProfile.json")) and shutil.which("az") is not None


def _certificate_provider(where: str) -> Any:
    """Return what fetches tokens for a service principal with a certificate; None where there is none."""
    if not os.environ.get("AZURE_CLIENT_CERTIFICATE_PATH"):
        return None
    try:
        from obstore.auth.azure import AzureCredentialProvider
    except ImportError as error:
        raise StoreUnavailable(
            "The Azure credentials are of a kind that needs the package azure-identity.",
            seen="AZURE_CLIENT_CERTIFICATE_PATH",
            wanted="azure-identity, or a key, a secret or an identity in place of the certificate",
            where=where,
            help="pip install 'flow-sdk[azure]'",
        ) from error
    return AzureCredentialProvider()
