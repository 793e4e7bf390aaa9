"""``step-functions create --dry-run``: what would be made or changed, beside what AWS has now. Writes nothing."""

import difflib
import json
import re
from dataclasses import dataclass
from typing import Any

from flow_sdk.deploy.port import DeploymentPreview
from flow_sdk.deploy.step_functions.account import AwsServices
from flow_sdk.deploy.step_functions.limits import limit_shares
from flow_sdk.deploy.step_functions.machine import StateMachine
from flow_sdk.deploy.step_functions.parts import DeploymentParts
from flow_sdk.deploy.step_functions.prepare import PreparedDeployment, StepFunctionsOptions, foreach_lines
from flow_sdk.deploy.tokens import Grant
from flow_sdk.errors import StoreError
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.blobs.blob import digest_of
from flow_sdk.store.port import ObjectStore

__all__ = ["Changes", "find_changes"]

_REQUEST = re.compile(r'"FLOW_SDK_REQUEST",\s*"Value":\s*"([0-9a-f]{64})"')

NOT_YET = "(of the new token)"
"""What stands for things that the token, which isn't made yet, is part of."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What ``create`` would do.

    Parameters
    ----------
    prepared : Prepared
        What would be deployed.
    location : str
        Account and region.
    token : str
        What becomes of the token.
    namespace : str
        Where the runs would be.
    machine : str
        What becomes of the state machine.
    difference : tuple of str
        How its definition differs from what is deployed, line by line; empty for a new one.
    code : str
        What of plan, code and tags differs from what is deployed.
    jobs : tuple of str
        Job definitions that would be registered.
    schedule : str
        What becomes of the schedule.
    alerts : str
        What becomes of the rule for alerts.
    limit_shares : list of (str, int, int)
        What is limited, what is used, and what is allowed.
    """

    prepared: PreparedDeployment
    location: str
    token: str
    namespace: str
    machine: str
    difference: tuple[str, ...]
    code: str
    jobs: tuple[str, ...]
    schedule: str
    alerts: str
    limit_shares: list[tuple[str, int, int]]

    def to_preview(self) -> DeploymentPreview:
        """Return it in the form in which every target's changes are shown."""
        count = len(self.prepared.jobs)
        new = f"{len(self.jobs)} would be registered" if self.jobs else "all are there"
        foreach = foreach_lines(self.prepared)
        rows = [
            ("token", self.token),
            ("runs", f"in {self.namespace}"),
            ("state machine", self.machine),
            ("plan and code", self.code),
            ("job definitions", f"{count}: {new}"),
            *(("", name) for name in self.jobs),
            *(("foreach" if not number else "", line) for number, line in enumerate(foreach)),
            ("schedule", self.schedule),
            ("alerts", self.alerts),
        ]
        return DeploymentPreview(
            name=self.prepared.name,
            location=self.location,
            rows=tuple(rows),
            limits=tuple(self.limit_shares),
            hints=self.prepared.ignored_settings,
            difference=self.difference,
        )


def find_changes(
    prepared: PreparedDeployment,
    store: ObjectStore | None,
    grant: Grant,
    options: StepFunctionsOptions,
    parts: DeploymentParts,
    services: AwsServices,
) -> Changes:
    """Find out what a deployment would do.

    Parameters
    ----------
    prepared : Prepared
        The deployment, worked out.
    store : ObjectStore or None
        The store, if there is one yet.
    grant : Grant
        The production token.
    options : StepFunctionsOptions
        What the user chose, with the namespace of the runs.
    parts : DeploymentParts
        What it consists of in AWS.
    services : AwsServices
        The AWS account.

    Raises
    ------
    AwsError
        If AWS can't be asked.
    StoreError
        If the store can't be read.
    """
    from flow_sdk.runtime.batch.register import find_missing_definitions

    change = parts.scheduler.needed_change(prepared.schedule, options.scheduler_role)
    is_new_token = grant.first or grant.renewed
    what, difference = _machine_change(parts, prepared, options)
    if is_new_token:
        request = digest_of((prepared.request.to_json(),)).hex()
        difference = tuple(line.replace(request, NOT_YET) for line in difference)
    namespace = options.namespace or "the namespace of the token alone"
    return Changes(
        prepared,
        str(services.account),
        _token_change(grant),
        namespace.replace(grant.token, NOT_YET) if is_new_token else namespace,
        what,
        difference,
        _code_change(store, parts.machine, prepared.request),
        tuple(job.name for job in find_missing_definitions(services.batch, prepared.jobs)),
        _part_change(prepared.schedule, change),
        _part_change(options.alert_topic, parts.alerts.needed_change(options.alert_topic)),
        limit_shares(prepared.plan, prepared.definition, prepared.distributed),
    )


def _part_change(wanted: object, change: str | None) -> str:
    """What becomes of a part of the deployment that it needn't have."""
    verb = {"create": "would be made", "update": "would be changed", "remove": "would be removed"}.get(change or "")
    what = "none" if wanted is None else str(wanted)
    return f"{what}: {verb}" if verb else what if wanted is None else f"{what}, as it is"


def _token_change(grant: Grant) -> str:
    if grant.first:
        return "the first deployment: a new one would be made"
    if grant.renewed:
        return "would be replaced by a new one, with an empty namespace"
    kept = f"of {grant.claim.owner_text}, since {grant.claim.created}"
    if grant.left is not None:
        return f"that of its project's branch, {kept}, in place of its own"
    return (
        f"{kept}; stays"
        if grant.adopted is None
        else f"{kept}, of {grant.adopted}; becomes that of its project's branch"
    )


def _machine_change(
    parts: DeploymentParts, prepared: PreparedDeployment, options: StepFunctionsOptions
) -> tuple[str, tuple[str, ...]]:
    machine = parts.machine
    newest = machine.describe_machine()
    if newest is None:
        return f"{machine.name}: would be made", ()
    live = machine.find_live()
    now = newest if live is None else machine.describe_machine(live) or newest
    lines = _diff_definitions(json.loads(now["definition"]), prepared.definition)
    if machine.is_different(newest, prepared.definition_text, parts.roles.machine, options.logging_configuration):
        what = "would get a new version" + ("" if live is None else f" in place of {live}")
        return f"{machine.name}: {what}{'' if lines else ', with another role or logging'}", lines
    versions = machine.list_versions()
    if live is not None and live == max(versions, default=None):
        return f"{machine.name}: stays at version {live}", ()
    return (
        f"{machine.name}: its newest version would become the live one{'' if live is None else f' in place of {live}'}",
        lines,
    )


def _code_change(store: ObjectStore | None, machine: StateMachine, new: TaskRequest) -> str:
    """What differs in the request, of which the definition shows only the hash."""
    found = None if machine.describe_machine() is None else machine.describe_machine(machine.find_live())
    digest = None if found is None else _REQUEST.search(found["definition"])
    if store is None or digest is None:
        return "would be uploaded"
    where = "the request of the deployed state machine"
    try:
        old = TaskRequest.from_json(Artifacts(store).get_bytes(digest.group(1), where=where))
    except StoreError:
        return "would be uploaded; what is deployed can't be read in this store"
    parts = {
        "plan": "the flow's plan",
        "package": "files of the code package",
        "tags": "tags",
        "namespace": "namespace",
    }
    differing = [words for name, words in parts.items() if getattr(old, name) != getattr(new, name)]
    return f"would change: {', '.join(differing)}" if differing else "as it is"


def _diff_definitions(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        difflib.unified_diff(_definition_lines(before), _definition_lines(after), "deployed", "new", n=2, lineterm="")
    )


def _definition_lines(definition: dict[str, Any]) -> list[str]:
    return json.dumps(definition, indent=2, ensure_ascii=False).splitlines()
