"""Credentials that live for seconds, handed out in every way that AWS has, and a check that refuses expired ones."""

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from tests.support.threaded_server import ServedInThread

__all__ = ["SessionServer"]

ROLE = "worker"


class SessionServer(ServedInThread):
    """STS, a metadata service, a container's credential service and sign-on, on a free port of loopback.

    Parameters
    ----------
    seconds : float
        How long a session lives.
    token : str
        What a container has to show; ``""`` for nothing.
    """

    def __init__(self, seconds: float = 3600, token: str = "") -> None:
        self.seconds, self.token = seconds, token
        self.issued: dict[str, float] = {}
        self.sources: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def issue(self, source: str) -> dict[str, str]:
        """Begin a session."""
        with self._lock:
            self.sources[source] += 1
            key = f"ASIA{len(self.issued):016d}"
            # What is told is in whole seconds.
            expires = self.issued[key] = float(int(time.time() + self.seconds))
        return {
            "AccessKeyId": key,
            "SecretAccessKey": "secret",
            "Token": f"token-of-{key}",
            "Expiration": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def refuses(self, key: str) -> bool:
        """Tell whether a request that is signed with a key comes too late, or from nobody that is known."""
        return time.time() > self.issued.get(key, 0.0)

    def new_server(self) -> ThreadingHTTPServer:
        sessions = self

        class Bound(_Handler):
            at = sessions

        server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        server.daemon_threads = True
        return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    at: SessionServer

    def log_message(self, *args: object) -> None:
        pass

    def do_PUT(self) -> None:
        self._send(200, b"metadata-token")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/container":
            if self.at.token and self.headers.get("Authorization") != self.at.token:
                self._send(403, b'{"code": "AccessDenied", "message": "wrong token"}')
            else:
                self._send(200, json.dumps(self.at.issue("container")).encode())
        elif path == "/latest/meta-data/iam/security-credentials/":
            self._send(200, ROLE.encode())
        elif path == f"/latest/meta-data/iam/security-credentials/{ROLE}":
            self._send(200, json.dumps({"Code": "Success", **self.at.issue("metadata")}).encode())
        elif path == "/federation/credentials":
            found = self.at.issue("sign-on")
            words = {
                "accessKeyId": found["AccessKeyId"],
                "secretAccessKey": found["SecretAccessKey"],
                "sessionToken": found["Token"],
                "expiration": int(self.at.issued[found["AccessKeyId"]] * 1000),
            }
            self._send(200, json.dumps({"roleCredentials": words}).encode())
        else:
            self._send(404, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = parse_qs(body.decode())["Action"][0]
        found = self.at.issue(action)
        fields = "".join(
            f"<{name}>{found[given]}</{name}>"
            for name, given in (
                ("AccessKeyId", "AccessKeyId"),
                ("SecretAccessKey", "SecretAccessKey"),
                ("SessionToken", "Token"),
                ("Expiration", "Expiration"),
            )
        )
        user = "<AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::1:a/b/s</Arn></AssumedRoleUser>"
        self._send(
            200,
            f"<{action}Response><{action}Result>"
            f"<Credentials>{fields}</Credentials>{user}</{action}Result></{action}Response>".encode(),
            "text/xml",
        )

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
        self.end_headers()
        self.wfile.write(body)
