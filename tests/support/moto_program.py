"""moto's server with conditional writes made atomic, as AWS has them: moto looks, and writes a little later."""

import sys
import threading
from collections.abc import Iterable
from typing import Any

from moto import server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication

__all__ = ["OneAtATime", "main"]

LOCKS = 64


class OneAtATime(DomainDispatcherApplication):
    """moto's application, in which the conditional writes of one object or parameter never overlap."""

    _locks = tuple(threading.Lock() for _ in range(LOCKS))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if not _conditional(environ):
            return super().__call__(environ, start_response)
        with self._locks[hash(environ.get("PATH_INFO", "")) % LOCKS]:
            return super().__call__(environ, start_response)


def _conditional(environ: dict[str, Any]) -> bool:
    if environ.get("HTTP_X_AMZ_TARGET") == "AmazonSSM.PutParameter":
        return True
    return environ["REQUEST_METHOD"] in {"PUT", "POST"} and (
        "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MATCH" in environ
    )


def main(arguments: list[str] | None = None) -> None:
    """Start the server; the arguments are those of moto_server."""
    server.DomainDispatcherApplication = OneAtATime
    server.main(arguments if arguments is not None else sys.argv[1:])


if __name__ == "__main__":
    main()
