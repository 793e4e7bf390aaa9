"""What every decorator is: a name and checked JSON attributes.

Not a dataclass, because importing :mod:`dataclasses` takes longer than all of this package.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import refused
from flow_sdk.errors import UsageError
from flow_sdk.text import suggest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

__all__ = ["Decorator", "kind_of", "made"]


class Decorator:
    """One decorator with its attributes; immutable, compared by value.

    Parameters
    ----------
    **given
        Attributes by name; what isn't given, or is None, has its default.

    Raises
    ------
    UsageError
        If an attribute isn't known or its value can't be used.
    """

    name = ""
    """What it is called after the ``@``."""
    on_step = True
    """Whether it stands on steps; otherwise on flow classes."""
    defaults: Mapping[str, Any] = {}

    __slots__ = ("_unset", "_values")
    _unset: set[str]
    """The attributes that were given as None."""
    _values: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        for key in given:
            if key not in self.defaults:
                raise refused(
                    UsageError,
                    f"@{self.name} has no attribute {key!r}.",
                    wanted=", ".join(self.defaults) or "no attributes",
                    help=suggest_name(key, self.defaults),
                )
        # os.environ.get("NAME") must not end the import of a flow file where the variable isn't set.
        known = {key: value for key, value in given.items() if value is not None}
        object.__setattr__(self, "_unset", given.keys() - known.keys())
        object.__setattr__(self, "_values", self._checked({**self.defaults, **known}))

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values in their normal form; raises UsageError."""
        return values

    def attributes(self) -> dict[str, Any]:
        """All attributes as JSON values, in a fixed order."""
        return {key: dict(value) if isinstance(value, dict) else value for key, value in self._values.items()}

    def __getattr__(self, key: str) -> Any:
        if key not in ("_values", "_unset") and key in self._values:
            return self._values[key]
        raise AttributeError(f"@{self.name} has no attribute {key!r}")

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError(f"@{self.name} can't be changed")

    def __delattr__(self, key: str) -> None:
        raise AttributeError(f"@{self.name} can't be changed")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Decorator) and self._values == other._values

    def __hash__(self) -> int:
        return hash((self.name, repr(self._values)))

    def __repr__(self) -> str:
        return f"@{self.name}({', '.join(f'{key}={value!r}' for key, value in self._values.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (made, (type(self), self.attributes()))

    def bad(self, attribute: str, value: object, wanted: str, help: str | None = None) -> NoReturn:
        """Refuse a value."""
        raise refused(
            UsageError, f"@{self.name} can't use {attribute}={value!r}.", seen=kind_of(value), wanted=wanted, help=help
        )

    def number(
        self, values: Mapping[str, Any], key: str, *, least: float = 0, whole: bool = False, above: bool = False
    ) -> int | float:
        """The attribute ``key`` as a number ``>= least`` (``> least`` with ``above``); text that is one counts."""
        value = values[key]
        number = _number(value)
        wanted = f"a {'whole ' if whole else ''}number {'>' if above else '>='} {least:g}"
        if number is None or (whole and number != int(number)):
            self.bad(key, value, wanted)
        if number < least or (above and number <= least):
            self.bad(key, value, wanted)
        return int(number) if number == int(number) else number


def made(kind: type[Decorator], attributes: dict[str, Any]) -> Decorator:
    """Make a decorator again from what it was pickled as."""
    return kind(**attributes)


def kind_of(value: object) -> str:
    """A value and its type, for people."""
    return "None" if value is None else f"{type(value).__name__} {value!r}"


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        for kind in (int, float):
            try:
                value = kind(value)
                break
            except ValueError:
                continue
    if isinstance(value, int | float) and value == value and abs(value) != float("inf"):
        return value
    return None
