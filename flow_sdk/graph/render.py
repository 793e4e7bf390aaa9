"""Drawing a graph as text: for people, Mermaid, Graphviz and JSON."""

from __future__ import annotations

from typing import Any

from flow_sdk.graph.model import Graph, Node
from flow_sdk.graph.regions import Regions, find_regions

__all__ = ["FORMATS", "as_data", "as_dot", "as_json", "as_mermaid", "as_text", "render_graph"]


def render_graph(graph: Graph, format: str = "text") -> str:
    """Draw a graph.

    Parameters
    ----------
    graph : Graph
        A flow's graph.
    format : {"text", "mermaid", "dot", "json", "svg"}
        The form.

    Raises
    ------
    KeyError
        If there is no such form.
    """
    if format == "svg":
        from flow_sdk.graph.svg import as_svg

        return as_svg(graph)
    return _RENDERERS[format](graph)


def _ordered_nodes(graph: Graph, regions: Regions) -> list[Node]:
    """Return the steps in the order of a run, those that can't be reached last."""
    rest = [name for name in graph.nodes if name not in regions.scopes]
    return [graph.nodes[name] for name in (*regions.order, *rest)]


def as_text(graph: Graph) -> str:
    """Describe the flow step by step, nested steps indented, for a terminal."""
    regions = find_regions(graph)
    lines = [f"Flow {graph.flow}"]
    lines += [f"  {line}".rstrip() for line in graph.doc.splitlines()]
    for node in _ordered_nodes(graph, regions):
        indent = "  " * (1 + len(regions.scopes.get(node.name, ())))
        lines += ["", f"{indent}{node.name}{' (join)' if node.is_join else ''}"]
        lines += [f"{indent}  {line}".rstrip() for line in node.doc.splitlines()]
        lines += [f"{indent}  {line}" for line in _transition_lines(node, regions)]
    return "\n".join(lines) + "\n"


def _transition_lines(node: Node, regions: Regions) -> list[str]:
    call = node.call
    if call is None:
        return []
    back = regions.back.get(node.name, ())

    def named(target: str) -> str:
        return f"{target} (back)" if target in back else target

    if node.kind == "foreach":
        return [f"=> {named(node.next[0])}, for each of {call.foreach}"] if node.next else []
    if node.kind == "switch":
        return [f"-> {call.condition} = {case.value_text}: {named(case.target)}" for case in call.cases]
    arrow = "=> " if len(node.next) > 1 else "-> "
    return [arrow + " and ".join(map(named, node.next))] if node.next else []


def as_mermaid(graph: Graph) -> str:
    """Draw a Mermaid flowchart. Step names are drawn as labels, so that none can be a word of Mermaid."""
    regions = find_regions(graph)
    nodes = _ordered_nodes(graph, regions)
    number = {node.name: f"s{i}" for i, node in enumerate(nodes)}
    lines = ["flowchart TD"]
    for node in nodes:
        left, right = ("{{", "}}") if node.kind == "switch" else ("([", "])") if node.is_join else ("[", "]")
        lines.append(f'  {number[node.name]}{left}"{node.name}"{right}')
    for node in nodes:
        for target in node.next:
            if target in number:
                label = _mermaid_text(node.describe_edge(target))
                back = target in regions.back.get(node.name, ())
                arrow = "==>" if node.kind == "foreach" else "-.->" if back else "-->"
                arrow += f'|"{label}"|' if label else ""
                lines.append(f"  {number[node.name]} {arrow} {number[target]}")
    return "\n".join(lines) + "\n"


def _mermaid_text(text: str) -> str:
    """Write text as entities where Mermaid would read it as markup."""
    return "".join(c if c.isalnum() or c in " _-.,'" else f"#{ord(c)};" for c in text)


def as_dot(graph: Graph) -> str:
    """Draw a Graphviz digraph."""
    regions = find_regions(graph)
    nodes = _ordered_nodes(graph, regions)
    lines = [f"digraph {_quote_text(graph.flow)} {{", "  rankdir=TB;", "  node [shape=box];"]
    for node in nodes:
        shape = ", shape=diamond" if node.kind == "switch" else ", shape=invhouse" if node.is_join else ""
        lines.append(f"  {_quote_text(node.name)} [label={_quote_text(node.name)}{shape}];")
    for node in nodes:
        for target in node.next:
            if target in graph.nodes:
                label = node.describe_edge(target)
                marks = [f"label={_quote_text(label)}"] if label else []
                marks += ["style=bold"] if node.kind == "foreach" else []
                marks += ["style=dashed", "constraint=false"] if target in regions.back.get(node.name, ()) else []
                tail = f" [{', '.join(marks)}]" if marks else ""
                lines.append(f"  {_quote_text(node.name)} -> {_quote_text(target)}{tail};")
    return "\n".join([*lines, "}"]) + "\n"


def _quote_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def as_data(graph: Graph) -> dict[str, Any]:
    """Return the graph as plain data: steps in order, with kinds, targets, scopes and lines of the source."""
    regions = find_regions(graph)
    steps = []
    for node in _ordered_nodes(graph, regions):
        call = node.call
        steps.append(
            {
                "name": node.name,
                "kind": node.kind,
                "is_join": node.is_join,
                "next": list(node.next),
                "foreach": call.foreach if call else None,
                "condition": call.condition if call else None,
                "cases": [[case.value, case.target] for case in call.cases] if call else [],
                "back": list(regions.back.get(node.name, ())),
                "joins": regions.joins.get(node.name),
                "scopes": [
                    {"kind": scope.kind, "step": scope.step, "branch": scope.branch}
                    for scope in regions.scopes.get(node.name, ())
                ],
                "doc": node.doc,
                "line": node.span.line,
            }
        )
    loops = [{"entry": entry, "body": list(body)} for entry, body in regions.loops.items()]
    return {"flow": graph.flow, "doc": graph.doc, "steps": steps, "loops": loops}


def as_json(graph: Graph) -> str:
    """Return :func:`as_data` as indented JSON."""
    import json

    return json.dumps(as_data(graph), indent=2) + "\n"


_RENDERERS = {"text": as_text, "mermaid": as_mermaid, "dot": as_dot, "json": as_json}

FORMATS = (*_RENDERERS, "svg")
"""The forms that :func:`render` knows."""
