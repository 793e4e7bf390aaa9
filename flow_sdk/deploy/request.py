"""One command of a deploy target, as its implementation sees it."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from flow_sdk.deploy.declaration import TargetDeclaration

__all__ = ["TargetRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRequest:
    """One command of a target, as it was called.

    Parameters
    ----------
    command : str
        Its name, such as ``airflow create``.
    target : TargetDeclaration
        The target.
    name : str
        The deployed name.
    flow : str
        The flow's name.
    flow_class : type
        The flow.
    store : str
        URL of the store.
    options : mapping of str to Any
        Values of all options by name, defaults included.
    given : set of str
        Names of the options that were given.
    arguments : tuple of str
        The positional arguments.
    program : str
        How the flow file is called with the same store, to be pasted into a shell.
    naming : str
        The options that name the deployment, beginning with a space; empty where none is needed.
    message : callable
        Shows text to the user that isn't a result, unless ``--quiet`` is given.
    warn : callable
        Shows text to the user even then.
    in_notebook : bool
        Whether the flow is written in a notebook, where no command line can be pasted.
    """

    command: str
    target: TargetDeclaration
    name: str
    flow: str
    flow_class: Any
    store: str
    options: Mapping[str, Any]
    given: AbstractSet[str] = frozenset()
    arguments: tuple[str, ...] = ()
    program: str = "python flow.py"
    naming: str = ""
    message: Callable[[str], None] = print
    warn: Callable[[str], None] = print
    in_notebook: bool = False

    def __getitem__(self, option: str) -> Any:
        """The value of an option; None for one that the command doesn't have."""
        return self.options.get(option)
