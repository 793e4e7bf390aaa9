"""The conformance suite of deploy targets: what every target does, whatever its orchestrator.

A distribution with a target inherits from :class:`DeployTargetSuite` and gives it a :class:`TargetHarness`::

    class TestMyTarget(DeployTargetSuite):
        @pytest.fixture
        def harness(self, tmp_path):
            return MyHarness(tmp_path)
"""

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from flow_sdk.deploy.claims import KnownTokens
from flow_sdk.deploy.doctor import Check
from flow_sdk.deploy.pipeline import (
    DeletedDeployment,
    create_deployment,
    delete_deployment,
    preview_deployment,
)
from flow_sdk.deploy.port import (
    FAILURES,
    CreatedDeployment,
    DeployedRun,
    DeployedRuns,
    DeploymentDraft,
    DeploymentSource,
    DeployTarget,
    TargetDeclaration,
    TargetRequest,
)
from flow_sdk.deploy.releases import newest_releases
from flow_sdk.deploy.tokens import DeployAuthorizer, existing_store
from flow_sdk.errors import DeployError
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.compile import compile_plan
from flow_sdk.plan.model import FlowPlan
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.testing.deployed_flow import Deployable, WithRequiredParameter, WithSecret

__all__ = ["DeployTargetSuite", "TargetHarness"]


class TargetHarness(ABC):
    """An orchestrator for one test, which is empty, and the people who deploy to it.

    Attributes
    ----------
    declaration : TargetDeclaration
        The target.
    store : str
        URL of an empty store that the target can use.
    homes : str
        A folder for the people's tokens.
    name : str
        The deployed name.
    """

    declaration: TargetDeclaration
    store: str
    homes: str
    name: str = "Deployable"

    @abstractmethod
    def read_definition(self) -> Any:
        """Return what is deployed under the name, in a form that can be compared; None where nothing is."""

    def command_options(self, verb: str) -> dict[str, Any]:
        """Return options that a command needs to reach this orchestrator, by name."""
        return {}

    def command_arguments(self, verb: str) -> tuple[str, ...]:
        """Return positional arguments that a command needs."""
        return ()

    # What the suite itself calls

    def make_request(self, verb: str, **options: Any) -> TargetRequest:
        """Return a command as the command line would hand it to the target."""
        command = self.declaration.find_command(verb)
        defaults = {option.name: option.default for option in command.options}
        given = {**self.command_options(verb), **{name.replace("_", "-"): value for name, value in options.items()}}
        return TargetRequest(
            command=f"{self.declaration.name} {verb}",
            target=self.declaration,
            name=self.name,
            flow=Deployable.__name__,
            flow_class=Deployable,
            store=self.store,
            options={"namespace": None, **defaults, **given},
            given=frozenset(given),
            arguments=self.command_arguments(verb),
            message=lambda text: None,
            warn=lambda text: None,
        )

    def load_target(self) -> DeployTarget:
        """Return the target, newly loaded."""
        return self.declaration.load_target()

    def begin_draft(self, **options: Any) -> DeploymentDraft:
        """Return a draft of the flow."""
        return self.load_target().begin_deployment(self.make_request("create", **options), compile_flow())

    def make_source(self, package: bytes = b"package") -> DeploymentSource:
        """Return what is deployed."""
        return DeploymentSource(compile_flow(), package, self.store)

    def make_gate(self, draft: DeploymentDraft, owner: str = "anne", **options: Any) -> DeployAuthorizer:
        """Return what asks a person for the production token."""
        known = KnownTokens(f"{self.homes}/{owner}", self.name)
        return DeployAuthorizer(self.name, owner, known, registry=draft.token_registry, **options)

    def create_flow(self, owner: str = "anne", package: bytes = b"package", **options: Any) -> CreatedDeployment:
        """Deploy the flow."""
        draft = self.begin_draft(**options)
        return create_deployment(draft, self.make_source(package), self.make_gate(draft, owner))

    def delete_flow(self, stopped: list[DeployedRun] | None = None) -> DeletedDeployment:
        """Delete the deployed flow."""
        removal = self.load_target().begin_removal(self.make_request("delete"))
        known = KnownTokens(f"{self.homes}/anne", self.name)
        gate = DeployAuthorizer(self.name, "anne", known, registry=removal.token_registry)
        removal.check_holder(existing_store(self.store), gate)
        seen: list[DeployedRun] = [] if stopped is None else stopped
        return delete_deployment(removal, seen.append)

    def open_runs(self, verb: str = "list-runs") -> DeployedRuns[Any]:
        """Return the runs of the deployed flow."""
        return self.load_target().open_runs(self.make_request(verb))

    def list_objects(self) -> list[str]:
        """Return the keys of the store; empty where there is no store yet."""
        store = existing_store(self.store)
        return [] if store is None else sorted(info.key for info in store.list(""))


def compile_flow(flow: Any = Deployable) -> FlowPlan:
    """Return the plan of a flow of :mod:`flow_sdk.testing.deployed_flow`."""
    from flow_sdk.plan.parameters import plan_parameters

    return compile_plan(flow, file="deployed_flow.py", parameters=plan_parameters(flow, None))


class DeployTargetSuite:
    """What every deploy target does. A subclass provides the fixture ``harness``, a :class:`TargetHarness`."""

    @pytest.fixture
    def harness(self) -> TargetHarness:
        """Return the orchestrator of the test."""
        raise NotImplementedError("a subclass provides this fixture")

    # What is declared

    def test_the_declaration_is_complete(self, harness: TargetHarness) -> None:
        declared = harness.declaration
        verbs = [command.verb for command in declared.commands]
        assert verbs[:5] == ["create", "trigger", "list-runs", "status", "terminate"] and verbs[-1] == "delete"
        assert len(set(verbs)) == len(verbs) and declared.python_name.isidentifier()
        for command in declared.commands:
            names = [option.name for option in command.options]
            assert command.summary.endswith(".") and len(set(names)) == len(names), command.verb
        statuses = [status.name for status in declared.statuses]
        assert {"RUNNING", "SUCCEEDED", "FAILED"} <= set(statuses) and len(set(statuses)) == len(statuses)
        target = harness.load_target()
        assert isinstance(target, DeployTarget) and target.declaration is declared and target.run_ids.prefix

    def test_each_command_of_its_own_is_implemented(self, harness: TargetHarness) -> None:
        if harness.declaration.own_verbs:
            assert type(harness.load_target()).run_command is not DeployTarget.run_command
        kind = type(harness.begin_draft())
        assert (kind.render_definition is not DeploymentDraft.render_definition) == harness.declaration.can_render
        assert (kind.preview_changes is not DeploymentDraft.preview_changes) == harness.declaration.can_preview

    # Creating

    def test_a_deployment_is_made_once(self, harness: TargetHarness) -> None:
        assert harness.read_definition() is None
        made = harness.create_flow()
        assert made.is_changed and made.result and made.name == harness.name
        assert made.namespace.startswith("production:") and made.summary
        json.dumps(dict(made.details))
        definition = harness.read_definition()
        assert definition is not None
        again = harness.create_flow()
        assert not again.is_changed and again.result == made.result and again.namespace == made.namespace
        assert harness.read_definition() == definition

    def test_another_code_package_changes_the_definition(self, harness: TargetHarness) -> None:
        harness.create_flow()
        definition = harness.read_definition()
        assert harness.create_flow(package=b"other").is_changed and harness.read_definition() != definition

    def test_the_store_has_what_a_deployment_needs(self, harness: TargetHarness) -> None:
        harness.create_flow()
        store = open_store(harness.store)
        (blobs,) = [newest_releases(store, harness.name)[harness.declaration.name]]
        artifacts = Artifacts(store)
        assert from_json(artifacts.get_bytes(blobs["plan"], where="plan")) == compile_flow()
        assert artifacts.get_bytes(blobs["package"], where="package") == b"package"

    def test_a_check_writes_nothing(self, harness: TargetHarness) -> None:
        harness.begin_draft().check_source(harness.make_source())
        assert harness.read_definition() is None and harness.list_objects() == []

    @pytest.mark.parametrize("flow", [WithRequiredParameter, WithSecret])
    def test_what_no_target_deploys_is_refused(self, harness: TargetHarness, flow: Any) -> None:
        plan = compile_flow(flow)
        draft = harness.load_target().begin_deployment(harness.make_request("create"), plan)
        with pytest.raises(DeployError):
            create_deployment(draft, DeploymentSource(plan, b"package", harness.store), harness.make_gate(draft))
        assert harness.read_definition() is None and harness.list_objects() == []

    def test_without_the_token_nothing_changes(self, harness: TargetHarness) -> None:
        harness.create_flow()
        definition, objects = harness.read_definition(), harness.list_objects()
        with pytest.raises(DeployError, match="production token of anne"):
            harness.create_flow("ben", package=b"other")
        assert harness.read_definition() == definition and harness.list_objects() == objects

    def test_a_token_that_is_replaced_meanwhile_publishes_nothing(self, harness: TargetHarness) -> None:
        harness.create_flow()
        definition = harness.read_definition()
        draft = harness.begin_draft()
        known = KnownTokens(f"{harness.homes}/anne", harness.name)

        def renew() -> None:
            gate = DeployAuthorizer(
                harness.name, "anne", known, registry=harness.begin_draft().token_registry, renew=True
            )
            gate.claim_name(open_store(harness.store))

        _call_before(draft, "register_resources", renew)
        with pytest.raises(DeployError, match="new production token"):
            create_deployment(draft, harness.make_source(b"other"), harness.make_gate(draft))
        assert harness.read_definition() == definition

    @pytest.mark.parametrize(
        "step", ["check_origin", "collect_blobs", "register_resources", "publish_definition", "complete_deployment"]
    )
    def test_a_create_that_is_killed_can_be_called_again(self, harness: TargetHarness, step: str) -> None:
        draft = harness.begin_draft()

        def die() -> None:
            raise _KilledError(step)

        _call_before(draft, step, die)
        with pytest.raises(_KilledError):
            create_deployment(draft, harness.make_source(), harness.make_gate(draft))
        assert (harness.read_definition() is None) == (step != "complete_deployment")
        assert harness.create_flow().namespace.startswith("production:")
        assert harness.read_definition() is not None

    def test_the_namespace_is_that_of_the_token_or_the_chosen_one(self, harness: TargetHarness) -> None:
        token = harness.create_flow().namespace
        other = harness.create_flow(namespace="team")
        assert other.namespace == "team" and other.is_changed
        assert harness.create_flow().namespace == token

    # What would be made

    def test_a_preview_writes_nothing(self, harness: TargetHarness) -> None:
        if not harness.declaration.can_preview:
            return
        draft = harness.begin_draft()
        preview = preview_deployment(draft, harness.make_source(), harness.make_gate(draft))
        assert preview.name == harness.name and preview.rows and preview.location
        assert harness.read_definition() is None and harness.list_objects() == []

    def test_a_definition_is_rendered_without_asking_anybody(self, harness: TargetHarness) -> None:
        if not harness.declaration.can_render:
            return
        texts = {harness.begin_draft().render_definition(harness.make_source()) for _ in range(2)}
        assert len(texts) == 1 and texts.pop().strip()
        assert harness.read_definition() is None and harness.list_objects() == []

    # Runs

    def test_a_run_is_started_listed_and_stopped(self, harness: TargetHarness) -> None:
        harness.create_flow()
        runs, request = harness.open_runs(), harness.make_request("status")
        runs.check_deployed(request)
        target = harness.load_target()
        assert list(runs.list_runs()) == []
        run = runs.start_run({"alpha": 3}, f"one-{secrets.token_hex(4)}")
        assert run.run.startswith(target.run_prefix(request)) and run.is_running
        assert runs.start_message(harness.make_request("trigger"), run) and runs.stop_message(run)
        (listed,) = runs.list_runs()
        found = runs.find_run(target.parse_run(request, run.run))
        assert listed.run == found.run == run.run and found.is_running
        assert found.status in [status.name for status in harness.declaration.statuses]
        details = runs.describe_run(request, found)
        assert details.rows
        json.dumps(dict(details.details), default=str)
        assert runs.describe_deployment(request).rows
        json.dumps(dict(runs.describe_deployment(request).details), default=str)
        runs.stop_run(found)
        stopped = self.wait_for_end(runs, found.name)
        assert stopped.status in FAILURES and [each.run for each in runs.list_runs([stopped.status])] == [run.run]
        with pytest.raises(DeployError, match="isn't running"):
            runs.stop_run(stopped)

    def wait_for_end(self, runs: DeployedRuns[Any], name: str) -> DeployedRun:
        """Return a run once it has ended; a target whose orchestrator takes a while waits here."""
        found: DeployedRun = runs.find_run(name)
        return found

    def test_an_id_is_given_to_one_run_only(self, harness: TargetHarness) -> None:
        harness.create_flow()
        runs = harness.open_runs("trigger")
        run = runs.start_run({}, "mine")
        with pytest.raises(DeployError, match="already"):
            runs.start_run({}, "mine")
        assert run.name == "mine" and runs.start_run({}).name != runs.start_run({}).name

    def test_a_run_that_isnt_there(self, harness: TargetHarness) -> None:
        harness.create_flow()
        with pytest.raises(DeployError, match="has no run"):
            harness.open_runs().find_run("nothing")

    def test_what_isnt_deployed_has_no_runs(self, harness: TargetHarness) -> None:
        with pytest.raises(DeployError) as refused:
            harness.open_runs().check_deployed(harness.make_request("list-runs"))
        assert "create" in (refused.value.help or "")

    # Deleting

    def test_delete_removes_what_create_made(self, harness: TargetHarness) -> None:
        made = harness.create_flow()
        objects = harness.list_objects()
        run = harness.open_runs("trigger").start_run({})
        stopped: list[DeployedRun] = []
        deleted = harness.delete_flow(stopped)
        assert deleted.removed_parts and deleted.stopped == 1 and [each.run for each in stopped] == [run.run]
        assert harness.read_definition() is None
        assert set(objects) <= set(harness.list_objects())
        registry = harness.begin_draft().token_registry
        assert registry is None or registry.read_claim(harness.name) is None
        again = harness.delete_flow()
        assert again.removed_parts == [] and again.stopped == 0
        # The name still belongs to the holder of the token.
        with pytest.raises(DeployError, match="production token of anne"):
            harness.create_flow("ben")
        assert harness.create_flow().namespace == made.namespace

    # The doctor

    def test_health_checks_change_nothing(self, harness: TargetHarness) -> None:
        checks = harness.load_target().health_checks(6.0)
        assert all(isinstance(check, Check) and check.name for check in checks)
        assert harness.read_definition() is None and harness.list_objects() == []


class _KilledError(Exception):
    """The deploying process is gone."""


def _call_before(draft: DeploymentDraft, method: str, call: Callable[[], None]) -> None:
    """Have something called before a method of a draft."""
    original = getattr(draft, method)

    def wrapped(*arguments: Any) -> Any:
        call()
        return original(*arguments)

    setattr(draft, method, wrapped)
