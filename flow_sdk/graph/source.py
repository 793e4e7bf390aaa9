"""Finding the source of a class and its methods: each file is read and parsed once."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import CodeType
from typing import Any

from flow_sdk.graph.model import SourceSpan

__all__ = ["ClassSource", "FunctionSource", "SourceFile", "Sources", "dedent_docstring", "innermost_function"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def innermost_function(function: Any) -> Any:
    """Return the function as the user wrote it, under what decorators wrapped round it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def dedent_docstring(text: str | None) -> str:
    """Strip the indentation of a docstring of the source."""
    if not text:
        return ""
    first, *rest = text.split("\n")
    margin = min((len(line) - len(line.lstrip(" \t")) for line in rest if line.strip()), default=0)
    lines = [first.strip(), *(line[margin:].rstrip() for line in rest)]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


class FunctionSource:
    """One function definition and the class body it lies in."""

    __slots__ = ("file", "node", "owner")

    def __init__(self, file: SourceFile, node: FunctionNode, owner: ast.ClassDef | None) -> None:
        self.file = file
        self.node = node
        self.owner = owner

    @property
    def self_name(self) -> str:
        """What the function calls its first argument: ``self``."""
        arguments = [*self.node.args.posonlyargs, *self.node.args.args]
        return arguments[0].arg if arguments else "self"


class ClassSource:
    """One class definition."""

    __slots__ = ("file", "node")

    def __init__(self, file: SourceFile, node: ast.ClassDef) -> None:
        self.file = file
        self.node = node


class SourceFile:
    """One parsed file, with its functions by line and its classes by qualified name."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = text.split("\n")
        self.functions: dict[tuple[int, str], FunctionSource] = {}
        self.classes: dict[str, ClassSource] = {}
        self._index_body(ast.parse(text).body, "", None)

    def _index_body(self, body: list[ast.stmt], prefix: str, owner: ast.ClassDef | None) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found = FunctionSource(self, node, owner)
                self.functions[node.lineno, node.name] = found
                if node.decorator_list:
                    self.functions[node.decorator_list[0].lineno, node.name] = found
                if owner is None:
                    # A method's own body holds no flow classes worth finding; a plain function may (a test, a factory).
                    self._index_body(node.body, f"{prefix}{node.name}.<locals>.", None)
            elif isinstance(node, ast.ClassDef):
                # Later definitions of the same name win, as they do when the module runs.
                self.classes[prefix + node.name] = ClassSource(self, node)
                self._index_body(node.body, f"{prefix}{node.name}.", node)
            elif not isinstance(node, (ast.Expr, ast.Assign)):
                for block in ("body", "orelse", "finalbody"):
                    self._index_body(getattr(node, block, []), prefix, owner)
                for handler in getattr(node, "handlers", []):
                    self._index_body(handler.body, prefix, owner)

    def span_of(self, node: ast.AST) -> SourceSpan:
        """Return the range of an expression."""
        line, end_line = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        column = self._count_characters(line, node.col_offset)  # type: ignore[attr-defined]
        end = self._count_characters(end_line, node.end_col_offset)  # type: ignore[attr-defined]
        return SourceSpan(self.name, line, column + 1, end_line, end + 1, self.line_text(line))

    def name_span(self, node: FunctionNode | ast.ClassDef) -> SourceSpan:
        """Return the range of the name in a ``def`` or ``class`` line."""
        text = self.line_text(node.lineno)
        start = text.find(node.name, self._count_characters(node.lineno, node.col_offset) + 3)
        column = start + 1 if start >= 0 else self._count_characters(node.lineno, node.col_offset) + 1
        return SourceSpan(self.name, node.lineno, column, node.lineno, column + len(node.name), text)

    def line_text(self, number: int) -> str:
        """Return a line's text, "" when there is none of that number."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def mentions_word(self, word: str, node: ast.stmt) -> bool:
        """Return whether a word is anywhere in the lines of a statement: much cheaper than walking its tree."""
        return any(word in line for line in self.lines[node.lineno - 1 : node.end_lineno])

    def _count_characters(self, line: int, offset: int) -> int:
        """Turn Python's offset in UTF-8 bytes into one in characters."""
        text = self.line_text(line)
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))


class Sources:
    """The source files that one flow is spread over."""

    def __init__(self) -> None:
        self._files: dict[str, SourceFile | None] = {}

    def open_file(self, name: str, module: Mapping[str, Any]) -> SourceFile | None:
        """Read and parse a file once; None when its source can't be had.

        Parameters
        ----------
        name : str
            The file's name in the code object.
        module : mapping
            The module's globals, for sources that an import loader holds (a zip file).
        """
        if name not in self._files:
            text = _read_source(name, module)
            try:
                self._files[name] = None if text is None else SourceFile(name, text)
            except (SyntaxError, ValueError):
                # The file was edited into something else after it was imported.
                self._files[name] = None
        return self._files[name]

    def find_function(self, function: Any) -> FunctionSource | None:
        """Find a function's definition."""
        inner = innermost_function(function)
        code: CodeType = inner.__code__
        file = self.open_file(code.co_filename, inner.__globals__)
        return file.functions.get((code.co_firstlineno, code.co_name)) if file else None


def _read_source(name: str, module: Mapping[str, Any]) -> str | None:
    try:
        with open(name, "rb") as stream:
            data = stream.read()
    except (OSError, ValueError):
        # Notebook cells and zip files: linecache knows them.
        import linecache

        return "".join(linecache.getlines(name, dict(module))) or None
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        import tokenize

        try:
            with tokenize.open(name) as text:
                return text.read()
        except (SyntaxError, UnicodeDecodeError, OSError):
            return None
