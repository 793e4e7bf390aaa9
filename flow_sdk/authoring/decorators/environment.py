"""``@environment``: environment variables for a step."""

from __future__ import annotations

import os
import sys

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.decorator import StepDecorator, declare_step_decorator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flow_sdk.authoring.step_extension import StepContext

__all__ = ["EnvironmentDecorator", "environment"]

TEMPORARY_FOLDERS = ("TMPDIR", "TEMP", "TMP")
"""Variables from which :mod:`tempfile` takes its folder."""


class EnvironmentDecorator(StepDecorator):
    """``@environment``: see :func:`environment`."""

    __slots__ = ()
    name = "environment"
    order = 100

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the variables as text, without those that are None."""
        variables = {} if values["vars"] is None else values["vars"]
        if not isinstance(variables, dict):
            self.refuse_value("vars", variables, "a dict of names to text, numbers, True, False or None")
        checked: dict[str, str] = {}
        for key, value in variables.items():
            if not isinstance(key, str) or not key or "=" in key or "\0" in key:
                self.refuse_value("vars", key, "names that are text without '='")
            if value is None:
                continue  # a variable that isn't set where the flow file is read: os.environ.get("NAME")
            if hasattr(value, "__fspath__"):
                value = value.__fspath__()
            if not isinstance(value, str | int | float) or "\0" in str(value):
                self.refuse_value(
                    "vars", {key: value}, "text, numbers, True, False or None", help=f"Write {key}={str(value)!r}."
                )
            checked[key] = str.__str__(value) if isinstance(value, str) else str(value)
        return {"vars": checked}

    def before_step(self, context: StepContext) -> None:
        """Set the variables in the task's process."""
        variables: dict[str, str] = self._values.get("vars") or {}
        os.environ.update(variables)
        temporary: Any = sys.modules.get("tempfile")
        if temporary is not None and not variables.keys().isdisjoint(TEMPORARY_FOLDERS):
            temporary.tempdir = None  # it was found before the step had these variables


@declare_step_decorator(EnvironmentDecorator)
def environment(*, vars: Mapping[str, Any] | None = None) -> None:
    """Set environment variables before the step runs.

    They are part of the plan, which is stored, and shown in a DAG file: they must not be secrets.

    Parameters
    ----------
    vars : dict of str to (str, int, float, bool, path or None)
        The variables. A number or boolean is set as its text (``3``, ``True``); a variable whose value is None isn't
        changed, so that ``os.environ.get("NAME")`` can be given.
    """
