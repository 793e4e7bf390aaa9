"""The user's own traceback, without this framework's frames."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flow_sdk.errors import FlowSDKError
from flow_sdk.text import mask_password

if TYPE_CHECKING:
    import traceback

__all__ = ["describe_exception", "summarize_exception", "user_traceback"]

LONGEST = 1000
"""Characters of a reason that are shown; the whole message is in the attempt's manifest and log."""

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_POOLS = os.path.join(os.path.dirname(os.__file__), "concurrent", "futures") + os.sep


def user_traceback(error: BaseException) -> str:
    """Format an exception as Python does, with the framework's frames folded into one line that counts them.

    An error that this package raised without any of the user's code on the way is shown as its message alone.
    """
    return "".join(_format_chain(error, set()))


def _format_chain(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))  # a chain may lead back to where it began
    import textwrap
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    kept = _users_frames(frames)
    if isinstance(error, FlowSDKError) and not kept:
        return [f"{type(error).__name__}: {error}\n"]
    parts: list[str] = []
    cause = error.__cause__
    context = None if error.__suppress_context__ else error.__context__
    if cause is not None and id(cause) not in seen:
        parts += [
            *_format_chain(cause, seen),
            "\nThe above exception was the direct cause of the following exception:\n\n",
        ]
    elif cause is None and context is not None and id(context) not in seen:
        parts += [
            *_format_chain(context, seen),
            "\nDuring handling of the above exception, another exception occurred:\n\n",
        ]
    folded = len(frames) - len(kept)
    if kept:
        parts.append("Traceback (most recent call last):\n")
        parts += traceback.format_list(kept)
    if folded and kept:
        parts.append(f"  ({folded} frame{'s' if folded > 1 else ''} of Flow SDK not shown)\n")
    parts += [f"{_short_type(_type_name(error))}: {error}\n"] if isinstance(error, FlowSDKError) else _last_lines(error)
    if isinstance(error, BaseExceptionGroup):
        for number, inner in enumerate(error.exceptions, 1):
            text = "".join(_format_chain(inner, seen)) if id(inner) not in seen else f"{_type_name(inner)}, as above\n"
            parts.append(f"  Exception {number} of {len(error.exceptions)} in it:\n" + textwrap.indent(text, "    "))
    return parts


def _users_frames(frames: Iterable[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Return the frames that aren't the framework's, nor those of a thread pool that the framework has called."""
    kept, ours = [], False
    for frame in frames:
        ours = frame.filename.startswith((_OWN, "<frozen ")) or (ours and frame.filename.startswith(_POOLS))
        if not ours:
            kept.append(frame)
    return kept


def _last_lines(error: BaseException) -> list[str]:
    import traceback

    return traceback.format_exception_only(type(error), error)


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"


def _short_type(kind: str) -> str:
    """A type's name as Python's own tracebacks show it."""
    module, _, name = kind.rpartition(".")
    return name if module in ("builtins", "__main__", "flow_sdk.errors") else kind


def describe_exception(error: BaseException) -> dict[str, str]:
    """Describe an exception by texts: ``type`` (with its module), ``message``, ``stacktrace``.

    The clients of databases and servers like to name the address they were given, password and all: it is left out.
    """
    texts = {"type": _type_name(error), "message": _read_message(error), "stacktrace": user_traceback(error)}
    return {name: mask_password(text) for name, text in texts.items()}


def _read_message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<its message can't be read: {type(broken).__name__}>"


def summarize_exception(texts: dict[str, str]) -> str:
    """Return one line on what failed: the type, the message's first line, and what was seen if it says so."""
    first, *rest = texts["message"].splitlines() or [""]
    seen = next((line.partition("seen:")[2].strip() for line in rest if line.lstrip().startswith("seen:")), "")
    text = f"{_short_type(texts['type'])}: {first}" + (f" ({seen})" if seen else "")
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
