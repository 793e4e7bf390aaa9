"""How the end of a process is described."""

import pytest

from flow_sdk.runtime.crash_record import crash_reason


@pytest.mark.parametrize(
    ("status", "text"), [(-9, "SIGKILL (out of memory?)"), (-15, "SIGTERM"), (3, "exit code 3"), (-63, "signal 63")]
)
def test_the_end_of_a_process_is_said_in_words(status: int, text: str) -> None:
    assert text in crash_reason(status)
