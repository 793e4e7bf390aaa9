"""Azure Blob Storage: account and credentials from the environment, and what is said when it can't be used."""

import base64
from pathlib import Path

import pytest

from flow_sdk.errors import ConfigError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends import azure as module
from flow_sdk.store.backends import retry
from flow_sdk.store.backends.azure import DEVELOPMENT_KEY, AzureCloud
from flow_sdk.store.backends.errors import explain_error
from tests.support.azurite import ACCOUNT, AzuriteServer
from tests.support.ports import free_port

pytestmark = pytest.mark.slow  # starts processes or servers

CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (
            {CONNECTION: "AccountName=acc;AccountKey=a2V5==;EndpointSuffix=x.example.net"},
            {"account_name": "acc", "endpoint": "https://acc.blob.x.example.net", "account_key": "a2V5=="},
        ),
        (
            {CONNECTION: "BlobEndpoint=https://acc.blob.example.net/;SharedAccessSignature=sv=1&sig=x%3D"},
            {"account_name": "acc", "endpoint": "https://acc.blob.example.net", "sas_key": "sv=1&sig=x%3D"},
        ),
        (
            {CONNECTION: "UseDevelopmentStorage=true"},
            {
                "account_name": ACCOUNT,
                "account_key": DEVELOPMENT_KEY,
                "endpoint": "http://127.0.0.1:10000/devstoreaccount1",
            },
        ),
        (
            {"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_KEY": "a2V5"},
            {"account_name": "acc", "account_key": "a2V5"},
        ),
        (
            {
                "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": "https://acc.blob.example.net/",
                "AZURE_STORAGE_SAS_TOKEN": "sig",
            },
            {"account_name": "acc", "endpoint": "https://acc.blob.example.net", "sas_key": "sig"},
        ),
        (
            {"AZURE_STORAGE_ACCOUNT_NAME": "acc", "AZURE_CLIENT_SECRET": "x"},
            {"account_name": "acc"},
        ),
    ],
    ids=["connection-string", "shared-signature", "emulator", "account-key", "endpoint", "service-principal"],
)
def test_the_account_and_its_credentials(
    settings: dict[str, str], wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert module._obstore_config("az://flows") == wanted


def test_the_login_of_the_command_line_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acc")
    (tmp_path / "az").write_text("#!/bin/sh\n")
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module._obstore_config("az://flows") == {"account_name": "acc"}
    (Path.home() / ".azure").mkdir()
    (Path.home() / ".azure" / "azureProfile.json").write_text("{}")
    assert module._obstore_config("az://flows") == {"account_name": "acc", "use_azure_cli": "true"}


def test_no_account_is_named() -> None:
    with pytest.raises(StoreUnavailable, match="which Azure storage account") as raised:
        StoreAddress.parse("az://flows").open_backend().get("a")
    assert raised.value.help == "export AZURE_STORAGE_ACCOUNT_NAME=myaccount"


def test_a_connection_string_without_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTION, "AccountKey=secret")
    with pytest.raises(ConfigError, match="connection string") as raised:
        StoreAddress.parse("az://flows").open_backend().get("a")
    assert "secret" not in str(raised.value)


def test_a_key_that_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acc")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "not base64!")
    with pytest.raises(StoreUnavailable, match="settings for Azure Blob Storage can't be used"):
        StoreAddress.parse("az://flows").open_backend().get("a")


def test_a_certificate_needs_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "azure.identity", None)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acc")
    monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", "/none.pem")
    with pytest.raises(StoreUnavailable, match="needs the package azure-identity") as raised:
        StoreAddress.parse("az://flows").open_backend().get("a")
    assert raised.value.help == "pip install 'flow-sdk[azure]'"


@pytest.mark.azure
def test_a_missing_container_is_named(azure_env: AzuriteServer) -> None:
    store = StoreAddress.parse("az://nosuchcontainer/x").open_backend()
    for operation in (
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.put_if_absent("a", b""),
        lambda: list(store.list("")),
        lambda: store.folders(""),
    ):
        with pytest.raises(StoreUnavailable, match="There is no container 'nosuchcontainer'") as raised:
            operation()
        assert raised.value.help is not None and "az storage container create" in raised.value.help


@pytest.mark.azure
def test_a_wrong_key_is_refused(azure_env: AzuriteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = azure_env.env()[CONNECTION].replace(DEVELOPMENT_KEY, base64.b64encode(b"wrong").decode())
    monkeypatch.setenv(CONNECTION, wrong)
    with pytest.raises(StoreUnavailable, match="The Azure credentials don't let us read there"):
        StoreAddress.parse("az://flows/x").open_backend().get("a")


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}/acc"
    monkeypatch.setenv(CONNECTION, f"AccountName=acc;AccountKey=a2V5;BlobEndpoint={address}")
    monkeypatch.setattr(retry, "_SILENT", 0.1)
    with pytest.raises(StoreUnavailable, match="Azure Blob Storage doesn't answer at http://127"):
        StoreAddress.parse("az://flows").open_backend().get("a")


def test_credentials_that_are_not_accepted_and_none() -> None:
    text = "status code: 403 Forbidden: <Error><Code>AuthenticationFailed</Code></Error>"
    found = explain_error(Exception(text), "read", "flows", "az://flows/a", AzureCloud())
    assert found.headline == "The Azure credentials aren't accepted."
    none = Exception("Generic MicrosoftAzure error: Error performing token request: status code: 400 Bad Request")
    assert (
        explain_error(none, "read", "flows", "az://flows/a", AzureCloud()).headline == "There are no Azure credentials."
    )


@pytest.mark.azure
def test_many_are_deleted_and_missing_ones_are_no_error(azure_env: AzuriteServer) -> None:
    store = StoreAddress.parse("az://flows/many").open_backend()
    keys = [f"a/{number:03d}" for number in range(300)]
    for key in keys[::30]:
        store.put(key, b"")
    store.delete(keys)
    assert list(store.list("a/")) == []
