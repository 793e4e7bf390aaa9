"""``logs``."""

from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.errors import NotFound, UsageError
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]


def _show_logs(context: CommandContext) -> int:
    from flow_sdk.client.command_text import find_tasks, log_lines

    stdout, stderr = context["stdout"], context["stderr"]
    if context["both"] or not context.line.given & {"stdout", "stderr"}:
        stdout = stderr = True
    elif "stdout" not in context.line.given:
        stdout = not stderr
    elif "stderr" not in context.line.given:
        stderr = not stdout
    if not stdout and not stderr:
        raise UsageError("These options leave no output to show.", wanted="--stdout, --stderr or neither")
    path = context.line.read_pathspec(context.flow, "show")
    try:
        tasks = find_tasks(context.flow, path, attempt=context["attempt"], store=context.store.existing_root())
    except NotFound as error:
        error.help = _cause_hint(context, path.partition("/")[0]) or error.help
        raise
    if context["output"] == "json":
        from flow_sdk.client.command_data import log_data

        found = [
            {
                "task": task.pathspec,
                "attempt": task.current_attempt,
                "lines": list(log_data(task, stdout=stdout, stderr=stderr)),
            }
            for task in tasks
        ]
        print_json({"flow": context.flow, "tasks": found})
        return 0
    for task in tasks:
        # Which task a line is from matters only where there are several.
        prefix = "" if len(tasks) == 1 else f"[{task.pathspec.partition('/')[2]}] "
        for line in log_lines(task, stdout=stdout, stderr=stderr, timestamps=context["timestamps"]):
            print(text_for_stream(prefix + line))
    return 0


def _cause_hint(context: CommandContext, run: str) -> str | None:
    """Return where to find the cause of a deployed run's failure that the store doesn't know."""
    from flow_sdk.runtime.orchestrator import adapter_of_run
    from flow_sdk.runtime.task.run_start import read_record
    from flow_sdk.store.open_store import open_store

    why = adapter_of_run(run).explain_missing_run(run, context.program)
    if why is None or read_record(open_store(context.store.root, create=False), context.flow, run) is not None:
        return None
    return why


COMMANDS = {
    "logs": Command(
        _show_logs,
        arguments=[Argument("RUN[/STEP[/TASK]]", "The run, step or task whose log to show.", repeat=True)],
        options=[
            Option("stdout", "Show what went to stdout only.", flag=True),
            Option("stderr", "Show what went to stderr only.", flag=True),
            Option("both", flag=True, hidden=True),
            Option("timestamps", "Show when each line was written (UTC).", flag=True),
            OUTPUT,
            Option("attempt", "The attempt to show, from 0; the last one by default.", least=0),
        ],
    )
}
