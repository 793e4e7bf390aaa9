"""What answers in Airflow's place: redirects, web pages, broken HTTP; and where credentials go."""

import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.api import AirflowApi, AirflowForbidden, AirflowRefused, permission_of
from flow_sdk.deploy.airflow.http import RedirectRefused, send_request
from flow_sdk.deploy.airflow.login import TokenLogin
from flow_sdk.errors import DeployError
from tests.support.airflow_web_server import airflow3, data, page, web_server

pytestmark = pytest.mark.slow  # starts processes or servers


def airflow2(method, path, headers, body):
    if path == "/api/v1/version":
        return data({"version": "2.11.2"})
    return data({"dag_runs": [], "total_entries": 0}) if "/dags" in path else data({"detail": "Not found"}, 404)


LINES = {
    "password on 3": (airflow3(), {"user": "anne", "password": "password"}),
    "token on 3": (airflow3(), {"login": TokenLogin("t", "a test")}),
    "password on 2": (airflow2, {"user": "anne", "password": "password"}),
    "token on 2": (airflow2, {"login": TokenLogin("t", "a test")}),
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", LINES)
def test_a_redirect_to_another_host_or_port_carries_nothing(kind, status):
    answers, who = LINES[kind]
    with web_server(airflow2) as port, web_server(airflow2, "127.0.0.2") as host:
        for other in (port, host):

            def moved(method, path, headers, body, other=other):
                if "/dags" in path:
                    return status, {"Location": f"{other.url}/login?next=secret"}, b""
                return answers(method, path, headers, body)

            with web_server(moved) as web:
                api = AirflowApi(web.url, **who)
                with pytest.raises(RedirectRefused, match="redirects elsewhere") as caught:
                    list(api.dag_runs("a"))
                assert other.url in str(caught.value) and "secret" not in str(caught.value)
                with pytest.raises(RedirectRefused):
                    api.start_dag_run("a", {})
            assert other.seen == []


def test_a_redirect_of_the_login_carries_no_password():
    with web_server(airflow3()) as other:

        def moved(method, path, headers, body):
            return (308, {"Location": f"{other.url}{path}"}, b"") if path == "/auth/token" else None

        with web_server(airflow3(moved)) as web, pytest.raises(RedirectRefused):
            list(AirflowApi(web.url, "anne", "password").dag_runs("a"))
        assert other.seen == []


def test_http_that_has_become_https_is_named_before_a_token_is_sent():
    for path in ("", "/prefix"):

        def moved(method, path, headers, body):
            return 301, {"Location": f"https://127.0.0.1:8443{path}"}, b""

        with web_server(moved) as web:
            for who in ({"user": "anne", "password": "password"}, {"login": TokenLogin("t", "a test")}):
                with pytest.raises(RedirectRefused, match="has changed") as caught:
                    AirflowApi(web.url + path, **who).find_dag("a")
                assert caught.value.wanted == f"https://127.0.0.1:8443{path}"
            assert web.credentials() == []


def test_a_redirect_on_the_same_server_is_followed_with_credentials():
    def moved(method, path, headers, body):
        return (307, {"Location": f"/p{path}"}, b"") if path.startswith("/api/v2/dags") else None

    with web_server(airflow3(moved)) as web:
        assert list(AirflowApi(web.url, "anne", "password").dag_runs("a")) == []
        assert web.paths()[-1].startswith("/p/api/v2/dags/a/dagRuns")


@pytest.mark.parametrize(
    ("location", "text"), [("/api/v2/version", "in a circle"), ("http://[::1", "isn't an address")]
)
def test_a_redirect_in_a_circle_and_to_no_address(location, text):
    with web_server(lambda *_: (302, {"Location": location}, b"")) as web, pytest.raises(DeployError, match=text):
        AirflowApi(web.url).find_dag("a")


NOT_AIRFLOW = {
    "a login page": page("<html><title>Sign in</title></html>"),
    "a proxy's error": page("<html><body><h1>404 Not Found</h1></body></html>", 404),
    "JSON of another service": data({"message": "hello"}),
    "JSON of another kind": data([1]),
    "no version": data({"version": 3}),
    "nothing": (200, {}, b""),
    "deep JSON": (200, {}, b"[" * 100_000),
    "half an answer": (200, {"Content-Length": "900"}, b'{"ver'),
    "another encoding": (200, {"Content-Type": "application/json; charset=nonsense"}, b"\xff\xfe"),
    "a gateway's error": page("<title>502 Bad Gateway</title>", 502),
}


@pytest.mark.parametrize("reply", NOT_AIRFLOW.values(), ids=NOT_AIRFLOW)
def test_whatever_isnt_airflow_is_one_clear_error(reply, monkeypatch):
    monkeypatch.setattr("flow_sdk.deploy.airflow.api.PAUSES", (0.0,))
    with web_server(lambda *_: reply) as web:
        with pytest.raises(DeployError) as caught:
            AirflowApi(web.url, "anne", "password").find_dag("a")
        assert web.url in str(caught.value) and caught.value.help and web.credentials() == []


@pytest.mark.parametrize("reply", NOT_AIRFLOW.values(), ids=NOT_AIRFLOW)
@pytest.mark.parametrize("place", ["/auth/token", "/api/v2/importErrors"])
def test_so_it_is_behind_a_right_version(reply, place, monkeypatch):
    monkeypatch.setattr("flow_sdk.deploy.airflow.api.PAUSES", (0.0,))
    with web_server(airflow3(lambda method, path, *_: reply if path.startswith(place) else None)) as web:
        with pytest.raises(DeployError) as caught:
            AirflowApi(web.url, "anne", "password").import_errors()
        assert web.url in str(caught.value)


def test_what_speaks_no_http():
    with web_server(lambda *_: data({})) as web, pytest.raises(DeployError, match="doesn't"):
        AirflowApi(web.url.replace("http:", "https:")).find_dag("a")


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://h:port", "http:///x", "ftp://h", "http://a b", "http://h\n"]
)
def test_what_is_no_address(url):
    with pytest.raises(DeployError, match="isn't the address"):
        AirflowApi(url)


def test_a_page_in_place_of_an_answer_names_its_title():
    def login(method, path, headers, body):
        return page("<title>Company  login</title>") if "/dagRuns" in path else None

    with web_server(airflow3(login)) as web:
        with pytest.raises(DeployError, match="isn't Airflow's REST API") as caught:
            list(AirflowApi(web.url, "anne", "password").dag_runs("a"))
        assert caught.value.seen == "HTTP 200, text/html: Company login"


def test_a_missing_permission_is_named_and_is_no_wrong_login():
    with web_server(
        airflow3(lambda method, path, *_: data({"detail": "Forbidden"}, 403) if "/dags" in path else None)
    ) as web:
        api = AirflowApi(web.url, "anne", "password")
        with pytest.raises(AirflowForbidden, match="'can create on DAG Runs'"):
            api.start_dag_run("a", {})
        with pytest.raises(AirflowForbidden, match="'can read on DAGs'") as caught:
            api.find_dag("a")
        assert "login" not in str(caught.value)


def test_permissions_by_request():
    assert permission_of("GET", "/dags/a/dagRuns/r/taskInstances?limit=1") == "can read on Task Instances"
    assert permission_of("PATCH", "/dags/dagRuns?update_mask=is_paused") == "can edit on DAGs"
    assert permission_of("DELETE", "/variables/flow_sdk.token.%2Fdags") == "can delete on Variables"
    assert permission_of("GET", "/pools/x") == "can read on Pools"


def test_a_run_id_that_is_taken_and_a_dag_that_isnt_there():
    def refuse(method, path, headers, body):
        if method != "POST" or not path.endswith("dagRuns"):
            return None
        return data({"detail": "Serious error"}, 409) if "taken" in json.loads(body).get("dag_run_id", "") else None

    with web_server(airflow3(refuse)) as web:
        api = AirflowApi(web.url, "anne", "password")
        with pytest.raises(AirflowRefused, match="'taken'") as caught:
            api.start_dag_run("a", {}, "taken")
        assert caught.value.status == 409 and "Serious" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [{"dag_runs": 1, "total_entries": 1}, {"dag_runs": [{}], "total_entries": 1}, {"dag_runs": []}, {}],
    ids=str,
)
def test_pages_of_another_form(answer):
    answers = airflow3(lambda method, path, *_: data(answer) if "/dagRuns" in path else None)
    with web_server(answers) as web, pytest.raises(AirflowRefused, match="isn't of the form"):
        list(AirflowApi(web.url, "anne", "password").dag_runs("a"))


def test_a_certificate_that_nobody_trusts_is_named_as_the_cause(tmp_path: Path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *map(str, words), *subject], check=True, capture_output=True)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with pytest.raises(DeployError, match="certificate") as caught:
            send_request("GET", f"https://127.0.0.1:{server.server_port}/")
        assert "SSL_CERT_FILE" in str(caught.value)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
