"""Servers that run in a thread of the test's own process."""

import threading
from socketserver import BaseServer
from types import TracebackType
from typing import Self

__all__ = ["ServedInThread"]


class ServedInThread:
    """A context manager that serves while it is entered."""

    _server: BaseServer
    _thread: threading.Thread

    def new_server(self) -> BaseServer:
        """Return the server, bound to its port."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._server = self.new_server()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return int(self._server.server_address[1])
