"""The XML API of Google Cloud Storage in front of a server that has the JSON API."""

import hashlib
import http.client
import json
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from xml.sax.saxutils import escape

from tests.support.threaded_server import ServedInThread

__all__ = ["Gateway", "XmlRequest"]

META = "x-goog-meta-"
PRECONDITION = "x-goog-if-generation-match"


@dataclass(frozen=True, slots=True)
class XmlRequest:
    """A request as it arrived: its method, path with query, and headers with lower-case names."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(slots=True)
class _Upload:
    """An upload in parts that isn't complete."""

    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class Gateway(ServedInThread):
    """The gateway, in threads of this process, on a free port.

    Parameters
    ----------
    port : int
        Where the server with the JSON API listens on loopback.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.requests: list[XmlRequest] = []
        self.uploads: dict[str, _Upload] = {}

    def new_server(self) -> BaseServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gateway": self}))
        server.daemon_threads = True
        return server


class _Handler(BaseHTTPRequestHandler):
    gateway: Gateway
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_PUT(self) -> None:
        body = self._read_request()
        if "uploadId" in self.query:
            self.gateway.uploads[self.query["uploadId"]].parts[int(self.query["partNumber"])] = body
            self._answer(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        else:
            self._insert(body, self._headers)

    def do_POST(self) -> None:
        self._read_request()
        if "uploads" in self.query:
            number = uuid.uuid4().hex
            self.gateway.uploads[number] = _Upload(self._headers)
            self._answer_xml(
                200,
                f"<InitiateMultipartUploadResult><Bucket>{escape(self.bucket)}</Bucket>"
                f"<Key>{escape(self.key)}</Key><UploadId>{number}</UploadId></InitiateMultipartUploadResult>",
            )
            return
        upload = self.gateway.uploads.pop(self.query["uploadId"], None)
        if upload is None:
            self._answer_error(404, "NoSuchUpload")
            return
        whole = b"".join(upload.parts[number] for number in sorted(upload.parts))
        self._insert(whole, upload.headers, completes=True)

    def do_GET(self) -> None:
        self._read_request()
        if self.key:
            self._forward()
        else:
            self._list()

    def do_HEAD(self) -> None:
        self._read_request()
        self._forward()

    def do_DELETE(self) -> None:
        self._read_request()
        if "uploadId" in self.query:
            self.gateway.uploads.pop(self.query["uploadId"], None)
            self._answer(204, b"", {})
        else:
            self._forward()

    def _read_request(self) -> bytes:
        """Read the request; returns its body."""
        self._headers = {name.lower(): value for name, value in self.headers.items()}
        self.gateway.requests.append(XmlRequest(self.command, self.path, self._headers))
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        bucket, _, key = parts.path.lstrip("/").partition("/")
        self.bucket, self.key = unquote(bucket), unquote(key)
        return self.rfile.read(int(self._headers.get("content-length") or 0))

    def _insert(self, data: bytes, headers: dict[str, str], *, completes: bool = False) -> None:
        """Upload an object through the JSON API, with the precondition of the request."""
        query = {"uploadType": "multipart", "name": self.key}
        if PRECONDITION in headers:
            query["ifGenerationMatch"] = headers[PRECONDITION]
        resource = {
            "contentType": headers.get("content-type", "application/octet-stream"),
            "metadata": {name.removeprefix(META): text for name, text in headers.items() if name.startswith(META)},
        }
        edge = uuid.uuid4().hex
        body = b"".join(
            (
                f"--{edge}\r\nContent-Type: application/json\r\n\r\n{json.dumps(resource)}\r\n".encode(),
                f"--{edge}\r\nContent-Type: {resource['contentType']}\r\n\r\n".encode(),
                data,
                f"\r\n--{edge}--\r\n".encode(),
            )
        )
        status, answer, _ = self._call(
            "POST",
            f"/upload/storage/v1/b/{quote(self.bucket)}/o?{urlencode(query)}",
            body,
            {"Content-Type": f"multipart/related; boundary={edge}"},
        )
        if status == 412:
            self._answer_error(412, "PreconditionFailed")
        elif status == 404:
            self._answer_error(404, "NoSuchBucket")
        elif status != 200:
            self._answer(status, answer, {})
        elif completes:
            self._answer_xml(
                200,
                f"<CompleteMultipartUploadResult><Location>{escape(self.path)}</Location>"
                f'<Bucket>{escape(self.bucket)}</Bucket><Key>{escape(self.key)}</Key><ETag>"x"</ETag>'
                "</CompleteMultipartUploadResult>",
            )
        else:
            self._answer(200, b"", {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})

    def _list(self) -> None:
        """List through the JSON API, a page at a time."""
        after = self.query.get("start-after", "")
        query = {"prefix": self.query.get("prefix", ""), "maxResults": self.query.get("max-keys", "1000")}
        query |= {"delimiter": self.query["delimiter"]} if "delimiter" in self.query else {}
        query |= {"startOffset": after} if after else {}
        query |= {"pageToken": self.query["continuation-token"]} if "continuation-token" in self.query else {}
        status, answer, _ = self._call("GET", f"/storage/v1/b/{quote(self.bucket)}/o?{urlencode(query)}")
        if status == 404:
            self._answer_error(404, "NoSuchBucket")
            return
        found = json.loads(answer)
        following = found.get("nextPageToken")
        text = [f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>"]
        if following:
            text.append(f"<NextContinuationToken>{escape(following)}</NextContinuationToken>")
        for one in found.get("items") or ():
            if one["name"] > after:
                text.append(
                    f'<Contents><Key>{escape(one["name"])}</Key><Size>{one["size"]}</Size><ETag>"{one["etag"]}"</ETag>'
                    f"<LastModified>{one['updated']}</LastModified></Contents>"
                )
        text += [
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in found.get("prefixes") or ()
        ]
        self._answer_xml(200, f"<ListBucketResult>{''.join(text)}</ListBucketResult>")

    def _forward(self) -> None:
        """Send a request for an object on as it is."""
        wanted = {name: value for name, value in self._headers.items() if name in ("range", "if-match")}
        status, answer, headers = self._call(self.command, self.path, b"", wanted)
        if status == 404:
            bucket, _, _ = self._call("GET", f"/storage/v1/b/{quote(self.bucket)}")
            self._answer_error(404, "NoSuchKey" if bucket == 200 else "NoSuchBucket")
            return
        kept = ("content-type", "content-range", "etag", "last-modified")
        self._answer(
            status,
            answer,
            {name: value for name, value in headers if name.lower() in kept or name.lower().startswith(META)},
            length=next((value for name, value in headers if name.lower() == "content-length"), None),
        )

    def _call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, list[tuple[str, str]]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.upstream, timeout=60)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheaders()
        finally:
            connection.close()

    def _answer_error(self, status: int, code: str) -> None:
        self._answer_xml(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")

    def _answer_xml(self, status: int, text: str) -> None:
        self._answer(status, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode(), {"Content-Type": "text/xml"})

    def _answer(self, status: int, body: bytes, headers: dict[str, Any], *, length: str | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", length if is_head and length is not None else str(len(body)))
        self.end_headers()
        if not is_head:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
