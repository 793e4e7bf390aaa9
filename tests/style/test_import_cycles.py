"""No file imports one that imports it, not even inside a function: each can be read with those below it."""

from pathlib import Path

import pytest

from tests.style.imports import find_cycles, import_graph
from tests.style.tree import PACKAGES


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_no_files_import_each_other(package: Path) -> None:
    cycles = find_cycles(import_graph(package))
    assert not cycles, "\n".join(" and ".join(cycle) for cycle in cycles)


@pytest.mark.parametrize("indent", ["", "def use():\n    "], ids=["at the top", "in a function"])
def test_a_cycle_is_found(tmp_path: Path, indent: str) -> None:
    package = tmp_path / "made"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "top.py").write_text("from made.inner import part\n")
    (package / "inner" / "part.py").write_text(f"{indent}from made.inner.below import value\n")
    (package / "inner" / "below.py").write_text(f"{indent}import made.top\nvalue = 1\n")
    assert find_cycles(import_graph(package)) == [["made.inner.below", "made.inner.part", "made.top"]]


def test_an_import_for_type_checkers_is_no_cycle(tmp_path: Path) -> None:
    package = tmp_path / "made"
    package.mkdir()
    (package / "one.py").write_text("from made.two import Two\n")
    (package / "two.py").write_text("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from made.one import One\n")
    assert find_cycles(import_graph(package)) == []
