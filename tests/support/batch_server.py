"""moto's server with a Batch that really runs jobs (`batch_jobs`), and an account that is ready to submit to it."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.guardian import guard_containers
from tests.support.moto import ACCOUNT, MotoServer
from tests.support.processes import session_members

__all__ = ["Account", "BatchServer"]

ROOT = Path(__file__).resolve().parents[2]
SLOTS = 4


@dataclass(frozen=True)
class Account:
    """What a deployment needs to find in an AWS account: names and, for roles, ARNs."""

    compute_environment: str
    queue: str
    job_role: str
    execution_role: str
    machine_role: str
    schedule_role: str


class BatchServer(MotoServer):
    """moto's server whose Batch runs each attempt as a process of this host; a context manager.

    Of the tests' environment a job has the PATH alone; besides, the server's address and credentials, and the checkout
    on PYTHONPATH. Its folder is empty, its image of no consequence. Its command's ``python`` is the one given here.

    With a container engine each attempt is a container of the job's image instead, which finds the server's address and
    credentials in its environment and nothing else of this host.

    Parameters
    ----------
    buckets : str
        Buckets to make once it runs.
    python : str
        The interpreter of the jobs; it needs the SDK's dependencies.
    slots : int
        Most jobs at a time (>= 1); further ones stay RUNNABLE.
    engine : str
        The container engine that runs the jobs; processes when empty.
    job_credentials : dict of str to str, optional
        Variables that jobs get instead of the server's keys.
    """

    def __init__(
        self,
        *buckets: str,
        python: str = sys.executable,
        slots: int = SLOTS,
        engine: str = "",
        job_credentials: dict[str, str] | None = None,
    ) -> None:
        super().__init__(*buckets)
        self.job_credentials = job_credentials
        self.python, self.slots, self.engine = python, slots, engine
        self.mark = f"flow-sdk-rig={uuid.uuid4().hex}"
        self._account: Account | None = None
        self._programs: Path | None = None

    def program(self) -> list[str]:
        """The command that starts it, without address and port."""
        # A venv is found by the path of its interpreter, so that a link from elsewhere wouldn't do.
        self._programs = Path(tempfile.mkdtemp(prefix="batch-programs-"))
        for name in ("python", "python3"):
            script = self._programs / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(self.python)} "$@"\n')
            script.chmod(0o755)
        given = self.env()
        if self.job_credentials is not None:
            given = {name: value for name, value in given.items() if "_KEY" not in name} | self.job_credentials
        environment = {
            "PATH": f"{self._programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT),
            **given,
        }
        engine = ["--engine", self.engine, "--mark", self.mark] if self.engine else []
        if self.engine:
            guard_containers(self.engine, self.mark)
        # moto sorts classes by the name of their module, which mustn't be __main__.
        start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.support.batch_jobs import main; main()"
        return [
            sys.executable,
            "-P",
            "-c",
            start,
            "--slots",
            str(self.slots),
            "--job-environment",
            json.dumps(given if self.engine else environment),
            *engine,
        ]

    def stop(self) -> None:
        """End it, and the jobs that run."""
        process = self._process
        super().stop()
        if process is not None:
            for pid in session_members(process.pid):
                os.kill(pid, signal.SIGKILL)
        if self.engine and (left := self.containers()):
            subprocess.run([self.engine, "rm", "--force", *left], capture_output=True, check=True)
        programs, self._programs = self._programs, None
        if programs is not None:
            shutil.rmtree(programs, ignore_errors=True)

    def containers(self) -> list[str]:
        """The ids of the containers that its jobs have, running or not."""
        command = [self.engine, "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={self.mark}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def client(self, service: str, endpoint: str | None = None) -> Any:
        """A boto3 client of the server that doesn't depend on the environment, for the address given if one is."""
        import boto3

        env = self.env()
        return boto3.client(
            service,
            region_name=env["AWS_DEFAULT_REGION"],
            endpoint_url=endpoint
            or (env.get("AWS_ENDPOINT_URL_SFN") if service == "stepfunctions" else None)
            or self.url,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )

    def forget(self) -> None:
        """Forget all that it holds, but its buckets, which are empty then."""
        super().forget()
        self._account = None

    def prepare(self) -> Account:
        """Make roles, a compute environment and a queue, once; return their names and ARNs."""
        if self._account is None:
            iam, batch = self.client("iam"), self.client("batch")
            roles = {
                name: iam.create_role(RoleName=f"rig-{name}", AssumeRolePolicyDocument=_trust(service))["Role"]["Arn"]
                for name, service in (
                    ("batch", "batch"),
                    ("job", "ecs-tasks"),
                    ("execution", "ecs-tasks"),
                    ("machine", "states"),
                    ("schedule", "scheduler"),
                )
            }
            made = batch.create_compute_environment(
                computeEnvironmentName="rig", type="UNMANAGED", state="ENABLED", serviceRole=roles["batch"]
            )
            order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
            batch.create_job_queue(jobQueueName="rig", state="ENABLED", priority=1, computeEnvironmentOrder=order)
            self._account = Account("rig", "rig", roles["job"], roles["execution"], roles["machine"], roles["schedule"])
        return self._account

    def jobs(self, queue: str = "rig") -> list[dict[str, Any]]:
        """All jobs of a queue as DescribeJobs shows them, in the order of their submission."""
        batch = self.client("batch")
        filters = [{"name": "JOB_NAME", "values": ["*"]}]
        listed = batch.list_jobs(jobQueue=queue, filters=filters)["jobSummaryList"]
        ids = [job["jobId"] for job in listed]
        found = [one for at in range(0, len(ids), 100) for one in batch.describe_jobs(jobs=ids[at : at + 100])["jobs"]]
        return sorted(found, key=lambda job: job["createdAt"])

    def log(self, job: dict[str, Any]) -> list[str]:
        """The lines of a job's newest attempt; none of a job that waits for a place."""
        stream = job["container"].get("logStreamName")
        if stream is None:
            return []
        events = self.client("logs").get_log_events(
            logGroupName="/aws/batch/job", logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in events["events"]]

    def reclaim(self, job_id: str) -> None:
        """End a job's running attempt as Batch does when it loses a spot instance."""
        reason = f"Host EC2 (instance i-{ACCOUNT}) terminated."
        self.client("batch").terminate_job(jobId=job_id, reason=reason)


def _trust(service: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
