"""Values of configs that aren't known yet: what a class body, which runs before any is read, gets in their place.

A :class:`Delayed` value is a note of what to look up. :func:`resolve` replaces it when decorators and parameters are
read into the plan.
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

__all__ = ["Delayed", "DelayedDecorator", "config_expr", "holds_delayed", "plain_data", "resolve"]

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


class Delayed:
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

    def __getattr__(self, key: str) -> Delayed:
        if key.startswith("__"):
            raise AttributeError(key)
        return self[key]

    def __getitem__(self, key: Any) -> Delayed:
        if isinstance(key, str) and key.startswith(_UNPACKED):
            return self
        return Delayed(self._text, self._names, (*self._path, key))

    def keys(self) -> list[str]:
        """The one key that stands for all, for ``**config.section``."""
        return [_UNPACKED + str(id(self))]

    def __call__(self, context: Any = None, default: Any = None) -> Any:
        """Find the value: a parameter calls its default with a context that holds the configs.

        ``config.get(key, default)`` is a call, too, of what is named ``get``; it gives a delayed value.
        """
        configs = getattr(context, "configs", None)
        if not isinstance(configs, dict):
            if self._path[-1:] == ("get",) and context is not None:
                return Delayed(self._text, self._names, (*self._path[:-1], _KeyOrDefault(context, default)))
            raise self._early("called")
        return resolve(self, configs)

    def __repr__(self) -> str:
        steps = "".join(
            f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in self._path
        )
        return f"{self._text if self._names is None else f'config_expr({self._text!r})'}{steps}"

    def __str__(self) -> NoReturn:
        raise self._early("used as text")

    def __format__(self, spec: str) -> NoReturn:
        raise self._early("used as text")

    def __bool__(self) -> NoReturn:
        raise self._early("tested")

    def __iter__(self) -> Iterator[Any]:
        raise self._early("gone through")

    def _early(self, done: str) -> UsageError:
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
    Delayed
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
    return Delayed(expression, sys._getframe(1).f_globals)


class DelayedDecorator:
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

    def resolved(self, configs: Mapping[str, Any]) -> Decorator:
        """Make the decorator.

        Raises
        ------
        UsageError
            If a value isn't there, or can't be used.
        """
        try:
            return self.kind(**resolve(self.given, configs))
        except FlowSDKError as error:
            error.where = self.where
            raise


def plain_data(value: Any) -> Any:
    """Return a config's value as plain dicts and lists, which can be changed."""
    if isinstance(value, dict):
        return {key: plain_data(item) for key, item in value.items()}
    return [plain_data(item) for item in value] if isinstance(value, list) else value


def _delayed(value: Any) -> Delayed | None:
    """A delayed value as it is; a whole config as one."""
    if isinstance(value, Delayed):
        return value
    return value.__flow_delayed__() if hasattr(type(value), "__flow_delayed__") else None


def holds_delayed(value: Any) -> bool:
    """Tell whether a value is delayed, or a list or dict that holds such a value."""
    if _delayed(value) is not None:
        return True
    if isinstance(value, dict):
        return any(holds_delayed(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple | set) and any(map(holds_delayed, value))


def resolve(value: Any, configs: Mapping[str, Any]) -> Any:
    """Replace what is delayed by its value, as plain data.

    Parameters
    ----------
    value : Any
        A delayed value, or a list or dict that may hold some; ``**config.section`` in a dict is spread out.
    configs : mapping
        The configs' values by name.

    Raises
    ------
    UsageError
        If there is no such config or key, or an expression fails.
    """
    delayed = _delayed(value)
    if delayed is not None:
        return plain_data(_lookup(delayed, configs))
    if isinstance(value, dict):
        found: dict[Any, Any] = {}
        for key, item in value.items():
            if isinstance(key, str) and key.startswith(_UNPACKED):
                found.update(_section(item, configs))
            else:
                found[resolve(key, configs)] = resolve(item, configs)
        return found
    if isinstance(value, list | tuple | set):
        return type(value)(resolve(item, configs) for item in value)
    return value


def _section(value: Delayed, configs: Mapping[str, Any]) -> dict[str, Any]:
    found = resolve(value, configs)
    if isinstance(found, dict):
        return found
    raise UsageError(f"**{value!r} isn't a section of the config.", seen=repr(found)[:80], where=value._where)


def _lookup(delayed: Delayed, configs: Mapping[str, Any]) -> Any:
    names = delayed._names
    if names is None or delayed._text in configs or (delayed._text.isidentifier() and delayed._text not in names):
        value = _key(delayed, configs, delayed._text, "config", delayed._text)
    else:
        try:
            value = eval(delayed._text, {**names, **configs})
        except Exception as error:
            raise UsageError(
                f"{Delayed.__repr__(delayed)} failed.",
                seen=f"{type(error).__name__}: {error}",
                where=delayed._where,
                help=f"Its configs: {', '.join(configs) or 'none'}.",
            ) from error
    name = delayed._text
    for key in delayed._path:
        if isinstance(key, _KeyOrDefault):
            wanted = resolve(key.key, configs)
            if isinstance(value, dict) and wanted not in value:
                value, name = resolve(key.default, configs), f"{name}.{key!r}"
                continue
            key = wanted
        key = resolve(key, configs)
        value = _key(delayed, value, key, "key", name)
        name = f"{name}.{key}"
    return value


def _key(delayed: Delayed, values: Any, key: Any, kind: str, name: str) -> Any:
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
        where=delayed._where,
        help=suggest_name(str(key), known) if known else None,
    )
