"""A proxy before an S3 server that fails as a script says, the same way for the same seed.

Whether the n-th request for a method and key is hit is drawn from seed, rule, method, key and n alone: so threads and
processes that come in another order change nothing.
"""

import hashlib
import http.client
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.threaded_server import ServedInThread

__all__ = ["Asked", "FaultProxy", "Rule"]

HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
    "content-length",
}
STATUS = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "RequestTimeout": 400,
    "ExpiredToken": 400,
    "RequestTimeTooSkewed": 403,
    "AccessDenied": 403,
    "NoSuchUpload": 404,
}
OTHER = {*("lost", "late", "silent", "reset", "cut", "short", "long", "flip", "empty", "other", "swapped", "overwrite")}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that arrived.

    Parameters
    ----------
    method, key, query : str
        What was asked for; the key with its bucket, without the first ``/``.
    access_key : str
        The access key that it was signed with.
    fault : str
        What was done to it; ``""`` for nothing.
    """

    method: str
    key: str
    query: str
    access_key: str
    fault: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests fail, and how.

    Parameters
    ----------
    fault : str
        An S3 error code of ``STATUS`` (answered without asking the server), or one of

        - ``lost``: the request is applied, its answer never arrives and the connection is reset;
        - ``late``: the request is applied, nothing is answered, the connection stays open;
        - ``silent``: the request isn't applied, nothing is answered;
        - ``reset``: the connection is reset before the request's body is read;
        - ``cut``: the connection ends in the middle of the answer's body;
        - ``short``: half of the body arrives, and all headers say that it is all;
        - ``long``: the body and something more arrives, and the length says so;
        - ``flip``: a byte of the body is another one;
        - ``empty``: the body is empty, and the length says so;
        - ``other``: the body is that of the answer before to another key; ``swapped``: its headers too;
        - ``overwrite``: ``If-None-Match`` is taken off the request.
    method : str
        GET, PUT, POST, HEAD, DELETE; "" for all.
    key, query : str
        Regular expressions, searched in key and query.
    share : float
        Probability for each request that fits, 0 to 1.
    nth : collection of int
        Which of the requests that fit are hit, from 1; empty for all.
    most : int or None
        How many are hit at most.
    only : callable or None
        Further condition on method, key and access key.
    """

    fault: str
    method: str = ""
    key: str = ""
    query: str = ""
    share: float = 1.0
    nth: Collection[int] = ()
    most: int | None = None
    only: Callable[[str, str, str], bool] | None = None

    def __post_init__(self) -> None:
        if self.fault not in STATUS and self.fault not in OTHER:
            raise ValueError(f"there is no fault {self.fault!r}")


@dataclass(slots=True)
class _Count:
    fitting: int = 0
    hits: int = 0
    asked: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class FaultProxy(ServedInThread):
    """The proxy, in threads of this process, on a free port.

    Parameters
    ----------
    upstream : str
        Address of the server, ``http://host:port``.
    rules : Rule
        What fails; the first rule that hits counts.
    seed : int
        What the draws come from.
    """

    def __init__(self, upstream: str, *rules: Rule, seed: int = 0) -> None:
        self.upstream = urlsplit(upstream)
        self.seed = seed
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._now = 0
        self._last: tuple[str, list[tuple[str, str]], bytes] | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.set(*rules)

    def set(self, *rules: Rule) -> None:
        """Replace the rules, and count anew for them."""
        with self._lock:
            self.rules = [(rule, _Count()) for rule in rules]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def faults(self) -> int:
        """How many requests were hit so far."""
        with self._lock:
            return sum(1 for asked in self.asked if asked.fault)

    def count(self, method: str = "", key: str = "", query: str = "", fault: str | None = None) -> int:
        """Count the requests so far whose method, key, query and fault fit."""
        with self._lock:
            return sum(
                (not method or a.method == method)
                and bool(re.search(key, a.key))
                and bool(re.search(query, a.query))
                and (fault is None or a.fault == fault)
                for a in self.asked
            )

    def decide(self, method: str, path: str, query: str, access_key: str) -> str:
        """Say what is done to a request, and note it."""
        key = unquote(path).lstrip("/")
        with self._lock:
            fault = ""
            for rule, count in self.rules:
                fits = rule.method in ("", method) and re.search(rule.key, key) and re.search(rule.query, query)
                if not fits or (rule.only and not rule.only(method, key, access_key)):
                    continue
                count.fitting += 1
                count.asked[method, key, query] += 1
                if rule.most is not None and count.hits >= rule.most:
                    continue
                if rule.nth and count.fitting not in rule.nth:
                    continue
                drawn = f"{self.seed} {rule.fault} {method} {key} {query} {count.asked[method, key, query]}"
                if _number(drawn) < rule.share:
                    count.hits += 1
                    fault = rule.fault
                    break
            self.asked.append(Asked(method, key, query, access_key, fault))
        return fault

    def keep(self, path: str, headers: list[tuple[str, str]], body: bytes, fault: str) -> tuple[Any, bytes]:
        """Return headers and body as the fault leaves them, and keep those of this answer for the next one."""
        with self._lock:
            last, self._last = self._last, (path, headers, body) if body else self._last
        if fault in ("other", "swapped") and last is not None and last[0] != path:
            return (last[1] if fault == "swapped" else headers), last[2]
        if fault == "short":
            return headers, body[: len(body) // 2]
        if fault == "long":
            return headers, body + b"more of it"
        if fault in ("empty", "other", "swapped"):
            return headers, b""
        if fault == "flip" and body:
            at = int(_number(f"{self.seed} {path} {len(body)}") * len(body))
            return headers, body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]
        return headers, body

    def busy(self, by: int) -> None:
        """Count a request that begins (1) or ends (-1)."""
        with self._lock:
            self._now += by
            self.most_at_once = max(self.most_at_once, self._now)

    def wait(self) -> None:
        """Answer nothing until the proxy ends."""
        self._over.wait(120)

    def new_server(self) -> ThreadingHTTPServer:
        proxy = self

        class Bound(_Handler):
            at = proxy

        return _Server(("127.0.0.1", 0), Bound)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        super().__exit__(kind, error, trace)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of the test's business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    at: FaultProxy
    server_side: http.client.HTTPConnection | None = None

    def handle_any(self) -> None:
        path, _, query = self.path.partition("?")
        signed = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization") or "")
        self.at.busy(1)
        try:
            self._answer(path, self.at.decide(self.command, path, query, signed[1] if signed else ""))
        finally:
            self.at.busy(-1)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

    def log_message(self, *args: object) -> None:
        pass

    def finish(self) -> None:
        if self.server_side is not None:
            self.server_side.close()
        super().finish()

    def _answer(self, path: str, fault: str) -> None:
        if fault == "reset":
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == "silent":
            self.at.wait()
            self._reset()
        elif fault in STATUS:
            text = f"<?xml version='1.0'?><Error><Code>{fault}</Code><Message>injected</Message></Error>".encode()
            self._send(STATUS[fault], [("Content-Type", "application/xml")], text)
        else:
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            if fault == "overwrite":
                headers = {k: v for k, v in headers.items() if k.lower() != "if-none-match"}
            status, found, text = self._ask(headers, body)
            if fault == "late":
                self.at.wait()
            if fault in ("late", "lost"):
                self._reset()
                return
            found, sent = self.at.keep(path, found, text, fault if status < 300 else "")
            self._send(status, found, sent, cut=fault == "cut")

    def _ask(self, headers: dict[str, str], body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        for again in (False, True):
            if self.server_side is None:
                upstream = self.at.upstream
                self.server_side = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
            try:
                self.server_side.request(self.command, self.path, body or b"", headers)
                answer = self.server_side.getresponse()
                text = answer.read()
                return answer.status, [(k, v) for k, v in answer.getheaders() if self._kept(k)], text
            except (http.client.RemoteDisconnected, ConnectionError):
                self.server_side.close()
                self.server_side = None
                if again:
                    raise
        raise AssertionError

    def _kept(self, name: str) -> bool:
        return name.lower() not in HOP or (self.command == "HEAD" and name.lower() == "content-length")

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        elif not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        # With no lingering, closing sends RST and not FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _number(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / (1 << 48)
