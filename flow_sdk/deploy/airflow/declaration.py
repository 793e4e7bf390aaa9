"""Apache Airflow as a deploy target: its commands and options."""

from flow_sdk.deploy.declaration import RunStatus, TargetDeclaration
from flow_sdk.options import Argument, Option

__all__ = ["AIRFLOW", "PASSWORD"]

PASSWORD = "FLOW_SDK_AIRFLOW_PASSWORD"
"""The environment variable that holds the password: an option would show it to everyone on the machine."""

AIRFLOW = TargetDeclaration(
    "airflow",
    "Airflow",
    "flow_sdk.deploy.airflow.target:AirflowTarget",
    runtime_adapter="flow_sdk.deploy.airflow.runtime:AirflowAdapter",
    result_name="file",
    create_summary="Write the flow as a DAG of Apache Airflow.",
    name_help="The DAG's id; the flow's name when left out. Not with @project.",
    run_help="A run, as list-runs prints it: airflow-...; or Airflow's own id.",
    statuses=[
        RunStatus("QUEUED", "wait to begin"),
        RunStatus("RUNNING", "are running"),
        RunStatus("SUCCEEDED", "have succeeded"),
        RunStatus("FAILED", "have failed"),
    ],
    create_argument=Argument("FILE", "A file, a DAGs folder or s3://bucket/folder to write to.", required=False),
    create_options=[
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
    ],
    delete_argument=Argument("FILE", "Where create wrote it: a file, a DAGs folder or s3://...", required=False),
    delete_options=[
        Option("history", "Delete the DAG and the history of its runs from Airflow's database, too.", flag=True),
    ],
    connection_options=[
        Option(
            "airflow-url",
            "Address of Airflow's web server, such as http://localhost:8080, or mwaa://NAME.",
            metavar="URL",
        ),
        Option("airflow-user", f"Airflow user; the password is read from {PASSWORD}.", metavar="NAME"),
        Option("airflow-token-command", "Shell command that prints a bearer token for Airflow.", metavar="COMMAND"),
    ],
    token_options=[
        Option("airflow-cli", "Reach the token in Airflow through its own command line, here.", flag=True),
    ],
    local_options=["wait", "wait-timeout", "airflow-token-command"],
    column="TYPE",
    run_id_width=58,
    has_ordered_json=False,
)
