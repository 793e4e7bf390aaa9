"""``step-functions create`` and what is done with the deployed flow: trigger, look, stop, go on, move back, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_sdk.cli.context import Call
from flow_sdk.cli.inactive import refuse_inactive
from flow_sdk.cli.parameters import given_data, parameter_options
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.started_run import RUN_ID_OPTIONS, given_run_id, hand_over_run, refuse_stored_run
from flow_sdk.cli.tokens import AUTHORIZE, TOKEN_OPTIONS, deployed_name, naming, tell_token, token_gate, token_text
from flow_sdk.errors import DeployError, UsageError

if TYPE_CHECKING:
    from flow_sdk.cli.ends import Ends
    from flow_sdk.deploy.step_functions.create import Deployed
    from flow_sdk.deploy.step_functions.executions import Executions
    from flow_sdk.deploy.step_functions.machine import StateMachine
    from flow_sdk.deploy.step_functions.place import Services
    from flow_sdk.deploy.step_functions.prepare import CreateOptions

__all__ = ["COMMANDS"]

LATEST = 5
"""How many of the latest runs ``status`` shows, and of how many that never began ``list-runs`` says why."""


# Creating


def _create(call: Call) -> int:
    from flow_sdk.deploy.step_functions.create import create_deployment
    from flow_sdk.deploy.step_functions.place import Services
    from flow_sdk.plan.files import embed_files
    from flow_sdk.runtime.batch.definition import BatchSettings

    name = deployed_name(call)
    plan = call.plan(embed_files(call.parameter_plans()))
    refuse_inactive(call)
    options = _options(call, name)
    settings = BatchSettings.from_config()
    if call["only-json"]:
        from flow_sdk.cli.step_functions_shown import definition_text
        from flow_sdk.deploy.step_functions.prepare import prepare

        print(definition_text(prepare(plan, call.package(), call.root, options, settings)))
        return 0
    services = Services()
    gate = token_gate(call, name, _keeper(services))
    if call["dry-run"]:
        from flow_sdk.cli.step_functions_shown import show_changes
        from flow_sdk.deploy.step_functions.changes import find_changes

        package = call.package()
        show_changes(find_changes(plan, package, call.root, options, settings, gate, services))
        call.code.tell(package)
        return 0
    package = call.package()
    deployed = create_deployment(plan, package, call.root, options, settings, gate, services)
    tell_token(call, gate)
    _tell_deployed(call, deployed, package)
    return 0


def _keeper(services: Services) -> Any:
    from flow_sdk.deploy.step_functions.parameter_store import ParameterStore

    return ParameterStore(services)


def _options(call: Call, name: str) -> CreateOptions:
    from flow_sdk.config import read_setting
    from flow_sdk.deploy.step_functions.place import name_prefix
    from flow_sdk.deploy.step_functions.prepare import CreateOptions
    from flow_sdk.graph.item_counts import item_counts
    from flow_sdk.metadata.tags import check_tags

    return CreateOptions(
        name=name,
        namespace=call["namespace"],
        tags=tuple(check_tags(call["tag"])),
        batch_tags=_batch_tags(call["aws-batch-tag"]),
        max_workers=call["max-workers"],
        workflow_timeout=call["workflow-timeout"],
        use_distributed_map=call["use-distributed-map"],
        item_counts=item_counts(call.flow_class),
        log_history=call["log-execution-history"],
        role=read_setting("SFN_IAM_ROLE").value,
        scheduler_role=read_setting("EVENTS_SFN_ACCESS_IAM_ROLE").value,
        log_group=read_setting("SFN_EXECUTION_LOG_GROUP_ARN").value,
        prefix=name_prefix(),
        alert_topic=call["alert-topic"],
    )


def _batch_tags(given: tuple[str, ...]) -> dict[str, str]:
    from flow_sdk.authoring.decorators.batch import check_resource_tags

    tags: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or tags.get(key, value) != value:
            seen = text if not equals else f"{key}={tags[key]} and {text}"
            raise UsageError("--aws-batch-tag takes a key and a value, each key once.", seen=seen, wanted="KEY=VALUE")
        tags[key] = value
    try:
        return check_resource_tags(tags)
    except UsageError as error:
        headline = f"--aws-batch-tag can't be used: {error.headline}"
        raise UsageError(headline, seen=error.seen, wanted=error.wanted, help=error.help) from None


def _tell_deployed(call: Call, deployed: Deployed, package: bytes) -> None:
    from flow_sdk.cli.schedule_shown import next_text, schedule_of
    from flow_sdk.cli.step_functions_shown import foreach_lines

    what = "is deployed as" if deployed.changed else "hasn't changed: it stays at"
    call.say(f"State machine {deployed.name} {what} version {deployed.version}; runs are in {deployed.namespace}.")
    call.code.tell(package)
    for line in deployed.prepared.unheeded:
        call.say(line)
    if deployed.prepared.distributed:
        call.say("\n".join(foreach_lines(deployed.prepared)))
        if not call["use-distributed-map"]:
            call.say("With --max-workers 40 or less, the items of a foreach run in the execution of the run itself.")
    if deployed.registered:
        count = len(deployed.registered)
        call.say(f"{count} new job definition{'s were' if count > 1 else ' was'} registered in AWS Batch.")
    if deployed.schedule_change == "remove":
        call.say("It has no schedule any more; the one in AWS was removed.")
    elif deployed.schedule is not None:
        call.say(f"It starts by itself: {deployed.schedule}.")
        schedule = schedule_of(call.flow_class)
        if schedule is not None and not deployed.schedule_off:
            call.say(f"Next: {next_text(schedule)}")
        if deployed.schedule_off:
            call.say("But the schedule was switched off in AWS, and stays so. Switch it on in EventBridge Scheduler.")
    if deployed.unprefixed is not None:
        call.say(
            f"There is still the state machine {deployed.unprefixed} of this flow, from before SFN_STATE_MACHINE_PREFIX"
            " was set; if it has a schedule, it starts as well. Unset that, and call step-functions delete."
        )
    if deployed.alert_change == "remove":
        call.say("It alerts nobody any more; the rule in EventBridge was removed.")
    elif deployed.alert_change is not None:
        call.say(f"Runs that fail, time out or are stopped are told to {call['alert-topic']}.")
    if not call.in_notebook:
        call.say(f"Start a run with: {call.again} step-functions trigger{naming(call)}")
    print(deployed.arn)


# Runs


def _trigger(call: Call) -> int:
    from flow_sdk.deploy.run_ids import STEP_FUNCTIONS_RUN_IDS
    from flow_sdk.deploy.step_functions.executions import input_text

    name = given_run_id(call, STEP_FUNCTIONS_RUN_IDS)
    parameters = given_data(call)
    input_text(parameters)
    runs = _deployed_runs(call)
    if name is not None:
        refuse_stored_run(call, STEP_FUNCTIONS_RUN_IDS.prefix + name, STEP_FUNCTIONS_RUN_IDS.target)
    run = runs.start(parameters, name)
    command = f"{call.again} step-functions"
    call.say(
        f"{runs.machine.deployed_name} has started in {runs.machine.place}. To watch it:\n"
        f"  {command} status {run.run}{naming(call)}\n"
        f"  {runs.machine.place.console(run.arn)}"
    )
    hand_over_run(call, run.run)
    return 0


def _list_runs(call: Call) -> int:
    from flow_sdk.cli.step_functions_shown import RUNS_HEAD, run_line
    from flow_sdk.deploy.step_functions.executions import STATUSES
    from flow_sdk.text import shorten_line

    wanted = [status for status in STATUSES if call[_option(status)]]
    runs, ends, count, unbegun = _deployed_runs(call), _ends(call), 0, 0
    for run in runs.list(wanted):
        ends.saw(run)
        if not count:
            call.say(RUNS_HEAD)
        print(run_line(run))
        count += 1
        if run.status == "FAILED" and unbegun < LATEST and not _has_begun(call, run.run):
            unbegun += 1
            call.say(
                f"  it never began: {shorten_line(str(runs.find(run.name).facts.get('cause') or 'see status'), 200)}"
            )
    if not count:
        kind = " or ".join(_option(status).replace("-", " ") for status in wanted)
        call.say(f"{runs.machine.deployed_name} has no {kind + ' ' if kind else ''}runs.")
    return 0


def _status(call: Call) -> int:
    from flow_sdk.aws import client
    from flow_sdk.cli.step_functions_shown import machine_lines, run_lines, tail_lines

    runs = _deployed_runs(call)
    if call.words:
        run = runs.find(_execution(call))
        _ends(call).saw(run)
        logs = f"{call.again} logs" if _has_begun(call, run.run) else None
        tail = tail_lines(run.failed_job, lambda: client("logs"))
        failed = None if run.is_running or run.failed_job or logs is None else _failed_task(call, run.run)
        print("\n".join(run_lines(run, runs.machine.place.console(run.arn), logs, tail, failed)))
        return 0
    print("\n".join(machine_lines(runs, _scheduler(runs.machine).find(), LATEST)))
    return 0


def _has_begun(call: Call, run: str) -> bool:
    """Whether the store may have logs of a run: it knows the run, or can't be asked."""
    from flow_sdk.errors import StoreError
    from flow_sdk.runtime.task.run_start import read_record
    from flow_sdk.store.open_store import open_store

    try:
        return read_record(open_store(call.root, create=False), call.flow, run) is not None
    except StoreError:
        return True


def _failed_task(call: Call, run: str) -> tuple[str, str] | None:
    """The task that a run failed of, as the store knows it, and why; None where it doesn't, or can't be asked."""
    from flow_sdk.deploy.step_functions.failed_tasks import failed_task
    from flow_sdk.errors import StoreError
    from flow_sdk.store.open_store import open_store

    try:
        return failed_task(open_store(call.root, create=False), call.flow, run)
    except StoreError:
        return None


def _terminate(call: Call) -> int:
    name = _execution(call)
    runs = _deployed_runs(call, held=True)
    run = runs.find(name)
    runs.stop(run)
    _ends(call).stopped(run)
    call.say(f"The run {run.run} is stopped; AWS Batch ends its jobs. Tasks that are committed stay readable.")
    print(run.run)
    return 0


def _resume(call: Call) -> int:
    name = _execution(call)
    runs = _deployed_runs(call)
    run = runs.find(name)
    runs.redrive(run)
    _ends(call).goes_on(run)
    call.say(
        f"The run {run.run} goes on where it stopped, with the code it began with. What is committed isn't run again.\n"
        f"To watch it: {call.again} step-functions status {run.run}{naming(call)}"
    )
    print(run.run)
    return 0


def _ends(call: Call) -> Ends:
    from flow_sdk.cli.ends import Ends

    return Ends(call, "step-functions", "Step Functions")


def _execution(call: Call) -> str:
    from flow_sdk.deploy.step_functions.executions import execution_name

    return execution_name(call.words[0], call.flow)


def _option(status: str) -> str:
    return status.lower().replace("_", "-")


# What is deployed


def _machine(call: Call, services: Services) -> StateMachine:
    """The state machine of the flow, whether it is there or not."""
    from flow_sdk.deploy.step_functions.machine import StateMachine

    return StateMachine(deployed_name(call), services.place, services.states)


def _deployed_runs(call: Call, *, held: bool = False) -> Executions:
    """The runs of the deployed flow; ``held`` asks for its token."""
    from flow_sdk.deploy.step_functions.executions import Executions
    from flow_sdk.deploy.step_functions.place import Services

    services = Services()
    machine = _machine(call, services)
    if machine.existing() is None:
        raise DeployError(
            f"{machine.deployed_name} isn't deployed to Step Functions.",
            where=str(machine.place),
            help=f"Deploy it with: {call.again} step-functions create{naming(call)}",
        )
    if held:
        _check_holder(call, services)
    return Executions(machine)


def _check_holder(call: Call, services: Services) -> None:
    from flow_sdk.deploy.tokens import existing_store

    token_gate(call, deployed_name(call), _keeper(services)).check_holder(existing_store(call.root))


def _scheduler(machine: StateMachine) -> Any:
    from flow_sdk.aws import client
    from flow_sdk.deploy.step_functions.schedule import Scheduler

    return Scheduler(machine.deployed_name, machine.alias_arn, client("scheduler"), machine.place.prefix)


def _rollback(call: Call) -> int:
    from flow_sdk.deploy.step_functions.rollback import choose_version

    wanted = call.words[0] if call.words else None
    machine = _deployed_runs(call, held=True).machine
    before, version = machine.live(), choose_version(machine, wanted)
    if not machine.point(version):
        call.say(f"{machine.deployed_name} is at version {version} already.")
    else:
        call.say(
            f"{machine.deployed_name} is moved from version {before} to {version}. New runs start with it; those that "
            "are running go on as they began.\nThe schedule stays as it is. The next create moves on to a new version."
        )
    print(version)
    return 0


def _delete(call: Call) -> int:
    from flow_sdk.deploy.step_functions.delete import delete_deployment
    from flow_sdk.deploy.step_functions.place import Services

    services = Services()
    machine = _machine(call, services)
    machine.existing()
    _check_holder(call, services)
    deleted = delete_deployment(machine, services, on_stop=_ends(call).stopping)
    if not any((deleted.machine, deleted.schedule, deleted.claim)):
        call.say(f"{machine.deployed_name} isn't deployed to Step Functions; there was nothing to delete.")
        return 0
    gone = [text for there, text in deleted.named() if there]
    call.say(
        f"Deleted: {', '.join(gone)}.\nWhat remains: all runs and artifacts in {call.root}, "
        f"{token_text(machine.deployed_name)} there,\nand the job definitions in AWS Batch, which cost nothing."
    )
    print(machine.name)
    return 0


NAME = Option("name", "The deployed name; the flow's name when left out. Not with @project.", metavar="NAME")
RUN = Argument("RUN", "A run, as trigger and list-runs print it: sfn-...")

COMMANDS = {
    "step-functions create": Command(
        _create,
        options=[
            NAME,
            Option("tag", "Tag of every run.", metavar="TAG", repeat=True),
            Option("aws-batch-tag", "Tag of every job in AWS Batch.", metavar="KEY=VALUE", repeat=True),
            Option(
                "max-workers",
                "Most items of a foreach at a time. Above 40, an item is an execution of its own.",
                default=100,
                least=1,
            ),
            Option("workflow-timeout", "Let a run fail that takes longer than that many seconds.", least=1),
            Option("use-distributed-map", "Make each item of every foreach an execution of its own.", flag=True),
            Option(
                "alert-topic",
                "SNS topic to tell of runs that fail, time out or are stopped; left out, a rule for it is removed.",
                metavar="ARN",
            ),
            Option("log-execution-history", "Let AWS log what happens in each run.", flag=True),
            Option(
                "only-json", "Print the state machine and do nothing else; asks neither AWS nor the store.", flag=True
            ),
            Option("dry-run", "Say what would be made or changed, and how much of AWS's limits is used.", flag=True),
            *TOKEN_OPTIONS,
        ],
    ),
    "step-functions trigger": Command(
        _trigger,
        parameters=parameter_options,
        options=[NAME, *RUN_ID_OPTIONS],
    ),
    "step-functions list-runs": Command(
        _list_runs,
        options=[
            NAME,
            *(
                Option(name, f"Those that {what}.", flag=True)
                for name, what in (
                    ("running", "are running"),
                    ("succeeded", "have succeeded"),
                    ("failed", "have failed"),
                    ("timed-out", "took longer than their workflow timeout"),
                    ("aborted", "were stopped"),
                )
            ),
        ],
    ),
    "step-functions status": Command(
        _status, arguments=[Argument("RUN", "A run: sfn-...", required=False)], options=[NAME]
    ),
    "step-functions terminate": Command(_terminate, arguments=[RUN], options=[NAME, AUTHORIZE]),
    "step-functions resume": Command(_resume, arguments=[RUN], options=[NAME]),
    "step-functions rollback": Command(
        _rollback,
        arguments=[Argument("VERSION", "A version; the one before the present one if left out.", required=False)],
        options=[NAME, AUTHORIZE],
    ),
    "step-functions delete": Command(_delete, options=[NAME, AUTHORIZE]),
}
