"""``Parameter``: what a flow can be given from outside."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error, user_location
from flow_sdk.errors import ParameterError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Generic, Literal, Self, TypeVar, overload

    from flow_sdk.authoring.flow import FlowSpec

    T = TypeVar("T")
else:

    class Generic:
        """Stands in for typing's, so that ``Parameter[float]`` can be written."""

        def __class_getitem__(cls, item):
            return cls

    T = None

__all__ = ["DeployContext", "JSONType", "Parameter", "declared_parameters"]

RESERVED = frozenset(
    {
        "decospecs",
        "help",
        "max-log-size",
        "max-num-splits",
        "max-workers",
        "namespace",
        "obj",
        "params",
        "run-id-file",
        "tag",
        "tags",
        "user-namespace",
        "with",
    }
)
"""Names that options of ``run`` have."""

TAKEN = frozenset({"cmd", "foreach_stack", "index", "input", "merge_artifacts", "next"})
"""Attributes of a flow that a parameter would hide."""


class JSONType:
    """``type=JSONType``: the value is given as JSON text and is whatever that text means."""


class DeployContext:
    """What a function given as a parameter's default is called with, once, when a run starts or a flow is deployed.

    Parameters
    ----------
    flow_name : str
        The flow's name.
    user_name : str
        Who starts or deploys.
    parameter_name : str
        The parameter that the default is for.
    logger : callable
        Prints a line of text.
    ds_type : str
        Kind of the datastore: ``local`` or ``s3``.
    configs : ConfigValue
        The flow's configs by name.
    """

    __slots__ = ("configs", "ds_type", "flow_name", "logger", "parameter_name", "user_name")

    def __init__(
        self,
        flow_name: str,
        user_name: str,
        parameter_name: str = "",
        logger: Callable[[str], None] = print,
        ds_type: str = "local",
        configs: dict[str, Any] | None = None,
    ) -> None:
        self.flow_name = flow_name
        self.user_name = user_name
        self.parameter_name = parameter_name
        self.logger = logger
        self.ds_type = ds_type
        self.configs = {} if configs is None else configs

    def of(self, parameter: str) -> DeployContext:
        """The same context for another parameter."""
        return DeployContext(self.flow_name, self.user_name, parameter, self.logger, self.ds_type, self.configs)


class Parameter(Generic[T]):
    """A value a run is given: an option ``--name`` on the command line, read as ``self.name`` in every step.

    Parameters
    ----------
    name : str
        Its name: ASCII letters, digits, ``-`` and ``_``, beginning with a letter.
    default : optional
        The value when none is given; a function of a :class:`DeployContext` is called once, when a run starts or the
        flow is deployed. Without one the value is None, unless ``required``.
    type : type, optional
        ``str``, ``int``, ``float``, ``bool`` or :class:`JSONType`; otherwise the default's type, or ``str``.
    help : str, optional
        What it is for.
    required : bool, optional
        Whether a value must be given (where there is no default).
    show_default : bool
        Whether ``--help`` shows the default.
    separator : str, optional
        Splits the text into a list; for ``str`` only.
    multiple : bool
        Whether it may be given several times; the value is a tuple, the default a list, and the type that of one item.
    is_flag : bool
        Whether ``--name`` stands alone and gives True, or False where the default is True. The type is then ``bool``.

    Raises
    ------
    ParameterError
        If the declaration can't be used.
    """

    is_file = False
    options: tuple[str, ...] = (
        "default", "type", "help", "required", "show_default", "separator", "multiple", "is_flag",
    )  # fmt: skip
    multiple = False
    is_flag = False

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Parameter[tuple[str, ...]], name: str, default: Any = ..., *, multiple: Literal[True],
            help: str | None = ..., required: bool | None = ..., show_default: bool = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[tuple[T, ...]], name: str, default: Any = ..., *, type: type[T], multiple: Literal[True],
            help: str | None = ..., required: bool | None = ..., show_default: bool = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[bool], name: str, default: Any = ..., *, type: type[bool] = ..., is_flag: Literal[True],
            help: str | None = ..., required: bool | None = ..., show_default: bool = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[Any], name: str, default: Any = ..., *, type: type[JSONType], help: str | None = ...,
            required: bool | None = ..., show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[list[str]], name: str, default: str | Callable[[DeployContext], str] | None = ...,
            type: type[str] | None = ..., help: str | None = ..., required: bool | None = ..., show_default: bool = ...,
            *, separator: str,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[T], name: str, default: None = ..., *, type: type[T], help: str | None = ...,
            required: Literal[True], show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[T | None], name: str, default: None = ..., *, type: type[T], help: str | None = ...,
            required: Literal[False] | None = ..., show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[str], name: str, default: None = ..., *, help: str | None = ...,
            required: Literal[True], show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[str | None], name: str, default: None = ..., *, help: str | None = ...,
            required: Literal[False] | None = ..., show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[T], name: str, default: Callable[[DeployContext], T], type: type[T] = ...,
            help: str | None = ..., required: bool | None = ..., show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip
        @overload
        def __init__(
            self: Parameter[T], name: str, default: T, type: type[T] = ..., help: str | None = ...,
            required: bool | None = ..., show_default: bool = ..., separator: None = ...,
        ) -> None: ...  # fmt: skip

    def __init__(
        self: Any,
        name: str = "",
        default: Any = None,
        type: Any = None,
        help: str | None = None,
        required: bool | None = None,
        show_default: bool = True,
        separator: str | None = None,
        *_others: Any,
        multiple: bool = False,
        is_flag: bool = False,
        **_unknown: Any,
    ) -> None:
        self._take_name(name, _others, _unknown)
        self._set_options(default, required, help, show_default)
        self.multiple = bool(multiple)
        self.is_flag = bool(is_flag)
        self.type = bool if self.is_flag and type is None else type
        self.separator = separator
        self.value_type = self._find_type()
        if self.is_flag and (self.multiple or self.value_type != "bool"):
            raise self.declaration_error(
                "can't be a flag", seen=f"type {self.value_type}, multiple={self.multiple}", wanted="a bool, given once"
            )
        if self.multiple and separator is not None:
            raise self.declaration_error("can't have both a separator and multiple", wanted="one of them")
        separator = self.separator
        if separator is not None and not (self.value_type == "str" and isinstance(separator, str) and separator):
            raise self.declaration_error(
                "can't use its separator",
                seen=f"separator={separator!r}, type {self.value_type}",
                wanted="text of at least one character, on a parameter of type str",
            )

    def _take_name(self, name: Any, others: tuple[Any, ...], unknown: dict[str, Any]) -> None:
        """Keep the name; refuse it, or whatever a declaration doesn't take."""
        self.name = name
        self.where = user_location()
        what = type(self).__name__
        if others:
            raise declaration_error(
                ParameterError, f"{what} has too many arguments.", wanted=f"name, {', '.join(self.options)}"
            )
        if not isinstance(name, str) or not _is_name(name):
            raise declaration_error(
                ParameterError,
                f"{what} needs a name.",
                seen=repr(name),
                wanted="text of ASCII letters, digits, '-' and '_', beginning with a letter",
            )
        for key in unknown:
            raise self.declaration_error(
                f"has no option {key!r}", wanted=", ".join(self.options), help=suggest_name(key, self.options)
            )
        if name in RESERVED or name.replace("_", "-").lower() in RESERVED:
            raise self.declaration_error(
                "has a name that is taken", seen=name, wanted="a name that no option of the run command has",
                help=f"Taken: {', '.join(sorted(RESERVED))}.",
            )  # fmt: skip

    def _set_options(self, default: Any, required: bool | None, help: str | None, show_default: bool) -> None:
        """Keep what all kinds of parameters have."""
        self.default = default
        self.help = help or ""
        self.required = bool(required) and default is None
        self.show_default = show_default is not False
        self.attribute = ""

    def declaration_error(self, headline: str, **parts: str | None) -> ParameterError:
        """The error that points at this declaration."""
        return declaration_error(ParameterError, f"The parameter {self.name!r} {headline}.", **parts)

    def _find_type(self) -> str:
        """The plan's word for the value's type."""
        wanted = self.type
        if wanted is None:
            if self.default is None or callable(self.default):
                return "str"
            wanted = type(self.default)
            if self.multiple and isinstance(self.default, list | tuple):
                wanted = type(self.default[0]) if self.default else str
        found = _TYPES.get(wanted.__name__) if isinstance(wanted, type) else None
        if wanted is JSONType or isinstance(wanted, JSONType):
            found = "json"
        if found is None:
            raise self.declaration_error(
                "has a type that can't be used",
                seen=repr(wanted),
                wanted="str, int, float, bool or JSONType (dict and list count as JSONType)",
            )
        return found

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name
        if name in TAKEN or name.startswith("_"):
            raise self.declaration_error(
                "can't have this attribute", seen=name, wanted="a name that FlowSpec doesn't use itself"
            )

    if TYPE_CHECKING:

        @overload
        def __get__(self, flow: None, owner: type) -> Self: ...
        @overload
        def __get__(self, flow: object, owner: type) -> T: ...

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        # Reached only while the runner hasn't put the value into the flow object's own dict.
        task = flow.__flow_task__
        if task is None:
            raise AttributeError(self.attribute)  # FlowSpec.__getattr__ says it in words
        return task.load_artifact(self.attribute)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, default={self.default!r}, type={self.value_type})"


_TYPES = {"str": "str", "int": "int", "float": "float", "bool": "bool", "dict": "json", "list": "json", "tuple": "json"}


def _is_name(name: str) -> bool:
    plain = name.replace("-", "_")
    return plain.isascii() and plain.isidentifier() and not plain.startswith("_") and len(name) <= 128


def declared_parameters(flow: type[FlowSpec]) -> dict[str, Parameter[Any]]:
    """Return the parameters in a flow's class bodies by attribute, base classes first, in the order of the source."""
    found: dict[str, Parameter[Any]] = {}
    for klass in reversed(flow.__mro__):
        for attribute, value in vars(klass).items():
            if isinstance(value, Parameter):
                found[attribute] = value
            elif attribute in found:
                del found[attribute]
    return found
