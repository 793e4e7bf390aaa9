"""The user's own traceback, without this framework's frames."""

import os
import traceback

__all__ = ["exception_facts", "user_traceback"]

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def user_traceback(error: BaseException) -> str:
    """Format an exception as Python does, with the framework's frames folded into one line that counts them."""
    lines: list[str] = []
    for chunk in _chain(error):
        lines.append(chunk)
    return "".join(lines)


def _chain(error: BaseException) -> list[str]:
    parts: list[str] = []
    cause = error.__cause__
    context = None if error.__suppress_context__ else error.__context__
    if cause is not None:
        parts += [*_chain(cause), "\nThe above exception was the direct cause of the following exception:\n\n"]
    elif context is not None:
        parts += [*_chain(context), "\nDuring handling of the above exception, another exception occurred:\n\n"]
    frames = traceback.extract_tb(error.__traceback__)
    kept = [frame for frame in frames if not frame.filename.startswith((_OWN, "<frozen "))]
    folded = len(frames) - len(kept)
    if kept:
        parts.append("Traceback (most recent call last):\n")
        parts += traceback.format_list(kept)
    if folded and kept:
        parts.append(f"  ({folded} frame{'s' if folded > 1 else ''} of Flow SDK not shown)\n")
    parts += traceback.format_exception_only(type(error), error)
    return parts


def exception_facts(error: BaseException) -> dict[str, str]:
    """Turn an exception into plain text facts: ``type``, ``message``, ``stacktrace``."""
    kind = type(error)
    return {
        "type": kind.__qualname__
        if kind.__module__ in ("builtins", "__main__")
        else f"{kind.__module__}.{kind.__qualname__}",
        "message": _message(error),
        "stacktrace": user_traceback(error),
    }


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<its message can't be read: {type(broken).__name__}>"
