"""Regions: scopes, joins, loops, parents and order."""

from __future__ import annotations

from pathlib import Path

from flow_sdk.graph.loops import find_loops
from flow_sdk.graph.parse import read_graph
from flow_sdk.graph.regions import Regions, find_regions
from tests.strategies.loading import small_flow


def regions(folder: Path, *definitions: str) -> Regions:
    found = find_regions(read_graph(small_flow(folder, *definitions)))
    assert found.faults == []
    return found


def scopes(found: Regions) -> dict[str, str]:
    """Scopes as text: ``start[a]`` a branch, ``start*`` a foreach, ``a~`` a loop."""
    form = {"split": "{0.step}[{0.branch}]", "foreach": "{0.step}*", "loop": "{0.step}~"}
    return {name: " ".join(form[s.kind].format(s) for s in levels) for name, levels in found.scopes.items()}


def choose(**cases: str) -> str:
    inside = ", ".join(f"'{case}': self.{target}" for case, target in cases.items())
    return f"self.c = 'x' ; self.next({{{inside}}}, condition='c')"


def test_nested_splits_and_foreaches(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: self.next(self.a, self.b)",
        "a: self.next(self.f, foreach='x')",
        "f: self.next(self.g, foreach='y')",
        "g: self.next(self.h)",
        "h: self.next(self.inner)",
        "inner(inputs): self.next(self.outer)",
        "outer(inputs): self.next(self.join)",
        "b: self.next(self.join)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    )
    assert scopes(found) == {
        "start": "", "a": "start[a]", "b": "start[b]", "f": "start[a] a*", "g": "start[a] a* f*", "h": "start[a] a* f*",
        "inner": "start[a] a*", "outer": "start[a]", "join": "", "end": "",
    }  # fmt: skip
    assert found.joins == {"inner": "f", "outer": "a", "join": "start"}
    assert found.parents["join"] == ("outer", "b")


def test_a_joins_parents_come_in_the_order_of_the_branches_not_of_the_source(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "b2: self.next(self.join)",
        "b: " + choose(direct="join", long="b2"),
        "a: self.next(self.join)",
        "start: self.next(self.b, self.a)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    )
    assert found.parents["join"] == ("b2", "b", "a")
    assert found.joins == {"join": "start"}


def test_a_join_may_split_again_and_the_end_may_join(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: self.next(self.a, self.b)",
        "a: self.next(self.join)",
        "b: self.next(self.join)",
        "join(inputs): self.next(self.c, foreach='x')",
        "c: self.next(self.end)",
        "end(inputs): pass",
    )
    assert scopes(found)["c"] == "join*"
    assert found.joins == {"join": "start", "end": "join"}


def test_a_loop_in_a_foreach_and_a_foreach_in_a_loop(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: self.next(self.a, foreach='x')",
        "a: self.next(self.b, foreach='y')",
        "b: self.next(self.c)",
        "c: " + choose(again="c", done="inner"),
        "inner(inputs): " + choose(again="pre", done="outer"),
        "pre: self.next(self.d)",
        "d: self.next(self.e, foreach='z')",
        "e: self.next(self.f)",
        "f(inputs): " + choose(again="d", done="outer"),
        "outer(inputs): self.next(self.end)",
        "end: pass",
    )
    assert scopes(found) == {
        "start": "", "a": "start*", "b": "start* a*", "c": "start* a* c~", "inner": "start*", "pre": "start*",
        "d": "start* d~", "e": "start* d~ d*", "f": "start* d~", "outer": "", "end": "",
    }  # fmt: skip
    assert found.loops == {"c": ("c",), "d": ("d", "e", "f")}
    assert found.back["c"] == ("c",) and found.back["f"] == ("d",)


def test_nested_loops_with_ways_out_of_both_and_back_to_the_outer_one(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: self.next(self.outer)",
        "outer: self.next(self.inner)",
        "inner: " + choose(more="inner", anew="outer", out="end", on="last"),
        "last: " + choose(anew="outer", out="end"),
        "end: pass",
    )
    assert list(found.loops.items()) == [("outer", ("outer", "inner", "last")), ("inner", ("inner",))]
    assert scopes(found) == {"start": "", "outer": "outer~", "inner": "outer~ inner~", "last": "outer~", "end": ""}
    assert found.back["inner"] == ("inner", "outer")
    assert found.parents["outer"] == ("start", "inner", "last")


def test_a_loop_whose_switch_is_at_its_entry(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: self.next(self.check)",
        "check: " + choose(go="work", stop="end"),
        "work: self.next(self.check)",
        "end: pass",
    )
    assert found.loops == {"check": ("check", "work")}
    assert found.back["work"] == ("check",)


def test_a_loop_left_straight_into_the_join_of_its_branch(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: self.next(self.a, self.b)",
        "a: " + choose(again="a", done="join"),
        "b: self.next(self.join)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    )
    assert scopes(found)["a"] == "start[a] a~"
    assert scopes(found)["join"] == ""


def test_arms_of_a_switch_merge_in_an_ordinary_step(tmp_path: Path) -> None:
    found = regions(
        tmp_path,
        "start: " + choose(x="a", y="b", z="merge"),
        "a: self.next(self.f, foreach='x')",
        "f: self.next(self.g)",
        "g(inputs): self.next(self.merge)",
        "b: self.next(self.merge)",
        "merge: self.next(self.end)",
        "end: pass",
    )
    assert scopes(found)["f"] == "a*"
    assert found.parents["merge"] == ("start", "g", "b")


def test_the_order_is_topological_and_follows_the_source_where_it_can() -> None:
    edges = {"end": (), "z": ("end",), "a": ("end",), "start": ("a", "z")}
    assert find_loops(edges, "start").order == ("start", "z", "a", "end")


def test_a_long_chain_needs_no_recursion() -> None:
    edges = {f"s{n}": (f"s{n + 1}",) for n in range(5000)} | {"s5000": ()}
    assert len(find_loops(edges, "s0").order) == 5001


def test_a_cycle_with_two_ways_in_is_irreducible() -> None:
    found = find_loops({"start": ("a", "b"), "a": ("b",), "b": ("a", "end"), "end": ()}, "start")
    assert found.irreducible == (("b", "a"),)
    assert found.bodies == {}
