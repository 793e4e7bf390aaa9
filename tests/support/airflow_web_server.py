"""A web server that answers as a test says, in Airflow's place or that of what stands before it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["WebServer", "airflow3", "data", "page", "web_server"]

Reply = tuple[int, Mapping[str, str], bytes]
Answers = Callable[[str, str, Mapping[str, str], bytes], Reply]
Early = Callable[[str, str, Mapping[str, str], bytes], Reply | None]


class WebServer:
    """A running server: its address, and what it was asked as (method, path, headers, body)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[tuple[str, str, Mapping[str, str], bytes]] = []

    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [path for _, path, _, _ in self.seen]

    def credentials(self) -> list[str]:
        """All credentials that it was sent, in headers or bodies."""
        headers = [h.get("Authorization") or h.get("Cookie") or "" for _, _, h, _ in self.seen]
        return [
            text for text in (*headers, *(body.decode() for _, _, _, body in self.seen if b"passw" in body)) if text
        ]


@contextmanager
def web_server(answer: Answers, host: str = "127.0.0.1") -> Iterator[Any]:
    """Serve what a function answers, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.seen.append((self.command, self.path, self.headers, body))
            status, headers, text = answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            sent = {"Content-Type": "application/json", "Content-Length": str(len(text)), "Connection": "close"}
            for name, value in {**sent, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    served = WebServer(f"http://{host}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page(text: str, status: int = 200) -> Reply:
    """A web page."""
    return status, {"Content-Type": "text/html; charset=utf-8"}, text.encode()


def data(value: Any, status: int = 200) -> Reply:
    """JSON."""
    return status, {}, json.dumps(value).encode()


def airflow3(
    first: Callable[[str, str, Mapping[str, str], bytes], Reply | None] = lambda *_: None,
    *,
    tokens: tuple[str, ...] = ("t",),
) -> Answers:
    """The answers of an Airflow 3 without runs, which takes the tokens; ``first`` may answer before."""

    def answer(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        early = first(method, path, headers, body)
        if early is not None:
            return early
        if path == "/api/v2/version":
            return data({"version": "3.3.2"})
        if path == "/auth/token":
            right = json.loads(body) == {"username": "anne", "password": "password"}
            return data({"access_token": tokens[0]}, 201) if right else data({"detail": "Invalid credentials"}, 401)
        if headers.get("Authorization") not in [f"Bearer {token}" for token in tokens]:
            return data({"detail": "Invalid JWT token"}, 401)
        if path.partition("?")[0].endswith("/dagRuns"):
            return data({"dag_runs": [], "total_entries": 0})
        return data({"detail": "not found"}, 404)

    return answer
