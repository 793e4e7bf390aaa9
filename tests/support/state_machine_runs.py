"""Running flows as state machines on the rig, and comparing them with local runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flow_sdk.deploy.step_functions.definition import MachineOptions, job_definitions, state_machine
from flow_sdk.deploy.step_functions.limits import _Events
from flow_sdk.plan.codec import to_json
from flow_sdk.plan.model import FlowPlan
from flow_sdk.runtime.batch.definition import BatchSettings
from flow_sdk.runtime.batch.register import ensure_registered
from flow_sdk.runtime.request import TaskRequest
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store
from flow_sdk.store.package.archive import build_archive
from flow_sdk.store.records.layout import events_prefix
from tests.golden.compiled import plan_of
from tests.support import second_interpreter
from tests.support.airflow_runs import FlowFile, Hashes, clean_environment, hashes
from tests.support.step_functions import StepFunctionsServer

__all__ = ["ROOT", "MachineRun", "PlacedFlow", "place"]

ROOT = "s3://store/flows"

TRY_EVENTS = 4
"""Events of a try that failed: scheduled, started, submitted, failed."""


@dataclass
class PlacedFlow:
    """A flow whose plan, code and job definitions are where its state machine looks for them.

    Parameters
    ----------
    file : FlowFile
        The flow file.
    plan : FlowPlan
        What it compiles to.
    options : MachineOptions
        What the machine depends on beside it.
    """

    file: FlowFile
    plan: FlowPlan
    options: MachineOptions

    @property
    def definition(self) -> dict[str, Any]:
        """The state machine."""
        return state_machine(self.plan, self.options)

    def run_locally(self, *words: str) -> Hashes:
        """Run it on this machine with the same store; the hashes of its artifacts."""
        id_file = self.file.folder / "local.id"
        self.file.call("--datastore", "s3", "--datastore-root", ROOT, "run", "--run-id-file", str(id_file), *words)
        return hashes(ROOT, f"{self.plan.flow}/{id_file.read_text().strip()}")


@dataclass
class MachineRun:
    """One execution of a flow's state machine.

    Parameters
    ----------
    aws : StepFunctionsServer
        Where.
    flow : PlacedFlow
        What.
    name : str
        The execution's name.
    """

    aws: StepFunctionsServer
    flow: PlacedFlow
    name: str
    result: dict[str, Any] = field(default_factory=dict)

    def run(self, data: Any = None, *, fails: bool = False) -> "MachineRun":
        """Execute it to its end."""
        self.result = self.aws.run(self.flow.definition, data, name=self.name)
        status = self.result["status"]
        if (status == "SUCCEEDED") is fails:
            said = (self.result.get("error"), self.result.get("cause"))
            raise AssertionError(f"{self.pathspec}: {status}, {said}\n{self._told()}")
        return self

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """Its jobs as DescribeJobs shows them."""
        return [job for job in self.aws.jobs() if job["tags"].get("flow_sdk.run") == self.name]

    def _told(self) -> str:
        """What is known of each job that didn't succeed."""
        jobs = self.jobs
        lines = [f"{len(jobs)} jobs"]
        for job in jobs:
            if job["status"] != "SUCCEEDED":
                ends = [
                    (one["container"].get("exitCode"), one["container"].get("reason"), one["statusReason"])
                    for one in job["attempts"]
                ]
                lines += [f"{job['jobName']}: {job['status']}, {job.get('statusReason')}, attempts {ends}"]
                lines += [f"    {line}" for line in self.aws.log(job)[-40:]]
        return "\n".join([*lines, self.aws.states_log()])

    def play_elsewhere(self, data: Any = None) -> dict[str, Any]:
        """Execute it once more with the second interpreter and the jobs that it has had; what that makes of it."""
        return second_interpreter.run(self.flow.definition, self.name, data, self.aws, recorded=self.jobs)

    def redrive(self, *, fails: bool = False) -> "MachineRun":
        """Go on with it after a failure."""
        self.result = self.aws.redrive(self.result["executionArn"])
        assert (self.result["status"] == "SUCCEEDED") is not fails, self.result
        return self

    @property
    def events(self) -> int:
        """Length of its history, but for tries again."""
        kinds = [event["type"] for event in self.aws.history(self.result["executionArn"])]
        return len(kinds) - TRY_EVENTS * kinds.count("TaskFailed")

    @property
    def accounted(self) -> int:
        """Length of its history as the compiler and the tasks have reckoned it."""
        once = _Events(self.flow.plan, self.flow.options.distributed_steps(self.flow.plan)).once(None)
        folder = events_prefix(self.flow.plan.flow, f"sfn-{self.name}", "run")
        return once + sum(int(info.key.rpartition("=")[2]) for info in open_store(ROOT).list(folder))

    @property
    def pathspec(self) -> str:
        """``Flow/run``."""
        return f"{self.flow.plan.flow}/sfn-{self.name}"

    @property
    def hashes(self) -> Hashes:
        """The hash of each artifact by step, task and name."""
        return hashes(ROOT, self.pathspec)


def place(
    aws: StepFunctionsServer, path: Path, folder: Path, *, image: str = "flow-sdk:test", **options: Any
) -> PlacedFlow:
    """Compile a flow file and put all that its machine needs in place.

    Parameters
    ----------
    aws : StepFunctionsServer
        Where.
    path : Path
        The flow file.
    folder : Path
        Where it is called.
    image : str
        The image of its jobs.
    **options
        More of :class:`MachineOptions`; without them maps are inline.
    """
    account = aws.prepare()
    file = FlowFile(path, folder, clean_environment(folder / "home", **aws.env()))
    plan = plan_of(path, "tester")
    artifacts = Artifacts(open_store(ROOT))
    request = TaskRequest(
        root="",
        flow=plan.flow,
        run="",
        step="",
        task="",
        plan=artifacts.put_bytes(to_json(plan)),
        package=artifacts.put_bytes(build_archive(str(path.parent))),
        user="step-functions",
        system_tags=("runtime:step-functions",),
        orchestrator={"kind": "step-functions"},
    )
    settings = BatchSettings(queue=account.queue, image=image, job_role=account.job_role)
    told = {"request": artifacts.put_bytes(request.to_json()), "max_workers": 40, **options}
    wanted = MachineOptions(store=ROOT, settings=settings, **told)
    ensure_registered(aws.client("batch"), job_definitions(plan, wanted))
    return PlacedFlow(file, plan, wanted)
