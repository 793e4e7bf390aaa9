"""Values of configs that aren't known yet: what a class body gets, as it runs before any is read.

A :class:`DeferredConfigValue` records what to look up. :func:`resolve_deferred` replaces it when decorators and
parameters are read into the plan.
"""

from __future__ import annotations

import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error, user_location
from flow_sdk.errors import FlowSDKError, UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, NoReturn

    from flow_sdk.authoring.decorator import Decorator

__all__ = [
    "DeferredConfigValue",
    "DeferredDecorator",
    "config_expr",
    "holds_deferred",
    "plain_data",
    "resolve_deferred",
]

_UNPACKED = "_flow_unpacked_"
"""How the one key begins that ``**config.section`` gives, until the section is known."""


class _KeyOrDefault:
    """A key that needn't be there: what ``config.get(key, default)`` looks up."""

    __slots__ = ("default", "key")

    def __init__(self, key: Any, default: Any) -> None:
        self.key = key
        self.default = default

    def __repr__(self) -> str:
        return f"get({self.key!r}, {self.default!r})"


class DeferredConfigValue:
    """A value that a config will have: ``config.section.key``, ``config["key"]`` or an expression.

    Parameters
    ----------
    text : str
        The name of a config, or an expression over names of configs.
    names : mapping, optional
        What else the expression may use: the globals of the module it stands in. None for a config's name.
    path : tuple
        The keys to follow from there.
    """

    __slots__ = ("_names", "_path", "_text", "_where")

    def __init__(self, text: str, names: Mapping[str, Any] | None = None, path: tuple[Any, ...] = ()) -> None:
        self._text = text
        self._names = names
        self._path = path
        self._where = user_location()

    def __getattr__(self, key: str) -> DeferredConfigValue:
        if key.startswith("__"):
            raise AttributeError(key)
        return self[key]

    def __getitem__(self, key: Any) -> DeferredConfigValue:
        if isinstance(key, str) and key.startswith(_UNPACKED):
            return self
        return DeferredConfigValue(self._text, self._names, (*self._path, key))

    def keys(self) -> list[str]:
        """The one key that stands for all, for ``**config.section``."""
        return [_UNPACKED + str(id(self))]

    def __call__(self, context: Any = None, default: Any = None) -> Any:
        """Find the value: a parameter calls its default with a context that holds the configs.

        ``config.get(key, default)`` is a call, too, of what is named ``get``; it gives a deferred value.
        """
        configs = getattr(context, "configs", None)
        if not isinstance(configs, dict):
            if self._path[-1:] == ("get",) and context is not None:
                return DeferredConfigValue(self._text, self._names, (*self._path[:-1], _KeyOrDefault(context, default)))
            raise self._used_too_early("called")
        return resolve_deferred(self, configs)

    def __repr__(self) -> str:
        steps = "".join(
            f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in self._path
        )
        return f"{self._text if self._names is None else f'config_expr({self._text!r})'}{steps}"

    def __str__(self) -> NoReturn:
        raise self._used_too_early("used as text")

    def __format__(self, spec: str) -> NoReturn:
        raise self._used_too_early("used as text")

    def __bool__(self) -> NoReturn:
        raise self._used_too_early("tested")

    def __iter__(self) -> Iterator[Any]:
        raise self._used_too_early("gone through")

    def _used_too_early(self, done: str) -> UsageError:
        return declaration_error(
            UsageError,
            f"The config value {self!r} is {done}, but isn't known yet when the class is made.",
            wanted="the value alone as a decorator's attribute or a parameter's default",
            help='Work it out in config_expr("..."), which is called when it is known.',
        )


def config_expr(expression: str) -> Any:
    """Name a config where it can't be reached, or work with its values: both when they are known.

    Parameters
    ----------
    expression : str
        A Python expression over the names of the flow's configs and all that the module has, such as
        ``"config.project"`` or ``"min(config.cpu, 8)"``. Keys can follow: ``config_expr("config").project``.

    Returns
    -------
    DeferredConfigValue
        For a decorator's attribute or a parameter's default.

    Raises
    ------
    UsageError
        If it isn't an expression.
    """
    try:
        compile(expression, "<config_expr>", "eval")
    except (SyntaxError, TypeError, ValueError) as error:
        raise declaration_error(
            UsageError, "This isn't an expression.", seen=repr(expression), wanted=str(error)
        ) from None
    return DeferredConfigValue(expression, sys._getframe(1).f_globals)


class DeferredDecorator:
    """A decorator with attributes that aren't known yet; checked when they are.

    Parameters
    ----------
    kind : type
        The decorator's class.
    given : dict
        Its attributes.
    """

    __slots__ = ("given", "kind", "name", "on_step", "where")

    def __init__(self, kind: type[Decorator], given: dict[str, Any]) -> None:
        self.kind = kind
        self.given = given
        self.name = kind.name
        self.on_step = kind.on_step
        self.where = user_location()

    def attributes(self) -> NoReturn:
        """Refuse: the attributes aren't known before the flow's configs are read."""
        raise UsageError(f"@{self.name} depends on a config that hasn't been read.", where=self.where)

    def resolve_attributes(self, configs: Mapping[str, Any]) -> Decorator:
        """Make the decorator.

        Raises
        ------
        UsageError
            If a value isn't there, or can't be used.
        """
        try:
            return self.kind(**resolve_deferred(self.given, configs))
        except FlowSDKError as error:
            error.where = self.where
            raise


def plain_data(value: Any) -> Any:
    """Return a config's value as plain dicts and lists, which can be changed."""
    if isinstance(value, dict):
        return {key: plain_data(item) for key, item in value.items()}
    return [plain_data(item) for item in value] if isinstance(value, list) else value


def _as_deferred(value: Any) -> DeferredConfigValue | None:
    """A deferred value as it is; a whole config as one."""
    if isinstance(value, DeferredConfigValue):
        return value
    return value.__flow_deferred__() if hasattr(type(value), "__flow_deferred__") else None


def holds_deferred(value: Any) -> bool:
    """Return whether a value is deferred, or a list or dict that holds such a value."""
    if _as_deferred(value) is not None:
        return True
    if isinstance(value, dict):
        return any(holds_deferred(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple | set) and any(map(holds_deferred, value))


def resolve_deferred(value: Any, configs: Mapping[str, Any]) -> Any:
    """Replace what is deferred by its value, as plain data.

    Parameters
    ----------
    value : Any
        A deferred value, or a list or dict that may hold some; ``**config.section`` in a dict is spread out.
    configs : mapping
        The configs' values by name.

    Raises
    ------
    UsageError
        If there is no such config or key, or an expression fails.
    """
    deferred = _as_deferred(value)
    if deferred is not None:
        return plain_data(_look_up_value(deferred, configs))
    if isinstance(value, dict):
        found: dict[Any, Any] = {}
        for key, item in value.items():
            if isinstance(key, str) and key.startswith(_UNPACKED):
                found.update(_resolve_section(item, configs))
            else:
                found[resolve_deferred(key, configs)] = resolve_deferred(item, configs)
        return found
    if isinstance(value, list | tuple | set):
        return type(value)(resolve_deferred(item, configs) for item in value)
    return value


def _resolve_section(value: DeferredConfigValue, configs: Mapping[str, Any]) -> dict[str, Any]:
    found = resolve_deferred(value, configs)
    if isinstance(found, dict):
        return found
    raise UsageError(f"**{value!r} isn't a section of the config.", seen=repr(found)[:80], where=value._where)


def _look_up_value(deferred: DeferredConfigValue, configs: Mapping[str, Any]) -> Any:
    names = deferred._names
    if names is None or deferred._text in configs or (deferred._text.isidentifier() and deferred._text not in names):
        value = _look_up_key(deferred, configs, deferred._text, "config", deferred._text)
    else:
        try:
            value = eval(deferred._text, {**names, **configs})
        except Exception as error:
            raise UsageError(
                f"{DeferredConfigValue.__repr__(deferred)} failed.",
                seen=f"{type(error).__name__}: {error}",
                where=deferred._where,
                help=f"Its configs: {', '.join(configs) or 'none'}.",
            ) from error
    name = deferred._text
    for key in deferred._path:
        if isinstance(key, _KeyOrDefault):
            wanted = resolve_deferred(key.key, configs)
            if isinstance(value, dict) and wanted not in value:
                value, name = resolve_deferred(key.default, configs), f"{name}.{key!r}"
                continue
            key = wanted
        key = resolve_deferred(key, configs)
        value = _look_up_key(deferred, value, key, "key", name)
        name = f"{name}.{key}"
    return value


def _look_up_key(deferred: DeferredConfigValue, values: Any, key: Any, kind: str, name: str) -> Any:
    try:
        return values[key]
    except (KeyError, IndexError, TypeError):
        if not isinstance(values, dict) and isinstance(key, str) and not key.startswith("_") and hasattr(values, key):
            return getattr(values, key)
    known = [str(known) for known in values] if hasattr(values, "keys") else []
    seen = f"{name} is {'None: no value was given' if values is None else repr(values)[:80]}" if not known else None
    raise UsageError(
        f"There is no config {key!r}." if kind == "config" else f"The config {name!r} has no key {key!r}.",
        seen=seen,
        where=deferred._where,
        help=suggest_name(str(key), known) if known else None,
    )
