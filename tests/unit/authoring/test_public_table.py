"""One table makes names public: type checkers read it as Python, the package as text."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flow_sdk
from flow_sdk import public_table
from flow_sdk.authoring.builtin_decorators import builtin_decorator_names, find_decorator

TABLE = Path(flow_sdk.__file__).with_name("public_names.py")


def test_every_line_of_the_table_is_read() -> None:
    names = set(vars(importlib.import_module("flow_sdk.public_names"))) - {"annotations"}
    assert {name for name in names if not name.startswith("_")} == set(public_table.read_public_names())
    imports = [line for line in TABLE.read_text().splitlines() if re.match("from|import", line)]
    assert len(imports) == len(public_table.read_public_names())


def test_a_public_name_is_that_of_its_module() -> None:
    for name, module in public_table.read_public_names().items():
        if name != "metadata":  # the package can be called like the client's function
            assert getattr(flow_sdk, name) is getattr(importlib.import_module(module), name)


def test_decorators_are_found_by_their_public_names() -> None:
    assert "retry" in builtin_decorator_names() and "card" not in builtin_decorator_names()
    for name in builtin_decorator_names():
        kind = find_decorator(name)
        assert kind is not None and kind.name == name
        assert getattr(flow_sdk, name).decorator_class is kind
        assert getattr(flow_sdk, name).__doc__
    assert find_decorator("card") is None and find_decorator("FlowSpec") is None


def test_names_are_found_where_only_byte_code_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(public_table, "_names", {})
    monkeypatch.setattr(public_table, "__file__", str(tmp_path / "public_table.py"))
    names = public_table.read_public_names()
    assert names["retry"] == "flow_sdk.public_names" and "annotations" not in names
    assert find_decorator("retry") is flow_sdk.retry.decorator_class  # type: ignore[attr-defined]


def test_one_file_and_one_line_add_a_decorator(tmp_path: Path) -> None:
    """In a copy of the package: what docs/adding-a-decorator.md says."""
    root = Path(flow_sdk.__file__).parent
    shutil.copytree(root, tmp_path / "flow_sdk", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "flow_sdk" / "authoring" / "decorators" / "note.py").write_text(
        '''"""``@note``: a text in the metadata of each task."""

from __future__ import annotations

from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator


class NoteDecorator(StepDecorator):
    name = "note"

    def before(self, context):
        context.add_metadata("note", self.text)


@declare_step_decorator(NoteDecorator)
def note(*, text: str) -> None:
    """Store a text."""
'''
    )
    with (tmp_path / "flow_sdk" / "public_names.py").open("a") as table:
        table.write("from flow_sdk.authoring.decorators.note import note as note\n")
    (tmp_path / "flow.py").write_text(
        """from flow_sdk import FlowSpec, note, step


class Noted(FlowSpec):
    @note(text="first try")
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Noted()
"""
    )
    (tmp_path / "read.py").write_text(
        "from flow_sdk import Flow, namespace\n"
        "namespace(None)\n"
        "print([step.task.metadata_dict.get('note') for step in Flow('Noted').latest_run])\n"
    )

    def call(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "FLOW_SDK_USER": "anne"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("flow.py", "run")
    assert set(ast.literal_eval(call("read.py"))) == {"first try", None}
    call("flow.py", "run", "--with", "note:text=all of them")
    assert set(ast.literal_eval(call("read.py"))) == {"first try", "all of them"}
    assert (
        "@note needs the attribute 'text'"
        in subprocess.run(
            [sys.executable, "flow.py", "run", "--with", "note"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=120,
        ).stderr
    )
