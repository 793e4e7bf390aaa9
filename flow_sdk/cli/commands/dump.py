"""``dump``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.cli.user_files import check_writable, write_file
from flow_sdk.errors import SerializationError
from flow_sdk.options import OUTPUT

if TYPE_CHECKING:
    from flow_sdk.client import Task

__all__ = ["COMMANDS"]


def _dump_artifacts(context: CommandContext) -> int:
    from flow_sdk.client.command_text import dump_lines, dump_values, find_tasks

    file = context["file"]
    check_writable(file)
    tasks = find_tasks(
        context.flow,
        context.line.read_pathspec(context.flow),
        attempt=context["attempt"],
        store=context.store.existing_root(),
    )
    include = None if context["include"] is None else [name.strip() for name in context["include"].split(",")]
    if file is not None:
        write_file(file, _pickle_values(dump_values(tasks, private=context["private"], include=include)))
        context.log(f"Artifacts of {len(tasks)} task{'' if len(tasks) == 1 else 's'} are in {file}.")
        return 0
    if context["output"] == "json":
        _print_json(context, tasks, include)
        return 0
    for task in tasks:
        if len(tasks) > 1:
            print(f"[{task.pathspec.partition('/')[2]}]")
        lines = dump_lines(task, private=context["private"], max_value_size=context["max-value-size"], include=include)
        for line in lines:
            print(text_for_stream(line))
    return 0


def _print_json(context: CommandContext, tasks: list[Task], include: list[str] | None) -> None:
    from flow_sdk.client.command_data import artifact_data

    options = {"private": context["private"], "max_value_size": context["max-value-size"], "include": include}
    found = [
        {"task": task.pathspec, "attempt": task.current_attempt, "artifacts": list(artifact_data(task, **options))}
        for task in tasks
    ]
    print_json({"flow": context.flow, "tasks": found})


def _pickle_values(values: dict[str, dict[str, Any]]) -> bytes:
    import pickle

    try:
        return pickle.dumps(values)
    except Exception as error:
        raise SerializationError(
            "The artifacts can't be pickled.",
            seen=f"{type(error).__name__}: {error}",
            help="Leave the ones at fault out with --include.",
        ) from error


COMMANDS = {
    "dump": Command(
        _dump_artifacts,
        arguments=[Argument("RUN[/STEP[/TASK]]", "The run, step or task whose artifacts to show.")],
        options=[
            Option("private", "Show names with a leading _ too.", flag=True),
            Option("max-value-size", "Show values of at most that many bytes; 0 shows none.", default=1000, least=0),
            Option("include", "The only artifacts to show.", metavar="NAME,NAME,..."),
            Option("file", "Pickle the artifacts into this file instead.", metavar="PATH"),
            OUTPUT,
            Option("attempt", "The attempt to show, from 0; the last one by default.", least=0),
        ],
    )
}
