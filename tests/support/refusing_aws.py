"""A server before moto's that refuses chosen calls of AWS with the error documents that AWS answers."""

import http.client
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.threaded_server import ServedInThread

__all__ = ["RefusingAws"]

REST = {
    "/v1/describejobqueues": "DescribeJobQueues",
    "/v1/describejobdefinitions": "DescribeJobDefinitions",
    "/v1/registerjobdefinition": "RegisterJobDefinition",
}
STATUS = {"AccessDeniedException": 400, "AccessDenied": 403, "ThrottlingException": 400}
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


class RefusingAws(ServedInThread):
    """The server, in threads of this process, on a free port; a context manager.

    Parameters
    ----------
    upstream : str
        Address of moto's server.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.refuse()

    def refuse(self, operation: str = "", code: str = "", message: str = "", times: int = 1_000_000) -> None:
        """From now on refuse calls of an operation, or of any (``*``), so many times."""
        with self._lock:
            self.operation, self.code, self.message, self.times = operation, code, message, times
            self.calls.clear()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def refuses(self, operation: str) -> bool:
        """Count a call, and say whether it is refused."""
        with self._lock:
            self.calls[operation] += 1
            if self.operation not in (operation, "*") or self.times <= 0:
                return False
            self.times -= 1
            return True

    def new_server(self) -> ThreadingHTTPServer:
        aws = self

        class Bound(_Handler):
            at = aws

        server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        server.daemon_threads = True
        return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    at: RefusingAws

    def log_message(self, *args: object) -> None:
        pass

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target")
        action = re.search(rb"(?:^|&)Action=(\w+)", body)
        if target:
            operation = target.rpartition(".")[2]
        else:
            operation = action[1].decode() if action else REST.get(self.path, self.path)
        if self.at.refuses(operation):
            self._refuse(xml=not target and self.path not in REST, query=action is not None)
        else:
            self._forward(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def _refuse(self, *, xml: bool, query: bool) -> None:
        code, message, status = self.at.code, self.at.message, STATUS.get(self.at.code, 403)
        if xml:
            error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            text = (f"<ErrorResponse>{error}</ErrorResponse>" if query else error).encode()
        else:
            text = json.dumps({"__type": code, "message": message}).encode()
        headers = [("x-amzn-ErrorType", code), ("Content-Type", "text/xml" if xml else "application/x-amz-json-1.0")]
        self._send(status, headers, text)

    def _forward(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(self.at.upstream.hostname or "", self.at.upstream.port, timeout=60)
        upstream.request(
            self.command, self.path, body, {k: v for k, v in self.headers.items() if k.lower() not in HOP - {"host"}}
        )
        answer = upstream.getresponse()
        text = answer.read()
        upstream.close()
        self._send(answer.status, [(k, v) for k, v in answer.getheaders() if k.lower() not in HOP], text)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
