"""The kinds of decorators as data: a name, JSON attributes, and what values these can have."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.airflow import AirflowDag, AirflowTask
from flow_sdk.authoring.batch import Batch
from flow_sdk.authoring.declaration_errors import refused
from flow_sdk.authoring.decorator import Decorator, made
from flow_sdk.authoring.secrets import Secrets
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "DECORATORS",
    "AirflowDag",
    "AirflowTask",
    "Batch",
    "Catch",
    "Environment",
    "Project",
    "Resources",
    "Retry",
    "Schedule",
    "Secrets",
    "Timeout",
]


class Retry(Decorator):
    """``@retry``: see :func:`flow_sdk.authoring.decorators.retry`."""

    __slots__ = ()
    name = "retry"
    defaults: Mapping[str, Any] = {"times": 3, "minutes_between_retries": 2}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "times": self.number(values, "times", whole=True),
            "minutes_between_retries": self.number(values, "minutes_between_retries"),
        }


class Catch(Decorator):
    """``@catch``: see :func:`flow_sdk.authoring.decorators.catch`."""

    __slots__ = ()
    name = "catch"
    defaults: Mapping[str, Any] = {"var": None, "print_exception": True}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        var, printed = values["var"], values["print_exception"]
        if var is not None and not (isinstance(var, str) and var.isidentifier()):
            self.bad("var", var, "the name of an artifact, such as 'failure', or None")
        if not isinstance(printed, bool):
            self.bad("print_exception", printed, "True or False")
        return {"var": var, "print_exception": printed}


class Timeout(Decorator):
    """``@timeout``: see :func:`flow_sdk.authoring.decorators.timeout`. In the plan: the sum, ``seconds``."""

    __slots__ = ()
    name = "timeout"
    defaults: Mapping[str, Any] = {"seconds": 0, "minutes": 0, "hours": 0}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        seconds, minutes, hours = (self.number(values, key) for key in self.defaults)
        total = seconds + 60 * minutes + 3600 * hours
        if total <= 0 and self._unset:
            return {"seconds": None}  # refused by the check FS502, not while the flow file is imported
        if total <= 0:
            raise refused(
                UsageError,
                "@timeout needs a time.",
                wanted="seconds, minutes or hours > 0; the sum counts",
                help="@timeout(minutes=10)",
            )
        return {"seconds": total}


class Environment(Decorator):
    """``@environment``: see :func:`flow_sdk.authoring.decorators.environment`."""

    __slots__ = ()
    name = "environment"
    defaults: Mapping[str, Any] = {"vars": {}}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        variables = values["vars"]
        if not isinstance(variables, dict):
            self.bad("vars", variables, "a dict of names to text, numbers, True, False or None")
        checked: dict[str, str] = {}
        for key, value in variables.items():
            if not isinstance(key, str) or not key or "=" in key or "\0" in key:
                self.bad("vars", key, "names that are text without '='")
            if value is None:
                continue  # a variable that isn't set where the flow file is read: os.environ.get("NAME")
            if hasattr(value, "__fspath__"):
                value = value.__fspath__()
            if not isinstance(value, str | int | float) or "\0" in str(value):
                self.bad(
                    "vars", {key: value}, "text, numbers, True, False or None", help=f"Write {key}={str(value)!r}."
                )
            checked[key] = str.__str__(value) if isinstance(value, str) else str(value)
        return {"vars": checked}


class Resources(Decorator):
    """``@resources``: see :func:`flow_sdk.authoring.decorators.resources`."""

    __slots__ = ()
    name = "resources"
    defaults: Mapping[str, Any] = {"cpu": 1, "gpu": None, "memory": 4096, "disk": None, "shared_memory": None}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        checked: dict[str, Any] = {}
        for key in self.defaults:
            if values[key] is None and self.defaults[key] is None:
                checked[key] = None
            else:
                checked[key] = self.number(values, key, whole=key != "cpu", above=key in ("cpu", "memory", "disk"))
        return checked


class Schedule(Decorator):
    """``@schedule``: see :func:`flow_sdk.authoring.decorators.schedule`."""

    __slots__ = ()
    name = "schedule"
    on_step = False
    defaults: Mapping[str, Any] = {"hourly": False, "daily": None, "weekly": False, "cron": None, "timezone": None}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        from flow_sdk.cron.parse import DAILY, HOURLY, WEEKLY, parse

        presets = {"hourly": HOURLY, "daily": DAILY, "weekly": WEEKLY}
        for key in presets:
            if values[key] not in (True, False, None):
                self.bad(key, values[key], "True or False")
        given = [key for key in (*presets, "cron") if values[key]]
        if len(given) > 1:
            raise refused(
                UsageError,
                "@schedule says more than one time.",
                seen=", ".join(given),
                wanted="one of hourly, daily, weekly, cron",
            )
        if not given and values["daily"] is False:
            raise refused(UsageError, "@schedule says no time.", wanted="one of hourly, daily, weekly, cron")
        chosen = given[0] if given else "daily"  # a bare @schedule is daily
        expression, timezone = presets.get(chosen, values["cron"]), values["timezone"]
        try:
            parse(expression, timezone)
        except UsageError as error:
            raise refused(type(error), error.headline, seen=error.seen, wanted=error.wanted, help=error.help) from None
        return {"cron": " ".join(expression.split()), "timezone": timezone}

    def __reduce__(self) -> tuple[Any, ...]:
        return (made, (type(self), {"cron": self.cron, "timezone": self.timezone}))


class Project(Decorator):
    """``@project``: see :func:`flow_sdk.authoring.decorators.project`."""

    __slots__ = ()
    name = "project"
    on_step = False
    defaults: Mapping[str, Any] = {"name": None, "branch": None, "production": None}

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        from flow_sdk.authoring.project import LONGEST_NAME, is_name

        wanted = f"1 to {LONGEST_NAME} of the characters a-z 0-9 _"
        if values["name"] is None and "name" not in self._unset:
            raise refused(UsageError, "@project needs a name.", wanted=wanted, help='@project(name="forecast")')
        for key in ("name", "branch"):
            if values[key] is not None and not is_name(values[key]):
                self.bad(key, values[key], wanted)
        if not (values["production"] is None or isinstance(values["production"], bool)):
            self.bad("production", values["production"], "True or False")
        return values


DECORATORS: dict[str, type[Decorator]] = {
    kind.name: kind
    for kind in (
        *(Retry, Catch, Timeout, Environment, Secrets, Resources, Batch, AirflowTask),
        *(Schedule, Project, AirflowDag),
    )
}
"""All decorators of this release by name."""
