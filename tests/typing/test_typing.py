"""What users' type checkers see, with mypy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, str]]:
    """Mypy's message about each line of the two files."""
    pytest.importorskip("mypy")
    command = [
        *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", "--config-file="),
        *("--python-version", "3.11", "--hide-error-context", "--cache-dir", str(tmp_path_factory.mktemp("mypy"))),
        *("flow_file.py", "wrong_file.py"),
    ]
    done = subprocess.run(
        command,
        cwd=HERE,
        env={"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    found: dict[str, dict[int, str]] = {"flow_file.py": {}, "wrong_file.py": {}}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(\w+\.py):(\d+): (error|note): (.*)", line)
        if match and (match[3] == "error" or match[4].startswith("Revealed")):
            found[match[1]].setdefault(int(match[2]), f"{match[3]}: {match[4]}")
    assert found["flow_file.py"], done.stdout + done.stderr
    return found


def expected(name: str, sign: str) -> dict[int, str]:
    lines = (HERE / name).read_text().splitlines()
    return {n: line.partition("  # ")[2] for n, line in enumerate(lines, 1) if sign in line}


def test_reveals(messages: dict[str, dict[int, str]]) -> None:
    seen = {}
    for number, text in messages["flow_file.py"].items():
        kind = re.search(r'"(.*)"$', text)
        assert kind, f"line {number}: {text}"
        seen[number] = kind[1].replace("builtins.", "").replace("*", "").replace("?", "")
    seen = {n: re.sub(r"Union\[(\w+), None\]", r"\1 | None", text) for n, text in seen.items()}
    assert seen == expected("flow_file.py", "reveal_type(")


def test_mistakes_are_found(messages: dict[str, dict[int, str]]) -> None:
    assert set(messages["wrong_file.py"]) == set(expected("wrong_file.py", "  # error"))
