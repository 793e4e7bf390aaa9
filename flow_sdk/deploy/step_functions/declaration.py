"""AWS Step Functions as a deploy target: its commands and options."""

from flow_sdk.deploy.declaration import RunStatus, TargetCommand, TargetDeclaration
from flow_sdk.options import Argument, Option

__all__ = ["STEP_FUNCTIONS"]

RUN_HELP = "A run, as trigger and list-runs print it: sfn-..."

STEP_FUNCTIONS = TargetDeclaration(
    "step-functions",
    "Step Functions",
    "flow_sdk.deploy.step_functions.target:StepFunctionsTarget",
    runtime_adapter="flow_sdk.deploy.step_functions.runtime:StepFunctionsAdapter",
    service="AWS",
    location="on AWS",
    result_name="state_machine_arn",
    create_summary="Deploy the flow to AWS Step Functions and AWS Batch.",
    run_help=RUN_HELP,
    status_help="A run: sfn-...",
    statuses=[
        RunStatus("RUNNING", "are running"),
        RunStatus("SUCCEEDED", "have succeeded"),
        RunStatus("FAILED", "have failed"),
        RunStatus("TIMED_OUT", "took longer than their workflow timeout"),
        RunStatus("ABORTED", "were stopped"),
    ],
    create_options=[
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
            "SNS topic for alerts of runs that fail, time out or are stopped; left out, a rule for it is removed.",
            metavar="ARN",
        ),
        Option("log-execution-history", "Let AWS log what happens in each run.", flag=True),
    ],
    render_help="Print the state machine and do nothing else; asks neither AWS nor the store.",
    preview_help="Say what would be made or changed, and how much of AWS's limits is used.",
    commands=[
        TargetCommand(
            "resume",
            "Continue a failed run on AWS from where it stopped.",
            arguments=[Argument("RUN", RUN_HELP)],
        ),
        TargetCommand(
            "rollback",
            "Move the deployed flow back to an earlier version.",
            arguments=[Argument("VERSION", "A version; the one before the present one if left out.", required=False)],
            needs_token=True,
        ),
    ],
    column="VERSION",
    run_id_width=30,
    explains_unbegun_runs=True,
)
