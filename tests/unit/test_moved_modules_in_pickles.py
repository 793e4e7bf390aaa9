"""Pickles that name modules and classes of ``flow_sdk.spec`` still load: artifacts of users hold such objects.

``legacy/pickles.json`` was written by the last commit that had that package, 98bc7b8.
"""

import base64
import importlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import flow_sdk
from flow_sdk.authoring.caught_failure import CaughtFailure
from flow_sdk.authoring.configs import ConfigValue
from flow_sdk.authoring.current import current
from flow_sdk.authoring.flow import FlowSpec
from flow_sdk.authoring.project import ProjectBranch
from flow_sdk.cron.parse import parse_schedule

PICKLES: dict[str, str] = json.loads((Path(__file__).parent / "legacy" / "pickles.json").read_text())


def load(name: str) -> Any:
    return pickle.loads(base64.b64decode(PICKLES[name]))


READ_BY_THE_RELEASE_BEFORE = {CaughtFailure, ConfigValue}
"""Classes of values in artifacts, which are still pickled under their earlier modules."""


def test_the_values_of_artifacts_are_what_they_were() -> None:
    assert load("caught_failure") == CaughtFailure("builtins.ValueError", "no", "Traceback\n")
    assert load("caught_failure").exception == "no"
    value = load("config_value")
    assert type(value) is ConfigValue and value.a.b == 1 and value["c"][1]["d"] == 2
    assert load("schedule") == parse_schedule("0 10 * * MON", "Europe/Berlin")
    assert load("project") == ProjectBranch("sales", "prod")
    assert load("parameter").name == "x" and load("parameter").default == 1
    assert repr(load("delayed")) == "config.a"
    assert type(load("current")) is type(current)
    assert load("json_type").__name__ == flow_sdk.JSONType.__name__
    assert load("card").name == "card"


def test_decorators_have_their_attributes() -> None:
    found = {decorator.name: decorator.attributes() for decorator in load("decorators")}
    assert len(found) == 11
    assert found["retry"] == {"times": 2, "minutes_between_retries": 2}
    assert found["timeout"] == {"seconds": 60}
    assert found["batch"] == {"cpu": 2, "image": "i"}
    assert found["schedule"] == {"cron": "0 10 * * *", "timezone": "Europe/Berlin"}
    assert found["secrets"]["sources"][0]["id"] == "prod/db"


def test_classes_are_the_present_ones() -> None:
    classes = load("classes")
    assert len(classes) == 30 and classes[0] is FlowSpec and classes[1] is CaughtFailure
    assert {kind for kind in classes if ".spec" in kind.__module__} <= READ_BY_THE_RELEASE_BEFORE


def test_functions_are_the_public_ones() -> None:
    for function in load("functions"):
        assert getattr(flow_sdk, function.__name__) is function


@pytest.mark.parametrize(
    "module",
    ["flow", "decorators", "user_decorators", "parameters", "configs", "mutable", "schedule", "failure", "kinds"],
)
def test_code_that_imports_an_earlier_module_has_the_present_names(module: str) -> None:
    found = importlib.import_module(f"flow_sdk.spec.{module}")
    assert found.__name__ == f"flow_sdk.spec.{module}"
    for name in found.__all__:
        value = getattr(found, name)
        assert ".spec" not in getattr(value, "__module__", "") or value in READ_BY_THE_RELEASE_BEFORE
