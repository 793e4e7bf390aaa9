"""The parts of notebook views: escaped text, fields and tables. No scripts, no style sheets, no remote content."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from html import escape

from flow_sdk.text import quote_unprintable

__all__ = [
    "Html",
    "make_page",
    "make_table",
    "show_code",
    "show_duration",
    "show_folded",
    "show_size",
    "show_state",
    "show_tags",
    "show_text",
    "show_time",
]

_TABLE = "border-collapse:collapse;margin:0.3em 0;font-size:90%"
_CELL = "text-align:left;vertical-align:top;padding:0.1em 0.8em 0.1em 0;white-space:nowrap"
_WIDE = "text-align:left;vertical-align:top;padding:0.1em 0;white-space:normal;overflow-wrap:anywhere"
_HEAD = _CELL + ";font-weight:600;border-bottom:1px solid #8888"
_COLOURS = {"succeeded": "#1a7f37", "failed": "#cf222e", "running": "#0969da", "cancelled": "#9a6700"}
_LONGEST = 300


class Html(str):
    """Text that is markup; any other text is escaped."""


def show_text(value: object, longest: int = _LONGEST) -> Html:
    """Show a value as text: on one line, isolated, so that right-to-left text doesn't reorder what is around it."""
    if isinstance(value, Html):
        return value
    shown = quote_unprintable(str(value))
    if len(shown) > longest:
        shown = shown[: longest - 1] + "…"
    return Html(f"<bdi>{escape(shown)}</bdi>")


def show_code(value: object) -> Html:
    """Show a pathspec or another name, ready to be copied."""
    return Html(f"<code>{show_text(value)}</code>")


def show_state(name: str) -> Html:
    """Show a state in its colour."""
    colour = _COLOURS.get(name.rpartition(" ")[2], "inherit")
    return Html(f'<span style="color:{colour};font-weight:600">{show_text(name)}</span>')


def show_tags(names: Iterable[str]) -> Html:
    """Show tags, sorted."""
    frame = "border:1px solid #8886;border-radius:0.6em;padding:0 0.5em;margin-right:0.3em;white-space:nowrap"
    return Html(" ".join(f'<span style="{frame}">{show_text(name, 80)}</span>' for name in sorted(names)))


def show_time(time: datetime | None) -> str:
    """Show a time to the second."""
    return "" if time is None else time.strftime("%Y-%m-%d %H:%M:%S")


def show_duration(begin: datetime | None, end: datetime | None) -> str:
    """Show how long something took."""
    if begin is None or end is None:
        return ""
    seconds = max((end - begin).total_seconds(), 0.0)
    return f"{seconds:.2f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def show_size(count: int) -> str:
    """Show a number of bytes."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{count} bytes" if unit == "bytes" else f"{amount:.3g} {unit}" if amount < 1000 else f"{amount:,.0f} {unit}"


def show_folded(title: str, lines: str) -> Html:
    """Show a longer text that opens on a click."""
    body = "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in lines)
    return Html(
        f'<details><summary>{show_text(title)}</summary><pre style="font-size:90%">{escape(body)}</pre></details>'
    )


def make_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """Make a table; nothing when it has no rows."""
    lines = ["<tr>" + "".join(f'<td style="{_CELL}">{show_text(cell)}</td>' for cell in row) + "</tr>" for row in rows]
    if not lines:
        return Html("")
    titles = "".join(f'<th style="{_HEAD}">{escape(name)}</th>' for name in head)
    return Html(f'<table style="{_TABLE}"><thead><tr>{titles}</tr></thead><tbody>{"".join(lines)}</tbody></table>')


def make_page(title: str, fields: Iterable[tuple[str, object]], *parts: Html) -> str:
    """Make a view of a title, fields (those without a value are left out) and tables."""
    lines = [
        f'<tr><th style="{_CELL};font-weight:600">{escape(name)}</th><td style="{_WIDE}">{show_text(value)}</td></tr>'
        for name, value in fields
        if value not in (None, "")
    ]
    known = f'<table style="{_TABLE}"><tbody>{"".join(lines)}</tbody></table>' if lines else ""
    return f'<div style="line-height:1.4"><strong>{show_code(title)}</strong>{known}{"".join(parts)}</div>'
