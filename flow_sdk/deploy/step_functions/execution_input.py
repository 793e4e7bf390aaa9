"""The input of an execution: how it is read, and which of its forms hold parameters."""

import json
from typing import Any

from flow_sdk.errors import ParameterError
from flow_sdk.plan.model import FlowPlan

__all__ = ["parse_parameters", "read_execution_input"]

COMMENT = "Comment"
"""AWS's console fills the input of a new execution with an object of this one key."""

PARAMETERS = "Parameters"
"""The key under which Metaflow's tools, and rules written for them, give the parameters, as JSON in a text."""


def read_execution_input(arn: str) -> Any:
    """Read the input of an execution.

    Parameters
    ----------
    arn : str
        The execution's ARN.

    Raises
    ------
    ParameterError
        If Python can't read the JSON, such as for numbers of thousands of digits.
    AwsError
        If AWS doesn't return it.
    """
    from flow_sdk.aws.clients import make_client
    from flow_sdk.aws.errors import aws_errors

    states = make_client("stepfunctions")
    with aws_errors("read the execution's input", where=arn):
        text = states.describe_execution(executionArn=arn).get("input") or "{}"
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _form_error(text, f"The execution's input can't be read: {error}.") from None


def parse_parameters(given: Any, plan: FlowPlan) -> dict[str, Any]:
    """Find the parameters in the input of an execution. Pure.

    Parameters
    ----------
    given : JSON value
        The input: an object of parameters, as ``trigger`` makes it; or an object with the one key ``Parameters``, which
        holds such an object or its JSON as text. In a flow with a parameter of that name ``Parameters`` is always this
        parameter. The console's key ``Comment`` is ignored, unless the flow has such a parameter.
    plan : FlowPlan
        The flow.

    Returns
    -------
    dict
        Values by name. The names aren't checked.

    Raises
    ------
    ParameterError
        If the input has another form.
    """
    known = {parameter.name for parameter in plan.parameters}
    if not isinstance(given, dict):
        raise _form_error(given, "The execution's input isn't an object of parameters.")
    found = {name: value for name, value in given.items() if name != COMMENT or name in known}
    if PARAMETERS not in found or PARAMETERS in known:
        return found
    if len(found) > 1:
        others = ", ".join(repr(name) for name in found if name != PARAMETERS)
        raise _form_error(given, f"The execution's input has {others[:200]} beside {PARAMETERS!r}.")
    inner = found[PARAMETERS]
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError) as error:
            raise _form_error(found[PARAMETERS], f"The text under {PARAMETERS!r} isn't JSON: {error}.") from None
    if not isinstance(inner, dict):
        raise _form_error(inner, f"What the input has under {PARAMETERS!r} isn't an object of parameters.")
    return inner


def _form_error(seen: Any, headline: str) -> ParameterError:
    text = seen if isinstance(seen, str) else json.dumps(seen, ensure_ascii=False)
    wanted = '{"alpha": 0.5}, or {"Parameters": "{\\"alpha\\": 0.5}"}, or {} for the defaults'
    return ParameterError(headline, seen=text[:200], wanted=wanted)
