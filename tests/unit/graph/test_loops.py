"""Loops of plain graphs: back edges, bodies, order, and cycles with more than one way in."""

from flow_sdk.graph.loops import LoopNest, find_loops


def loops_of(**edges: str) -> LoopNest:
    """The loops of a graph given as ``step="targets"``, entered at ``start``."""
    return find_loops({name: tuple(targets.split()) for name, targets in edges.items()}, "start")


def test_a_graph_without_cycles_has_an_order_and_no_loops() -> None:
    found = loops_of(start="b a", a="end", b="end", end="")
    assert found.order == ("start", "a", "b", "end"), "ties in the order of the source"
    assert not found.back and not found.bodies and not found.irreducible


def test_steps_that_can_not_be_reached_are_left_out() -> None:
    assert loops_of(start="end", island="end", end="").order == ("start", "end")


def test_a_step_that_leads_to_itself_is_a_loop() -> None:
    found = loops_of(start="a", a="a end", end="")
    assert found.back == {("a", "a")} and found.bodies == {"a": {"a"}}


def test_a_body_is_what_reaches_the_back_edge() -> None:
    found = loops_of(start="a", a="b out", b="c", c="a", out="end", end="")
    assert found.bodies == {"a": {"a", "b", "c"}} and found.back == {("c", "a")}


def test_an_outer_loop_comes_before_those_inside() -> None:
    found = loops_of(start="a", a="b", b="b c", c="a end", end="")
    assert list(found.bodies) == ["a", "b"]
    assert found.bodies["a"] == {"a", "b", "c"} and found.bodies["b"] == {"b"}


def test_two_back_edges_to_one_entry_are_one_loop() -> None:
    found = loops_of(start="a", a="b c", b="a", c="a end", end="")
    assert found.bodies == {"a": {"a", "b", "c"}} and found.back == {("b", "a"), ("c", "a")}


def test_a_cycle_with_two_ways_in_is_no_loop() -> None:
    found = loops_of(start="a b", a="b", b="a end", end="")
    assert not found.bodies and len(found.irreducible) == 1
    assert set(found.order) == {"start", "a", "b", "end"}
