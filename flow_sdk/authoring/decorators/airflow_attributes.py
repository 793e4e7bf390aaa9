"""The values that the attributes of ``@airflow_dag`` and ``@airflow_task`` can have.

The attributes have the names of those of Airflow's ``DAG`` and operators. They have no effect on other targets.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import Decorator

if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["AirflowAttributes", "parse_instant"]

_TEXTS = {"owner": 500, "pool": 256, "queue": 256, "executor": 1000}
"""Attributes that are text, and their most characters (columns of Airflow 2.11 and 3.3)."""
_NUMBERS = {
    "pool_slots": 1,
    "priority_weight": -(2**31),
    "max_active_tis_per_dag": 1,
    "max_active_tis_per_dagrun": 1,
    "max_active_runs": 1,
}
"""Attributes that are whole numbers, and the least of each."""
_SWITCHES = ("email_on_failure", "email_on_retry")
_CALLBACK = '"package.module.name", {"callback": "package.module.name", "kwargs": {...}}, or a list of these'


class AirflowAttributes(Decorator):
    """Base of both decorators: checks of their attributes. In the plan: only what was given."""

    __slots__ = ()

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes that were given."""
        return {key: self._read_value(key, value) for key, value in values.items() if value is not None}

    def _read_value(self, key: str, value: Any) -> Any:
        """Return one value in its normal form."""
        if key in _TEXTS:
            self._check_text(key, value, _TEXTS[key])
            return value
        if key in _NUMBERS:
            return self._read_integer(key, value)
        if key in _SWITCHES:
            if not isinstance(value, bool):
                self.refuse_value(key, value, "True or False")
            return value
        if key.endswith("_callback"):
            return [self._read_callback(key, one) for one in (value if isinstance(value, list | tuple) else [value])]
        return self._read_own_value(key, value)

    def _read_own_value(self, key: str, value: Any) -> Any:
        """Return the value of an attribute that only one of the two has."""
        raise NotImplementedError

    def _check_text(self, key: str, value: Any, most: int) -> None:
        if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
            self.refuse_value(key, value, f"1 to {most} printable characters")

    def _read_integer(self, key: str, value: Any) -> int:
        least = _NUMBERS[key]
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                self.refuse_value(key, value, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
            self.refuse_value(key, value, f"a whole number from {least} to {2**31 - 1}")
        return int(value)

    def _read_texts(self, key: str, value: Any, most: int) -> list[str]:
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not found:
            self.refuse_value(key, value, "text, or a list of texts")
        for one in found:
            self._check_text(key, one, most)
        return list(found)

    def _read_callback(self, key: str, value: Any) -> dict[str, Any]:
        given = {"callback": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or not {"callback"} <= set(given) <= {"callback", "kwargs"}:
            self._refuse_callback(key, value)
        path, kwargs = given["callback"], given.get("kwargs", {})
        if not isinstance(path, str) or "." not in path or not all(part.isidentifier() for part in path.split(".")):
            self._refuse_callback(key, value)
        if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
            self._refuse_callback(key, value)
        return {"callback": path, "kwargs": self._read_json(key, kwargs)}

    def _refuse_callback(self, key: str, value: Any) -> NoReturn:
        self.refuse_value(
            key,
            value,
            _CALLBACK,
            help="The DAG file holds data only: name a function that takes Airflow's context, or a notifier's class "
            "with its arguments. The worker imports it.",
        )

    def _read_json(self, key: str, value: Any) -> Any:
        """Return a value that JSON doesn't change."""
        import json

        try:
            found = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            self.refuse_value(
                key, value, "JSON data: text, numbers, True, False, None, lists, and dicts with text as keys"
            )
        if found != _replace_tuples(value):
            self.refuse_value(key, value, "dicts with text as keys")
        return found


def _replace_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replace_tuples(one) for key, one in value.items()}
    return [_replace_tuples(one) for one in value] if isinstance(value, list | tuple) else value


def parse_instant(text: Any) -> Any:
    """Return a time with its offset; UTC without one.

    Parameters
    ----------
    text : str
        ISO 8601.

    Raises
    ------
    TypeError, ValueError
        If it isn't such a text.
    """
    from datetime import UTC, datetime

    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
