"""Pages have short lines, are on the site, and link to and name files that exist."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.style.tree import PACKAGES, ROOT, python_files, short

LIMIT = 120
"""Characters of a line of text. Lines of code and tables, and lines with one long word, may be longer."""

SITE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / folder / "README.md" for folder in ("benchmarks", "docker", "infra", "provider")),
    *SITE,
]
ROOTS = (ROOT, *PACKAGES, PACKAGES[1].parent, PACKAGES[0] / "store", PACKAGES[0] / "client")
"""Folders that pages name files below."""

EXAMPLES = {"docs/adding-a-decorator.md", "docs/adding-a-deploy-target.md", "docs/adding-a-store-backend.md"}
"""Pages that name files that their reader writes."""

THROUGH_THE_CODE = [ROOT / "docs" / "architecture.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
"""Pages that lead through the code: they name files without their folders, too."""

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(#[^)\s]*)?\)")
_MODULE = re.compile(r"`(\w+\.py)`")
_FILE = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|md|toml|json|svg|sh))`")


def find_long_lines(page: Path) -> list[str]:
    """Return the lines of a page that are too long and could be broken."""
    text = _CODE.sub(lambda code: "\n" * code[0].count("\n"), page.read_text(encoding="utf-8"))
    return [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > LIMIT and not line.startswith("|") and max(map(len, line.split())) < LIMIT - 20
    ]


def find_broken_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead to no file."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    targets = [target for target, _ in _LINK.findall(text) if target and "://" not in target]
    return sorted({target for target in targets if not (page.parent / target).exists()})


def find_missing_files(page: Path) -> list[str]:
    """Return the files with a path in backticks that aren't in the checkout."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    return sorted({name for name in _FILE.findall(text) if not any((root / name).exists() for root in ROOTS)})


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_lines_of_a_page_are_short(page: Path) -> None:
    assert find_long_lines(page) == []


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    assert find_broken_links(page) == []


@pytest.mark.parametrize("page", [page for page in PAGES if short(page) not in EXAMPLES], ids=short)
def test_files_that_a_page_names_exist(page: Path) -> None:
    assert find_missing_files(page) == []


@pytest.mark.parametrize("page", THROUGH_THE_CODE, ids=short)
def test_modules_that_a_page_names_exist(page: Path) -> None:
    names = set(_MODULE.findall(page.read_text(encoding="utf-8")))
    assert names - {path.name for path in python_files()} - {"flow.py"} == set()


def test_the_layers_of_the_architecture_page_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["id"] == "layers"]
    _, _, table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("\n| layer | contents |\n")
    rows = [line.split("|")[1] for line in table.split("\n\n")[0].splitlines()[1:]]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [layer.split(" | ") for layer in layers]


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    _, _, navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")
    listed = re.findall(r"^ +- [^:]+: (\S+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in SITE)


def test_what_is_wrong_with_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    long = "word " * 30
    page.write_text(
        f"{long}\n| {long} |\n```text\n{long}\n```\n\n[here](page.md#top) [there](no.md) [web](https://example.org/a)\n"
        "`store/no_such_file.py` `store/port.py` `port.py`\n"
    )
    assert find_long_lines(page) == [f"page.md:1: {len(long)} characters"]
    assert find_broken_links(page) == ["no.md"]
    assert find_missing_files(page) == ["store/no_such_file.py"]
