"""The commands of every deploy target: made from what the target declares, and run through the deploy-target port."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.context import Call
from flow_sdk.cli.deployed_runs import RunTable, join_rows, time_rows
from flow_sdk.cli.inactive import refuse_inactive
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parameters import given_data, parameter_options
from flow_sdk.cli.parser import Command
from flow_sdk.cli.started_run import given_run_id, hand_over_run, refuse_stored_run
from flow_sdk.cli.terminal import print_note, text_for_stream
from flow_sdk.cli.tokens import deployed_name, naming, tell_token, token_gate, token_text
from flow_sdk.deploy.port import TargetRequest
from flow_sdk.deploy.registry import find_target
from flow_sdk.deploy.run_states import RunStateSync, has_begun

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flow_sdk.deploy.claims import Keeper
    from flow_sdk.deploy.declaration import TargetDeclaration
    from flow_sdk.deploy.port import DeployedRun, DeployedRuns, Deployment, DeploymentPreview, DeployTarget

__all__ = ["COMMANDS"]

LATEST = 5
"""How many of the latest runs ``status`` shows, and of how many that never began ``list-runs`` shows the cause."""


class _TargetCommands:
    """The commands of all targets by name, such as ``airflow create``; each is made when it is asked for."""

    def __getitem__(self, name: str) -> Command:
        target, _, verb = name.partition(" ")
        declaration = find_target(target)
        if declaration is None:
            raise KeyError(name)
        return make_command(declaration, verb)


COMMANDS = _TargetCommands()


def make_command(declaration: TargetDeclaration, verb: str) -> Command:
    """Make a command from what a target declares.

    Parameters
    ----------
    declaration : TargetDeclaration
        The target.
    verb : str
        The command's name after the target's.

    Raises
    ------
    KeyError
        If the target has no such command.
    """
    declared = declaration.find_command(verb)
    run = _run_own if verb in declaration.own_verbs else _RUN[verb]
    return Command(
        lambda call: run(call, declaration),
        arguments=declared.arguments,
        options=declared.options,
        parameters=parameter_options if declared.has_parameters else None,
    )


def _make_request(call: Call, declaration: TargetDeclaration) -> TargetRequest:
    return TargetRequest(
        command=call.name,
        target=declaration,
        name=deployed_name(call),
        flow=call.flow,
        flow_class=call.flow_class,
        store=call.root,
        options=call.values,
        given=call.given,
        arguments=tuple(call.words),
        program=call.again,
        naming=naming(call),
        message=call.say,
        warn=print_note,
        in_notebook=call.in_notebook,
    )


def _holder_check(call: Call, request: TargetRequest) -> Callable[[Keeper | None], None]:
    """Return what checks that the user holds the production token."""

    def check(registry: Keeper | None) -> None:
        from flow_sdk.deploy.tokens import existing_store

        token_gate(call, request.name, registry).check_holder(existing_store(request.store))

    return check


def _is_json(call: Call) -> bool:
    return bool(call["output"] == "json")


# Creating


def _create(call: Call, declaration: TargetDeclaration) -> int:
    from flow_sdk.deploy.pipeline import create_deployment, preview_deployment
    from flow_sdk.deploy.port import DeploymentSource
    from flow_sdk.plan.parameter_files import embed_files

    target, request = declaration.load(), _make_request(call, declaration)
    target.check_request(request)
    plan = call.plan(embed_files(call.parameter_plans()))
    refuse_inactive(call)
    draft = target.draft(request, plan)
    if declaration.can_render and call["only-json"]:
        print(draft.render(DeploymentSource(plan, call.package(), request.store)))
        return 0
    gate = token_gate(call, request.name, draft.token_registry)
    package = call.package(leave_out=draft.excluded_files)
    source = DeploymentSource(plan, package, request.store)
    if declaration.can_preview and call["dry-run"]:
        _show_preview(call, preview_deployment(draft, source, gate))
        call.code.tell(package)
        return 0
    made = create_deployment(draft, source, gate)
    tell_token(call, gate, draft.location_argument, declaration.local_options)
    for text in made.summary:
        call.say(text)
    call.code.tell(package, leave_out=draft.excluded_files)
    for text in made.notes:
        call.say(text)
    if not _is_json(call):
        print(made.result)
    draft.wait_until_visible()
    if _is_json(call):
        print_json(_deployment_data(request, made))
    return 0


def _deployment_data(request: TargetRequest, made: Deployment) -> dict[str, Any]:
    """Return a deployment as ``--output json`` prints it."""
    return {
        "target": request.target.name,
        "name": made.name,
        "flow": request.flow,
        "store": request.store,
        "namespace": made.namespace,
        "result": made.result,
        "is_changed": made.is_changed,
        "details": dict(made.details),
    }


def _show_preview(call: Call, preview: DeploymentPreview) -> None:
    """Print what a deployment would do."""
    if _is_json(call):
        limits = [{"name": name, "used": used, "allowed": allowed} for name, used, allowed in preview.limits]
        print_json(
            {
                "name": preview.name,
                "location": preview.location,
                "rows": [list(row) for row in preview.rows],
                "limits": limits,
                "notes": list(preview.notes),
                "difference": list(preview.difference),
            }
        )
        return
    print(f"{preview.name} in {preview.location}: this is what create would do. Nothing was written.\n")
    print("\n".join(f"{name:<16} {text}".rstrip() for name, text in preview.rows))
    if preview.limits:
        print(f"\n{'LIMIT':<48} {'USED':>9} {'ALLOWED':>10} {'SHARE':>7}")
    for what, used, allowed in preview.limits:
        print(f"{what:<48} {used:>9,} {allowed:>10,} {used / allowed:>7.1%}")
    for line in preview.notes:
        print(f"\n{line}")
    if preview.difference:
        print("\n" + "\n".join(preview.difference))


# Runs


def _trigger(call: Call, declaration: TargetDeclaration) -> int:
    target, request = declaration.load(), _make_request(call, declaration)
    prefix = target.run_prefix(request)
    run_id = given_run_id(call, target.run_ids, prefix)
    parameters = given_data(call, ordered=not declaration.has_ordered_json)
    target.check_parameters(parameters)
    runs = target.runs(request)
    runs.check_startable(request)
    if run_id is not None:
        refuse_stored_run(call, prefix + run_id, target.run_ids.target)
    run = runs.start(parameters, run_id)
    for text in runs.start_message(request, run):
        call.say(text)
    hand_over_run(call, run.run)
    return 0


def _list_runs(call: Call, declaration: TargetDeclaration) -> int:
    from flow_sdk.text import shorten_line

    target, request = declaration.load(), _make_request(call, declaration)
    chosen = [status for status in declaration.statuses if call[status.option]]
    runs, states = _open_runs(target, request), RunStateSync(request)
    table, count, unbegun = RunTable(declaration), 0, 0
    listed: list[dict[str, Any]] = []
    for run in runs.list([status.name for status in chosen]):
        states.observe(run)
        count += 1
        if _is_json(call):
            listed.append(_run_data(run))
            continue
        if count == 1:
            call.say(table.head)
        print(table.line(run))
        may_be_unbegun = declaration.explains_unbegun_runs and run.status == "FAILED" and unbegun < LATEST
        if may_be_unbegun and not has_begun(request.store, request.flow, run.run):
            unbegun += 1
            call.say(f"  it never began: {shorten_line(runs.cause(run) or 'see status', 200)}")
    if _is_json(call):
        print_json({"target": declaration.name, "name": request.name, "runs": listed})
    elif not count:
        kind = " or ".join(status.option.replace("-", " ") for status in chosen)
        call.say(f"{runs.name} has no {kind + ' ' if kind else ''}runs.")
    return 0


def _status(call: Call, declaration: TargetDeclaration) -> int:
    target, request = declaration.load(), _make_request(call, declaration)
    if call.words:
        return _run_status(call, target, request)
    runs = _open_runs(target, request)
    status = runs.describe(request)
    latest = [run for _, run in zip(range(LATEST), runs.list(), strict=False)]
    if _is_json(call):
        deployment = {"target": declaration.name, "name": request.name, "details": dict(status.details)}
        print_json({**deployment, "runs": [_run_data(run) for run in latest]})
        return 0
    table = RunTable(declaration)
    lines = [table.head, *map(table.line, latest)] if latest else ["No run yet."]
    print("\n".join([*join_rows(status.rows), "", *lines]))
    return 0


def _run_status(call: Call, target: DeployTarget, request: TargetRequest) -> int:
    name = target.parse_run(request, call.words[0])
    runs = _open_runs(target, request)
    run = runs.find(name)
    RunStateSync(request).observe(run)
    found = runs.describe_run(request, run)
    if _is_json(call):
        log = {"log_lines": list(found.log_lines)}
        print_json({"run": {**_run_data(run), "details": dict(found.details), **log}})
        return 0
    lines = join_rows([("Run", run.run), ("Status", run.status), *time_rows(run), *found.rows])
    if found.log_lines:
        lines += ["", "The end of the failed job's log:", *map(text_for_stream, found.log_lines)]
    print("\n".join(lines))
    return 0


def _terminate(call: Call, declaration: TargetDeclaration) -> int:
    target, request = declaration.load(), _make_request(call, declaration)
    name = target.parse_run(request, call.words[0])
    runs = _open_runs(target, request)
    _holder_check(call, request)(runs.token_registry)
    run = runs.find(name)
    runs.stop(run)
    RunStateSync(request).record_stop(run)
    call.say(runs.stop_message(run))
    print(run.run)
    return 0


def _open_runs(target: DeployTarget, request: TargetRequest) -> DeployedRuns[Any]:
    """Return the runs of the deployed flow, which is known to be deployed."""
    runs = target.runs(request)
    runs.check_deployed(request)
    return runs


def _run_data(run: DeployedRun) -> dict[str, Any]:
    """Return a run as ``--output json`` prints it."""
    return {
        "run": run.run,
        "name": run.name,
        "status": run.status,
        "is_running": run.is_running,
        "started": None if run.started is None else run.started.isoformat(),
        "stopped": None if run.stopped is None else run.stopped.isoformat(),
    }


# Deleting, and what only some targets have


def _delete(call: Call, declaration: TargetDeclaration) -> int:
    from flow_sdk.deploy.pipeline import delete_deployment
    from flow_sdk.deploy.tokens import existing_store

    target, request = declaration.load(), _make_request(call, declaration)
    target.check_request(request)
    removal = target.removal(request)
    gate = token_gate(call, request.name, removal.token_registry)
    removal.check_holder(existing_store(request.store), gate)
    deleted = delete_deployment(removal, RunStateSync(request).announce_stop)
    if not deleted.removed:
        call.say(f"{request.name} isn't deployed to {removal.location}; there was nothing to delete.")
        return 0
    call.say(f"Deleted: {', '.join(deleted.removed)}.\n{removal.remaining(token_text(request.name))}")
    print(removal.result)
    return 0


def _run_own(call: Call, declaration: TargetDeclaration) -> int:
    """Run a command that only this target has."""
    request = _make_request(call, declaration)
    verb = call.name.partition(" ")[2]
    outcome = declaration.load().run_command(request, verb, _holder_check(call, request))
    for text in outcome.messages:
        call.say(text)
    print(outcome.result)
    return 0


_RUN: dict[str, Callable[[Call, TargetDeclaration], int]] = {
    "create": _create,
    "trigger": _trigger,
    "list-runs": _list_runs,
    "status": _status,
    "terminate": _terminate,
    "delete": _delete,
}
