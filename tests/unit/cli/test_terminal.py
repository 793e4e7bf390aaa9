"""Text of the user's on a terminal: colours and words stay, commands to the terminal don't."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.text import strip_control_sequences
from tests.security.hostile import obeyed

RESET = "\x1b[0m"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("plain ünïcode 🎉", "plain ünïcode 🎉"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m" + RESET),
        ("\x1b[38;5;196;48:2::1:2:3mrich\x1b[m", "\x1b[38;5;196;48:2::1:2:3mrich\x1b[m" + RESET),
        ("\x1b[2Ja\x1b[10;10Hb\x1b[?1049hc\x1b[6nd", "abcd"),
        ("\x1b]0;title\x07a\x1b]52;c;ZXZpbA==\x1b\\b\x9d0;t\x9cc", "abc"),
        ("\x1bPq#0\x1b\\a\x1b_x\x1b\\b\x1b^x\x07c", "abc"),
        ("\x9b31ma\x9b2Jb", "ab"),
        ("a\x1bcb\x1b(0c\x1b7d", "abcd"),
        ("a\x07\x08\x7f\x00b\x1b", "ab"),
        ("\x1b]never ends", "never ends"),
        ("0 %\r50 %\r100 %\r", "100 %"),
        ("a\tb", "a       b"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b\u2028c\x85d", "abcd"),
    ],
)
def test_a_line(line: str, seen: str) -> None:
    assert strip_control_sequences(line) == seen


@given(st.text(alphabet=st.sampled_from("\x1b\x9b\x9d[]0;1mJHP\\\x07\r\ta\x00\u202e") | st.characters(), max_size=60))
def test_no_text_is_obeyed(text: str) -> None:
    assert obeyed(strip_control_sequences(text)) == []
    assert obeyed(text_for_stream(text, Terminal())) == []
    assert text_for_stream(text, io.StringIO()) == text


def test_lines_stay_lines() -> None:
    assert text_for_stream("a\x07\n\nb\x1b[2J\n", Terminal()) == "a\n\nb\n"
