"""A deprecated name prints one line with its successor, once in a process."""

import subprocess
import sys

import pytest

from flow_sdk import deprecation
from flow_sdk.deprecation import warn_deprecated


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecation, "_printed", set())


def test_one_line_for_each_name(capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        warn_deprecated("--old", "--new", removal="0.4")
        warn_deprecated("flow_sdk.old", "flow_sdk.new", removal="0.5")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "--old is deprecated and goes with Flow SDK 0.4: use --new.",
        "flow_sdk.old is deprecated and goes with Flow SDK 0.5: use flow_sdk.new.",
    ]


@pytest.mark.parametrize("closing", ["sys.stderr = None", "sys.stderr.close()", "import os; os.close(2)"])
def test_a_process_without_stderr_continues(closing: str) -> None:
    code = f"""
import sys
from flow_sdk.deprecation import warn_deprecated
{closing}
warn_deprecated("old", "new", removal="0.4")
print("continues", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "continues\n"


def test_each_process_prints_it() -> None:
    code = "from flow_sdk.deprecation import warn_deprecated as w; [w('old', 'new', removal='0.4') for _ in range(2)]"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
        assert done.stderr == "old is deprecated and goes with Flow SDK 0.4: use new.\n"


def test_names_that_left_errors_keep_working(capsys: pytest.CaptureFixture[str]) -> None:
    from flow_sdk import errors, text

    assert errors.UserCodeError is errors.TaskError
    assert errors.visible is text.escape_invisible and errors.nearest is text.suggest_name
    assert "flow_sdk.errors.visible is deprecated" in capsys.readouterr().err
    with pytest.raises(AttributeError, match="'never'"):
        errors.never  # noqa: B018
