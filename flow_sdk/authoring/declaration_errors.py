"""Errors in what a flow file declares: where they are and how a person sees them."""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.errors import FlowSDKError

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, TypeVar

    E = TypeVar("E", bound=FlowSDKError)

__all__ = ["declaration_error", "user_location"]


def declaration_error(kind: type[E], headline: str, **parts: Any) -> E:
    """Build the error for a declaration that can't be used, pointing at the user's line.

    Parameters
    ----------
    kind : type
        The error's class.
    headline : str
        One line that says what is wrong.
    **parts : str or None
        ``seen``, ``wanted``, ``help`` as for :class:`~flow_sdk.errors.FlowSDKError`.

    Returns
    -------
    FlowSDKError
        To be raised by the caller.
    """
    frame = _user_frame()
    if frame is not None:
        parts.setdefault("where", f"{frame.f_code.co_filename}:{frame.f_lineno}")
        if frame.f_globals.get("__name__") == "__main__":
            _show_without_traceback()
    return kind(headline, **parts)


def user_location() -> str | None:
    """The line of the user's that runs now, as ``file:line``."""
    frame = _user_frame()
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _user_frame() -> FrameType | None:
    """The innermost frame that isn't ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "flow_sdk":
        frame = frame.f_back
    return frame


def _show_without_traceback() -> None:
    """Let the message alone end a flow file that is executed.

    The class body runs before the command line does, so no other code can catch the error.
    """
    before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        shown = error.__cause__ or error  # Python 3.11 wraps what __set_name__ raises
        if isinstance(shown, FlowSDKError):
            print(shown, file=sys.stderr)
        else:
            before(kind, error, traceback)

    sys.excepthook = show
