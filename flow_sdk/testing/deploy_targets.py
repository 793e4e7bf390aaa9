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
    DeployedRun,
    DeployedRuns,
    Deployment,
    DeploymentDraft,
    DeploymentSource,
    DeployTarget,
    TargetDeclaration,
    TargetRequest,
)
from flow_sdk.deploy.releases import newest_releases
from flow_sdk.deploy.tokens import TokenGate, existing_store
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
    def definition(self) -> Any:
        """Return what is deployed under the name, in a form that can be compared; None where nothing is."""

    def options(self, verb: str) -> dict[str, Any]:
        """Return options that a command needs to reach this orchestrator, by name."""
        return {}

    def arguments(self, verb: str) -> tuple[str, ...]:
        """Return positional arguments that a command needs."""
        return ()

    # What the suite itself calls

    def request(self, verb: str, **options: Any) -> TargetRequest:
        """Return a command as the command line would hand it to the target."""
        command = self.declaration.find_command(verb)
        defaults = {option.name: option.default for option in command.options}
        given = {**self.options(verb), **{name.replace("_", "-"): value for name, value in options.items()}}
        return TargetRequest(
            command=f"{self.declaration.name} {verb}",
            target=self.declaration,
            name=self.name,
            flow=Deployable.__name__,
            flow_class=Deployable,
            store=self.store,
            options={"namespace": None, **defaults, **given},
            given=frozenset(given),
            arguments=self.arguments(verb),
            message=lambda text: None,
            warn=lambda text: None,
        )

    def target(self) -> DeployTarget:
        """Return the target, newly loaded."""
        return self.declaration.load()

    def draft(self, **options: Any) -> DeploymentDraft:
        """Return a draft of the flow."""
        return self.target().draft(self.request("create", **options), compile_flow())

    def source(self, package: bytes = b"package") -> DeploymentSource:
        """Return what is deployed."""
        return DeploymentSource(compile_flow(), package, self.store)

    def gate(self, draft: DeploymentDraft, owner: str = "anne", **options: Any) -> TokenGate:
        """Return what asks a person for the production token."""
        known = KnownTokens(f"{self.homes}/{owner}", self.name)
        return TokenGate(self.name, owner, known, keeper=draft.token_registry, **options)

    def create(self, owner: str = "anne", package: bytes = b"package", **options: Any) -> Deployment:
        """Deploy the flow."""
        draft = self.draft(**options)
        return create_deployment(draft, self.source(package), self.gate(draft, owner))

    def delete(self, stopped: list[DeployedRun] | None = None) -> DeletedDeployment:
        """Delete the deployed flow."""
        removal = self.target().removal(self.request("delete"))
        known = KnownTokens(f"{self.homes}/anne", self.name)
        gate = TokenGate(self.name, "anne", known, keeper=removal.token_registry)
        removal.check_holder(existing_store(self.store), gate)
        seen: list[DeployedRun] = [] if stopped is None else stopped
        return delete_deployment(removal, seen.append)

    def runs(self, verb: str = "list-runs") -> DeployedRuns[Any]:
        """Return the runs of the deployed flow."""
        return self.target().runs(self.request(verb))

    def objects(self) -> list[str]:
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
        target = harness.target()
        assert isinstance(target, DeployTarget) and target.declaration is declared and target.run_ids.prefix

    def test_each_command_of_its_own_is_implemented(self, harness: TargetHarness) -> None:
        if harness.declaration.own_verbs:
            assert type(harness.target()).run_command is not DeployTarget.run_command
        kind = type(harness.draft())
        assert (kind.render is not DeploymentDraft.render) == harness.declaration.can_render
        assert (kind.preview is not DeploymentDraft.preview) == harness.declaration.can_preview

    # Creating

    def test_a_deployment_is_made_once(self, harness: TargetHarness) -> None:
        assert harness.definition() is None
        made = harness.create()
        assert made.is_changed and made.result and made.name == harness.name
        assert made.namespace.startswith("production:") and made.summary
        json.dumps(dict(made.details))
        definition = harness.definition()
        assert definition is not None
        again = harness.create()
        assert not again.is_changed and again.result == made.result and again.namespace == made.namespace
        assert harness.definition() == definition

    def test_another_code_package_changes_the_definition(self, harness: TargetHarness) -> None:
        harness.create()
        definition = harness.definition()
        assert harness.create(package=b"other").is_changed and harness.definition() != definition

    def test_the_store_has_what_a_deployment_needs(self, harness: TargetHarness) -> None:
        harness.create()
        store = open_store(harness.store)
        (blobs,) = [newest_releases(store, harness.name)[harness.declaration.name]]
        artifacts = Artifacts(store)
        assert from_json(artifacts.get_bytes(blobs["plan"], where="plan")) == compile_flow()
        assert artifacts.get_bytes(blobs["package"], where="package") == b"package"

    def test_a_check_writes_nothing(self, harness: TargetHarness) -> None:
        harness.draft().check(harness.source())
        assert harness.definition() is None and harness.objects() == []

    @pytest.mark.parametrize("flow", [WithRequiredParameter, WithSecret])
    def test_what_no_target_deploys_is_refused(self, harness: TargetHarness, flow: Any) -> None:
        plan = compile_flow(flow)
        draft = harness.target().draft(harness.request("create"), plan)
        with pytest.raises(DeployError):
            create_deployment(draft, DeploymentSource(plan, b"package", harness.store), harness.gate(draft))
        assert harness.definition() is None and harness.objects() == []

    def test_without_the_token_nothing_changes(self, harness: TargetHarness) -> None:
        harness.create()
        definition, objects = harness.definition(), harness.objects()
        with pytest.raises(DeployError, match="production token of anne"):
            harness.create("ben", package=b"other")
        assert harness.definition() == definition and harness.objects() == objects

    def test_a_token_that_is_replaced_meanwhile_publishes_nothing(self, harness: TargetHarness) -> None:
        harness.create()
        definition = harness.definition()
        draft = harness.draft()
        known = KnownTokens(f"{harness.homes}/anne", harness.name)

        def renew() -> None:
            gate = TokenGate(harness.name, "anne", known, keeper=harness.draft().token_registry, renew=True)
            gate.claim(open_store(harness.store))

        _call_before(draft, "register", renew)
        with pytest.raises(DeployError, match="new production token"):
            create_deployment(draft, harness.source(b"other"), harness.gate(draft))
        assert harness.definition() == definition

    @pytest.mark.parametrize("step", ["check_origin", "blobs", "register", "publish", "complete"])
    def test_a_create_that_is_killed_can_be_called_again(self, harness: TargetHarness, step: str) -> None:
        draft = harness.draft()

        def die() -> None:
            raise _KilledError(step)

        _call_before(draft, step, die)
        with pytest.raises(_KilledError):
            create_deployment(draft, harness.source(), harness.gate(draft))
        assert (harness.definition() is None) == (step != "complete")
        assert harness.create().namespace.startswith("production:")
        assert harness.definition() is not None

    def test_the_namespace_is_that_of_the_token_or_the_chosen_one(self, harness: TargetHarness) -> None:
        token = harness.create().namespace
        other = harness.create(namespace="team")
        assert other.namespace == "team" and other.is_changed
        assert harness.create().namespace == token

    # What would be made

    def test_a_preview_writes_nothing(self, harness: TargetHarness) -> None:
        if not harness.declaration.can_preview:
            return
        draft = harness.draft()
        preview = preview_deployment(draft, harness.source(), harness.gate(draft))
        assert preview.name == harness.name and preview.rows and preview.location
        assert harness.definition() is None and harness.objects() == []

    def test_a_definition_is_rendered_without_asking_anybody(self, harness: TargetHarness) -> None:
        if not harness.declaration.can_render:
            return
        texts = {harness.draft().render(harness.source()) for _ in range(2)}
        assert len(texts) == 1 and texts.pop().strip()
        assert harness.definition() is None and harness.objects() == []

    # Runs

    def test_a_run_is_started_listed_and_stopped(self, harness: TargetHarness) -> None:
        harness.create()
        runs, request = harness.runs(), harness.request("status")
        runs.check_deployed(request)
        target = harness.target()
        assert list(runs.list()) == []
        run = runs.start({"alpha": 3}, f"one-{secrets.token_hex(4)}")
        assert run.run.startswith(target.run_prefix(request)) and run.is_running
        assert runs.start_message(harness.request("trigger"), run) and runs.stop_message(run)
        (listed,) = runs.list()
        found = runs.find(target.parse_run(request, run.run))
        assert listed.run == found.run == run.run and found.is_running
        assert found.status in [status.name for status in harness.declaration.statuses]
        details = runs.describe_run(request, found)
        assert details.rows
        json.dumps(dict(details.details), default=str)
        assert runs.describe(request).rows
        json.dumps(dict(runs.describe(request).details), default=str)
        runs.stop(found)
        stopped = self.wait_for_end(runs, found.name)
        assert stopped.status in FAILURES and [each.run for each in runs.list([stopped.status])] == [run.run]
        with pytest.raises(DeployError, match="isn't running"):
            runs.stop(stopped)

    def wait_for_end(self, runs: DeployedRuns[Any], name: str) -> DeployedRun:
        """Return a run once it has ended; a target whose orchestrator takes a while waits here."""
        found: DeployedRun = runs.find(name)
        return found

    def test_an_id_is_given_to_one_run_only(self, harness: TargetHarness) -> None:
        harness.create()
        runs = harness.runs("trigger")
        run = runs.start({}, "mine")
        with pytest.raises(DeployError, match="already"):
            runs.start({}, "mine")
        assert run.name == "mine" and runs.start({}).name != runs.start({}).name

    def test_a_run_that_isnt_there(self, harness: TargetHarness) -> None:
        harness.create()
        with pytest.raises(DeployError, match="has no run"):
            harness.runs().find("nothing")

    def test_what_isnt_deployed_has_no_runs(self, harness: TargetHarness) -> None:
        with pytest.raises(DeployError) as refused:
            harness.runs().check_deployed(harness.request("list-runs"))
        assert "create" in (refused.value.help or "")

    # Deleting

    def test_delete_removes_what_create_made(self, harness: TargetHarness) -> None:
        made = harness.create()
        objects = harness.objects()
        run = harness.runs("trigger").start({})
        stopped: list[DeployedRun] = []
        deleted = harness.delete(stopped)
        assert deleted.removed and deleted.stopped == 1 and [each.run for each in stopped] == [run.run]
        assert harness.definition() is None
        assert set(objects) <= set(harness.objects())
        registry = harness.draft().token_registry
        assert registry is None or registry.read(harness.name) is None
        again = harness.delete()
        assert again.removed == [] and again.stopped == 0
        # The name still belongs to whoever holds the token.
        with pytest.raises(DeployError, match="production token of anne"):
            harness.create("ben")
        assert harness.create().namespace == made.namespace

    # The doctor

    def test_health_checks_change_nothing(self, harness: TargetHarness) -> None:
        checks = harness.target().health_checks(6.0)
        assert all(isinstance(check, Check) and check.name for check in checks)
        assert harness.definition() is None and harness.objects() == []


class _KilledError(Exception):
    """The deploying process is gone."""


def _call_before(draft: DeploymentDraft, method: str, call: Callable[[], None]) -> None:
    """Have something called before a method of a draft."""
    original = getattr(draft, method)

    def wrapped(*arguments: Any) -> Any:
        call()
        return original(*arguments)

    setattr(draft, method, wrapped)
