"""Every command of a flow file and the options that all of them take.

The table names modules as text, so that the help imports none of them, and no module has to import the command line's
entry to look a command up.
"""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.parser import Command, Option
from flow_sdk.config import DATASTORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BUILT_IN_SUMMARIES", "COMMANDS", "GENERAL", "CommandTable", "load_command"]

_FIRST = {
    "check": ("flow_sdk.cli.commands.check", "Check the flow's source, and show every error."),
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
}
_BATCH = {
    "batch list": ("flow_sdk.cli.commands.batch", "List the flow's jobs on AWS Batch that haven't ended."),
    "batch kill": ("flow_sdk.cli.commands.batch", "End the flow's jobs on AWS Batch."),
}
_LAST = {
    "package info": ("flow_sdk.cli.commands.package", "Show what the flow's code package is made of."),
    "package list": ("flow_sdk.cli.commands.package", "List the files of the code package, with their sizes in bytes."),
    "package save": ("flow_sdk.cli.commands.package", "Write the code package to a file."),
    "version": ("flow_sdk.cli.commands.version", "Print the version of Flow SDK."),
    "help": ("flow_sdk.cli.commands.help", "Show this help, or that of a command."),
}

_TARGETS = "flow_sdk.cli.commands.deploy"
"""The module of the commands of all deploy targets."""

BUILT_IN_SUMMARIES = {
    "airflow": {
        "create": "Write the flow as a DAG of Apache Airflow.",
        "trigger": "Start a run of the deployed flow in Airflow.",
        "list-runs": "List the runs of the deployed flow in Airflow.",
        "status": "Show the deployed flow and its latest runs, or one run.",
        "terminate": "Stop a run in Airflow.",
        "delete": "Delete the deployed flow from Airflow; artifacts stay.",
    },
    "step-functions": {
        "create": "Deploy the flow to AWS Step Functions and AWS Batch.",
        "trigger": "Start a run of the deployed flow on AWS.",
        "list-runs": "List the runs of the deployed flow on AWS.",
        "status": "Show the deployed flow and its latest runs, or one run.",
        "terminate": "Stop a run on AWS.",
        "resume": "Continue a failed run on AWS from where it stopped.",
        "rollback": "Move the deployed flow back to an earlier version.",
        "delete": "Delete the deployed flow from AWS; artifacts stay.",
    },
}
"""What the declarations of our own targets say. The help takes it from here, as importing them takes 1 ms.

A target that isn't entered here has the sentences of its declaration.
"""


class CommandTable:
    """Every command by name: the module it is in, and what it does.

    Those of other distributions' deploy targets are made from the targets' declarations, which are imported only for a
    command line in which the target's name occurs.
    """

    def __init__(self) -> None:
        self._targets: dict[str, dict[str, tuple[str, str]]] = {}
        self._offered: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._all_commands())

    def __getitem__(self, name: str) -> tuple[str, str]:
        own = {**_FIRST, **_BATCH, **_LAST}
        return own[name] if name in own else self._of_target(name.partition(" ")[0])[name]

    def __contains__(self, name: object) -> bool:
        return name in self._all_commands()

    def items(self) -> Iterable[tuple[str, tuple[str, str]]]:
        """Return names, and what belongs to each."""
        return self._all_commands().items()

    def find_in(self, tokens: list[str]) -> list[str]:
        """Return the commands whose words occur in a command line, in their order."""
        names = [*_FIRST, *_BATCH, *_LAST]
        for target in self._target_names():
            if target in tokens:
                names += self._of_target(target)
        found = []
        for name in names:
            first, _, second = name.partition(" ")
            if first in tokens and (not second or second in tokens[tokens.index(first) :]):
                found.append(name)
        return found

    def add_offered(self, tokens: Iterable[str]) -> bool:
        """Add the targets of other distributions that a command line names; returns whether there are any."""
        from flow_sdk.deploy.registry import offered_names

        found = [name for name in offered_names() if name in tokens and name not in self._offered]
        self._offered += found
        return bool(found)

    def _target_names(self) -> list[str]:
        from flow_sdk.deploy.registry import BUILT_IN

        return [*BUILT_IN, *self._offered]

    def _of_target(self, name: str) -> dict[str, tuple[str, str]]:
        if name not in self._targets:
            summaries = BUILT_IN_SUMMARIES.get(name) or _declared_summaries(name)
            self._targets[name] = {f"{name} {verb}": (_TARGETS, summary) for verb, summary in summaries.items()}
        return self._targets[name]

    def _all_commands(self) -> dict[str, tuple[str, str]]:
        groups = {name: self._of_target(name) for name in self._target_names()}
        groups["batch"] = _BATCH
        deployed = {name: known for group in sorted(groups) for name, known in groups[group].items()}
        return {**_FIRST, **deployed, **_LAST}


def _declared_summaries(name: str) -> dict[str, str]:
    from flow_sdk.deploy.registry import find_target

    declaration = find_target(name)
    return {} if declaration is None else {command.verb: command.summary for command in declaration.commands}


COMMANDS = CommandTable()
"""Every command. The help reads this and imports none of them."""

GENERAL = (
    Option("datastore", "Where artifacts are stored.", choices=tuple(DATASTORES)),
    Option(
        "datastore-root", "Folder, or address such as s3://bucket/prefix, that artifacts are kept under.", metavar="URL"
    ),
    Option("metadata", "Same as --datastore: runs are found through the store itself.", metavar="|".join(DATASTORES)),
    Option("environment", "Where the steps' packages come from.", metavar="local"),
    Option("with", "Add a decorator to every step that lacks it.", metavar="DECORATOR[:ATTR=VALUE,...]", repeat=True),
    Option("namespace", "Namespace to work in, such as user:anne; empty for the global one.", metavar="NAME"),
    Option("branch", "Branch of the flow's @project to work in.", metavar="NAME"),
    Option("production", "Work in the production branch of the flow's @project.", flag=True),
    Option("package-suffixes", "Also put files that end like this into the code package.", metavar=".R,.sql"),
    Option("package-root", "Folder that the code package is made of; found from the flow file.", metavar="FOLDER"),
    Option("quiet", "Print the result and errors only.", flag=True),
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
    import sys

    module = COMMANDS[name][0]
    __import__(module)  # importlib would take 0.3 ms of each --help
    command: Command = sys.modules[module].COMMANDS[name]
    return command
