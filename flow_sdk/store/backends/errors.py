"""What an error of obstore means, in words that help."""

import re

from flow_sdk.aws import explain_failure
from flow_sdk.aws.settings import certificate_help, s3_settings
from flow_sdk.errors import AwsError, StoreError, StoreUnavailable

__all__ = ["error_code", "explain", "is_cut", "is_missing", "is_passing", "is_refused", "is_unknown", "no_settings"]

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_REGION = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307"}
_NOT_ACCEPTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "401",
}
_PASSING = {"RequestTimeout", "SlowDown", "ConditionalRequestConflict", "OperationAborted", "408", "409", "412", "429"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"}
_SETTLED = ("PermissionDeniedError", "UnauthenticatedError", "NotFoundError", "NotSupportedError", "InvalidPathError")
_UNFETCHED = "External AWS credential provider"
"""What obstore calls an error of the callable that it gets credentials from."""
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
"""What obstore says of a connection in its debug text only."""


def _text(error: Exception) -> str:
    return str(error).split("\n\nDebug source", 1)[0]


def error_code(error: Exception) -> str:
    """S3's own code for an error, else the HTTP status, else ``""``."""
    text = _text(error)
    found = _CODE.search(text) or _STATUS.search(text)
    return found[1] if found else ""


def is_cut(error: Exception) -> bool:
    """Tell whether an answer had begun to arrive and broke off."""
    text = _text(error)
    return not _CODE.search(text) and not _STATUS.search(text) and "body error" in text


def is_missing(error: Exception) -> bool:
    """Tell whether an error says that there is no such object (but there is a bucket)."""
    return isinstance(error, FileNotFoundError) and error_code(error) != "NoSuchBucket"


def is_unknown(error: Exception) -> bool:
    """Tell whether a put that ended in this error may have been applied all the same."""
    if isinstance(error, FileNotFoundError) or type(error).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
    ):
        return False
    text = _text(error)
    if _certificate(error):
        return False
    status = _STATUS.search(text)
    return status is None or status[1] in ("408", "409", "429") or status[1].startswith("5")


def is_passing(error: Exception) -> bool:
    """Tell whether the same request may go through a little later."""
    if isinstance(error, FileNotFoundError | PermissionError) or is_refused(error) or _certificate(error):
        return False
    code, status = error_code(error), _STATUS.search(_text(error))
    if code in _PASSING or type(error).__name__ in ("AlreadyExistsError", "PreconditionError"):
        return True
    if type(error).__name__ in _SETTLED:
        return False
    return not code or (status is not None and (status[1] in _PASSING or status[1].startswith("5")))


def is_refused(error: Exception) -> bool:
    """Tell whether an error is about who asks, so that newer credentials may help.

    A HEAD has no code in its answer, so that a plain 400 or 403 may be one too.
    """
    return error_code(error) in (*_NOT_ACCEPTED, "400", "403")


def _certificate(error: Exception) -> str:
    """What is wrong with the certificate of the server; "" where that isn't the matter."""
    found = _CERTIFICATE.search(str(error))
    return found[1] if found else ""


def no_settings(error: AwsError, where: str) -> StoreUnavailable:
    """Turn an error about settings or credentials into one of the store."""
    if "there are no credentials" in error.headline:
        return StoreUnavailable(
            "There are no AWS credentials.", seen=error.seen, wanted=error.wanted, where=where, help=error.help
        )
    return StoreUnavailable(error.headline, seen=error.seen, wanted=error.wanted, where=where, help=error.help)


def _unfetched(where: str) -> StoreUnavailable | None:
    """The error for credentials that couldn't be fetched, if that is the matter."""
    found = s3_settings().credentials
    if found is None or found.failure is None:
        return None
    return no_settings(explain_failure(found.failure, "sign requests to S3"), where)


def explain(error: Exception, verb: str, bucket: str, where: str) -> StoreError:
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

    Returns
    -------
    StoreError
        What to raise from ``error``.
    """
    code, text = error_code(error), _text(error)
    if code == "RequestTimeTooSkewed":
        return _skewed(text, where)
    if _UNFETCHED in text and (unfetched := _unfetched(where)) is not None:
        return unfetched
    endpoint = s3_settings().endpoint
    server = endpoint or "AWS"
    seen = code or " ".join(text.split())[:300]
    if code == "NoSuchBucket":
        return StoreUnavailable(
            f"There is no bucket {bucket!r}.",
            seen=f"{code} from {server}",
            where=where,
            help=f"Make it (aws s3 mb s3://{bucket}), or check --datastore-root and AWS_ENDPOINT_URL.",
        )
    if code in _NOT_ACCEPTED or type(error).__name__ == "UnauthenticatedError":
        return StoreUnavailable(
            "The AWS credentials aren't accepted.",
            seen=seen,
            where=where,
            help="Renew them (aws sso login), and check AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN and this machine's clock.",
        )
    if code in _DENIED or type(error).__name__ == "PermissionDeniedError":
        return StoreUnavailable(
            f"The AWS credentials don't let us {verb} there.",
            seen=seen,
            wanted="s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket",
            where=where,
            help=_help_with_permissions(verb),
        )
    if code in _REGION or "redirect without LOCATION" in text:
        return StoreUnavailable(
            "The bucket is in another region.", seen=seen, where=where, help="Set AWS_REGION to the bucket's region."
        )
    if not code and _certificate(error):
        wanted, help_ = certificate_help()
        return StoreUnavailable(
            f"The certificate of S3 at {server} isn't trusted.",
            seen=f"{_certificate(error)}: {seen}",
            wanted=wanted,
            where=where,
            help=help_,
        )
    if not code and _NO_ANSWER.search(text):
        cause = next((words for name, words in _CAUSES.items() if name in str(error)), "")
        return StoreUnavailable(
            f"S3 doesn't answer at {server}.",
            seen=f"{cause}: {seen}" if cause else seen,
            where=where,
            help="Check the network and AWS_ENDPOINT_URL." if endpoint else "Check the network and AWS_REGION.",
        )
    return StoreError(f"S3 can't {verb} an object.", seen=" ".join(text.split())[:300], where=where)


def _help_with_permissions(verb: str) -> str:
    help_ = "Ask whoever looks after the bucket for them."
    if verb == "write" and s3_settings().encryption is None:
        help_ += " Where the bucket takes encrypted objects only, set FLOW_SDK_S3_SERVER_SIDE_ENCRYPTION."
    return help_


def _skewed(text: str, where: str) -> StoreUnavailable:
    times = [re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("RequestTime", "ServerTime")]
    seen = "".join(f", {said} {found[1]}" for said, found in zip(("here", "there"), times, strict=True) if found)
    return StoreUnavailable(
        "This machine's clock is wrong: S3 takes no request that is more than 15 minutes off.",
        seen=f"RequestTimeTooSkewed{seen}",
        where=where,
        help="Set the clock, and have it kept right (timedatectl set-ntp true).",
    )
