"""``@airflow_dag``: attributes of the DAG that a flow is deployed as."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import FlowDecorator, declare_flow_decorator
from flow_sdk.authoring.decorators.airflow_attributes import AirflowAttributes, parse_instant
from flow_sdk.authoring.decorators.airflow_task import AirflowTaskDecorator
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["AirflowDagDecorator", "airflow_dag"]


class AirflowDagDecorator(AirflowAttributes, FlowDecorator):
    """``@airflow_dag``: see :func:`airflow_dag`."""

    __slots__ = ()
    name = "airflow_dag"

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes that were given; the end is after the start."""
        found = super().check_attributes(values)
        if "start_date" in found and "end_date" in found:
            start, end = (parse_instant(found[key]) for key in ("start_date", "end_date"))
            if end <= start:
                self.refuse_value("end_date", found["end_date"], f"a time after start_date, {found['start_date']}")
        return found

    def _read_own_value(self, key: str, value: Any) -> Any:
        if key == "tags":
            return self._read_texts(key, value, 100)
        if key == "dagrun_timeout":
            return self.read_number({key: value}, key, above=True)
        if key == "default_args":
            return self._default_args(value)
        try:
            parse_instant(value)
        except (TypeError, ValueError):
            self.refuse_value(
                key, value, 'a time such as "2026-01-31" or "2026-01-31T06:00:00+01:00"; UTC without an offset'
            )
        return value

    def _default_args(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse_value("default_args", value, "a dict of what @airflow_task takes")
        try:
            return AirflowTaskDecorator(**value).attributes()
        except TypeError:
            self.refuse_value("default_args", value, "a dict of what @airflow_task takes")
        except UsageError as error:
            raise declaration_error(
                UsageError,
                f"In default_args of @airflow_dag: {error.headline}",
                seen=error.seen,
                wanted=error.wanted,
                help=error.help,
            ) from None


@declare_flow_decorator(AirflowDagDecorator)
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
) -> None:
    """Configure the DAG of a flow in Airflow. No effect on other targets.

    The attributes are those of Airflow's ``DAG``, as JSON data.

    Parameters
    ----------
    owner : str, optional
        Owner of all tasks.
    tags : str or list of str, optional
        The DAG's tags.
    start_date, end_date : str, optional
        ISO times, UTC without an offset.
    max_active_runs : int, optional
        >= 1.
    dagrun_timeout : float, optional
        Seconds, > 0; ``--workflow-timeout`` takes precedence.
    on_failure_callback, on_success_callback : str, dict or list, optional
        Callbacks of the run, in the form that :func:`airflow_task` takes.
    default_args : dict, optional
        Attributes of :func:`airflow_task`, for every step that doesn't have its own.
    """
