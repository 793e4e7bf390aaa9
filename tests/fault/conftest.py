"""Which of the fault tests can run here."""

import os
import subprocess
from functools import cache

import pytest


@cache
def may_mount() -> bool:
    """Tell whether this process may mount a file system; tried where nobody else sees it."""
    if os.geteuid() != 0:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "flow-sdk-probe", "/mnt"]
    try:
        return not subprocess.run(probe, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as such, the tests that mount a file system where that isn't allowed."""
    left_out = [item for item in items if "small_disk" in getattr(item, "fixturenames", ()) and not may_mount()]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
