"""The REST client against small servers that answer as the two lines of Airflow do."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowRefused
from flow_sdk.errors import DeployError
from tests.support.ports import free_port


class Airflow(BaseHTTPRequestHandler):
    """Answers for both lines; which one it is, is the class's ``line``."""

    line: ClassVar[int] = 3
    seen: ClassVar[list[tuple[str, str, Any]]] = []
    busy: ClassVar[list[int]] = []
    """What the next requests for a run are answered with."""

    def answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.seen.append((self.command, self.path, body))
        status, data = self.find(body)
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = answer

    def find(self, body: Any) -> tuple[int, Any]:
        if self.path == "/api/v2/version":
            return (200, {"version": "3.3.2"}) if self.line == 3 else (404, {})
        if self.path == "/auth/token":
            right = body == {"username": "anne", "password": "p"}
            return (201, {"access_token": "t"}) if right else (401, {"detail": "Invalid credentials"})
        basic = base64.b64encode(b"anne:p").decode()
        wanted = "Bearer t" if self.line == 3 else f"Basic {basic}"
        if self.headers.get("Authorization") != wanted:
            return 401, {"detail": "no"}
        path = self.path.removeprefix("/api/v2" if self.line == 3 else "/api/v1")
        if path.startswith("/importErrors?limit=100&offset="):
            offset = int(path.rpartition("=")[2])
            errors = [{"filename": f"{n}.py"} for n in range(250)][offset : offset + 100]
            return 200, {"import_errors": errors, "total_entries": 250}
        if path.startswith("/dags/a.b/dagRuns") and self.busy:
            return self.busy.pop(0), {"detail": "Database error"}
        if path == "/dags/a.b/dagRuns/r":
            return 200, {"dag_run_id": "r", "state": "failed"}
        if path == "/dags/a.b/dagRuns":
            return (200, {"dag_run_id": "r"}) if body["conf"] != {"n": "x"} else (400, {"detail": "n isn't an integer"})
        return 404, {"detail": "not found"}

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(params=[3, 2])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Line", (Airflow,), {"line": request.param, "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_pages_are_put_together(url: str) -> None:
    found = AirflowApi(url, "anne", "p").import_errors()
    assert [error["filename"] for error in found] == [f"{n}.py" for n in range(250)]


def test_what_is_not_there_is_none(url: str) -> None:
    api = AirflowApi(url, "anne", "p")
    assert api.find_dag("x/../y") is None and api.dag_run("a", "b") is None and api.task_instances("a", "b") == []


def test_a_run_is_started_with_data_and_a_refusal_says_why(url: str) -> None:
    api = AirflowApi(url, "anne", "p")
    assert api.start_dag_run("a.b", {"text": "{{ x }}"}) == "r"
    with pytest.raises(DeployError, match="isn't an integer"):
        api.start_dag_run("a.b", {"n": "x"})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client has waited so far, each time; it doesn't really."""
    waited: list[float] = []
    monkeypatch.setattr("flow_sdk.deploy.airflow.api.time", SimpleNamespace(sleep=waited.append))
    return waited


def test_a_busy_airflow_is_asked_again(url: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    api = AirflowApi(url, "anne", "p")
    monkeypatch.setattr(Airflow, "busy", [500, 503])
    assert api.dag_run("a.b", "r") == {"dag_run_id": "r", "state": "failed"}
    assert pauses == [0.5, 1.0]
    monkeypatch.setattr(Airflow, "busy", [500])
    api.fail_dag_run("a.b", "r")
    monkeypatch.setattr(Airflow, "busy", [500] * 4)
    with pytest.raises(AirflowRefused, match=r"can't show run r \(HTTP 500\)"):
        api.dag_run("a.b", "r")


def test_a_run_is_started_once_even_where_airflow_says_it_failed(
    url: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Airflow, "busy", [500])
    with pytest.raises(DeployError, match="HTTP 500"):
        AirflowApi(url, "anne", "p").start_dag_run("a.b", {})
    assert Airflow.busy == [] and pauses == []


def test_a_wrong_password_is_one_clear_error(url: str) -> None:
    with pytest.raises(DeployError, match="refused the login") as raised:
        AirflowApi(url, "anne", "wrong-password").import_errors()
    assert "wrong-password" not in str(raised.value)


def test_name_and_password_in_the_address_ask_and_are_not_shown(url: str) -> None:
    api = AirflowApi(url.replace("://", "://anne:p@"))
    assert len(api.import_errors()) == 250 and "@" not in api.url
    with pytest.raises(DeployError, match="refused the login") as raised:
        AirflowApi(url.replace("://", "://anne:wrong%2Fpassword@")).import_errors()
    assert "password@" not in str(raised.value) and url.rstrip("/") in str(raised.value)


def test_no_answer_and_no_address_are_clear_errors() -> None:
    with pytest.raises(DeployError, match="doesn't answer"):
        AirflowApi(f"http://127.0.0.1:{free_port()}").import_errors()
    with pytest.raises(DeployError, match="isn't the address"):
        AirflowApi("file:///etc/passwd")
