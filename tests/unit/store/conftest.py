"""What the tests of stores share."""

import pytest

from tests.rig.aged import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stores and collectors go by, and that tests move."""
    return Clock().install(monkeypatch)
