"""``@project``: names that can be used, branches, and user names turned into branches one to one."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flow_sdk import FlowSpec, project
from flow_sdk.authoring.declarations import flow_decorators
from flow_sdk.authoring.project import ProjectBranch, choose_branch, encode_user, full_branch, is_name, project_of_run
from flow_sdk.errors import UsageError

NAME = re.compile(r"[a-z0-9_]{1,123}", re.ASCII)


def test_the_decorator_is_data() -> None:
    @project(name="forecast", branch="b", production=True)
    class F(FlowSpec): ...

    (found,) = flow_decorators(F)
    assert found.attributes() == {"name": "forecast", "branch": "b", "production": True}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": ""},
        {"name": "A"},
        {"name": "a.b"},
        {"name": "a-b"},
        {"name": "ä"},
        {"name": "a\n"},
        {"name": "x" * 129},
        {"name": 3},
        {"name": "a", "branch": "../b"},
        {"name": "a", "branch": ""},
        {"name": "a", "production": "yes"},
        {"name": "a", "production": 1},
        {"name": "a", "other": 1},
    ],
)
def test_what_the_decorator_refuses(given: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="@project"):

        @project(**given)  # type: ignore[arg-type, call-overload]
        class F(FlowSpec): ...


def test_a_bare_decorator_needs_a_name() -> None:
    with pytest.raises(UsageError, match="@project needs a name"):

        @project
        class F(FlowSpec): ...


def test_the_longest_name() -> None:
    assert is_name("x" * 128) and not is_name("x" * 129)


@pytest.mark.parametrize(
    ("branch", "production", "whole"),
    [(None, False, "user.anne"), ("b", False, "test.b"), (None, True, "prod"), ("b", True, "prod.b")],
)
def test_branches(branch: str | None, production: bool, whole: str) -> None:
    assert full_branch(branch, production, "anne") == whole
    found = ProjectBranch("p", whole)
    assert found.is_user is (whole == "user.anne") and found.is_production is production
    assert found.current_fields("F")["project_flow_name"] == f"p.{whole}.F" == found.deployed_name("F")
    assert project_of_run(("user:anne", *found.system_tags)) == found


def test_a_test_branch_called_prod_is_no_production() -> None:
    assert not ProjectBranch("p", full_branch("prod", False, "anne")).is_production
    assert not ProjectBranch("p", full_branch(None, False, "prod")).is_production


DECLARED = {"name": "p", "branch": None, "production": None}


@pytest.mark.parametrize(
    ("declared", "branch", "production", "chosen"),
    [
        (DECLARED, None, None, (None, False)),
        (DECLARED, "b", True, ("b", True)),
        ({**DECLARED, "branch": "b"}, None, None, ("b", False)),
        ({**DECLARED, "branch": "b"}, "b", None, ("b", False)),
        ({**DECLARED, "production": True}, None, None, (None, True)),
        ({**DECLARED, "production": True}, "b", True, ("b", True)),
        (None, None, None, (None, False)),
        (None, None, False, (None, False)),
    ],
)
def test_decorator_and_command_line(declared, branch, production, chosen) -> None:  # type: ignore[no-untyped-def]
    assert choose_branch(declared, branch, production) == chosen


@pytest.mark.parametrize(
    ("declared", "branch", "production", "text"),
    [
        ({**DECLARED, "branch": "b"}, "c", None, "--branch says something else"),
        ({**DECLARED, "production": False}, None, True, "--production says something else"),
        ({**DECLARED, "production": True}, None, False, "--production says something else"),
        (None, "b", None, "--branch is for flows with @project"),
        (None, None, True, "--production is for flows with @project"),
        (DECLARED, "A.b", None, "--branch can't be 'A.b'"),
        (DECLARED, "", None, "--branch can't be ''"),
    ],
)
def test_what_contradicts_itself(declared, branch, production, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=re.escape(text)):
        choose_branch(declared, branch, production)


@pytest.mark.parametrize("user", ["anne", "a_b", "u123", "_", "a__b"])
def test_plain_names_stay(user: str) -> None:
    assert encode_user(user) == user


HOSTILE = ["", ".", "..", "../../x", "a/b", "a.b", "Anne", "ANNE", "ünï", "\u202ex", "a\0b", "x" * 300, "%2e", "\ud800"]


def test_hostile_names_are_encoded_apart() -> None:
    encoded = [encode_user(user) for user in HOSTILE]
    assert len(set(encoded)) == len(HOSTILE)
    assert all(NAME.fullmatch(name) for name in encoded)
    # What looks like an encoded name isn't taken for one.
    assert len({*encoded, *map(encode_user, encoded)}) == 2 * len(HOSTILE)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
@example("a.b", "a_b")
@example("a.b", "a/b")
@example("a.b", encode_user("a.b"))
def test_different_users_have_different_branches(one: str, other: str) -> None:
    for user in (one, other):
        assert is_name(encode_user(user))
    assert (encode_user(one) == encode_user(other)) is (one == other)


def test_a_run_without_project_has_none() -> None:
    assert project_of_run(("user:anne", "runtime:local")) is None
    assert project_of_run(("project:p",)) is None
