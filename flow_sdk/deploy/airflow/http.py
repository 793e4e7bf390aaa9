"""One HTTP request to Airflow's web server: JSON in, JSON out. No redirect takes credentials to another address."""

import http.client
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from flow_sdk.errors import DeployError

__all__ = ["Answer", "RedirectRefused", "address_of", "detail_of", "not_airflow", "send_request"]

SECONDS = 30.0
"""How long one request may take, as long as nothing arrives."""

LARGEST = 256 * 1024 * 1024
"""Bytes of an answer that are read at most; more can't be an answer of Airflow's."""

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
SAME_METHOD = (307, 308)
"""Redirects after which a request that isn't a GET may be sent again as it was."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a web server answered.

    Parameters
    ----------
    status : int
        The HTTP status (200 to 599).
    body : JSON value
        The body as JSON; its text where it isn't JSON.
    is_json : bool
        Whether the body is JSON, or empty where the status allows that.
    type : str
        The content type, such as ``text/html``.
    headers : Message
        All headers.
    """

    status: int
    body: Any
    is_json: bool
    type: str
    headers: Message

    @property
    def short_text(self) -> str:
        """Status and content in one line."""
        if self.is_json:
            return f"HTTP {self.status}, {_one_line(detail_of(self.body))}"
        title = re.search(r"<title[^>]*>([^<]*)", str(self.body), re.IGNORECASE)
        text = title[1] if title else re.sub(r"<[^>]*>", " ", str(self.body))
        return f"HTTP {self.status}, {self.type or 'no content type'}: {_one_line(text) or 'nothing'}"


def detail_of(body: Any) -> str:
    """Return what Airflow says of an error, from the body of its answer."""
    if isinstance(body, dict):
        return str(body.get("detail") or body)
    return str(body)


def _one_line(text: str, most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."


class RedirectRefused(DeployError):
    """Raised for a redirect to another scheme, host or port: that server gets no request.

    Parameters
    ----------
    headline, seen, wanted, where, help
        As for every error.
    moved : bool
        Whether it is the same path on the same host, as where http has become https.
    """

    def __init__(
        self,
        headline: str,
        *,
        moved: bool,
        seen: str | None = None,
        wanted: str | None = None,
        where: str | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(headline, seen=seen, wanted=wanted, where=where, help=help)
        self.moved = moved


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to us: urllib would take all headers along, to any host."""

    def _leave(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> None:
        return None

    http_error_301 = http_error_302 = http_error_303 = http_error_307 = http_error_308 = _leave


_OPENER = urllib.request.build_opener(_NoRedirects)


def address_of(url: str) -> urllib.parse.SplitResult:
    """Split the address of a web server.

    Raises
    ------
    DeployError
        If it isn't one of http or https, with a host.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise DeployError("This isn't the address of an Airflow.", seen=url, wanted="http://... or https://...")
    return parts


def send_request(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = SECONDS,
    follow: bool = True,
) -> Answer:
    """Send one request, and again where a redirect leads to another path of the same server.

    Parameters
    ----------
    method : str
        ``GET``, ``POST``, ...
    url : str
        The address.
    body : bytes, optional
        What is sent.
    headers : mapping, optional
        Headers; credentials are among them.
    timeout : float
        Seconds to wait for the server (> 0).
    follow : bool
        Whether redirects are followed; they are the answer otherwise.

    Returns
    -------
    Answer
        Whatever its status.

    Raises
    ------
    DeployError
        If there is no answer, it can't be read, or a redirect leads to another scheme, host or port.
    """
    here = url
    for _ in range(MOST_REDIRECTS + 1):
        request = urllib.request.Request(here, data=body, method=method, headers=dict(headers or {}))
        answer = _open_request(request, timeout)
        if not follow or answer.status not in REDIRECTS or not answer.headers.get("Location"):
            return answer
        target = _redirect_target(here, str(answer.headers["Location"]))
        if method != "GET" and answer.status not in SAME_METHOD:
            raise _redirect_error(url, target)
        here = target
    raise DeployError("Airflow's web server redirects in a circle.", where=url, help="Check the address of Airflow.")


def _open_request(request: urllib.request.Request, timeout: float) -> Answer:
    try:
        with _OPENER.open(request, timeout=timeout) as response:
            return _make_answer(response.status, response.headers, _read_body(response))
    except urllib.error.HTTPError as error:
        with error:
            try:
                text = _read_body(error.fp)
            except (http.client.HTTPException, OSError) as broken:
                raise _unreadable_error(request.full_url, broken) from broken
            return _make_answer(error.code, error.headers, text)
    except (http.client.HTTPException, ValueError) as error:
        raise _unreadable_error(request.full_url, error) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise DeployError(
                "The certificate of Airflow's web server isn't trusted on this machine.",
                seen=reason.verify_message,
                where=request.full_url,
                help="Name the file with your company's certificate authority in SSL_CERT_FILE.",
            ) from error
        raise DeployError("Airflow doesn't answer.", seen=str(reason), where=request.full_url) from error


def _read_body(response: Any) -> bytes:
    """The whole body; one that is cut off is no answer."""
    text: bytes = response.read(LARGEST)
    if missing := getattr(response, "length", None):
        raise http.client.IncompleteRead(text, missing)
    return text


def _make_answer(status: int, headers: Message, text: bytes) -> Answer:
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    if not text:
        return Answer(status, None, status != 200, kind, headers)
    try:
        return Answer(status, json.loads(text), True, kind, headers)
    except (ValueError, RecursionError):
        return Answer(status, text[:20_000].decode("utf-8", "replace"), False, kind, headers)


def _unreadable_error(url: str, error: Exception) -> DeployError:
    return DeployError(
        "The server at Airflow's address doesn't speak HTTP as it should.",
        seen=f"{type(error).__name__}: {error}"[:300],
        where=url,
        help="Check the address of Airflow, its port, and whether it is http or https.",
    )


def _redirect_target(here: str, location: str) -> str:
    """The address that a redirect leads to, known to be on the same server."""
    try:
        target = urllib.parse.urljoin(here, location)
        ours, theirs = _url_origin(here), _url_origin(target)
    except ValueError:
        raise DeployError(
            "Airflow's web server redirects to what isn't an address.", seen=location[:300], where=here
        ) from None
    if ours != theirs:
        raise _redirect_error(here, target)
    return target


def _url_origin(url: str) -> tuple[str, str, int | None]:
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


def _redirect_error(here: str, target: str) -> RedirectRefused:
    """The error for a redirect that isn't followed; no query of it is shown, which may hold a token."""
    before, after = urllib.parse.urlsplit(here), urllib.parse.urlsplit(target)
    shown = f"{after.scheme}://{after.netloc.rpartition('@')[2]}{after.path}"
    if (before.hostname, before.path) == (after.hostname, after.path):
        root = re.sub(r"/(api/v[12]|auth/token)(/.*)?$", "", shown)
        return RedirectRefused(
            "Airflow's address has changed: its web server redirects to another one. Nothing was sent there.",
            moved=True,
            seen=f"{before.scheme}://{before.netloc.rpartition('@')[2]}",
            wanted=root,
            help=f"Give that address: --airflow-url {root}, or the setting AIRFLOW_URL.",
        )
    return RedirectRefused(
        "Airflow's web server redirects elsewhere. Nothing was sent there.",
        moved=False,
        seen=shown,
        where=f"{before.scheme}://{before.netloc.rpartition('@')[2]}{before.path}",
        help="If that is a login page, give a token (AIRFLOW_TOKEN or AIRFLOW_TOKEN_COMMAND); if it is where Airflow "
        "is now, give its address.",
    )


def not_airflow(answer: Answer, url: str) -> DeployError:
    """The error for an answer that isn't one of Airflow's REST API."""
    return DeployError(
        "What answers at this address isn't Airflow's REST API.",
        seen=answer.short_text,
        where=url,
        help="Check the address of Airflow (--airflow-url, AIRFLOW_URL) and the path it may have before /api. If "
        "something in front of Airflow wants a login, give a token: AIRFLOW_TOKEN or AIRFLOW_TOKEN_COMMAND.",
    )
