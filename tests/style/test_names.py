"""A name says what the thing is; a package says what lives in it."""

import ast
from pathlib import Path

import pytest

from tests.style.naming import (
    FunctionName,
    find_banned_names,
    find_banned_texts,
    find_function_names,
    find_repeated_classes,
    split_name,
)
from tests.style.tree import PACKAGES, ROOT, python_files, short

MOST_ONE_WORD = 0.25
"""Share of the product's functions and methods that may have a name of one word."""

DOMAIN_VERBS = {
    "_restore",  # pickles of client objects name it
    "batch",
    "catch",
    "environment",
    "main",
    "metadata",
    "namespace",
    "profile",
    "project",
    "resources",
    "retry",
    "schedule",
    "secrets",
    "step",
    "supervise",  # the previous release of the provider imports it
    "timeout",
}
"""Functions of one word at the top of a module: public names, entry points, and names that stored data hold."""

STORED_TEXTS = {
    ("flow_sdk/metadata/index.py", "facts"),  # a key in stores
    ("flow_sdk/moved_modules.py", "facts"),  # paths and names of earlier releases, here and below
    ("flow_sdk/moved_modules.py", "place"),
    ("flow_sdk/moved_modules.py", "settled"),
}
"""Banned words that a file may hold, as stored data and earlier releases do."""

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]

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


def _share_of_one_word(names: list[FunctionName]) -> float:
    return sum(name.is_one_word for name in names) / len(names)


def _one_word_functions(names: list[FunctionName]) -> list[str]:
    return [
        f"{name.path}:{name.line}: {name.name}"
        for name in names
        if name.in_module and name.is_one_word and name.name not in DOMAIN_VERBS
    ]


def _refused_texts(path: Path, name: str) -> list[str]:
    stored = {word for file, word in STORED_TEXTS if file == name}
    return [line for line in find_banned_texts(path) if line.split(": ")[1].split("'")[1].lower() not in stored]


@pytest.fixture(scope="module")
def product_functions() -> list[FunctionName]:
    return [name for path in python_files(*PACKAGES) for name in find_function_names(path)]


def test_most_functions_have_names_of_several_words(product_functions: list[FunctionName]) -> None:
    assert _share_of_one_word(product_functions) < MOST_ONE_WORD


def test_functions_of_modules_have_two_words_or_are_verbs_of_the_domain(product_functions: list[FunctionName]) -> None:
    assert not _one_word_functions(product_functions)
    assert {name.name for name in product_functions if name.in_module} >= DOMAIN_VERBS, "names that are no more"


def test_no_name_of_the_product_holds_a_banned_word() -> None:
    assert not [line for path in python_files(*PACKAGES) for line in find_banned_names(path)]


@pytest.mark.parametrize("path", [*python_files(*PACKAGES), *PAGES], ids=short)
def test_no_text_holds_a_banned_word(path: Path) -> None:
    if path.name != "glossary.md":  # it lists them
        assert not _refused_texts(path, short(path))


def test_no_class_name_is_used_twice() -> None:
    assert not find_repeated_classes(python_files(*PACKAGES))


def test_each_rule_of_names_refuses_what_it_should(tmp_path: Path) -> None:
    path = tmp_path / "refused.py"
    path.write_text('def place(): ...\ndef main(): ...\nclass One: ...\nclass One: ...\nKEY = "=facts"  # settled\n')
    names = find_function_names(path)
    assert _share_of_one_word(names) == 1
    assert _one_word_functions(names) == [f"{path}:1: place"]
    assert find_banned_names(path) == [f"{path}:1: place: place -> location, key, account, position"]
    assert len(_refused_texts(path, "refused.py")) == 2
    assert len(_refused_texts(path, "flow_sdk/metadata/index.py")) == 1
    assert list(find_repeated_classes([path])) == ["One"]
