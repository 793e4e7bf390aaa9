"""The contracts between packages name every package that they are about."""

import tomllib
from pathlib import Path
from typing import Any

from flow_sdk.deploy.registry import BUILT_IN

ROOT = Path(__file__).parents[2]


def contract(name: str) -> dict[str, Any]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = [each for each in contracts if each["id"] == name]
    return dict(found)


def test_every_deploy_target_is_kept_apart_from_the_others() -> None:
    folders = {path.parent.name for path in (ROOT / "flow_sdk" / "deploy").glob("*/__init__.py")}
    targets = contract("targets")
    assert targets["type"] == "independence"
    assert {name.removeprefix("flow_sdk.deploy.") for name in targets["modules"]} == folders


def test_every_folder_of_a_target_is_registered() -> None:
    folders = {f"flow_sdk.deploy.{path.parent.name}" for path in (ROOT / "flow_sdk" / "deploy").glob("*/__init__.py")}
    assert {value.partition(":")[0].rpartition(".")[0] for value in BUILT_IN.values()} == folders
