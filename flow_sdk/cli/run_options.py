"""Options of the commands that start a run on this machine."""

from flow_sdk.cli.parser import Option

__all__ = ["ISOLATIONS", "RUN_OPTIONS"]

ISOLATIONS = ("fork", "spawn")
"""Fork each task from a process that has imported what it needs, or start a fresh interpreter for it."""

RUN_OPTIONS = [
    Option("tag", "Tag of the run.", metavar="TAG", repeat=True),
    Option("max-workers", "Most tasks at a time.", default=16, least=1),
    Option("max-num-splits", "Most tasks of one foreach.", default=100, least=1),
    Option("run-id-file", "File to write the run's id to.", metavar="PATH"),
    Option("max-log-size", "Megabytes of a task's log that are kept.", default=10, least=1),
    Option("isolation", "Fork each task, or start an interpreter for it.", choices=ISOLATIONS),
    Option("output", "How the run is shown; on a terminal live.", choices=("live", "plain", "json")),
]
"""What every command that starts a run on this machine takes."""
