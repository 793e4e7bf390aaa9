"""How the flow file was started, for messages that repeat its command line."""

from __future__ import annotations

import os
import sys

__all__ = ["program_text"]


def program_text() -> str:
    """Return how the flow file is called, such as ``python flow.py`` or ``python -m pkg.flow``, quoted for a shell."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__" and sys.argv[:1] == [getattr(main, "__file__", None)]:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    file = sys.argv[0] if sys.argv and sys.argv[0] not in ("", "-c", "-") else "flow.py"
    relative = os.path.relpath(file) if os.path.isabs(file) else file
    shown = file if relative.startswith("..") else relative
    if os.path.basename(os.path.dirname(file)) == "bin" and not file.endswith(".py"):
        return _quote_word(os.path.basename(file))  # a command that pip has installed
    return "python " + _quote_word(f"./{shown}" if shown.startswith("-") else shown)


def _quote_word(word: str) -> str:
    """Quote a word for a shell, as ``shlex.quote`` does, which is imported only if quotes are needed."""
    if word and word.isascii() and word.replace("/", "").replace(".", "").replace("_", "").replace("-", "").isalnum():
        return word
    import shlex

    return shlex.quote(word)
