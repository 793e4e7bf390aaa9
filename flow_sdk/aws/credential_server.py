"""Credentials handed to another process of this machine for as long as it runs.

Keys in a process's environment are those that were valid when it was started. So it is given an address instead, as
containers are: a server on loopback, with a random token, that answers with keys that are valid now. boto3 and other
tools of AWS ask it by themselves, and again before the keys expire.
"""

import hmac
import json
import secrets
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flow_sdk.aws.credentials import RenewedCredentials

__all__ = ["CredentialServer"]

_PATH = "/credentials"

_SOURCES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
"""Variables that name other credentials, and count more than an address."""


class CredentialServer:
    """The server, in threads of this process; it ends with the process or by :meth:`close`.

    Parameters
    ----------
    credentials : RenewedCredentials
        What it hands out.
    """

    def __init__(self, credentials: RenewedCredentials) -> None:
        token = secrets.token_urlsafe(32)

        class Handler(_Handler):
            source, secret = credentials, token.encode("ascii")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._token = token
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="credentials", daemon=True).start()

    def environment(self, base: dict[str, str]) -> dict[str, str]:
        """Return an environment in which AWS's tools ask this server.

        Parameters
        ----------
        base : dict of str to str
            The environment that the process would have otherwise. Its other credentials are left out.
        """
        kept = {name: value for name, value in base.items() if name not in _SOURCES}
        return {
            **kept,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}{_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._token,
        }

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    source: RenewedCredentials
    secret: bytes
    timeout = 10  # seconds for which a caller may say nothing

    def do_GET(self) -> None:
        given = (self.headers.get("Authorization") or "").encode("utf-8", "replace")
        if self.path != _PATH or not hmac.compare_digest(given, self.secret):
            self._answer(403, {"code": "AccessDenied", "message": "The authorization token isn't right."})
            return
        try:
            keys = self.source.keys()
        except Exception as error:  # noqa: BLE001 the caller gets it, whatever it is
            self._answer(500, {"code": type(error).__name__, "message": str(error)[:300]})
            return
        expires = datetime.fromtimestamp(keys.expires, UTC) if keys.expires is not None else datetime.max
        self._answer(
            200,
            {
                "AccessKeyId": keys.access_key,
                "SecretAccessKey": keys.secret_key,
                "Token": keys.token or "",
                "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )

    def _answer(self, status: int, data: dict[str, str]) -> None:
        text = json.dumps(data).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Log nothing: the client is a process that we started."""
