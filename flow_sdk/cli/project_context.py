"""The project and branch that a command works in."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.environment import BRANCHING
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.authoring.project import ProjectBranch
    from flow_sdk.cli.command_line import CommandLine

__all__ = ["ProjectContext"]


class ProjectContext:
    """The flow's ``@project``, and the branch that the command line chooses.

    Parameters
    ----------
    flow_class : type
        The flow.
    line : CommandLine
        The command line.
    """

    def __init__(self, flow_class: Any, line: CommandLine) -> None:
        self._flow_class = flow_class
        self._line = line

    def find_project(self) -> ProjectBranch | None:
        """Return the flow's project and branch; None without ``@project``.

        Raises
        ------
        UsageError
            If the options contradict each other or the decorator.
        """
        branch, production = self.choose_branch()
        declared = _declared_project(self._flow_class)
        if declared is None:
            return None
        from flow_sdk import config
        from flow_sdk.authoring.project import ProjectBranch, full_branch

        if declared["name"] is None:
            raise UsageError("@project has no name.", seen="name=None", help="Set the variable that it comes from.")
        user = "" if branch or production else config.user_name()
        return ProjectBranch(declared["name"], full_branch(branch, production, user))

    def choose_branch(self) -> tuple[str | None, bool]:
        """Return the branch that is chosen, and whether it is the production branch.

        Raises
        ------
        UsageError
            If the options contradict each other or the decorator.
        """
        given = self._line.given
        declared = _declared_project(self._flow_class)
        if declared is None and not given.intersection(BRANCHING):
            return None, False
        if declared is not None:
            self._line.add_environment(BRANCHING)
        from flow_sdk.authoring.project import choose_branch

        branch, production = (self._line[name] if name in given else None for name in BRANCHING)
        return choose_branch(declared, branch, production, self._line.sources)


def _declared_project(flow_class: Any) -> dict[str, Any] | None:
    """Return the attributes of the flow's ``@project``; None if it has none."""
    from flow_sdk.authoring.declarations import flow_decorators

    return next((d.attributes() for d in flow_decorators(flow_class) if type(d).name == "project"), None)
