"""``@secrets`` as data: sources in one form, with the machine's settings in them, and every wrong one refused."""

import json
import pickle
from typing import Any

import pytest

from flow_sdk import secrets
from flow_sdk.authoring.decorators.secrets import SecretsDecorator
from flow_sdk.authoring.decospec import parse_with
from flow_sdk.errors import UsageError

AWS = "aws-secrets-manager"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a.b-AbCdEf"
ROLE = "arn:aws:iam::123456789012:role/reader"


def aws(name: str, **more: Any) -> dict[str, Any]:
    return {"type": AWS, "id": name, "options": {}, **more}


@pytest.mark.parametrize(
    ("given", "source"),
    [
        (f"{AWS}.prod/db", aws("prod/db")),
        (f"{AWS}.with.dots", aws("with.dots")),
        (f"{AWS}.{ARN}", aws(ARN)),
        (ARN, aws(ARN)),
        ({"id": ARN}, aws(ARN)),
        ({"type": AWS, "id": "x", "options": None, "role": None}, aws("x")),
        (
            {"type": AWS, "id": "x", "options": {"json": False, "env_var_name": "X"}, "role": ROLE},
            {"type": AWS, "id": "x", "options": {"json": False, "env_var_name": "X"}, "role": ROLE},
        ),
        (
            {"type": "inline", "options": {"env_vars": {"A": "1"}}},
            {"type": "inline", "id": "", "options": {"env_vars": {"A": "1"}}},
        ),
    ],
)
def test_sources(given: Any, source: dict[str, Any]) -> None:
    decorator = SecretsDecorator(sources=[given])
    assert decorator.attributes() == {"sources": [source], "role": None, "allow_override": False}
    assert json.loads(json.dumps(decorator.attributes())) == decorator.attributes()
    assert SecretsDecorator(**decorator.attributes()) == decorator == pickle.loads(pickle.dumps(decorator))


def test_the_nearest_role_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [f"{AWS}.a", {"type": AWS, "id": "b", "role": ROLE + "-of-source"}]
    assert [one["role"] for one in SecretsDecorator(sources=sources, role=ROLE).sources] == [ROLE, ROLE + "-of-source"]
    monkeypatch.setenv("METAFLOW_AWS_SECRETS_MANAGER_DEFAULT_ROLE", "last")
    assert SecretsDecorator(sources=sources).sources[0]["role"] == "last"
    monkeypatch.setenv("FLOW_SDK_DEFAULT_SECRETS_ROLE", "setting")
    assert SecretsDecorator(sources=sources).sources[0]["role"] == "setting"
    assert SecretsDecorator(sources=sources, role=ROLE).sources[0]["role"] == ROLE


def test_settings_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_DEFAULT_SECRETS_BACKEND_TYPE", AWS)
    monkeypatch.setenv("FLOW_SDK_AWS_SECRETS_MANAGER_DEFAULT_REGION", "eu-north-1")
    here = {"type": AWS, "id": "x", "options": {"region": "us-west-2"}}
    decorator = SecretsDecorator(sources=["db", ARN, here])
    regions = [one["options"].get("region") for one in decorator.sources]
    assert regions == ["eu-north-1", None, "us-west-2"]
    monkeypatch.undo()
    assert SecretsDecorator(**decorator.attributes()) == decorator  # a machine without the settings reads the same


def test_as_text() -> None:
    assert parse_with(f'secrets:sources=["{AWS}.db"]') == SecretsDecorator(sources=[f"{AWS}.db"])


def test_attributes_are_a_copy() -> None:
    decorator = SecretsDecorator(sources=[aws("x")])
    decorator.attributes()["sources"][0]["options"]["json"] = False
    assert decorator.attributes()["sources"] == [aws("x")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("db", "'db' without a type"),
        ("vault.db", "the type 'vault'"),
        ({"type": None, "id": "x"}, "the type None"),
        ({"type": [], "id": "x"}, r"the type \[\]"),
        (f"{AWS}.", "the id ''"),
        ({"type": AWS}, "the id None"),
        ({"type": AWS, "id": 3}, "the id 3"),
        ({"type": AWS, "id": "x", "option": {}}, "the key 'option'"),
        ({"type": AWS, "id": "x", "options": []}, "options that are list"),
        ({"type": AWS, "id": "x", "options": {"jsn": True}}, "the option 'jsn'"),
        ({"type": AWS, "id": "x", "options": {"json": "no"}}, "the option 'json' with a value of type str"),
        ({"type": AWS, "id": "x", "role": 3}, "role=3"),
        (3, "int"),
    ],
)
def test_wrong_sources(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SecretsDecorator(sources=[given])


@pytest.mark.parametrize(
    "attributes", [{"sources": f"{AWS}.x"}, {"sources": 3}, {"allow_override": 1}, {"role": ""}, {"source": []}]
)
def test_wrong_attributes(attributes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="@secrets"):
        secrets(**attributes)


def test_an_error_shows_no_value() -> None:
    with pytest.raises(UsageError) as caught:
        SecretsDecorator(sources=[{"type": "inline", "options": {"env_vars": {"A": "hidden", "B": 7331}}}])
    assert "hidden" not in str(caught.value) and "7331" not in str(caught.value)
