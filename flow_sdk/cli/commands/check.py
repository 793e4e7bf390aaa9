"""``check``."""

from flow_sdk.cli.context import Call
from flow_sdk.cli.parser import Command

__all__ = ["COMMANDS"]


def _check(call: Call) -> int:
    plan = call.plan()
    steps = len(plan.steps)
    call.say(f"{plan.flow} is fine: {steps} step{'' if steps == 1 else 's'}.")
    return 0


COMMANDS = {"check": Command(_check)}
