"""``airflow create`` and ``airflow trigger``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flow_sdk.cli.arguments import Argument, Command, Option
from flow_sdk.cli.call import Call, note
from flow_sdk.cli.parameters import given_data, parameter_options
from flow_sdk.cli.tokens import TOKEN_OPTIONS, deployed_name, tell_token, token_gate
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from flow_sdk.deploy.airflow.api import AirflowApi
    from flow_sdk.deploy.airflow.create import CreateOptions
    from flow_sdk.deploy.claims import Keeper
    from flow_sdk.plan.model import FlowPlan

__all__ = ["COMMANDS"]

PASSWORD = "FLOW_SDK_AIRFLOW_PASSWORD"
"""The environment variable that holds the password: an option would show it to everyone on the machine."""

WAIT_TOLD_EVERY = 30.0
"""Seconds between two lines that say that we still wait."""


def _create(call: Call) -> int:
    from flow_sdk.deploy.airflow.create import create_deployment
    from flow_sdk.deploy.airflow.target import open_target
    from flow_sdk.plan.files import embed_files

    target = _target(call)
    name = deployed_name(call)
    plan = call.plan(embed_files(call.parameter_plans()))
    options = _options(call, plan)
    file = open_target(target, name).name
    api = _api(call) if call["wait"] or _url(call) else None
    gate = token_gate(call, name, _keeper(call, api))
    before = None
    if api is not None and call["wait"]:
        from flow_sdk.deploy.airflow.visible import import_error_of

        before = import_error_of(api, file)
    package = call.package(leave_out=(file, *_dag_files(os.path.dirname(file) or ".")))
    deployed = create_deployment(plan, package, call.root, target, options, gate)
    tell_token(call, gate, "airflow create")
    call.say(
        f"DAG {deployed.dag} is {'written' if deployed.changed else 'up to date'}; runs are in {deployed.namespace}."
    )
    if not call.root.startswith("s3://"):
        call.say(f"Its artifacts are kept in {call.root}: every worker must see the same folder under that path.")
    print(deployed.file)
    if api is not None and call["wait"]:
        from flow_sdk.deploy.airflow.visible import wait_visible

        call.say(f"Waiting until Airflow at {api.url} shows it.")
        wait_visible(api, deployed, before=before, timeout=call["wait-timeout"], on_wait=_teller(call))
        call.say("Airflow shows it.")
    return 0


def _keeper(call: Call, api: AirflowApi | None) -> Keeper | None:
    """Where Airflow itself keeps the claim on the name, if an Airflow is known."""
    from flow_sdk.deploy.airflow.variables import ApiVariables, CommandVariables

    if api is not None:
        return ApiVariables(api)
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
            "airflow create needs to know where to write.",
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
        namespace=call["namespace"] or None,
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


def _trigger(call: Call) -> int:
    name = deployed_name(call)
    conf = given_data(call)
    api = _api(call)
    run = api.trigger(name, conf, call["run-id"])
    call.say(f"Airflow at {api.url} has started a run of {name}:")
    print(run)
    return 0


def _url(call: Call) -> str | None:
    from flow_sdk import config

    return call["airflow-url"] or config.read_setting("AIRFLOW_URL").value


def _api(call: Call) -> AirflowApi:
    """The Airflow to ask, from the options, else the settings."""
    from flow_sdk import config

    url = _url(call)
    if not url:
        raise UsageError(
            f"{call.name} needs to know where Airflow is.", wanted="--airflow-url, or the setting AIRFLOW_URL"
        )
    if not url.startswith(("http://", "https://")):
        raise UsageError("This isn't the address of an Airflow.", seen=url, wanted="http://... or https://...")
    user = call["airflow-user"] or config.read_setting("AIRFLOW_USER").value or ""
    password = os.environ.get(PASSWORD, "")
    if user and not password:
        note(f"{PASSWORD} isn't set; Airflow is asked with an empty password.")
    from flow_sdk.deploy.airflow.api import AirflowApi

    return AirflowApi(url, user, password)


NAME = Option("name", "The DAG's id; the flow's name when left out. Not with @project.", metavar="NAME")

SERVER = (
    Option("airflow-url", "Address of Airflow's web server, such as http://localhost:8080.", metavar="URL"),
    Option("airflow-user", f"Airflow user; the password is read from {PASSWORD}.", metavar="NAME"),
)

COMMANDS = {
    "airflow create": Command(
        _create,
        arguments=[Argument("FILE", "A file, a DAGs folder or s3://bucket/folder to write to.", required=False)],
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
            *SERVER,
            Option("airflow-cli", "Keep the token in Airflow through its own command line, here.", flag=True),
            *TOKEN_OPTIONS,
        ],
    ),
    "airflow trigger": Command(
        _trigger,
        parameters=parameter_options,
        options=[NAME, Option("run-id", "Id of the DAG run; Airflow makes one when left out.", metavar="ID"), *SERVER],
    ),
}
