"""What the tests of upkeep share."""

import pytest

from tests.support.aged_stores import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stores and collectors go by, and that tests move."""
    return Clock().install(monkeypatch)
