"""The claim in an Airflow Variable: masked values aren't needed, and what was written is read back."""

import os
import sys
from pathlib import Path

import pytest

from flow_sdk.deploy.airflow.api import AirflowForbidden
from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables, variable_key
from flow_sdk.deploy.claims import Claim
from flow_sdk.errors import DeployError
from tests.support.fake_airflow_api import MaskingApi

CLAIM = Claim("forecast.prod.Train", 0, "anne ünï $(id) 'x'\n\"", "2026-01-31", "salt", "digest")
OTHER = Claim("forecast.prod.Train", 0, "bob", "2026-01-31", "salt", "other")


def test_a_claim_is_written_replaced_and_read_without_its_value() -> None:
    api = MaskingApi()
    variables = ApiVariables(api)  # type: ignore[arg-type]
    assert variables.read_claim(CLAIM.name) is None
    variables.write_claim(CLAIM)
    assert variables.read_claim(CLAIM.name) == CLAIM
    variables.write_claim(OTHER)
    assert variables.read_claim(CLAIM.name) == OTHER
    assert [method for method in api.asked if method != "GET"] == ["POST", "PATCH"]


def test_a_claim_is_removed_once() -> None:
    api = MaskingApi()
    variables = ApiVariables(api)  # type: ignore[arg-type]
    variables.write_claim(CLAIM)
    assert variables.remove_claim(CLAIM.name) is True
    assert variables.read_claim(CLAIM.name) is None and variables.remove_claim(CLAIM.name) is False
    api.status = 500
    with pytest.raises(DeployError, match="can't be deleted"):
        variables.remove_claim(CLAIM.name)


def test_a_claim_that_is_overwritten_at_once_is_said_loudly() -> None:
    api = MaskingApi()
    api.quicker = OTHER
    with pytest.raises(DeployError, match="doesn't hold our claim") as lost:
        ApiVariables(api).write_claim(CLAIM)  # type: ignore[arg-type]
    assert "bob" in str(lost.value) and "No DAG was written" in str(lost.value)


@pytest.mark.parametrize("status", [400, 500])
def test_an_airflow_that_fails_is_no_empty_one(status: int) -> None:
    api = MaskingApi()
    api.status = status
    with pytest.raises(DeployError, match=f"HTTP {status}"):
        ApiVariables(api).read_claim("F")  # type: ignore[arg-type]


class ForbiddingApi(MaskingApi):
    """Variables that a role may only read, or may not even read."""

    def __init__(self, *methods: str) -> None:
        super().__init__()
        self.forbidden = methods

    def send_request(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        if method in self.forbidden:
            raise AirflowForbidden(f"no {method}", "Forbidden", self.url)
        return super().send_request(method, path, body)


@pytest.mark.parametrize("methods", [("GET", "POST", "PATCH", "DELETE"), ("POST", "PATCH", "DELETE")], ids=len)
def test_where_the_role_may_not_the_claim_in_the_store_counts_alone(methods: tuple[str, ...]) -> None:
    api, told = ForbiddingApi(*methods), []
    variables = ApiVariables(api, told.append)  # type: ignore[arg-type]
    assert variables.read_claim(CLAIM.name) is None
    variables.write_claim(CLAIM)
    assert variables.read_claim(CLAIM.name) is None and variables.remove_claim(CLAIM.name) is False
    assert [error.permission for error in told] == ["no GET" if "GET" in methods else "no POST"]
    with pytest.raises(AirflowForbidden):
        ApiVariables(api).write_claim(CLAIM)  # type: ignore[arg-type]


@pytest.mark.parametrize("description", [None, "", "mine", "{}"])
def test_a_variable_of_somebody_else_is_not_taken_for_a_claim(description: str | None) -> None:
    api = MaskingApi()
    api.variables[variable_key("F")] = {"description": description}
    with pytest.raises(DeployError, match="can't be read"):
        ApiVariables(api).read_claim("F")  # type: ignore[arg-type]


def test_keys_fit_into_airflow() -> None:
    names = ["F", "p.prod.F", "x" * 250, "x" * 249 + "y"]
    keys = [variable_key(name) for name in names]
    assert len(set(keys)) == len(names) and max(map(len, keys)) <= 250
    assert keys[1] == "flow_sdk.token.p.prod.F"


AIRFLOW = """
import json, os, sys
path = os.path.join(os.path.dirname(__file__), "variables.json")
kept = json.load(open(path)) if os.path.exists(path) else {}
assert sys.argv[1] == "variables"
print("some warning of a plugin")
if sys.argv[2] == "get":
    if sys.argv[3] == "flow_sdk.token.broken":
        sys.exit("no such table: variable")
    if sys.argv[3] not in kept:
        sys.exit(f"Variable {sys.argv[3]} does not exist")
    print(kept[sys.argv[3]])
elif sys.argv[2] == "delete":
    del kept[sys.argv[3]]
    json.dump(kept, open(path, "w"))
else:
    words = sys.argv[3:]
    assert words[0] == "--description" and words[1] == words[3]
    kept[words[2]] = words[3]
    json.dump(kept, open(path, "w"))
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program = tmp_path / "airflow"
    program.write_text(f"#!{sys.executable}\n{AIRFLOW}")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return str(program)


def test_the_command_line_of_airflow(command: str) -> None:
    variables = CommandVariables()
    assert variables.command == command
    assert variables.read_claim(CLAIM.name) is None
    variables.write_claim(CLAIM)
    assert variables.read_claim(CLAIM.name) == CLAIM
    assert variables.remove_claim(CLAIM.name) is True
    assert variables.remove_claim(CLAIM.name) is False
    with pytest.raises(DeployError, match="no such table"):
        variables.read_claim("broken")


def test_a_machine_without_airflow() -> None:
    with pytest.raises(DeployError, match="isn't on this machine"):
        CommandVariables("no-such-airflow")
