"""A second, independent interpreter of state machines, and a validator: npm packages, run by Node."""

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

from tests.support.batch_server import BatchServer

__all__ = ["run", "validate"]

FOLDER = Path(__file__).resolve().parent


def run(
    definition: dict[str, Any],
    name: str,
    data: object,
    server: BatchServer,
    *,
    recorded: list[dict[str, Any]] | None = None,
    seconds: float = 180.0,
) -> dict[str, Any]:
    """Execute a state machine, whose jobs run on a server's Batch and whose objects lie in its S3.

    Parameters
    ----------
    definition : dict
        The state machine, with inline maps only; its resources are ``batch:submitJob.sync`` and
        ``aws-sdk:s3:getObject``.
    name : str
        The execution's name.
    data : object
        Its input, as JSON.
    server : BatchServer
        Where jobs run. Its own Step Functions knows the execution's input and nothing else of it.
    recorded : list of dict, optional
        Jobs of an execution of the same name, as DescribeJobs shows them. Each submission is then answered by the one
        that was submitted just so (under the same name and definition, with the same variables and tags), and no job
        is run.
    seconds : float
        Longest wait (> 0).

    Returns
    -------
    dict
        "status" ("SUCCEEDED" or "FAILED") and "output", or "error" and "cause"; with `recorded`, "left" has the names
        of the jobs that weren't submitted again.
    """
    states = server.client("stepfunctions", endpoint=server.url)
    machine = states.create_state_machine(
        name=f"second-{uuid.uuid4().hex[:12]}",
        definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        roleArn=server.prepare().machine_role,
    )["stateMachineArn"]
    started = states.start_execution(stateMachineArn=machine, name=name, input=json.dumps(data))
    execution = {
        "Id": started["executionArn"],
        "Name": name,
        "Input": data,
        "StartTime": started["startDate"].isoformat(),
    }
    message = {
        "definition": definition,
        "input": data,
        "context": {"Execution": execution, "StateMachine": {"Id": machine}},
        "endpoint": server.url,
        # A job that asks for its execution's input finds it where the execution is known.
        "variables": {"AWS_ENDPOINT_URL_SFN": server.url},
        "recorded": recorded,
    }
    found: dict[str, Any] = _node("execute.mjs", message, seconds)
    return found


def validate(*definitions: dict[str, Any]) -> list[str]:
    """Return what asl-validator has against state machines, each with its number (from 0); nothing for valid ones."""
    found: list[str] = _node("validate.mjs", definitions, 180.0)
    return found


def _node(script: str, message: object, seconds: float) -> Any:
    node = shutil.which("node")
    assert node is not None, "Node isn't installed"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "FLOW_TEST_NODE_MODULES": os.environ["FLOW_TEST_NODE_MODULES"],
        "NO_PROXY": "127.0.0.1,localhost",
    }
    done = subprocess.run(
        [node, str(FOLDER / script)],
        input=json.dumps(message),
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout)
