"""State machines of the same flows: billed state transitions of a run, and bytes of the definition for each step.

Both sides compile the flow by their own command; the definitions are walked, not executed. The peer asks AWS while it
compiles, which is moto's server here.
"""

import json
import os
import subprocess
from typing import Any

from benchmarks.side import Row, Side
from tests.support.batch_server import BatchServer

__all__ = ["SHAPES", "bytes_a_step", "flow_source", "state_machine_rows", "transitions"]

HEAD = "from PACKAGE import FlowSpec, step\n\n\nclass Machine(FlowSpec):\n"
TAIL = "\n\nif __name__ == '__main__':\n    Machine()\n"
SHAPES = {
    "linear": (3, "start: self.next(self.fit)", "fit: self.next(self.end)", "end: pass"),
    "branch": (
        5,
        "start: self.next(self.a, self.b)",
        "a: self.next(self.join)",
        "b: self.next(self.join)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    ),
    "foreach of 100": (
        4,
        "start: self.xs = list(range(100)); self.next(self.fit, foreach='xs')",
        "fit: self.next(self.join)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    ),
    "foreach of 10 in a foreach of 100": (
        6,
        "start: self.xs = list(range(100)); self.next(self.outer, foreach='xs')",
        "outer: self.ys = list(range(10)); self.next(self.inner, foreach='ys')",
        "inner: self.next(self.gather)",
        "gather(inputs): self.next(self.join)",
        "join(inputs): self.next(self.end)",
        "end: pass",
    ),
}


def flow_source(steps: tuple[Any, ...]) -> str:
    """A flow file from one line for each step; it imports from ``PACKAGE``."""
    lines = []
    for text in steps:
        head, _, body = text.partition(": ")
        name, _, arguments = head.partition("(")
        more = f", {arguments.rstrip(')')}" if arguments else ""
        lines += ["    @step", f"    def {name}(self{more}):", f"        {body}", ""]
    return HEAD + "\n".join(lines) + TAIL


def transitions(definition: dict[str, Any], items: tuple[int, ...]) -> int:
    """State transitions of one run without failures.

    Parameters
    ----------
    definition : dict
        A machine, or what encloses states in one.
    items : tuple of int
        How many items the maps have, from the outermost in.
    """
    found = 0
    for state in definition["States"].values():
        found += 1
        for branch in state.get("Branches", ()):
            found += transitions(branch, items)
        inner = state.get("ItemProcessor") or state.get("Iterator")
        if inner is not None:
            found += items[0] * transitions(inner, items[1:])
    return found


def bytes_a_step(definition: dict[str, Any], steps: int) -> float:
    """Bytes of the definition's shortest JSON for each step of the flow."""
    return len(json.dumps(definition, separators=(",", ":")).encode()) / steps


def _queue(server: BatchServer) -> str:
    """A job queue on machines that Batch starts itself: the peer asks of which kind they are."""
    iam, ec2, batch = server.client("iam"), server.client("ec2"), server.client("batch")
    profile = iam.create_instance_profile(InstanceProfileName="bench")["InstanceProfile"]["Arn"]
    subnets = [found["SubnetId"] for found in ec2.describe_subnets()["Subnets"]]
    groups = [found["GroupId"] for found in ec2.describe_security_groups()["SecurityGroups"]]
    machines = {
        "type": "EC2",
        "minvCpus": 0,
        "maxvCpus": 4,
        "desiredvCpus": 0,
        "instanceTypes": ["t2.small"],
        "instanceRole": profile,
        "subnets": subnets[:1],
        "securityGroupIds": groups[:1],
    }
    made = batch.create_compute_environment(
        computeEnvironmentName="bench",
        type="MANAGED",
        state="ENABLED",
        serviceRole=server.prepare().execution_role,
        computeResources=machines,
    )
    order = [{"order": 0, "computeEnvironment": made["computeEnvironmentArn"]}]
    queue = batch.create_job_queue(jobQueueName="bench", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    return str(queue["jobQueueArn"])


def _compiled(side: Side, flow: str, server: BatchServer, queue: str) -> dict[str, Any]:
    """The definition that a side's own command makes; the peer wants all that it names to be there."""
    role = server.prepare().job_role
    settings = {
        "DEFAULT_DATASTORE": "s3",
        "DATASTORE_SYSROOT_S3": "s3://bench/flows",
        "BATCH_JOB_QUEUE": queue,
        "BATCH_IMAGE": "python:3.11-slim",
        "BATCH_JOB_ROLE": role,
        "BATCH_CONTAINER_IMAGE": "python:3.11-slim",
        "ECS_S3_ACCESS_IAM_ROLE": role,
        "SFN_IAM_ROLE": role,
        "EVENTS_SFN_ACCESS_IAM_ROLE": role,
        "SFN_DYNAMO_DB_TABLE": "flow",
        "S3_ENDPOINT_URL": server.url,
    }
    prefix = "FLOW_SDK_" if side.package == "flow_sdk" else "METAFLOW_"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    environment = {**kept, **server.env(), "HOME": str(side.folder), "USER": "bench"}
    environment.update({prefix + name: value for name, value in settings.items()})
    command = [side.python, flow, "--datastore", "s3", "step-functions", "create", "--only-json"]
    if side.package != "flow_sdk":
        command.insert(2, "--no-pylint")
    done = subprocess.run(command, cwd=side.folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{side.package}: {flow} didn't compile\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    definition: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return definition


def state_machine_rows(ours: Side, peer: Side) -> list[Row]:
    """Compile each shape on both sides.

    Parameters
    ----------
    ours, peer : Side
        The two sides.
    """
    rows = []
    with BatchServer("bench") as server:
        queue = _queue(server)
        for number, (shape, (steps, *source)) in enumerate(SHAPES.items()):
            name = f"machine{number}.py"
            found = []
            for side in (ours, peer):
                side.flow(name, flow_source(tuple(source)))
                found.append(_compiled(side, name, server, queue))
            counts = [transitions(definition, (100, 10)) for definition in found]
            sizes = [bytes_a_step(definition, steps) for definition in found]
            rows.append(Row(f"state transitions, {shape}", counts[0], counts[1], 1, ""))
            rows.append(Row(f"definition for each step, {shape}", sizes[0], sizes[1], 5, "bytes"))
    return rows
