"""Drawings of a graph."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from flow_sdk.graph.model import Graph
from flow_sdk.graph.parse import read_graph
from flow_sdk.graph.render import FORMATS, render_graph
from tests.strategies.flows import flow_source
from tests.strategies.loading import load_flow, small_flow


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    flow = small_flow(
        tmp_path,
        "start: '''Begin.''' ; self.next(self.a, foreach='x')",
        "a: self.next({'<b>&\"': self.a, 2: self.j}, condition='c')",
        "j(inputs): self.next(self.p, self.q)",
        "p: self.next(self.k)",
        "q: self.next(self.k)",
        "k(inputs): self.next(self.end)",
        "end: pass",
        body="'''Says <what> & \"why\".'''",
    )
    return read_graph(flow)


def test_text(graph: Graph) -> None:
    assert render_graph(graph) == (
        "Flow Small\n"
        '  Says <what> & "why".\n'
        "\n"
        "  start\n    Begin.\n    => a, for each of x\n"
        "\n"
        "      a\n        -> c = '<b>&\"': a (back)\n        -> c = 2: j\n"
        "\n"
        "  j (join)\n    => p and q\n"
        "\n"
        "    p\n      -> k\n"
        "\n"
        "    q\n      -> k\n"
        "\n"
        "  k (join)\n    -> end\n"
        "\n"
        "  end\n"
    )


def test_mermaid(graph: Graph) -> None:
    text = render_graph(graph, "mermaid")
    assert text.startswith('flowchart TD\n  s0["start"]\n  s1{{"a"}}\n  s2(["j"])\n')
    assert '  s0 ==>|"each of x"| s1\n' in text
    assert "s1 -.->|\"'#60;b#62;#38;#34;'\"| s1\n" in text


def test_dot(graph: Graph) -> None:
    text = render_graph(graph, "dot")
    assert text.startswith('digraph "Small" {\n') and text.endswith("}\n")
    assert '  "a" -> "a" [label="\'<b>&\\"\'", style=dashed, constraint=false];\n' in text
    assert '  "j" -> "p";\n  "j" -> "q";\n' in text


def test_json(graph: Graph) -> None:
    data = json.loads(render_graph(graph, "json"))
    assert [step["name"] for step in data["steps"]] == ["start", "a", "j", "p", "q", "k", "end"]
    assert data["steps"][1]["scopes"] == [
        {"kind": "foreach", "step": "start", "branch": None},
        {"kind": "loop", "step": "a", "branch": None},
    ]
    assert data["loops"] == [{"entry": "a", "body": ["a"]}]


def test_svg_is_well_formed_and_escaped(graph: Graph) -> None:
    root = ElementTree.fromstring(render_graph(graph, "svg"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "'<b>&\"'" in texts
    assert {"start", "a", "j", "p", "q", "k", "end"} <= set(texts)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.attrib["x"]) >= 0 and float(box.attrib["x"]) + float(box.attrib["width"]) <= width
        assert float(box.attrib["y"]) >= 0 and float(box.attrib["y"]) + float(box.attrib["height"]) <= height


@pytest.mark.parametrize("format", FORMATS)
def test_a_faulty_graph_is_drawn_too(format: str, tmp_path: Path) -> None:
    flow = small_flow(
        tmp_path, "start: self.next(self.gone, self.a)", "a(inputs): self.next(a)", "b: pass", "end: pass"
    )
    assert "start" in render_graph(read_graph(flow), format)
    assert render_graph(read_graph(small_flow(tmp_path, name="Empty")), format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("seed", range(5))
def test_any_graph_is_drawn(format: str, seed: int, tmp_path: Path) -> None:
    flow = load_flow(flow_source(seed).text, tmp_path)
    graph = read_graph(flow)
    drawn = render_graph(graph, format)
    assert all(name in drawn for name in graph.nodes)
    assert drawn == render_graph(graph, format)
