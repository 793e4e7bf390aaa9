"""Files and functions stay small."""

import ast
from pathlib import Path

import pytest

from tests.style.tree import PACKAGES, python_files, short

FILE_LINES = 400
FUNCTION_LINES = 60


@pytest.mark.parametrize("path", python_files(), ids=short)
def test_a_file_stays_small(path: Path) -> None:
    lines = sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    assert lines <= FILE_LINES, f"{short(path)} has {lines} non-blank lines: it is perhaps two things"


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=short)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    long = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documentation = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if documentation is not None:
                lines -= (documentation.end_lineno or 0) - documentation.lineno + 1
            if lines > FUNCTION_LINES:
                long.append(f"{short(path)}:{node.lineno} {node.name} has {lines} lines without its docstring")
    assert not long, "\n".join(long)
