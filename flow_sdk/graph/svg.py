"""Drawing a graph as SVG: one row for each distance from the start, no outside program needed."""

from __future__ import annotations

from flow_sdk.graph.model import Graph
from flow_sdk.graph.regions import Regions, find_regions

__all__ = ["as_svg"]

ROW, GAP, HEIGHT, MARGIN, LETTER = 84, 28, 34, 24, 7.6
"""Pixels: row to row, box to box, a box's height, around everything, one letter of the 13 px monospace font."""

STYLE = (
    "text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}"
    ".label{font-size:11px;fill:#57606a}"
    "rect{fill:#f6f8fa;stroke:#57606a;stroke-width:1.2}"
    ".switch rect{fill:#fff8c5}.join rect{fill:#ddf4ff}"
    "path{fill:none;stroke:#57606a;stroke-width:1.3}"
    ".foreach path{stroke-width:3}.back path{stroke-dasharray:5 4}"
)


def as_svg(graph: Graph) -> str:
    """Draw a graph as one SVG document; every name in it is escaped.

    Returns
    -------
    str
        The document, the same for the same graph.
    """
    regions = find_regions(graph)
    rows = _find_rows(graph, regions)
    width, positions = _find_positions(rows)
    height = 2 * MARGIN + ROW * (len(rows) - 1) + HEIGHT if rows else 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" role="img">',
        f"<title>{_escape_text(graph.flow)}</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L8,4 L0,8 z" style="fill:#57606a;stroke:none"/>'
        "</marker></defs>",
    ]
    parts += _draw_edges(graph, regions, positions)
    for name, (x, y, half) in positions.items():
        node = graph.nodes[name]
        kind = "switch" if node.kind == "switch" else "join" if node.is_join else "step"
        tip = f"<title>{_escape_text(node.doc)}</title>" if node.doc else ""
        parts.append(
            f'<g class="{kind}">{tip}<rect x="{x - half:.1f}" y="{y}" width="{2 * half:.1f}" height="{HEIGHT}" rx="6"/>'
            f'<text x="{x:.1f}" y="{y + HEIGHT / 2 + 4.5:.1f}" text-anchor="middle">{_escape_text(name)}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _find_rows(graph: Graph, regions: Regions) -> list[list[str]]:
    """Put each step one row below the lowest step that leads to it."""
    depth: dict[str, int] = {}
    for name in regions.order:
        back = regions.back
        above = [depth[p] for p in regions.parents[name] if p in depth and name not in back.get(p, ())]
        depth[name] = max(above, default=-1) + 1
    last = max(depth.values(), default=-1) + 1
    for name in graph.nodes:
        depth.setdefault(name, last)
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in (*regions.order, *(n for n in graph.nodes if n not in regions.scopes)):
        rows[depth[name]].append(name)
    return rows


def _find_positions(rows: list[list[str]]) -> tuple[float, dict[str, tuple[float, int, float]]]:
    """Return the picture's width and each step's (centre x, top y, half width)."""
    halves = {name: max(len(name) * LETTER / 2 + 14, 30) for row in rows for name in row}
    widths = [sum(2 * halves[name] for name in row) + GAP * (len(row) - 1) for row in rows]
    width = max(widths, default=0) + 2 * MARGIN + 2 * GAP
    positions = {}
    for number, (row, used) in enumerate(zip(rows, widths, strict=True)):
        x = (width - used) / 2
        for name in row:
            positions[name] = (x + halves[name], MARGIN + ROW * number, halves[name])
            x += 2 * halves[name] + GAP
    return width, positions


def _draw_edges(graph: Graph, regions: Regions, positions: dict[str, tuple[float, int, float]]) -> list[str]:
    parts = []
    for node in graph.nodes.values():
        x, y, half = positions[node.name]
        for target in node.next:
            if target not in positions:
                continue
            to_x, to_y, to_half = positions[target]
            back = target in regions.back.get(node.name, ())
            if back or to_y <= y:
                # Out at the right, up, and in at the right.
                side = max(x + half, to_x + to_half) + GAP
                start, end = (x + half, y + HEIGHT / 2), (to_x + to_half, to_y + HEIGHT / 2 - (8 if to_y == y else 0))
                curve = f"C{side:.1f},{start[1]:.1f} {side:.1f},{end[1]:.1f}"
                label_x, label_y = side - 8, (start[1] + end[1]) / 2
            else:
                start, end = (x, y + HEIGHT), (to_x, to_y - 1)
                middle = (start[1] + end[1]) / 2
                # An edge over several rows bows out to the left, so that it isn't hidden by the boxes between.
                bow = 1.4 * (half + GAP) if to_y - y > ROW else 0.0
                curve = f"C{start[0] - bow:.1f},{middle:.1f} {end[0] - bow:.1f},{middle:.1f}"
                label_x, label_y = (start[0] + end[0]) / 2 - 0.75 * bow + 4, middle + 4
            line = f"M{start[0]:.1f},{start[1]:.1f} {curve} {end[0]:.1f},{end[1]:.1f}"
            kind = "back" if back else node.kind
            label = _escape_text(node.describe_edge(target))
            text = f'<text class="label" x="{label_x:.1f}" y="{label_y:.1f}">{label}</text>' if label else ""
            parts.append(f'<g class="{kind}"><path d="{line}" marker-end="url(#tip)"/>{text}</g>')
    return parts


def _escape_text(text: str) -> str:
    # Characters that XML has no form for at all are left out.
    plain = "".join(c for c in text if c in "\t\n" or c.isprintable())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
