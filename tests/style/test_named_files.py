"""Pages that lead through the code name files that exist."""

import re
from pathlib import Path

import pytest

from tests.style.tree import PACKAGES, ROOT, short

PAGES = [ROOT / "docs" / name for name in ("life-of-a-value.md", "adding-a-client-property.md")]

_FILE = re.compile(r"`([\w/]+\.py)`")


def missing_files(page: Path) -> list[str]:
    """Return the files that a page names and that aren't in the checkout."""
    folders = (ROOT, PACKAGES[0], PACKAGES[0] / "client")
    named = sorted(set(_FILE.findall(page.read_text(encoding="utf-8"))))
    return [name for name in named if not any((folder / name).is_file() for folder in folders)]


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    assert _FILE.search(page.read_text(encoding="utf-8"))
    assert missing_files(page) == []


def test_a_missing_file_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("See `store/artifacts.py` and `store/no_such_file.py`.\n", encoding="utf-8")
    assert missing_files(page) == ["store/no_such_file.py"]
