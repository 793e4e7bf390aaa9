"""A small S3 that keeps its objects as files: for those that are too large for moto, which holds them in memory."""

import hashlib
import itertools
import os
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.support.threaded_server import ServedInThread

__all__ = ["DiskS3"]

STEP = 1 << 20


class DiskS3(ServedInThread):
    """The server; a context manager. It knows what a store needs to write and read objects, whole and in parts.

    Parameters
    ----------
    folder : Path
        Where objects are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_server(self) -> ThreadingHTTPServer:
        handler = type("Handler", (_Handler,), {"folder": self.folder, "numbers": itertools.count()})
        return ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def env(self) -> dict[str, str]:
        """Environment variables that make a client use it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path
    numbers: "itertools.count[int]"

    def _file(self, key: str) -> Path:
        return self.folder / quote(key, safe="")

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return parts.path.lstrip("/"), query

    def do_PUT(self) -> None:
        key, query = self._asked()
        upload = query.get("uploadId")
        place = self._file(f"{upload}.{query['partNumber']}" if upload else key)
        new = place.with_name(f"~{next(self.numbers)}")
        left = int(self.headers["Content-Length"])
        with new.open("wb") as file:
            while left:
                data = self.rfile.read(min(left, STEP))
                file.write(data)
                left -= len(data)
        self._keep(new, place)

    def do_POST(self) -> None:
        key, query = self._asked()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if "uploads" in query:
            self._answer(200, f"<X><UploadId>upload{next(self.numbers)}</UploadId></X>")
            return
        new = self._file(key).with_name(f"~{next(self.numbers)}")
        with new.open("wb") as whole:
            for number in range(1, body.count("<PartNumber>") + 1):
                part = self._file(f"{query['uploadId']}.{number}")
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole, STEP)
                part.unlink()
        self._keep(new, self._file(key), "<X><ETag>&quot;whole&quot;</ETag></X>")

    def _keep(self, new: Path, place: Path, body: str = "") -> None:
        try:
            if self.headers.get("If-None-Match") == "*":
                os.link(new, place)
                new.unlink()
            else:
                new.replace(place)
            self._answer(200, body)
        except FileExistsError:
            new.unlink()
            self._answer(412, "<Error><Code>PreconditionFailed</Code></Error>")

    def do_GET(self) -> None:
        key, _ = self._asked()
        try:
            file = self._file(key).open("rb")
        except FileNotFoundError:
            self._answer(404, "<Error><Code>NoSuchKey</Code></Error>")
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            first, last, wanted = 0, size - 1, self.headers.get("Range")
            if wanted:
                start, _, stop = wanted.removeprefix("bytes=").partition("-")
                first = int(start) if start else size - int(stop)
                last = min(last, int(stop)) if start and stop else last
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self._headers(last - first + 1)
            file.seek(first)
            left = 0 if self.command == "HEAD" else last - first + 1
            while left > 0:
                data = file.read(min(left, STEP))
                self.wfile.write(data)
                left -= len(data)

    do_HEAD = do_GET

    def _headers(self, length: int) -> None:
        self.send_header("ETag", f'"{hashlib.md5(self.path.encode()).hexdigest()}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self._headers(len(body))
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
