"""The rig's S3 and Parameter Store: of racing conditional writes one wins, however long moto takes to write."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import S3Backend
from moto.ssm.models import Parameter
from werkzeug.test import Client

from tests.support.moto_program import OneAtATime

RACERS = 8
SIGNED = "AWS4-HMAC-SHA256 Credential=123456789012/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def slowly(original: Callable[..., Any]) -> Callable[..., Any]:
    def write(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.05)
        return original(*arguments, **named)

    return write


def raced(send: Callable[[int], int]) -> list[int]:
    """The answers' statuses, of as many requests at once."""
    start = threading.Barrier(RACERS)

    def one(number: int) -> int:
        start.wait()
        return send(number)

    with ThreadPoolExecutor(RACERS) as pool:
        return sorted(pool.map(one, range(RACERS)))


def test_one_create_only_put_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Backend, "put_object", slowly(S3Backend.put_object))
    client = Client(OneAtATime(create_backend_app))
    signed = {"Authorization": SIGNED.format("s3")}
    assert client.put("/racing", headers=signed).status_code == 200
    headers = signed | {"If-None-Match": "*"}

    def put(number: int) -> int:
        return client.put("/racing/key", data=str(number), headers=headers).status_code

    assert raced(put) == [200] + [412] * (RACERS - 1)


def test_one_new_parameter_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parameter, "__init__", slowly(Parameter.__init__))
    client = Client(OneAtATime(create_backend_app))
    headers = {
        "Authorization": SIGNED.format("ssm"),
        "X-Amz-Target": "AmazonSSM.PutParameter",
        "Content-Type": "application/x-amz-json-1.1",
    }

    def put(number: int) -> int:
        body = json.dumps({"Name": "/racing", "Value": str(number), "Type": "String"})
        return client.post("/", data=body, headers=headers).status_code

    assert raced(put) == [200] + [400] * (RACERS - 1)
