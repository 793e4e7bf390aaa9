"""The names of ``flow_sdk``: there, lazy, cheap; and those that aren't in this release."""

import subprocess
import sys

import pytest

import flow_sdk
from flow_sdk.public_table import DECORATORS, read_public_names

pytestmark = pytest.mark.slow  # starts processes or servers


def test_every_public_name_is_there() -> None:
    for name in flow_sdk.__all__:
        assert getattr(flow_sdk, name) is not None
    assert set(flow_sdk.__all__) <= set(dir(flow_sdk))


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = flow_sdk.nonsense  # type: ignore[attr-defined]


def test_authoring_imports_nothing_heavy() -> None:
    decorators = [name for name, module in read_public_names().items() if module.startswith(DECORATORS)]
    code = (
        "import sys; before = set(sys.modules)\n"
        "from flow_sdk import FlowSpec, IncludeFile, JSONType, Parameter, current, step\n"
        f"from flow_sdk import {', '.join(decorators)}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    python = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in python.stdout.split() if not name.startswith("flow_sdk")}
    allowed = {"__future__", "atexit", "importlib", "importlib._bootstrap", "importlib._bootstrap_external", "warnings"}
    assert loaded <= allowed


def test_metadata_can_be_called_after_its_package_was_imported() -> None:
    import flow_sdk.metadata.runs

    assert callable(flow_sdk.metadata)
