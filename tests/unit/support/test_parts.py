"""The parts that make test runs beside each other: every test is in one, and no part loses one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.parts import PARTS, pytest_collection_modifyitems, pytest_ignore_collect

TESTS = Path(__file__).resolve().parents[2]


def config(part: str | None) -> Any:
    return SimpleNamespace(getoption=lambda name: part, hook=SimpleNamespace(pytest_deselected=lambda items: None))


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("unit/support/test_parts.py", {"rest", "airflow3", "airflow2"}),  # it names them
        ("unit/test_config.py", {"rest"}),
        ("integration/test_resume.py", {"processes"}),
        ("security/test_passwords.py", {"processes"}),
        ("integration/test_infra.py", {"aws"}),
        ("integration/test_image_flows.py", {"aws"}),
        ("integration/test_stories.py", {"aws", "airflow3", "airflow2"}),
    ],
)
def test_a_file_is_read_by_the_parts_that_may_have_tests_in_it(file: str, parts: set[str]) -> None:
    assert (TESTS / file).exists()
    assert {part for part in PARTS if not pytest_ignore_collect(TESTS / file, config(part))} == parts
    assert pytest_ignore_collect(TESTS / file, config(None)) is None
    assert pytest_ignore_collect((TESTS / file).parent, config("aws")) is None


def item(file: str, *markers: str) -> Any:
    return SimpleNamespace(
        path=TESTS / file, nodeid=file, get_closest_marker=lambda name: name if name in markers else None
    )


def test_a_test_is_in_one_part() -> None:
    all_items = [
        item("unit/test_config.py"),
        item("integration/test_resume.py"),
        item("integration/test_infra.py", "terraform"),
        item("integration/test_stories.py", "airflow3"),
        item("security/test_secrets.py", "airflow2"),
    ]
    found = {}
    for part in PARTS:
        items = list(all_items)
        pytest_collection_modifyitems(config(part), items)
        found[part] = [one.nodeid for one in items]
    assert found == {
        "airflow3": ["integration/test_stories.py"],
        "airflow2": ["security/test_secrets.py"],
        "aws": ["integration/test_infra.py"],
        "processes": ["integration/test_resume.py"],
        "rest": ["unit/test_config.py"],
    }
    items = list(all_items)
    pytest_collection_modifyitems(config(None), items)
    assert items == all_items


def test_a_test_that_no_part_would_read_is_refused() -> None:
    with pytest.raises(pytest.UsageError, match="its file names none of"):
        pytest_collection_modifyitems(config("rest"), [item("unit/test_config.py", "airflow3")])
