"""The commands of a flow of which only the stored plan is at hand.

Called as ``python -m flow_sdk.programmatic.plan_flow STORE PLAN COMMAND ...``.

The plan is read from the store as data, and the class that the command line needs is built from it in memory: with the
flow's name and parameters, and without its steps. No source text is generated from the plan, and no code of the user's
runs.
"""

import sys
from typing import Any

from flow_sdk.authoring.flow import FlowSpec, step
from flow_sdk.authoring.include_file import IncludeFile
from flow_sdk.authoring.parameters import JSONType, Parameter
from flow_sdk.plan.codec import from_json
from flow_sdk.plan.model import FlowPlan, ParameterPlan
from flow_sdk.store.artifacts import Artifacts
from flow_sdk.store.open_store import open_store

__all__ = ["build_flow_class", "main"]

_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "json": JSONType}


class _PlaceholderSteps(FlowSpec):
    """Two steps, because every flow has some: what is done with a deployment doesn't look at them."""

    @step
    def start(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def build_flow_class(plan: FlowPlan) -> type[FlowSpec]:
    """Build a flow class with the name and the parameters of a plan.

    Parameters
    ----------
    plan : FlowPlan
        The deployed plan.
    """
    attributes: dict[str, Any] = {"__doc__": plan.doc, "__module__": __name__}
    for number, parameter in enumerate(plan.parameters):
        attributes[f"parameter_{number}"] = _declare_parameter(parameter)
    return type(plan.flow, (_PlaceholderSteps,), attributes)


def _declare_parameter(parameter: ParameterPlan) -> Parameter[Any]:
    """Declare a parameter without its default: what isn't given keeps the one that was deployed."""
    common: dict[str, Any] = {"required": parameter.required, "help": parameter.help}
    if parameter.type == "file":
        return IncludeFile(parameter.name, is_text=parameter.is_text, encoding=parameter.encoding, **common)
    declare: Any = Parameter
    if parameter.separator is not None:
        common["separator"] = parameter.separator
    return declare(parameter.name, type=_TYPES[parameter.type], **common)  # type: ignore[no-any-return]


def main() -> None:
    """Run a command of the flow: the arguments are the store's address, the plan's hash and the command line."""
    from flow_sdk.cli import main as command_line

    root, digest = sys.argv[1:3]
    plan = from_json(Artifacts(open_store(root, create=False)).get_bytes(digest, where=f"plan {digest}"))
    sys.argv = [f"{plan.flow.lower()}.py", *sys.argv[3:]]
    command_line.main(build_flow_class(plan))


if __name__ == "__main__":
    from flow_sdk.programmatic import plan_flow

    plan_flow.main()
