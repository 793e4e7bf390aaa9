"""The commands of every deploy target: made from what the target declares, and run through the deploy-target port."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.deployed_runs import RunTable, join_rows, time_rows
from flow_sdk.cli.inactive import refuse_inactive
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parameters import given_data, parameter_options
from flow_sdk.cli.parser import Command
from flow_sdk.cli.started_run import given_run_id, refuse_stored_run, write_run_id
from flow_sdk.cli.terminal import print_message, text_for_stream
from flow_sdk.cli.tokens import deployed_name, naming_options, print_token, token_gate, token_text
from flow_sdk.deploy.port import TargetRequest
from flow_sdk.deploy.registry import find_target
from flow_sdk.deploy.run_states import RunStateSync, has_begun

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flow_sdk.deploy.claims import TokenRegistry
    from flow_sdk.deploy.declaration import TargetDeclaration
    from flow_sdk.deploy.port import CreatedDeployment, DeployedRun, DeployedRuns, DeploymentPreview, DeployTarget

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
        lambda context: run(context, declaration),
        arguments=declared.arguments,
        options=declared.options,
        parameters=parameter_options if declared.has_parameters else None,
    )


def _make_request(context: CommandContext, declaration: TargetDeclaration) -> TargetRequest:
    return TargetRequest(
        command=context.line.name,
        target=declaration,
        name=deployed_name(context),
        flow=context.flow,
        flow_class=context.flow_class,
        store=context.store.root,
        options=context.line.values,
        given=context.line.given,
        arguments=tuple(context.line.words),
        program=context.program,
        naming=naming_options(context),
        message=context.log,
        warn=print_message,
        in_notebook=context.in_notebook,
    )


def _holder_check(context: CommandContext, request: TargetRequest) -> Callable[[TokenRegistry | None], None]:
    """Return what checks that the user holds the production token."""

    def check(registry: TokenRegistry | None) -> None:
        from flow_sdk.deploy.tokens import existing_store

        token_gate(context, request.name, registry).check_holder(existing_store(request.store))

    return check


def _is_json(context: CommandContext) -> bool:
    return bool(context["output"] == "json")


def _print_result(context: CommandContext, result: dict[str, Any] | str) -> None:
    """Print a command's result, a document or a line, and leave it for the program that started the command."""
    if isinstance(result, str):
        print(result)
    else:
        print_json(result)
    if context["caller"] is not None:
        from flow_sdk.cli.caller import write_result

        write_result(context["caller"], result)


# Creating


def _create_deployment(context: CommandContext, declaration: TargetDeclaration) -> int:
    from flow_sdk.deploy.pipeline import create_deployment, preview_deployment
    from flow_sdk.deploy.port import DeploymentSource
    from flow_sdk.plan.parameter_files import embed_files

    target, request = declaration.load_target(), _make_request(context, declaration)
    target.check_request(request)
    plan = context.compile_plan(embed_files(context.plan_parameters()))
    refuse_inactive(context)
    draft = target.begin_deployment(request, plan)
    if declaration.can_render and context["only-json"]:
        print(draft.render_definition(DeploymentSource(plan, context.build_package(), request.store)))
        return 0
    gate = token_gate(context, request.name, draft.token_registry)
    package = context.build_package(leave_out=draft.excluded_files)
    source = DeploymentSource(plan, package, request.store)
    if declaration.can_preview and context["dry-run"]:
        _show_preview(context, preview_deployment(draft, source, gate))
        context.code.log_summary(package)
        return 0
    made = create_deployment(draft, source, gate)
    print_token(context, gate, draft.location_argument, declaration.local_options)
    for text in made.summary:
        context.log(text)
    context.code.log_summary(package, leave_out=draft.excluded_files)
    for text in made.hints:
        context.log(text)
    if not _is_json(context):
        _print_result(context, made.result)
    draft.wait_until_visible()
    if _is_json(context):
        _print_result(context, _deployment_data(request, made))
    return 0


def _deployment_data(request: TargetRequest, made: CreatedDeployment) -> dict[str, Any]:
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


def _show_preview(context: CommandContext, preview: DeploymentPreview) -> None:
    """Print what a deployment would do."""
    if _is_json(context):
        limits = [{"name": name, "used": used, "allowed": allowed} for name, used, allowed in preview.limits]
        _print_result(
            context,
            {
                "name": preview.name,
                "location": preview.location,
                "rows": [list(row) for row in preview.rows],
                "limits": limits,
                "notes": list(preview.hints),
                "difference": list(preview.difference),
            },
        )
        return
    print(f"{preview.name} in {preview.location}: this is what create would do. Nothing was written.\n")
    print("\n".join(f"{name:<16} {text}".rstrip() for name, text in preview.rows))
    if preview.limits:
        print(f"\n{'LIMIT':<48} {'USED':>9} {'ALLOWED':>10} {'SHARE':>7}")
    for what, used, allowed in preview.limits:
        print(f"{what:<48} {used:>9,} {allowed:>10,} {used / allowed:>7.1%}")
    for line in preview.hints:
        print(f"\n{line}")
    if preview.difference:
        print("\n" + "\n".join(preview.difference))


# Runs


def _trigger_run(context: CommandContext, declaration: TargetDeclaration) -> int:
    target, request = declaration.load_target(), _make_request(context, declaration)
    prefix = target.run_prefix(request)
    run_id = given_run_id(context, target.run_ids, prefix)
    parameters = given_data(context, ordered=not declaration.has_ordered_json)
    target.check_parameters(parameters)
    runs = target.open_runs(request)
    runs.check_startable(request)
    if run_id is not None:
        refuse_stored_run(context, prefix + run_id, target.run_ids.target)
    run = runs.start_run(parameters, run_id)
    for text in runs.start_message(request, run):
        context.log(text)
    write_run_id(context, run.run)
    _print_result(context, run.run)
    return 0


def _list_runs(context: CommandContext, declaration: TargetDeclaration) -> int:
    from flow_sdk.text import shorten_line

    target, request = declaration.load_target(), _make_request(context, declaration)
    chosen = [status for status in declaration.statuses if context[status.option_name]]
    runs, states = _open_runs(target, request), RunStateSync(request)
    table, count, unbegun = RunTable(declaration), 0, 0
    listed: list[dict[str, Any]] = []
    for run in runs.list_runs([status.name for status in chosen]):
        states.observe_run(run)
        count += 1
        if _is_json(context):
            listed.append(_run_data(run))
            continue
        if count == 1:
            context.log(table.head)
        print(table.format_run(run))
        may_be_unbegun = declaration.explains_unbegun_runs and run.status == "FAILED" and unbegun < LATEST
        if may_be_unbegun and not has_begun(request.store, request.flow, run.run):
            unbegun += 1
            context.log(f"  it never began: {shorten_line(runs.failure_cause(run) or 'see status', 200)}")
    if _is_json(context):
        _print_result(context, {"target": declaration.name, "name": request.name, "runs": listed})
    elif not count:
        kind = " or ".join(status.option_name.replace("-", " ") for status in chosen)
        context.log(f"{runs.name} has no {kind + ' ' if kind else ''}runs.")
    return 0


def _show_status(context: CommandContext, declaration: TargetDeclaration) -> int:
    target, request = declaration.load_target(), _make_request(context, declaration)
    if context.line.words:
        return _run_status(context, target, request)
    runs = _open_runs(target, request)
    status = runs.describe_deployment(request)
    latest = [run for _, run in zip(range(LATEST), runs.list_runs(), strict=False)]
    if _is_json(context):
        deployment = {"target": declaration.name, "name": request.name, "details": dict(status.details)}
        _print_result(context, {**deployment, "runs": [_run_data(run) for run in latest]})
        return 0
    table = RunTable(declaration)
    lines = [table.head, *map(table.format_run, latest)] if latest else ["No run yet."]
    print("\n".join([*join_rows(status.rows), "", *lines]))
    return 0


def _run_status(context: CommandContext, target: DeployTarget, request: TargetRequest) -> int:
    name = target.parse_run(request, context.line.words[0])
    runs = _open_runs(target, request)
    run = runs.find_run(name)
    RunStateSync(request).observe_run(run)
    found = runs.describe_run(request, run)
    if _is_json(context):
        log = {"log_lines": list(found.log_lines)}
        _print_result(context, {"run": {**_run_data(run), "details": dict(found.details), **log}})
        return 0
    lines = join_rows([("Run", run.run), ("Status", run.status), *time_rows(run), *found.rows])
    if found.log_lines:
        lines += ["", "The end of the failed job's log:", *map(text_for_stream, found.log_lines)]
    print("\n".join(lines))
    return 0


def _terminate_run(context: CommandContext, declaration: TargetDeclaration) -> int:
    target, request = declaration.load_target(), _make_request(context, declaration)
    name = target.parse_run(request, context.line.words[0])
    runs = _open_runs(target, request)
    _holder_check(context, request)(runs.token_registry)
    run = runs.find_run(name)
    runs.stop_run(run)
    RunStateSync(request).record_stop(run)
    context.log(runs.stop_message(run))
    _print_result(context, run.run)
    return 0


def _open_runs(target: DeployTarget, request: TargetRequest) -> DeployedRuns[Any]:
    """Return the runs of the deployed flow, which is known to be deployed."""
    runs = target.open_runs(request)
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


def _delete_deployment(context: CommandContext, declaration: TargetDeclaration) -> int:
    from flow_sdk.deploy.pipeline import delete_deployment
    from flow_sdk.deploy.tokens import existing_store

    target, request = declaration.load_target(), _make_request(context, declaration)
    target.check_request(request)
    removal = target.begin_removal(request)
    gate = token_gate(context, request.name, removal.token_registry)
    removal.check_holder(existing_store(request.store), gate)
    deleted = delete_deployment(removal, RunStateSync(request).announce_stop)
    if not deleted.removed_parts:
        context.log(f"{request.name} isn't deployed to {removal.location}; there was nothing to delete.")
        return 0
    context.log(f"Deleted: {', '.join(deleted.removed_parts)}.\n{removal.describe_remaining(token_text(request.name))}")
    _print_result(context, removal.result)
    return 0


def _run_own(context: CommandContext, declaration: TargetDeclaration) -> int:
    """Run a command that only this target has."""
    request = _make_request(context, declaration)
    verb = context.line.name.partition(" ")[2]
    outcome = declaration.load_target().run_command(request, verb, _holder_check(context, request))
    for text in outcome.messages:
        context.log(text)
    _print_result(context, outcome.result)
    return 0


_RUN: dict[str, Callable[[CommandContext, TargetDeclaration], int]] = {
    "create": _create_deployment,
    "trigger": _trigger_run,
    "list-runs": _list_runs,
    "status": _show_status,
    "terminate": _terminate_run,
    "delete": _delete_deployment,
}
