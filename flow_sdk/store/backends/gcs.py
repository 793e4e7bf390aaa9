"""Google Cloud Storage."""

import json
import os
from typing import TYPE_CHECKING, Any

from flow_sdk.errors import StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.cloud import CloudHelp, ConnectionKind, client_options, retry_config

if TYPE_CHECKING:
    from flow_sdk.store.backends.object_storage import ObjectStorage

__all__ = ["GoogleCloud", "open_gcs"]

_KEY_VARIABLES = ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_SERVICE_ACCOUNT_KEY")
_OWN_KINDS = ("service_account", "authorized_user")
"""The kinds of credentials files that obstore reads itself."""

_WANTED = (
    "gcloud auth application-default login, GOOGLE_APPLICATION_CREDENTIALS with a key file's path, or a service "
    "account of this machine"
)


def open_gcs(address: StoreAddress) -> "ObjectStorage":
    """Return the store at an address in Google Cloud Storage."""
    from flow_sdk.store.backends.object_storage import ObjectStorage

    return ObjectStorage(address, GoogleCloud())


class GoogleCloud:
    """Google Cloud Storage.

    Credentials are Google's Application Default Credentials: a key file (``GOOGLE_APPLICATION_CREDENTIALS``), those of
    ``gcloud auth application-default login``, or the service account of the machine. ``STORAGE_EMULATOR_HOST`` names
    an emulator, whose requests aren't signed.
    """

    title = "Google Cloud Storage"
    provider = "Google Cloud"
    mark_separator = "-"
    deletes_at_once = 1

    def connect(self, bucket: str, prefix: str, *, kind: ConnectionKind, encryption: str | None = None) -> Any:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.connect`. The bucket decides how objects are encrypted."""
        from obstore.exceptions import BaseError
        from obstore.store import GCSStore

        where = f"gs://{bucket}/{prefix}"
        endpoint = self.endpoint()
        emulator = _emulator_address()
        config: dict[str, Any] = {}
        provider: Any = None
        if emulator is not None:
            # obstore signs puts even with skip_signature; a key without OAuth is its way to an emulator.
            account = {"gcs_base_url": emulator, "disable_oauth": True, "client_email": "", "private_key": ""}
            config["service_account_key"] = json.dumps({**account, "private_key_id": ""})
        else:
            if endpoint is not None:
                config["base_url"] = endpoint
            provider = _google_auth_provider(where)
        try:
            return GCSStore(
                bucket,
                prefix=prefix or None,
                config=config,  # type: ignore[arg-type]
                client_options=client_options(kind, endpoint),  # type: ignore[arg-type]
                retry_config=retry_config(kind),  # type: ignore[arg-type]
                credential_provider=provider,
            )
        except (BaseError, ValueError, OSError) as error:
            raise StoreUnavailable(
                "The credentials for Google Cloud Storage can't be used.",
                seen=str(error).split("\n")[0],
                wanted=_WANTED,
                where=where,
                help="Check GOOGLE_APPLICATION_CREDENTIALS.",
            ) from error

    def forget_credentials(self) -> None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.forget_credentials`: a new client reads them itself."""

    def endpoint(self) -> str | None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.endpoint`."""
        return _emulator_address() or os.environ.get("GOOGLE_BASE_URL") or None

    def help(self) -> CloudHelp:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.help`."""
        return CloudHelp(
            bucket_word="bucket",
            make_bucket="gcloud storage buckets create gs://{bucket}",
            credentials_name="Google Cloud",
            renew_credentials="Renew them (gcloud auth application-default login), and check "
            "GOOGLE_APPLICATION_CREDENTIALS and this machine's clock.",
            permissions="storage.objects.get, .create, .delete and .list (the role roles/storage.objectUser)",
            write_hint="",
            endpoint_variable="STORAGE_EMULATOR_HOST",
            network_hint="Check the network.",
        )

    def failed_credentials(self, where: str) -> StoreUnavailable:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.failed_credentials`."""
        return StoreUnavailable(
            "There are no Google Cloud credentials.",
            wanted=_WANTED,
            where=where,
            help="Run: gcloud auth application-default login",
        )

    def certificate_help(self) -> tuple[str, str]:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.certificate_help`."""
        return "one that the usual certificate authorities have signed", (
            "Where a proxy or a server of your organisation has its own authority: export SSL_CERT_FILE=its-file.pem"
        )


def _emulator_address() -> str | None:
    """Return the address of the emulator that Google's own variable names."""
    found = os.environ.get("STORAGE_EMULATOR_HOST")
    if not found:
        return None
    return (found if "://" in found else f"http://{found}").rstrip("/")


def _credentials_file() -> str:
    """Return the path of the credentials file of Google's tools, whether it exists or not."""
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if named:
        return named
    folder = os.environ.get("CLOUDSDK_CONFIG") or os.path.expanduser("~/.config/gcloud")
    return os.path.join(folder, "application_default_credentials.json")


def _google_auth_provider(where: str) -> Any:
    """Return what fetches tokens for credentials that obstore can't read itself; None where it can."""
    if any(map(os.environ.get, _KEY_VARIABLES)):
        return None
    try:
        with open(_credentials_file(), encoding="utf-8") as file:
            kind = json.load(file).get("type")
    except (OSError, ValueError, AttributeError):
        return None  # obstore reports a file that can't be read
    if kind in _OWN_KINDS:
        return None
    try:
        from obstore.auth.google import GoogleCredentialProvider
    except ImportError as error:
        raise StoreUnavailable(
            "The Google Cloud credentials are of a kind that needs the package google-auth.",
            seen=f"{kind} in {_credentials_file()}",
            wanted=f"google-auth and requests, or credentials of the kind {' or '.join(_OWN_KINDS)}",
            where=where,
            help="pip install 'flow-sdk[gcs]'",
        ) from error
    try:
        return GoogleCredentialProvider()
    except Exception as error:
        raise StoreUnavailable(
            "The Google Cloud credentials can't be used.",
            seen=" ".join(f"{type(error).__name__}: {error}".split())[:300],
            where=_credentials_file(),
            help="Check GOOGLE_APPLICATION_CREDENTIALS.",
        ) from error
