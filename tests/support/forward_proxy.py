"""Proxies that a client is told of: one behind TLS, and one as ``HTTP_PROXY`` names it."""

import http.client
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.fault_proxy import FaultProxy
from tests.support.threaded_server import ServedInThread

__all__ = ["ForwardProxy", "SecureFaultProxy"]


class SecureFaultProxy(FaultProxy):
    """The proxy behind TLS; ``context`` is set before it is started."""

    context: ssl.SSLContext

    def new_server(self) -> ThreadingHTTPServer:
        server = super().new_server()
        server.socket = self.context.wrap_socket(server.socket, server_side=True)
        return server

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


class ForwardProxy(ServedInThread):
    """A proxy as HTTP_PROXY names one, before one server whatever host is asked for."""

    def __init__(self, upstream: FaultProxy) -> None:
        self.upstream = upstream
        self.hosts: list[str] = []

    def new_server(self) -> ThreadingHTTPServer:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                _, _, host, path = self.path.split("/", 3)
                proxy.hosts.append(host)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream.port, timeout=30)
                # moto takes the first part of a host for a bucket.
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                headers["Host"] = "127.0.0.1"
                upstream.request(self.command, f"/{path}", body, headers)
                answer = upstream.getresponse()
                text = answer.read()
                upstream.close()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = forward

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        return server
