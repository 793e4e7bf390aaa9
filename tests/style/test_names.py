"""A name says what the thing is; a package says what lives in it."""

import ast

from tests.style.tree import PACKAGES, python_files, short

EMPTY_NAMES = {"base", "common", "helper", "helpers", "misc", "shared", "stuff", "tools", "util", "utils"}


def test_no_module_or_folder_is_named_after_nothing() -> None:
    found = [short(p) for p in python_files() if {p.stem, p.parent.name} & EMPTY_NAMES]
    assert not found


def test_every_module_of_the_packages_says_what_it_is() -> None:
    silent = [
        short(path)
        for path in python_files(*PACKAGES)
        if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert not silent
