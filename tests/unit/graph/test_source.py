"""The source of functions and classes: found by line, with spans in characters."""

import ast
from pathlib import Path

import pytest

from flow_sdk.graph.source import SourceFile, Sources, dedent_docstring, innermost_function
from tests.strategies.loading import load_flow, small_flow

TEXT = """class Größe:
    def a(self):
        self.ä = self.next

    class Inner:
        def b(this): pass

def outer():
    class Local:
        def c(self): pass
"""


def test_functions_are_found_by_line_and_classes_by_qualified_name() -> None:
    file = SourceFile("f.py", TEXT)
    assert set(file.classes) == {"Größe", "Größe.Inner", "outer.<locals>.Local"}
    assert file.functions[2, "a"].self_name == "self" and file.functions[6, "b"].self_name == "this"
    assert (10, "c") in file.functions


def test_columns_are_counted_in_characters() -> None:
    file = SourceFile("f.py", TEXT)
    (statement,) = file.functions[2, "a"].node.body
    assert isinstance(statement, ast.Assign)
    span = file.span_of(statement.value)
    assert (span.line, span.column, span.end_column, span.text) == (3, 18, 27, "        self.ä = self.next")
    name = file.name_span(file.classes["Größe"].node)
    assert (name.line, name.column, name.end_column) == (1, 7, 12)


def test_a_line_that_is_not_there_is_empty() -> None:
    file = SourceFile("f.py", TEXT)
    assert file.line_text(0) == "" == file.line_text(1000) and file.line_text(1) == "class Größe:"


def test_the_innermost_function_of_wrapped_ones_is_read(tmp_path: Path) -> None:
    flow = small_flow(tmp_path, "start: pass")
    found = Sources().find_function(flow.start)
    assert found is not None and found.node.name == "start"
    assert innermost_function(flow.start).__name__ == "start"


@pytest.mark.parametrize("text", ["x = (", "\0", None])
def test_a_file_that_was_changed_into_something_else_has_no_source(tmp_path: Path, text: str | None) -> None:
    flow = small_flow(tmp_path, "start: pass")
    path = Path(flow.start.__code__.co_filename)
    path.unlink() if text is None else path.write_text(text)
    assert Sources().find_function(flow.start) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_any_encoding_that_python_reads_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f.py"
    head = f"# -*- coding: {encoding} -*-\r\n" if encoding == "latin-1" else ""
    path.write_bytes((head + "größe = 1\r\n").encode(encoding))
    file = Sources().open_file(str(path), {})
    assert file is not None and "größe = 1" in file.lines


def test_docstrings_lose_their_indentation(tmp_path: Path) -> None:
    assert dedent_docstring(None) == ""
    assert dedent_docstring("First.\n\n        Second.\n            Third.\n    ") == "First.\n\nSecond.\n    Third."
    text = "from flow_sdk import *\n\nclass F(FlowSpec):\n    @step\n    def start(self):\n"
    flow = load_flow(text + "        '''A.\n\n        B.\n        '''\n", tmp_path)
    assert dedent_docstring(flow.start.__doc__) == "A.\n\nB."
