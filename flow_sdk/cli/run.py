"""``run``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from flow_sdk.cli.arguments import Command, Option
from flow_sdk.cli.call import Call, check_writable
from flow_sdk.cli.parameters import parameter_options
from flow_sdk.errors import RunFailed, UsageError

if TYPE_CHECKING:
    from flow_sdk.cli.output import Ending
    from flow_sdk.plan.model import FlowPlan
    from flow_sdk.runtime.resume import Resume

__all__ = ["COMMANDS", "RUN_OPTIONS", "start_run"]

INTERRUPTED = 130


def _run(call: Call) -> int:
    from flow_sdk.plan.parameters import from_environment, resolve

    declared = call.parameter_plans()
    plan = call.plan(declared)
    given = {**from_environment(declared, os.environ), **call.parameters}
    parameters = resolve(declared, given, paths=True)
    return start_run(call, plan, parameters)


def start_run(call: Call, plan: FlowPlan, parameters: dict[str, Any], resume: Resume | None = None) -> int:
    """Start a run with the command's options, see it through, and return the exit code."""
    from flow_sdk import config
    from flow_sdk.metadata.tags import check_tags

    tags = tuple(check_tags(call["tag"]))
    check_writable(call["run-id-file"])

    # The heavy part, and late: a wrong command line is told before it is paid for.
    from flow_sdk.runtime.local import RunOptions, run_flow

    options = RunOptions(
        root=call.root,
        file=call.entry.file,
        module=call.entry.module,
        imported=call.entry.imported,
        search_path=tuple(sys.path),
        user=config.user(),
        namespace=call["namespace"],
        tags=tags,
        max_workers=call["max-workers"],
        max_num_splits=call["max-num-splits"],
        max_log_size=call["max-log-size"] * 1024 * 1024,
        run_id_file=call["run-id-file"],
        **_where(call, plan),
    )
    reporter = _reporter(call, plan)
    if call.root.startswith("s3://"):
        from flow_sdk.store.s3_retry import listen

        listen(reporter.message)
    try:
        run_flow(call.flow_class, plan, parameters, options, reporter, resume)
    except RunFailed as failed:
        if reporter.state is None:
            raise
        # The reporter has said it all.
        return INTERRUPTED if reporter.state == "cancelled" else failed.exit_code
    return 0


def _where(call: Call, plan: FlowPlan) -> dict[str, Any]:
    """The options of a run that depend on where it is kept and how its processes start."""
    found: dict[str, Any] = {"isolation": call["isolation"]} if call["isolation"] else {}
    # Every task is forked from a template with what is imported by now; what isn't, each would import anew.
    # Neither module starts a thread or opens a connection when it is imported.
    if call.root.startswith("s3://"):
        import flow_sdk.store.s3

        on_batch = any(step.decorator("batch") is not None for step in plan.steps)
        found["package"] = call.package() if on_batch else call.code.build()
        if on_batch:
            call.code.tell(found["package"])
    else:
        import flow_sdk.store.local  # noqa: F401
    found["targets"] = _targets(call, plan)
    return found


def _targets(call: Call, plan: FlowPlan) -> dict[str, Any]:
    """Where on AWS Batch the steps with @batch run; their job definitions are there afterwards."""
    if all(step.decorator("batch") is None for step in plan.steps):
        return {}
    from flow_sdk.runtime.batch.prepare import plan_targets

    found = plan_targets(plan, call.root)
    for line in found.unheeded:
        call.say(line)
    found.register()
    return found.targets


def _reporter(call: Call, plan: FlowPlan) -> Ending:
    from flow_sdk.cli import output

    form = call["output"]
    if form == "json":
        return output.JsonReporter()
    if form in (None, "live"):
        from flow_sdk.cli.live import LiveReporter, can_be_live

        if can_be_live(sys.stdout, sys.stderr):
            return LiveReporter(plan, call.again, quiet=call["quiet"])
        if form == "live":
            raise UsageError("--output live needs a terminal.", help="Leave --output out, or use --output plain.")
    notebook_flow = call.flow if call.in_notebook else None
    return output.PlainReporter(call.again, quiet=call["quiet"], notebook_flow=notebook_flow)


RUN_OPTIONS = [
    Option("tag", "Tag of the run.", metavar="TAG", repeat=True),
    Option("max-workers", "Most tasks at a time.", default=16, least=1),
    Option("max-num-splits", "Most tasks of one foreach.", default=100, least=1),
    Option("run-id-file", "File to write the run's id to.", metavar="PATH"),
    Option("max-log-size", "Megabytes of a task's log that are kept.", default=10, least=1),
    Option("isolation", "Fork tasks from a warm process, or start each afresh.", choices=("fork", "spawn")),
    Option("output", "How the run is shown; on a terminal live.", choices=("live", "plain", "json")),
]
"""What every command that starts a run on this machine takes."""

COMMANDS = {"run": Command(_run, parameters=parameter_options, options=RUN_OPTIONS)}
