"""``logs``."""

from flow_sdk.cli.context import Call
from flow_sdk.cli.json_output import print_json
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.terminal import text_for_stream
from flow_sdk.errors import NotFound, UsageError
from flow_sdk.options import OUTPUT

__all__ = ["COMMANDS"]


def _logs(call: Call) -> int:
    from flow_sdk.client.command_text import find_tasks, log_lines

    stdout, stderr = call["stdout"], call["stderr"]
    if call["both"] or not call.given & {"stdout", "stderr"}:
        stdout = stderr = True
    elif "stdout" not in call.given:
        stdout = not stderr
    elif "stderr" not in call.given:
        stderr = not stdout
    if not stdout and not stderr:
        raise UsageError("Nothing is left to show.", wanted="--stdout, --stderr or neither")
    path = call.pathspec("show")
    try:
        tasks = find_tasks(call.flow, path, attempt=call["attempt"], store=call.results())
    except NotFound as error:
        error.help = _elsewhere(call, path.partition("/")[0]) or error.help
        raise
    if call["output"] == "json":
        from flow_sdk.client.command_data import log_data

        found = [
            {
                "task": task.pathspec,
                "attempt": task.current_attempt,
                "lines": list(log_data(task, stdout=stdout, stderr=stderr)),
            }
            for task in tasks
        ]
        print_json({"flow": call.flow, "tasks": found})
        return 0
    for task in tasks:
        # Which task a line is from matters only where there are several.
        prefix = "" if len(tasks) == 1 else f"[{task.pathspec.partition('/')[2]}] "
        for line in log_lines(task, stdout=stdout, stderr=stderr, timestamps=call["timestamps"]):
            print(text_for_stream(prefix + line))
    return 0


def _elsewhere(call: Call, run: str) -> str | None:
    """Where the cause is of an orchestrator's run that the store doesn't know: it may have failed before it began."""
    from flow_sdk.runtime.orchestrator import adapter_of_run
    from flow_sdk.runtime.task.run_start import read_record
    from flow_sdk.store.open_store import open_store

    why = adapter_of_run(run).explain_missing_run(run, call.again)
    if why is None or read_record(open_store(call.root, create=False), call.flow, run) is not None:
        return None
    return why


COMMANDS = {
    "logs": Command(
        _logs,
        arguments=[Argument("RUN[/STEP[/TASK]]", "The run, step or task whose log to show.", repeat=True)],
        options=[
            Option("stdout", "Show what went to stdout only.", flag=True),
            Option("stderr", "Show what went to stderr only.", flag=True),
            Option("both", flag=True, hidden=True),
            Option("timestamps", "Show when each line was written (UTC).", flag=True),
            OUTPUT,
            Option("attempt", "The attempt to look at, from 0; otherwise the last one.", least=0),
        ],
    )
}
