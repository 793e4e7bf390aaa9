"""``run``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.context import Call
from flow_sdk.cli.inactive import tell_inactive
from flow_sdk.cli.parameters import given_values, parameter_options
from flow_sdk.cli.parser import Command
from flow_sdk.cli.run_options import ISOLATIONS, RUN_OPTIONS
from flow_sdk.cli.terminal import LenientStream
from flow_sdk.cli.user_files import check_writable
from flow_sdk.errors import RunFailed, UsageError

if TYPE_CHECKING:
    from typing import Any

    from flow_sdk.cli.reporters.plain import Ending
    from flow_sdk.plan.model import FlowPlan
    from flow_sdk.runtime.local.fork_server import ForkServer
    from flow_sdk.runtime.resume.reuse import Resume

__all__ = ["COMMANDS", "early_server", "start_run"]

INTERRUPTED = 130


def _run(call: Call) -> int:
    with early_server(call) as server:
        return _compile_and_run(call, server)


@contextmanager
def early_server(call: Call) -> Iterator[ForkServer | None]:
    """Start what tasks are forked from, so that it gets ready while the flow is compiled; None where nothing is forked.

    Raises
    ------
    UsageError
        If the setting for the isolation can't be used.
    """
    if isolation(call) == "spawn":
        yield None
        return
    from flow_sdk.runtime.local.fork_server import ForkServer
    from flow_sdk.runtime.local.program import Program

    entry = call.entry
    server = ForkServer(Program.of(entry.file, entry.module, entry.imported))
    try:
        yield server
    finally:
        server.close()


def isolation(call: Call) -> str:
    """How tasks are kept apart: ``fork`` or ``spawn``."""
    if call["isolation"]:
        return str(call["isolation"])
    from flow_sdk import config

    setting = config.read_setting("ISOLATION")
    if setting.value not in (None, *ISOLATIONS):
        raise UsageError(
            "The isolation of tasks can't be used.",
            seen=repr(setting.value),
            wanted=" or ".join(ISOLATIONS),
            where=setting.source,
        )
    return setting.value or ("fork" if sys.platform == "linux" else "spawn")


def _compile_and_run(call: Call, server: ForkServer | None) -> int:
    declared = call.parameter_plans()
    plan = call.plan(declared)
    _, parameters = given_values(call, declared)
    return start_run(call, plan, parameters, server)


def start_run(
    call: Call, plan: FlowPlan, parameters: dict[str, Any], server: ForkServer | None, resume: Resume | None = None
) -> int:
    """Start a run with the command's options, see it through, and return the exit code."""
    from flow_sdk import config
    from flow_sdk.metadata.tags import check_tags

    tags = tuple(check_tags(call["tag"]))
    check_writable(call["run-id-file"])
    tell_inactive(call)

    # The heavy part, and late: a wrong command line is told before it is paid for.
    from flow_sdk.runtime.local.run import RunOptions, run_flow

    options = RunOptions(
        root=call.root,
        file=call.entry.file,
        module=call.entry.module,
        imported=call.entry.imported,
        user=config.user(),
        namespace=call["namespace"],
        tags=tags,
        max_workers=call["max-workers"],
        max_num_splits=call["max-num-splits"],
        max_log_size=call["max-log-size"] * 1024 * 1024,
        run_id_file=call["run-id-file"],
        isolation="spawn" if server is None else "fork",
        **_where(call, plan),
    )
    out, err = LenientStream(sys.stdout), LenientStream(sys.stderr)
    reporter = _reporter(call, plan, out, err)
    if call.address.is_remote:
        from flow_sdk.store.backends.retry import report_waits_to

        report_waits_to(reporter.message)
    try:
        run_flow(call.flow_class, plan, parameters, options, reporter, resume, server)
    except RunFailed as failed:
        if reporter.state is None:
            raise
        # The reporter has said it all.
        return INTERRUPTED if reporter.state == "cancelled" else failed.exit_code
    finally:
        if isinstance(out.failure, BrokenPipeError):
            err.write("The run went on after the reader of its output had gone.\n")
            err.flush()
        elif out.failure is not None:
            err.write(f"What the run printed couldn't be written: {out.failure.strerror}.\n")
            err.flush()
    return 0


def _where(call: Call, plan: FlowPlan) -> dict[str, Any]:
    """The options of a run that depend on where it is kept and where its steps run."""
    found: dict[str, Any] = {}
    if call.address.is_remote:
        on_batch = any(step.batch is not None for step in plan.steps)
        found["package"] = call.package() if on_batch else call.code.build()
        if on_batch:
            call.code.tell(found["package"])
    found["targets"] = _targets(call, plan)
    return found


def _targets(call: Call, plan: FlowPlan) -> dict[str, Any]:
    """Where on AWS Batch the steps with @batch run; their job definitions are there afterwards."""
    if all(step.batch is None for step in plan.steps):
        return {}
    from flow_sdk.runtime.batch.prepare import plan_targets

    found = plan_targets(plan, call.root)
    for line in found.ignored_requests:
        call.say(line)
    found.register_definitions()
    return found.targets


def _reporter(call: Call, plan: FlowPlan, out: Any, err: Any) -> Ending:
    from flow_sdk.cli.reporters import plain

    form = call["output"]
    if form == "json":
        return plain.JsonReporter(out)
    if form in (None, "live"):
        from flow_sdk.cli.reporters.live import LiveReporter, can_be_live

        if can_be_live(sys.stdout, sys.stderr):
            return LiveReporter(plan, call.again, quiet=call["quiet"])
        if form == "live":
            raise UsageError("--output live needs a terminal.", help="Leave --output out, or use --output plain.")
    notebook_flow = call.flow if call.in_notebook else None
    return plain.PlainReporter(call.again, quiet=call["quiet"], notebook_flow=notebook_flow, out=out, err=err)


COMMANDS = {"run": Command(_run, parameters=parameter_options, options=RUN_OPTIONS)}
