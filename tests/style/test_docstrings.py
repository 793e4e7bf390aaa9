"""Documented parameters are the ones the signature has; the error tree is drawn as it is."""

import re
from pathlib import Path

import pytest

import flow_sdk.errors
from tests.style.docstrings import documented_definitions, documented_parameters
from tests.style.tree import PACKAGES, python_files, short


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=short)
def test_documented_parameters_match_the_signature(path: Path) -> None:
    found = [
        f"{short(path)}:{f.line} {f.name}: wrong {f.wrong}, missing {f.missing}"
        for f in documented_definitions(path.read_text(encoding="utf-8"))
        if f.wrong or f.missing
    ]
    assert not found, "\n".join(found)


def test_the_reader_of_docstrings_sees_a_wrong_name_and_a_missing_one() -> None:
    source = (
        'def f(a, b, _c=0):\n    """Do.\n\n    Parameters\n    ----------\n    x, b : int\n        Text.\n    """\n'
    )
    (found,) = documented_definitions(source)
    assert (found.documented, found.wrong, found.missing) == (["x", "b"], ["x"], ["a"])
    (found,) = documented_definitions(source.replace("_c=0", "**others"))
    assert (found.wrong, found.missing) == ([], ["a"])
    assert documented_parameters("No section.") is None


def test_the_error_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn: dict[str, str | None] = {}
    above: list[str] = []
    for line in (flow_sdk.errors.__doc__ or "").splitlines():
        entry = re.match(r"^    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+) {2,}\S", line)
        if entry:
            depth = (line.index(entry.group(2)) - 4) // 4
            above[depth:] = [entry.group(2)]
            drawn[entry.group(2)] = above[depth - 1] if depth else None
    classes = {
        name: kind
        for name, kind in vars(flow_sdk.errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    actual = {
        name: kind.__base__.__name__ if kind.__base__ is not Exception else None for name, kind in classes.items()
    }
    assert drawn == actual
