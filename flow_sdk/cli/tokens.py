"""Production tokens on the command line: their options, and what users are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_sdk.cli.arguments import Option
from flow_sdk.cli.call import Call

if TYPE_CHECKING:
    from flow_sdk.deploy.claims import Keeper
    from flow_sdk.deploy.tokens import TokenGate

__all__ = ["AUTHORIZE", "TOKEN_OPTIONS", "deployed_name", "naming", "tell_token", "token_gate"]

AUTHORIZE = Option("authorize", "The production token, where somebody else made it; needed once.", metavar="TOKEN")

TOKEN_OPTIONS = (
    AUTHORIZE,
    Option("generate-new-token", "Make a new production token, and with it an empty namespace.", flag=True),
)


def deployed_name(call: Call) -> str:
    """The name the flow is deployed under: that of project and branch, else what ``--name`` says, else the flow's.

    Raises
    ------
    UsageError
        If ``--name`` is given with ``@project``.
    """
    project = call.project
    if project is None:
        return str(call["name"] or call.flow)
    if call["name"] is not None:
        from flow_sdk.errors import UsageError

        raise UsageError(
            "--name can't be used with @project, where project and branch make the name.",
            seen=call["name"],
            help="Give --branch or --production instead.",
        )
    return project.deployed_name(call.flow)


def token_gate(call: Call, name: str, keeper: Keeper | None) -> TokenGate:
    """Make the gate for a deployment under ``name`` from the options."""
    import os

    from flow_sdk import config
    from flow_sdk.deploy.claims import KnownTokens
    from flow_sdk.deploy.tokens import TokenGate

    return TokenGate(
        name,
        config.user(),
        KnownTokens(os.path.dirname(config.config_file()), name),
        keeper=keeper,
        authorize=call["authorize"],
        renew=call.values.get("generate-new-token", False),
    )


def tell_token(call: Call, gate: TokenGate, command: str) -> None:
    """Say what a new token is for. Who deploys again with the same one is told nothing."""
    grant = gate.grant
    if grant is None or not (grant.first or grant.renewed):
        return
    if grant.first:
        call.say(f"This is the first deployment of {gate.name}: it gets a production token and a namespace of its own.")
    else:
        call.say(f"{gate.name} has a new production token; the old one no longer counts. Its new namespace is empty.")
    call.say(
        f"  Namespace of its runs:  {grant.namespace}\n"
        f'  In a notebook:          namespace("{grant.namespace}")\n'
        f"  For others to deploy:   {call.again}{naming(call)} {command} --authorize {grant.token}\n"
        "This machine holds the token now; on others --authorize is needed once."
    )


def naming(call: Call) -> str:
    """The options that name the deployment, for a command to be pasted into a shell."""
    import shlex

    words = [f" --{name} {shlex.quote(call[name])}" for name in ("name", "branch") if name in call.given]
    return "".join([*words, " --production"] if call["production"] else words)
