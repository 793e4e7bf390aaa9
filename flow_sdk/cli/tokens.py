"""Production tokens on the command line: their options, and what users are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flow_sdk.cli.arguments import Option
from flow_sdk.cli.call import Call

if TYPE_CHECKING:
    from flow_sdk.deploy.claims import Keeper
    from flow_sdk.deploy.tokens import TokenGate

__all__ = ["TOKEN_OPTIONS", "tell_token", "token_gate"]

TOKEN_OPTIONS = (
    Option("authorize", "The production token, where somebody else made it; needed once.", metavar="TOKEN"),
    Option("generate-new-token", "Make a new production token, and with it an empty namespace.", flag=True),
)


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
        renew=call["generate-new-token"],
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
        f"  For others to deploy:   {call.again}{_branching(call)} {command} --authorize {grant.token}\n"
        "This machine holds the token now; on others --authorize is needed once."
    )


def _branching(call: Call) -> str:
    """The options that name the branch, for others to use."""
    words = [f" --branch {call['branch']}"] if "branch" in call.given else []
    return "".join([*words, " --production"] if call["production"] else words)
