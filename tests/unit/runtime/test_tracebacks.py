"""Tracebacks: the user's own frames, chains and groups, and one line for a reason."""

import re
from concurrent.futures import ThreadPoolExecutor

from flow_sdk.errors import SerializationError
from flow_sdk.runtime.task.transition import chosen_case
from flow_sdk.runtime.tracebacks import describe_exception, summarize_exception, user_traceback
from flow_sdk.store.prefetch import prefetch_map


def test_frames_of_the_framework_are_folded_and_counted() -> None:
    try:
        chosen_case(None, None)  # type: ignore[arg-type]
    except AttributeError as error:
        text = user_traceback(error)
    assert "test_tracebacks.py" in text and "transition.py" not in text
    assert "1 frame of Flow SDK not shown" in text


def test_the_threads_of_the_framework_are_folded_with_it() -> None:
    try:
        list(prefetch_map(lambda number: 1 / number, [1, 0]))
    except ZeroDivisionError as error:
        text = user_traceback(error)
    assert "test_tracebacks.py" in text and "concurrent" not in text
    assert re.search(r"\(\d+ frames of Flow SDK not shown\)", text)


def test_the_threads_of_the_step_are_shown() -> None:
    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: 1 / 0).result()
    except ZeroDivisionError as error:
        assert "concurrent" in user_traceback(error) and "Flow SDK" not in user_traceback(error)


def test_a_chain_of_exceptions_is_kept() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError as error:
        text = user_traceback(error)
    assert text.index("KeyError") < text.index("direct cause") < text.index("ValueError: outer")


def test_a_message_that_cannot_be_read_is_no_second_error() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "can't be read" in describe_exception(Broken())["message"]


def test_an_error_of_ours_is_one_line_with_what_was_seen() -> None:
    facts = describe_exception(SerializationError("It can't be stored.", seen="a lock", help="Don't."))
    assert summarize_exception(facts) == "SerializationError: It can't be stored. (a lock)"


def test_a_chain_that_leads_back_to_itself_ends() -> None:
    error = ValueError("round")
    other = KeyError("about")
    error.__cause__, other.__cause__ = other, error
    assert user_traceback(error).count("ValueError: round") == 1


def test_all_exceptions_of_a_group_are_shown() -> None:
    text = user_traceback(ExceptionGroup("many", [ValueError("one"), ExceptionGroup("in", [KeyError("two")])]))
    assert "2 sub-exceptions" in text and "    ValueError: one" in text and "        KeyError: 'two'" in text


def test_a_reason_is_short_however_long_the_message() -> None:
    assert len(summarize_exception(describe_exception(ValueError("x" * 300_000)))) < 1100
