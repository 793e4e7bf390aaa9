"""A name says what the thing is; a package says what lives in it."""

import ast
from pathlib import Path

from tests.style.naming import (
    find_banned_names,
    find_banned_texts,
    find_function_names,
    find_repeated_classes,
    split_name,
)
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


def test_the_measure_of_names_finds_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "measured.py"
    path.write_text(
        "class Run:\n    def place(self, told): ...\n    def __len__(self): ...\n"
        "def _kept(): ...\ndef read_run():\n    runId = 1  # who goes on here\n    def inner(): ...\n"
    )
    names = find_function_names(path)
    assert [(name.name, name.is_one_word, name.in_module) for name in names] == [
        ("_kept", True, True),
        ("read_run", False, True),
        ("place", True, False),
        ("inner", True, False),
    ]
    assert [line.split(": ")[1] for line in find_banned_names(path)] == ["place", "told"]
    assert [line.split(": ")[1] for line in find_banned_texts(path)] == ["'goes on' -> continues, is running"]
    assert find_repeated_classes([path, path]) == {"Run": [path, path]}
    assert split_name("_HTTPServerName_of") == ["http", "server", "name", "of"]
