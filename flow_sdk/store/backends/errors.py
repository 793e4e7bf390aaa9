"""What an error of obstore means, and the error that the user gets for it. One policy for every cloud."""

import re

from flow_sdk.errors import StoreError, StoreUnavailable
from flow_sdk.store.backends.cloud import Cloud

__all__ = [
    "error_code",
    "explain_error",
    "is_conflict",
    "is_credential_refusal",
    "is_cut_off",
    "is_missing_bucket",
    "is_missing_object",
    "is_out_of_range",
    "is_transient",
    "is_unknown_outcome",
]

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_MISSING_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_OTHER_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"}
_NOT_ACCEPTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "AuthenticationFailed",
    "AuthenticationRequired",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
    "InvalidSecurity",
    "401",
}
_TRANSIENT = {
    "RequestTimeout",
    "SlowDown",
    "ConditionalRequestConflict",
    "OperationAborted",
    "ContainerBeingDeleted",
    "408",
    "409",
    "412",
    "429",
}
_DENIED = {
    "AccessDenied",
    "AllAccessDisabled",
    "AccountProblem",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "AuthorizationProtocolMismatch",
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
    "AccountIsDisabled",
    "InsufficientAccountPermissions",
    "KeyBasedAuthenticationNotPermitted",
    "403",
}
_PERMANENT = ("PermissionDeniedError", "UnauthenticatedError", "NotFoundError", "NotSupportedError", "InvalidPathError")
_CONFLICTS = ("AlreadyExistsError", "PreconditionError")
_PROVIDER_FAILED = "External AWS credential provider"
"""How obstore begins an error of the callable that it gets AWS credentials from."""
_NO_TOKEN = re.compile(r"token request|Error decoding credentials|credential provider", re.IGNORECASE)
_NO_ANSWER = re.compile(r"error sending request|HTTP error|timed out|connect", re.IGNORECASE)
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*)?(\w+)")
_CAUSES = {
    "ConnectionRefused": "the connection is refused",
    "ConnectionReset": "the connection is reset",
    "failed to lookup address": "there is no such host",
    "dns error": "there is no such host",
    "InvalidContentType": "it doesn't speak TLS, as https:// needs",
    "tunnel error": "the proxy doesn't connect",
    "ProxyAuthRequired": "the proxy asks for a password",
    "TimedOut": "timed out",
}
"""What obstore writes of a connection in its debug text only."""


def _short_message(error: Exception) -> str:
    return str(error).split("\n\nDebug source", 1)[0]


def error_code(error: Exception) -> str:
    """Return the server's own code for an error, else the HTTP status, else ``""``."""
    text = _short_message(error)
    found = _CODE.search(text) or _STATUS.search(text)
    return found[1] if found else ""


def is_cut_off(error: Exception) -> bool:
    """Return whether an answer had begun to arrive and broke off."""
    text = _short_message(error)
    return not _CODE.search(text) and not _STATUS.search(text) and "body error" in text


def is_conflict(error: Exception) -> bool:
    """Return whether a create-only put met an object, or a condition of the request doesn't hold."""
    return type(error).__name__ in _CONFLICTS


def is_missing_bucket(error: Exception) -> bool:
    """Return whether the server says that there is no such bucket."""
    return error_code(error) in _MISSING_BUCKET


def is_missing_object(error: Exception) -> bool:
    """Return whether the server says that there is no such object (but there is a bucket)."""
    return isinstance(error, FileNotFoundError) and not is_missing_bucket(error)


def is_out_of_range(error: Exception) -> bool:
    """Return whether a range was requested that lies behind the object's end."""
    text = _short_message(error)
    return error_code(error) in ("InvalidRange", "416") or "Wanted range starting at" in text or "bytes 0--1/0" in text


def is_unknown_outcome(error: Exception) -> bool:
    """Return whether a put that ended in this error may have been applied all the same."""
    if isinstance(error, FileNotFoundError) or type(error).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
    ):
        return False
    if _certificate_problem(error) or _has_no_token(error):
        return False
    status = _STATUS.search(_short_message(error))
    return status is None or status[1] in ("408", "409", "429") or status[1].startswith("5")


def is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed a little later."""
    if isinstance(error, FileNotFoundError | PermissionError) or is_credential_refusal(error):
        return False
    if _certificate_problem(error):
        return False
    code, status = error_code(error), _STATUS.search(_short_message(error))
    if code in _TRANSIENT or is_conflict(error):
        return True
    if type(error).__name__ in _PERMANENT:
        return False
    return not code or (status is not None and (status[1] in _TRANSIENT or status[1].startswith("5")))


def is_credential_refusal(error: Exception) -> bool:
    """Return whether an error is about who sends the request, so that newer credentials may help.

    A HEAD has no code in its answer, so that a plain 400 or 403 may be one too.
    """
    return error_code(error) in (*_NOT_ACCEPTED, "400", "403")


def _certificate_problem(error: Exception) -> str:
    """Return what is wrong with the certificate of the server; "" if nothing is."""
    found = _CERTIFICATE.search(str(error))
    return found[1] if found else ""


def _has_no_token(error: Exception) -> bool:
    """Return whether the request was never sent, as there were no credentials to sign it with."""
    text = _short_message(error)
    return _PROVIDER_FAILED in text or _NO_TOKEN.search(text) is not None


def explain_error(error: Exception, verb: str, bucket: str, where: str, cloud: Cloud) -> StoreError:
    """Build the error for the user.

    Parameters
    ----------
    error : Exception
        What obstore raised.
    verb : str
        What was tried: ``read``, ``write``, ``list``, ``delete``.
    bucket : str
        The bucket.
    where : str
        The object's URL.
    cloud : Cloud
        Where it was tried.

    Returns
    -------
    StoreError
        The error to raise from ``error``.
    """
    code, text = error_code(error), _short_message(error)
    if code == "RequestTimeTooSkewed":
        return _clock_error(text, where)
    if _has_no_token(error):
        failed = cloud.failed_credentials(where)
        if isinstance(failed, StoreError):
            if failed.seen is None:
                failed.seen = " ".join(text.split())[:300]
            return failed
    server = cloud.endpoint() or cloud.provider
    seen = code or " ".join(text.split())[:300]
    help_ = cloud.help()
    if code in _MISSING_BUCKET:
        return StoreUnavailable(
            f"There is no {help_.bucket_word} {bucket!r}.",
            seen=f"{code} from {server}",
            where=where,
            help=f"Make it ({help_.make_bucket.format(bucket=bucket)}), or check --datastore-root and "
            f"{help_.endpoint_variable}.",
        )
    if code in _NOT_ACCEPTED or type(error).__name__ == "UnauthenticatedError":
        return StoreUnavailable(
            f"The {help_.credentials_name} credentials aren't accepted.",
            seen=seen,
            where=where,
            help=help_.renew_credentials,
        )
    if code in _DENIED or type(error).__name__ == "PermissionDeniedError":
        advice = "Ask the administrator of the bucket for them."
        return StoreUnavailable(
            f"The {help_.credentials_name} credentials don't let us {verb} there.",
            seen=seen,
            wanted=help_.permissions,
            where=where,
            help=f"{advice} {help_.write_hint}".strip() if verb == "write" else advice,
        )
    return _explain_connection(error, verb, where, cloud, server)


def _explain_connection(error: Exception, verb: str, where: str, cloud: Cloud, server: str) -> StoreError:
    code, text = error_code(error), _short_message(error)
    seen = code or " ".join(text.split())[:300]
    if code in _OTHER_REGION or "redirect without LOCATION" in text:
        return StoreUnavailable(
            "The bucket is in another region.", seen=seen, where=where, help="Set AWS_REGION to the bucket's region."
        )
    if not code and (problem := _certificate_problem(error)):
        wanted, help_ = cloud.certificate_help()
        return StoreUnavailable(
            f"The certificate of {cloud.title} at {server} isn't trusted.",
            seen=f"{problem}: {seen}",
            wanted=wanted,
            where=where,
            help=help_,
        )
    if not code and _NO_ANSWER.search(text):
        cause = next((words for name, words in _CAUSES.items() if name in str(error)), "")
        own = cloud.help()
        return StoreUnavailable(
            f"{cloud.title} doesn't answer at {server}.",
            seen=f"{cause}: {seen}" if cause else seen,
            where=where,
            help=f"Check the network and {own.endpoint_variable}." if cloud.endpoint() else own.network_hint,
        )
    return StoreError(f"{cloud.title} can't {verb} an object.", seen=" ".join(text.split())[:300], where=where)


def _clock_error(text: str, where: str) -> StoreUnavailable:
    times = [re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("RequestTime", "ServerTime")]
    seen = "".join(f", {side} {found[1]}" for side, found in zip(("here", "there"), times, strict=True) if found)
    return StoreUnavailable(
        "This machine's clock is wrong: S3 takes no request that is more than 15 minutes off.",
        seen=f"RequestTimeTooSkewed{seen}",
        where=where,
        help="Set the clock, and have it kept right (timedatectl set-ntp true).",
    )
