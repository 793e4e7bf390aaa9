"""AWS settings, read in one module for the store, the S3 client and all services.

Plain environment variables are read here. Everything else (profiles, roles, sign-on, containers, machines) is left to
botocore, so that the store understands what boto3 understands. botocore takes 80 ms to import: it isn't, where keys
stand in the environment and AWS's files say nothing that concerns S3.
"""

from __future__ import annotations

import contextlib
import os
import re

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.aws.errors import aws_errors, use_certificate_help
from flow_sdk.config import read_setting
from flow_sdk.errors import AwsError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from flow_sdk.aws.credentials import RenewedCredentials

__all__ = [
    "CaBundle",
    "Encryption",
    "S3Settings",
    "aws_files",
    "botocore_session",
    "ca_bundle",
    "certificate_help",
    "find_encryption",
    "find_region",
    "forget_settings",
    "given_credentials",
    "s3_settings",
]

ALGORITHMS = ("AES256", "aws:kms", "aws:kms:dsse")
"""What S3 can encrypt objects with by itself."""

_OF_METAFLOW = "METAFLOW_S3_ENDPOINT_URL"
"""Metaflow's variable for the address of S3; it counts where AWS's settings name none."""

_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_METADATA_TRIES = 3
"""How often a machine's metadata service is asked: botocore's own single try fails on a busy machine."""

_OF_S3 = ("endpoint_url", "ca_bundle", "services", "region", "ignore_configured_endpoint_urls")
_IN_FILES = re.compile(rf"^\s*({'|'.join(_OF_S3)})\s*=", re.MULTILINE)
_RELEVANT = ("AWS_", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "HOME", "FLOW_SDK_", "METAFLOW_")

_session: tuple[object, Any] | None = None
_found: tuple[object, S3Settings] | None = None
_given: RenewedCredentials | None = None


class CaBundle:
    """A file of certificate authorities.

    Parameters
    ----------
    path : str
        The file, in PEM form.
    source : str
        The setting that names it.
    """

    __slots__ = ("path", "source")

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source

    def read(self) -> bytes:
        """Return the file's content.

        Raises
        ------
        ConfigError
            If there is no such file, or no certificate in it.
        """
        try:
            with open(self.path, "rb") as file:
                text = file.read()
        except OSError as error:
            raise self._unusable(str(error.strerror)) from error
        if b"-----BEGIN CERTIFICATE-----" not in text:
            raise self._unusable("there is no certificate in it")
        return text

    def _unusable(self, seen: str) -> ConfigError:
        return ConfigError(
            "The file of certificate authorities can't be used.",
            seen=seen,
            wanted="a file of certificates in PEM form",
            where=f"{self.path} ({self.source})",
            help=f"Correct {self.source}, or unset it.",
        )


class Encryption:
    """How S3 is asked to encrypt the objects that we write.

    Parameters
    ----------
    algorithm : str
        One of :data:`ALGORITHMS`.
    key : str or None
        Id or ARN of a key of KMS; None for the account's own.
    """

    __slots__ = ("algorithm", "key")

    def __init__(self, algorithm: str, key: str | None) -> None:
        self.algorithm = algorithm
        self.key = key

    @property
    def arguments(self) -> dict[str, str]:
        """Return it as arguments of S3's ``PutObject``."""
        found = {"ServerSideEncryption": self.algorithm}
        return {**found, "SSEKMSKeyId": self.key} if self.key else found

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make another process encrypt in the same way."""
        found = {"FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION": self.algorithm}
        return {**found, "FLOW_SDK_S3_SSE_KMS_KEY_ID": self.key} if self.key else found


class S3Settings:
    """Where S3 is and who asks.

    Parameters
    ----------
    region : str or None
        The region.
    endpoint : str or None
        Address of the server; None for AWS's own.
    bundle : CaBundle or None
        The certificate authorities to trust besides the system's.
    credentials : RenewedCredentials or None
        Who asks; None where obstore finds the keys in the environment, or requests aren't signed.
    encryption : Encryption or None
        How objects are encrypted; None for the bucket's own way.
    """

    __slots__ = ("bundle", "credentials", "encryption", "endpoint", "region")

    def __init__(
        self,
        region: str | None,
        endpoint: str | None,
        bundle: CaBundle | None,
        credentials: RenewedCredentials | None,
        encryption: Encryption | None,
    ) -> None:
        self.region = region
        self.endpoint = endpoint
        self.bundle = bundle
        self.credentials = credentials
        self.encryption = encryption


def s3_settings() -> S3Settings:
    """Return the settings for S3: as they were found before, unless the environment or AWS's files have changed.

    Raises
    ------
    AwsError
        If the profile can't be used, or the credentials can't be fetched.
    ConfigError
        If a setting has an impossible value.
    """
    global _found
    state = _settings_state()
    if _found is None or _found[0] != state:
        if _given is not None and _is_plain(has_keys=True):
            found = _read_plain(_given)
        elif _given is None and _is_plain(has_keys=_is_unsigned()):
            found = _read_plain(None)
        else:
            found = _read_with_botocore()
        _found = (state, found)
    return _found[1]


@contextlib.contextmanager
def given_credentials(credentials: RenewedCredentials | None) -> Iterator[None]:
    """Within it, S3 is asked with these credentials, wherever others may be found.

    Parameters
    ----------
    credentials : RenewedCredentials or None
        The credentials; None for those that are found.
    """
    global _given
    before, _given = _given, credentials
    try:
        yield
    finally:
        _given = before


def forget_settings() -> None:
    """Read settings and credentials again the next time: S3 doesn't accept those in use any more."""
    global _found, _session
    _found = _session = None


def botocore_session() -> Any:
    """Return botocore's session of this process, which knows the region and certificates that we know.

    Raises
    ------
    AwsError
        If the profile can't be used.
    """
    global _session
    state = _settings_state()
    if _session is None or _session[0] != state:
        import botocore.session

        made = botocore.session.Session()
        with aws_errors("read the AWS settings"):
            if (named := _read_variable("AWS_REGION")) is not None:
                made.set_config_variable("region", named)
            if "AWS_METADATA_SERVICE_NUM_ATTEMPTS" not in os.environ and not made.get_scoped_config().get(
                "metadata_service_num_attempts"
            ):
                made.set_config_variable("metadata_service_num_attempts", _METADATA_TRIES)
            found = _bundle_of(made.get_scoped_config())
            if found is not None:
                made.set_config_variable("ca_bundle", found.path)
        _session = (state, made)
    return _session[1]


def find_region() -> str | None:
    """Return the region: of the environment (``AWS_REGION``, ``AWS_DEFAULT_REGION``), else of the profile.

    Raises
    ------
    AwsError
        If it has to be looked up in a profile that can't be used.
    """
    named = _read_variable("AWS_REGION") or _read_variable("AWS_DEFAULT_REGION")
    if named or (not os.environ.get("AWS_PROFILE") and not any(map(os.path.exists, aws_files()))):
        return named
    found = botocore_session().get_config_variable("region")
    return str(found) if found else None


def ca_bundle() -> CaBundle | None:
    """Return the certificate authorities to trust: ``AWS_CA_BUNDLE``, ``ca_bundle`` of the profile,
    ``REQUESTS_CA_BUNDLE`` or ``SSL_CERT_FILE``; None for the usual ones.

    Raises
    ------
    AwsError
        If it has to be looked up in a profile that can't be used.
    """
    if _read_variable("AWS_CA_BUNDLE") or not (os.environ.get("AWS_PROFILE") or _named_in_files("ca_bundle")):
        return _bundle_of({})
    return _bundle_of(botocore_session().get_scoped_config())


def certificate_help() -> tuple[str, str]:
    """Return what a certificate was verified with, and what to do about one that isn't trusted."""
    try:
        found = ca_bundle()
    except AwsError:
        found = None
    if found is None:
        return "one that the usual certificate authorities have signed", (
            "Where a proxy or a server of your organisation has its own authority: export AWS_CA_BUNDLE=its-file.pem"
        )
    return f"one that an authority in {found.path} has signed ({found.source})", (
        f"Add the authority to that file, or let {found.source} name another."
    )


def find_encryption() -> Encryption | None:
    """Return how S3 is to encrypt what we write: the settings ``S3_SERVER_SIDE_ENCRYPTION`` and ``S3_SSE_KMS_KEY_ID``.

    Raises
    ------
    ConfigError
        If S3 knows no such encryption, or a key is named for one without keys.
    """
    algorithm, key = read_setting("S3_SERVER_SIDE_ENCRYPTION"), read_setting("S3_SSE_KMS_KEY_ID")
    if algorithm.value is None and key.value is None:
        return None
    if algorithm.value not in (None, *ALGORITHMS):
        raise ConfigError(
            "S3 knows no such encryption.",
            seen=repr(algorithm.value),
            wanted=" or ".join(ALGORITHMS),
            where=algorithm.source,
        )
    if algorithm.value == "AES256" and key.value is not None:
        raise ConfigError(
            "A key of KMS is named, but the encryption is one without keys.",
            seen=f"AES256 from {algorithm.source}",
            wanted="aws:kms or aws:kms:dsse",
            where=key.source,
            help="Set S3_SERVER_SIDE_ENCRYPTION to aws:kms, or leave the key out.",
        )
    return Encryption(algorithm.value or "aws:kms", key.value)


def _read_variable(name: str) -> str | None:
    return os.environ.get(name) or None


def aws_files() -> list[str]:
    """Return the paths of AWS's two files: config and credentials, whether they exist or not."""
    named = (
        os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
    )
    return [os.path.expanduser(file) for file in named]


def _settings_state() -> object:
    """What settings depend on: a part of the environment, and the two files."""
    stats: list[tuple[int, int] | None] = []
    for file in aws_files():
        try:
            found = os.stat(file)
            stats.append((found.st_mtime_ns, found.st_size))
        except OSError:
            stats.append(None)
    return {name: value for name, value in os.environ.items() if name.startswith(_RELEVANT)}, stats, id(_given)


def _named_in_files(*names: str) -> set[str]:
    """Which of some settings stand in AWS's files, of whatever profile."""
    found: set[str] = set()
    for file in aws_files():
        with contextlib.suppress(OSError, ValueError), open(file, encoding="utf-8") as text:
            found.update(_IN_FILES.findall(text.read()))
    return found & set(names)


def _is_plain(*, has_keys: bool) -> bool:
    """Return whether the environment alone configures S3, in a way that obstore understands by itself."""
    if any(map(os.environ.get, ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"))):
        return False
    if not has_keys and (
        any(map(os.environ.get, ("AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION")))
        or not all(map(os.environ.get, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")))
    ):
        return False
    said = _named_in_files(*_OF_S3)
    return not (said - {"region"} if _read_variable("AWS_REGION") or _read_variable("AWS_DEFAULT_REGION") else said)


def _is_unsigned() -> bool:
    return os.environ.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true", "yes", "on", "y")


def _read_plain(credentials: RenewedCredentials | None) -> S3Settings:
    endpoint = (
        _read_variable("AWS_ENDPOINT_URL_S3") or _read_variable("AWS_ENDPOINT_URL") or _read_variable(_OF_METAFLOW)
    )
    named = _read_variable("AWS_REGION") or _read_variable("AWS_DEFAULT_REGION")
    return S3Settings(named, endpoint, _bundle_of({}), credentials, find_encryption())


def _read_with_botocore() -> S3Settings:
    made = botocore_session()
    with aws_errors("read the AWS settings"):
        found = made.get_config_variable("region") or None
        profile = made.get_scoped_config()
        endpoint = _find_endpoint(made, "s3", found) or _read_variable(_OF_METAFLOW)
    credentials = _given or (None if _is_unsigned() else _find_credentials())
    return S3Settings(found, endpoint, _bundle_of(profile), credentials, find_encryption())


def _find_endpoint(made: Any, service: str, region: str | None) -> str | None:
    """The address of a service, in the order in which AWS's tools look for it."""
    profile = made.get_scoped_config()
    if made.get_config_variable("ignore_configured_endpoint_urls"):
        # obstore would find the address in the environment; so AWS's own is named.
        return f"https://{service}.{region}.amazonaws.com" if region else None
    section = made.full_config.get("services", {}).get(profile.get("services"), {})
    return (
        _read_variable(f"AWS_ENDPOINT_URL_{service.upper()}")
        or _read_variable("AWS_ENDPOINT_URL")
        or section.get(service, {}).get("endpoint_url")
        or profile.get("endpoint_url")
        or None
    )


def address_from_metaflow(made: Any, service: str) -> str | None:
    """Return the address of a service that Metaflow's variable gives; None where AWS's settings give one.

    Parameters
    ----------
    made : botocore.session.Session
        What knows AWS's settings.
    service : str
        botocore's name of the service; the variable is for ``s3``.
    """
    address = _read_variable(_OF_METAFLOW) if service == "s3" else None
    return None if address is None or _find_endpoint(made, service, made.get_config_variable("region")) else address


def _bundle_of(profile: dict[str, Any]) -> CaBundle | None:
    for name in _BUNDLES:
        if (path := _read_variable(name)) is not None:
            return CaBundle(path, name)
        if name == "AWS_CA_BUNDLE" and profile.get("ca_bundle"):
            return CaBundle(os.path.expanduser(str(profile["ca_bundle"])), "ca_bundle of the AWS profile")
    return None


def _find_credentials() -> RenewedCredentials:
    from flow_sdk.aws.credentials import RenewedCredentials

    with aws_errors("sign requests to S3"):
        found = botocore_session().get_credentials()
        if found is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
    return RenewedCredentials(found)


use_certificate_help(certificate_help)
