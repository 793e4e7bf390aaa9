"""One table makes names public: type checkers read it as Python, the package as text."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import flow_sdk
from flow_sdk import public_table
from flow_sdk.authoring.builtin_decorators import builtin_decorator_names, find_decorator
from tests.support.package_copy import PackageCopy

pytestmark = pytest.mark.slow  # starts processes or servers

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


NOTE = '''"""``@note``: a text in the metadata of each task."""

from __future__ import annotations

from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator


class NoteDecorator(StepDecorator):
    name = "note"

    def before_step(self, context):
        context.add_metadata("note", self.text)


@declare_step_decorator(NoteDecorator)
def note(*, text: str) -> None:
    """Store a text."""
'''

FLOW = """from flow_sdk import FlowSpec, note, step


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

READ = """from flow_sdk import Flow, namespace
namespace(None)
print([step.task.metadata_dict.get('note') for step in Flow('Noted').latest_run])
"""


def test_one_file_and_one_line_add_a_decorator(tmp_path: Path) -> None:
    """In a copy of the package: what docs/adding-a-decorator.md says."""
    copy = PackageCopy(tmp_path)
    copy.add_decorator("note", NOTE)
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "read.py").write_text(READ)
    copy.run("flow.py", "run")
    assert set(ast.literal_eval(copy.run("read.py"))) == {"first try", None}
    copy.run("flow.py", "run", "--with", "note:text=all of them")
    assert set(ast.literal_eval(copy.run("read.py"))) == {"first try", "all of them"}
    assert "@note needs the attribute 'text'" in copy.run("flow.py", "run", "--with", "note", fails=True)
