"""A finding as a diagnostic, rendered as compilers do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Diagnostic", "render_all", "render_diagnostic"]


class Diagnostic(NamedTuple):
    """One finding.

    Parameters
    ----------
    code : str
        The rule's id, such as ``"FS201"``.
    message : str
        What is wrong, in one line.
    file : str
        The source file.
    line, column : int
        Where, from 1; ``column`` in characters. 0 when there is none.
    end_column : int
        The column after the last one, on the same line.
    source : str
        The source line.
    help : str
        How to fix it; "" when the message is enough.
    """

    code: str
    message: str
    file: str
    line: int = 0
    column: int = 0
    end_column: int = 0
    source: str = ""
    help: str = ""

    def __str__(self) -> str:
        return render_diagnostic(self)


def render_diagnostic(diagnostic: Diagnostic, folder: str = "") -> str:
    """Render a diagnostic: location and message, the source line, a caret, a help line.

    Parameters
    ----------
    diagnostic : Diagnostic
        The finding.
    folder : str, optional
        A folder whose files are named relative to it.
    """
    file = diagnostic.file
    prefix = folder.rstrip("/\\")
    if prefix and file.startswith(prefix) and file[len(prefix) : len(prefix) + 1] in ("/", "\\"):
        file = file[len(prefix) + 1 :]
    location = f"{file}:{diagnostic.line}:{diagnostic.column}" if diagnostic.line else file
    lines = [f"{location}: {diagnostic.code} {diagnostic.message}"]
    if diagnostic.source.strip():
        number = str(diagnostic.line)
        lines.append(f"  {number} | {diagnostic.source.rstrip()}")
        # Tabs before the caret keep it under what it points at, whatever their width.
        before = "".join("\t" if c == "\t" else " " for c in diagnostic.source[: max(diagnostic.column - 1, 0)])
        width = max(min(diagnostic.end_column, len(diagnostic.source.rstrip()) + 1) - diagnostic.column, 1)
        lines.append(f"  {' ' * len(number)} | {before}{'^' * width}")
    if diagnostic.help:
        lines.append(f"  help: {diagnostic.help}")
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic], folder: str = "") -> str:
    """Render several diagnostics with an empty line between them."""
    return "\n\n".join(render_diagnostic(diagnostic, folder) for diagnostic in diagnostics)
