"""A complete deploy target whose orchestrator is a dictionary: for tests, and to be read by those who write a target.

It is made from the port alone: nothing in Flow SDK knows it. A distribution offers it as every target is offered, with
the entry point ``fake = "flow_sdk.testing.fake_target:FAKE"`` of the group ``flow_sdk.deploy_targets``.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flow_sdk.deploy.claims import Claim, TokenRegistry
from flow_sdk.deploy.doctor import NOT_SET, OK, Check
from flow_sdk.deploy.plan_checks import refuse_inline_secrets, refuse_required_parameters
from flow_sdk.deploy.port import (
    CommandOutcome,
    CreatedDeployment,
    DeployedRun,
    DeployedRuns,
    DeploymentDraft,
    DeploymentOptions,
    DeploymentPreview,
    DeploymentSource,
    DeploymentStatus,
    DeployTarget,
    Removal,
    RemovedPart,
    RunDetails,
    RunIdRule,
    RunStatus,
    TargetCommand,
    TargetDeclaration,
    TargetRequest,
)
from flow_sdk.deploy.run_ids import existing_run_error
from flow_sdk.deploy.tokens import Grant
from flow_sdk.errors import DeployError
from flow_sdk.options import Option
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.port import ObjectStore

__all__ = ["FAKE", "FILE_VARIABLE", "FakeOrchestrator", "FakeTarget"]

FILE_VARIABLE = "FLOW_SDK_FAKE_ORCHESTRATOR"
"""The environment variable that names the file of an orchestrator that several processes share."""

FAKE = TargetDeclaration(
    "fake",
    "the fake orchestrator",
    "flow_sdk.testing.fake_target:FakeTarget",
    result_name="address",
    create_options=[Option("max-workers", "Most tasks of a run at a time.", default=100, least=1)],
    statuses=[
        RunStatus("RUNNING", "are running"),
        RunStatus("SUCCEEDED", "have succeeded"),
        RunStatus("FAILED", "have failed"),
        RunStatus("ABORTED", "were stopped"),
    ],
    render_help="Print the definition and do nothing else.",
    preview_help="Show what would be made or changed.",
    commands=[TargetCommand("pause", "Let no further run start.", needs_token=True)],
    column="NUMBER",
    explains_unbegun_runs=True,
)

FAKE_RUN_IDS = RunIdRule("the fake orchestrator", "fake-", "A-Za-z0-9_-", 40)


class FakeOrchestrator:
    """Definitions, runs and claims by name; kept in a file where one is given.

    Parameters
    ----------
    path : str, optional
        The file. Without one all is kept in memory.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = path
        self._data: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        """What has changed it, in order."""

    def read_objects(self, kind: str) -> dict[str, Any]:
        """Return all objects of a kind by name."""
        if self._path is not None and os.path.exists(self._path):
            with open(self._path, encoding="utf-8") as file:
                self._data = json.load(file)
        return self._data.setdefault(kind, {})

    def write_object(self, kind: str, name: str, value: Any, call: str) -> None:
        """Write an object; None removes it."""
        objects = self.read_objects(kind)
        self.calls.append(call)
        if value is None:
            objects.pop(name, None)
        else:
            objects[name] = value
        if self._path is not None:
            with open(f"{self._path}~", "w", encoding="utf-8") as file:
                json.dump(self._data, file)
            os.replace(f"{self._path}~", self._path)

    def end_run(self, run: str, status: str, cause: str | None = None) -> None:
        """End a run, as if its tasks had."""
        now = datetime.now(UTC).isoformat()
        self.write_object(
            "runs", run, {**self.read_objects("runs")[run], "status": status, "stopped": now, "cause": cause}, "end run"
        )


SHARED = FakeOrchestrator()
"""The orchestrator of this process, where no file is named."""


def find_orchestrator() -> FakeOrchestrator:
    """Return the orchestrator that commands of this process reach."""
    path = os.environ.get(FILE_VARIABLE)
    return FakeOrchestrator(path) if path else SHARED


class FakeClaims:
    """Claims on deployed names in the orchestrator.

    Parameters
    ----------
    orchestrator : FakeOrchestrator
        The orchestrator.
    """

    location = "the fake orchestrator"

    def __init__(self, orchestrator: FakeOrchestrator) -> None:
        self._orchestrator = orchestrator
        self._seen: dict[str, str | None] = {}

    def read_claim(self, name: str) -> Claim | None:
        """Return the claim on a name; None when there is none."""
        text = self._seen[name] = self._orchestrator.read_objects("claims").get(name)
        return None if text is None else Claim.from_json(text, self.location)

    def write_claim(self, claim: Claim) -> None:
        """Write a claim in place of the one that was read last."""
        if claim.name not in self._seen:
            self.read_claim(claim.name)
        if self._orchestrator.read_objects("claims").get(claim.name) not in (self._seen[claim.name], claim.to_json()):
            raise DeployError(f"{claim.name} was claimed at the same moment, from another store.", where=self.location)
        self._seen[claim.name] = claim.to_json()
        self._orchestrator.write_object("claims", claim.name, claim.to_json(), "write claim")

    def remove_claim(self, name: str) -> bool:
        """Remove the claim on a name; return whether there was one."""
        found = name in self._orchestrator.read_objects("claims")
        if found:
            self._orchestrator.write_object("claims", name, None, "remove claim")
        return found


class FakeDraft(DeploymentDraft):
    """A definition that isn't written yet.

    Parameters
    ----------
    name : str
        The deployed name.
    options : DeploymentOptions
        What the user chose.
    most_workers : int
        Most tasks of a run at a time.
    orchestrator : FakeOrchestrator
        The orchestrator.
    """

    target = FAKE.name

    def __init__(
        self, name: str, options: DeploymentOptions, most_workers: int, orchestrator: FakeOrchestrator
    ) -> None:
        self.name, self.options = name, options
        self.token_registry: TokenRegistry | None = FakeClaims(orchestrator)
        self._most_workers, self._orchestrator = most_workers, orchestrator
        self._is_changed = False

    def check_source(self, source: DeploymentSource) -> None:
        """Refuse what no target deploys, and names that are too long here."""
        refuse_inline_secrets(source.plan)
        refuse_required_parameters(source.plan)
        if len(self.name) > 100:
            raise DeployError(
                "The deployed name is too long.", seen=f"{len(self.name)} characters", wanted="at most 100"
            )

    def collect_blobs(self, source: DeploymentSource) -> dict[str, bytes | None]:
        """Return plan and package."""
        return {"plan": to_json(source.plan), "package": source.package}

    def publish_definition(self, source: DeploymentSource, stored: Mapping[str, str | None]) -> None:
        """Write the definition."""
        made = {**self._make_definition(source), "plan": stored["plan"], "package": stored["package"]}
        found = self._orchestrator.read_objects("definitions").get(self.name)
        self._is_changed = found is None or {**found, "is_paused": False} != {**made, "is_paused": False}
        if self._is_changed:
            self._orchestrator.write_object("definitions", self.name, {**made, "is_paused": False}, "write definition")

    def complete_deployment(self) -> CreatedDeployment:
        """Return what was made."""
        namespace = self.options.namespace or ("" if self.grant is None else self.grant.namespace)
        state = "written" if self._is_changed else "up to date"
        return CreatedDeployment(
            name=self.name,
            result=f"fake://{self.name}",
            namespace=namespace,
            is_changed=self._is_changed,
            summary=(f"{self.name} is {state}; runs are in {namespace}.",),
            details={"address": f"fake://{self.name}"},
        )

    def render_definition(self, source: DeploymentSource) -> str:
        """Return the definition as JSON."""
        return json.dumps(self._make_definition(source), indent=2, sort_keys=True)

    def preview_changes(self, source: DeploymentSource, store: ObjectStore | None, grant: Grant) -> DeploymentPreview:
        """Compare with the definition that is there."""
        found = self._orchestrator.read_objects("definitions").get(self.name)
        state = "would be made" if found is None else "would be changed or stay as it is"
        rows = (("definition", f"{self.name}: {state}"),)
        return DeploymentPreview(name=self.name, location="the fake orchestrator", rows=rows)

    def _make_definition(self, source: DeploymentSource) -> dict[str, Any]:
        return {
            "flow": source.plan.flow,
            "store": source.store,
            "steps": [step.name for step in source.plan.steps],
            "max_workers": self._most_workers,
            "namespace": self.options.namespace,
            "tags": list(self.options.tags),
        }


class FakeRuns(DeployedRuns[DeployedRun]):
    """The runs of one definition.

    Parameters
    ----------
    name : str
        The deployed name.
    orchestrator : FakeOrchestrator
        The orchestrator.
    """

    def __init__(self, name: str, orchestrator: FakeOrchestrator) -> None:
        self.name, self.token_registry = name, FakeClaims(orchestrator)
        self._orchestrator = orchestrator

    def check_deployed(self, request: TargetRequest) -> None:
        """Check that there is a definition."""
        if self.name not in self._orchestrator.read_objects("definitions"):
            raise DeployError(
                f"{self.name} isn't deployed to the fake orchestrator.", help=f"{request.program} fake create"
            )

    def start_run(self, parameters: dict[str, Any], run_id: str | None = None) -> DeployedRun:
        """Start a run."""
        runs = self._orchestrator.read_objects("runs")
        if self._orchestrator.read_objects("definitions")[self.name]["is_paused"]:
            raise DeployError(f"{self.name} is paused. No run was started.")
        name = run_id or f"run-{len(runs)}"
        if name in runs:
            raise existing_run_error(FAKE_RUN_IDS.prefix + name, FAKE_RUN_IDS.target, "fake://")
        started = datetime.now(UTC).isoformat()
        data = {"of": self.name, "status": "RUNNING", "started": started, "parameters": parameters, "number": len(runs)}
        self._orchestrator.write_object("runs", name, data, "start run")
        return _read_run(name, data)

    def list_runs(self, statuses: Iterable[str] = ()) -> Iterator[DeployedRun]:
        """Return runs, newest first."""
        chosen = set(statuses)
        found = [
            (name, data) for name, data in self._orchestrator.read_objects("runs").items() if data["of"] == self.name
        ]
        for name, data in sorted(found, key=lambda each: each[1]["number"], reverse=True):
            if not chosen or data["status"] in chosen:
                yield _read_run(name, data)

    def find_run(self, run: str) -> DeployedRun:
        """Return a run by either of its ids."""
        name = run.removeprefix(FAKE_RUN_IDS.prefix)
        data = self._orchestrator.read_objects("runs").get(name)
        if data is None or data["of"] != self.name:
            raise DeployError(f"{self.name} has no run {run}.", help="fake list-runs shows those there are.")
        return _read_run(name, data)

    def stop_run(self, run: DeployedRun) -> None:
        """Stop a run."""
        if not run.is_running:
            raise DeployError(f"The run {run.run} isn't running.", seen=run.status)
        self._orchestrator.end_run(run.name, "ABORTED")

    def start_message(self, request: TargetRequest, run: DeployedRun) -> tuple[str, ...]:
        """Return how to watch the run."""
        return (f"{self.name} has started. To watch it:\n  {request.program}{request.naming} fake status {run.run}",)

    def stop_message(self, run: DeployedRun) -> str:
        """Return what becomes of the run."""
        return f"The run {run.run} is stopped."

    def describe_deployment(self, request: TargetRequest) -> DeploymentStatus:
        """Return the definition's state."""
        definition = self._orchestrator.read_objects("definitions")[self.name]
        state = "paused" if definition["is_paused"] else "active"
        return DeploymentStatus(rows=(("Definition", f"{self.name} ({state})"),), details={"state": state})

    def describe_run(self, request: TargetRequest, run: DeployedRun) -> RunDetails:
        """Return parameters and cause of a run."""
        rows = [("Parameters", json.dumps(run.response["parameters"]))]
        cause = run.response.get("cause")
        if cause:
            rows.append(("Cause", cause))
        details = {"parameters": run.response["parameters"], "cause": cause}
        return RunDetails(rows=tuple(rows), log_lines=(cause,) if cause else (), details=details)

    def failure_cause(self, run: DeployedRun) -> str | None:
        """Return why a run failed."""
        found = run.response.get("cause")
        return None if found is None else str(found)


def _read_run(name: str, data: dict[str, Any]) -> DeployedRun:
    stopped = data.get("stopped")
    return DeployedRun(
        name=name,
        run=FAKE_RUN_IDS.prefix + name,
        status=data["status"],
        started=datetime.fromisoformat(data["started"]),
        stopped=None if stopped is None else datetime.fromisoformat(stopped),
        is_running=data["status"] == "RUNNING",
        column=data["number"],
        response=data,
    )


class FakeRemoval(Removal[DeployedRun]):
    """The removal of a definition.

    Parameters
    ----------
    request : TargetRequest
        The command.
    orchestrator : FakeOrchestrator
        The orchestrator.
    """

    location = "the fake orchestrator"
    claim_title = "the claim on its name in the fake orchestrator"

    def __init__(self, request: TargetRequest, orchestrator: FakeOrchestrator) -> None:
        self.name, self.result = request.name, f"fake://{request.name}"
        self.token_registry = FakeClaims(orchestrator)
        self._orchestrator, self._store = orchestrator, request.store
        self._runs = FakeRuns(request.name, orchestrator)

    def stop_starts(self) -> list[RemovedPart]:
        """Pause the definition."""
        definition = self._orchestrator.read_objects("definitions").get(self.name)
        if definition is not None:
            self._orchestrator.write_object("definitions", self.name, {**definition, "is_paused": True}, "pause")
        return []

    def running_runs(self) -> Iterable[DeployedRun]:
        """Return the runs that are running."""
        return self._runs.list_runs(("RUNNING",))

    def stop_run(self, run: DeployedRun) -> None:
        """Stop a run."""
        self._runs.stop_run(run)

    def remove_definition(self) -> list[RemovedPart]:
        """Remove the definition."""
        found = self.name in self._orchestrator.read_objects("definitions")
        if found:
            self._orchestrator.write_object("definitions", self.name, None, "remove definition")
        return [RemovedPart("the definition", found)]

    def describe_remaining(self, token: str) -> str:
        """Return what ``delete`` leaves."""
        return f"What remains: all runs and artifacts in {self._store}, and {token} there."


class FakeTarget(DeployTarget):
    """The fake orchestrator as a deploy target."""

    run_ids = FAKE_RUN_IDS

    def begin_deployment(self, request: TargetRequest, plan: FlowPlan) -> FakeDraft:
        """Read the options."""
        options = DeploymentOptions(name=request.name, namespace=request["namespace"], tags=tuple(request["tag"] or ()))
        return FakeDraft(request.name, options, request["max-workers"] or 100, find_orchestrator())

    def open_runs(self, request: TargetRequest) -> FakeRuns:
        """Return the runs of the deployed flow."""
        return FakeRuns(request.name, find_orchestrator())

    def begin_removal(self, request: TargetRequest) -> FakeRemoval:
        """Begin to delete a deployed flow."""
        return FakeRemoval(request, find_orchestrator())

    def run_command(
        self, request: TargetRequest, verb: str, check_holder: Callable[[TokenRegistry | None], None]
    ) -> CommandOutcome:
        """Pause the definition."""
        runs = self.open_runs(request)
        runs.check_deployed(request)
        check_holder(runs.token_registry)
        orchestrator = find_orchestrator()
        definition = orchestrator.read_objects("definitions")[request.name]
        orchestrator.write_object("definitions", request.name, {**definition, "is_paused": True}, "pause")
        return CommandOutcome(request.name, (f"{request.name} is paused: no run starts.",))

    def health_checks(self, seconds: float) -> list[Check]:
        """Check whether an orchestrator is set up."""
        path = os.environ.get(FILE_VARIABLE)
        if path is None:
            return [Check("fake orchestrator", NOT_SET, f"{FILE_VARIABLE} isn't set")]
        return [Check("fake orchestrator", OK, path)]
