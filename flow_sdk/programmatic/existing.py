"""Deployments that are found by their names: their commands are called with the stored plan in place of a flow file."""

from collections.abc import Collection

from flow_sdk.client.context import current_store
from flow_sdk.deploy.declaration import TargetDeclaration
from flow_sdk.deploy.registry import find_python_target, find_target, target_names
from flow_sdk.deploy.releases import deployed_names, newest_releases
from flow_sdk.errors import NotFound, UsageError
from flow_sdk.programmatic import plan_flow
from flow_sdk.programmatic.command import FlowFile
from flow_sdk.programmatic.target_commands import TargetCommands

__all__ = ["existing_deployment", "existing_names"]


def existing_deployment(name: str, metadata: str | None, impl: str | None) -> TargetCommands:
    """Find a deployment by its name.

    Parameters
    ----------
    name : str
        The deployed name.
    metadata : str or None
        The store, as :func:`flow_sdk.metadata` takes it; the client's when None.
    impl : str or None
        The kind of orchestrator; needed where there are several.

    Raises
    ------
    NotFound
        If nothing was ever deployed under that name from that store.
    UsageError
        If it has been deployed to several, or there is no such ``impl``.
    """
    from flow_sdk.client.context import store_url
    from flow_sdk.client.reader import open_existing_store
    from flow_sdk.plan.codec import from_json
    from flow_sdk.store.artifacts import Artifacts

    _check_impl(impl)
    root = current_store() if metadata is None else store_url(metadata)
    store = open_existing_store(root)
    releases = newest_releases(store, name)
    found = _chosen_targets(releases, impl)
    if not found:
        raise NotFound(
            f"{name} was never deployed{'' if impl is None else f' with {impl}'}.",
            where=store.url,
            help="Check the name, which is project.branch.Flow for a flow with @project, and the store.",
        )
    if len(found) > 1:
        raise UsageError(
            f"{name} is deployed to several orchestrators.",
            wanted=" or ".join(f'impl="{each.python_name}"' for each in found),
        )
    digest = releases[found[0].name].get("plan", "")
    plan = from_json(Artifacts(store).get_bytes(digest, where=f"plan of {name}"))
    flow_file = FlowFile(plan_flow.__file__, False, None, None, None, {"datastore_root": root})
    flow_file.program = ["-m", plan_flow.__name__, root, digest]
    commands = TargetCommands(flow_file, found[0], name)
    commands.identity = {"flow": plan.flow, "name": name, "store": root}
    return commands


def existing_names(metadata: str | None, impl: str | None) -> list[tuple[str, str]]:
    """What was ever deployed from a store: names, each with the kind of orchestrator, sorted.

    Parameters
    ----------
    metadata : str or None
        The store, as :func:`flow_sdk.metadata` takes it; the client's when None.
    impl : str or None
        The kind of orchestrator; None for all.

    Raises
    ------
    UsageError
        If there is no such ``impl``.
    """
    from flow_sdk.client.context import store_url
    from flow_sdk.client.reader import open_existing_store

    _check_impl(impl)
    store = open_existing_store(current_store() if metadata is None else store_url(metadata))
    return [
        (name, each.python_name)
        for name in deployed_names(store)
        for each in _chosen_targets(newest_releases(store, name), impl)
    ]


def _chosen_targets(releases: Collection[str], impl: str | None) -> list[TargetDeclaration]:
    """Return the targets that there are releases of; no other is loaded, as others may be broken."""
    found = [find_target(name) for name in target_names() if name in releases]
    return [each for each in found if each is not None and impl in (None, each.python_name)]


def _check_impl(impl: str | None) -> None:
    if impl is not None and find_python_target(impl) is None:
        known = " or ".join(name.replace("-", "_") for name in target_names())
        raise UsageError(f"There is no way to deploy called {impl!r}.", wanted=known)
