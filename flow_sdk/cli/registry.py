"""Every command of a flow file and the options that all of them take.

The table names modules as text, so that the help imports none of them, and no module has to import the command line's
entry to look a command up.
"""

from __future__ import annotations

from flow_sdk.cli.parser import Command, Option

__all__ = ["COMMANDS", "GENERAL", "load_command"]

COMMANDS = {
    "check": ("flow_sdk.cli.commands.check", "Check the flow's source; say all that is wrong with it."),
    "show": ("flow_sdk.cli.commands.show", "Show the flow's steps as text, or its graph in another format."),
    "output-dot": ("flow_sdk.cli.commands.show", "Print the flow's graph for Graphviz."),
    "run": ("flow_sdk.cli.commands.run", "Run the flow on this machine."),
    "resume": (
        "flow_sdk.cli.commands.resume",
        "Run the flow again from where an earlier run stopped, or from a step on.",
    ),
    "dump": ("flow_sdk.cli.commands.dump", "Show the artifacts of a run, a step or a task."),
    "logs": ("flow_sdk.cli.commands.logs", "Show what the tasks of a run or a step have printed."),
    "tag add": ("flow_sdk.cli.commands.tag", "Add tags to a run."),
    "tag remove": ("flow_sdk.cli.commands.tag", "Remove tags from a run."),
    "tag replace": ("flow_sdk.cli.commands.tag", "Replace a tag of a run by another."),
    "tag list": ("flow_sdk.cli.commands.tag", "List the tags of runs."),
    "airflow create": ("flow_sdk.cli.airflow", "Write the flow as a DAG of Apache Airflow."),
    "airflow trigger": ("flow_sdk.cli.airflow", "Start a run of the deployed flow in Airflow."),
    "airflow list-runs": ("flow_sdk.cli.airflow", "List the runs of the deployed flow in Airflow."),
    "airflow status": ("flow_sdk.cli.airflow", "Show the deployed flow and its latest runs, or one run."),
    "airflow terminate": ("flow_sdk.cli.airflow", "Stop a run in Airflow."),
    "airflow delete": ("flow_sdk.cli.airflow", "Delete the deployed flow from Airflow; artifacts stay."),
    "batch list": ("flow_sdk.cli.commands.batch", "List the flow's jobs on AWS Batch that haven't ended."),
    "batch kill": ("flow_sdk.cli.commands.batch", "End the flow's jobs on AWS Batch."),
    "step-functions create": ("flow_sdk.cli.step_functions", "Deploy the flow to AWS Step Functions and AWS Batch."),
    "step-functions trigger": ("flow_sdk.cli.step_functions", "Start a run of the deployed flow on AWS."),
    "step-functions list-runs": ("flow_sdk.cli.step_functions", "List the runs of the deployed flow on AWS."),
    "step-functions status": ("flow_sdk.cli.step_functions", "Show the deployed flow and its latest runs, or one run."),
    "step-functions terminate": ("flow_sdk.cli.step_functions", "Stop a run on AWS."),
    "step-functions resume": ("flow_sdk.cli.step_functions", "Let a failed run on AWS go on where it stopped."),
    "step-functions rollback": ("flow_sdk.cli.step_functions", "Move the deployed flow back to an earlier version."),
    "step-functions delete": ("flow_sdk.cli.step_functions", "Delete the deployed flow from AWS; artifacts stay."),
    "package info": ("flow_sdk.cli.commands.package", "Say what the flow's code package is made of."),
    "package list": ("flow_sdk.cli.commands.package", "List the files of the code package, with their sizes in bytes."),
    "package save": ("flow_sdk.cli.commands.package", "Write the code package to a file."),
    "version": ("flow_sdk.cli.commands.version", "Print the version of Flow SDK."),
    "help": ("flow_sdk.cli.commands.help", "Show this help, or that of a command."),
}
"""Every command: the module it lies in, and what it does. Kept here so that the help imports none of them."""

GENERAL = (
    Option("datastore", "Where artifacts are kept.", choices=("local", "s3")),
    Option("datastore-root", "Folder or s3:// address that artifacts are kept under.", metavar="URL"),
    Option("metadata", "Same as --datastore: runs are found through the store itself.", metavar="local|s3"),
    Option("environment", "Where the steps' packages come from.", metavar="local"),
    Option("with", "Add a decorator to every step that lacks it.", metavar="DECORATOR[:ATTR=VALUE,...]", repeat=True),
    Option("namespace", "Namespace to work in, such as user:anne; empty for the global one.", metavar="NAME"),
    Option("branch", "Branch of the flow's @project to work in.", metavar="NAME"),
    Option("production", "Work in the production branch of the flow's @project.", flag=True),
    Option("package-suffixes", "Also put files that end like this into the code package.", metavar=".R,.sql"),
    Option("package-root", "Folder that the code package is made of; found from the flow file.", metavar="FOLDER"),
    Option("quiet", "Say nothing but what was asked for.", flag=True),
    Option("help", "Show help and exit.", flag=True),
    Option("caller", hidden=True),
    Option("pylint", flag=True, hidden=True),
    Option("event-logger", hidden=True),
    Option("monitor", hidden=True),
    Option("force-rebuild-environments", flag=True, hidden=True),
)
"""Options of every command. Hidden ones are known from elsewhere and change nothing here, but ``caller``: Runner's."""


def load_command(name: str) -> Command:
    """Import one command of :data:`COMMANDS`."""
    import importlib

    module = importlib.import_module(COMMANDS[name][0])
    command: Command = module.COMMANDS[name]
    return command
