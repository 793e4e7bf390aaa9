"""``Config``: settings that a flow is given before anything of it runs, so that decorators can depend on them.

A class body runs when its module is imported, before anyone has read a config. So what it gets from a config is a
:class:`~flow_sdk.authoring.deferred.DeferredConfigValue` value.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error, user_location
from flow_sdk.authoring.deferred import DeferredConfigValue, plain_data
from flow_sdk.errors import ParameterError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, NoReturn, Self, overload

    from flow_sdk.authoring.flow import FlowSpec

__all__ = ["Config", "ConfigValue", "Declaration", "flow_configs"]

OPTIONS = ("default", "default_value", "help", "required", "parser", "show_default", "plain")


class ConfigValue(dict):  # type: ignore[type-arg]
    """A config's value: a dict that can't be changed, whose keys are attributes too.

    Parameters
    ----------
    data : mapping
        The values by key. Dicts in it, however deep, become such values as well; lists stay lists.
    """

    __slots__ = ()

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__({key: _refuse_change(value) for key, value in (data or {}).items()})

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(
                f"The config has no key {key!r}. {suggest_name(key, map(str, self))}".strip()
            ) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain dicts, which can be changed."""
        return {key: plain_data(value) for key, value in self.items()}

    def copy(self) -> ConfigValue:
        """Return the same value: it can't change."""
        return self

    def __copy__(self) -> ConfigValue:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (ConfigValue, (self.to_dict(),))

    def __dir__(self) -> list[str]:
        return sorted({*dict.__dir__(self), *(key for key in self if isinstance(key, str) and key.isidentifier())})

    def _refuse(self, *_given: Any, **_named: Any) -> NoReturn:
        raise TypeError("a config can't be changed; to_dict() gives a copy that can")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


ConfigValue.__module__ = "flow_sdk.spec.configs"  # its module in pickles, which the release before reads, too


def _refuse_change(value: Any) -> Any:
    if isinstance(value, dict) and not isinstance(value, ConfigValue):
        return ConfigValue(value)
    return [_refuse_change(item) for item in value] if isinstance(value, list) else value


class Declaration:
    """What a :class:`Config` was declared with; kept apart, so that ``config.name`` is a key of the config."""

    __slots__ = (*OPTIONS, "attribute", "name", "where")

    def __init__(self, name: str, given: dict[str, Any]) -> None:
        self.name = name
        self.attribute = ""
        self.default: Any = given["default"]
        self.default_value: Any = given["default_value"]
        self.help: str = given["help"] or ""
        self.parser: Any = given["parser"]
        self.show_default = given["show_default"] is not False
        self.plain = bool(given["plain"])
        self.required = bool(given["required"]) and self.default is None and self.default_value is None
        self.where = user_location()

    def declaration_error(self, headline: str, **parts: str | None) -> ParameterError:
        """The error that points at the user's line."""
        return declaration_error(ParameterError, f"The config {self.name!r} {headline}.", **parts)


class Config:
    """Settings from a file or JSON text, fixed when a run starts or the flow is deployed.

    In the class body ``config.key`` can stand for an attribute of a decorator or a default of a parameter; in a step
    ``self.config.key`` is the value.

    Parameters
    ----------
    name : str
        What ``--config NAME PATH`` and ``--config-value NAME JSON`` call it.
    default : str or function, optional
        Path of the file that is read when nothing is given; a function of a
        :class:`~flow_sdk.authoring.parameters.DeployContext` is called for it.
    default_value : str, dict or function, optional
        The value when nothing is given, as text for the parser or as a dict. Not together with ``default``.
    help : str, optional
        What it is for.
    required : bool, optional
        Whether one must be given (where there is no default). Otherwise the value is then None.
    parser : function or str, optional
        Turns the text into a dict; or the dotted name of such a function. JSON is read without one.
    show_default : bool
        Whether ``--help`` shows the default.
    plain : bool
        Whether the value stays as the parser gives it, whatever JSON value it is; without a parser it is the text.

    Raises
    ------
    ParameterError
        If the declaration can't be used.
    """

    __slots__ = ("_declared",)
    _declared: Declaration

    def __init__(
        self,
        name: str = "",
        default: Any = None,
        default_value: Any = None,
        help: str | None = None,
        required: bool | None = None,
        parser: Callable[[str], Any] | str | None = None,
        show_default: bool = True,
        plain: bool = False,
        **_unknown: Any,
    ) -> None:
        if not (isinstance(name, str) and name.isascii() and name.isidentifier() and len(name) <= 128):
            raise declaration_error(
                ParameterError, "A Config needs a name.", seen=repr(name), wanted="letters, digits and '_'"
            )
        given = (default, default_value, help, required, parser, show_default, plain)
        declared = Declaration(name, dict(zip(OPTIONS, given, strict=True)))
        for key in _unknown:
            raise declared.declaration_error(
                f"has no option {key!r}", wanted=", ".join(OPTIONS), help=suggest_name(key, OPTIONS)
            )
        if default is not None and default_value is not None:
            raise declared.declaration_error("has two defaults", seen="default and default_value", wanted="one of them")
        if default is not None and not (isinstance(default, str) or callable(default)):
            raise declared.declaration_error(
                "has a default that isn't a path", seen=repr(default), help="See default_value."
            )
        if not (default_value is None or isinstance(default_value, str | dict) or callable(default_value)):
            raise declared.declaration_error(
                "can't use its default_value", seen=repr(default_value), wanted="text or a dict"
            )
        if parser is not None and not callable(parser) and not (isinstance(parser, str) and "." in parser.strip(".")):
            raise declared.declaration_error(
                "can't use its parser", seen=repr(parser), wanted="a function or 'module.function'"
            )
        object.__setattr__(self, "_declared", declared)

    def __set_name__(self, owner: type, name: str) -> None:
        from flow_sdk.authoring.parameters import TAKEN

        if name in TAKEN or name.startswith("_"):
            raise self._declared.declaration_error(
                "can't have this attribute", seen=name, wanted="a name FlowSpec doesn't use"
            )
        self._declared.attribute = name

    if TYPE_CHECKING:

        @overload
        def __get__(self, flow: None, owner: type) -> Self: ...
        @overload
        def __get__(self, flow: object, owner: type) -> Any: ...

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        task = flow.__flow_task__
        if task is None:
            raise AttributeError(self._declared.attribute)  # FlowSpec.__getattr__ says it in words
        return task.load_artifact(self._declared.attribute)

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        return DeferredConfigValue(self._declared.name)[key]

    def __getitem__(self, key: Any) -> Any:
        return DeferredConfigValue(self._declared.name)[key]

    def __setattr__(self, key: str, value: Any) -> NoReturn:
        raise TypeError("a config can't be changed")

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Read the state of a pickle: a flow class that is stored by value holds its configs."""
        object.__setattr__(self, "_declared", state[1]["_declared"])

    def __flow_deferred__(self) -> DeferredConfigValue:
        return DeferredConfigValue(self._declared.name)

    def keys(self) -> list[str]:
        """The one key that stands for all, for ``**config``."""
        return DeferredConfigValue(self._declared.name).keys()

    def __iter__(self) -> Iterator[Any]:
        return iter(DeferredConfigValue(self._declared.name))

    def __repr__(self) -> str:
        return f"Config({self._declared.name!r})"


def flow_configs(flow: type[FlowSpec]) -> list[Declaration]:
    """Return a flow's configs along its MRO, base classes first, in the order of the source.

    Raises
    ------
    ParameterError
        If two have the same name.
    """
    found: dict[str, Declaration] = {}
    for klass in reversed(flow.__mro__):
        for attribute, value in vars(klass).items():
            found.pop(attribute, None)
            if isinstance(value, Config):
                found[attribute] = value._declared
    names: dict[str, str] = {}
    for attribute, declared in found.items():
        same = names.setdefault(declared.name, attribute)
        if same != attribute:
            raise ParameterError(
                f"Two configs of {flow.__name__} have the name {declared.name!r}.", seen=f"{same} and {attribute}"
            )
    return list(found.values())
