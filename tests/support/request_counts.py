"""How many object requests something costs: a store that counts, and an S3 whose server counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from socketserver import BaseServer
from typing import Any

from flow_sdk.store.port import ObjectInfo, ObjectStore
from tests.support.moto import ACCOUNT
from tests.support.threaded_server import ServedInThread

__all__ = ["CountingS3", "CountingStore"]

PAGE = 1000
"""Keys that one LIST of S3 gives."""


class CountingStore:
    """A store that counts its requests as S3 would see them: an object read, a page of a listing.

    Parameters
    ----------
    inner : ObjectStore
        The store itself.
    """

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner
        self.requests: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if not callable(method):
            return method

        def call(*args: Any, **options: Any) -> Any:
            self.requests[name] += 1
            return method(*args, **options)

        return call

    def get_many(self, keys: Iterable[str]) -> Iterator[bytes | None]:
        wanted = list(keys)
        self.requests["get"] += len(wanted)
        return self.inner.get_many(wanted)

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        self.requests["list"] += 1
        for number, info in enumerate(self.inner.list(prefix, limit=limit)):
            if number and number % PAGE == 0:
                self.requests["list"] += 1
            yield info

    @property
    def total(self) -> int:
        """All requests so far."""
        return self.requests.total()


class CountingS3(ServedInThread):
    """moto's S3 in a thread of this process, which counts what arrives over HTTP.

    Parameters
    ----------
    bucket : str
        A bucket to make.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.seen: list[str] = []

    def new_server(self) -> BaseServer:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        app = DomainDispatcherApplication(create_backend_app)

        def counted(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
            self.seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}")
            return app(environ, start)

        self._backend.create_bucket(self.bucket, "us-east-1")
        return make_server("127.0.0.1", 0, counted, threaded=True)

    @property
    def _backend(self) -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[ACCOUNT]["aws"]

    def fill(self, objects: Iterable[tuple[str, bytes]]) -> None:
        """Write objects past the server: thousands of them in seconds."""
        for key, data in objects:
            self._backend.put_object(self.bucket, key, data)

    def env(self) -> dict[str, str]:
        """Environment variables that make a client use it."""
        return {
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }
