"""What a type checker sees in a flow file; ``test_typing.py`` compares what it reveals with the comments."""

from pathlib import Path
from typing import reveal_type

from flow_sdk import (
    S3,
    Config,
    DataArtifact,
    DeployedFlow,
    Deployer,
    Flow,
    FlowMutator,
    FlowSpec,
    IncludeFile,
    JSONType,
    Metaflow,
    MutableFlow,
    Parameter,
    Runner,
    airflow_dag,
    airflow_task,
    batch,
    catch,
    config_expr,
    current,
    namespace,
    resources,
    retry,
    schedule,
    secrets,
    step,
    timeout,
)
from flow_sdk.authoring.parameters import DeployContext


def letters(context: DeployContext) -> int:
    """Work out a default."""
    return len(context.flow_name)


@airflow_dag(owner="team", default_args={"pool": "small"})
@schedule(cron="0 10 * * ? *", timezone="Europe/Berlin")
class TypedFlow(FlowSpec):
    """A flow with parameters of all types."""

    alpha = Parameter("alpha", default=0.5, help="a rate")
    count = Parameter("count", default=3)
    flag = Parameter("flag", default=True)
    label = Parameter("label", "plain")
    worked_out = Parameter("worked_out", default=letters)
    needed = Parameter("needed", required=True)
    needed_number = Parameter("needed_number", type=int, required=True)
    perhaps = Parameter("perhaps")
    perhaps_number = Parameter("perhaps_number", type=int)
    options = Parameter("options", type=JSONType, default='{"a": 1}')
    columns = Parameter("columns", default="a,b", separator=",")
    notes = IncludeFile("notes", default="notes.txt")
    picture = IncludeFile("picture", default="picture.png", is_text=False)
    lines = IncludeFile("lines", default="lines.txt", parser=lambda text: Path(text))

    @retry(times=2)
    @timeout(minutes=1)
    @airflow_task(queue="big", on_failure_callback="alerts.page")
    @resources(memory="16000")
    @batch(cpu=4, host_volumes=["/data"], aws_batch_tags={"team": "search"})
    @secrets(sources=["aws-secrets-manager.prod/db", {"type": "aws-secrets-manager", "id": "key"}], role=None)
    @step
    def start(self) -> None:
        reveal_type(self.alpha)  # float
        reveal_type(self.count)  # int
        reveal_type(self.flag)  # bool
        reveal_type(self.label)  # str
        reveal_type(self.worked_out)  # int
        reveal_type(self.needed)  # str
        reveal_type(self.needed_number)  # int
        reveal_type(self.perhaps)  # str | None
        reveal_type(self.perhaps_number)  # int | None
        reveal_type(self.options)  # Any
        reveal_type(self.columns)  # list[str]
        reveal_type(self.notes)  # str
        reveal_type(self.picture)  # bytes
        reveal_type(self.lines)  # pathlib.Path
        reveal_type(TypedFlow.alpha)  # flow_sdk.authoring.parameters.Parameter[float]
        reveal_type(current.run_id)  # str | None
        reveal_type(current.is_running_flow)  # bool
        reveal_type(current.tags)  # set[str] | None
        reveal_type(current.graph)  # dict[str, Any] | None
        reveal_type(current.branch_name)  # str
        reveal_type(current.run)  # Any
        reveal_type(current.task)  # Any
        self.next(self.end)

    @catch
    @retry
    @step
    def end(self) -> None:
        reveal_type(self.index)  # int | None
        reveal_type(self.foreach_stack())  # list[tuple[int, int, Any]]


@retry
def plain(number: int) -> str:
    """A decorator keeps what it decorates."""
    return str(number)


@timeout(seconds=1)
def also_plain(number: int) -> str:
    """With attributes too."""
    return str(number)


reveal_type(plain(1))  # str
reveal_type(also_plain)  # def (number: int) -> str
reveal_type(TypedFlow)  # def (use_cli: bool =) -> flow_file.TypedFlow


def results() -> None:
    """What client objects give."""
    flow = Flow("TypedFlow")
    for run in flow:
        reveal_type(run)  # flow_sdk.client.run.Run
        for found in run.steps("tag"):
            for task in found:
                reveal_type(task.exception)  # flow_sdk.authoring.caught_failure.CaughtFailure | None
                reveal_type([artifact.sha for artifact in task])  # list[str]
    reveal_type(flow.latest_successful_run)  # flow_sdk.client.run.Run | None
    run = flow["1"]
    reveal_type(run.tags)  # frozenset[str]
    reveal_type(run.last_seen)  # datetime.datetime
    reveal_type(run.end_task)  # flow_sdk.client.task.Task | None
    reveal_type(run["start"]["0"])  # flow_sdk.client.task.Task
    reveal_type(run["start"]["0"].metadata[0].value)  # str
    reveal_type(run["start"]["0"]["x"].data)  # Any
    reveal_type(Metaflow().flows)  # list[flow_sdk.client.flow.Flow]
    reveal_type(namespace(None))  # str | None
    artifact = DataArtifact("TypedFlow/1/start/0/x")
    reveal_type(artifact.data)  # Any
    reveal_type(artifact.size)  # int
    reveal_type(artifact.parent)  # flow_sdk.client.task.Task


class ConfiguredFlow(FlowSpec):
    """A flow with a config."""

    config = Config("config", default_value="{}")
    rate = Parameter("rate", default=config_expr("config.rate"))

    @step
    def start(self) -> None:
        reveal_type(self.config)  # Any
        reveal_type(config_expr("config.rate"))  # Any
        with S3(run=self) as s3:
            reveal_type(s3)  # flow_sdk.files.client.S3
            reveal_type(s3.get("key").text)  # str | None
            reveal_type(s3.get_many(["a"])[0].size)  # int | None


class Mutator(FlowMutator):
    """A mutator of flows."""

    def pre_mutate(self, mutable_flow: MutableFlow) -> None:
        reveal_type(mutable_flow)  # flow_sdk.authoring.mutable.MutableFlow


def programs() -> None:
    """Flow files that are run and deployed from Python."""
    with Runner("flow.py") as runner:
        reveal_type(runner.run(alpha=0.5))  # flow_sdk.programmatic.runner.ExecutingRun
        reveal_type(runner.run().run)  # flow_sdk.client.run.Run
        reveal_type(runner.run().stdout)  # str
    deployer = Deployer("flow.py")
    reveal_type(deployer.airflow().create("dags"))  # flow_sdk.programmatic.deployed.AirflowDeployedFlow
    reveal_type(deployer.step_functions().create())  # flow_sdk.programmatic.deployed.StepFunctionsDeployedFlow
    deployed = deployer.step_functions().create()
    reveal_type(deployed.trigger())  # flow_sdk.programmatic.deployed.StepFunctionsTriggeredRun
    found = DeployedFlow.from_step_functions("F")
    reveal_type(found)  # flow_sdk.programmatic.deployed.StepFunctionsDeployedFlow
    runs = deployer.airflow().create("dags").list_runs()
    reveal_type(runs)  # list[flow_sdk.programmatic.deployed.AirflowTriggeredRun]
