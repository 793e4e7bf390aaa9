"""The one protocol by which flows are deployed and deleted, whatever the target.

``create`` checks, authorises, claims, uploads, confirms, publishes and confirms again:

======================  ============================================================================================
check                   whatever can be refused is refused before anything is written
authorise               the user holds the production token, and what is replaced is of this deployment
claim                   the claim is written to the store, then to the orchestrator
upload                  plan, package and what else the target needs; then the record that keeps them from the collector
confirm                 the claim still counts
publish                 the target writes the definition
confirm                 the claim still counted; earlier claims of the name are retired
complete                schedule, alerts and the like
======================  ============================================================================================

Killed at any moment, it can be called again: each write is create-only, or writes the same again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from flow_sdk.deploy.port import (
    CreatedDeployment,
    DeploymentDraft,
    DeploymentPreview,
    DeploymentSource,
    Removal,
    RemovedPart,
    RunT,
)
from flow_sdk.deploy.releases import record_release
from flow_sdk.deploy.tokens import DeployAuthorizer, Grant, existing_store

__all__ = ["DeletedDeployment", "create_deployment", "delete_deployment", "preview_deployment"]


def create_deployment(
    draft: DeploymentDraft, source: DeploymentSource, gate: DeployAuthorizer | None
) -> CreatedDeployment:
    """Deploy a flow.

    Parameters
    ----------
    draft : DeploymentDraft
        The target's part.
    source : DeploymentSource
        What is deployed.
    gate : DeployAuthorizer or None
        Asks for the production token and gives the runs' namespace; without it every user may deploy.

    Raises
    ------
    DeployError, UsageError
        If the target couldn't run the flow, or the token isn't right. Nothing is written then.
    StoreError
        If the store can't be used.
    """
    from flow_sdk.store.artifacts import Artifacts
    from flow_sdk.store.open_store import open_store

    draft.check_source(source)
    before = existing_store(source.store)
    if gate is not None:
        gate.check_token(before)
    draft.check_origin(source, before, gate)
    artifacts = Artifacts(open_store(source.store))
    source = replace(source, store=artifacts.store.url)
    if gate is not None:
        _apply_grant(draft, gate.claim_name(artifacts.store))
    blobs = draft.collect_blobs(source)
    stored = {what: None if blob is None else artifacts.put_bytes(blob) for what, blob in blobs.items()}
    record_release(artifacts.store, draft.target, draft.name, stored)
    draft.register_resources()
    if gate is not None:
        gate.confirm_claim(artifacts.store)
    draft.publish_definition(source, stored)
    if gate is not None:
        gate.confirm_claim(artifacts.store, deployed=True)
    return draft.complete_deployment()


def preview_deployment(draft: DeploymentDraft, source: DeploymentSource, gate: DeployAuthorizer) -> DeploymentPreview:
    """Find out what :func:`create_deployment` with the same arguments would do. Writes nothing.

    Raises
    ------
    DeployError, UsageError
        If it would be refused.
    StoreError
        If the store can't be read.
    """
    draft.check_source(source)
    store = existing_store(source.store)
    grant = gate.check_token(store)
    draft.check_origin(source, store, gate)
    _apply_grant(draft, grant)
    return draft.preview_changes(source, store, grant)


def _apply_grant(draft: DeploymentDraft, grant: Grant) -> None:
    """Put the runs into the namespace of the token, or tag them with it."""
    draft.grant = grant
    namespace, tags = grant.runs_in(draft.options.namespace, draft.options.tags)
    draft.options = replace(draft.options, namespace=namespace, tags=tags)


@dataclass(frozen=True, slots=True)
class DeletedDeployment:
    """What ``delete`` found and removed.

    Parameters
    ----------
    parts : tuple of RemovedPart
        Each part that a deployment can have, in the order of their removal.
    stopped : int
        How many runs were stopped.
    """

    parts: tuple[RemovedPart, ...]
    stopped: int

    @property
    def removed_parts(self) -> list[str]:
        """Names of the parts that were there."""
        return [part.name for part in self.parts if part.is_removed]


def delete_deployment(removal: Removal[RunT], on_stop: Callable[[RunT], None]) -> DeletedDeployment:
    """Delete what ``create`` has made in an orchestrator. Killed at any moment, it can be called again.

    Parameters
    ----------
    removal : Removal
        The target's part. Its token has been asked for.
    on_stop : callable
        Called with each run that is about to be stopped.

    Raises
    ------
    DeployError, AwsError
        If the orchestrator refuses.
    """
    parts = removal.stop_starts()
    stopped = 0
    # Without its definition a run that is still running would fail with errors that don't name the cause.
    for run in list(removal.running_runs()):
        on_stop(run)
        removal.stop_run(run)
        stopped += 1
    parts += removal.remove_definition()
    had_claim = removal.token_registry is not None and removal.token_registry.remove_claim(removal.name)
    return DeletedDeployment((*parts, RemovedPart(removal.claim_title, had_claim)), stopped)
