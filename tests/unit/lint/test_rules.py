"""Each rule: the smallest flow it finds something in, what it says, and the neighbour that is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow_sdk.lint.check import RULES
from flow_sdk.plan.compile import check_class
from tests.strategies.loading import load_flow
from tests.unit.lint.pairs import Pair
from tests.unit.lint.step_pairs import STEPS, TRANSITIONS
from tests.unit.lint.structure_pairs import LOOPS, OTHERS, SPLITS

ALL = STEPS + TRANSITIONS + SPLITS + LOOPS + OTHERS


def names(pairs: list[Pair]) -> list[str]:
    return [f"{each.code}-{number}" for number, each in enumerate(pairs)]


@pytest.mark.parametrize("case", ALL, ids=names(ALL))
def test_the_rule_finds_it_and_nothing_else_does(case: Pair, tmp_path: Path) -> None:
    found = check_class(load_flow(case.bad, tmp_path))
    assert {d.code for d in found} == {case.code}, "\n".join(map(str, found))
    first = found[0]
    assert case.says in first.message
    assert first.source[first.column - 1 : first.end_column - 1] == case.at
    assert first.file == str(tmp_path / "flow.py")
    assert first.source == case.bad.split("\n")[first.line - 1]


@pytest.mark.parametrize("case", ALL, ids=names(ALL))
def test_the_neighbour_is_right(case: Pair, tmp_path: Path) -> None:
    assert check_class(load_flow(case.good, tmp_path)) == []


def test_every_rule_is_tested_and_has_a_sentence() -> None:
    elsewhere = {"FS107", "FS111"}
    assert {case.code for case in ALL} | elsewhere == set(RULES)
    assert all(rule.sentence.endswith(".") for rule in RULES.values())
