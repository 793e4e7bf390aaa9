"""Nodes of a graph: which call counts, what an edge says, and which steps a flow starts and ends with."""

from pathlib import Path

from flow_sdk.graph.model import Case, Graph, SourceSpan
from flow_sdk.graph.parse import read_graph
from tests.strategies.loading import small_flow

SPAN = SourceSpan("f.py", 1, 1, 1, 1)


def graph_of(folder: Path, *steps: str) -> Graph:
    return read_graph(small_flow(folder, *steps))


def test_the_last_call_counts(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, "start: self.next(self.a) ; self.next(self.b)", "a: self.next(self.b)", "b: pass")
    assert graph.nodes["start"].next == ("b",) and graph.nodes["start"].kind == "linear"
    assert graph.nodes["b"].call is None and graph.nodes["b"].kind == "end" and graph.nodes["b"].next == ()


def test_a_target_that_is_named_twice_is_one(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path, "start: self.next({1: self.a, 2: self.a, 3: self.end}, condition='c')", "a: pass", "end: pass"
    )
    assert graph.nodes["start"].next == ("a", "end")


def test_an_edge_says_when_it_is_taken(tmp_path: Path) -> None:
    graph = graph_of(
        tmp_path,
        "start: self.next(self.a, foreach='items')",
        "a: self.next({'x': self.b, 2: self.c, 'a b': self.b}, condition='c')",
        "b: self.next(self.j)",
        "c: self.next(self.j)",
        "j(inputs): self.next(self.end)",
        "end: pass",
    )
    nodes = graph.nodes
    assert nodes["start"].describe_edge("a") == "each of items"
    assert nodes["a"].describe_edge("b") == "x, 'a b'" and nodes["a"].describe_edge("c") == "2"
    assert nodes["b"].describe_edge("j") == "" == nodes["end"].describe_edge("j")


def test_a_word_is_shown_without_quotes() -> None:
    values = ["x", "two words", 3, True, ""]
    assert [Case(value, "a", SPAN).value_text for value in values] == ["x", "'two words'", "3", "True", "''"]


def test_marked_steps_come_before_those_of_the_usual_names(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, "start: self.next(self.end)", "end: pass")
    assert (graph.starts, graph.ends) == (("start",), ("end",))
    only = graph_of(tmp_path, "only: pass")
    assert only.starts == only.ends == ("only",)
    neither = graph_of(tmp_path, "a: self.next(self.b)", "b: pass")
    assert neither.starts == neither.ends == ()
