"""The code blocks of README and docs run, and print what the page says."""

from pathlib import Path

import pytest

from tests.style.pages import blocks, matches, run_page
from tests.style.tree import ROOT, short

pytestmark = pytest.mark.slow  # starts processes or servers

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_readme_and_the_guide_have_blocks_that_run(tmp_path: Path) -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "writing-flows.md"):
        kinds = {block.kind for block in blocks(page.read_text(encoding="utf-8"))}
        assert {"python", "console"} <= kinds


def test_a_page_that_lies_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python file=a.py\nprint(6 * 7)\n```\n\n```console\n$ python a.py\n42\n```\n", encoding="utf-8")
    assert run_page(page, tmp_path) == 2
    page.write_text(page.read_text(encoding="utf-8").replace("42", "43"), encoding="utf-8")
    with pytest.raises(AssertionError, match="the page says"):
        run_page(page, tmp_path)


FLOW = """from flow_sdk import FlowSpec, Parameter, step

class A(FlowSpec):
    days = Parameter("days", default=1)

    @step
    def start(self):
        pass
"""


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("sh", "python a.py airflow trigger --days 30", "python a.py airflow trigger --day 30"),
        ("sh", "RUN=$(python a.py step-functions trigger)  # go", "RUN=$(python a.py step-functions start)"),
        ("sh", "python a.py resume start", "python a.py resume start end"),
        ("py", "S3().get_many(['a'], return_missing=True)", "S3().get_many(['a'], missing=True)"),
        ("py", "run.wait_for_run()", "run.await_run()"),
    ],
)
def test_what_cannot_run_here_is_looked_at(tmp_path: Path, kind: str, good: str, bad: str) -> None:
    page = tmp_path / "page.md"
    for text, lies in ((good, False), (bad, True)):
        page.write_text(f"```python file=a.py\n{FLOW}```\n\n```{kind}\n{text}\n```\n", encoding="utf-8")
        if not lies:
            assert run_page(page, tmp_path) == 2
            continue
        with pytest.raises(AssertionError):
            run_page(page, tmp_path)


def test_three_dots_stand_for_anything() -> None:
    assert matches("a ... c\n...\nz", "a b c\nx\ny\nz\n")
    assert not matches("a", "a\nb")
