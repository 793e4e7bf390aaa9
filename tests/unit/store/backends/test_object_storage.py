"""The S3 store's errors, forks, lost answers and settings, against moto's server and broken ones."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from flow_sdk.errors import ConfigError, ObjectExists, StoreError, StoreUnavailable
from flow_sdk.store.address import StoreAddress
from flow_sdk.store.open_store import open_store
from tests.support.moto import MotoServer
from tests.support.ports import free_port
from tests.support.stores import s3_store

pytestmark = pytest.mark.slow  # starts processes or servers


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer("flows") as moto:
        yield moto


@pytest.fixture
def moto(server: MotoServer, monkeypatch: pytest.MonkeyPatch) -> MotoServer:
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    return server


class Broken(BaseHTTPRequestHandler):
    """A server that answers as its script says, and records what it was asked."""

    answers: ClassVar[list[Any]]
    asked: ClassVar[list[str]]

    def handle_any(self) -> None:
        type(self).asked.append(self.command)
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, body, headers = answer(self) if callable(answer) else answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = handle_any

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Broken]]:
    kind = type("Script", (Broken,), {"answers": [], "asked": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    for name, value in MotoServer().env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield kind
    server.shutdown()
    thread.join()
    server.server_close()


def xml(status: int, code: str) -> tuple[int, bytes, dict[str, str]]:
    return status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode(), {}


def test_a_missing_bucket_is_named(moto: MotoServer) -> None:
    for operation in (
        lambda: open_store("s3://nosuchbucket/x"),
        lambda: s3_store("nosuchbucket").put("a", b""),
        lambda: s3_store("nosuchbucket").put_if_absent("a", b""),
        lambda: list(s3_store("nosuchbucket").list("")),
        lambda: s3_store("nosuchbucket").folders(""),
        lambda: list(s3_store("nosuchbucket").get_many(["a", "b"])),
    ):
        with pytest.raises(StoreUnavailable, match="no bucket 'nosuchbucket'") as caught:
            operation()
        assert "aws s3 mb s3://nosuchbucket" in str(caught.value)


def test_a_server_that_is_not_there_is_named_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    server = MotoServer()
    server.port = free_port()
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="doesn't answer") as caught:
        open_store("s3://flows/x")
    assert server.url in str(caught.value)
    assert time.monotonic() - start < 15


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        server = MotoServer()
        server.port = silent.getsockname()[1]
        for name, value in server.env().items():
            monkeypatch.setenv(name, value)
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match="doesn't answer"):
            open_store("s3://flows/x")
        assert time.monotonic() - start < 15


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (xml(403, "AccessDenied"), "don't let us read"),
        (xml(403, "InvalidAccessKeyId"), "aren't accepted"),
        (xml(403, "SignatureDoesNotMatch"), "aren't accepted"),
        (xml(400, "ExpiredToken"), "aren't accepted"),
        (xml(401, ""), "aren't accepted"),
        (xml(301, "PermanentRedirect"), "another region"),
        (xml(400, "AuthorizationHeaderMalformed"), "another region"),
        (xml(400, "SomethingElse"), "can't read"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1].decode()[13:30],
)
def test_refusals_are_told_apart(broken: type[Broken], answer: Any, message: str) -> None:
    broken.answers = [answer]
    with pytest.raises(StoreError, match=message) as caught:
        s3_store("flows").get("a")
    assert "s3://flows/a" in str(caught.value) and "secret" not in str(caught.value)


def test_no_credentials_is_said(broken: type[Broken], monkeypatch: pytest.MonkeyPatch) -> None:
    broken.answers = [xml(404, "")]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", os.environ["AWS_ENDPOINT_URL"])
    start = time.monotonic()
    with pytest.raises(StoreUnavailable, match="no AWS credentials") as caught:
        s3_store("flows").get("a")
    assert "AWS_ACCESS_KEY_ID" in str(caught.value)
    assert time.monotonic() - start < 15


def test_a_profile_in_aws_files_is_used(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    folder = os.path.join(os.environ["HOME"], ".aws")
    os.makedirs(folder)
    with open(os.path.join(folder, "credentials"), "w", encoding="ascii") as file:
        file.write("[lab]\naws_access_key_id = 123456789012\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    store = open_store("s3://flows/profile")
    store.put("a", b"x")
    assert store.get("a") == b"x"
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreUnavailable, match="profile") as caught:
        open_store("s3://flows/profile")
    assert "nobody" in str(caught.value)


def serve(kind: type[Broken], *, lose: int = 0, applied: bool = True, conflicts: int = 0, rival: bool = False) -> Any:
    """Make a server that keeps objects, and first loses answers or reports conflicts."""
    objects: dict[str, tuple[bytes, str]] = {}
    left = {"lose": lose, "conflicts": conflicts}

    def handle(self: Broken) -> None:
        kind.asked.append(self.command)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        writer = self.headers.get("x-amz-meta-flow-sdk-writer") or ""
        status, text = 200, b""
        headers = {"ETag": '"x"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
        if self.command == "PUT":
            if left["conflicts"]:
                left["conflicts"] -= 1
                status, text, _ = xml(409, "ConditionalRequestConflict")
            elif self.path in objects:
                status, text, _ = xml(412, "PreconditionFailed")
            else:
                if rival:
                    objects[self.path] = (b"rival", "somebody-else")
                elif applied or not left["lose"]:
                    objects[self.path] = (body, writer)
                if left["lose"]:
                    left["lose"] -= 1
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
        elif self.path in objects:
            text, writer = objects[self.path]
            headers["x-amz-meta-flow-sdk-writer"] = writer
        else:
            status, text, _ = xml(404, "NoSuchKey")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    for verb in ("do_GET", "do_PUT", "do_HEAD"):
        setattr(kind, verb, handle)
    return objects


def test_a_lost_answer_to_a_put_that_was_applied_is_a_success(broken: type[Broken]) -> None:
    objects = serve(broken, lose=1)
    s3_store("flows").put_if_absent("a", b"mine")
    assert [data for data, _ in objects.values()] == [b"mine"]


def test_a_lost_put_is_sent_again(broken: type[Broken]) -> None:
    objects = serve(broken, lose=1, applied=False)
    s3_store("flows").put_if_absent("a", b"mine")
    assert [data for data, _ in objects.values()] == [b"mine"]


def test_a_lost_answer_to_a_put_that_a_rival_won_is_a_defeat(broken: type[Broken]) -> None:
    objects = serve(broken, lose=1, rival=True)
    with pytest.raises(ObjectExists):
        s3_store("flows").put_if_absent("a", b"rival")
    assert [data for data, _ in objects.values()] == [b"rival"]


def test_a_conflict_with_a_put_under_way_is_tried_again(broken: type[Broken]) -> None:
    objects = serve(broken, conflicts=2)
    s3_store("flows").put_if_absent("a", b"mine")
    assert [data for data, _ in objects.values()] == [b"mine"]


def test_conflicts_without_end_are_an_error(broken: type[Broken]) -> None:
    serve(broken, conflicts=1000)
    with pytest.raises(StoreError) as caught:
        s3_store("flows").put_if_absent("a", b"mine")
    assert not isinstance(caught.value, ObjectExists)


def test_a_server_that_ignores_create_only_is_refused(broken: type[Broken]) -> None:
    broken.answers = [
        lambda request: (200, b"", {"ETag": '"x"'}) if request.command == "PUT" else xml(404, "NoSuchKey")
    ]
    with pytest.raises(StoreError, match="ignores create-only puts"):
        open_store("s3://flows/x")


def test_a_store_that_was_used_works_in_forked_processes_and_in_theirs(moto: MotoServer) -> None:
    code = (
        "import os, signal, sys\n"
        "from flow_sdk.store.open_store import open_store\n"
        "store = open_store('s3://flows/fork')\n"
        "store.put('0', b'0')\n"
        "def fork(depth):\n"
        "    child = os.fork()\n"
        "    if child:\n"
        "        assert os.waitpid(child, 0)[1] == 0, depth\n"
        "        return\n"
        "    signal.alarm(20)\n"
        "    for found in (open_store('s3://flows/fork'), store):\n"
        "        assert found.get(str(depth - 1)) == str(depth - 1).encode()\n"
        "    store.put(str(depth), str(depth).encode())\n"
        "    if depth < 3:\n"
        "        fork(depth + 1)\n"
        "    sys.exit(0)\n"
        "for _ in range(2):\n"
        "    fork(1)\n"
        "assert store.get('3') == b'3'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_store_made_but_not_used_before_a_fork_works_after_it(moto: MotoServer) -> None:
    code = (
        "import os, signal\nfrom flow_sdk.store.address import StoreAddress\n"
        "store = StoreAddress.parse('s3://flows/fork2').open_backend()\n"
        "if os.fork() == 0:\n"
        "    signal.alarm(20)\n    store.put('a', b'x')\n    os._exit(store.get('a') != b'x')\n"
        "assert os.wait()[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://b/a//b", "s3://b/a b", "s3://b/../x"])
def test_bad_addresses(url: str) -> None:
    with pytest.raises(ConfigError, match="an address in S3"):
        open_store(url)


def test_addresses() -> None:
    for url, again in (("s3://b", "s3://b"), ("s3://b/", "s3://b"), ("s3://b/x/y/", "s3://b/x/y")):
        assert StoreAddress.parse(url).open_backend().url == again


def test_a_store_can_be_pickled(moto: MotoServer) -> None:
    import pickle

    store = open_store("s3://flows/pickled")
    store.put("a", b"x")
    assert pickle.loads(pickle.dumps(store)).get("a") == b"x"


def test_artifacts_in_s3(moto: MotoServer) -> None:
    import numpy as np

    from flow_sdk.store.artifacts import Artifacts

    artifacts = Artifacts(open_store("s3://flows/artifacts"))
    rng = np.random.default_rng(0)
    for value in (rng.random(3_000_000), np.zeros(3_000_000), "x" * 100_000):
        found = artifacts.load(artifacts.save(value, where="x"), where="x")
        assert np.array_equal(found, value)
    items = artifacts.save_items([rng.random(10_000) for _ in range(20)], where="x")
    assert artifacts.load_item(items, 19, where="x").shape == (10_000,)
