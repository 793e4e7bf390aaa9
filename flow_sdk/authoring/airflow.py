"""``@airflow_dag`` and ``@airflow_task``: what Airflow is told about a flow's DAG and a step's task, as data.

The attributes are called as those of Airflow's ``DAG`` and operators are. They have no effect anywhere else.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import refused
from flow_sdk.authoring.decorator import Decorator
from flow_sdk.authoring.placing import use
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])
    C = TypeVar("C", bound=type)

__all__ = ["AirflowDag", "AirflowTask", "airflow_dag", "airflow_task"]

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
_WEIGHT_RULES = ("downstream", "upstream", "absolute")
_CALLBACK = '"package.module.name", {"callback": "package.module.name", "kwargs": {...}}, or a list of these'


class _AirflowDecorator(Decorator):
    """What both have in common. In the plan: only what was given."""

    __slots__ = ()

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        return {key: self._value(key, value) for key, value in values.items() if value is not None}

    def _value(self, key: str, value: Any) -> Any:
        """One value in its normal form."""
        if key in _TEXTS:
            self._check_text(key, value, _TEXTS[key])
            return value
        if key in _NUMBERS:
            return self._whole(key, value)
        if key in _SWITCHES:
            if not isinstance(value, bool):
                self.bad(key, value, "True or False")
            return value
        if key.endswith("_callback"):
            return [self._callback(key, one) for one in (value if isinstance(value, list | tuple) else [value])]
        return self._other(key, value)

    def _other(self, key: str, value: Any) -> Any:
        raise NotImplementedError

    def _check_text(self, key: str, value: Any, most: int) -> None:
        if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
            self.bad(key, value, f"1 to {most} printable characters")

    def _whole(self, key: str, value: Any) -> int:
        least = _NUMBERS[key]
        if isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                self.bad(key, value, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
            self.bad(key, value, f"a whole number from {least} to {2**31 - 1}")
        return int(value)

    def _texts(self, key: str, value: Any, most: int) -> list[str]:
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not found:
            self.bad(key, value, "text, or a list of texts")
        for one in found:
            self._check_text(key, one, most)
        return list(found)

    def _callback(self, key: str, value: Any) -> dict[str, Any]:
        given = {"callback": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or not {"callback"} <= set(given) <= {"callback", "kwargs"}:
            self._refuse_callback(key, value)
        path, kwargs = given["callback"], given.get("kwargs", {})
        if not isinstance(path, str) or "." not in path or not all(part.isidentifier() for part in path.split(".")):
            self._refuse_callback(key, value)
        if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
            self._refuse_callback(key, value)
        return {"callback": path, "kwargs": self._json(key, kwargs)}

    def _refuse_callback(self, key: str, value: Any) -> NoReturn:
        self.bad(
            key,
            value,
            _CALLBACK,
            help="The DAG file holds data only: name a function that takes Airflow's context, or a notifier's class "
            "with its arguments. The worker imports it.",
        )

    def _json(self, key: str, value: Any) -> Any:
        """A value that is the same after it went through JSON."""
        import json

        try:
            found = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            self.bad(key, value, "JSON data: text, numbers, True, False, None, lists, and dicts with text as keys")
        if found != _with_lists(value):
            self.bad(key, value, "dicts with text as keys")
        return found


def _with_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_lists(one) for key, one in value.items()}
    return [_with_lists(one) for one in value] if isinstance(value, list | tuple) else value


class AirflowTask(_AirflowDecorator):
    """``@airflow_task``: see :func:`airflow_task`."""

    __slots__ = ()
    name = "airflow_task"
    defaults: Mapping[str, Any] = dict.fromkeys(
        (
            *("owner", "pool", "pool_slots", "queue", "priority_weight", "weight_rule", "executor", "executor_config"),
            *("max_active_tis_per_dag", "max_active_tis_per_dagrun", "email", "email_on_failure", "email_on_retry"),
            *("on_failure_callback", "on_retry_callback", "on_success_callback"),
        )
    )

    def _other(self, key: str, value: Any) -> Any:
        if key == "email":
            return self._texts(key, value, 320)
        if key == "weight_rule":
            if value not in _WEIGHT_RULES:
                self.bad(key, value, ", ".join(_WEIGHT_RULES))
            return value
        if not isinstance(value, dict):
            self.bad(key, value, "a dict")
        return self._json(key, value)


class AirflowDag(_AirflowDecorator):
    """``@airflow_dag``: see :func:`airflow_dag`."""

    __slots__ = ()
    name = "airflow_dag"
    on_step = False
    defaults: Mapping[str, Any] = dict.fromkeys(
        (
            *("owner", "tags", "start_date", "end_date", "max_active_runs", "dagrun_timeout"),
            *("on_failure_callback", "on_success_callback", "default_args"),
        )
    )

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        found = super()._checked(values)
        if "start_date" in found and "end_date" in found:
            start, end = (_instant(found[key]) for key in ("start_date", "end_date"))
            if end <= start:
                self.bad("end_date", found["end_date"], f"a time after start_date, {found['start_date']}")
        return found

    def _other(self, key: str, value: Any) -> Any:
        if key == "tags":
            return self._texts(key, value, 100)
        if key == "dagrun_timeout":
            return self.number({key: value}, key, above=True)
        if key == "default_args":
            return self._default_args(value)
        try:
            _instant(value)
        except (TypeError, ValueError):
            self.bad(key, value, 'a time such as "2026-01-31" or "2026-01-31T06:00:00+01:00"; UTC without an offset')
        return value

    def _default_args(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.bad("default_args", value, "a dict of what @airflow_task takes")
        try:
            return AirflowTask(**value).attributes()
        except TypeError:
            self.bad("default_args", value, "a dict of what @airflow_task takes")
        except UsageError as error:
            raise refused(
                UsageError,
                f"In default_args of @airflow_dag: {error.headline}",
                seen=error.seen,
                wanted=error.wanted,
                help=error.help,
            ) from None


def _instant(text: Any) -> Any:
    """A time with its offset; raises TypeError or ValueError."""
    from datetime import UTC, datetime

    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


if TYPE_CHECKING:

    @overload
    def airflow_task(function: F, /) -> F: ...
    @overload
    def airflow_task(
        *,
        owner: str | None = None,
        pool: str | None = None,
        pool_slots: int | None = None,
        queue: str | None = None,
        priority_weight: int | None = None,
        weight_rule: str | None = None,
        executor: str | None = None,
        executor_config: dict[str, Any] | None = None,
        max_active_tis_per_dag: int | None = None,
        max_active_tis_per_dagrun: int | None = None,
        email: str | list[str] | None = None,
        email_on_failure: bool | None = None,
        email_on_retry: bool | None = None,
        on_failure_callback: Any = None,
        on_retry_callback: Any = None,
        on_success_callback: Any = None,
    ) -> Callable[[F], F]: ...


def airflow_task(_function: Any = None, /, *_others: Any, **attributes: Any) -> Any:
    """Tell Airflow how to run a step's task and whom to alert. No effect anywhere else.

    Parameters
    ----------
    **attributes
        As of Airflow's operators; all may be left out, and all are JSON data:

        - ``pool``, ``pool_slots`` (>= 1), ``queue``, ``priority_weight``, ``weight_rule`` (``downstream``,
          ``upstream`` or ``absolute``), ``executor``, ``executor_config`` (a dict), ``max_active_tis_per_dag``,
          ``max_active_tis_per_dagrun`` (>= 1);
        - ``owner``, ``email`` (text or a list), ``email_on_failure``, ``email_on_retry`` (True unless said otherwise);
        - ``on_failure_callback``, ``on_retry_callback``, ``on_success_callback``: the dotted name of a function that
          takes the context, or ``{"callback": "package.module.Notifier", "kwargs": {...}}``, or a list of these.
    """
    return use(AirflowTask, _function, _others, attributes)


if TYPE_CHECKING:

    @overload
    def airflow_dag(flow: C, /) -> C: ...
    @overload
    def airflow_dag(
        *,
        owner: str | None = None,
        tags: str | list[str] | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
        max_active_runs: int | None = None,
        dagrun_timeout: float | None = None,
        on_failure_callback: Any = None,
        on_success_callback: Any = None,
        default_args: dict[str, Any] | None = None,
    ) -> Callable[[C], C]: ...


def airflow_dag(_flow: Any = None, /, *_others: Any, **attributes: Any) -> Any:
    """Tell Airflow about a flow's DAG. No effect anywhere else.

    Parameters
    ----------
    **attributes
        As of Airflow's ``DAG``; all may be left out, and all are JSON data:

        - ``owner`` (of all tasks), ``tags`` (text or a list);
        - ``start_date``, ``end_date``: ISO times, UTC without an offset; ``max_active_runs`` (>= 1); ``dagrun_timeout``
          (seconds, > 0; ``--workflow-timeout`` counts before it);
        - ``on_failure_callback``, ``on_success_callback``: of the run, in the form that :func:`airflow_task` takes;
        - ``default_args``: a dict of what :func:`airflow_task` takes, for every step that doesn't say otherwise.
    """
    return use(AirflowDag, _flow, _others, attributes)
