"""JSON that anybody may have written: what is wrong with it is one kind of error, and says what."""

import pytest

from flow_sdk.strict_json import TEXT_OR_NONE, Time, check_fields, parse_json, parse_object


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"a":' * 200_000, "", "{", b"\xff", "9" * 5000])
def test_what_cannot_be_parsed_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "true"])
def test_what_is_no_object_is_a_type_error(text: str) -> None:
    with pytest.raises(TypeError, match="not an object"):
        parse_object(text)


def test_fields_are_of_the_types_that_are_wanted() -> None:
    fields = {"name": (str,), "size": (int,), "time": (float,), "note": TEXT_OR_NONE}
    check_fields({"name": "x", "size": 1, "time": 1, "other": []}, fields)
    check_fields({"name": "x", "size": 1, "time": 1.5, "note": None}, fields)
    for wrong, message in (
        ({"size": 1, "time": 1}, "the field 'name' is missing"),
        ({"name": "x", "size": True, "time": 1}, "the field 'size' is true or false, not a whole number"),
        ({"name": "x", "size": 1, "time": 1, "note": 3}, "the field 'note' is a whole number, not text or null"),
    ):
        with pytest.raises(TypeError, match=message):
            check_fields(wrong, fields)


@pytest.mark.parametrize("time", [-1, -0.5, 2**70, 253402300800, float("nan"), float("inf"), float("-inf")])
def test_a_time_that_no_clock_shows_is_a_value_error(time: float) -> None:
    with pytest.raises(ValueError, match="'at' is out of the range of times"):
        check_fields({"at": time}, {"at": (Time,)})


def test_times() -> None:
    for time in (0, 1.5, 1_800_000_000, 253402214399.0):
        check_fields({"at": time}, {"at": (Time,)})
    check_fields({}, {"at": (Time, type(None))})
    for wrong in (True, "1", None):
        with pytest.raises(TypeError, match="not a time"):
            check_fields({"at": wrong}, {"at": (Time,)})
