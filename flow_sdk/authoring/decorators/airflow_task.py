"""``@airflow_task``: how Airflow runs a step's task, and whom it alerts."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator
from flow_sdk.authoring.decorators.airflow_attributes import AirflowAttributes

if TYPE_CHECKING:
    from typing import Any

__all__ = ["AirflowTaskDecorator", "airflow_task"]

_WEIGHT_RULES = ("downstream", "upstream", "absolute")


class AirflowTaskDecorator(AirflowAttributes, StepDecorator):
    """``@airflow_task``: see :func:`airflow_task`."""

    __slots__ = ()
    name = "airflow_task"

    def _read_own_value(self, key: str, value: Any) -> Any:
        if key == "email":
            return self._read_texts(key, value, 320)
        if key == "weight_rule":
            if value not in _WEIGHT_RULES:
                self.refuse_value(key, value, ", ".join(_WEIGHT_RULES))
            return value
        if not isinstance(value, dict):
            self.refuse_value(key, value, "a dict")
        return self._read_json(key, value)


@declare_step_decorator(AirflowTaskDecorator)
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
) -> None:
    """Configure how Airflow runs a step's task and whom it alerts. No effect on other targets.

    The attributes are those of Airflow's operators, as JSON data.

    Parameters
    ----------
    owner, pool, queue, executor : str, optional
        Names in Airflow.
    pool_slots, max_active_tis_per_dag, max_active_tis_per_dagrun : int, optional
        Each >= 1.
    priority_weight : int, optional
        The task's weight in its pool.
    weight_rule : {"downstream", "upstream", "absolute"}, optional
        Which tasks' weights are added to it.
    executor_config : dict, optional
        JSON data for the executor.
    email : str or list of str, optional
        Addresses that get the alerts.
    email_on_failure, email_on_retry : bool, optional
        Whether they get one; True when left out.
    on_failure_callback, on_retry_callback, on_success_callback : str, dict or list, optional
        The dotted name of a function that takes the context, or ``{"callback": "package.module.Notifier",
        "kwargs": {...}}``, or a list of these.
    """
