"""What the orchestrators' commands are called and what they print: all that differs between them for ``Deployer``."""

from dataclasses import dataclass

from flow_sdk.deploy.airflow.runtime import airflow_run_prefix

__all__ = ["AIRFLOW", "STEP_FUNCTIONS", "TARGETS", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """An orchestrator. Each command prints its result as the last line on stdout.

    Parameters
    ----------
    name : str
        What its commands begin with.
    impl : str
        What it is called in Python.
    place : str or None
        The option of ``create`` that is a positional argument on the command line: where to write to.
    """

    name: str
    impl: str
    place: str | None = None

    def command(self, verb: str) -> str:
        """A command's name."""
        return f"{self.name} {verb}"

    def run_name(self, deployed: str, flow: str, run_id: str) -> str:
        """Return what the orchestrator calls a run, from the run's id in the store, which ``trigger`` prints."""
        return run_id.removeprefix(airflow_run_prefix(deployed, flow)) if self is AIRFLOW else run_id


AIRFLOW = Target("airflow", "airflow", place="target")
STEP_FUNCTIONS = Target("step-functions", "step_functions")

TARGETS = {target.impl: target for target in (AIRFLOW, STEP_FUNCTIONS)}
"""All of them, by what they are called in Python."""
