"""``resume``."""

from __future__ import annotations

from flow_sdk._typing import TYPE_CHECKING
from flow_sdk.authoring.flow import uses_no_dynamic_features
from flow_sdk.cli.commands.run import early_server, start_run
from flow_sdk.cli.context import CommandContext
from flow_sdk.cli.parser import Argument, Command, Option
from flow_sdk.cli.registry import GENERAL
from flow_sdk.cli.run_options import RUN_OPTIONS
from flow_sdk.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from flow_sdk.runtime.resume.forecast import Forecast

__all__ = ["COMMANDS"]


def _resume_run(context: CommandContext) -> int:
    if context.line.parameters:
        name = next(iter(context.line.parameters))
        raise UsageError(
            "A resumed run has the parameters of its origin.",
            seen=f"--{name}",
            help=f"Leave it out, or start a new run: {context.program} run --{name} ...",
        )
    origin, step = _named_origin(context)
    if not uses_no_dynamic_features():
        from flow_sdk.cli.configs import use_origin

        use_origin(context, origin)
    from flow_sdk.runtime.resume.reuse import Resume

    wanted = Resume(origin, step)
    if not context["dry-run"]:
        with early_server(context) as server:
            return start_run(context, context.compile_plan(context.plan_parameters()), {}, server, wanted)
    plan = context.compile_plan(context.plan_parameters())

    from flow_sdk import config
    from flow_sdk.runtime.resume.forecast import forecast_resume
    from flow_sdk.store.open_store import open_store

    reuse = wanted.open_origin(open_store(context.store.root, create=False), plan, config.user_name())
    context.log(reuse.describe_origin())
    for line in _forecast_lines(forecast_resume(reuse)):
        print(line)
    return 0


def _named_origin(context: CommandContext) -> tuple[str | None, str | None]:
    """Return the run and the step that the command line names. A step is a Python name, a run's id never is."""
    origin, word = context["origin-run-id"], context.line.words[0] if context.line.words else None
    if word is None or word.isidentifier():
        return origin, word
    if origin is not None:
        raise UsageError(
            "Two runs to resume are named.", seen=f"{word} and --origin-run-id {origin}", wanted="one run, or a step"
        )
    return word, None


def _advise_both(words: Sequence[str]) -> str:
    """Return how a run and a step are given together; \"\" where that isn't the error."""
    steps = [word for word in words if word.isidentifier()]
    runs = [word for word in words if not word.isidentifier()]
    if len(steps) != 1 or len(runs) != 1:
        return ""
    return f"A step and a run: resume {steps[0]} --origin-run-id {runs[0]}"


def _forecast_lines(forecasts: list[Forecast]) -> list[str]:
    rows = [("step", "reused", "run", "why")]
    for step in forecasts:
        run = (f"{step.again} or more" if step.again else "?") if step.more else str(step.again)
        rows.append((step.step, str(step.reused), run, step.why))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        f"{name:<{widths[0]}}  {reused:>{widths[1]}}  {run:>{widths[2]}}  {why}".rstrip()
        for name, reused, run, why in rows
    ]


def _hidden_parameters(flow_class: Any) -> list[Option]:
    """Return the flow's parameters as hidden options, so that the error for them can be explained."""
    from flow_sdk.authoring.parameters import declared_parameters

    taken = {option.name for option in (*GENERAL, *COMMANDS["resume"].options)}
    names = [parameter.name for parameter in declared_parameters(flow_class).values()]
    return [Option(name, hidden=True) for name in names if name not in taken]


COMMANDS = {
    "resume": Command(
        _resume_run,
        parameters=_hidden_parameters,
        advise=_advise_both,
        arguments=[
            Argument("STEP", "Run this step again, and all that comes after it; or a run's id.", required=False)
        ],
        options=[
            Option("origin-run-id", "Run to resume; your last run that is no resume when left out.", metavar="RUN"),
            Option("dry-run", "Show what would be reused and what would run, and why; start nothing.", flag=True),
            *RUN_OPTIONS,
        ],
    )
}
