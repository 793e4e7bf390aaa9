"""S3, and servers that speak its protocol."""

from typing import TYPE_CHECKING, Any

from flow_sdk.aws.errors import explain_failure
from flow_sdk.aws.settings import Encryption, S3Settings, certificate_help, forget_settings, s3_settings
from flow_sdk.errors import AwsError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.backends.cloud import CloudHelp, ConnectionKind, client_options, retry_config

if TYPE_CHECKING:
    from flow_sdk.store.backends.object_storage import ObjectStorage

__all__ = ["S3Cloud", "open_s3"]


def open_s3(address: StoreAddress) -> "ObjectStorage":
    """Return the store at an address in S3."""
    from flow_sdk.store.backends.object_storage import ObjectStorage

    return ObjectStorage(address, S3Cloud())


class S3Cloud:
    """S3. Credentials, region and endpoint are those of the usual AWS environment variables and files."""

    title = "S3"
    provider = "AWS"
    mark_separator = "-"
    deletes_at_once = 1000

    def connect(self, bucket: str, prefix: str, *, kind: ConnectionKind, encryption: str | None = None) -> Any:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.connect`.

        ``encryption`` is how the server encrypts what is put (``AES256``, ``aws:kms``); None for the settings' way.
        """
        from obstore.exceptions import BaseError
        from obstore.store import S3Store

        where = f"s3://{bucket}/{prefix}"
        try:
            settings = s3_settings()
        except AwsError as error:
            raise _unusable_credentials(error, where) from error
        options = client_options(kind, settings.endpoint)
        # obstore reads SSL_CERT_FILE by itself.
        if settings.bundle is not None and settings.bundle.source != "SSL_CERT_FILE" and not options["allow_http"]:
            options["root_certificate"] = settings.bundle.read()
        try:
            return S3Store(
                bucket,
                prefix=prefix or None,
                config=_obstore_config(settings, encryption),  # type: ignore[arg-type]
                client_options=options,  # type: ignore[arg-type]
                retry_config=retry_config(kind),  # type: ignore[arg-type]
                credential_provider=settings.credentials,  # type: ignore[arg-type]
            )
        except (BaseError, ValueError) as error:
            raise StoreUnavailable(
                "The settings for S3 can't be used.",
                seen=str(error).split("\n")[0],
                where=where,
                help="Check AWS_ENDPOINT_URL and AWS_REGION.",
            ) from error

    def forget_credentials(self) -> None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.forget_credentials`."""
        forget_settings()

    def endpoint(self) -> str | None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.endpoint`."""
        return s3_settings().endpoint

    def help(self) -> CloudHelp:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.help`."""
        hint = ""
        if s3_settings().encryption is None:
            hint = "Where the bucket takes encrypted objects only, set FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION."
        return CloudHelp(
            bucket_word="bucket",
            make_bucket="aws s3 mb s3://{bucket}",
            credentials_name="AWS",
            renew_credentials="Renew them (aws sso login), and check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and this "
            "machine's clock.",
            permissions="s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket",
            write_hint=hint,
            endpoint_variable="AWS_ENDPOINT_URL",
            network_hint="Check the network and AWS_REGION.",
        )

    def failed_credentials(self, where: str) -> StoreUnavailable | None:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.failed_credentials`."""
        found = s3_settings().credentials
        if found is None or found.failure is None:
            return None
        return _unusable_credentials(explain_failure(found.failure, "sign requests to S3"), where)

    def certificate_help(self) -> tuple[str, str]:
        """See :meth:`~flow_sdk.store.backends.cloud.Cloud.certificate_help`."""
        return certificate_help()


def _unusable_credentials(error: AwsError, where: str) -> StoreUnavailable:
    """Return an error about settings or credentials as one of the store."""
    headline = error.headline
    if "there are no credentials" in headline:
        headline = "There are no AWS credentials."
    return StoreUnavailable(headline, seen=error.seen, wanted=error.wanted, where=where, help=error.help)


def _obstore_config(settings: S3Settings, algorithm: str | None) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    if settings.region:
        config["region"] = settings.region
    wanted = settings.encryption
    if algorithm:  # a key of KMS belongs to an encryption with keys
        wanted = Encryption(algorithm, wanted.key if wanted is not None and algorithm != "AES256" else None)
    if wanted is not None:
        config["server_side_encryption"] = wanted.algorithm
        if wanted.key:
            config["sse_kms_key_id"] = wanted.key
    return config
