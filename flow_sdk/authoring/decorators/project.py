"""``@project``: separate deployments of one flow for each user, branch and production."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.declaration_errors import declaration_error
from flow_sdk.authoring.decorator import FlowDecorator, declare_flow_decorator
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["ProjectDecorator", "project"]


class ProjectDecorator(FlowDecorator):
    """``@project``: see :func:`project`."""

    __slots__ = ()
    name = "project"

    def check_attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return names of the characters allowed, and a boolean or None."""
        from flow_sdk.authoring.project import is_name

        for key in ("name", "branch"):
            if values[key] is not None and not is_name(values[key]):
                self.refuse_value(key, values[key], _allowed_name())
        if not (values["production"] is None or isinstance(values["production"], bool)):
            self.refuse_value("production", values["production"], "True or False")
        return values

    def refuse_missing(self, attribute: str) -> NoReturn:
        """Raise the error for a project without a name."""
        raise declaration_error(
            UsageError, "@project needs a name.", wanted=_allowed_name(), help='@project(name="forecast")'
        )


def _allowed_name() -> str:
    from flow_sdk.authoring.project import LONGEST_NAME

    return f"1 to {LONGEST_NAME} of the characters a-z 0-9 _"


@declare_flow_decorator(ProjectDecorator)
def project(*, name: str | None, branch: str | None = None, production: bool | None = None) -> None:
    """Put a flow into a project: deployments of different users, branches and production don't collide.

    Parameters
    ----------
    name : str
        The project: 1 to 128 characters ``[a-z0-9_]``.
    branch : str, optional
        The value of ``--branch``, of the same characters.
    production : bool, optional
        The value of ``--production``.
    """
