"""Module paths of earlier releases stay importable."""

import importlib
import importlib.util
import pickle
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flow_sdk import moved_modules
from flow_sdk.moved_modules import MOVED_MODULES, RENAMED_NAMES, current_module


def test_every_earlier_path_is_that_of_a_present_module() -> None:
    for name, target in MOVED_MODULES.items():
        earlier, current = importlib.import_module(name), importlib.import_module(target)
        for earlier_name, present in RENAMED_NAMES.get(name, {}).items():
            home, _, present_name = present.rpartition(":")
            module = importlib.import_module(home) if home else current
            assert getattr(earlier, earlier_name) is getattr(module, present_name)
        assert importlib.util.find_spec(name) is not None
        assert name not in MOVED_MODULES.values(), f"{name} is both an earlier and a present path"


def test_names_are_renamed_in_moved_modules_only() -> None:
    assert {name for name in RENAMED_NAMES if current_module(name) is None} == set()


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(MOVED_MODULES, "flow_sdk.earlier", "flow_sdk.graph")
    monkeypatch.setitem(MOVED_MODULES, "flow_sdk.earlier.words", "flow_sdk.errors")
    monkeypatch.setitem(RENAMED_NAMES, "flow_sdk.earlier.words", {"FormerError": "FlowSDKError"})
    before = set(sys.modules)
    yield "flow_sdk.earlier"
    for name in set(sys.modules) - before:
        if name.startswith("flow_sdk.earlier"):
            del sys.modules[name]
    importlib.import_module("flow_sdk").__dict__.pop("earlier", None)


def test_a_package_takes_the_modules_below_it_along(moved: str) -> None:
    assert importlib.import_module(f"{moved}.model").Graph is importlib.import_module("flow_sdk.graph.model").Graph
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{moved}.nothing")


def test_a_pickle_that_names_a_moved_and_renamed_class_loads(moved: str) -> None:
    from flow_sdk.errors import FlowSDKError

    assert pickle.loads(b"cflow_sdk.earlier.words\nFormerError\n.") is FlowSDKError


def test_python_executes_a_moved_module_as_a_program(
    moved: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "present_program.py").write_text("import sys\nRAN = (__name__, sys.argv[0])\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(MOVED_MODULES, "flow_sdk.earlier.program", "present_program")
    names = runpy.run_module("flow_sdk.earlier.program", run_name="__main__")
    assert names["RAN"][0] == "__main__"
    assert moved_modules.current_module("flow_sdk.earlier.program") == "present_program"
