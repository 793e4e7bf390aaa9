"""``current``: what a step can ask about the task it runs in."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Provider = Callable[[str, str], Any]
    """Gives the client's object of a kind ("flow", "run", "task") with a pathspec."""

__all__ = ["FIELDS", "Current", "current"]

FIELDS = (
    "flow_name",
    "run_id",
    "step_name",
    "task_id",
    "retry_count",
    "origin_run_id",
    "pathspec",
    "namespace",
    "username",
    "parameter_names",
    "tags",
    "tempdir",
    "graph",
    "is_running_flow",
    "spot_termination_notice",
)
"""What the runner sets. Outside a task each is None, and ``is_running_flow`` False."""

_CLIENT = {"flow": 1, "run": 2, "task": 4}
"""Client objects by how many components their pathspec has."""

_NEEDS = {
    "project_name": "@project",
    "branch_name": "@project",
    "is_user_branch": "@project",
    "is_production": "@project",
    "project_flow_name": "@project",
    "parallel": "@parallel",
    "card": "@card",
    "trigger": "@trigger or @trigger_on_finish",
}

_ABSENT = ("checkpoint", "huggingface_hub", "model")
"""What decorators of this name set that have no effect in this release."""


class Current:
    """What is known about the running task; one object, :data:`current`, per process."""

    if TYPE_CHECKING:
        flow_name: str | None
        run_id: str | None
        step_name: str | None
        task_id: str | None
        retry_count: int | None
        origin_run_id: str | None
        pathspec: str | None
        namespace: str | None
        username: str | None
        parameter_names: list[str] | None
        tags: set[str] | None
        tempdir: str | None
        graph: dict[str, Any] | None
        is_running_flow: bool
        spot_termination_notice: str | None
        project_name: str
        branch_name: str
        is_user_branch: bool
        is_production: bool
        project_flow_name: str

    __slots__ = ("_client", "_fields", "_lazy") if not TYPE_CHECKING else ()

    def __init__(self) -> None:
        self._clear_task()

    def _set_task(
        self, *, client: Provider | None = None, lazy: dict[str, Callable[[], Any]] | None = None, **fields: Any
    ) -> None:
        """Say what is running now; replaces all that was set before.

        Parameters
        ----------
        client : callable, optional
            Gives the client's object for ("flow" | "run" | "task", pathspec); asked when a step uses one.
        lazy : dict of str to callable, optional
            What gives the values of further names, when a step first asks for one.
        **fields
            Values for names in :data:`FIELDS`, ``is_running_flow`` being True unless given.
        """
        unknown = {*fields, *(lazy or ())}.difference(FIELDS, _NEEDS)
        if unknown:
            raise ValueError(f"current has no {', '.join(sorted(unknown))}")
        self._fields: dict[str, Any] = {"is_running_flow": True, **fields}
        self._client, self._lazy = client, dict(lazy or {})

    def _add_name(self, name: str, value: Any) -> None:
        """Set one more name for the running task; for extensions of a step.

        Raises
        ------
        ValueError
            If the name isn't an identifier, or ``current`` has it in every task.
        """
        if not name.isidentifier() or name.startswith("_") or name in FIELDS or hasattr(type(self), name):
            raise ValueError(f"current.{name} can't be set by a decorator")
        self._lazy.pop(name, None)
        self._fields[name] = value

    def _clear_task(self) -> None:
        """Forget everything: no task is running."""
        self._set_task(is_running_flow=False)

    def __reduce__(self) -> str:
        return "current"  # in another process, what runs there

    def __setstate__(self, state: object) -> None:
        """Ignore the state in pickles of earlier releases."""
        self._clear_task()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the fact ``key``, or ``default`` when there is none or it is None."""
        value = getattr(self, key, None)
        return default if value is None else value

    def __contains__(self, key: str) -> bool:
        return getattr(self, key, None) is not None

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *FIELDS, *_CLIENT, *self._fields})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._fields:
            value = self._fields[name]
            return set(value) if isinstance(value, frozenset) else value  # a set of the step's own, which it may change
        if name in self._lazy:
            self._fields[name] = self._lazy.pop(name)()
            return self._fields[name]
        if name in FIELDS:
            return None
        if name in _CLIENT:
            return self._client_object(name)
        if name in _NEEDS:
            raise AttributeError(f"current.{name} is set in flows with {_NEEDS[name]} only; this isn't one.")
        if name in _ABSENT:
            raise AttributeError(f"current.{name} needs @{name}, which has no effect in this release of Flow SDK.")
        from flow_sdk.text import suggest_name

        raise AttributeError(f"current has no {name!r}. {suggest_name(name, (*FIELDS, *_CLIENT))}")

    def _client_object(self, kind: str) -> Any:
        pathspec = self._fields.get("pathspec")
        if self._client is None or not pathspec:
            return None
        return self._client(kind, "/".join(pathspec.split("/")[: _CLIENT[kind]]))


current = Current()
