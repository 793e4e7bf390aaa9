"""``airflow create`` and what is done with the deployed flow: trigger, look, stop, delete."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from flow_sdk.cli.airflow_server import SERVER_OPTIONS, airflow_api, airflow_url
from flow_sdk.cli.context import Call
from flow_sdk.cli.inactive import refuse_inactive
from flow_sdk.cli.parameters import given_data, parameter_options
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.started_run import RUN_ID_OPTIONS, given_run_id, hand_over_run, refuse_stored_run
from flow_sdk.cli.tokens import AUTHORIZE, TOKEN_OPTIONS, deployed_name, naming, tell_token, token_gate, token_text
from flow_sdk.config import expand_home
from flow_sdk.errors import DeployError, UsageError

if TYPE_CHECKING:
    from flow_sdk.cli.ends import Ends
    from flow_sdk.deploy.airflow.api import AirflowApi
    from flow_sdk.deploy.airflow.create import CreateOptions, Deployed
    from flow_sdk.deploy.airflow.delete import Deleted
    from flow_sdk.deploy.airflow.runs import DagRuns
    from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables
    from flow_sdk.plan.model import FlowPlan

__all__ = ["COMMANDS"]

WAIT_TOLD_EVERY = 30.0
"""Seconds between two lines that say that we still wait."""

LATEST = 5
"""How many of the latest runs ``status`` shows."""

# Creating


def _create(call: Call) -> int:
    from flow_sdk.deploy.airflow.advice import deployment_advice
    from flow_sdk.deploy.airflow.create import create_deployment
    from flow_sdk.deploy.airflow.target import open_target
    from flow_sdk.plan.files import embed_files

    target = _target(call)
    name = deployed_name(call)
    plan = call.plan(embed_files(call.parameter_plans()))
    refuse_inactive(call)
    options = _options(call, plan)
    place = open_target(target, name)
    api = airflow_api(call) if call["wait"] or airflow_url(call) else None
    gate = token_gate(call, name, _keeper(call, api))
    before = None
    if api is not None and call["wait"]:
        from flow_sdk.deploy.airflow.visible import import_error_of

        before = import_error_of(api, place.name)
    beside = _dag_files(os.path.dirname(place.name) or ".")
    advice = deployment_advice(plan, options, place, beside, api)
    dag_files = (place.name, *beside)
    package = call.package(leave_out=dag_files)
    deployed = create_deployment(plan, package, call.root, target, options, gate)
    tell_token(call, gate, target if "://" in target else os.path.abspath(expand_home(target)))
    _tell_deployed(call, deployed)
    call.code.tell(package, leave_out=dag_files)
    for line in advice:
        call.say(line)
    print(deployed.file)
    if api is not None and call["wait"]:
        from flow_sdk.deploy.airflow.visible import wait_visible

        call.say(f"Waiting until Airflow at {api.url} shows it.")
        wait_visible(api, deployed, before=before, timeout=call["wait-timeout"], on_wait=_teller(call))
        call.say("Airflow shows it.")
    return 0


def _tell_deployed(call: Call, deployed: Deployed) -> None:
    from flow_sdk.cli.schedule_shown import next_text, schedule_of

    call.say(
        f"DAG {deployed.dag} is {'written' if deployed.changed else 'up to date'}; runs are in {deployed.namespace}."
    )
    schedule = schedule_of(call.flow_class)
    if schedule is not None:
        call.say(f"It starts by itself unless it is paused. Next: {next_text(schedule)}")
    if not call.root.startswith("s3://"):
        call.say(f"Its artifacts are kept in {call.root}: every worker must see the same folder under that path.")


def _keeper(call: Call, api: AirflowApi | None) -> ApiVariables | CommandVariables | None:
    """Where Airflow itself keeps the claim on the name, if an Airflow is known."""
    from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables

    if api is not None:
        return ApiVariables(
            api,
            lambda error: call.say(
                f"Your role in Airflow lacks the permission {error.permission!r}. The claim on {deployed_name(call)} "
                "in the store\ncounts alone: a deployment of that name from another store goes unnoticed."
            ),
        )
    return CommandVariables() if call["airflow-cli"] else None


def _dag_files(folder: str) -> list[str]:
    """The DAG files beside the one to write, which may lie in the flow's folder: they are no part of its code."""
    from flow_sdk.deploy.airflow.dagfile import FIRST_LINE

    found = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if name.endswith(".py") and os.path.isfile(path):
            with open(path, "rb") as file:
                if file.read(len(FIRST_LINE)) == FIRST_LINE.encode("ascii"):
                    found.append(path)
    return found


def _target(call: Call) -> str:
    from flow_sdk import config

    target = call.words[0] if call.words else config.read_setting("AIRFLOW_DAGS_FOLDER").value
    if not target:
        raise UsageError(
            f"{call.name} needs to know where {'to write' if call.name == 'airflow create' else 'the DAG file is'}.",
            wanted="a file ending in .py, a DAGs folder or s3://bucket/folder, or the setting AIRFLOW_DAGS_FOLDER",
        )
    return target


def _options(call: Call, plan: FlowPlan) -> CreateOptions:
    from flow_sdk.deploy.airflow.create import CreateOptions
    from flow_sdk.metadata.tags import check_tags

    fixed: dict[str, Any] = {}
    if call["aws-conn-id"] is not None:
        # An empty name asks for the worker's own credentials and for no connection.
        fixed["aws_conn_id"] = call["aws-conn-id"] or None
    return CreateOptions(
        name=call["name"],
        namespace=call["namespace"],
        tags=tuple(check_tags(call["tag"])),
        max_workers=call["max-workers"],
        workflow_timeout=call["workflow-timeout"],
        worker_pool=call["worker-pool"],
        paused=call["is-paused-upon-creation"] if "is-paused-upon-creation" in call.given else None,
        **fixed,
    )


def _teller(call: Call) -> Any:
    """Says now and then that we still wait."""
    told = 0.0

    def tell(seconds: float) -> None:
        nonlocal told
        if seconds - told >= WAIT_TOLD_EVERY:
            told = seconds
            call.say(f"Still waiting after {seconds:.0f} s.")

    return tell


# Runs


def _trigger(call: Call) -> int:
    from flow_sdk.deploy.airflow.advice import paused_advice
    from flow_sdk.deploy.airflow.api import AirflowRefused
    from flow_sdk.deploy.airflow.runtime import airflow_run_id, airflow_run_prefix
    from flow_sdk.deploy.run_ids import AIRFLOW_RUN_IDS, existing_run_error

    name = deployed_name(call)
    prefix = airflow_run_prefix(name, call.flow)
    given = given_run_id(call, AIRFLOW_RUN_IDS, prefix)
    conf = given_data(call, ordered=True)
    api = airflow_api(call)
    if given is not None:
        refuse_stored_run(call, prefix + given, AIRFLOW_RUN_IDS.target)
    try:
        run = airflow_run_id(name, call.flow, api.trigger(name, conf, given))
    except AirflowRefused as error:
        if error.status != 409 or given is None:
            raise
        raise existing_run_error(prefix + given, AIRFLOW_RUN_IDS.target, api.url) from error
    call.say(
        f"Airflow at {api.url} has started a run of {name}. To watch it:\n  {_again(call, 'status')} {shlex.quote(run)}"
    )
    for line in paused_advice(api, name):
        call.say(line)
    hand_over_run(call, run)
    return 0


def _list_runs(call: Call) -> int:
    from flow_sdk.cli.airflow_shown import RUNS_HEAD, run_line
    from flow_sdk.deploy.airflow.runs import STATUSES

    wanted = [status for status in STATUSES if call[status.lower()]]
    runs, ends, count = _deployed_runs(call), _ends(call), 0
    for run in runs.list(wanted):
        ends.saw(run)
        if not count:
            call.say(RUNS_HEAD)
        print(run_line(run))
        count += 1
    if not count:
        kind = " or ".join(status.lower() for status in wanted)
        call.say(f"{runs.dag} has no {kind + ' ' if kind else ''}runs.")
    return 0


def _status(call: Call) -> int:
    from flow_sdk.cli.airflow_shown import dag_lines, run_lines

    runs = _deployed_runs(call)
    if not call.words:
        from flow_sdk.deploy.airflow.visible import import_error_of

        dag = runs.api.dag(runs.dag) or {}
        print("\n".join(dag_lines(runs, dag, import_error_of(runs.api, str(dag.get("fileloc"))), LATEST)))
        return 0
    run = runs.find(call.words[0])
    _ends(call).saw(run)
    # Our own tasks beside the steps have names of their own: step.splits, step.loop.
    ended = (str(task["task_id"]) for task in runs.api.task_instances(runs.dag, run.name) if task["state"] == "failed")
    steps = dict.fromkeys(task.rpartition(".")[2] for task in ended)
    failed = [step for step in steps if callable(getattr(call.flow_class, step, None))]
    print("\n".join(run_lines(run, failed, runs.page(run), f"{call.again} logs")))
    return 0


def _terminate(call: Call) -> int:
    runs = _deployed_runs(call)
    _check_holder(call, _keeper(call, runs.api))
    run = runs.find(call.words[0])
    runs.stop(run)
    _ends(call).stopped(run)
    call.say(f"The run {run.run} is marked as failed; Airflow ends its tasks. Those that are committed stay readable.")
    print(run.run)
    return 0


def _ends(call: Call) -> Ends:
    from flow_sdk.cli.ends import Ends

    return Ends(call, "airflow", "Airflow")


# What is deployed


def _deployed_runs(call: Call) -> DagRuns:
    """The runs of the deployed flow, which Airflow knows."""
    from flow_sdk.deploy.airflow.runs import DagRuns

    runs = DagRuns(airflow_api(call), deployed_name(call), call.flow)
    if runs.api.dag(runs.dag) is None:
        raise DeployError(
            f"Airflow doesn't know the DAG {runs.dag}.",
            where=runs.api.url,
            help=f"Deploy it with: {_again(call, 'create')} FILE --wait",
        )
    return runs


def _check_holder(call: Call, keeper: ApiVariables | CommandVariables | None) -> None:
    from flow_sdk.deploy.tokens import existing_store

    token_gate(call, deployed_name(call), keeper).check_holder(existing_store(call.root))


def _again(call: Call, verb: str) -> str:
    """How to call another of these commands for the same deployment, to be pasted into a shell."""
    return f"{call.again}{naming(call)} airflow {verb}"


def _delete(call: Call) -> int:
    from flow_sdk.deploy.airflow.delete import check_place, delete_deployment
    from flow_sdk.deploy.airflow.origin import check_origin
    from flow_sdk.deploy.airflow.runs import DagRuns
    from flow_sdk.deploy.airflow.target import check_holds, open_target
    from flow_sdk.deploy.tokens import existing_store

    name = deployed_name(call)
    if call["history"] and not airflow_url(call):
        airflow_api(call)  # says that its address is needed
    place = open_target(_target(call), name)
    check_holds(place, name)
    api = airflow_api(call) if airflow_url(call) else None
    if api is not None:
        check_place(place, name, api.dag(name))
    keeper = _keeper(call, api)
    gate, store = token_gate(call, name, keeper), existing_store(call.root)
    if keeper is None:  # the store alone says whose the file is, even where it has no claim to authorize
        check_origin(place, name, call.root, store, gate)
    check_origin(place, name, call.root, store, gate, gate.check_holder(store))
    deleted = delete_deployment(
        place,
        name,
        None if api is None else DagRuns(api, name, call.flow),
        keeper,
        history=call["history"],
        on_stop=_ends(call).stopping,
    )
    gone = [text for there, text in deleted.named() if there]
    if not gone:
        call.say(f"{name} isn't deployed to {place.name}; there was nothing to delete.")
        return 0
    call.say(f"Deleted: {', '.join(gone)}.\n{_remains(call, deleted, api, keeper)}")
    print(place.name)
    return 0


def _remains(call: Call, deleted: Deleted, api: AirflowApi | None, keeper: Any) -> str:
    """What ``delete`` leaves."""
    from flow_sdk.authoring.project import claim_name
    from flow_sdk.deploy.airflow.variables import variable_key

    name = deployed_name(call)
    text = f"What remains: all runs and artifacts in {call.root}, and {token_text(name)} there."
    if api is not None and not deleted.history:
        text += "\nAirflow keeps the history of its runs, too; --history deletes it."
    if api is None:
        text += "\nAirflow's address isn't known (--airflow-url): runs that still go on there fail with their next task"
        text += (
            "."
            if keeper is not None
            else f",\nand its Variable {variable_key(claim_name(name))} stays, if there is one."
        )
    return text


NAME = Option("name", "The DAG's id; the flow's name when left out. Not with @project.", metavar="NAME")

COMMAND_LINE = Option("airflow-cli", "Reach the token in Airflow through its own command line, here.", flag=True)
FILE = Argument("FILE", "A file, a DAGs folder or s3://bucket/folder to write to.", required=False)
RUN = "A run, as list-runs prints it: airflow-...; or Airflow's own id."

COMMANDS = {
    "airflow create": Command(
        _create,
        arguments=[FILE],
        options=[
            NAME,
            Option("tag", "Tag of every run.", metavar="TAG", repeat=True),
            Option("max-workers", "Most tasks of a run at a time.", default=100, least=1),
            Option("workflow-timeout", "Let a run fail that takes longer than that many seconds.", least=1),
            Option("worker-pool", "The Airflow pool of all tasks.", metavar="POOL"),
            Option("is-paused-upon-creation", "Start with the DAG paused (or --no-...: not paused).", flag=True),
            Option(
                "aws-conn-id",
                "Airflow connection with the credentials of an S3 store; empty for none. [default: aws_default]",
                metavar="CONNECTION",
            ),
            Option("wait", "Wait until Airflow shows the DAG, or why it can't.", flag=True),
            Option("wait-timeout", "Seconds to wait at most.", default=360, least=1),
            *SERVER_OPTIONS,
            COMMAND_LINE,
            *TOKEN_OPTIONS,
        ],
    ),
    "airflow trigger": Command(
        _trigger,
        parameters=parameter_options,
        options=[NAME, *RUN_ID_OPTIONS, *SERVER_OPTIONS],
    ),
    "airflow list-runs": Command(
        _list_runs,
        options=[
            NAME,
            Option("queued", "Those that wait to begin.", flag=True),
            Option("running", "Those that are running.", flag=True),
            Option("succeeded", "Those that have succeeded.", flag=True),
            Option("failed", "Those that have failed.", flag=True),
            *SERVER_OPTIONS,
        ],
    ),
    "airflow status": Command(
        _status, arguments=[Argument("RUN", RUN, required=False)], options=[NAME, *SERVER_OPTIONS]
    ),
    "airflow terminate": Command(
        _terminate, arguments=[Argument("RUN", RUN)], options=[NAME, AUTHORIZE, *SERVER_OPTIONS, COMMAND_LINE]
    ),
    "airflow delete": Command(
        _delete,
        arguments=[Argument("FILE", "Where create wrote it: a file, a DAGs folder or s3://...", required=False)],
        options=[
            NAME,
            AUTHORIZE,
            Option("history", "Delete the DAG and the history of its runs from Airflow's database, too.", flag=True),
            *SERVER_OPTIONS,
            COMMAND_LINE,
        ],
    ),
}
