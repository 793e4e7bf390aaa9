"""Tags and their form in keys."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flow_sdk.errors import UsageError
from flow_sdk.metadata.index import ALL
from flow_sdk.metadata.tags import RESERVED, check_tags, decode_tag, encode_tag
from flow_sdk.store.key_syntax import check_key

TEXT = st.text(min_size=1, max_size=500).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))


@given(TEXT)
@example(".")
@example("..")
@example("=h")
@example("a" * 500)
@example("🙂" * 500)
def test_a_tag_comes_back_as_it_went_in(tag: str) -> None:
    encoded = encode_tag(tag)
    check_key(f"folder/{encoded}")
    assert len(encoded) <= 180
    assert decode_tag(encoded) in (tag, None)
    assert (decode_tag(encoded) is None) == encoded.startswith("=h")


@given(TEXT, TEXT)
@example("A", "a")
@example("é", "e\u0301")
@example("a=2F", "a/")
@example("x" * 400, "x" * 401)
@example(" ", "  ")
def test_different_tags_stay_different_even_where_case_is_ignored(one: str, other: str) -> None:
    assert (encode_tag(one).lower() == encode_tag(other).lower()) == (one == other)


def test_the_readable_form() -> None:
    assert encode_tag("user:anne") == "user:anne"
    assert encode_tag("a/b C%") == "a=2Fb=20=43=25"
    assert encode_tag(".hidden") == "=2Ehidden"


@given(TEXT)
def test_no_tag_is_the_index_of_all(tag: str) -> None:
    assert encode_tag(tag).lower() != ALL


def test_checked_tags_keep_their_order_each_once() -> None:
    assert check_tags(["b", "a", "b", "x" * 500]) == ["b", "a", "x" * 500]
    assert check_tags([]) == []


@pytest.mark.parametrize(
    ("tags", "text"),
    [
        ([""], "empty"),
        (["x" * 501], "too long"),
        (["\ud800"], "UTF-8"),
        ([5], "is a text.\n  seen:   5, an int"),
        ("abc", "one text"),
        (None, "no tag"),
        ([["a"]], "is a text"),
    ],
)
def test_what_is_no_tag(tags: object, text: str) -> None:
    with pytest.raises(UsageError) as wrong:
        check_tags(tags)  # type: ignore[arg-type]
    assert text in str(wrong.value)


@pytest.mark.parametrize("prefix", RESERVED)
def test_no_tag_of_a_user_passes_for_a_system_tag(prefix: str) -> None:
    with pytest.raises(UsageError, match=f"can't begin with '{prefix}'"):
        check_tags(["good", f"{prefix}will"])
    assert check_tags([f"{prefix}will"], reserved=True) == [f"{prefix}will"]
    assert check_tags([prefix[:-1], f"my {prefix}x"]) == [prefix[:-1], f"my {prefix}x"]
