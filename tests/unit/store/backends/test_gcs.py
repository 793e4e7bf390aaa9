"""Google Cloud Storage: the precondition on the wire, credentials, and what is said when it can't be used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flow_sdk.errors import ObjectExists, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends import retry
from flow_sdk.store.backends.errors import explain_error
from flow_sdk.store.backends.gcs import GoogleCloud
from tests.support.fake_gcs import FakeGcsServer
from tests.support.ports import free_port

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.mark.gcs
def test_create_only_puts_carry_the_precondition(gcs_env: FakeGcsServer) -> None:
    store = StoreAddress.parse("gs://flows/wire").open_backend()
    before = len(gcs_env.requests)
    store.put_if_absent("created", b"one")
    store.put_if_absent("large", iter([b"a" * (5 << 20), b"b"]))
    store.put("overwritten", b"two")
    with pytest.raises(ObjectExists):
        store.put_if_absent("created", b"two")
    puts = [request for request in gcs_env.requests[before:] if request.method == "PUT"]
    asked = [(request.path, request.headers.get("x-goog-if-generation-match")) for request in puts]
    assert asked[:3] == [
        ("/flows/wire%2Fcreated", "0"),
        ("/flows/wire%2Flarge", "0"),
        ("/flows/wire%2Foverwritten", None),
    ]
    assert asked[3:] == [("/flows/wire%2Fcreated", "0")]
    assert store.get("created") == b"one"


@pytest.mark.gcs
def test_a_missing_bucket_is_named(gcs_env: FakeGcsServer) -> None:
    store = StoreAddress.parse("gs://nosuchbucket/x").open_backend()
    for operation in (
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.put_if_absent("a", b""),
        lambda: list(store.list("")),
        lambda: store.folders(""),
    ):
        with pytest.raises(StoreUnavailable, match="There is no bucket 'nosuchbucket'") as raised:
            operation()
        assert raised.value.help is not None and "gcloud storage buckets create gs://nosuchbucket" in raised.value.help


@pytest.mark.gcs
def test_a_store_works_in_a_forked_process(gcs_env: FakeGcsServer) -> None:
    code = (
        "import os, signal\nfrom flow_sdk.store.address import StoreAddress\n"
        "store = StoreAddress.parse('gs://flows/fork').open_backend()\nstore.put('a', b'x')\n"
        "if os.fork() == 0:\n"
        "    signal.alarm(20)\n    os._exit(store.get('a') != b'x')\n"
        "assert os.wait()[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=dict(os.environ))


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(retry, "_SILENT", 0.1)
    with pytest.raises(StoreUnavailable, match="Google Cloud Storage doesn't answer at http://127") as raised:
        StoreAddress.parse("gs://flows").open_backend().get("a")
    assert raised.value.help == "Check the network and STORAGE_EMULATOR_HOST."


def credentials_file(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "credentials.json"
    path.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))


def test_credentials_that_need_another_package_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    credentials_file(tmp_path, json.dumps({"type": "external_account", "audience": "x"}), monkeypatch)
    with pytest.raises(StoreUnavailable, match="needs the package google-auth") as raised:
        StoreAddress.parse("gs://flows").open_backend().get("a")
    assert raised.value.help == "pip install 'flow-sdk[gcs]'"
    assert raised.value.seen is not None and "external_account" in raised.value.seen


@pytest.mark.parametrize("text", ["no JSON", '{"type": "service_account"}'])
def test_a_credentials_file_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    credentials_file(tmp_path, text, monkeypatch)
    with pytest.raises(StoreUnavailable, match="credentials for Google Cloud Storage can't be used"):
        StoreAddress.parse("gs://flows").open_backend().get("a")


def test_no_credentials_are_named() -> None:
    error = Exception(
        "Generic GCS error: Error performing token request: Error performing GET "
        "metadata.google.internal in 1 ms - Server returned non-2xx status code: 404 Not Found: "
    )
    found = explain_error(error, "read", "flows", "gs://flows/a", GoogleCloud())
    assert isinstance(found, StoreUnavailable) and found.headline == "There are no Google Cloud credentials."
    assert found.help == "Run: gcloud auth application-default login"


def test_a_denied_request_names_the_permissions() -> None:
    denied = Exception("status code: 403 Forbidden: <Error><Code>AccessDenied</Code></Error>")
    found = explain_error(denied, "write", "flows", "gs://flows/a", GoogleCloud())
    assert found.headline == "The Google Cloud credentials don't let us write there."
    assert found.wanted is not None and "roles/storage.objectUser" in found.wanted
