"""``run``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.inactive import log_inactive
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


def _run_flow(context: CommandContext) -> int:
    with early_server(context) as server:
        return _compile_and_run(context, server)


@contextmanager
def early_server(context: CommandContext) -> Iterator[ForkServer | None]:
    """Start what tasks are forked from, so that it gets ready while the flow is compiled; None where nothing is forked.

    Raises
    ------
    UsageError
        If the setting for the isolation can't be used.
    """
    if choose_isolation(context) == "spawn":
        yield None
        return
    from flow_sdk.runtime.local.fork_server import ForkServer
    from flow_sdk.runtime.local.program import Program

    entry = context.entry
    server = ForkServer(Program.of(entry.file, entry.module, entry.imported))
    try:
        yield server
    finally:
        server.close()


def choose_isolation(context: CommandContext) -> str:
    """Return how tasks are isolated: ``fork`` or ``spawn``."""
    if context["isolation"]:
        return str(context["isolation"])
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


def _compile_and_run(context: CommandContext, server: ForkServer | None) -> int:
    declared = context.plan_parameters()
    plan = context.compile_plan(declared)
    _, parameters = given_values(context, declared)
    return start_run(context, plan, parameters, server)


def start_run(
    context: CommandContext,
    plan: FlowPlan,
    parameters: dict[str, Any],
    server: ForkServer | None,
    resume: Resume | None = None,
) -> int:
    """Start a run with the command's options, see it through, and return the exit code."""
    from flow_sdk import config
    from flow_sdk.metadata.tags import check_tags

    tags = tuple(check_tags(context["tag"]))
    check_writable(context["run-id-file"])
    log_inactive(context)

    # Imported late, as it is slow: a wrong command line fails before.
    from flow_sdk.runtime.local.run import RunOptions, run_flow

    options = RunOptions(
        root=context.store.root,
        file=context.entry.file,
        module=context.entry.module,
        imported=context.entry.imported,
        user=config.user_name(),
        namespace=context["namespace"],
        tags=tags,
        max_workers=context["max-workers"],
        max_num_splits=context["max-num-splits"],
        max_log_size=context["max-log-size"] * 1024 * 1024,
        run_id_file=context["run-id-file"],
        isolation="spawn" if server is None else "fork",
        **_location_options(context, plan),
    )
    out, err = LenientStream(sys.stdout), LenientStream(sys.stderr)
    reporter = _make_reporter(context, plan, out, err)
    if context.store.address.is_remote:
        from flow_sdk.store.backends.retry import report_waits_to

        report_waits_to(reporter.message)
    try:
        run_flow(context.flow_class, plan, parameters, options, reporter, resume, server)
    except RunFailed as failed:
        if reporter.state is None:
            raise
        # The reporter has shown it already.
        return INTERRUPTED if reporter.state == "cancelled" else failed.exit_code
    finally:
        if isinstance(out.failure, BrokenPipeError):
            err.write("The run continued after the reader of its output had gone.\n")
            err.flush()
        elif out.failure is not None:
            err.write(f"What the run printed couldn't be written: {out.failure.strerror}.\n")
            err.flush()
    return 0


def _location_options(context: CommandContext, plan: FlowPlan) -> dict[str, Any]:
    """Return the options of a run that depend on its store and on where its steps run."""
    found: dict[str, Any] = {}
    if context.store.address.is_remote:
        on_batch = any(step.batch is not None for step in plan.steps)
        found["package"] = context.build_package() if on_batch else context.code.build_package()
        if on_batch:
            context.code.log_summary(found["package"])
    found["targets"] = _batch_targets(context, plan)
    return found


def _batch_targets(context: CommandContext, plan: FlowPlan) -> dict[str, Any]:
    """Register job definitions for the steps with @batch, and return where on AWS Batch they run."""
    if all(step.batch is None for step in plan.steps):
        return {}
    from flow_sdk.runtime.batch.prepare import plan_targets

    found = plan_targets(plan, context.store.root)
    for line in found.ignored_requests:
        context.log(line)
    found.register_definitions()
    return found.targets


def _make_reporter(context: CommandContext, plan: FlowPlan, out: Any, err: Any) -> Ending:
    from flow_sdk.cli.reporters import plain

    form = context["output"]
    if form == "json":
        return plain.JsonReporter(out)
    if form in (None, "live"):
        from flow_sdk.cli.reporters.live import LiveReporter, can_be_live

        if can_be_live(sys.stdout, sys.stderr):
            return LiveReporter(plan, context.program, quiet=context["quiet"])
        if form == "live":
            raise UsageError("--output live needs a terminal.", help="Leave --output out, or use --output plain.")
    notebook_flow = context.flow if context.in_notebook else None
    return plain.PlainReporter(context.program, quiet=context["quiet"], notebook_flow=notebook_flow, out=out, err=err)


COMMANDS = {"run": Command(_run_flow, parameters=parameter_options, options=RUN_OPTIONS)}
