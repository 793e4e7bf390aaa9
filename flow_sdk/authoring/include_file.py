"""``IncludeFile``: a parameter that is a file's contents."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar, overload

    T = TypeVar("T")
else:
    T = None

__all__ = ["IncludeFile"]


class IncludeFile(Parameter[T]):
    """A file's contents as a value: ``--name PATH``; read once, when a run starts or the flow is deployed.

    Parameters
    ----------
    name : str
        As for :class:`Parameter`.
    default : str or function, optional
        Path of the file when none is given.
    is_text : bool
        Whether the value is text; otherwise bytes.
    encoding : str
        The text's encoding.
    required : bool, optional
        Whether a path must be given (where there is no default).
    help : str, optional
        What it is for.
    show_default : bool
        Whether ``--help`` shows the default.
    parser : function or str, optional
        Called with the contents (or the dotted name of such a function); the value is what it returns.

    Raises
    ------
    ParameterError
        If the declaration can't be used.
    """

    is_file = True
    options = ("default", "is_text", "encoding", "required", "help", "parser", "show_default")

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: IncludeFile[T], name: str, default: Any = ..., is_text: bool = ..., encoding: str = ...,
            required: bool | None = ..., help: str | None = ..., *, parser: Callable[[Any], T],
            show_default: bool = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: IncludeFile[Any], name: str, default: Any = ..., is_text: bool = ..., encoding: str = ...,
            required: bool | None = ..., help: str | None = ..., *, parser: str, show_default: bool = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: IncludeFile[bytes], name: str, default: Any = ..., *, is_text: Literal[False], encoding: str = ...,
            required: bool | None = ..., help: str | None = ..., parser: None = ..., show_default: bool = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: IncludeFile[str], name: str, default: Any = ..., is_text: Literal[True] = ..., encoding: str = ...,
            required: bool | None = ..., help: str | None = ..., parser: None = ..., show_default: bool = ...,
        ) -> None: ...  # fmt: skip

    def __init__(
        self: Any,
        name: str = "",
        default: Any = None,
        is_text: bool = True,
        encoding: str | None = None,
        required: bool | None = None,
        help: str | None = None,
        parser: Any = None,
        show_default: bool = True,
        *_others: Any,
        **_unknown: Any,
    ) -> None:
        self._take_name(name, _others, _unknown)
        self._set_options(default, required, help, show_default)
        self.type = None
        self.separator = None
        self.value_type = "file"
        self.is_text = is_text is not False
        self.encoding = encoding or "utf-8"
        self.parser = parser
        if self.default is not None and not isinstance(self.default, str) and not callable(self.default):
            raise self.declaration_error("has a default that isn't a path", seen=repr(self.default), wanted="text")
        import codecs

        try:
            codecs.lookup(self.encoding)
        except (LookupError, TypeError):
            raise self.declaration_error(
                "has an unknown encoding", seen=repr(self.encoding), wanted="such as 'utf-8'"
            ) from None
