"""The rig's Batch with attempts in containers, as AWS Batch has them. Started by `BatchServer`."""

import os
import signal
import subprocess

from tests.support.batch_jobs import Attempt, Rules
from tests.support.containers import LIMITS

__all__ = ["ContainerAttempt"]


class ContainerAttempt(Attempt):
    """An attempt in a container of the job's image, on the network of this host, on whose loopback the servers are.

    Of the definition it has image, command and environment; no limits, volumes or devices.
    """

    container = ""

    def _command(self) -> list[str]:
        variables = {**Rules.environment, **self.job.environment(self.number)}
        options = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        image = (self.job.job_definition.container_properties or {})["image"]
        options += ["--pull", "never", "--network", "host", "--label", Rules.mark, *LIMITS]
        create = [Rules.engine, "create", *options, image, *self.job.command()]
        done = subprocess.run(create, capture_output=True, text=True)
        if done.returncode:
            raise OSError(done.stderr.strip())
        self.container = done.stdout.split()[-1]
        return [Rules.engine, "start", "--attach", "--sig-proxy=false", self.container]

    def _environment(self, folder: str) -> dict[str, str]:
        # The engine's own; containers get nothing of it.
        return dict(os.environ)

    def _send(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        # What has ended meanwhile can't be told anything, which is no error.
        subprocess.run([Rules.engine, "kill", "--signal", number.name, self.container], capture_output=True)

    def _leave_nothing(self) -> None:
        subprocess.run([Rules.engine, "rm", "--force", self.container], capture_output=True)
