"""The deploy targets: those of Flow SDK, one line each, and those of other distributions, found by entry points.

A distribution offers a target with an entry point of the group ``flow_sdk.deploy_targets``: its name is the target's,
and its object a :class:`~flow_sdk.deploy.declaration.TargetDeclaration`. See docs/adding-a-deploy-target.md.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from flow_sdk.deploy.declaration import TargetDeclaration

__all__ = [
    "BUILT_IN",
    "ENTRY_POINTS",
    "built_in_targets",
    "find_python_target",
    "find_target",
    "offered_names",
    "target_names",
]

ENTRY_POINTS = "flow_sdk.deploy_targets"
"""The group of entry points that other distributions use."""

BUILT_IN = {
    "airflow": "flow_sdk.deploy.airflow.declaration:AIRFLOW",
    "step-functions": "flow_sdk.deploy.step_functions.declaration:STEP_FUNCTIONS",
}
"""By name, where each declaration is."""

_found: dict[str, TargetDeclaration] = {}


def built_in_targets() -> list[TargetDeclaration]:
    """Return the targets of Flow SDK, in the order of :data:`BUILT_IN`."""
    return [_load_built_in(name) for name in BUILT_IN]


def find_target(name: str) -> TargetDeclaration | None:
    """Return the target of a name; None if no package offers it.

    Parameters
    ----------
    name : str
        Such as ``step-functions``.

    Raises
    ------
    UsageError
        If a distribution offers it and it can't be loaded.
    """
    if name in BUILT_IN:
        return _load_built_in(name)
    return next((_load_offered(entry) for entry in _entry_points() if entry.name == name), None)


def offered_names() -> list[str]:
    """Return the names of the targets of other distributions, sorted, without loading any."""
    return [entry.name for entry in _entry_points()]


def target_names() -> list[str]:
    """Return the names of every target: those of Flow SDK first, then others sorted, without loading any."""
    return [*BUILT_IN, *offered_names()]


def find_python_target(python_name: str) -> TargetDeclaration | None:
    """Return the target of a name in Python, such as ``step_functions``; None if no package offers it.

    Raises
    ------
    UsageError
        If a distribution offers it and it can't be loaded. One that can't be loaded hides no other target.
    """
    from flow_sdk.errors import UsageError

    for name in target_names():
        try:
            target = find_target(name)
        except UsageError:
            if name.replace("-", "_") == python_name:
                raise
            continue
        if target is not None and target.python_name == python_name:
            return target
    return None


def _load_built_in(name: str) -> TargetDeclaration:
    if name not in _found:
        import sys

        module, _, attribute = BUILT_IN[name].partition(":")
        __import__(module)  # importlib would cost as much as the declarations
        _found[name] = getattr(sys.modules[module], attribute)
    return _found[name]


def _entry_points() -> list[EntryPoint]:
    """Return the entry points of other distributions, each name once; names of ours are never replaced."""
    from importlib.metadata import entry_points

    offered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS) if entry.name not in BUILT_IN}
    return [offered[name] for name in sorted(offered)]


def _load_offered(entry: EntryPoint) -> TargetDeclaration:
    from flow_sdk.deploy.declaration import TargetDeclaration
    from flow_sdk.errors import UsageError

    source = f"entry point {entry.name} = {entry.value} of the group {ENTRY_POINTS}"
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:  # a distribution's own code runs here
        raise UsageError(
            f"The deploy target {entry.name} can't be loaded.",
            seen=f"{type(error).__name__}: {error}",
            where=source,
            help="Update the package that offers it, or uninstall it.",
        ) from error
    if not isinstance(found, TargetDeclaration) or found.name != entry.name:
        raise UsageError(
            f"What is offered as the deploy target {entry.name} isn't one.",
            seen=_describe_object(found),
            wanted=f"a TargetDeclaration whose name is {entry.name}",
            where=source,
        )
    return found


def _describe_object(found: object) -> str:
    """Return what an object is, without calling what its class defines."""
    from flow_sdk.deploy.declaration import TargetDeclaration

    if isinstance(found, TargetDeclaration):
        return f"a TargetDeclaration whose name is {found.name}"
    return f"an object of the class {type(found).__qualname__}"
